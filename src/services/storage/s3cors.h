/* What pages of other origins may do with a bucket: a preflight or a request held against rules, those of
 * PutBucketCors or the default ones of a build. Pure; the rules are s3xml_read.h's. Source: "Using
 * cross-origin resource sharing" of the S3 user guide, and the Fetch standard, §3.2, for what a browser
 * expects. */
#ifndef VK_STORAGE_S3CORS_H
#define VK_STORAGE_S3CORS_H

#include "services/storage/s3xml_read.h"

enum {
    VK_S3_CORS_HEADERS_MAX = 100, /* names in Access-Control-Request-Headers */
    VK_S3_CORS_ORIGIN_MAX = 300,
};

/* The rule that a build has without configuration: its own preview origins may do what an upload needs (GET
 * PUT POST HEAD DELETE, any header, ETag exposed, an hour). `origins` must outlive it; none of them: nobody
 * may. */
void vk_s3_cors_default(const vk_str *origins, size_t n, vk_s3x_rule *out_r);

/* Values of an answer's headers; p NULL: that header is left out. */
typedef struct vk_s3_cors_answer {
    vk_str allow_origin;                 /* "*", or the request's own */
    bool credentials;                    /* Access-Control-Allow-Credentials: true */
    vk_str allow_methods, allow_headers; /* of a preflight */
    vk_str expose_headers;               /* of a request */
    int64_t max_age_s;                   /* of a preflight; -1: none */
} vk_s3_cors_answer;
/* What every answer under rules has, matched or not, so that no cache gives one origin's to another. */
#define VK_S3_CORS_VARY "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"

/* A preflight. The first rule that allows the origin, the method and all headers is the answer (200); texts
 * are views or in the arena. VK_S3_CORS_NO_ORIGIN, VK_S3_CORS_FORBIDDEN (also without
 * Access-Control-Request-Method), VK_S3_NO_MEMORY. */
VK_MUSTCHECK vk_s3_fail vk_s3_cors_preflight(vk_arena *a, const vk_s3x_cors *rules, vk_str origin,
                                             vk_str method, vk_str headers, vk_s3_cors_answer *out_r);
/* A request with an Origin; its answer gets these headers, an error too. False: no rule is for it, and the
 * request is served all the same, only that a browser keeps the answer from the page. */
bool vk_s3_cors_request(vk_arena *a, const vk_s3x_cors *rules, vk_str origin, vk_str method,
                        vk_s3_cors_answer *out_r);

#endif
