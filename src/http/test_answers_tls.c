/* All of test_answers.c with TLS between the two. */
#define VK_TEST_TLS
#include "http/test_answers.c"
