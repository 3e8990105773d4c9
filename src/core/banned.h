/* Functions this project does not use, as compile errors. Included by base.h after the system headers that
 * declare them. What to use instead: bounded copies into vk_buf, snprintf, vk_clock_*, vk_random, strtoll
 * through vk_str_to_i64, strerror_r. */
#ifndef VK_BANNED_H
#define VK_BANNED_H

#pragma GCC poison strcpy strncpy strcat strncat stpcpy sprintf vsprintf gets strtok
#pragma GCC poison asctime ctime localtime gmtime srand atoi atol atoll
#pragma GCC poison tmpnam tempnam mktemp strerror

#endif
