#include "valet/valet.h"

#include "core/buf.h"
#include "core/encode.h"

#ifdef VK_TEST_VENDOR
#include "valet/vendor.h"
#endif

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

/* One block of the bytes that a key is made of. */
static void block_of(const vk_master *m, vk_buf *msg, unsigned char number, uint8_t out[VK_SHA256])
{
    msg->p[msg->n - 1] = (char)number;
    vk_hmac((vk_str){(const char *)m->key, VK_MASTER}, vk_buf_view(msg), out);
}

static void derive_hex(const vk_master *m, size_t digits, vk_buf *msg, char out[VK_VALET_MAX])
{
    uint8_t bytes[VK_SHA256];
    if (digits % 2 || digits > VK_VALET_HEX_MAX)
        abort();
    block_of(m, msg, 0, bytes);
    vk_hex(out, bytes, digits / 2);
    out[digits] = '\0';
    vk_wipe(bytes, sizeof bytes);
}

/* `n` base62 characters. */
static void derive_body(const vk_master *m, vk_buf *msg, char *out, size_t n)
{
    size_t have = 0;
    for (unsigned char block = 0; have < n; block++) {
        uint8_t bytes[VK_SHA256];
        block_of(m, msg, block, bytes);
        have += vk_base62_fill(out + have, n - have, bytes, sizeof bytes);
        vk_wipe(bytes, sizeof bytes);
    }
}

static void derive_token(const vk_master *m, vk_str prefix, vk_buf *msg, char out[VK_VALET_MAX])
{
    if (prefix.n + VK_VALET_BODY + 6 >= VK_VALET_MAX)
        abort();
    memcpy(out, prefix.p, prefix.n);
    derive_body(m, msg, out + prefix.n, VK_VALET_BODY);
    size_t n = prefix.n + VK_VALET_BODY;
    vk_base62_crc(out + n, vk_crc32(out, n));
    out[n + 6] = '\0';
}

#ifdef VK_TEST_VENDOR
static void derive_vendor(const vk_master *m, const vk_vendor_form *v, vk_buf *msg, char out[VK_VALET_MAX])
{
    enum { KIND_FROM_END = 10 }; /* before the generation and the number of the block */
    size_t n = strlen(v->prefix), kind = msg->n - KIND_FROM_END;
    if (n + v->account + v->body >= VK_VALET_MAX)
        abort();
    memcpy(out, v->prefix, n);
    derive_body(m, msg, out + n + v->account, v->body);
    msg->p[kind] = '5'; /* no kind of key */
    derive_body(m, msg, out + n, v->account);
    out[n + v->account + v->body] = '\0';
}
#endif

static bool base62_ok(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!((p[i] >= '0' && p[i] <= '9') || (p[i] >= 'A' && p[i] <= 'Z') || (p[i] >= 'a' && p[i] <= 'z')))
            return false;
    return true;
}

void vk_valet_derive(const vk_master *m, const vk_valet_form *f, vk_str build, vk_str service,
                     uint64_t generation, char out[VK_VALET_MAX])
{
    char room[256];
    vk_buf msg = {.p = room, .cap = sizeof room, .max = sizeof room}; /* ids and names are far shorter */
    if (build.n > 64 || service.n > 64)
        abort();
    if (f->hex)
        vk_buf_add(&msg, "valetkey/valet/hex/v1", sizeof "valetkey/valet/hex/v1");
    else
        vk_buf_add(&msg, "valetkey/valet/v1", sizeof "valetkey/valet/v1");
    lp(&msg, build);
    lp(&msg, service);
    vk_buf_ch(&msg, f->kind);
    for (int shift = 56; shift >= 0; shift -= 8)
        vk_buf_ch(&msg, (char)(generation >> shift));
    vk_buf_ch(&msg, 0);
#ifdef VK_TEST_VENDOR
    const vk_vendor_form *v = vk_vendor_form_of(f);
    if (v) {
        derive_vendor(m, v, &msg, out);
        return;
    }
#endif
    if (f->hex)
        derive_hex(m, f->hex, &msg, out);
    else
        derive_token(m, vk_str_z(f->prefix), &msg, out);
}

static bool hex_ok(vk_str token)
{
    for (size_t i = 0; i < token.n; i++) {
        char c = token.p[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
    }
    return true;
}

bool vk_valet_shape_ok(vk_secret secret, const vk_valet_form *f)
{
    vk_str token = vk_secret_bytes(secret);
    if (f->hex)
        return token.n == f->hex && hex_ok(token);
    vk_str prefix = vk_str_z(f->prefix);
    char crc[6];
#ifdef VK_TEST_VENDOR
    const vk_vendor_form *v = vk_vendor_form_of(f);
    if (v) {
        size_t at = strlen(v->prefix);
        return token.n == at + v->account + v->body && vk_str_starts(token, vk_str_z(v->prefix)) &&
               base62_ok(token.p + at, token.n - at);
    }
#endif
    if (token.n != prefix.n + VK_VALET_BODY + 6 || !vk_str_starts(token, prefix) ||
        !base62_ok(token.p + prefix.n, token.n - prefix.n))
        return false;
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
