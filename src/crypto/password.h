/* Passwords of an app's users: hashing, checking, and what may come in from elsewhere. New digests are
 * argon2id in the PHC form that Clerk imports ($argon2id$v=19$m=…,t=…,p=…$salt$hash; RFC 9106), so that users
 * can leave with their passwords. Digests that were made by others are those of Clerk's `password_hasher`
 * which are still thought safe; the rest of its list (md5, sha256, phpass, …) is refused.
 *
 * Argon2 is libsodium's, bcrypt libxcrypt's, PBKDF2 OpenSSL's. A digest decides how much work and memory its
 * check takes, so one that somebody handed in is held against limits before anything is computed: at most
 * VK_PASSWORD_M_MAX of memory and well below a second. All of it blocks: password_pool.h. Needs
 * vk_digest_init. */
#ifndef VK_CRYPTO_PASSWORD_H
#define VK_CRYPTO_PASSWORD_H

#include "core/secret.h"

enum {
    /* Of passwords: characters (code points) at least, and bytes at most: what bcrypt can tell apart, and
     * Clerk's own limits (password_settings of the environment: 8 and 72). */
    VK_PASSWORD_MIN = 8,
    VK_PASSWORD_MAX = 72,

    /* Of digests that we make: OWASP's password storage cheat sheet; some 15 ms. */
    VK_PASSWORD_M = 19456, /* KiB */
    VK_PASSWORD_T = 2,

    /* Of digests that come in. */
    VK_PASSWORD_DIGEST_MAX = 255,
    VK_PASSWORD_M_MAX = 65536,     /* KiB; the usual choice of other libraries */
    VK_PASSWORD_WORK_MAX = 262144, /* KiB × passes */
    VK_PASSWORD_P_MAX = 16,
    VK_PASSWORD_BCRYPT_MAX = 13,      /* log2 of the rounds */
    VK_PASSWORD_PBKDF2_MAX = 1500000, /* iterations; Django 6.0 makes 1.2 million */
};

/* As Clerk names them in `password_hasher`. */
typedef enum vk_password_kind {
    VK_PASSWORD_ARGON2ID,             /* "argon2id" */
    VK_PASSWORD_ARGON2I,              /* "argon2i" */
    VK_PASSWORD_BCRYPT,               /* "bcrypt": $2a$, $2b$, $2y$ */
    VK_PASSWORD_PBKDF2_SHA256,        /* "pbkdf2_sha256": pbkdf2_sha256$iterations$base64$base64 */
    VK_PASSWORD_PBKDF2_SHA256_DJANGO, /* "pbkdf2_sha256_django": the same, its salt as it stands */
    VK_PASSWORD_KINDS
} vk_password_kind;

const char *vk_password_kind_name(vk_password_kind kind);
/* In that exact case. False: none that we have. */
bool vk_password_kind_of(vk_str name, vk_password_kind *kind_r);

typedef enum vk_password_rule {
    VK_PASSWORD_GOOD,
    VK_PASSWORD_TOO_SHORT,
    VK_PASSWORD_TOO_LONG,
    VK_PASSWORD_NO_TEXT, /* a NUL, or no UTF-8 */
} vk_password_rule;

/* Whether a user may choose it. No list of leaked passwords is asked: there is no way out to one. The bytes
 * are taken as they come, without Unicode normalisation, as Clerk's importer will. */
vk_password_rule vk_password_judge(vk_secret password);

/* A digest of kind VK_PASSWORD_ARGON2ID with a random salt; ends with NUL. VK_E_INVALID: vk_password_judge
 * is against it. VK_E_NOMEM. */
VK_MUSTCHECK vk_err vk_password_hash(vk_secret password, char out[VK_PASSWORD_DIGEST_MAX + 1]);

/* Whether vk_password_verify can do something with such a digest. VK_E_INVALID: it has another form.
 * VK_E_TOO_LARGE: it asks for more work than the limits above. */
VK_MUSTCHECK vk_err vk_password_digest_check(vk_password_kind kind, vk_secret digest);

/* VK_OK: it is the password. VK_E_UNAUTHORIZED: it is not (nor is one with a NUL, or longer than 4 KiB).
 * VK_E_INVALID, VK_E_TOO_LARGE as above. VK_E_NOMEM: not known. Compares in constant time. */
VK_MUSTCHECK vk_err vk_password_verify(vk_password_kind kind, vk_secret digest, vk_secret password);

/* After a good vk_password_verify: the digest is weaker than, or other than, what vk_password_hash makes, and
 * is to be replaced by one of the password just given (if vk_password_judge lets that be). */
bool vk_password_is_outdated(vk_password_kind kind, vk_secret digest);

#endif
