#include "keeper/org_in.h"

#include "core/clock.h"
#include "core/disk.h"
#include "store/store.h"

#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

static vk_err say(char why[400], vk_err e, const char *fmt, ...) VK_PRINTF(3, 4);
static vk_err say(char why[400], vk_err e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, 400, fmt, ap);
    va_end(ap);
    return e;
}

/* ---- what is asked */

const char *vk_org_at_wrong(int64_t at, int64_t last)
{
    int64_t now = vk_clock_wall_ms();
    if (at > now + VK_ORG_DAY_MS || at < now - VK_ORG_DAY_MS)
        return "The entry was not sealed within a day of now: the clock here or where it was sealed is "
               "wrong, or "
               "it is an old one.";
    if (at <= last && last <= now + VK_ORG_DAY_MS)
        return "The entry is not newer than what is there: it was used already, or a newer one was. Seal it "
               "again.";
    return NULL;
}

/* The set that is meant: that is there, or a new one without values. */
static vk_err set_of(vk_orgs *o, vk_str vendor, vk_str build, vk_org **g_r, bool *new_r, char why[400])
{
    const vk_vendor *v = vk_vendor_of(vendor);
    if (!v)
        return say(why, VK_E_INVALID, "There is no vendor of that name.");
    if (build.n && !vk_build_id_ok(build))
        return say(why, VK_E_INVALID, "There is no build of that name.");
    if (build.n && !v->own)
        return say(why, VK_E_INVALID, "A build has no keys of its own at %s.", v->title);
    const vk_org *there = vk_org_find(o, vendor, build);
    if (there && there->from != VK_ORG_VAULT)
        return say(why, VK_E_FORBIDDEN,
                   "The keys of %s come from %s: change them there. Those in the vault stand behind them.",
                   v->title, there->from == VK_ORG_CREDENTIAL ? "systemd credentials" : "the environment");
    *g_r = vk_org_kept(o, v, build);
    *new_r = !*g_r;
    if (*new_r)
        *g_r = vk_org_new(o, v, build);
    return *g_r ? VK_OK : say(why, VK_E_NOMEM, "There is not enough memory.");
}

/* Opens the entry into o->room, which the caller wipes, and lays it over what is there. */
static vk_err draft_of(vk_orgs *o, const vk_org *g, vk_str sealed, bool replace, vk_org_draft *d,
                       char why[400])
{
    vk_entry entry;
    const char *reason = "";
    vk_err e = vk_entry_open(o->vault->ring->box, sealed, o->room, &entry, &reason);
    if (e != VK_OK)
        return say(why, e, "%s", reason);
    if (entry.kek.n || !vk_str_eqz(entry.vendor, g->vendor->name) || !vk_str_eqz(entry.build, g->build))
        return say(why, VK_E_INVALID, "The entry was sealed for another vendor or build.");
    reason = vk_org_at_wrong(entry.at, g->at_ms);
    if (reason)
        return say(why, VK_E_INVALID, "%s", reason);
    *d = (vk_org_draft){.set_ms = vk_clock_wall_ms(), .at_ms = entry.at};
    for (size_t i = 0; g->fields[i].name; i++)
        if (!replace || g->fields[i].kept)
            d->values[i] = g->values[i];
    for (size_t i = 0; i < entry.n; i++) {
        int at = vk_org_index(g, entry.fields[i].name);
        vk_str value = vk_secret_bytes(entry.fields[i].value);
        if (at < 0 || g->fields[at].kept)
            return say(why, VK_E_INVALID, "%s has no field with a name that is in the entry.",
                       g->vendor->title);
        const vk_vendor_field *f = &g->fields[at];
        if (value.n && !f->ok(value, &reason))
            return say(why, VK_E_INVALID, "%s: %s", f->name, reason);
        d->values[at] = value.n ? vk_secret_of(value) : VK_SECRET_NONE;
    }
    return VK_OK;
}

static bool empty(const vk_org_draft *d)
{
    for (size_t i = 0; i < VK_VENDOR_FIELDS_MAX; i++)
        if (d->values[i].n)
            return false;
    return true;
}

/* There is something of keeper's own making: what it says is known nowhere else. */
static bool keeps(const vk_org *g)
{
    for (size_t i = 0; g->fields[i].name; i++)
        if (g->fields[i].kept && g->values[i].n)
            return true;
    return false;
}

