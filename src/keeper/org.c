#include "keeper/org_in.h"

#include "core/clock.h"
#include "core/disk.h"
#include "core/log.h"
#include "store/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <unistd.h>

/* ---- one set */

void vk_org_name(const vk_org *g, char out[VK_ORG_NAME])
{
    if (g->build[0])
        snprintf(out, VK_ORG_NAME, "build/%s/%s", g->build, g->vendor->name);
    else
        snprintf(out, VK_ORG_NAME, "%s", g->vendor->name);
}

void vk_org_path(const vk_org *g, char out[VK_ORG_PATH])
{
    if (g->build[0])
        snprintf(out, VK_ORG_PATH, "build/%s/%s", g->build, g->vendor->name);
    else
        snprintf(out, VK_ORG_PATH, "org/%s", g->vendor->name);
}

int vk_org_index(const vk_org *g, vk_str field)
{
    for (int i = 0; g->fields[i].name; i++)
        if (vk_str_eqz(field, g->fields[i].name))
            return i;
    return -1;
}

vk_org *vk_org_new(vk_orgs *o, const vk_vendor *v, vk_str build)
{
    vk_org *g = calloc(1, sizeof *g);
    if (!g || build.n >= sizeof g->build) {
        free(g);
        return NULL;
    }
    g->orgs = o;
    g->vendor = v;
    g->fields = build.n ? v->own : v->fields;
    if (build.n)
        memcpy(g->build, build.p, build.n);
    vk_org_settle(g);
    return g;
}

void vk_org_forget(vk_org *g)
{
    vk_locked_put(g->orgs->locked, g->plain, g->plain_n + 1);
    g->plain = NULL;
    g->plain_n = 0;
    memset(g->values, 0, sizeof g->values);
    memset(g->refs, 0, sizeof g->refs);
}

void vk_org_free(vk_org *g)
{
    if (!g)
        return;
    vk_org_forget(g);
    free(g->check);
    free(g);
}

static bool has(const vk_org *g, vk_str field)
{
    int i = vk_org_index(g, field);
    return i >= 0 && (g->values[i].n || g->fields[i].usual);
}

/* One of the sets of `whole` is complete. */
static bool whole(const vk_org *g, vk_str sets)
{
    for (bool more = true; more;) {
        vk_str set, field;
        more = vk_str_cut(&sets, ' ', &set);
        set = more ? set : sets;
        bool all = true;
        for (bool next = true; next;) {
            next = vk_str_cut(&set, '+', &field);
            all = all && has(g, next ? field : set);
        }
        if (all)
            return true;
    }
    return false;
}

void vk_org_settle(vk_org *g)
{
    bool ok = g->build[0] || !g->vendor->whole || whole(g, vk_str_z(g->vendor->whole));
    for (size_t i = 0; g->fields[i].name; i++) {
        const vk_vendor_field *f = &g->fields[i];
        if (!f->optional && (f->secret || !g->build[0]) && !g->values[i].n)
            ok = false;
        if (g->values[i].n) {
            uint8_t mac[VK_SHA256];
            vk_hmac_with(g->orgs->refs, vk_secret_bytes(g->values[i]), mac);
            memcpy(g->refs[i], mac, sizeof g->refs[i]);
        }
    }
    g->state = ok ? VK_ORG_READY : VK_ORG_INCOMPLETE;
    g->why = ok ? "" : "A field that must be there is not.";
}

vk_secret vk_org_value(const vk_org *g, const char *field)
{
    int i = vk_org_index(g, vk_str_z(field));
    if (i < 0 || g->state == VK_ORG_DAMAGED || g->state == VK_ORG_ROLLED_BACK)
        return VK_SECRET_NONE;
    if (g->values[i].n)
        return g->values[i];
    return g->fields[i].usual ? vk_secret_of(vk_str_z(g->fields[i].usual)) : VK_SECRET_NONE;
}

vk_org_state vk_org_state_of(const vk_org *g)
{
    return g->state;
}

uint64_t vk_org_version_of(const vk_org *g)
{
    return g->version;
}

const char *vk_org_build_of(const vk_org *g)
{
    return g->build;
}

