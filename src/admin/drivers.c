#include "admin/drivers.h"

#include "keeper/provision.h"
#include "keeper/vendors.h"

enum { SHOWN_MAX = 40, VALUES_MAX = VK_RESOURCE_VALUES + 4 };

static const char DELIVERY[] = "delivery", KEPT[] = "kept";

typedef struct pair {
    vk_str name, value;
} pair;

typedef struct pairs {
    pair of[VALUES_MAX];
    size_t n;
    bool ours; /* what is noted here besides what people give has room too */
} pairs;

const vk_driver *vk_driver_find(const vk_service *s, vk_str name)
{
    for (const vk_driver *const *d = s->drivers; d && *d; d++)
        if (vk_str_eqz(name, (*d)->name))
            return *d;
    return NULL;
}

static vk_err no_driver(vk_arena *a, const vk_service *s, vk_str name, const char **why_r)
{
    char known[256] = "embedded";
    size_t at = strlen(known);
    for (const vk_driver *const *d = s->drivers; d && *d && at < sizeof known; d++)
        at += (size_t)snprintf(known + at, sizeof known - at, ", %s", (*d)->name);
    return vk_refuse(a, why_r, "The service \"%s\" has no driver \"%.*s\"; it has %s", s->name,
                     (int)(name.n > SHOWN_MAX ? SHOWN_MAX : name.n), name.p ? name.p : "", known);
}

/* [a-z][a-z0-9_]* */
static bool name_ok(vk_str s)
{
    if (s.n == 0 || s.n > VK_VENDOR_FIELD_MAX || s.p[0] < 'a' || s.p[0] > 'z')
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= '0' && s.p[i] <= '9') || s.p[i] == '_'))
            return false;
    return true;
}

static bool value_ok(vk_str s)
{
    if (s.n == 0 || s.n > VK_VENDOR_VALUE_MAX)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~')
            return false;
    return true;
}

static int by_bytes(vk_str a, vk_str b)
{
    int c = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
    return c ? c : (a.n > b.n) - (a.n < b.n);
}

/* Into its place by name. */
static vk_err add(vk_arena *a, pairs *p, vk_str name, vk_str value, const char **why_r)
{
    size_t at = 0;
    if (!name_ok(name))
        return vk_refuse(a, why_r,
                         "A name of the driver's values must be of a-z, 0-9 and _, such as "
                         "\"account\"");
    if (!value_ok(value))
        return vk_refuse(a, why_r, "The value of \"" VK_STR_FMT "\" must be 1 to %d visible ASCII characters",
                         VK_STR_ARG(name), (int)VK_VENDOR_VALUE_MAX);
    while (at < p->n && by_bytes(p->of[at].name, name) < 0)
        at++;
    if (at < p->n && vk_str_eq(p->of[at].name, name))
        return vk_refuse(a, why_r, "\"" VK_STR_FMT "\" stands twice", VK_STR_ARG(name));
    if (p->n == (p->ours ? VALUES_MAX : VK_RESOURCE_VALUES))
        return vk_refuse(a, why_r, "A driver takes at most %d values", (int)VK_RESOURCE_VALUES);
    memmove(&p->of[at + 1], &p->of[at], (p->n - at) * sizeof *p->of);
    p->of[at] = (pair){name, value};
    p->n++;
    return VK_OK;
}

/* What the vendor knows of a build's own; a driver of none of keeper's vendors judges by itself. */
static vk_err fits_vendor(vk_arena *a, const vk_vendor *v, const pair *p, const char **why_r)
{
    char known[256] = "";
    size_t at = 0;
    const char *why;
    for (const vk_vendor_field *f = v->own; f && f->name; f++) {
        if (f->kept || !vk_str_eqz(p->name, f->name)) {
            if (!f->secret && !f->kept && at < sizeof known)
                at += (size_t)snprintf(known + at, sizeof known - at, "%s%s", at ? ", " : "", f->name);
            continue;
        }
        if (f->secret)
            return vk_refuse(a, why_r,
                             "\"%s\" is a secret, so it does not stand among the plain values: `valetkey "
                             "build use` asks for it and seals it",
                             f->name);
        if (f->ok && !f->ok(p->value, &why))
            return vk_refuse(a, why_r, "\"%s\": %s", f->name, why);
        return VK_OK;
    }
    return vk_refuse(a, why_r, "%s has no value \"" VK_STR_FMT "\" of a build; it has %s", v->title,
                     VK_STR_ARG(p->name), known[0] ? known : "none");
}

/* Whether keeper makes what a build has there, when nobody brings it. */
static const vk_provisioner *maker(const char *driver)
{
    const vk_vendor *v = vk_vendor_of(vk_str_z(driver));
    return v ? v->provisioner : NULL;
}

