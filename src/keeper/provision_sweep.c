/* What lies at a vendor and is in no record, and records whose build is gone: a crash leaves neither, but a
 * vault or metadata that were restored from a backup may. */
#include "core/log.h"
#include "keeper/keeper.h"
#include "keeper/provision_in.h"

enum {
    DELETE_MAX = 100,
    LOST_MAX = 1000,
    TRIES = 5,
    VIEW_ARENA = VK_BINDINGS_MAX * (VK_RESOURCE_MAX + 64) + 65536
};

typedef struct sweep {
    vk_prov_asked *a;
    vk_prov_ask list, end;
    vk_task turn;
    size_t at;   /* records before it were compared */
    bool *known; /* by the index of a thing: it is in a record */
    char (*lost)[VK_BUILD_ID_MAX + 1];
    size_t n_lost;
    size_t next; /* thing whose turn it is to be deleted */
    bool *gone;  /* likewise */
} sweep;

static void finish(sweep *s)
{
    for (size_t i = 0; i < s->list.n_things; i++)
        vk_prov_thing_free(&s->list.things[i]);
    free(s->list.things);
    free(s->known);
    free(s->gone);
    free(s->lost);
    free(s);
}

static void refuse(sweep *s, vk_err e, const char *why)
{
    vk_prov_refuse(s->a->ex, e, why);
    finish(s);
}

static void answer(sweep *s)
{
    vk_prov_asked *a = s->a;
    vk_jw w = vk_jw_on(&a->ex->out);
    vk_jw_obj(&w);
    vk_jw_key(&w, VK_STR("orphans"));
    vk_jw_arr(&w);
    for (size_t i = 0; i < s->list.n_things; i++) {
        const vk_prov_thing *t = &s->list.things[i];
        if (s->known[i] || s->gone[i])
            continue;
        vk_jw_obj(&w);
        vk_jw_kstr(&w, "name", vk_str_z(t->name));
        vk_jw_kstr(&w, "id", vk_str_z(t->id));
        vk_jw_kstr(&w, "created_at", vk_str_z(t->created_at));
        vk_jw_obj_end(&w);
    }
    vk_jw_arr_end(&w);
    vk_jw_key(&w, VK_STR("lost"));
    vk_jw_arr(&w);
    for (size_t i = 0; i < s->n_lost; i++) {
        vk_made m;
        const vk_org *g = vk_org_find(a->provs->with.orgs, vk_str_z(a->vendor->name), vk_str_z(s->lost[i]));
        if (g && vk_prov_made_of(g, &m) == VK_OK)
            vk_prov_show(a->provs, &w, g, &m);
    }
    vk_jw_arr_end(&w);
    vk_jw_key(&w, VK_STR("deleted"));
    vk_jw_arr(&w);
    for (size_t i = 0; i < s->list.n_things; i++)
        if (s->gone[i])
            vk_jw_str(&w, vk_str_z(s->list.things[i].name));
    vk_jw_arr_end(&w);
    vk_jw_obj_end(&w);
    vk_respond(a->ex, 200, "application/json");
    finish(s);
}

/* ---- deleting */

static bool named(const vk_prov_asked *a, const char *name)
{
    const vk_json *list = vk_json_opt(a->body, VK_STR("delete"));
    for (const vk_json *x = list ? list->u.child : NULL; x; x = x->next)
        if (vk_str_eqz(vk_json_str(x), name))
            return true;
    return false;
}

/* In a record now: all of them are looked at once more, since they may have moved while they were compared.
 */
static bool recorded(const vk_prov_asked *a, const char *name)
{
    char text[VK_PROV_NAME_MAX + 16];
    const vk_orgs *orgs = a->provs->with.orgs;
    int n = snprintf(text, sizeof text, "\"name\":\"%s\"", name);
    for (size_t i = 0, all = vk_org_count(orgs); i < all; i++) {
        vk_org_facts f;
        const vk_org *g = vk_org_at(orgs, i);
        vk_org_facts_of(g, &f);
        if (!f.build[0] || f.vendor != a->vendor)
            continue;
        vk_str made = vk_secret_bytes(vk_org_value(g, "made"));
        if (f.state == VK_ORG_DAMAGED || f.state == VK_ORG_ROLLED_BACK ||
            (made.n && memmem(made.p, made.n, text, (size_t)n)))
            return true; /* one that cannot be read may be about it */
    }
    return false;
}

static void delete_next(sweep *s);

static void ended(vk_prov_ask *q, vk_err e, const char *why)
{
    sweep *s = q->arg;
    s->gone[s->next] = e == VK_OK;
    if (e != VK_OK)
        vk_log(VK_WARN, "what lies at a vendor could not be deleted", VK_F(vendor, s->a->vendor->name),
               VK_F(name, q->name), VK_F(why, why));
    s->next++;
    delete_next(s);
}

static void delete_next(sweep *s)
{
    vk_prov_asked *a = s->a;
    while (s->next < s->list.n_things) {
        const vk_prov_thing *t = &s->list.things[s->next];
        if (!s->known[s->next] && named(a, t->name) && !recorded(a, t->name)) {
            s->end = (vk_prov_ask){.list = VK_PROV_END,
                                   .name = t->name,
                                   .id = t->id,
                                   .tries_most = TRIES,
                                   .done = ended,
                                   .arg = s};
            if (vk_prov_ask_begin(a->provs, &s->end, a->vendor, VK_STR(""), a->actor) == VK_OK)
                return;
        }
        s->next++;
    }
    answer(s);
}

