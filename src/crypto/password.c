#include "crypto/password.h"

#include "core/text.h"

#include <crypt.h>
#include <errno.h>
#include <openssl/evp.h>
#include <sodium.h>

enum {
    GIVEN_MAX = 4096, /* bytes of a password that is only checked: imported ones may be longer than ours */
    SALT_MIN = 8,
    SALT_MAX = 64,
    HASH_MIN = 16,
    HASH_MAX = 64,
    BCRYPT_TEXT = 60,
    BCRYPT_KEY = 72,
    PBKDF2_HASH = 32,
};

static const char *const names[VK_PASSWORD_KINDS] = {
    [VK_PASSWORD_ARGON2ID] = "argon2id",
    [VK_PASSWORD_ARGON2I] = "argon2i",
    [VK_PASSWORD_BCRYPT] = "bcrypt",
    [VK_PASSWORD_PBKDF2_SHA256] = "pbkdf2_sha256",
    [VK_PASSWORD_PBKDF2_SHA256_DJANGO] = "pbkdf2_sha256_django",
};

const char *vk_password_kind_name(vk_password_kind kind)
{
    return names[kind];
}

bool vk_password_kind_of(vk_str name, vk_password_kind *kind_r)
{
    for (int k = 0; k < VK_PASSWORD_KINDS; k++) {
        if (vk_str_eqz(name, names[k])) {
            *kind_r = (vk_password_kind)k;
            return true;
        }
    }
    return false;
}

vk_password_rule vk_password_judge(vk_secret password)
{
    vk_str s = vk_secret_bytes(password);
    size_t characters = 0, bad;
    if (s.n > VK_PASSWORD_MAX)
        return VK_PASSWORD_TOO_LONG;
    for (size_t i = 0; i < s.n; characters++) {
        size_t n = vk_utf8_seq(s.p + i, s.p + s.n, &bad);
        if (n == 0 || s.p[i] == '\0')
            return VK_PASSWORD_NO_TEXT;
        i += n;
    }
    return characters < VK_PASSWORD_MIN ? VK_PASSWORD_TOO_SHORT : VK_PASSWORD_GOOD;
}

/* ---- digests, read */

typedef struct parts {
    uint32_t m, t, p; /* argon2 */
    uint32_t rounds;  /* the exponent of bcrypt, the iterations of PBKDF2 */
    uint8_t salt[SALT_MAX];
    size_t salt_n;
    uint8_t hash[PBKDF2_HASH];
} parts;

/* A decimal number without a leading zero, off the front. */
static bool number(vk_str *s, uint32_t *out_r)
{
    uint64_t v = 0;
    size_t i = 0;
    for (; i < s->n && i < 10 && s->p[i] >= '0' && s->p[i] <= '9'; i++)
        v = v * 10 + (uint64_t)(s->p[i] - '0');
    if (i == 0 || s->p[0] == '0' || v > UINT32_MAX)
        return false;
    *s = (vk_str){s->p + i, s->n - i};
    *out_r = (uint32_t)v;
    return true;
}

static bool eat(vk_str *s, const char *what)
{
    vk_str w = vk_str_z(what);
    if (!vk_str_starts(*s, w))
        return false;
    *s = (vk_str){s->p + w.n, s->n - w.n};
    return true;
}

static bool base64(vk_str text, bool padded, uint8_t *out, size_t room, size_t *n_r)
{
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] > '~') /* libsodium 1.0.18 reads some of these as digits */
            return false;
    return text.n && sodium_base642bin(out, room, text.p, text.n, NULL, n_r, NULL,
                                       padded ? sodium_base64_VARIANT_ORIGINAL
                                              : sodium_base64_VARIANT_ORIGINAL_NO_PADDING) == 0;
}

