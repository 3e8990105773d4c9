#include "keeper/ring.h"

#include "core/disk.h"
#include "core/random.h"
#include "crypto/seal.h"

#include <sodium.h>

enum {
    DEK_BYTES = 4 + 1 + VK_DEK_KEY,
    TAIL = VK_BOX_SECRET + 32 + 32,
    PLAIN_MAX = 8 + 1 + VK_DEKS_MAX * DEK_BYTES + TAIL,
};
_Static_assert(VK_RING_HEADER + VK_SEAL_OVERHEAD + PLAIN_MAX <= VK_RING_FILE_MAX, "raise VK_RING_FILE_MAX");

static void put_be(char **p, uint64_t v, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--)
        *(*p)++ = (char)(v >> (8 * i));
}

static uint64_t get_be(const char **p, int bytes)
{
    uint64_t v = 0;
    for (int i = 0; i < bytes; i++)
        v = v << 8 | (unsigned char)*(*p)++;
    return v;
}

static void put(char **p, const void *bytes, size_t n)
{
    memcpy(*p, bytes, n);
    *p += n;
}

static void get(const char **p, void *bytes, size_t n)
{
    memcpy(bytes, *p, n);
    *p += n;
}

vk_ring *vk_ring_new(void)
{
    vk_ring *r = sodium_malloc(sizeof *r);
    if (r)
        memset(r, 0, sizeof *r);
    return r;
}

void vk_ring_free(vk_ring *r)
{
    sodium_free(r);
}

void vk_ring_make(vk_ring *r, const uint8_t kek[VK_ENTRY_KEK], const vk_kdf *kdf)
{
    *r = (vk_ring){.version = 1, .kdf = *kdf, .n = 1};
    memcpy(r->kek, kek, sizeof r->kek);
    r->deks[0] = (vk_dek){.id = VK_DEK_FIRST, .state = VK_DEK_ACTIVE};
    vk_random(r->deks[0].key, VK_DEK_KEY);
    vk_random(r->box, sizeof r->box);
    vk_random(r->audit, sizeof r->audit);
    vk_random(r->refs, sizeof r->refs);
}

vk_err vk_ring_kdf(vk_str file, vk_kdf *out_r)
{
    const char *p = file.p + 4;
    if (file.n < VK_RING_HEADER + VK_SEAL_OVERHEAD || memcmp(file.p, "VKR1", 4) != 0)
        return VK_E_CORRUPT;
    out_r->t = (uint32_t)get_be(&p, 4);
    out_r->m = (uint32_t)get_be(&p, 4);
    out_r->p = (uint32_t)get_be(&p, 4);
    get(&p, out_r->salt, sizeof out_r->salt);
    return VK_OK;
}

static void put_header(const vk_kdf *kdf, char out[VK_RING_HEADER])
{
    char *p = out;
    put(&p, "VKR1", 4);
    put_be(&p, kdf->t, 4);
    put_be(&p, kdf->m, 4);
    put_be(&p, kdf->p, 4);
    put(&p, kdf->salt, sizeof kdf->salt);
}

static vk_seal_place place_of(vk_str header, uint64_t version)
{
    return (vk_seal_place){.table = VK_STR("ring"),
                           .record = VK_STR("ring"),
                           .org = header,
                           .version = version,
                           .key_id = VK_KID};
}

static bool read_plain(vk_ring *r, vk_str plain)
{
    const char *p = plain.p;
    size_t active = 0;
    if (plain.n < 9 + DEK_BYTES + TAIL)
        return false;
    r->at = (int64_t)get_be(&p, 8);
    r->n = (size_t)get_be(&p, 1);
    if (r->n == 0 || r->n > VK_DEKS_MAX || plain.n != 9 + r->n * DEK_BYTES + TAIL)
        return false;
    for (size_t i = 0; i < r->n; i++) {
        vk_dek *d = &r->deks[i];
        d->id = (uint32_t)get_be(&p, 4);
        d->state = get_be(&p, 1) ? VK_DEK_RETIRING : VK_DEK_ACTIVE;
        active += d->state == VK_DEK_ACTIVE;
        get(&p, d->key, VK_DEK_KEY);
    }
    get(&p, r->box, sizeof r->box);
    get(&p, r->audit, sizeof r->audit);
    get(&p, r->refs, sizeof r->refs);
    return active == 1;
}

