/* POST /validate: are these keys good, and whose are they? The values are looked up among the valet keys of
 * this installation, as nobody else can; then courier asks their vendors. They are in memory that is wiped,
 * and in nothing that is written. */
#include "admin/call.h"
#include "courier/rules.h"
#include "services/errand.h"

#include <stdatomic.h>

enum {
    AT_ONCE = 8, /* requests; each may keep a lane of courier busy for a service */
    ANSWER_MAX = 1024 * 1024,
    PATIENCE_MS = 300 * 1000, /* more than a ladder whose every call takes its 10 seconds */
};

static _Atomic int under_way;

struct validate_call {
    vk_errand errand; /* first */
    vk_call *call;
    vk_json *keys;
    vk_buf ask;
};

/* ---- what is asked */

/* A name that can be told: environment names are; what else was put there may be a key. */
static bool tellable(vk_str name)
{
    for (size_t i = 0; i < name.n; i++)
        if (!((name.p[i] >= 'A' && name.p[i] <= 'Z') || (name.p[i] >= '0' && name.p[i] <= '9') ||
              name.p[i] == '_'))
            return false;
    return name.n > 0 && name.n <= 48;
}

static vk_err check_values(vk_arena *a, const vk_json *rule, const vk_json *values, const char **why_r)
{
    if (values->type != VK_JSON_OBJECT)
        return vk_refuse(a, why_r, "\"" VK_STR_FMT "\" must be an object of names and values",
                         VK_STR_ARG(values->key));
    for (const vk_json *v = values->u.child; v; v = v->next) {
        const vk_json *field = vk_rules_field(rule, v->key);
        if (!field || !vk_str_eq(vk_json_str(vk_json_get(field, VK_STR("env"))), v->key))
            return vk_refuse(a, why_r, "\"" VK_STR_FMT "\" has no value of the name %.*s",
                             VK_STR_ARG(values->key), tellable(v->key) ? (int)v->key.n : 8,
                             tellable(v->key) ? v->key.p : "you gave");
        if (v->type != VK_JSON_STRING)
            return vk_refuse(a, why_r, "%.*s must be a string", VK_STR_ARG(v->key));
    }
    return VK_OK;
}

static vk_err parse(vk_arena *a, vk_str body, vk_json **out_r, const char **why_r)
{
    const vk_json *rules;
    const char *error;
    vk_json *keys;
    vk_err e = vk_json_parse(a, body, &keys, &error, NULL);
    if (e == VK_E_INVALID)
        return vk_refuse(a, why_r, "The body is no JSON: %s", error);
    if (e == VK_OK)
        e = vk_rules_read(a, &rules);
    if (e != VK_OK)
        return e;
    if (keys->type != VK_JSON_OBJECT || keys->count == 0)
        return vk_refuse(a, why_r,
                         "The body must be an object of services, each with its values: "
                         "{\"stripe\":{\"STRIPE_SECRET_KEY\":\"…\"}}");
    for (const vk_json *s = keys->u.child; s; s = s->next) {
        const vk_json *rule = vk_rules_service(rules, s->key);
        if (!rule || vk_json_get(keys, s->key) != s)
            return vk_refuse(a, why_r,
                             "The services that can be checked are clerk, database, storage and stripe, each "
                             "once");
        e = check_values(a, rule, s, why_r);
        if (e != VK_OK)
            return e;
    }
    *out_r = keys;
    return VK_OK;
}

/* ---- whose they are */