/* ---- the record */

/* One more than any that was: also than that of a record that was taken away, or is older than it should be.
 */
static uint64_t next_version(const vk_orgs *o, const vk_org *g)
{
    char name[VK_ORG_NAME];
    vk_org_name(g, name);
    uint64_t known = o->log.write ? o->log.version_of(o->log.ctx, vk_str_z(name)) : 0;
    return (known > g->version ? known : g->version) + 1;
}

static vk_err store(vk_orgs *o, vk_org *g, const vk_org_draft *d, char why[400])
{
    char *plain, *old = g->plain;
    size_t n, old_n = g->plain_n;
    uint64_t version = next_version(o, g);
    vk_err e = vk_org_encode(o, g, d, &plain, &n);
    if (e != VK_OK)
        return say(why, e, "There is not enough memory.");
    e = vk_org_store(o, g, (vk_str){plain, n}, version);
    if (e != VK_OK) {
        vk_locked_put(o->locked, plain, n + 1);
        return e == VK_E_FULL
                   ? say(why, e, "The disk is full: the keys could not be written, and are as before.")
                   : say(why, e, "The keys could not be written (%s), and are as before.", vk_err_name(e));
    }
    g->plain = plain;
    g->plain_n = n;
    if (!vk_org_decode(g))
        abort(); /* what was just encoded */
    g->version = version;
    g->dek = vk_ring_active(o->vault->ring)->id;
    vk_org_settle(g);
    vk_locked_put(o->locked, old, old_n + 1);
    return VK_OK;
}

/* `g` in the list, if it is not there yet, and on the disk. */
static vk_err list_and_store(vk_orgs *o, vk_org *g, bool fresh, const vk_org_draft *d, char why[400])
{
    vk_err e = fresh ? vk_org_list(o, g) : VK_OK;
    if (e != VK_OK) {
        vk_org_free(g);
        return say(why, e,
                   e == VK_E_FULL ? "There are too many builds with keys." : "There is not enough memory.");
    }
    e = store(o, g, d, why);
    if (e != VK_OK && fresh)
        vk_org_unlist(o, g);
    return e;
}

static vk_err put(vk_orgs *o, vk_org_change *c, vk_org **g_r)
{
    vk_org_draft d;
    vk_org *g;
    bool fresh;
    vk_err e = set_of(o, c->vendor, c->build, &g, &fresh, c->why);
    if (e != VK_OK)
        return e;
    e = draft_of(o, g, c->sealed, c->replace, &d, c->why);
    if (e == VK_OK && empty(&d))
        e = say(c->why, VK_E_INVALID,
                "No value would be left. To take the keys away: valetkey keys remove %s", g->vendor->name);
    if (e == VK_OK)
        e = list_and_store(o, g, fresh, &d, c->why);
    else if (fresh)
        vk_org_free(g);
    if (e == VK_OK)
        g->entered = g->version;
    vk_wipe(o->room, VK_ENTRY_ROOM);
    *g_r = g;
    return e;
}

static vk_err remove_record(vk_orgs *o, vk_org *g, char why[400])
{
    char path[VK_ORG_PATH];
    vk_org_path(g, path);
    uint64_t version = next_version(o, g);
    vk_err e = vk_disk_remove(o->fd, path);
    if (e != VK_OK)
        return say(why, e, "The keys could not be removed (%s).", vk_err_name(e));
    if (g->build[0]) {
        char folder[VK_ORG_PATH];
        snprintf(folder, sizeof folder, "build/%s", g->build);
        unlinkat(o->fd, folder,
                 AT_REMOVEDIR); /* not while it has another vendor's; one that stays is empty */
    }
    vk_org_unlist(o, g);
    g->version = version;
    return VK_OK;
}

static vk_err take_away(vk_orgs *o, vk_org_change *c, vk_org **g_r)
{
    vk_org *g;
    bool fresh;
    vk_err e = set_of(o, c->vendor, c->build, &g, &fresh, c->why);
    if (e != VK_OK)
        return e;
    if (fresh) {
        vk_org_free(g);
        return say(c->why, VK_E_NOT_FOUND, "There are no such keys.");
    }
    if (keeps(g))
        return say(
            c->why, VK_E_CONFLICT,
            "valetkey made what these keys are for, at %s: it goes, and they with it, when the build is "
            "deleted or gets the service from elsewhere.",
            g->vendor->title);
    *g_r = g;
    return remove_record(o, g, c->why);
}

