/* For tests of vendors' drivers: a driver's steps fed by hand, with what the engine's own functions for steps
 * keep of it. Values go into a vault, so that the fields' own checks count. */
#ifndef VK_TEST_PROVISION_H
#define VK_TEST_PROVISION_H

#include "keeper/provision_in.h"
#include "keeper/test_orgs.h"

enum { NOW_S = 1764400000 };

typedef struct rig {
    vk_prov_run run; /* first */
    vk_prov_job job;
    vk_prov_vendor vendor;
    vk_prov_ask ask; /* while the list is one that is only asked */
    place *at;
    const vk_provisioner *how;
    vk_buf carry;
    const char *why;
    char body[1000];
    bool again, soon;
} rig;

static inline rig *rig_new(place *at, const char *vendor, const char *name)
{
    rig *g = calloc(1, sizeof *g);
    assert_non_null(g);
    g->at = at;
    vk_buf_init(&g->carry, VK_PROV_BODY_MAX);
    g->run.p = (vk_prov){.vendor = vk_vendor_of(vk_str_z(vendor)),
                         .org = find(at, vendor, ""),
                         .build = "shop",
                         .tag = "abc",
                         .now_ms = NOW_S * (int64_t)1000,
                         .carry = &g->carry};
    snprintf(g->run.p.name, sizeof g->run.p.name, "%s", name);
    assert_non_null(g->run.p.vendor);
    assert_non_null(g->run.p.org);
    g->how = g->run.p.vendor->provisioner;
    assert_non_null(g->how);
    g->vendor.vendor = g->run.p.vendor;
    g->vendor.how = g->how;
    g->job.at = &g->vendor;
    g->run.job = &g->job;
    return g;
}

static inline void rig_free(rig *g)
{
    vk_arena_free(g->run.p.arena);
    vk_buf_free(&g->carry);
    for (size_t i = 0; i < g->ask.n_things; i++)
        vk_prov_thing_free(&g->ask.things[i]);
    free(g->ask.things);
    free(g);
}

/* As the engine, once a step has ended; what was refused keeps its notes only. */
static inline void rig_keep(rig *g, bool sets)
{
    vk_prov_run *r = &g->run;
    for (size_t i = 0; i < r->n_notes; i++)
        assert_int_equal(vk_made_note_set(&r->made, r->notes[i].name, r->notes[i].value), VK_OK);
    for (size_t i = 0; sets && i < r->n_sets; i++) {
        char text[VK_VENDOR_VALUE_MAX + 1];
        snprintf(text, sizeof text, VK_STR_FMT, VK_STR_ARG(vk_secret_bytes(r->sets[i].value)));
        put_ok(g->at, r->p.vendor->name, r->p.build, (pair[]){{r->sets[i].name, text}, {NULL, NULL}});
    }
    r->n_sets = r->n_notes = 0;
    r->p.own = find(g->at, r->p.vendor->name, r->p.build);
}

/* Asks what step `i` of a list asks, with `want` as "POST /path"; and gives it that answer. An answer that is
 * NULL is none; one that does not read is none either. Where the step stays at it, `carry` stays. */
static inline vk_err fed(rig *g, const vk_prov_step *s, const char *want, int status, const char *answer)
{
    vk_prov *p = &g->run.p;
    vk_prov_request r = {.method = NULL};
    vk_json *body = NULL;
    char asked[700];
    vk_arena_free(p->arena);
    p->arena = vk_arena_new(VK_PROV_ARENA);
    assert_non_null(p->arena);
    p->soon = false;
    g->why = "";
    assert_true(!s->needed || s->needed(p));
    bool only = s == g->how->usage || s == g->how->list;
    g->ask.list = s == g->how->usage ? VK_PROV_USAGE : VK_PROV_LIST;
    g->job.ask = only ? &g->ask : NULL;
    vk_err e = s->ask(p, &r, &g->why);
    if (e != VK_OK)
        return e;
    snprintf(asked, sizeof asked, "%s " VK_STR_FMT, r.method, VK_STR_ARG(r.path));
    assert_string_equal(asked, want);
    assert_true(r.body.n < sizeof g->body);
    snprintf(g->body, sizeof g->body, VK_STR_FMT, VK_STR_ARG(r.body));
    assert_int_equal(r.content_type.n != 0, r.body.n != 0);
    g->again = r.again;
    if (answer && vk_json_parse(p->arena, vk_str_z(answer), &body, NULL, NULL) != VK_OK)
        body = NULL;
    p->raw = answer ? vk_str_z(answer) : VK_STR_NONE;
    e = s->took(p, status, body, &g->why);
    g->soon = p->soon;
    if (e != VK_AGAIN)
        vk_buf_clear(&g->carry);
    if (e != VK_OK && e != VK_AGAIN)
        assert_true(g->why && strlen(g->why) > 10);
    rig_keep(g, e == VK_OK || e == VK_AGAIN);
    return e;
}

static inline bool needed(const rig *g, const vk_prov_step *s)
{
    return !s->needed || s->needed(&g->run.p);
}

static inline void note_is(const rig *g, const char *name, const char *want)
{
    vk_str v = vk_prov_noted(&g->run.p, name);
    if (!want)
        assert_int_equal(v.n, 0);
    else
        assert_true(vk_str_eqz(v, want));
}

/* What `usage` said, as "storage_bytes=8192 "; forgotten then. */
static inline void used_is(rig *g, const char *want)
{
    char text[400] = "";
    for (size_t i = 0, n = 0; i < g->ask.n_uses; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s=%lld ", g->ask.uses[i].name,
                              (long long)g->ask.uses[i].n);
    assert_string_equal(text, want);
    g->ask.n_uses = 0;
}

/* What `list` found, as "name/id/time ". */
static inline void found_is(const rig *g, const char *want)
{
    char text[1000] = "";
    for (size_t i = 0, n = 0; i < g->ask.n_things; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s/%s/%s ", g->ask.things[i].name,
                              g->ask.things[i].id, g->ask.things[i].created_at);
    assert_string_equal(text, want);
}

#endif
