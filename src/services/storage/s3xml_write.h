/* The XML bodies of S3's answers, and its error document. Each body is one struct and one table from its
 * fields to elements; order and spelling are those that unmodified SDKs were seen to read
 * (tests/data/storage/responses.json).
 *
 * A vk_str whose `p` is NULL is an element that is left out; one of no bytes is an empty element. Numbers and
 * times below 0 are left out. Times are wall milliseconds. All is written to `out`, which has the limit;
 * check out->err.
 *
 * Text is UTF-8. What XML 1.0 cannot hold is written as S3 does, as a reference (&#x1;), which lenient
 * readers take; a client that must list such keys asks for encoding-type=url. Bytes that are not UTF-8 become
 * U+FFFD. */
#ifndef VK_STORAGE_S3XML_WRITE_H
#define VK_STORAGE_S3XML_WRITE_H

#include "core/buf.h"
#include "services/storage/s3xml_read.h"

typedef struct vk_s3w_object {
    vk_str key;
    int64_t mtime_ms;
    vk_str etag; /* without quotes, here and below */
    vk_str sum_algo, sum_type;
    int64_t size;
    vk_str owner; /* id and name in one */
} vk_s3w_object;

typedef struct vk_s3w_prefix {
    vk_str prefix;
} vk_s3w_prefix;

/* ListObjects and ListObjectsV2; what the other one has is left out (NULL, -1). With `url` keys, prefixes,
 * markers and the delimiter are percent-encoded, "/" kept, and it is said so. */
typedef struct vk_s3w_list {
    bool url;
    vk_str bucket, prefix;
    vk_str marker, next_marker;            /* V1 */
    vk_str token, next_token, start_after; /* V2 */
    int64_t key_count;                     /* V2 */
    int64_t max_keys;
    vk_str delimiter;
    bool truncated;
    const vk_s3w_object *objects;
    size_t n_objects;
    const vk_s3w_prefix *prefixes;
    size_t n_prefixes;
} vk_s3w_list;
void vk_s3w_list_objects(vk_buf *out, const vk_s3w_list *l);

typedef struct vk_s3w_versions {
    bool url;
    vk_str bucket, prefix, key_marker, version_marker, next_key_marker, next_version_marker;
    int64_t max_keys;
    vk_str delimiter;
    bool truncated;
    const vk_s3w_object *objects; /* every one is the version "null", and the latest */
    size_t n_objects;
    const vk_s3w_prefix *prefixes;
    size_t n_prefixes;
} vk_s3w_versions;
void vk_s3w_list_versions(vk_buf *out, const vk_s3w_versions *l);

typedef struct vk_s3w_bucket {
    vk_str name;
    int64_t created_ms;
} vk_s3w_bucket;
typedef struct vk_s3w_buckets {
    vk_str owner;
    const vk_s3w_bucket *buckets;
    size_t n_buckets;
} vk_s3w_buckets;
void vk_s3w_list_buckets(vk_buf *out, const vk_s3w_buckets *l);

typedef struct vk_s3w_upload {
    vk_str key, id, owner;
    int64_t created_ms;
    vk_str sum_algo, sum_type;
} vk_s3w_upload;
typedef struct vk_s3w_uploads {
    bool url;
    vk_str bucket, key_marker, id_marker, next_key_marker, next_id_marker, prefix, delimiter;
    int64_t max_uploads;
    bool truncated;
    const vk_s3w_upload *uploads;
    size_t n_uploads;
    const vk_s3w_prefix *prefixes;
    size_t n_prefixes;
} vk_s3w_uploads;
void vk_s3w_list_uploads(vk_buf *out, const vk_s3w_uploads *l);

/* A checksum: its element has the algorithm's name. kind VK_CHECKSUM_KINDS: none. `text` as of
 * vk_checksum_text, with "-N" behind it for composite ones. */
typedef struct vk_s3w_sum {
    vk_checksum_kind kind;
    vk_str text, type;
} vk_s3w_sum;

typedef struct vk_s3w_part {
    int64_t number, mtime_ms;
    vk_str etag;
    vk_s3w_sum sum;
    int64_t size;
} vk_s3w_part;
typedef struct vk_s3w_parts {
    vk_str bucket, key, upload_id;
    int64_t marker, next_marker, max_parts;
    bool truncated;
    const vk_s3w_part *parts;
    size_t n_parts;
    vk_str owner, sum_algo, sum_type;
} vk_s3w_parts;
void vk_s3w_list_parts(vk_buf *out, const vk_s3w_parts *l);

void vk_s3w_created_upload(vk_buf *out, vk_str bucket, vk_str key, vk_str upload_id);
/* CopyObject and, with `part`, UploadPartCopy. */
void vk_s3w_copied(vk_buf *out, bool part, int64_t mtime_ms, vk_str etag, const vk_s3w_sum *sum);

typedef struct vk_s3w_completed {
    vk_str location, bucket, key, etag;
    vk_s3w_sum sum;
} vk_s3w_completed;
void vk_s3w_completed_upload(vk_buf *out, const vk_s3w_completed *c);
/* The body of a form's answer with success_action_status 201; the checksum is not in it. */
void vk_s3w_posted(vk_buf *out, const vk_s3w_completed *c);

typedef struct vk_s3w_deleted {
    vk_str key;
} vk_s3w_deleted;
typedef struct vk_s3w_not_deleted {
    vk_str key, code, message;
} vk_s3w_not_deleted;
typedef struct vk_s3w_deletes {
    const vk_s3w_deleted *deleted; /* none with Quiet */
    size_t n_deleted;
    const vk_s3w_not_deleted *failed;
    size_t n_failed;
} vk_s3w_deletes;
void vk_s3w_delete_result(vk_buf *out, const vk_s3w_deletes *d);

typedef struct vk_s3w_attributes {
    vk_str etag;
    vk_s3w_sum sum;
    int64_t parts; /* how many it was made of; -1: the whole ObjectParts is left out */
    int64_t marker, next_marker, max_parts;
    bool truncated;
    const vk_s3w_part *part; /* those that are shown: number, sum, size */
    size_t n_part;
    vk_str storage_class;
    int64_t size;
} vk_s3w_attributes;
void vk_s3w_object_attributes(vk_buf *out, const vk_s3w_attributes *o);

void vk_s3w_location(vk_buf *out, vk_str region);
void vk_s3w_versioning(vk_buf *out);
/* Also the form in which rules are stored: vk_s3x_read_cors reads it. */
void vk_s3w_cors(vk_buf *out, const vk_s3x_cors *c);

/* The error document. `extra` are pairs of element and text that belong to the code (Key, BucketName,
 * Condition, ArgumentName, …). resource.p NULL: left out. */
typedef struct vk_s3w_extra {
    const char *name;
    vk_str text;
} vk_s3w_extra;
typedef struct vk_s3w_failure {
    vk_str code, message;
    const vk_s3w_extra *extra;
    size_t n_extra;
    vk_str resource, request_id;
} vk_s3w_failure;
void vk_s3w_error(vk_buf *out, const vk_s3w_failure *f);

#endif
