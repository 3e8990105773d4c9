/* The signing keys of SigV4: derived from a secret, a day, a region and a service, and kept with their HMAC
 * blocks hashed, so that a request costs one HMAC instead of five. */
#ifndef VK_CRYPTO_SIGV4_KEY_H
#define VK_CRYPTO_SIGV4_KEY_H

#include "core/secret.h"
#include "crypto/sha256.h"

enum {
    VK_SIGV4_ID_MAX = 128,    /* bytes of an access key id */
    VK_SIGV4_REGION_MAX = 32, /* bytes of a region */
    VK_SIGV4_DAY = 8,         /* YYYYMMDD */
    VK_SIGV4_CACHE_WAYS = 4,
    VK_SIGV4_CACHE_MAX = 65536, /* entries of one half */
};

/* HMAC(HMAC(HMAC(HMAC("AWS4" secret, day), region), service), "aws4_request"). *key_r is as secret as the
 * secret, for that day: the caller wipes it. */
void vk_sigv4_derive(vk_secret secret, vk_str day, vk_str region, vk_str service, vk_hmac256_key *key_r);

/* A bounded store of derived keys for the service "s3", some 0.5 KiB an entry. Two halves: one for keys that
 * exist, one for ids that do not, so that the second look at either is equally fast, and a flood of invented
 * ids pushes no real key out. Not thread-safe: one a loop. */
typedef struct vk_sigv4_cache vk_sigv4_cache;

/* `entries` of each half, rounded up to a power of two, 4 to VK_SIGV4_CACHE_MAX. NULL when out of memory. */
VK_MUSTCHECK vk_sigv4_cache *vk_sigv4_cache_new(size_t entries);
/* Wipes. NULL is allowed. */
void vk_sigv4_cache_free(vk_sigv4_cache *c);
/* Forgets and wipes everything, say after a revocation (whose key is never found again anyway: its generation
 * or its state has changed). */
void vk_sigv4_cache_clear(vk_sigv4_cache *c);

typedef struct vk_sigv4_key_name {
    vk_str id, day, region; /* not longer than the limits above */
    uint64_t generation;    /* changes whenever the secret of the id does */
    bool known;             /* which half */
} vk_sigv4_key_name;

/* The signing key of that name, from the cache or derived (and then kept). Valid until the next call for this
 * cache. Without a cache (`c` NULL) it is derived into *spare; the caller wipes that. */
const vk_hmac256_key *vk_sigv4_cache_get(vk_sigv4_cache *c, const vk_sigv4_key_name *name, vk_secret secret,
                                         vk_hmac256_key *spare);

#endif
