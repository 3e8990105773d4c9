#include "keeper/audit_key.h"

#include "core/disk.h"
#include "core/random.h"
#include "crypto/seal.h"

#include <sodium.h>

enum { KEY = VK_SHA256, PLAIN_MAX = 512, SEAL_KEY_ID = 1 };

_Static_assert(crypto_box_SEALBYTES + KEY == VK_AR_ESCROW, "the escrow is a sealed box of a key");
_Static_assert(crypto_box_PUBLICKEYBYTES == VK_AUDIT_AUDITOR, "the auditor's key is one for boxes");
_Static_assert(crypto_sign_BYTES == VK_AR_SIGNATURE, "checkpoints are signed with Ed25519");

struct vk_audit_secrets {
    uint8_t sign[crypto_sign_SECRETKEYBYTES];
    uint8_t seal[VK_SEAL_KEY];
    uint8_t epoch[KEY];
    vk_hmac256_key mac;
};

static void derive(vk_audit_key *k, const uint8_t *seed)
{
    uint8_t sign_seed[crypto_sign_SEEDBYTES];
    const vk_str ikm = {(const char *)seed, 32};
    vk_hkdf(ikm, VK_STR_NONE, VK_STR("valetkey/audit/sign/v1"), sign_seed, sizeof sign_seed);
    vk_hkdf(ikm, VK_STR_NONE, VK_STR("valetkey/audit/epoch/v1"), k->secret->seal, sizeof k->secret->seal);
    crypto_sign_seed_keypair(k->open.sign, k->secret->sign, sign_seed);
    vk_wipe(sign_seed, sizeof sign_seed);
}

static void set_mac(vk_audit_key *k)
{
    vk_hmac256_key_init(&k->secret->mac, (vk_str){(const char *)k->secret->epoch, KEY});
}

static void begin_row(vk_audit_key *k, const uint8_t *auditor, uint64_t epoch)
{
    vk_random(k->secret->epoch, KEY);
    k->epoch = epoch;
    k->fresh = true;
    k->open.first_epoch = epoch;
    memset(k->open.auditor, 0, sizeof k->open.auditor);
    k->open.sealed = auditor && crypto_box_seal(k->open.escrow, k->secret->epoch, KEY, auditor) == 0;
    if (k->open.sealed)
        memcpy(k->open.auditor, auditor, sizeof k->open.auditor);
}

/* ---- audit/epoch */

static vk_seal_place place_of(uint64_t epoch)
{
    return (vk_seal_place){
        .table = VK_STR("audit"), .record = VK_STR("epoch"), .version = epoch, .key_id = SEAL_KEY_ID};
}

static uint64_t be64(const char *p)
{
    uint64_t v = 0;
    for (int i = 0; i < 8; i++)
        v = v << 8 | (unsigned char)p[i];
    return v;
}

vk_err vk_audit_key_store(vk_audit_key *k, uint64_t seq, const uint8_t h[VK_SHA256])
{
    vk_buf plain, sealed;
    vk_seal_place at = place_of(k->epoch);
    vk_buf_init(&plain, PLAIN_MAX);
    plain.secret = true;
    vk_buf_init(&sealed, VK_AUDIT_KEY_FILE_MAX);
    vk_buf_add(&plain, k->secret->epoch, KEY);
    for (int i = 7; i >= 0; i--)
        vk_buf_ch(&plain, (char)(seq >> (8 * i)));
    vk_buf_add(&plain, h, VK_SHA256);
    vk_audit_keys_write(&k->open, &plain);
    vk_err e = plain.err;
    if (e == VK_OK)
        e = vk_seal(k->secret->seal, &at, vk_buf_view(&plain), &sealed);
    if (e == VK_OK)
        e = vk_disk_replace(k->dir_fd, VK_AUDIT_KEY_FILE, vk_buf_view(&sealed), 0600);
    k->stored = e == VK_OK;
    vk_buf_free_secret(&plain);
    vk_buf_free(&sealed);
    return e;
}

static vk_err take_plain(vk_audit_key *k, vk_str plain)
{
    vk_audit_keys open;
    const size_t fixed = KEY + 8 + VK_SHA256;
    if (plain.n < fixed || vk_audit_keys_read((vk_str){plain.p + fixed, plain.n - fixed}, &open) != VK_OK ||
        memcmp(open.sign, k->open.sign, sizeof open.sign) != 0)
        return VK_E_CORRUPT;
    memcpy(k->secret->epoch, plain.p, KEY);
    k->known_seq = be64(plain.p + KEY);
    memcpy(k->known_h, plain.p + KEY + 8, VK_SHA256);
    k->open = open;
    return VK_OK;
}

