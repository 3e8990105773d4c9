/* Names as they enter: one percent-decode, what a bucket and a key may look like, the source of a copy. Pure.
 */
#ifndef VK_STORAGE_S3NAME_H
#define VK_STORAGE_S3NAME_H

#include "core/arena.h"
#include "services/storage/fail.h"

enum {
    VK_S3_BUCKET_MIN = 3,
    VK_S3_BUCKET_MAX = 63,
    VK_S3_KEY_MAX = 1024,
};

/* 3 to 63 of a-z 0-9 . - with a letter or digit at both ends, no "..", ".-", "-.", not an IPv4 address
 * ("Bucket naming rules"). The test realm's clients use shorter ones ("b"): with `lax` one byte is enough. */
bool vk_s3_bucket_ok(vk_str name, bool lax);
/* One percent-decode, every byte kept, "+" too. VK_S3_BAD_URI, VK_S3_NO_MEMORY. */
VK_MUSTCHECK vk_s3_fail vk_s3_decode(vk_arena *a, vk_str raw, vk_str *out_r);
/* The same of a name or value of a query, where "+" is a blank, as it is to the verifier. */
VK_MUSTCHECK vk_s3_fail vk_s3_decode_query(vk_arena *a, vk_str raw, vk_str *out_r);
/* The key rules that need no build: length, UTF-8, NUL, dot segments. */
VK_MUSTCHECK vk_s3_fail vk_s3_key_check(vk_str key);
/* [/]bucket/key[?versionId=null]: the version is cut off, then both are decoded once and checked. */
VK_MUSTCHECK vk_s3_fail vk_s3_copy_source(vk_arena *a, vk_str value, vk_str *bucket_r, vk_str *key_r);

#endif
