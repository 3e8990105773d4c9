/* All of test_bodies.c with TLS between the two. */
#define VK_TEST_TLS
#include "http/test_bodies.c"