static vk_err argon2_read(vk_str s, const char *begin, parts *d)
{
    uint8_t hash[HASH_MAX];
    size_t hash_n;
    vk_str salt;
    if (!eat(&s, begin) || !eat(&s, "$v=19$m=") || !number(&s, &d->m) || !eat(&s, ",t=") ||
        !number(&s, &d->t) || !eat(&s, ",p=") || !number(&s, &d->p) || !eat(&s, "$") ||
        !vk_str_cut(&s, '$', &salt))
        return VK_E_INVALID;
    if (!base64(salt, false, d->salt, sizeof d->salt, &d->salt_n) || d->salt_n < SALT_MIN ||
        !base64(s, false, hash, sizeof hash, &hash_n) || hash_n < HASH_MIN || d->m < 8 * (uint64_t)d->p)
        return VK_E_INVALID;
    return d->m > VK_PASSWORD_M_MAX || d->p > VK_PASSWORD_P_MAX ||
                   (uint64_t)d->m * d->t > VK_PASSWORD_WORK_MAX
               ? VK_E_TOO_LARGE
               : VK_OK;
}

static vk_err bcrypt_read(vk_str s, parts *d)
{
    if (s.n != BCRYPT_TEXT || !(eat(&s, "$2a$") || eat(&s, "$2b$") || eat(&s, "$2y$")) || s.p[0] < '0' ||
        s.p[0] > '3' || s.p[1] < '0' || s.p[1] > '9' || s.p[2] != '$')
        return VK_E_INVALID;
    d->rounds = (uint32_t)((s.p[0] - '0') * 10 + (s.p[1] - '0'));
    for (size_t i = 3; i < s.n; i++) {
        char c = s.p[i];
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' ||
              c == '/'))
            return VK_E_INVALID;
    }
    if (d->rounds < 4 || d->rounds > 31)
        return VK_E_INVALID;
    return d->rounds > VK_PASSWORD_BCRYPT_MAX ? VK_E_TOO_LARGE : VK_OK;
}

static vk_err pbkdf2_read(vk_str s, bool django, parts *d)
{
    vk_str salt;
    size_t hash_n;
    if (!eat(&s, "pbkdf2_sha256$") || !number(&s, &d->rounds) || !eat(&s, "$") || !vk_str_cut(&s, '$', &salt))
        return VK_E_INVALID;
    if (!base64(s, s.n % 4 == 0, d->hash, sizeof d->hash, &hash_n) || hash_n != PBKDF2_HASH)
        return VK_E_INVALID;
    if (django && salt.n && salt.n <= sizeof d->salt) {
        memcpy(d->salt, salt.p, salt.n);
        d->salt_n = salt.n;
    } else if (django || !base64(salt, salt.n % 4 == 0, d->salt, sizeof d->salt, &d->salt_n)) {
        return VK_E_INVALID;
    }
    return d->rounds > VK_PASSWORD_PBKDF2_MAX ? VK_E_TOO_LARGE : VK_OK;
}

static vk_err digest_read(vk_password_kind kind, vk_secret digest, parts *d)
{
    vk_str s = vk_secret_bytes(digest);
    *d = (parts){0};
    if (s.n == 0 || s.n > VK_PASSWORD_DIGEST_MAX || memchr(s.p, '\0', s.n))
        return VK_E_INVALID;
    switch (kind) {
    case VK_PASSWORD_ARGON2ID:
        return argon2_read(s, "$argon2id", d);
    case VK_PASSWORD_ARGON2I:
        return argon2_read(s, "$argon2i", d);
    case VK_PASSWORD_BCRYPT:
        return bcrypt_read(s, d);
    case VK_PASSWORD_PBKDF2_SHA256:
    case VK_PASSWORD_PBKDF2_SHA256_DJANGO:
        return pbkdf2_read(s, kind == VK_PASSWORD_PBKDF2_SHA256_DJANGO, d);
    case VK_PASSWORD_KINDS:
        break;
    }
    return VK_E_INVALID;
}

vk_err vk_password_digest_check(vk_password_kind kind, vk_secret digest)
{
    parts d;
    vk_err e = digest_read(kind, digest, &d);
    vk_wipe(&d, sizeof d);
    return e;
}

bool vk_password_is_outdated(vk_password_kind kind, vk_secret digest)
{
    parts d;
    vk_err e = digest_read(kind, digest, &d);
    bool outdated = e != VK_OK || kind != VK_PASSWORD_ARGON2ID || d.m < VK_PASSWORD_M ||
                    d.t < VK_PASSWORD_T || d.salt_n < crypto_pwhash_argon2id_SALTBYTES;
    vk_wipe(&d, sizeof d);
    return outdated;
}

