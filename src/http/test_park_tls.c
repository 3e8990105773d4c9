/* All of test_park.c with TLS between the two: connections are relayed. */
#define VK_TEST_TLS
#include "http/test_park.c"