void vk_org_facts_of(const vk_org *g, vk_org_facts *out)
{
    *out = (vk_org_facts){.vendor = g->vendor,
                          .build = g->build,
                          .state = g->state,
                          .from = g->from,
                          .version = g->version,
                          .entered = g->entered,
                          .set_ms = g->set_ms,
                          .checked_ms = g->checked_ms};
    if (g->why[0])
        memccpy(out->why, g->why, '\0', sizeof out->why - 1);
    if (g->check)
        memccpy(out->check, g->check, '\0', sizeof out->check - 1);
}

/* ---- the list */

static size_t order_of(const vk_vendor *v)
{
    const vk_vendor *all[VK_VENDORS_MAX];
    size_t n = vk_vendors(all), i = 0;
    while (i < n && all[i] != v)
        i++;
    return i;
}

static int compare(const vk_org *g, vk_str build, size_t order)
{
    vk_str mine = vk_str_z(g->build);
    size_t n = mine.n < build.n ? mine.n : build.n;
    int c = n ? memcmp(mine.p, build.p, n) : 0;
    if (c == 0 && mine.n != build.n)
        c = mine.n < build.n ? -1 : 1;
    if (c == 0) {
        size_t o = order_of(g->vendor);
        c = o < order ? -1 : o > order;
    }
    return c;
}

