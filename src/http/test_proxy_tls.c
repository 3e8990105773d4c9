/* All of test_proxy.c with TLS between the two: connections are relayed. */
#define VK_TEST_TLS
#include "http/test_proxy.c"
