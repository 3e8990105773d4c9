/* Values from outside: of the environment, sealed, and of systemd credentials. Nothing of them is written. */
#include "keeper/org_in.h"

#include "core/log.h"
#include "keeper/kek.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

extern char **environ;

#define IN_ENVIRONMENT "VALETKEY_ORG_"
#define IN_CREDENTIALS "valetkey-org-"
#define SEALED "sealed:"

enum { NAME_MAX_HERE = 128, ROOM = VK_VENDOR_VALUE_MAX + 64 };

/* What was found for a vendor, in locked memory of ROOM bytes a field. */
typedef struct given {
    char *values[VK_VENDOR_FIELDS_MAX];
    size_t n[VK_VENDOR_FIELDS_MAX];
    vk_org_from from;
} given;

typedef struct reader {
    vk_orgs *o;
    const vk_vendor *vendors[VK_VENDORS_MAX];
    size_t n_vendors;
    given given[VK_VENDORS_MAX];
    char *why;
} reader;

/* "stripe" `between` "secret_key", as `name` has them after its prefix. */
static bool find(const reader *r, const char *name, char between, size_t *vendor_r, size_t *field_r)
{
    vk_str field = vk_str_z(name), vendor;
    if (!vk_str_cut(&field, between, &vendor))
        return false;
    for (size_t i = 0; i < r->n_vendors; i++)
        if (vk_str_ieq(vendor, vk_str_z(r->vendors[i]->name)))
            for (size_t k = 0; r->vendors[i]->fields[k].name; k++)
                if (vk_str_ieq(field, vk_str_z(r->vendors[i]->fields[k].name))) {
                    *vendor_r = i;
                    *field_r = k;
                    return true;
                }
    return false;
}

static vk_err keep(reader *r, const char *name, size_t vendor, size_t field, vk_secret value,
                   vk_org_from from)
{
    given *g = &r->given[vendor];
    const vk_vendor_field *f = &r->vendors[vendor]->fields[field];
    const char *reason = "";
    vk_str bytes = vk_secret_bytes(value);
    if (!f->ok(bytes, &reason))
        return vk_vault_say(r->why, VK_E_INVALID, "%.200s cannot be used: %s", name, reason);
    if (g->values[field])
        return vk_vault_say(r->why, VK_E_INVALID,
                            "%s of %s is given twice: by %.200s, and by another variable or credential.",
                            f->name, r->vendors[vendor]->title, name);
    g->values[field] = vk_locked_get(r->o->locked, ROOM);
    if (!g->values[field])
        return vk_vault_say(r->why, VK_E_NOMEM, "There is not enough memory for %.200s.", name);
    memcpy(g->values[field], bytes.p, bytes.n);
    g->n[field] = bytes.n;
    if (from == VK_ORG_CREDENTIAL || g->from == VK_ORG_VAULT)
        g->from = from;
    return VK_OK;
}

/* ---- the environment */

static vk_err unseal(reader *r, const char *name, size_t vendor, size_t field, vk_str base64)
{
    vk_entry entry;
    const char *reason = "";
    const vk_vendor *v = r->vendors[vendor];
    vk_err e = vk_entry_open(r->o->vault->ring->box, base64, r->o->room, &entry, &reason);
    if (e != VK_OK)
        return vk_vault_say(r->why, e, "%.200s cannot be used: %s Make it anew with: valetkey keys seal %s",
                            name, reason, v->name);
    if (!vk_str_eqz(entry.vendor, v->name) || entry.build.n || entry.n != 1 ||
        !vk_str_eqz(entry.fields[0].name, v->fields[field].name))
        e = vk_vault_say(
            r->why, VK_E_INVALID,
            "%.200s cannot be used: what is sealed in it is another field. Make it anew with: valetkey keys "
            "seal %s",
            name, v->name);
    else
        e = keep(r, name, vendor, field, entry.fields[0].value, VK_ORG_ENVIRONMENT);
    vk_wipe(r->o->room, VK_ENTRY_ROOM);
    return e;
}

static vk_err take_variable(reader *r, const char *name, const char *value)
{
    size_t vendor, field;
    if (!find(r, name + sizeof IN_ENVIRONMENT - 1, '_', &vendor, &field))
        return vk_vault_say(r->why, VK_E_INVALID,
                            "%.200s is set, and there is no such key. Names are " IN_ENVIRONMENT
                            "<VENDOR>_<FIELD>, such as " IN_ENVIRONMENT "STRIPE_SECRET_KEY.",
                            name);
    const vk_vendor_field *f = &r->vendors[vendor]->fields[field];
    vk_str text = vk_str_z(value), sealed = VK_STR(SEALED);
    if (vk_str_starts(text, sealed))
        return unseal(r, name, vendor, field, (vk_str){text.p + sealed.n, text.n - sealed.n});
    if (f->secret)
        return vk_vault_say(r->why, VK_E_INVALID,
                            "%.200s holds a secret in clear, and an environment is read by more than its "
                            "program. Seal it with: "
                            "valetkey keys seal %s; or give it as the systemd credential " IN_CREDENTIALS
                            "%s-%s.",
                            name, r->vendors[vendor]->name, r->vendors[vendor]->name, f->name);
    return keep(r, name, vendor, field, vk_secret_of(text), VK_ORG_ENVIRONMENT);
}

