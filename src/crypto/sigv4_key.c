#include "crypto/sigv4_key.h"

typedef struct entry {
    uint64_t generation;
    uint32_t used; /* tick of the last use; 0: empty */
    uint8_t id_n, region_n;
    char id[VK_SIGV4_ID_MAX], region[VK_SIGV4_REGION_MAX], day[VK_SIGV4_DAY];
    vk_hmac256_key key;
} entry;

_Static_assert(VK_SIGV4_ID_MAX <= UINT8_MAX && VK_SIGV4_REGION_MAX <= UINT8_MAX, "lengths are one byte");

struct vk_sigv4_cache {
    size_t entries; /* of one half; a power of two */
    uint32_t tick;
    entry *half[2];
};

static void step(vk_hmac256_key *key, vk_str data)
{
    uint8_t next[VK_SHA256];
    vk_hmac256(key, data, next);
    vk_hmac256_key_init(key, (vk_str){(char *)next, sizeof next});
    vk_wipe(next, sizeof next);
}

void vk_sigv4_derive(vk_secret secret, vk_str day, vk_str region, vk_str service, vk_hmac256_key *key_r)
{
    enum { BLOCK = 64 };
    vk_str text = vk_secret_bytes(secret);
    char first[BLOCK] = "AWS4";
    if (text.n <= BLOCK - 4) {
        if (text.n)
            memcpy(first + 4, text.p, text.n);
        vk_hmac256_key_init(key_r, (vk_str){first, 4 + text.n});
    } else { /* RFC 2104: a key longer than a block is hashed first */
        uint8_t hash[VK_SHA256];
        vk_sha256_run s;
        vk_sha256_begin(&s);
        vk_sha256_add(&s, VK_STR("AWS4"));
        vk_sha256_add(&s, text);
        vk_sha256_end(&s, hash);
        vk_hmac256_key_init(key_r, (vk_str){(char *)hash, sizeof hash});
        vk_wipe(&s, sizeof s);
        vk_wipe(hash, sizeof hash);
    }
    vk_wipe(first, sizeof first);
    step(key_r, day);
    step(key_r, region);
    step(key_r, service);
    step(key_r, VK_STR("aws4_request"));
}

vk_sigv4_cache *vk_sigv4_cache_new(size_t entries)
{
    size_t n = VK_SIGV4_CACHE_WAYS;
    while (n < entries && n < VK_SIGV4_CACHE_MAX)
        n *= 2;
    vk_sigv4_cache *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->entries = n;
    for (int h = 0; h < 2; h++) {
        c->half[h] = calloc(n, sizeof(entry));
        if (!c->half[h]) {
            vk_sigv4_cache_free(c);
            return NULL;
        }
    }
    return c;
}

void vk_sigv4_cache_clear(vk_sigv4_cache *c)
{
    for (int h = 0; h < 2; h++)
        if (c->half[h])
            vk_wipe(c->half[h], c->entries * sizeof(entry));
    c->tick = 0;
}

void vk_sigv4_cache_free(vk_sigv4_cache *c)
{
    if (!c)
        return;
    vk_sigv4_cache_clear(c);
    free(c->half[0]);
    free(c->half[1]);
    free(c);
}

static bool same(const entry *e, const vk_sigv4_key_name *name)
{
    return e->used && e->generation == name->generation && e->id_n == name->id.n &&
           e->region_n == name->region.n && memcmp(e->id, name->id.p, name->id.n) == 0 &&
           memcmp(e->day, name->day.p, VK_SIGV4_DAY) == 0 &&
           (name->region.n == 0 || memcmp(e->region, name->region.p, name->region.n) == 0);
}

/* FNV-1a, eight bytes at a step. Who floods one set by choosing ids does so in the half of the unknown. */
static size_t set_of(const vk_sigv4_cache *c, vk_str id)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    size_t i = 0;
    for (uint64_t x; i + sizeof x <= id.n; i += sizeof x) {
        memcpy(&x, id.p + i, sizeof x);
        h = (h ^ x) * UINT64_C(0x100000001b3);
        h ^= h >> 32;
    }
    for (; i < id.n; i++)
        h = (h ^ (unsigned char)id.p[i]) * UINT64_C(0x100000001b3);
    return (size_t)(h ^ (h >> 32)) & (c->entries - 1) & ~(size_t)(VK_SIGV4_CACHE_WAYS - 1);
}

const vk_hmac256_key *vk_sigv4_cache_get(vk_sigv4_cache *c, const vk_sigv4_key_name *name, vk_secret secret,
                                         vk_hmac256_key *spare)
{
    if (name->id.n == 0 || name->id.n > VK_SIGV4_ID_MAX || name->region.n > VK_SIGV4_REGION_MAX ||
        name->day.n != VK_SIGV4_DAY)
        abort(); /* the parser of credentials lets none of these through */
    if (!c) {
        vk_sigv4_derive(secret, name->day, name->region, VK_STR("s3"), spare);
        return spare;
    }
    if (++c->tick == 0) { /* after 2^32 uses: all order is lost, and nothing else */
        vk_sigv4_cache_clear(c);
        c->tick = 1;
    }
    entry *set = c->half[name->known ? 0 : 1] + set_of(c, name->id), *oldest = set;
    for (entry *e = set; e < set + VK_SIGV4_CACHE_WAYS; e++) {
        if (same(e, name)) {
            e->used = c->tick;
            return &e->key;
        }
        if (e->used < oldest->used)
            oldest = e;
    }
    oldest->generation = name->generation;
    oldest->used = c->tick;
    oldest->id_n = (uint8_t)name->id.n;
    oldest->region_n = (uint8_t)name->region.n;
    memcpy(oldest->id, name->id.p, name->id.n);
    memcpy(oldest->day, name->day.p, VK_SIGV4_DAY);
    if (name->region.n)
        memcpy(oldest->region, name->region.p, name->region.n);
    vk_sigv4_derive(secret, name->day, name->region, VK_STR("s3"), &oldest->key);
    return &oldest->key;
}
