/* All of test_server.c with TLS between the two. */
#define VK_TEST_TLS
#include "http/test_server.c"