static bool can_direct(const vk_driver *d)
{
    const vk_provisioner *p = maker(d->name);
    return d->direct && p && (p->direct || p->lend);
}

static vk_err fits_delivery(vk_arena *a, const vk_driver *d, vk_str value, const char **why_r)
{
    bool direct = vk_str_eqz(value, "direct");
    if (!direct && !vk_str_eqz(value, "gateway"))
        return vk_refuse(a, why_r, "\"delivery\" is gateway or direct");
    if (direct && !can_direct(d))
        return vk_refuse(a, why_r,
                         "The driver \"%s\" has no delivery=direct: builds reach it through valetkey only",
                         d->name);
    if (!direct && d->only_direct)
        return vk_refuse(a, why_r,
                         "The driver \"%s\" has no delivery=gateway: builds reach it by the vendor's own "
                         "credential only",
                         d->name);
    return VK_OK;
}

/* Whether a value of the build's own is among them, so that nothing is to be made. */
static bool brings_own(const vk_vendor *v, const pairs *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (!vk_str_eqz(p->of[i].name, DELIVERY) && !vk_str_eqz(p->of[i].name, VK_VENDOR_SHARED) &&
            vk_vendor_field_of(v->own, p->of[i].name))
            return true;
    return false;
}

/* What must be there; secrets are the vault's. */
static vk_err has_all(vk_arena *a, const vk_vendor *v, const pairs *p, const char **why_r)
{
    for (const vk_vendor_field *f = v->own; f && f->name; f++) {
        size_t i = 0;
        while (i < p->n && !vk_str_eqz(p->of[i].name, f->name))
            i++;
        if (i == p->n && !f->secret && !f->optional)
            return vk_refuse(a, why_r, "%s needs the value \"%s\" of the build: %s", v->title, f->name,
                             f->what);
    }
    return VK_OK;
}

static vk_err write_resource(vk_arena *a, const pairs *p, vk_str *out_r)
{
    vk_buf b;
    vk_buf_init(&b, VK_RESOURCE_MAX);
    vk_jw w = vk_jw_on(&b);
    vk_jw_obj(&w);
    for (size_t i = 0; i < p->n; i++) {
        vk_jw_key(&w, p->of[i].name);
        vk_jw_str(&w, p->of[i].value);
    }
    vk_jw_obj_end(&w);
    vk_err e = b.err;
    if (e == VK_OK) {
        *out_r = vk_arena_dup(a, vk_buf_view(&b));
        e = out_r->p ? VK_OK : VK_E_NOMEM;
    }
    vk_buf_free(&b);
    return e;
}

static vk_err choose(vk_arena *a, const vk_service *s, vk_str driver, const pairs *given, vk_binding *out_r,
                     const char **why_r)
{
    pairs all = *given;
    const pairs *p = &all;
    bool has_delivery = false;
    const vk_driver *d = vk_driver_find(s, driver);
    const vk_vendor *v = d ? vk_vendor_of(driver) : NULL;
    vk_binding b = {.version = 0};
    if (!d && !vk_str_eqz(driver, "embedded"))
        return no_driver(a, s, driver, why_r);
    if (!d && p->n)
        return vk_refuse(a, why_r, "The driver \"embedded\" takes no values");
    for (size_t i = 0; v && i < p->n; i++) {
        bool delivery = v->provisioner && vk_str_eqz(p->of[i].name, DELIVERY);
        vk_err bad =
            delivery ? fits_delivery(a, d, p->of[i].value, why_r) : fits_vendor(a, v, &p->of[i], why_r);
        if (bad != VK_OK)
            return bad;
        has_delivery |= delivery;
    }
    bool made = v && v->provisioner && !brings_own(v, p);
    vk_err e = v && !made ? has_all(a, v, p, why_r) : VK_OK;
    if (e == VK_OK && has_delivery && !made)
        return vk_refuse(a, why_r,
                         "\"delivery\" is for what valetkey makes at %s, and goes with no other values",
                         v->title);
    all.ours = true;
    if (e == VK_OK && d && d->only_direct && !has_delivery)
        e = add(a, &all, VK_STR("delivery"), VK_STR("direct"), why_r);
    if (e != VK_OK)
        return e;
    snprintf(b.service, sizeof b.service, "%s", s->name);
    snprintf(b.driver, sizeof b.driver, "%s", d ? d->name : "embedded");
    e = write_resource(a, p, &b.resource);
    if (e == VK_E_TOO_LARGE)
        return vk_refuse(a, why_r, "The driver's values are longer than %d bytes", (int)VK_RESOURCE_MAX);
    *why_r = "Out of memory";
    if (e != VK_OK)
        return e;
    const char *refused = d && d->refused && !made ? d->refused(&b) : NULL;
    if (refused)
        return vk_refuse(a, why_r, "%s", refused);
    *out_r = b;
    return VK_OK;
}

