/* From a request's line and the few headers that matter to one operation of S3, its bucket and its key. Pure:
 * knows no build and no identity. What it says about who may do it (vk_s3_op_info.who) is for the front,
 * which has the verifier's grant.
 *
 * A request names sub-resources in its query (?acl, ?uploads, …). All that S3 has are known here; a request
 * whose set of them is not exactly that of an operation is refused, so that none falls through to the plain
 * operation (a PUT ?acl must not overwrite the object). Parameters that S3 does not know are ignored, as S3
 * does ("Amazon S3 API reference", Operations). */
#ifndef VK_STORAGE_S3ROUTE_H
#define VK_STORAGE_S3ROUTE_H

#include "services/storage/s3name.h"

enum {
    VK_S3_PARAMS_MAX = 64,
};

typedef enum vk_s3_op {
    VK_S3_LIST_BUCKETS,
    VK_S3_HEAD_BUCKET,
    VK_S3_CREATE_BUCKET,
    VK_S3_DELETE_BUCKET,
    VK_S3_GET_LOCATION,
    VK_S3_GET_VERSIONING,
    VK_S3_GET_CORS,
    VK_S3_PUT_CORS,
    VK_S3_DELETE_CORS,
    VK_S3_LIST_V1,
    VK_S3_LIST_V2,
    VK_S3_LIST_VERSIONS,
    VK_S3_LIST_UPLOADS,
    VK_S3_DELETE_MANY,
    VK_S3_POST_FORM,
    VK_S3_GET_OBJECT,
    VK_S3_HEAD_OBJECT,
    VK_S3_PUT_OBJECT,
    VK_S3_COPY_OBJECT,
    VK_S3_DELETE_OBJECT,
    VK_S3_GET_ATTRIBUTES,
    VK_S3_CREATE_UPLOAD,
    VK_S3_UPLOAD_PART,
    VK_S3_COPY_PART,
    VK_S3_COMPLETE_UPLOAD,
    VK_S3_ABORT_UPLOAD,
    VK_S3_LIST_PARTS,
    VK_S3_PREFLIGHT,
    VK_S3_OPS
} vk_s3_op;

typedef enum vk_s3_who {
    VK_S3_SIGNED,     /* a grant of the verifier, or refused */
    VK_S3_PUBLIC_TOO, /* also without one, where the build says that the key is public */
    VK_S3_IN_FORM,    /* the signature is among the form's fields */
    VK_S3_ANYBODY,
} vk_s3_who;

typedef enum vk_s3_body { VK_S3_NO_BODY, VK_S3_XML_BODY, VK_S3_OBJECT_BODY, VK_S3_FORM_BODY } vk_s3_body;

typedef struct vk_s3_op_info {
    const char *name; /* "GetObject": as S3 calls it; for logs and metrics */
    vk_s3_who who;
    bool writes; /* refused to a key that may only read */
    vk_s3_body body;
    const char *params; /* the parameters it looks at, between blanks: " prefix delimiter " */
} vk_s3_op_info;
extern const vk_s3_op_info vk_s3_ops[VK_S3_OPS];

typedef struct vk_s3_ask {
    vk_str method, path, query; /* as on the wire; path up to the ?, query behind it */
    vk_str host;                /* the header's value, with or without a port */
    const vk_str *bases;        /* names of the listener: <bucket>.<base> is virtual-host style; no port */
    size_t n_bases;
    vk_str content_type;
    vk_str copy_source; /* the header x-amz-copy-source; empty: absent */
} vk_s3_ask;

typedef struct vk_s3_param {
    vk_str name, value; /* decoded */
} vk_s3_param;

typedef struct vk_s3_route {
    vk_s3_op op;
    bool virtual_host;
    vk_str bucket;                    /* a valid name; empty for ListBuckets, and for a preflight of / */
    vk_str key;                       /* decoded once; empty where the operation has none */
    vk_str source_bucket, source_key; /* of copies, decoded once */
    const vk_s3_param *params;        /* those in op's list, each once */
    size_t n_params;
} vk_s3_route;

/* Everything of *out_r is a view of the request or in the arena. What a refused request addressed (bucket,
 * key) is in it too as far as it was read, for the error's Resource and for CORS headers on errors. */
VK_MUSTCHECK vk_s3_fail vk_s3_route_of(vk_arena *a, const vk_s3_ask *ask, vk_s3_route *out_r);

/* The value of a parameter in the operation's list, "" when it has none. False: absent. */
bool vk_s3_param_of(const vk_s3_route *r, const char *name, vk_str *value_r);
/* The same as a number in min..max, `absent` when it is not there. VK_S3_BAD_ARGUMENT. */
VK_MUSTCHECK vk_s3_fail vk_s3_param_int(const vk_s3_route *r, const char *name, int64_t min, int64_t max,
                                        int64_t absent, int64_t *out_r);

#endif
