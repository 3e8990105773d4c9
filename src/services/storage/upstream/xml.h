/* The XML that R2, S3 and what speaks their protocol answer: listings of objects, uploads and parts, what was
 * made, and errors. One shape for all of them; what a vendor adds beyond it is passed over.
 *
 * Nothing here is trusted: UTF-8 only, no DOCTYPE, a depth, a number of entries and a length of each text,
 * and only one document of a known name. Whether a key lies where it should is the caller's to check. */
#ifndef VK_STORAGE_UPSTREAM_XML_H
#define VK_STORAGE_UPSTREAM_XML_H

#include "core/arena.h"
#include "services/storage/fail.h"

enum {
    VK_S3U_XML_MAX = 8 << 20, /* a page of 1,000 keys of 1,024 bytes, each byte as "%XX", and more */
    VK_S3U_DEPTH_MAX = 8,
    VK_S3U_TEXT_MAX = 4096,
    VK_S3U_ENTRIES_MAX = 1000, /* and as many common prefixes */
};

typedef enum vk_s3u_kind {
    VK_S3U_LIST,
    VK_S3U_UPLOADS,
    VK_S3U_PARTS,
    VK_S3U_CREATED,
    VK_S3U_COMPLETED,
    VK_S3U_COPIED, /* of an object, or of a part */
    VK_S3U_ERROR,
    VK_S3U_KINDS,
} vk_s3u_kind;

/* An object, an upload or a part; what there is none of is VK_STR_NONE or -1. ETags are without quotes. */
typedef struct vk_s3u_entry {
    vk_str key, id, etag, sum_algo, sum_type;
    int64_t mtime_ms, size, number;
} vk_s3u_entry;

typedef struct vk_s3u_doc {
    vk_s3u_kind kind;
    bool truncated;
    vk_str encoding;      /* "url": keys, prefixes and markers were encoded; they are decoded by now */
    vk_str next, next_id; /* NextMarker, NextContinuationToken, NextKeyMarker, NextPartNumberMarker */
    vk_str id, etag;      /* of what was made */
    int64_t mtime_ms;
    vk_str code, message; /* of an error */
    vk_s3u_entry *entries;
    size_t n_entries;
    vk_str *prefixes;
    size_t n_prefixes;
} vk_s3u_doc;

/* Results live in the arena. VK_S3_MALFORMED_XML: also what passes a limit; VK_S3_NO_MEMORY. */
VK_MUSTCHECK vk_s3_fail vk_s3u_read(vk_arena *a, vk_str body, vk_s3u_doc *out_r);

#endif
