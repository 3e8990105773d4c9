/* A browser's upload: multipart/form-data (RFC 7578, RFC 2046 §5.1) as it streams in, for POST Object. The
 * fields in front of the part "file" are collected, bounded; the file's bytes are handed on as they come;
 * whatever follows the file is not looked at, as S3 does. Field values are bytes as sent: the policy decides
 * about them (crypto/postpolicy.h), and what of them becomes a header is checked for CR, LF and NUL by
 * whoever stores it.
 *
 *     vk_s3form_begin(f, arena, content_type);
 *     while (in.n && f->state != VK_S3FORM_DONE) {
 *         fail = vk_s3form_feed(f, &in, &file);   // file.n > 0: the next bytes of the file
 *         … as soon as f->state is VK_S3FORM_FILE the fields are complete: judge before the first byte is
 * kept
 *     }
 *     vk_s3form_end(f);                            // is the file whole? */
#ifndef VK_STORAGE_S3FORM_H
#define VK_STORAGE_S3FORM_H

#include "core/buf.h"
#include "crypto/postpolicy.h"
#include "services/storage/fail.h"

enum {
    VK_S3FORM_FIELD_MAX = 20 << 10,    /* bytes of one field */
    VK_S3FORM_FIELDS_BYTES = 64 << 10, /* of all of them, names and part headers included */
    VK_S3FORM_PART_HEAD_MAX = 4096,
    VK_S3FORM_BOUNDARY_MAX = 70,
};

typedef enum vk_s3form_state {
    VK_S3FORM_FIRST, /* before the first boundary; nothing else may stand there */
    VK_S3FORM_LINE,  /* behind a boundary */
    VK_S3FORM_HEAD,
    VK_S3FORM_FIELD,
    VK_S3FORM_FILE,
    VK_S3FORM_DONE, /* the file has ended */
    VK_S3FORM_BAD,
} vk_s3form_state;

typedef struct vk_s3form {
    vk_s3form_state state;
    vk_sigv4_pair fields[VK_POST_FIELDS_MAX]; /* in the arena */
    size_t n_fields;
    vk_str file_name, file_type; /* of the part "file"; in the arena, "" when not stated */

    vk_arena *arena;
    char delimiter[4 + VK_S3FORM_BOUNDARY_MAX]; /* CR LF - - boundary */
    size_t delimiter_n, matched;                /* its first bytes, seen and not yet judged */
    vk_str name;
    char part[VK_S3FORM_FIELD_MAX]; /* the head, or the field, that is coming in */
    size_t part_n, spent;           /* spent: of VK_S3FORM_FIELDS_BYTES */
    vk_s3_fail fail;                /* sticky */
} vk_s3form;

/* `content_type` is the request's header. VK_S3_MALFORMED_POST: no form, or no boundary that may be one. The
 * form keeps `a` and is otherwise a plain value. */
VK_MUSTCHECK vk_s3_fail vk_s3form_begin(vk_s3form *f, vk_arena *a, vk_str content_type);
/* Takes bytes off *in until the file has some (*file_r, of *in or of `f`, valid until the next call), the
 * fields are complete, the file has ended, or *in is empty. VK_S3_MALFORMED_POST, VK_S3_FORM_TOO_LARGE,
 * VK_S3_NO_MEMORY. */
VK_MUSTCHECK vk_s3_fail vk_s3form_feed(vk_s3form *f, vk_str *in, vk_str *file_r);
/* The body has ended. VK_S3_MALFORMED_POST: without a file, or in the middle of one. */
VK_MUSTCHECK vk_s3_fail vk_s3form_end(const vk_s3form *f);

#endif
