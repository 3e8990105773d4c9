/* A set of values as a record:
 *
 *   "VKO1" | set_ms u64 BE | at_ms u64 | checked_ms u64 | check_n u16 | check
 *   | n u8 | n × (name_n u8 | name | value_n u16 | value)
 *
 * sealed under a data-encryption key (crypto/seal.h) for table "org", record "stripe" or "build/shop/turso",
 * and that build. The plain text is in locked memory only. */
#include "keeper/org_in.h"

#include "core/disk.h"
#include "crypto/seal.h"

enum { FIXED = 4 + 3 * 8 + 2 + 1 };
_Static_assert(FIXED + VK_ORG_CHECK_MAX +
                       VK_VENDOR_FIELDS_MAX * (3 + VK_VENDOR_FIELD_MAX + VK_VENDOR_VALUE_MAX) <=
                   VK_ORG_PLAIN_MAX,
               "raise VK_ORG_PLAIN_MAX");

/* ---- bytes */

static void put_be(char **p, uint64_t v, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--)
        *(*p)++ = (char)(v >> (8 * i));
}

static void put(char **p, vk_str s)
{
    if (s.n)
        memcpy(*p, s.p, s.n);
    *p += s.n;
}

static bool take(vk_str *from, size_t n, vk_str *out_r)
{
    if (from->n < n)
        return false;
    *out_r = (vk_str){from->p, n};
    *from = (vk_str){from->p + n, from->n - n};
    return true;
}

static bool take_be(vk_str *from, size_t bytes, uint64_t *out_r)
{
    vk_str s;
    if (!take(from, bytes, &s))
        return false;
    *out_r = 0;
    for (size_t i = 0; i < bytes; i++)
        *out_r = *out_r << 8 | (unsigned char)s.p[i];
    return true;
}

vk_err vk_org_encode(vk_orgs *o, const vk_org *g, const vk_org_draft *d, char **plain_r, size_t *n_r)
{
    vk_str check = vk_str_z(d->check);
    size_t n = FIXED + check.n, count = 0;
    for (size_t i = 0; g->fields[i].name; i++)
        if (d->values[i].n) {
            n += 3 + strlen(g->fields[i].name) + d->values[i].n;
            count++;
        }
    char *plain = vk_locked_get(o->locked, n + 1), *p = plain;
    if (!plain)
        return VK_E_NOMEM;
    put(&p, VK_STR("VKO1"));
    put_be(&p, (uint64_t)d->set_ms, 8);
    put_be(&p, (uint64_t)d->at_ms, 8);
    put_be(&p, (uint64_t)d->checked_ms, 8);
    put_be(&p, check.n, 2);
    put(&p, check);
    put_be(&p, count, 1);
    for (size_t i = 0; g->fields[i].name; i++)
        if (d->values[i].n) {
            vk_str name = vk_str_z(g->fields[i].name);
            put_be(&p, name.n, 1);
            put(&p, name);
            put_be(&p, d->values[i].n, 2);
            put(&p, vk_secret_bytes(d->values[i]));
        }
    *plain_r = plain;
    *n_r = n;
    return VK_OK;
}

static bool decode_fields(vk_org *g, vk_str rest, uint64_t n)
{
    for (; n > 0; n--) {
        uint64_t name_n, value_n;
        vk_str name, value;
        if (!take_be(&rest, 1, &name_n) || !take(&rest, (size_t)name_n, &name) ||
            !take_be(&rest, 2, &value_n) || !take(&rest, (size_t)value_n, &value))
            return false;
        int i = vk_org_index(g, name);
        if (i >= 0) /* a later valetkey may know more fields, an earlier one fewer */
            g->values[i] = vk_secret_of(value);
    }
    return rest.n == 0;
}

bool vk_org_decode(vk_org *g)
{
    vk_str rest = {g->plain, g->plain_n}, magic, check;
    uint64_t set, at, checked, check_n, n;
    memset(g->values, 0, sizeof g->values);
    if (!take(&rest, 4, &magic) || !vk_str_eqz(magic, "VKO1") || !take_be(&rest, 8, &set) ||
        !take_be(&rest, 8, &at) || !take_be(&rest, 8, &checked) || !take_be(&rest, 2, &check_n) ||
        !take(&rest, (size_t)check_n, &check) || check.n > VK_ORG_CHECK_MAX || !take_be(&rest, 1, &n))
        return false;
    if (!decode_fields(g, rest, n)) {
        memset(g->values, 0, sizeof g->values);
        return false;
    }
    g->set_ms = (int64_t)set;
    g->at_ms = (int64_t)at;
    g->checked_ms = (int64_t)checked;
    free(g->check);
    g->check = check.n ? strndup(check.p, check.n) : NULL; /* without memory: as if there was none */
    return true;
}

