/* A request for the organisation's bucket at R2 or S3, made anew from what front asked for. Builds share the
 * bucket and have "builds/<id>/<generation>/" in it each: with the generation, a build that has the name of
 * one that was deleted does not find what that one left. Here it is seen to that a request of a build stays
 * below its own prefix, whatever front says:
 *
 *   path            "/" with a listing's parameters, or "/builds/<id>/<generation>/…", decoded once, UTF-8
 *                   without NUL, at most 1,024 bytes, no segment "." or ".."; the bucket's name is put in
 *                   front here
 *   query           exactly the parameters of one operation of the table in s3_order.c; prefixes and markers
 *                   begin with the build's own; an upload's id comes with a key only
 *   x-amz-copy-source  as the path, and only where the operation copies
 *
 * So no other bucket can be named, no setting of the bucket read or written, and no call made that names keys
 * in its body. What is sent and signed is what was checked: the parts, encoded again. */
#ifndef VK_KEEPER_S3_ORDER_H
#define VK_KEEPER_S3_ORDER_H

#include "keeper/vendors.h"

enum {
    VK_S3O_KEY_MAX = 1024,
    VK_S3O_PARAMS_MAX = 16,
    VK_S3O_UPLOAD_MAX = 2048, /* bytes of an upload's id */
    VK_S3O_TOKEN_MAX = 4096,  /* of a continuation token and of other values */
    VK_S3O_PREFIX_MAX = 64,
    VK_S3O_HEADERS_MAX = 96, /* further lines of a request */
};

typedef struct vk_s3o {
    const vk_vendor_call *call; /* the operation; its `op` is for the audit */
    vk_str path, query;         /* as they are sent */
    vk_header *headers;         /* those that go on */
    size_t n_headers;
    bool again;  /* a second sending does no harm */
    bool parent; /* of no build: for the organisation's own key, not for one made for a prefix */
} vk_s3o;

/* The build's prefix. */
void vk_s3o_prefix(const vk_order *o, char out[VK_S3O_PREFIX_MAX]);

/* Checks o->method, path, query, headers and body_n against o->build and makes *out_r in o->arena; nothing of
 * *o is changed. `build` "": only the questions of `keys check` (VK_S3O_PROBES). VK_E_FORBIDDEN: it may not
 * be made; VK_E_INVALID: nobody could make it so; VK_E_TOO_LARGE: the key; VK_E_NOMEM. */
VK_MUSTCHECK vk_err vk_s3o_make(const vk_order *o, vk_str bucket, vk_s3o *out_r, const char **why_r);

/* The keys a request is signed with. `token` is VK_SECRET_NONE with those that last. */
typedef struct vk_s3o_keys {
    vk_str id, region;
    vk_secret secret, token;
} vk_s3o_keys;

/* Appends to o->lines the credential (SigV4, the header form) of *x for o->to_host, and sets to_path,
 * to_query, call and again of *o. A body is not part of the signature, since it streams: the
 * connection is TLS, and front has verified what the client's own signature says of it. */
VK_MUSTCHECK vk_err vk_s3o_sign(vk_order *o, const vk_s3o *x, const vk_s3o_keys *k, const char **why_r);

/* The shared parts of vk_vendor: both have the same calls, headers and answers. What is asked by `keys check`
 * is about the bucket that builds share. */
#define VK_S3O_PROBE_LIST "list-type=2&max-keys=1&prefix=builds%2F"
#define VK_S3O_PROBE_KEY "/builds/.valetkey-check"
#define VK_S3O_PROBE_BUCKETS "buckets"
#define VK_S3O_PROBES                                                                                        \
    {.method = "GET",                                                                                        \
     .path = "/?" VK_S3O_PROBE_LIST,                                                                         \
     .what = "list what is below builds/",                                                                   \
     .must = true,                                                                                           \
     .with = "bucket"},                                                                                      \
        {.method = "DELETE",                                                                                 \
         .path = VK_S3O_PROBE_KEY,                                                                           \
         .what = "write and delete below builds/",                                                           \
         .must = true,                                                                                       \
         .with = "bucket"},                                                                                  \
    {                                                                                                        \
        .method = "GET", .path = "/?" VK_S3O_PROBE_BUCKETS, .what = "see the account's other buckets",       \
        .wide = true, .with = "bucket"                                                                       \
    }
extern const vk_vendor_call vk_s3o_calls[];
extern const char *const vk_s3o_travel[], *const vk_s3o_returns[];
extern const vk_vendor_probe vk_s3o_probes[];

#endif