/* ---- the audit */

static void fill(vk_audit_entry *a, const vk_org *g, const char *did, uint64_t version)
{
    a->kind = VK_AUDIT_CHANGE;
    a->rec_version = version;
    if (!g) {
        snprintf(a->op, sizeof a->op, "%s", did);
        return;
    }
    snprintf(a->build, sizeof a->build, "%s", g->build);
    snprintf(a->service, sizeof a->service, "%.16s", g->vendor->service);
    snprintf(a->op, sizeof a->op, "%s %s", did, g->vendor->name);
    for (size_t i = 0; g->fields[i].name; i++)
        if (g->fields[i].secret && g->values[i].n) {
            memcpy(a->key_ref, g->refs[i], sizeof a->key_ref);
            break;
        }
}

void vk_org_note(vk_orgs *o, const vk_org *g, const char *actor, const char *did, uint64_t version)
{
    vk_audit_entry a = {.durable = NULL};
    if (!o->log.write)
        return;
    snprintf(a.actor, sizeof a.actor, "%s", actor);
    fill(&a, g, did, version);
    vk_err e = o->log.write(o->log.ctx, &a); /* on an error it is found, and noted, at the next start */
    VK_UNUSED(e);
}

static const char not_told[] = "It was done, and the audit log could not say so: see valetkey doctor.";

static void durable(vk_audit_entry *a, vk_err err)
{
    vk_org_change *c = a->arg;
    if (err != VK_OK)
        say(c->why, err, "%s", not_told);
    c->done(c, err);
}

/* Whether a change could be told the log. */
static vk_err may_change(vk_orgs *o, char why[400])
{
    vk_audit_state audit = {.sealed = false};
    if (!o->log.write)
        return say(
            why, VK_E_UNAVAILABLE,
            "Nothing is changed while there is no audit log: see the daemon's log and valetkey doctor.");
    o->log.state_of(o->log.ctx, &audit);
    return audit.sealed ? say(why, VK_E_UNAVAILABLE,
                              "Nothing is changed while the audit log cannot be written: %.300s", audit.why)
                        : VK_OK;
}

void vk_org_write(vk_orgs *o, vk_org_change *c)
{
    vk_org *g = NULL;
    bool removes = !c->sealed.n;
    c->why[0] = '\0';
    vk_err e = may_change(o, c->why);
    if (e == VK_OK)
        e = removes ? take_away(o, c, &g) : put(o, c, &g);
    if (e == VK_OK) {
        fill(&c->audit, g, removes ? "keys.remove" : "keys.set", g->version);
        c->audit.durable = durable;
        c->audit.arg = c;
        e = o->log.write(o->log.ctx, &c->audit);
        if (e == VK_OK)
            return;
        say(c->why, e, "%s", not_told);
    }
    c->done(c, e);
}

/* ---- keeper's own */

static void kept_durable(vk_audit_entry *a, vk_err err)
{
    vk_org_keep *c = a->arg;
    if (err != VK_OK)
        say(c->why, err, "%s", not_told);
    c->done(c, err);
}