/* ---- files */

static vk_seal_place place_of(const vk_org *g, const char *name, uint64_t version, uint32_t key_id)
{
    return (vk_seal_place){.table = VK_STR("org"),
                           .record = vk_str_z(name),
                           .build = vk_str_z(g->build),
                           .version = version,
                           .key_id = key_id};
}

/* Opens what the file has into g->plain. */
static vk_err open_sealed(vk_orgs *o, vk_org *g, vk_str sealed)
{
    char name[VK_ORG_NAME];
    const char *reason = NULL;
    uint32_t key_id;
    uint64_t version;
    if (vk_seal_peek(sealed, &key_id, &version) != VK_OK)
        return VK_E_CORRUPT;
    g->dek = key_id;
    const vk_dek *dek = vk_ring_dek(o->vault->ring, key_id);
    if (!dek) {
        g->why = "It was sealed under a data-encryption key that the vault does not have any more.";
        return VK_E_CORRUPT;
    }
    size_t n = sealed.n - VK_SEAL_OVERHEAD;
    char *room = vk_locked_get(o->locked, n + 1);
    if (!room)
        return VK_E_NOMEM;
    vk_org_name(g, name);
    const vk_seal_place place = place_of(g, name, version, key_id);
    vk_buf plain = {.p = room, .cap = n + 1, .max = n + 1};
    vk_err e = vk_seal_open(dek->key, &place, sealed, &plain, &reason);
    if (e != VK_OK) {
        vk_locked_put(o->locked, room, n + 1);
        return e;
    }
    g->plain = room;
    g->plain_n = n;
    g->version = g->entered = version;
    return VK_OK;
}

vk_err vk_org_read(vk_orgs *o, vk_org *g)
{
    char path[VK_ORG_PATH];
    vk_buf sealed;
    vk_org_path(g, path);
    vk_buf_init(&sealed, VK_ORG_PLAIN_MAX + VK_SEAL_OVERHEAD + 8192);
    vk_err e = vk_disk_read(o->fd, path, VK_ORG_PLAIN_MAX + VK_SEAL_OVERHEAD, &sealed);
    if (e == VK_E_NOT_FOUND) {
        vk_buf_free(&sealed);
        return e;
    }
    g->why =
        "It does not open: it was changed after it was sealed, or belongs to another place. Restore vault/ "
        "from a backup, or enter the values again.";
    if (e == VK_E_TOO_LARGE)
        e = VK_E_CORRUPT;
    else if (e != VK_OK)
        g->why = "Its file cannot be read.";
    if (e == VK_OK)
        e = open_sealed(o, g, vk_buf_view(&sealed));
    vk_buf_free(&sealed);
    if (e == VK_OK && !vk_org_decode(g)) {
        vk_org_forget(g);
        e = VK_E_CORRUPT;
    }
    g->state = VK_ORG_DAMAGED;
    if (e == VK_OK)
        vk_org_settle(g);
    return e == VK_E_CORRUPT ? VK_OK : e;
}

vk_err vk_org_store(vk_orgs *o, const vk_org *g, vk_str plain, uint64_t version)
{
    char path[VK_ORG_PATH], name[VK_ORG_NAME], folder[VK_ORG_PATH];
    const vk_dek *dek = vk_ring_active(o->vault->ring);
    vk_buf sealed;
    vk_org_path(g, path);
    vk_org_name(g, name);
    vk_err e = vk_disk_mkdir(o->fd, g->build[0] ? "build" : "org", 0700);
    if (e == VK_OK && g->build[0]) {
        snprintf(folder, sizeof folder, "build/%s", g->build);
        e = vk_disk_mkdir(o->fd, folder, 0700);
    }
    vk_buf_init(&sealed, VK_ORG_PLAIN_MAX + VK_SEAL_OVERHEAD);
    const vk_seal_place place = place_of(g, name, version, dek->id);
    if (e == VK_OK)
        e = vk_seal(dek->key, &place, plain, &sealed);
    if (e == VK_OK)
        e = vk_disk_replace(o->fd, path, vk_buf_view(&sealed), 0600);
    vk_buf_free(&sealed);
    return e;
}