/* Where such a set is, or would be. */
static size_t place_of(const vk_orgs *o, const vk_vendor *v, vk_str build, bool *there_r)
{
    size_t low = 0, high = o->n, order = order_of(v);
    *there_r = false;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int c = compare(o->list[mid], build, order);
        if (c == 0)
            *there_r = true;
        if (c < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

vk_org *vk_org_kept(const vk_orgs *o, const vk_vendor *v, vk_str build)
{
    bool there;
    size_t at = place_of(o, v, build, &there);
    return there ? o->list[at] : NULL;
}

static bool more_room(vk_org ***list, size_t n, size_t *cap)
{
    if (n < *cap)
        return true;
    size_t want = *cap ? *cap * 2 : 16;
    vk_org **grown = realloc(*list, want * sizeof **list);
    if (!grown)
        return false;
    *list = grown;
    *cap = want;
    return true;
}

vk_err vk_org_list(vk_orgs *o, vk_org *g)
{
    bool there;
    if (o->n == VK_ORG_SETS_MAX)
        return VK_E_FULL;
    if (!more_room(&o->list, o->n, &o->cap))
        return VK_E_NOMEM;
    size_t at = place_of(o, g->vendor, vk_str_z(g->build), &there);
    memmove(o->list + at + 1, o->list + at, (o->n - at) * sizeof *o->list);
    o->list[at] = g;
    o->n++;
    return VK_OK;
}

/* In the order in which they went. */
static void free_gone(vk_orgs *o, int64_t now)
{
    size_t n = 0;
    while (n < o->n_gone && now - o->gone[n]->gone_ms > VK_ORG_GONE_MS)
        vk_org_free(o->gone[n++]);
    o->n_gone -= n;
    memmove(o->gone, o->gone + n, o->n_gone * sizeof *o->gone);
}

/* Its memory stays for a while: an order that is under way may have it, and finds it empty. */
void vk_org_unlist(vk_orgs *o, vk_org *g)
{
    bool there;
    size_t at = place_of(o, g->vendor, vk_str_z(g->build), &there);
    if (!there)
        return;
    o->n--;
    memmove(o->list + at, o->list + at + 1, (o->n - at) * sizeof *o->list);
    vk_org_forget(g);
    vk_org_settle(g);
    g->gone_ms = vk_clock_mono_ms();
    if (o->n_gone)
        free_gone(o, g->gone_ms);
    if (more_room(&o->gone, o->n_gone, &o->gone_cap))
        o->gone[o->n_gone++] = g;
}

const vk_org *vk_org_of(const vk_orgs *o, const vk_vendor *v, vk_str build)
{
    if (build.n && !v->own)
        return NULL;
    size_t i = order_of(v);
    return !build.n && o->given[i] ? o->given[i] : vk_org_kept(o, v, build);
}

const vk_org *vk_org_find(const vk_orgs *o, vk_str vendor, vk_str build)
{
    const vk_vendor *v = vk_vendor_of(vendor);
    return v ? vk_org_of(o, v, build) : NULL;
}

/* Those from outside first, as the organisation's are; then the vault's that none of these hides. */
size_t vk_org_count(const vk_orgs *o)
{
    size_t n = o->n;
    for (size_t i = 0; i < VK_VENDORS_MAX; i++)
        if (o->given[i] && !vk_org_kept(o, o->given[i]->vendor, VK_STR_NONE))
            n++;
    return n;
}

const vk_org *vk_org_at(const vk_orgs *o, size_t i)
{
    for (size_t k = 0; k < VK_VENDORS_MAX; k++)
        if (o->given[k] && !vk_org_kept(o, o->given[k]->vendor, VK_STR_NONE) && i-- == 0)
            return o->given[k];
    const vk_org *g = o->list[i];
    return g->build[0] ? g : vk_org_find(o, vk_str_z(g->vendor->name), VK_STR_NONE);
}

/* ---- what is made of values */

void vk_org_ref(const vk_org *g, const char *field, uint8_t out[8])
{
    int i = vk_org_index(g, vk_str_z(field));
    memset(out, 0, 8);
    if (i >= 0)
        memcpy(out, g->refs[i], 8);
}

vk_err vk_orgs_marks(const vk_orgs *o, const uint8_t salt[VK_ORG_MARK], vk_buf *out)
{
    size_t n = vk_org_count(o);
    for (size_t i = 0; i < n; i++) {
        const vk_org *g = vk_org_at(o, i);
        if (g->build[0])
            break;
        for (size_t k = 0; g->fields[k].name; k++)
            if (g->fields[k].secret && g->values[k].n) {
                uint8_t mark[VK_SHA256];
                vk_hmac((vk_str){(const char *)salt, VK_ORG_MARK}, vk_secret_bytes(g->values[k]), mark);
                vk_buf_add(out, mark, VK_ORG_MARK);
            }
    }
    return out->err;
}

/* ---- all of them */

static vk_err read_one(vk_orgs *o, const vk_vendor *v, vk_str build)
{
    vk_org *g = vk_org_new(o, v, build);
    if (!g)
        return VK_E_NOMEM;
    vk_err e = vk_org_read(o, g);
    if (e == VK_E_NOT_FOUND) {
        vk_org_free(g);
        return VK_OK;
    }
    if (e != VK_OK && e != VK_E_NOMEM)
        e = VK_OK; /* its state says so */
    if (e == VK_OK)
        e = vk_org_list(o, g);
    if (e != VK_OK)
        vk_org_free(g);
    else if (g->state != VK_ORG_READY && !vk_org_value(g, "made").n) { /* what is being made is not whole */
        char name[VK_ORG_NAME];
        vk_org_name(g, name);
        vk_log(VK_WARN, "keys in the vault cannot be used", VK_F(record, name), VK_F(why, g->why));
    }
    return e;
}

static vk_err read_builds(vk_orgs *o)
{
    const vk_vendor *all[VK_VENDORS_MAX];
    size_t n = vk_vendors(all);
    int fd = openat(o->fd, "build", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? VK_OK : VK_E_IO;
    DIR *d = fdopendir(fd);
    vk_err e = d ? VK_OK : VK_E_NOMEM;
    for (struct dirent *x; e == VK_OK && (x = readdir(d));) {
        vk_str id = vk_str_z(x->d_name);
        if (!vk_build_id_ok(id))
            continue;
        for (size_t i = 0; e == VK_OK && i < n; i++)
            if (all[i]->own)
                e = read_one(o, all[i], id);
    }
    if (d)
        closedir(d);
    else
        close(fd);
    return e;
}

vk_err vk_orgs_open(const vk_vault_place *at, vk_vault *v, vk_orgs **out_r, char why[VK_VAULT_WHY])
{
    const vk_vendor *all[VK_VENDORS_MAX];
    size_t n = vk_vendors(all);
    vk_orgs *o = calloc(1, sizeof *o);
    vk_err e = o ? vk_locked_new(&o->locked) : VK_E_NOMEM;
    snprintf(why, VK_VAULT_WHY, "There is not enough memory to open the organisation's keys.");
    if (e == VK_OK) {
        *o = (vk_orgs){.fd = v->fd, .vault = v, .locked = o->locked};
        o->room = sodium_malloc(VK_ENTRY_ROOM);
        if (o->room)
            memset(o->room, 0, VK_ENTRY_ROOM);
        e = o->room ? vk_hmac_key_new((vk_str){(const char *)v->ring->refs, sizeof v->ring->refs}, &o->refs)
                    : VK_E_NOMEM;
    }
    if (e == VK_OK)
        vk_box_public(v->ring->box, o->box_public);
    for (size_t i = 0; e == VK_OK && i < n; i++)
        e = read_one(o, all[i], VK_STR_NONE);
    if (e == VK_OK) {
        e = read_builds(o);
        if (e == VK_E_IO)
            snprintf(why, VK_VAULT_WHY, "%.400s/vault/build cannot be read: %s.", at->data_dir,
                     vk_errno_text(errno));
        if (e == VK_E_FULL)
            snprintf(why, VK_VAULT_WHY, "%.400s/vault/build has keys of more than %d builds.", at->data_dir,
                     VK_ORG_SETS_MAX);
    }
    if (e == VK_OK)
        e = vk_org_given(o, at->credentials_dir, why);
    if (e == VK_OK)
        *out_r = o;
    else
        vk_orgs_close(o);
    return e;
}

void vk_orgs_close(vk_orgs *o)
{
    if (!o)
        return;
    if (o->loop)
        vk_timer_clear(o->loop, &o->reseal);
    for (size_t i = 0; i < o->n; i++)
        vk_org_free(o->list[i]);
    for (size_t i = 0; i < o->n_gone; i++)
        vk_org_free(o->gone[i]);
    for (size_t i = 0; i < VK_VENDORS_MAX; i++)
        vk_org_free(o->given[i]);
    free(o->list);
    free(o->gone);
    sodium_free(o->room);
    vk_hmac_key_free(o->refs);
    vk_locked_free(o->locked);
    free(o);
}

const uint8_t *vk_orgs_audit_key(const vk_orgs *o)
{
    return o->vault->ring->audit;
}

const uint8_t *vk_orgs_box_key(const vk_orgs *o)
{
    return o->box_public;
}

void vk_orgs_tag(const vk_orgs *o, char out[VK_ORG_TAG + 1])
{
    static const char alphabet[33] = "abcdefghijklmnopqrstuvwxyz234567";
    uint8_t mac[VK_SHA256];
    vk_hmac_with(o->refs, VK_STR("valetkey names at vendors"), mac);
    for (size_t i = 0; i < VK_ORG_TAG; i++)
        out[i] = alphabet[mac[i] & 31];
    out[VK_ORG_TAG] = '\0';
}

bool vk_orgs_unlocked(const vk_orgs *o)
{
    return vk_locked_failed(o->locked);
}

uint64_t vk_orgs_ring_version(const vk_orgs *o)
{
    return o->vault->ring->version;
}

bool vk_orgs_rolled_back(const vk_orgs *o)
{
    return o->rolled_back;
}

/* ---- with the audit */

static void compare_versions(vk_orgs *o, vk_org *g)
{
    char name[VK_ORG_NAME];
    vk_org_name(g, name);
    uint64_t known = o->log.version_of(o->log.ctx, vk_str_z(name));
    if (g->state == VK_ORG_DAMAGED || g->version == known)
        return;
    if (g->version > known) { /* a kill between the record and its line in the log; or the log is new */
        vk_org_note(o, g, "valetkey", "keys.found", g->version);
        return;
    }
    vk_org_forget(g);
    g->state = VK_ORG_ROLLED_BACK;
    g->why =
        "It is older than the audit log knows it: an earlier vault/ was put back. Enter the values again, or "
        "restore vault/ and audit/ together.";
    vk_log(VK_ERROR, "keys in the vault are older than the audit log knows them", VK_F(record, name),
           VK_F(version, g->version), VK_F(known, known));
}

void vk_orgs_log(vk_orgs *o, const vk_org_log *log)
{
    o->log = *log;
    for (size_t i = 0; i < o->n; i++)
        compare_versions(o, o->list[i]);
    uint64_t version = o->vault->ring->version, known = log->version_of(log->ctx, VK_STR("ring"));
    o->rolled_back = version < known;
    if (o->rolled_back)
        vk_log(VK_ERROR, "vault/ring is older than the audit log knows it: an earlier one was put back",
               VK_F(version, version), VK_F(known, known));
    else if (version > known)
        vk_org_note(o, NULL, "valetkey", "keys.found ring", version);
}
