/* Continuation tokens of ListObjectsV2: where a listing goes on. What a client gets is base64url of a MAC and
 * the place; the MAC also covers to whom it was given and for which list, so that a token of one build, key,
 * bucket, prefix or delimiter opens no other, and none can be made up. It holds no secret (the place is a key
 * that the client has just been shown) and does not end with time: it is as good as its key. */
#ifndef VK_STORAGE_S3TOKEN_H
#define VK_STORAGE_S3TOKEN_H

#include "core/arena.h"
#include "core/buf.h"
#include "services/storage/fail.h"

enum {
    VK_S3_TOKEN_KEY = 32,
    VK_S3_TOKEN_PLACE_MAX = 1024 + 128, /* a key with its build's prefix */
    VK_S3_TOKEN_MAX = 4096,             /* of a text that is looked at at all */
};

typedef struct vk_s3_token_for {
    vk_str build, access_key_id, bucket;
    vk_str prefix, delimiter; /* as the client sent them */
} vk_s3_token_for;

/* Appends the token. `place` is the last entry of the page, a key or a common prefix, in the form of the
 * answer. out->err says when there is no room; a place that is too long is VK_E_TOO_LARGE. */
void vk_s3_token_make(const uint8_t key[VK_S3_TOKEN_KEY], const vk_s3_token_for *f, vk_str place,
                      vk_buf *out);
/* The place, in the arena. VK_S3_BAD_TOKEN, VK_S3_NO_MEMORY. */
VK_MUSTCHECK vk_s3_fail vk_s3_token_open(vk_arena *a, const uint8_t key[VK_S3_TOKEN_KEY],
                                         const vk_s3_token_for *f, vk_str token, vk_str *place_r);

#endif
