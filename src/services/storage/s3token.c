#include "services/storage/s3token.h"

#include "core/encode.h"
#include "crypto/sha256.h"

static void length_and_bytes(vk_sha256_run *s, vk_str part)
{
    const uint8_t n[4] = {(uint8_t)(part.n >> 24), (uint8_t)(part.n >> 16), (uint8_t)(part.n >> 8),
                          (uint8_t)part.n};
    vk_sha256_add(s, (vk_str){(const char *)n, sizeof n});
    vk_sha256_add(s, part);
}

/* HMAC(key, SHA-256 of all parts, each behind its length). */
static void mac(const uint8_t key[VK_S3_TOKEN_KEY], const vk_s3_token_for *f, vk_str place,
                uint8_t out[VK_SHA256])
{
    const vk_str parts[] = {
        VK_STR("valetkey/s3-list/v1"), f->build, f->access_key_id, f->bucket, f->prefix, f->delimiter, place};
    vk_sha256_run s;
    uint8_t digest[VK_SHA256];
    vk_sha256_begin(&s);
    for (size_t i = 0; i < VK_COUNT(parts); i++)
        length_and_bytes(&s, parts[i]);
    vk_sha256_end(&s, digest);
    vk_hmac((vk_str){(const char *)key, VK_S3_TOKEN_KEY}, (vk_str){(const char *)digest, sizeof digest}, out);
}

void vk_s3_token_make(const uint8_t key[VK_S3_TOKEN_KEY], const vk_s3_token_for *f, vk_str place, vk_buf *out)
{
    char text[VK_SHA256 + VK_S3_TOKEN_PLACE_MAX];
    if (place.n > VK_S3_TOKEN_PLACE_MAX) {
        out->err = out->err == VK_OK ? VK_E_TOO_LARGE : out->err;
        return;
    }
    mac(key, f, place, (uint8_t *)text);
    if (place.n)
        memcpy(text + VK_SHA256, place.p, place.n);
    vk_base64url(out, text, VK_SHA256 + place.n);
}

vk_s3_fail vk_s3_token_open(vk_arena *a, const uint8_t key[VK_S3_TOKEN_KEY], const vk_s3_token_for *f,
                            vk_str token, vk_str *place_r)
{
    uint8_t want[VK_SHA256];
    vk_str raw;
    if (token.n == 0 || token.n > VK_S3_TOKEN_MAX)
        return VK_S3_BAD_TOKEN;
    vk_err e = vk_base64_decode(a, token, &raw);
    if (e != VK_OK)
        return e == VK_E_NOMEM ? VK_S3_NO_MEMORY : VK_S3_BAD_TOKEN;
    if (raw.n < VK_SHA256 || raw.n > VK_SHA256 + VK_S3_TOKEN_PLACE_MAX)
        return VK_S3_BAD_TOKEN;
    const vk_str place = {raw.p + VK_SHA256, raw.n - VK_SHA256};
    mac(key, f, place, want);
    if (!vk_str_eq_secret((vk_str){raw.p, VK_SHA256}, (vk_str){(const char *)want, sizeof want}))
        return VK_S3_BAD_TOKEN;
    *place_r = place;
    return VK_S3_OK;
}