vk_err vk_driver_choose(vk_arena *a, const vk_service *s, vk_str driver, const vk_json *values,
                        vk_binding *out_r, const char **why_r)
{
    pairs p = {.n = 0};
    if (values && values->type != VK_JSON_OBJECT)
        return vk_refuse(a, why_r, "\"resource\" must be an object of names and texts");
    for (const vk_json *m = values ? values->u.child : NULL; m; m = m->next) {
        if (m->type != VK_JSON_STRING)
            return vk_refuse(a, why_r, "\"resource\" must hold texts only");
        vk_err e = add(a, &p, m->key, m->u.s, why_r);
        if (e != VK_OK)
            return e;
    }
    return choose(a, s, driver, &p, out_r, why_r);
}

static bool next_word(vk_str *s, vk_str *word_r)
{
    size_t n = 0;
    while (s->n && (s->p[0] == ' ' || s->p[0] == ','))
        *s = (vk_str){s->p + 1, s->n - 1};
    while (n < s->n && s->p[n] != ' ' && s->p[n] != ',')
        n++;
    *word_r = (vk_str){s->p, n};
    *s = (vk_str){s->p + n, s->n - n};
    return n > 0;
}

vk_err vk_driver_parse(vk_arena *a, const vk_service *s, vk_str text, vk_binding *out_r, const char **why_r)
{
    pairs p = {.n = 0};
    vk_str driver, word, name;
    if (!next_word(&text, &driver))
        return no_driver(a, s, VK_STR(""), why_r);
    while (next_word(&text, &word)) {
        vk_str value = word;
        if (!vk_str_cut(&value, '=', &name))
            return vk_refuse(a, why_r, "What follows the driver's name must look like \"account=acct_…\"");
        vk_err e = add(a, &p, name, value, why_r);
        if (e != VK_OK)
            return e;
    }
    return choose(a, s, driver, &p, out_r, why_r);
}

bool vk_driver_needs_secrets(const vk_binding *b)
{
    vk_str alone;
    const vk_vendor *v = vk_vendor_of(vk_str_z(b->driver));
    bool named = vk_driver_alone(b, &alone) != NULL;
    for (const vk_vendor_field *f = v ? v->own : NULL; f && f->name; f++)
        if (f->secret && (!f->optional || named))
            return true;
    return false;
}

/* ---- what keeper makes */

bool vk_driver_makes(const vk_binding *b)
{
    const vk_vendor *v = vk_vendor_of(vk_str_z(b->driver));
    if (!v || !v->provisioner)
        return false;
    for (const vk_vendor_field *f = v->own; f && f->name; f++)
        if (!f->secret && !f->kept && strcmp(f->name, VK_VENDOR_SHARED) != 0 &&
            vk_binding_value(b, f->name).n)
            return false;
    return true;
}

bool vk_driver_lacks(const vk_service *s, const vk_binding *b)
{
    const vk_driver *d = vk_driver_find(s, vk_str_z(b->driver));
    return d && d->refused && d->refused(b);
}

vk_str vk_driver_kept(const vk_binding *b)
{
    return vk_binding_value(b, KEPT);
}

bool vk_driver_may_have(const vk_binding *b)
{
    return maker(b->driver) || vk_driver_kept(b).n;
}

/* The members of an object of texts, over what is there. */
static vk_err put_over(vk_arena *a, pairs *p, const vk_json *values)
{
    const char *why;
    vk_err e = VK_OK;
    for (const vk_json *m = values && values->type == VK_JSON_OBJECT ? values->u.child : NULL;
         e == VK_OK && m; m = m->next) {
        size_t i = 0;
        if (m->type != VK_JSON_STRING)
            return VK_E_INVALID;
        while (i < p->n && !vk_str_eq(p->of[i].name, m->key))
            i++;
        if (i < p->n && value_ok(m->u.s))
            p->of[i].value = m->u.s;
        else if (i < p->n)
            e = VK_E_INVALID;
        else
            e = add(a, p, m->key, m->u.s, &why);
    }
    return e;
}

vk_err vk_driver_fill(vk_arena *a, const vk_binding *b, const vk_json *values, vk_binding *out_r)
{
    pairs p = {.ours = true};
    vk_json *had;
    vk_err e = vk_json_parse(a, b->resource, &had, NULL, NULL);
    if (e == VK_OK)
        e = put_over(a, &p, had);
    if (e == VK_OK)
        e = put_over(a, &p, values);
    *out_r = *b;
    return e == VK_OK ? write_resource(a, &p, &out_r->resource) : e;
}

static bool names(vk_str list, const char *one)
{
    vk_str word;
    while (vk_str_cut(&list, '+', &word))
        if (vk_str_eqz(word, one))
            return true;
    return vk_str_eqz(list, one);
}

