/* The body of an object or a part on its way in: out of its framing, hashed, and held against what its
 * signature and its client say of it. Used by who writes it to the disk (put.c) and by who sends it to a
 * vendor (upstream/put.c). Nothing is kept but states of hashes; one thread at a time. */
#ifndef VK_STORAGE_S3INTAKE_H
#define VK_STORAGE_S3INTAKE_H

#include "crypto/awschunked.h"
#include "services/storage/embedded/objects.h"

/* What a write says about its bytes. */
typedef struct vk_s3_claims {
    bool has_md5;
    uint8_t md5[16];
    uint8_t algo; /* 1 + vk_checksum_kind; 0: none */
    bool stated;  /* `sum` is the value; else it comes in the trailer, or is only to be computed */
    bool trailing;
    bool unless_empty; /* a presigned URL's checksum of no bytes: says nothing about a body */
    uint8_t sum[VK_CHECKSUM_MAX];
} vk_s3_claims;

/* Why it is refused: one of the three. */
typedef struct vk_s3_wrong {
    bool is;
    vk_ob_err ob;
    vk_sigv4_fail sigv4;
    int status; /* neither: code and message, static */
    const char *code, *message;
} vk_s3_wrong;
/* The first one stays. */
void vk_s3_wrong_ob(vk_s3_wrong *w, vk_ob_err e);
void vk_s3_wrong_sigv4(vk_s3_wrong *w, vk_sigv4_fail f);
void vk_s3_wrong_say(vk_s3_wrong *w, int status, const char *code, const char *message);

typedef struct vk_s3_intake {
    /* ---- set by vk_s3_intake_begin */
    vk_s3_claims claims;
    vk_sigv4_payload payload;
    uint8_t payload_hash[VK_SHA256];
    int64_t size, least, most; /* decoded; size -1: not announced */
    bool want_md5;             /* also when nobody states it */
    uint8_t algo;              /* of the checksum that is computed; the caller may set one where it is 0 */
    /* ---- its own */
    bool framed, framing_ended, hashing;
    int64_t n; /* decoded bytes so far */
    vk_sha256_run sha256;
    vk_checksum md5, sum;
    vk_awschunked framing;
    vk_s3_wrong wrong;
} vk_s3_intake;

typedef struct vk_s3_intake_facts {
    const vk_s3_claims *claims;
    const vk_sigv4_grant *grant;
    bool framed;    /* aws-chunked, as the grant says */
    vk_str trailer; /* x-amz-trailer */
    int64_t size, least, most;
    bool want_md5;
} vk_s3_intake_facts;

/* Anything but VK_SIGV4_OK: it cannot be read. Wipe it afterwards all the same. */
VK_MUSTCHECK vk_sigv4_fail vk_s3_intake_begin(vk_s3_intake *b, const vk_s3_intake_facts *f);
/* Bytes as they came; `data` gets them decoded, in pieces that fit into a processor's cache. After something
 * is wrong nothing more is given. */
void vk_s3_intake_add(vk_s3_intake *b, vk_str bytes, void (*data)(void *arg, vk_str piece), void *arg);
/* All is there: b->wrong says whether it is what it should be. md5_r is written with want_md5, or where one
 * was stated; *sum_r has algo 0 when none is computed. True: a presigned URL's checksum of no bytes was
 * passed over. */
bool vk_s3_intake_end(vk_s3_intake *b, uint8_t md5_r[16], vk_ob_sum *sum_r);
void vk_s3_intake_wipe(vk_s3_intake *b);

#endif