/* What is there, with the fields over it. When it was set, and the last entry for it, stay as they are. */
static vk_err keep(vk_orgs *o, vk_org_keep *c, vk_org **g_r)
{
    vk_org_draft d;
    bool fresh = false;
    vk_org *g = vk_org_kept(o, c->vendor, vk_str_z(c->build));
    if (!g) {
        fresh = true;
        g = vk_org_new(o, c->vendor, vk_str_z(c->build));
    }
    if (!g)
        return say(c->why, VK_E_NOMEM, "There is not enough memory.");
    d = (vk_org_draft){.set_ms = fresh || c->anew ? vk_clock_wall_ms() : g->set_ms,
                       .at_ms = g->at_ms,
                       .checked_ms = g->checked_ms,
                       .check = g->check};
    memcpy(d.values, g->values, sizeof d.values);
    vk_err e = g->state == VK_ORG_DAMAGED || g->state == VK_ORG_ROLLED_BACK
                   ? say(c->why, VK_E_CORRUPT, "%s", g->why)
                   : VK_OK;
    for (size_t i = 0; e == VK_OK && i < c->n; i++) {
        int at = vk_org_index(g, vk_str_z(c->fields[i].name));
        const char *reason = "";
        vk_str value = vk_secret_bytes(c->fields[i].value);
        if (at < 0 || (value.n && !g->fields[at].ok(value, &reason)))
            e = say(c->why, VK_E_INVALID, "%s cannot be kept for this build: %s",
                    at < 0 ? "A field that there is not" : c->fields[i].name, reason);
        else
            d.values[at] = value.n ? c->fields[i].value : VK_SECRET_NONE;
    }
    *g_r = g;
    if (e == VK_OK)
        return list_and_store(o, g, fresh, &d, c->why);
    if (fresh)
        vk_org_free(g);
    return e;
}

void vk_org_keeps(vk_orgs *o, vk_org_keep *c)
{
    c->why[0] = '\0';
    vk_org *g = NULL;
    vk_err e = may_change(o, c->why);
    if (e == VK_OK && (!c->vendor->own || !vk_build_id_ok(vk_str_z(c->build))))
        e = say(c->why, VK_E_INVALID, "There is no build of that name.");
    if (e == VK_OK && c->remove) {
        g = vk_org_kept(o, c->vendor, vk_str_z(c->build));
        e = g ? remove_record(o, g, c->why) : say(c->why, VK_E_NOT_FOUND, "There is no such record.");
    } else if (e == VK_OK)
        e = keep(o, c, &g);
    if (e == VK_OK) {
        fill(&c->audit, g, c->op, g->version);
        c->audit.durable = kept_durable;
        c->audit.arg = c;
        e = o->log.write(o->log.ctx, &c->audit);
        if (e == VK_OK)
            return;
        say(c->why, e, "%s", not_told);
    }
    c->done(c, e);
}

/* ---- trying, and what came of it */

vk_err vk_org_try(vk_orgs *o, vk_str vendor, vk_str build, vk_str sealed, vk_org **out_r, char why[400])
{
    vk_org_draft d;
    vk_org *there, *g = NULL;
    bool fresh;
    vk_err e = set_of(o, vendor, build, &there, &fresh, why);
    if (e != VK_OK)
        return e;
    e = draft_of(o, there, sealed, false, &d, why);
    if (e == VK_OK) {
        g = vk_org_new(o, there->vendor, build);
        e = g ? vk_org_encode(o, g, &d, &g->plain, &g->plain_n) : VK_E_NOMEM;
        if (e != VK_OK)
            say(why, e, "There is not enough memory.");
    }
    vk_wipe(o->room, VK_ENTRY_ROOM);
    if (fresh)
        vk_org_free(there);
    if (e == VK_OK && !vk_org_decode(g))
        abort(); /* what was just encoded */
    if (e == VK_OK) {
        vk_org_settle(g);
        *out_r = g;
    } else
        vk_org_free(g);
    return e;
}

void vk_org_drop(vk_org *g)
{
    vk_org_free(g);
}

void vk_org_checked(vk_orgs *o, vk_str vendor, vk_str build, uint64_t entered, vk_str json)
{
    char why[400];
    vk_org *g = (vk_org *)(uintptr_t)vk_org_find(o, vendor, build);
    if (!g || g->entered != entered || json.n > VK_ORG_CHECK_MAX)
        return;
    if (g->from == VK_ORG_VAULT && g->plain) {
        char check[VK_ORG_CHECK_MAX + 1];
        snprintf(check, sizeof check, VK_STR_FMT, VK_STR_ARG(json));
        vk_org_draft d = {
            .set_ms = g->set_ms, .at_ms = g->at_ms, .checked_ms = vk_clock_wall_ms(), .check = check};
        memcpy(d.values, g->values, sizeof d.values);
        if (store(o, g, &d, why) == VK_OK)
            vk_org_note(o, g, "admin", "keys.check", g->version);
        return;
    }
    free(g->check);
    g->check = strndup(json.p, json.n);
    g->checked_ms = vk_clock_wall_ms();
}