/* VK_E_NOT_FOUND, VK_E_CORRUPT: there is none that can be used. */
static vk_err load(vk_audit_key *k)
{
    vk_buf sealed, plain;
    uint32_t id;
    uint64_t epoch = 0;
    vk_buf_init(&sealed, VK_AUDIT_KEY_FILE_MAX);
    vk_buf_init(&plain, PLAIN_MAX);
    plain.secret = true;
    vk_err e = vk_disk_read(k->dir_fd, VK_AUDIT_KEY_FILE, VK_AUDIT_KEY_FILE_MAX, &sealed);
    if (e == VK_E_TOO_LARGE)
        e = VK_E_CORRUPT;
    if (e == VK_OK)
        e = vk_seal_peek(vk_buf_view(&sealed), &id, &epoch);
    if (e == VK_OK) {
        vk_seal_place at = place_of(epoch);
        e = vk_seal_open(k->secret->seal, &at, vk_buf_view(&sealed), &plain, NULL);
    }
    if (e == VK_OK)
        e = take_plain(k, vk_buf_view(&plain));
    if (e == VK_OK)
        k->epoch = epoch;
    vk_buf_free_secret(&plain);
    vk_buf_free(&sealed);
    return e;
}

/* ---- open and close */

static bool same_auditor(const vk_audit_key *k, const uint8_t *auditor)
{
    return k->open.sealed == (auditor != NULL) &&
           (!auditor || memcmp(auditor, k->open.auditor, sizeof k->open.auditor) == 0);
}

vk_err vk_audit_key_open(vk_audit_key *k, int dir_fd, const uint8_t *seed, const uint8_t *auditor,
                         uint64_t last, const char **why_r)
{
    *k = (vk_audit_key){.dir_fd = dir_fd, .secret = sodium_malloc(sizeof *k->secret)};
    *why_r = NULL;
    if (!k->secret)
        return VK_E_NOMEM;
    derive(k, seed);
    vk_err e = load(k);
    if (e == VK_E_NOMEM || e == VK_E_IO) {
        vk_audit_key_close(k);
        return e;
    }
    uint64_t next = (e == VK_OK && k->epoch > last ? k->epoch : last) + 1;
    if (e != VK_OK)
        *why_r = e == VK_E_NOT_FOUND && last == 0 ? NULL
                 : e == VK_E_NOT_FOUND            ? "audit/epoch was missing"
                                                  : "audit/epoch did not open";
    else if (!same_auditor(k, auditor))
        *why_r = "another auditor was named";
    else if (next - k->epoch > VK_AUDIT_STEPS)
        *why_r = "audit/epoch was too old";
    if (e != VK_OK || *why_r)
        begin_row(k, auditor, next);
    while (k->epoch < next) {
        vk_audit_ratchet(k->secret->epoch);
        k->epoch++;
    }
    set_mac(k);
    return VK_OK;
}

void vk_audit_key_close(vk_audit_key *k)
{
    sodium_free(k->secret); /* wipes */
    k->secret = NULL;
}

const vk_hmac256_key *vk_audit_key_mac(const vk_audit_key *k)
{
    return &k->secret->mac;
}

void vk_audit_key_next(vk_audit_key *k)
{
    vk_audit_ratchet(k->secret->epoch);
    k->epoch++;
    k->stored = false;
    set_mac(k);
}

void vk_audit_key_sign(const vk_audit_key *k, vk_audit_checkpoint *c)
{
    memcpy(c->sign, k->open.sign, sizeof c->sign);
    vk_audit_checkpoint_sign(c, k->secret->sign);
}

vk_err vk_audit_key_escrow(const vk_audit_keys *k, const uint8_t *secret, uint8_t out[VK_SHA256])
{
    uint8_t public_key[VK_AUDIT_AUDITOR];
    if (!k->sealed || crypto_scalarmult_base(public_key, secret) != 0 ||
        memcmp(public_key, k->auditor, sizeof public_key) != 0)
        return VK_E_NOT_FOUND;
    return crypto_box_seal_open(out, k->escrow, sizeof k->escrow, public_key, secret) == 0 ? VK_OK
                                                                                           : VK_E_CORRUPT;
}
