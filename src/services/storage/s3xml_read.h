/* The XML bodies that S3 clients send: DeleteObjects, CompleteMultipartUpload, PutBucketCors, CreateBucket.
 *
 * The syntax is expat's; here are the bounds and the shapes. UTF-8 only, whatever the document declares; no
 * DOCTYPE, so no entities besides the five of XML and numeric references; elements go by their local name,
 * with or without S3's namespace; attributes, comments and processing instructions mean nothing. An element
 * that the shape does not have is refused and not skipped: it may be a condition ("delete only if …") that
 * would then not be kept. */
#ifndef VK_STORAGE_S3XML_READ_H
#define VK_STORAGE_S3XML_READ_H

#include "core/arena.h"
#include "crypto/checksum.h"
#include "services/storage/fail.h"

enum {
    VK_S3X_BODY_MAX = 2 << 20,
    VK_S3X_DEPTH_MAX = 8,
    VK_S3X_TEXT_MAX = 4096, /* of one element; a key that is too long is still one, for its own error */
    VK_S3X_KEYS_MAX = 1000,
    VK_S3X_PARTS_MAX = 10000,
    VK_S3X_RULES_MAX = 100,
    VK_S3X_RULE_LIST_MAX = 100, /* origins, methods or headers of one rule */
};

typedef struct vk_s3x_key {
    vk_str key, etag; /* etag empty: none was stated */
} vk_s3x_key;

typedef struct vk_s3x_delete {
    bool quiet;
    const vk_s3x_key *keys;
    size_t n;
} vk_s3x_delete;

typedef struct vk_s3x_part {
    int number;       /* 1 to 10,000 */
    vk_str etag;      /* as sent: with or without quotes */
    uint8_t sum_algo; /* 1 + vk_checksum_kind, 0: none was stated (as vk_ob_sum) */
    uint8_t sum[VK_CHECKSUM_MAX];
} vk_s3x_part;

typedef struct vk_s3x_complete {
    const vk_s3x_part *parts;
    size_t n; /* at least 1; their order is not checked */
} vk_s3x_complete;

typedef struct vk_s3x_list {
    const vk_str *at;
    size_t n;
} vk_s3x_list;

typedef struct vk_s3x_rule {
    vk_str id;                                     /* p NULL: none */
    vk_s3x_list origins, methods, headers, expose; /* origins and methods: at least one; at most one * in each
                                                    * origin and header; methods are S3's five */
    int64_t max_age_s;                             /* -1: not stated */
} vk_s3x_rule;

typedef struct vk_s3x_cors {
    const vk_s3x_rule *rules;
    size_t n; /* at least 1 */
} vk_s3x_cors;

/* `body` is the whole of it. Results live in the arena. VK_S3_MALFORMED_XML: also what passes a limit.
 * VK_S3_NOT_IMPLEMENTED: well-formed, but asks for a version or a condition that valetkey does not have.
 * VK_S3_NO_MEMORY. */
VK_MUSTCHECK vk_s3_fail vk_s3x_read_delete(vk_arena *a, vk_str body, vk_s3x_delete *out_r);
VK_MUSTCHECK vk_s3_fail vk_s3x_read_complete(vk_arena *a, vk_str body, vk_s3x_complete *out_r);
VK_MUSTCHECK vk_s3_fail vk_s3x_read_cors(vk_arena *a, vk_str body, vk_s3x_cors *out_r);
/* The region that CreateBucket names, "" when it names none. An empty body is one too. */
VK_MUSTCHECK vk_s3_fail vk_s3x_read_create_bucket(vk_arena *a, vk_str body, vk_str *region_r);

#endif
