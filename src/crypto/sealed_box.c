#include "crypto/sealed_box.h"

#include "core/encode.h"
#include "crypto/digest.h"

#include <sodium.h>

_Static_assert(VK_BOX_OVERHEAD == crypto_box_SEALBYTES && VK_BOX_PUBLIC == crypto_box_PUBLICKEYBYTES &&
                   VK_BOX_SECRET == crypto_box_SECRETKEYBYTES,
               "as libsodium has them");

void vk_box_public(const uint8_t secret[VK_BOX_SECRET], uint8_t public_out[VK_BOX_PUBLIC])
{
    crypto_scalarmult_base(public_out, secret);
}

vk_err vk_box_seal(const uint8_t key[VK_BOX_PUBLIC], vk_str plain, vk_buf *out)
{
    if (plain.n > SIZE_MAX - VK_BOX_OVERHEAD)
        return VK_E_TOO_LARGE;
    unsigned char *box = (unsigned char *)vk_buf_room(out, plain.n + VK_BOX_OVERHEAD);
    if (!box)
        return out->err;
    if (crypto_box_seal(box, (const unsigned char *)(plain.n ? plain.p : ""), plain.n, key) != 0)
        return VK_E_INVALID;
    out->n += plain.n + VK_BOX_OVERHEAD;
    return VK_OK;
}

vk_err vk_box_open(const uint8_t secret[VK_BOX_SECRET], vk_str box, char *out)
{
    uint8_t key[VK_BOX_PUBLIC];
    if (box.n < VK_BOX_OVERHEAD)
        return VK_E_CORRUPT;
    vk_box_public(secret, key);
    return crypto_box_seal_open((unsigned char *)out, (const unsigned char *)box.p, box.n, key, secret) == 0
               ? VK_OK
               : VK_E_CORRUPT;
}

void vk_box_fingerprint(const uint8_t key[VK_BOX_PUBLIC], char out[VK_BOX_FINGERPRINT])
{
    uint8_t sum[VK_SHA256];
    vk_buf text = {.p = out, .cap = VK_BOX_FINGERPRINT - 1, .max = VK_BOX_FINGERPRINT - 1};
    vk_sha256((vk_str){(const char *)key, VK_BOX_PUBLIC}, sum);
    vk_buf_lit(&text, "SHA256:");
    vk_base64(&text, sum, sizeof sum, false);
    out[text.n] = '\0';
}
