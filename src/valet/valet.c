#include "valet/valet.h"

#include "core/buf.h"
#include "core/encode.h"

#include <sodium.h>

struct vk_master {
    uint32_t kid;
    uint8_t key[VK_MASTER];
};

vk_err vk_master_new(uint32_t kid, const uint8_t key[VK_MASTER], vk_master **out_r)
{
    vk_master *m =
        sodium_init() < 0 ? NULL : sodium_malloc(sizeof *m); /* sodium_init may be called again and again */
    if (!m)
        return VK_E_NOMEM;
    m->kid = kid;
    memcpy(m->key, key, VK_MASTER);
    sodium_mprotect_readonly(m);
    *out_r = m;
    return VK_OK;
}

void vk_master_free(vk_master *m)
{
    sodium_free(m);
}

uint32_t vk_master_kid(const vk_master *m)
{
    return m->kid;
}

void vk_master_subkey(const vk_master *m, vk_str label, uint8_t out[32])
{
    vk_hkdf((vk_str){(const char *)m->key, VK_MASTER}, VK_STR_NONE, label, out, 32);
}

static void lp(vk_buf *b, vk_str s)
{
    unsigned char n[4] = {(unsigned char)(s.n >> 24), (unsigned char)(s.n >> 16), (unsigned char)(s.n >> 8),
                          (unsigned char)s.n};
    vk_buf_add(b, n, sizeof n);
    vk_buf_str(b, s);
}

/* Tokens: 30 characters of base62 behind the prefix, and a checksum. */
static void token_of(const vk_master *m, vk_buf *msg, vk_str prefix, char out[VK_VALET_MAX])
{
    memcpy(out, prefix.p, prefix.n);
    size_t have = 0;
    for (unsigned char block = 0; have < VK_VALET_BODY; block++) {
        uint8_t bytes[VK_SHA256];
        msg->p[msg->n - 1] = (char)block;
        vk_hmac((vk_str){(const char *)m->key, VK_MASTER}, vk_buf_view(msg), bytes);
        have += vk_base62_fill(out + prefix.n + have, VK_VALET_BODY - have, bytes, sizeof bytes);
        vk_wipe(bytes, sizeof bytes);
    }
    size_t n = prefix.n + VK_VALET_BODY;
    vk_base62_crc(out + n, vk_crc32(out, n));
    out[n + 6] = '\0';
}

void vk_valet_derive(const vk_master *m, const vk_valet_kind *kind, vk_str build, vk_str service,
                     uint64_t generation, char out[VK_VALET_MAX])
{
    char room[256];
    vk_str prefix = vk_str_z(kind->prefix);
    vk_buf msg = {.p = room, .cap = sizeof room, .max = sizeof room}; /* ids and names are far shorter */
    if (prefix.n + VK_VALET_BODY + 6 >= VK_VALET_MAX || kind->hex > VK_VALET_HEX_MAX || build.n > 64 ||
        service.n > 64)
        abort();
    vk_buf_add(&msg, "valetkey/valet/v1", sizeof "valetkey/valet/v1");
    lp(&msg, build);
    lp(&msg, service);
    vk_buf_ch(&msg, kind->kind);
    for (int shift = 56; shift >= 0; shift -= 8)
        vk_buf_ch(&msg, (char)(generation >> shift));
    vk_buf_ch(&msg, 0);
    if (!kind->hex) {
        token_of(m, &msg, prefix, out);
        return;
    }
    uint8_t bytes[VK_SHA256];
    char digits[2 * VK_SHA256 + 1];
    vk_hmac((vk_str){(const char *)m->key, VK_MASTER}, vk_buf_view(&msg), bytes);
    vk_hex(digits, bytes, sizeof bytes);
    memcpy(out, digits, kind->hex);
    out[kind->hex] = '\0';
    vk_wipe(bytes, sizeof bytes);
    vk_wipe(digits, sizeof digits);
}

static bool all_hex(vk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f')))
            return false;
    return true;
}

bool vk_valet_shape_ok(vk_secret secret, const vk_valet_kind *kind)
{
    vk_str token = vk_secret_bytes(secret), prefix = vk_str_z(kind->prefix);
    char crc[6];
    if (kind->hex)
        return token.n == kind->hex && all_hex(token);
    if (token.n != prefix.n + VK_VALET_BODY + 6 || !vk_str_starts(token, prefix))
        return false;
    for (size_t i = prefix.n; i < token.n; i++) {
        char c = token.p[i];
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')))
            return false;
    }
    size_t n = prefix.n + VK_VALET_BODY;
    vk_base62_crc(crc, vk_crc32(token.p, n));
    return memcmp(crc, token.p + n, 6) == 0;
}

vk_err vk_valet_lookup_key(const vk_master *m, vk_hmac_key **out_r)
{
    uint8_t pepper[32];
    vk_master_subkey(m, VK_STR("valetkey/lookup/v1"), pepper);
    vk_err e = vk_hmac_key_new((vk_str){(char *)pepper, sizeof pepper}, out_r);
    vk_wipe(pepper, sizeof pepper);
    return e;
}

void vk_valet_hash(vk_hmac_key *lookup, vk_secret token, uint8_t out[VK_SHA256])
{
    vk_hmac_with(lookup, vk_secret_bytes(token), out);
}