static vk_err environment(reader *r)
{
    for (char **e = environ; e && *e;) {
        char name[NAME_MAX_HERE];
        const char *equals = strchr(*e, '=');
        if (strncmp(*e, IN_ENVIRONMENT, sizeof IN_ENVIRONMENT - 1) != 0 || !equals) {
            e++;
            continue;
        }
        if ((size_t)(equals - *e) >= sizeof name)
            return vk_vault_say(r->why, VK_E_INVALID, "%.100s… is set, and there is no such key.", *e);
        snprintf(name, sizeof name, "%.*s", (int)(equals - *e), *e);
        vk_err err = equals[1] ? take_variable(r, name, equals + 1) : VK_OK;
        if (err != VK_OK)
            return err;
        unsetenv(name);
        e = environ;
    }
    return VK_OK;
}

/* ---- credentials */

static vk_err take_credential(reader *r, int dir, const char *name)
{
    size_t vendor, field;
    if (!find(r, name + sizeof IN_CREDENTIALS - 1, '-', &vendor, &field))
        return vk_vault_say(r->why, VK_E_INVALID,
                            "There is a systemd credential %.200s, and no such key. Names are " IN_CREDENTIALS
                            "<vendor>-<field>, such as " IN_CREDENTIALS "stripe-secret_key.",
                            name);
    char *room = vk_locked_get(r->o->locked, ROOM);
    if (!room)
        return vk_vault_say(r->why, VK_E_NOMEM, "There is not enough memory for %.200s.", name);
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t got = 0;
    size_t n = 0;
    while (fd >= 0 && n < ROOM && (got = read(fd, room + n, ROOM - n)) > 0)
        n += (size_t)got;
    vk_err e = fd < 0 || got < 0 ? VK_E_IO : VK_OK;
    if (e != VK_OK)
        vk_vault_say(r->why, e, "The systemd credential %.200s cannot be read: %s.", name,
                     vk_errno_text(errno));
    if (fd >= 0)
        close(fd);
    if (n && room[n - 1] == '\n')
        n--;
    if (e == VK_OK)
        e = keep(r, name, vendor, field, vk_secret_of((vk_str){room, n}), VK_ORG_CREDENTIAL);
    vk_locked_put(r->o->locked, room, ROOM);
    return e;
}

static vk_err credentials(reader *r, const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    vk_err e = VK_OK;
    if (fd < 0 && errno != ENOENT)
        e = vk_vault_say(r->why, VK_E_IO, "The systemd credentials in %.300s cannot be read: %s.", dir,
                         vk_errno_text(errno));
    for (struct dirent *x; e == VK_OK && d && (x = readdir(d));)
        if (strncmp(x->d_name, IN_CREDENTIALS, sizeof IN_CREDENTIALS - 1) == 0)
            e = take_credential(r, fd, x->d_name);
    if (d)
        closedir(d);
    else if (fd >= 0)
        close(fd);
    return e;
}

/* ---- all of them */

static vk_err make_set(reader *r, size_t i)
{
    given *x = &r->given[i];
    vk_org_draft d = {.set_ms = 0};
    if (x->from == VK_ORG_VAULT)
        return VK_OK;
    vk_org *g = vk_org_new(r->o, r->vendors[i], VK_STR_NONE);
    if (!g)
        return VK_E_NOMEM;
    for (size_t k = 0; k < VK_VENDOR_FIELDS_MAX; k++)
        d.values[k] = vk_secret_of((vk_str){x->values[k], x->n[k]});
    vk_err e = vk_org_encode(r->o, g, &d, &g->plain, &g->plain_n);
    if (e != VK_OK || !vk_org_decode(g)) {
        vk_org_free(g);
        return e == VK_OK ? VK_E_INTERNAL : e;
    }
    g->from = x->from;
    vk_org_settle(g);
    r->o->given[i] = g;
    if (vk_org_kept(r->o, r->vendors[i], VK_STR_NONE))
        vk_log(VK_INFO, "keys from outside stand in the place of those in the vault",
               VK_F(vendor, r->vendors[i]->name));
    return VK_OK;
}

vk_err vk_org_given(vk_orgs *o, const char *credentials_dir, char why[VK_VAULT_WHY])
{
    reader r = {.o = o, .why = why};
    r.n_vendors = vk_vendors(r.vendors);
    vk_err e = environment(&r);
    if (e == VK_OK && credentials_dir && *credentials_dir)
        e = credentials(&r, credentials_dir);
    for (size_t i = 0; e == VK_OK && i < r.n_vendors; i++)
        e = make_set(&r, i);
    for (size_t i = 0; i < r.n_vendors; i++)
        for (size_t k = 0; k < VK_VENDOR_FIELDS_MAX; k++)
            vk_locked_put(o->locked, r.given[i].values[k], ROOM);
    return e;
}