/* The names of the values that are valet keys of this installation, of any build and in any state. */
static vk_err find_ours(struct validate_call *x, vk_jw *w)
{
    vk_store *store = x->call->rt->store;
    vk_arena *a = x->call->ex->arena;
    vk_hmac_key *lookup = NULL;
    vk_err e = vk_valet_lookup_key(x->call->rt->master, &lookup);
    for (const vk_json *s = x->keys->u.child; e == VK_OK && s; s = s->next)
        for (const vk_json *v = s->u.child; e == VK_OK && v; v = v->next) {
            uint8_t hash[VK_SHA256];
            vk_valet_row row;
            vk_build build;
            vk_valet_hash(lookup, vk_secret_of(v->u.s), hash);
            e = store->ops->valet_find(store, a, hash, &row, &build);
            if (e == VK_OK)
                vk_jw_str(w, v->key);
            else if (e == VK_E_NOT_FOUND)
                e = VK_OK;
        }
    vk_hmac_key_free(lookup);
    return e;
}

/* ---- the way to courier and back */

static void end(struct validate_call *x)
{
    atomic_fetch_sub(&under_way, 1);
    vk_buf_free_secret(&x->ask);
}

static void answered(vk_errand *errand, vk_err e, const vk_response *r)
{
    struct validate_call *x = VK_CONTAINER(errand, struct validate_call, errand);
    vk_call *c = x->call;
    end(x);
    if (e == VK_E_TIMEOUT)
        vk_call_fail(c, e, "The vendors took too long to answer. Try again, with fewer services at once");
    else if (e != VK_OK)
        vk_call_fail(
            c, VK_E_UNAVAILABLE,
            "The process that speaks to other hosts (courier) does not answer; try again in a second");
    else if (r->status == 429)
        vk_call_fail(c, VK_E_BUSY, "Too many calls to other hosts are waiting; try again in a second");
    else if (r->status == 501)
        vk_call_fail(
            c, VK_E_UNSUPPORTED,
            "libcurl is not on the machine of the daemon (Debian: libcurl4), so no vendor can be asked");
    else if (r->status != 200)
        vk_call_fail(c, VK_E_UNAVAILABLE, "The keys could not be checked; try again in a second");
    else {
        vk_buf_str(&c->ex->out, r->body);
        vk_call_finish(c, 200);
    }
}

static void look_up(vk_call *c)
{
    struct validate_call *x = c->state;
    if (atomic_fetch_add(&under_way, 1) >= AT_ONCE) {
        atomic_fetch_sub(&under_way, 1);
        vk_call_fail(c, VK_E_BUSY, "%d checks of keys are under way; try again in a second", AT_ONCE);
        return;
    }
    vk_buf_init(&x->ask, VK_ERRAND_ASK_MAX);
    x->ask.secret = true;
    vk_jw w = vk_jw_on(&x->ask);
    vk_jw_obj(&w);
    vk_jw_key(&w, VK_STR("ours"));
    vk_jw_arr(&w);
    vk_err e = find_ours(x, &w);
    vk_jw_arr_end(&w);
    vk_jw_key(&w, VK_STR("keys"));
    vk_jw_value(&w, x->keys);
    vk_jw_obj_end(&w);
    if (e != VK_OK || x->ask.err) {
        end(x);
        if (e != VK_OK)
            vk_call_fail_store(c, e);
        else
            vk_call_fail(c, VK_E_NOMEM, "Out of memory; try again in a second");
        return;
    }
    x->errand = (vk_errand){.rt = c->rt,
                            .target = VK_STR("/v1/validate"),
                            .body = vk_buf_view(&x->ask),
                            .answer_max = ANSWER_MAX,
                            .timeout_ms = PATIENCE_MS,
                            .secret = true,
                            .done = answered};
    vk_errand_send(&x->errand);
}

void vk_admin_validate(vk_call *c)
{
    vk_exchange *ex = c->ex;
    const char *why = NULL;
    struct validate_call *x = VK_NEW(ex->arena, struct validate_call);
    vk_err e = x ? parse(ex->arena, vk_buf_view(&ex->body), &x->keys, &why) : VK_E_NOMEM;
    if (e != VK_OK) {
        (void)vk_admin_error(ex, e, "%s", why ? why : "Out of memory; try again in a second");
        return;
    }
    x->call = c;
    c->state = x;
    vk_call_on_lane(c, look_up);
}
