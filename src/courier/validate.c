/* POST /v1/validate: a lane for each service, so that a vendor who is slow holds up no other's report. */
#include "courier/inside.h"

#include "core/clock.h"
#include "core/encode.h"
#include "core/json_write.h"
#include "core/random.h"
#include "courier/key_facts.h"
#include "courier/ladder.h"
#include "http/json_error.h"

#include <stdatomic.h>

enum { PARTS_MAX = 8 };

struct validation;

/* One service. Its arena is its own: lanes run at the same time. */
typedef struct part {
    vk_courier_job job; /* first */
    struct validation *all;
    const vk_json *keys; /* its member of what was asked */
    vk_arena *arena;
    vk_buf report;
    vk_err e;
} part;

/* In the exchange's arena. */
typedef struct validation {
    vk_exchange *ex;
    const vk_json *ours;
    _Atomic uint32_t left; /* parts that are not done, and one while they are given away */
    size_t n;
    part parts[PARTS_MAX];
} validation;

static vk_err send_one(void *arg, const vk_outbound_ask *ask, vk_outbound_answer *answer)
{
    vk_courier *c = arg;
    return vk_outbound_call(&c->outbound, ask, answer);
}

static vk_err log_in(void *arg, const vk_outbound_ask *ask, vk_outbound_answer *answer)
{
    vk_courier *c = arg;
    return vk_postgres_ask(&c->outbound, &c->pq, ask, answer);
}

static void work(vk_courier_job *j)
{
    part *p = VK_CONTAINER(j, part, job);
    uint8_t random[VK_PROBE_HEX / 2];
    char probe[VK_PROBE_HEX + 1];
    bool database = vk_str_eqz(p->keys->key, "database"); /* libpq is for nobody else */
    vk_random(random, sizeof random);
    vk_hex(probe, random, sizeof random);
    vk_ladder q = {.service = p->keys->key,
                   .values = p->keys,
                   .ours = p->all->ours,
                   .now_ms = vk_clock_wall_ms(),
                   .probe = probe,
                   .send = send_one,
                   .sql = database && vk_courier_has_pq(j->courier) ? log_in : NULL,
                   .arg = j->courier};
    if (!vk_courier_has_curl(j->courier))
        p->e = VK_E_UNSUPPORTED;
    else
        p->e = vk_rules_read(p->arena, &q.rules);
    if (p->e == VK_OK)
        p->e = vk_ladder_run(p->arena, &q, &p->report);
}

/* ---- the answer */

static void free_part(part *p)
{
    vk_buf_free_secret(&p->report);
    if (p->arena)
        vk_arena_wipe(p->arena);
    vk_arena_free(p->arena);
}

static const char *sentence(vk_err e)
{
    switch (e) {
    case VK_E_BUSY:
        return "Too many calls to other hosts are waiting; try again";
    case VK_E_UNSUPPORTED:
        return "libcurl is not on this machine (Debian: libcurl4), so no host can be asked";
    case VK_E_NOMEM:
    case VK_E_TOO_LARGE:
        return "There is not enough memory to check these keys";
    default:
        return "The table of key checks is damaged";
    }
}

static void answer(vk_exchange *ex)
{
    validation *v = ex->ctx;
    vk_err e = VK_OK;
    vk_jw w = vk_jw_on(&ex->out);
    vk_jw_obj(&w);
    for (size_t i = 0; i < v->n; i++) {
        vk_jw_key(&w, v->parts[i].keys->key);
        vk_jw_raw(&w, vk_buf_view(&v->parts[i].report));
        if (e == VK_OK)
            e = v->parts[i].e;
        free_part(&v->parts[i]);
    }
    vk_jw_obj_end(&w);
    if (e == VK_OK) {
        vk_respond(ex, 200, "application/json");
        return;
    }
    vk_buf_clear(&ex->out);
    vk_respond_json_error(ex, e, sentence(e));
}

static void one_done(validation *v)
{
    vk_exchange *ex = v->ex;
    if (atomic_fetch_sub(&v->left, 1) == 1)
        vk_exchange_post(ex, answer);
}

static void part_done(vk_courier_job *j)
{
    one_done(VK_CONTAINER(j, part, job)->all);
}

/* ---- the question */

static bool add_part(validation *v, const vk_json *keys)
{
    if (v->n == PARTS_MAX || keys->type != VK_JSON_OBJECT)
        return false;
    for (const vk_json *k = keys->u.child; k; k = k->next)
        if (k->type != VK_JSON_STRING)
            return false;
    part *p = &v->parts[v->n];
    *p = (part){.job = {.work = work, .done = part_done}, .all = v, .keys = keys};
    vk_buf_init(&p->report, VK_LADDER_REPORT_MAX + 4096);
    v->n++;
    return true;
}

static bool parse(validation *v, vk_str body)
{
    vk_json *o;
    const vk_json *rules;
    if (vk_json_parse(v->ex->arena, body, &o, NULL, NULL) != VK_OK ||
        vk_rules_read(v->ex->arena, &rules) != VK_OK)
        return false;
    const vk_json *keys = vk_json_get(o, VK_STR("keys"));
    if (!keys || keys->type != VK_JSON_OBJECT || !keys->count)
        return false;
    for (const vk_json *s = vk_rules_services(rules); s; s = s->next) { /* in the order of the rules */
        const vk_json *k = vk_json_get(keys, s->key);
        if (k && !add_part(v, k))
            return false;
    }
    v->ours = vk_json_opt(o, VK_STR("ours"));
    return v->n == keys->count && (!v->ours || v->ours->type == VK_JSON_ARRAY);
}

void vk_courier_validate(vk_exchange *ex)
{
    vk_courier *c = (vk_courier *)(uintptr_t)ex->server->ctx;
    validation *v = VK_NEW(ex->arena, validation);
    if (!v) {
        vk_respond_json_error(ex, VK_E_NOMEM, "Out of memory");
        return;
    }
    v->ex = ex;
    ex->ctx = v;
    if (!parse(v, vk_buf_view(&ex->body))) {
        vk_respond_json_error(ex, VK_E_INVALID, "This is no request for a check of keys");
        return;
    }
    atomic_store(&v->left, (uint32_t)v->n + 1);
    for (size_t i = 0; i < v->n; i++) {
        part *p = &v->parts[i];
        p->arena = vk_arena_new(VK_LADDER_ARENA);
        if (p->arena && vk_courier_give(c, &p->job))
            continue; /* and from here on it is the lane's */
        p->e = p->arena ? VK_E_BUSY : VK_E_NOMEM;
        one_done(v);
    }
    one_done(v);
}
