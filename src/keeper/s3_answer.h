/* What R2, S3 and what speaks their protocol answer to the few questions of keeper's own: a page of a
 * listing of objects or of uploads, what could not be deleted, an error. Nothing here is trusted: UTF-8 only,
 * no DOCTYPE, a depth, a number of entries and a length of each text; one document of a known name. Whether a
 * key lies where it should is the caller's to check. What a vendor adds is passed over. */
#ifndef VK_KEEPER_S3_ANSWER_H
#define VK_KEEPER_S3_ANSWER_H

#include "core/arena.h"

enum {
    VK_S3A_ENTRIES_MAX = 1000,
    VK_S3A_TEXT_MAX = 4096,
    VK_S3A_DEPTH_MAX = 8,
};

typedef enum vk_s3a_kind {
    VK_S3A_OBJECTS, /* ListBucketResult */
    VK_S3A_UPLOADS, /* ListMultipartUploadsResult */
    VK_S3A_DELETED, /* DeleteResult: its entries are what was not deleted */
    VK_S3A_ERROR,
} vk_s3a_kind;

typedef struct vk_s3a_entry {
    vk_str key, id; /* `id` of an upload, or the error's code */
    int64_t size;   /* -1: not said */
} vk_s3a_entry;

typedef struct vk_s3a {
    vk_s3a_kind kind;
    bool truncated;
    vk_str next;          /* NextContinuationToken; VK_STR_NONE: none */
    vk_str code, message; /* of an error */
    vk_s3a_entry *entries;
    size_t n;
} vk_s3a;

/* Results live in the arena; keys are decoded where the document says that they are encoded. VK_E_INVALID:
 * none of these, or beyond a limit; VK_E_NOMEM. */
VK_MUSTCHECK vk_err vk_s3a_read(vk_arena *a, vk_str body, vk_s3a *out_r);

#endif
