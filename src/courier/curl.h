/* libcurl, loaded by courier alone: linked to the program it would cost every start of the command line 4 ms
 * and every role a megabyte. */
#ifndef VK_COURIER_CURL_H
#define VK_COURIER_CURL_H

#include "core/base.h"

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

typedef struct vk_curl {
    CURLcode (*global_init)(long flags);
    CURL *(*easy_init)(void);
    CURLcode (*easy_setopt)(CURL *c, CURLoption option, ...);
    CURLcode (*easy_perform)(CURL *c);
    CURLcode (*easy_getinfo)(CURL *c, CURLINFO info, ...);
    void (*easy_cleanup)(CURL *c);
    const char *(*easy_strerror)(CURLcode code);
    struct curl_slist *(*slist_append)(struct curl_slist *list, const char *text);
    void (*slist_free_all)(struct curl_slist *list);
} vk_curl;

/* Not by two threads at once. False: it is not installed (Debian: libcurl4). */
bool vk_curl_load(vk_curl *out_r);

#endif
