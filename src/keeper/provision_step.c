/* What a vendor's steps call. */
#include "core/encode.h"
#include "keeper/provision_in.h"

enum { SAID = 160 };

static vk_prov_run *run_of(vk_prov *p)
{
    return VK_CONTAINER(p, vk_prov_run, p);
}

vk_err vk_prov_set(vk_prov *p, const char *field, vk_secret value)
{
    vk_prov_run *r = run_of(p);
    const vk_vendor_field *f = vk_vendor_field_of(p->vendor->own, vk_str_z(field));
    vk_str bytes = vk_secret_bytes(value);
    if (!f || f->kept || !r->job || r->job->ask)
        return VK_E_INVALID;
    vk_str copy = vk_arena_dup(p->arena, bytes);
    if (!copy.p)
        return VK_E_NOMEM;
    size_t i = 0;
    while (i < r->n_sets && strcmp(r->sets[i].name, f->name) != 0)
        i++;
    if (i == VK_VENDOR_FIELDS_MAX - 1)
        return VK_E_TOO_LARGE;
    r->sets[i].name = f->name;
    r->sets[i].value = vk_secret_of(copy);
    if (i == r->n_sets)
        r->n_sets++;
    return VK_OK;
}

vk_err vk_prov_note(vk_prov *p, const char *name, vk_str value)
{
    vk_prov_run *r = run_of(p);
    vk_made probe = {.n = 0};
    vk_err e = !r->job || r->job->ask ? VK_E_INVALID : vk_made_note_set(&probe, vk_str_z(name), value);
    if (e != VK_OK)
        return e;
    vk_str key = vk_arena_dup(p->arena, vk_str_z(name)), copy = vk_arena_dup(p->arena, value);
    if (!key.p || !copy.p)
        return VK_E_NOMEM;
    size_t i = 0;
    while (i < r->n_notes && !vk_str_eq(r->notes[i].name, key))
        i++;
    if (i == VK_PROV_VALUES)
        return VK_E_TOO_LARGE;
    r->notes[i].name = key;
    r->notes[i].value = copy;
    if (i == r->n_notes)
        r->n_notes++;
    return VK_OK;
}

vk_str vk_prov_noted(const vk_prov *p, const char *name)
{
    const vk_prov_run *r = VK_CONTAINER((uintptr_t)p, vk_prov_run, p);
    for (size_t i = 0; i < r->n_notes; i++)
        if (vk_str_eqz(r->notes[i].name, name))
            return r->notes[i].value.n ? r->notes[i].value : VK_STR_NONE;
    return vk_made_noted(&r->made, name);
}

void vk_prov_use(vk_prov *p, const char *name, int64_t n)
{
    vk_prov_ask *a = run_of(p)->job ? run_of(p)->job->ask : NULL;
    if (!a)
        return;
    size_t i = 0;
    while (i < a->n_uses && strcmp(a->uses[i].name, name) != 0)
        i++;
    if (i == VK_PROV_USES)
        return;
    snprintf(a->uses[i].name, sizeof a->uses[i].name, "%s", name);
    a->uses[i].n = n;
    if (i == a->n_uses)
        a->n_uses++;
}

static char *text_of(vk_str s)
{
    return strndup(s.p ? s.p : "", s.n < VK_PROV_VALUE_MAX ? s.n : VK_PROV_VALUE_MAX);
}

vk_err vk_prov_found(vk_prov *p, vk_str name, vk_str id, vk_str created_at)
{
    vk_prov_ask *a = run_of(p)->job ? run_of(p)->job->ask : NULL;
    if (!a || a->list != VK_PROV_LIST)
        return VK_E_INVALID;
    if (!vk_prov_name_ours(run_of(p)->job->at->how, p->tag, name))
        return VK_OK;
    if (a->n_things == VK_PROV_FOUND)
        return VK_E_TOO_LARGE;
    if (a->n_things == a->cap_things) {
        size_t cap = a->cap_things ? a->cap_things * 2 : 16;
        vk_prov_thing *grown = realloc(a->things, cap * sizeof *grown);
        if (!grown)
            return VK_E_NOMEM;
        a->things = grown;
        a->cap_things = cap;
    }
    vk_prov_thing *t = &a->things[a->n_things];
    *t = (vk_prov_thing){text_of(name), text_of(id), text_of(created_at)};
    if (t->name && t->id && t->created_at) {
        a->n_things++;
        return VK_OK;
    }
    vk_prov_thing_free(t);
    return VK_E_NOMEM;
}

void vk_prov_thing_free(vk_prov_thing *t)
{
    free(t->name);
    free(t->id);
    free(t->created_at);
}

/* ---- what a vendor says of an error */

/* "errors.0.message" */
static vk_str member_of(const vk_json *body, const char *member)
{
    vk_str rest = vk_str_z(member), part;
    for (bool more = true; more && body;) {
        more = vk_str_cut(&rest, '.', &part);
        part = more ? part : rest;
        int64_t n;
        if (body->type == VK_JSON_ARRAY) {
            if (vk_str_to_i64(part, &n) != VK_OK || n < 0)
                return VK_STR_NONE;
            for (body = body->u.child; body && n > 0; n--)
                body = body->next;
        } else
            body = vk_json_get(body, part);
    }
    return vk_json_str(body);
}

/* Masked where it holds a value of the organisation's, or of the build's. Empty: nothing of it can be shown.
 */
static vk_str shown(const vk_prov *p, vk_str said)
{
    vk_secret all[2 * VK_VENDOR_FIELDS_MAX];
    size_t k = 0;
    vk_scrub *s;
    vk_str copy = vk_arena_dup(p->arena, said);
    char *text = (char *)(uintptr_t)copy.p;
    if (!text || !copy.n)
        return VK_STR_NONE;
    for (int own = 0; own < 2; own++) {
        const vk_org *g = own ? p->own : p->org;
        for (const vk_vendor_field *f = own ? p->vendor->own : p->vendor->fields; g && f && f->name; f++)
            if (f->secret && k < VK_SCRUB_SECRETS)
                all[k++] = vk_org_value(g, f->name);
    }
    if (vk_scrub_new(all, k, &s) != VK_OK)
        return VK_STR_NONE;
    vk_scrub_text(s, text, copy.n);
    vk_scrub_free(s);
    copy.n = copy.n < SAID ? copy.n : SAID;
    for (size_t i = 0; i < copy.n; i++)
        text[i] = text[i] >= ' ' && text[i] < 0x7f ? text[i] : '?';
    return copy;
}

const char *vk_prov_said(vk_prov *p, const char *what, int status, const vk_json *body, const char *member)
{
    vk_str said = shown(p, member && body ? member_of(body, member) : VK_STR_NONE);
    vk_str s =
        said.n ? vk_arena_printf(p->arena, "%s: %s answers with status %d: " VK_STR_FMT, what,
                                 p->vendor->title, status, VK_STR_ARG(said))
               : vk_arena_printf(p->arena, "%s: %s answers with status %d.", what, p->vendor->title, status);
    return s.p ? s.p : what;
}
