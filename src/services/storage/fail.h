/* Why the S3 front refuses a request, besides what the verifier (crypto/sigv4_fail.h) and the disk
 * (embedded/objects.h) say: one table to S3's code, sentence and status. Codes as in "Error responses" of the
 * Amazon S3 API reference. */
#ifndef VK_STORAGE_FAIL_H
#define VK_STORAGE_FAIL_H

#include "core/base.h"

typedef enum vk_s3_fail {
    VK_S3_OK,
    VK_S3_BAD_URI,    /* a percent sign without two digits, or no path */
    VK_S3_BAD_BUCKET, /* no bucket name can look so */
    VK_S3_BAD_KEY,    /* NUL, not UTF-8, a segment "." or ".." */
    VK_S3_KEY_TOO_LONG,
    VK_S3_NOT_IMPLEMENTED, /* a sub-resource, header or value of S3 that valetkey does not have */
    VK_S3_METHOD,          /* no operation has that method there */
    VK_S3_CONFLICT,        /* sub-resources that do not go together, or a parameter twice */
    VK_S3_BAD_ARGUMENT,    /* a parameter's value */
    VK_S3_NO_SUCH_VERSION,
    VK_S3_BAD_COPY_SOURCE,
    VK_S3_BAD_TOKEN, /* a continuation token that is not ours, not this process's, or of another list */
    VK_S3_MALFORMED_XML,
    VK_S3_MALFORMED_POST, /* a form that is none */
    VK_S3_FORM_TOO_LARGE, /* its fields */
    VK_S3_PRECONDITION,
    VK_S3_NOT_MODIFIED, /* 304: no body, and not an error to a person */
    VK_S3_BAD_RANGE,
    VK_S3_CORS_FORBIDDEN,
    VK_S3_CORS_NO_ORIGIN,
    VK_S3_TOO_MANY, /* parameters, or what else is counted in a request */
    VK_S3_NO_MEMORY,
    VK_S3_FAILS,
} vk_s3_fail;

typedef struct vk_s3_error {
    const char *code, *message; /* static */
    int status;
} vk_s3_error;

extern const vk_s3_error vk_s3_errors[VK_S3_FAILS];

#endif