vk_err vk_ring_open(vk_ring *r, vk_str file, const uint8_t kek[VK_ENTRY_KEK], const char **why_r)
{
    vk_kdf kdf;
    uint32_t key_id;
    uint64_t version;
    *why_r = "not a ring";
    if (vk_ring_kdf(file, &kdf) != VK_OK)
        return VK_E_CORRUPT;
    vk_str header = {file.p, VK_RING_HEADER}, sealed = {file.p + VK_RING_HEADER, file.n - VK_RING_HEADER};
    if (vk_seal_peek(sealed, &key_id, &version) != VK_OK)
        return VK_E_CORRUPT;
    const vk_seal_place place = place_of(header, version);
    char *room = sodium_malloc(VK_RING_FILE_MAX);
    if (!room || sealed.n > VK_RING_FILE_MAX) {
        *why_r = room ? "too long" : "out of memory";
        sodium_free(room);
        return room ? VK_E_CORRUPT : VK_E_NOMEM;
    }
    vk_buf plain = {.p = room, .cap = VK_RING_FILE_MAX, .max = VK_RING_FILE_MAX};
    vk_err e = vk_seal_open(kek, &place, sealed, &plain, why_r);
    if (e == VK_OK && !read_plain(r, vk_buf_view(&plain))) {
        *why_r = "of another form";
        e = VK_E_CORRUPT;
    }
    sodium_free(room);
    if (e != VK_OK)
        return e;
    r->version = version;
    r->kdf = kdf;
    memcpy(r->kek, kek, sizeof r->kek);
    return VK_OK;
}

vk_err vk_ring_write(const vk_ring *r, int vault_fd)
{
    char header[VK_RING_HEADER], *room = sodium_malloc(PLAIN_MAX), *p = room;
    vk_buf file;
    if (!room)
        return VK_E_NOMEM;
    put_be(&p, (uint64_t)r->at, 8);
    put_be(&p, r->n, 1);
    for (size_t i = 0; i < r->n; i++) {
        put_be(&p, r->deks[i].id, 4);
        put_be(&p, r->deks[i].state == VK_DEK_RETIRING, 1);
        put(&p, r->deks[i].key, VK_DEK_KEY);
    }
    put(&p, r->box, sizeof r->box);
    put(&p, r->audit, sizeof r->audit);
    put(&p, r->refs, sizeof r->refs);
    put_header(&r->kdf, header);
    vk_buf_init(&file, VK_RING_FILE_MAX);
    vk_buf_add(&file, header, sizeof header);
    const vk_seal_place place = place_of((vk_str){header, sizeof header}, r->version);
    vk_err e = vk_seal(r->kek, &place, (vk_str){room, (size_t)(p - room)}, &file);
    if (e == VK_OK)
        e = vk_disk_replace(vault_fd, "ring", vk_buf_view(&file), 0600);
    vk_buf_free(&file);
    sodium_free(room);
    return e;
}

const vk_dek *vk_ring_active(const vk_ring *r)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->deks[i].state == VK_DEK_ACTIVE)
            return &r->deks[i];
    abort(); /* read_plain and vk_ring_renew see to it that there is one */
}

const vk_dek *vk_ring_dek(const vk_ring *r, uint32_t id)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->deks[i].id == id)
            return &r->deks[i];
    return NULL;
}

bool vk_ring_retiring(const vk_ring *r)
{
    return r->n > 1;
}

vk_err vk_ring_renew(vk_ring *r)
{
    uint32_t id = VK_DEK_FIRST;
    if (r->n == VK_DEKS_MAX)
        return VK_E_BUSY;
    for (size_t i = 0; i < r->n; i++) {
        id = r->deks[i].id >= id ? r->deks[i].id + 1 : id;
        r->deks[i].state = VK_DEK_RETIRING;
    }
    vk_dek *d = &r->deks[r->n++];
    *d = (vk_dek){.id = id, .state = VK_DEK_ACTIVE};
    vk_random(d->key, VK_DEK_KEY);
    return VK_OK;
}

void vk_ring_retire(vk_ring *r)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->deks[i].state == VK_DEK_ACTIVE && i > 0)
            r->deks[0] = r->deks[i]; /* inside of the guarded memory */
    vk_wipe(r->deks + 1, sizeof r->deks - sizeof r->deks[0]);
    r->n = 1;
}
