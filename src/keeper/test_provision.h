/* For tests of vendors' drivers: a driver's steps fed by hand, with what the engine gives them (it stands in
 * for keeper/provision_step.c). Values are kept in a vault, so that the fields' own checks count. */
#ifndef VK_TEST_PROVISION_H
#define VK_TEST_PROVISION_H

#include "keeper/provision.h"
#include "keeper/test_orgs.h"

enum { NOW_MS_1 = 1764400000, RIG_NOTES = 16 };

typedef struct rig {
    vk_prov p; /* first */
    place *at;
    const vk_provisioner *how;
    struct {
        char name[32], value[VK_PROV_VALUE_MAX + 1];
    } notes[RIG_NOTES];
    size_t n_notes;
    vk_buf carry;
    char used[400], lies[2000]; /* "storage_bytes=8192 ", "name/id/created " */
    const char *why;
    char method[8], path[600], body[1000];
    bool again;
} rig;

static inline rig *rig_of(const vk_prov *p)
{
    return (rig *)(uintptr_t)p;
}

vk_err vk_prov_set(vk_prov *p, const char *field, vk_secret value)
{
    rig *g = rig_of(p);
    char text[VK_VENDOR_VALUE_MAX + 1];
    vk_str bytes = vk_secret_bytes(value);
    const vk_vendor_field *f = vk_vendor_field_of(p->vendor->own, vk_str_z(field));
    const char *why;
    assert_non_null(f);
    assert_false(f->kept);
    assert_true(bytes.n < sizeof text);
    if (!f->ok(bytes, &why))
        return VK_E_INVALID;
    memcpy(text, bytes.p, bytes.n);
    text[bytes.n] = '\0';
    put_ok(g->at, p->vendor->name, p->build, (pair[]){{field, text}, {NULL, NULL}});
    p->own = find(g->at, p->vendor->name, p->build);
    return VK_OK;
}

vk_err vk_prov_note(vk_prov *p, const char *name, vk_str value)
{
    rig *g = rig_of(p);
    size_t i = 0;
    assert_true(value.n && value.n <= VK_PROV_VALUE_MAX && strlen(name) < sizeof g->notes[0].name);
    while (i < g->n_notes && strcmp(g->notes[i].name, name) != 0)
        i++;
    assert_true(i < RIG_NOTES);
    if (i == g->n_notes)
        g->n_notes++;
    snprintf(g->notes[i].name, sizeof g->notes[i].name, "%s", name);
    snprintf(g->notes[i].value, sizeof g->notes[i].value, VK_STR_FMT, VK_STR_ARG(value));
    return VK_OK;
}

vk_str vk_prov_noted(const vk_prov *p, const char *name)
{
    const rig *g = rig_of(p);
    for (size_t i = 0; i < g->n_notes; i++)
        if (strcmp(g->notes[i].name, name) == 0)
            return vk_str_z(g->notes[i].value);
    return VK_STR_NONE;
}

void vk_prov_use(vk_prov *p, const char *name, int64_t n)
{
    rig *g = rig_of(p);
    size_t at = strlen(g->used);
    snprintf(g->used + at, sizeof g->used - at, "%s=%lld ", name, (long long)n);
}

vk_err vk_prov_found(vk_prov *p, vk_str name, vk_str id, vk_str created_at)
{
    rig *g = rig_of(p);
    size_t at = strlen(g->lies);
    snprintf(g->lies + at, sizeof g->lies - at, VK_STR_FMT "/" VK_STR_FMT "/" VK_STR_FMT " ",
             VK_STR_ARG(name), VK_STR_ARG(id), VK_STR_ARG(created_at));
    return VK_OK;
}

const char *vk_prov_said(vk_prov *p, const char *what, int status, const vk_json *body, const char *member)
{
    vk_str said = vk_json_str(vk_json_get(body, vk_str_z(member)));
    return vk_arena_printf(p->arena, "%s: %d " VK_STR_FMT, what, status, VK_STR_ARG(said)).p;
}

bool vk_prov_made_ok(vk_str value, const char **why_r)
{
    VK_UNUSED(value);
    VK_UNUSED(why_r);
    return true;
}

static inline rig *rig_new(place *at, const char *vendor, const char *name)
{
    rig *g = calloc(1, sizeof *g);
    assert_non_null(g);
    g->at = at;
    vk_buf_init(&g->carry, VK_PROV_BODY_MAX);
    g->p = (vk_prov){.vendor = vk_vendor_of(vk_str_z(vendor)),
                     .org = find(at, vendor, ""),
                     .build = "shop",
                     .tag = "abc",
                     .now_ms = NOW_MS_1 * (int64_t)1000,
                     .carry = &g->carry};
    snprintf(g->p.name, sizeof g->p.name, "%s", name);
    assert_non_null(g->p.vendor);
    assert_non_null(g->p.org);
    g->how = g->p.vendor->provisioner;
    assert_non_null(g->how);
    return g;
}

static inline void rig_free(rig *g)
{
    vk_arena_free(g->p.arena);
    vk_buf_free(&g->carry);
    free(g);
}

/* Asks what step `i` of a list asks, with `want` as "POST /path"; and gives it that answer. An answer that is
 * NULL is none; one that does not read is none either. Where the step stays at it, `carry` stays. */
static inline vk_err fed(rig *g, const vk_prov_step *s, const char *want, int status, const char *answer)
{
    vk_prov_request r = {.method = NULL};
    vk_json *body = NULL;
    char asked[700];
    vk_arena_free(g->p.arena);
    g->p.arena = vk_arena_new(16 * 1024 * 1024);
    assert_non_null(g->p.arena);
    g->p.soon = false;
    g->why = "";
    assert_true(!s->needed || s->needed(&g->p));
    vk_err e = s->ask(&g->p, &r, &g->why);
    if (e != VK_OK)
        return e;
    snprintf(asked, sizeof asked, "%s " VK_STR_FMT, r.method, VK_STR_ARG(r.path));
    assert_string_equal(asked, want);
    assert_true(r.body.n < sizeof g->body);
    snprintf(g->body, sizeof g->body, VK_STR_FMT, VK_STR_ARG(r.body));
    assert_int_equal(r.content_type.n != 0, r.body.n != 0);
    g->again = r.again;
    if (answer && vk_json_parse(g->p.arena, vk_str_z(answer), &body, NULL, NULL) != VK_OK)
        body = NULL;
    g->p.raw = answer ? vk_str_z(answer) : VK_STR_NONE;
    e = s->took(&g->p, status, body, &g->why);
    if (e != VK_AGAIN)
        vk_buf_clear(&g->carry);
    if (e != VK_OK && e != VK_AGAIN)
        assert_true(g->why && strlen(g->why) > 10);
    return e;
}

static inline bool needed(const rig *g, const vk_prov_step *s)
{
    return !s->needed || s->needed(&g->p);
}

static inline void note_is(const rig *g, const char *name, const char *want)
{
    vk_str v = vk_prov_noted(&g->p, name);
    if (!want)
        assert_int_equal(v.n, 0);
    else
        assert_true(vk_str_eqz(v, want));
}

#endif