/* ---- hashing and checking */

vk_err vk_password_hash(vk_secret password, char out[VK_PASSWORD_DIGEST_MAX + 1])
{
    _Static_assert(crypto_pwhash_argon2id_STRBYTES <= VK_PASSWORD_DIGEST_MAX + 1, "a digest fits");
    if (vk_password_judge(password) != VK_PASSWORD_GOOD)
        return VK_E_INVALID;
    vk_str s = vk_secret_bytes(password);
    return crypto_pwhash_argon2id_str(out, s.p, s.n, VK_PASSWORD_T, (size_t)VK_PASSWORD_M * 1024) == 0
               ? VK_OK
               : VK_E_NOMEM;
}

static vk_err argon2_verify(vk_password_kind kind, const char *digest, vk_str password)
{
    errno = 0;
    int rc = kind == VK_PASSWORD_ARGON2ID ? crypto_pwhash_argon2id_str_verify(digest, password.p, password.n)
                                          : crypto_pwhash_argon2i_str_verify(digest, password.p, password.n);
    /* The digest's form is known to be good, so what is left beside a mismatch is memory. */
    return rc == 0 ? VK_OK : errno == EINVAL ? VK_E_UNAUTHORIZED : VK_E_NOMEM;
}

static vk_err bcrypt_verify(const char *digest, vk_str password)
{
    struct crypt_data *work = calloc(1, sizeof *work);
    if (!work)
        return VK_E_NOMEM;
    /* bcrypt looks at 72 bytes, libxcrypt takes 511: the rest counts with neither. */
    char text[BCRYPT_KEY + 1];
    size_t n = password.n < BCRYPT_KEY ? password.n : BCRYPT_KEY;
    if (n)
        memcpy(text, password.p, n);
    text[n] = '\0';
    const char *got = crypt_rn(text, digest, work, (int)sizeof *work);
    vk_err e = !got                                                ? VK_E_INVALID
               : vk_str_eq_secret(vk_str_z(got), vk_str_z(digest)) ? VK_OK
                                                                   : VK_E_UNAUTHORIZED;
    vk_wipe(text, sizeof text);
    vk_wipe(work, sizeof *work);
    free(work);
    return e;
}

static vk_err pbkdf2_verify(const parts *d, vk_str password)
{
    uint8_t got[PBKDF2_HASH];
    vk_err e = VK_E_NOMEM;
    if (PKCS5_PBKDF2_HMAC(password.p, (int)password.n, d->salt, (int)d->salt_n, (int)d->rounds, EVP_sha256(),
                          sizeof got, got) == 1)
        e = sodium_memcmp(got, d->hash, sizeof got) == 0 ? VK_OK : VK_E_UNAUTHORIZED;
    vk_wipe(got, sizeof got);
    return e;
}

vk_err vk_password_verify(vk_password_kind kind, vk_secret digest, vk_secret password)
{
    parts d;
    char text[VK_PASSWORD_DIGEST_MAX + 1];
    vk_str given = vk_secret_bytes(password), stored = vk_secret_bytes(digest);
    vk_err e = digest_read(kind, digest, &d);
    if (e != VK_OK)
        goto out;
    memcpy(text, stored.p, stored.n);
    text[stored.n] = '\0';
    if (given.n == 0)
        given.p = "";
    if (given.n > GIVEN_MAX || memchr(given.p, '\0', given.n))
        e = VK_E_UNAUTHORIZED;
    else if (kind == VK_PASSWORD_BCRYPT)
        e = bcrypt_verify(text, given);
    else if (kind == VK_PASSWORD_ARGON2ID || kind == VK_PASSWORD_ARGON2I)
        e = argon2_verify(kind, text, given);
    else
        e = pbkdf2_verify(&d, given);
    vk_wipe(text, sizeof text);
out:
    vk_wipe(&d, sizeof d);
    return e;
}