vk_err vk_driver_keep(vk_arena *a, const vk_binding *before, vk_binding *b)
{
    vk_str kept = vk_driver_kept(before);
    if (maker(before->driver) && strcmp(before->driver, b->driver) != 0 && !names(kept, before->driver))
        kept = vk_arena_printf(a, VK_STR_FMT "%s%s", VK_STR_ARG(kept), kept.n ? "+" : "", before->driver);
    if (!kept.n)
        return kept.p || !maker(before->driver) || strcmp(before->driver, b->driver) == 0 ? VK_OK
                                                                                          : VK_E_NOMEM;
    vk_json name = {.type = VK_JSON_STRING, .key = vk_str_z(KEPT), .u.s = kept};
    const vk_json object = {.type = VK_JSON_OBJECT, .u.child = &name};
    return vk_driver_fill(a, b, &object, b);
}

static bool same_value(const vk_binding *x, const vk_binding *y, const char *name)
{
    return vk_str_eq(vk_binding_value(x, name), vk_binding_value(y, name));
}

/* By the values that the vendor knows; what keeper has made counts as nothing that was asked for. */
static bool same_values(const vk_vendor *v, const vk_binding *want, const vk_binding *had)
{
    bool made = vk_driver_makes(want);
    for (const vk_vendor_field *f = v->own; f && f->name; f++)
        if (!f->secret && !f->kept && (!made || strcmp(f->name, VK_VENDOR_SHARED) == 0) &&
            !same_value(want, had, f->name))
            return false;
    return vk_binding_direct(want) == vk_binding_direct(had);
}

bool vk_driver_same(const vk_binding *want, const vk_binding *had)
{
    const vk_vendor *v = vk_vendor_of(vk_str_z(want->driver));
    if (strcmp(had->driver, want->driver) != 0)
        return false;
    if (strcmp(want->driver, "embedded") == 0)
        return true;
    if (!v || !v->provisioner)
        return vk_str_eq(had->resource, want->resource) ||
               (v && vk_driver_kept(had).n && same_values(v, want, had));
    return same_values(v, want, had);
}

/* ---- what one build has alone */

bool vk_driver_says_shared(const vk_binding *b)
{
    return vk_str_eqz(vk_binding_value(b, VK_VENDOR_SHARED), "yes");
}

/* A stand-in's address on loopback (http://…) is no database: it may have many. */
const char *vk_driver_alone(const vk_binding *b, vk_str *value_r)
{
    const vk_vendor *v = vk_vendor_of(vk_str_z(b->driver));
    for (const vk_vendor_field *f = v ? v->own : NULL; f && f->name; f++) {
        vk_str value = f->alone ? vk_binding_value(b, f->name) : VK_STR_NONE;
        if (!value.n || vk_str_starts(value, VK_STR("http")))
            continue;
        *value_r = value;
        return f->name;
    }
    return NULL;
}

/* ---- what is told of them */

const char *vk_driver_isolation(const vk_service *s, const vk_binding *b)
{
    const vk_driver *d = vk_driver_find(s, vk_str_z(b->driver));
    if (d && vk_driver_says_shared(b))
        return "shared with other builds";
    return d && d->isolation ? d->isolation(b) : NULL;
}

bool vk_driver_shared(const vk_service *s, const vk_binding *b)
{
    const char *text = vk_driver_isolation(s, b);
    return text && vk_str_starts(vk_str_z(text), VK_STR("shared"));
}

void vk_driver_members(vk_jw *w, const vk_service *s, const vk_binding *b)
{
    const char *isolation = vk_driver_isolation(s, b);
    vk_jw_kstr(w, "driver", vk_str_z(b->driver));
    if (vk_driver_kept(b).n)
        vk_jw_kstr(w, "kept", vk_driver_kept(b));
    if (strcmp(b->driver, "embedded") == 0)
        return;
    vk_jw_kstr_or_null(w, "isolation", vk_str_z(isolation));
    vk_jw_kbool(w, "shared", vk_driver_shared(s, b));
    vk_jw_key(w, VK_STR("resource"));
    vk_jw_raw(w, b->resource);
    vk_jw_ki64(w, "version", (int64_t)b->version);
}

void vk_drivers_write(vk_jw *w, const vk_binding *b, size_t n)
{
    const vk_service *services[VK_SERVICES_MAX];
    size_t n_services = vk_services(services);
    vk_jw_obj(w);
    for (size_t i = 0; i < n_services; i++)
        for (size_t k = 0; k < n; k++) {
            if (strcmp(b[k].service, services[i]->name) != 0)
                continue;
            vk_jw_key(w, vk_str_z(services[i]->name));
            vk_jw_obj(w);
            vk_driver_members(w, services[i], &b[k]);
            vk_jw_obj_end(w);
        }
    vk_jw_obj_end(w);
}
