#include "services/storage/s3intake.h"

#include "services/storage/front.h"

void vk_s3_wrong_ob(vk_s3_wrong *w, vk_ob_err e)
{
    if (e == VK_OB_OK || w->is)
        return;
    w->is = true;
    w->ob = e;
}

void vk_s3_wrong_sigv4(vk_s3_wrong *w, vk_sigv4_fail f)
{
    if (f == VK_SIGV4_OK || w->is)
        return;
    w->is = true;
    w->sigv4 = f;
}

void vk_s3_wrong_say(vk_s3_wrong *w, int status, const char *code, const char *message)
{
    if (w->is)
        return;
    w->is = true;
    w->status = status;
    w->code = code;
    w->message = message;
}

vk_sigv4_fail vk_s3_intake_begin(vk_s3_intake *b, const vk_s3_intake_facts *f)
{
    *b = (vk_s3_intake){.claims = *f->claims,
                        .payload = f->grant->payload,
                        .size = f->size,
                        .least = f->least,
                        .most = f->most,
                        .want_md5 = f->want_md5 || f->claims->has_md5,
                        .algo = f->claims->algo,
                        .framed = f->framed};
    memcpy(b->payload_hash, f->grant->payload_hash, sizeof b->payload_hash);
    return f->framed ? vk_awschunked_begin(&b->framing, f->grant, f->size, f->trailer) : VK_SIGV4_OK;
}

static void begin_hashes(vk_s3_intake *b)
{
    b->hashing = true;
    if (b->payload == VK_SIGV4_HASHED)
        vk_sha256_begin(&b->sha256);
    if (b->want_md5)
        vk_checksum_begin(&b->md5, VK_CHECKSUM_MD5);
    if (b->algo)
        vk_checksum_begin(&b->sum, (vk_checksum_kind)(b->algo - 1));
}

/* Bytes of the object. */
static void payload(vk_s3_intake *b, vk_str data, void (*give)(void *arg, vk_str piece), void *arg)
{
    enum { STRIDE = 16 << 10 }; /* what all of them read lies in the cache then */
    b->n += (int64_t)data.n;
    if (b->n > b->most)
        vk_s3_wrong_sigv4(&b->wrong, VK_SIGV4_TOO_LARGE);
    while (data.n && !b->wrong.is) {
        vk_str piece = {data.p, data.n > STRIDE ? STRIDE : data.n};
        if (b->payload == VK_SIGV4_HASHED)
            vk_sha256_add(&b->sha256, piece);
        if (b->want_md5)
            vk_checksum_add(&b->md5, piece);
        if (b->algo)
            vk_checksum_add(&b->sum, piece);
        give(arg, piece);
        data = (vk_str){data.p + piece.n, data.n - piece.n};
    }
}

void vk_s3_intake_add(vk_s3_intake *b, vk_str bytes, void (*data)(void *arg, vk_str piece), void *arg)
{
    vk_str decoded;
    if (!b->hashing)
        begin_hashes(b);
    if (!b->framed) {
        payload(b, bytes, data, arg);
        return;
    }
    while (bytes.n && !b->wrong.is) {
        switch (vk_awschunked_next(&b->framing, &bytes, &decoded)) {
        case VK_AWSCHUNK_DATA:
            payload(b, decoded, data, arg);
            break;
        case VK_AWSCHUNK_END:
            b->framing_ended = true;
            break;
        case VK_AWSCHUNK_BAD:
            vk_s3_wrong_sigv4(&b->wrong, vk_awschunked_why(&b->framing));
            break;
        case VK_AWSCHUNK_MORE:
            return;
        }
    }
}

/* The checksum in the trailer of aws-chunked. */
static void read_trailer(vk_s3_intake *b)
{
    vk_s3_claims *c = &b->claims;
    char name[40];
    snprintf(name, sizeof name, "x-amz-checksum-%s", vk_checksum_name((vk_checksum_kind)(c->algo - 1)));
    vk_str v = vk_awschunked_trailer(&b->framing, vk_str_z(name));
    if (vk_checksum_read((vk_checksum_kind)(c->algo - 1), v, c->sum) == VK_OK)
        c->stated = true;
    else
        vk_s3_wrong_sigv4(&b->wrong, VK_SIGV4_TRAILER);
}

static void lengths(vk_s3_intake *b)
{
    if (b->framed && !b->framing_ended)
        vk_s3_wrong_sigv4(&b->wrong, vk_awschunked_why(&b->framing));
    if (b->size >= 0 && b->n != b->size)
        vk_s3_wrong_ob(&b->wrong, VK_OB_INCOMPLETE);
    if (b->n < b->least)
        vk_s3_wrong_sigv4(&b->wrong, VK_SIGV4_TOO_SMALL);
    if (!b->wrong.is && b->claims.trailing)
        read_trailer(b);
}

bool vk_s3_intake_end(vk_s3_intake *b, uint8_t md5_r[16], vk_ob_sum *sum_r)
{
    uint8_t raw[VK_CHECKSUM_MAX], hash[VK_SHA256];
    const vk_s3_claims *said = &b->claims;
    *sum_r = (vk_ob_sum){0};
    if (!b->hashing)
        begin_hashes(b);
    lengths(b);
    if (b->wrong.is)
        return false;
    if (b->payload == VK_SIGV4_HASHED) {
        vk_sha256_end(&b->sha256, hash);
        if (!vk_str_eq_secret((vk_str){(const char *)hash, VK_SHA256},
                              (vk_str){(const char *)b->payload_hash, VK_SHA256}))
            vk_s3_wrong_sigv4(&b->wrong, VK_SIGV4_PAYLOAD_HASH);
    }
    if (b->want_md5) {
        vk_checksum_end(&b->md5, raw);
        memcpy(md5_r, raw, 16);
        if (said->has_md5 && memcmp(said->md5, raw, 16) != 0)
            vk_s3_wrong_say(&b->wrong, 400, "BadDigest",
                            "The Content-MD5 you specified did not match what we received.");
    }
    if (!b->algo)
        return false;
    *sum_r = (vk_ob_sum){.algo = b->algo, .type = VK_S3_FULL_OBJECT};
    sum_r->n = (uint8_t)vk_checksum_end(&b->sum, raw);
    memcpy(sum_r->value, raw, sum_r->n);
    if (!said->stated || memcmp(said->sum, raw, sum_r->n) == 0)
        return false;
    if (said->unless_empty && b->n > 0)
        return true;
    vk_s3_wrong_say(&b->wrong, 400, "BadDigest",
                    "The checksum you specified did not match what we received.");
    return false;
}

void vk_s3_intake_wipe(vk_s3_intake *b)
{
    if (b->framed)
        vk_awschunked_wipe(&b->framing);
}
