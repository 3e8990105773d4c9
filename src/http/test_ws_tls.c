/* All of test_ws.c with TLS between the two. */
#define VK_TEST_TLS
#include "http/test_ws.c"