/* ---- comparing */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const vk_prov_thing *)a)->name, ((const vk_prov_thing *)b)->name);
}

/* It may stand twice, if the vendor's pages overlap. */
static void mark(sweep *s, const char *name)
{
    const vk_prov_thing key = {.name = (char *)(uintptr_t)name};
    const vk_prov_thing *all = s->list.things,
                        *t = s->list.n_things ? bsearch(&key, all, s->list.n_things, sizeof *all, by_name)
                                              : NULL;
    if (!t)
        return;
    for (; t > all && by_name(t - 1, &key) == 0;)
        t--;
    for (; t < all + s->list.n_things && by_name(t, &key) == 0; t++)
        s->known[t - all] = true;
}

static vk_err compare(sweep *s, const vk_org *g)
{
    vk_org_facts f;
    vk_made m;
    vk_view_build seen;
    vk_prov_asked *a = s->a;
    vk_org_facts_of(g, &f);
    if (!f.build[0] || f.vendor != a->vendor || vk_prov_made_of(g, &m) != VK_OK)
        return VK_OK;
    mark(s, m.name);
    if (m.state == VK_PROV_ENDING || s->n_lost == LOST_MAX)
        return VK_OK;
    vk_arena *arena = vk_arena_new(VIEW_ARENA);
    vk_err e = arena ? vk_view_build_of(a->provs->with.view, arena, vk_str_z(f.build),
                                        vk_str_z(f.vendor->service), &seen)
                     : VK_E_NOMEM;
    if (e == VK_E_NOT_FOUND || (e == VK_OK && seen.build.generation != m.generation))
        memcpy(s->lost[s->n_lost++], f.build, strlen(f.build) + 1);
    vk_arena_free(arena);
    return e == VK_E_NOT_FOUND ? VK_OK : e;
}

static void turn(vk_task *t)
{
    sweep *s = VK_CONTAINER(t, sweep, turn);
    const vk_orgs *orgs = s->a->provs->with.orgs;
    for (size_t i = 0; i < VK_PROV_LOOK && s->at < vk_org_count(orgs); i++, s->at++) {
        vk_err e = compare(s, vk_org_at(orgs, s->at));
        if (e != VK_OK) {
            refuse(s, VK_E_UNAVAILABLE, "The metadata cannot be read now.");
            return;
        }
    }
    if (s->at < vk_org_count(orgs)) {
        vk_loop_post(s->a->provs->with.loop, &s->turn);
        return;
    }
    for (size_t i = 1; i < s->list.n_things; i++)
        if (by_name(&s->list.things[i - 1], &s->list.things[i]) == 0)
            s->known[i] = true; /* once is enough */
    delete_next(s);
}

static void listed(vk_prov_ask *q, vk_err e, const char *why)
{
    sweep *s = q->arg;
    size_t n = q->n_things + 1;
    if (e != VK_OK) {
        refuse(s, e, why);
        return;
    }
    if (q->n_things)
        qsort(q->things, q->n_things, sizeof *q->things, by_name);
    s->known = calloc(n, sizeof *s->known);
    s->gone = calloc(n, sizeof *s->gone);
    s->lost = calloc(LOST_MAX, sizeof *s->lost);
    if (!s->known || !s->gone || !s->lost) {
        refuse(s, VK_E_NOMEM, "There is not enough memory.");
        return;
    }
    s->turn.run = turn;
    vk_loop_post(s->a->provs->with.loop, &s->turn);
}

void vk_prov_sweep(vk_prov_asked *a)
{
    const vk_json *list = vk_json_opt(a->body, VK_STR("delete"));
    bool bad = list && (list->type != VK_JSON_ARRAY || list->count > DELETE_MAX);
    for (const vk_json *x = list && !bad ? list->u.child : NULL; x; x = x->next)
        bad |= x->type != VK_JSON_STRING;
    const vk_vendor *v = vk_vendor_of(vk_json_str(vk_json_opt(a->body, VK_STR("vendor"))));
    const vk_prov_vendor *at = v ? vk_prov_vendor_of(a->provs, v) : NULL;
    if (bad) {
        vk_prov_refuse(a->ex, VK_E_INVALID, "\"delete\" is a list of at most 100 names.");
        return;
    }
    if (!at) {
        vk_prov_refuse(a->ex, VK_E_NOT_FOUND, "Nothing is made at a vendor of that name.");
        return;
    }
    if (!at->how->list) {
        vk_prov_refuse(a->ex, VK_E_UNSUPPORTED, "That vendor does not say what lies there.");
        return;
    }
    sweep *s = calloc(1, sizeof *s);
    if (!s) {
        vk_prov_refuse(a->ex, VK_E_NOMEM, "There is not enough memory.");
        return;
    }
    a->vendor = v;
    s->a = a;
    s->list = (vk_prov_ask){.list = VK_PROV_LIST, .tries_most = TRIES, .done = listed, .arg = s};
    vk_err e = vk_prov_ask_begin(a->provs, &s->list, v, VK_STR(""), a->actor);
    if (e != VK_OK)
        refuse(s, e, "There is not enough memory.");
}
