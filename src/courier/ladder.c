#include "courier/ladder.h"

#include "core/clock.h"
#include "core/encode.h"
#include "courier/key_facts.h"
#include "courier/ladder_ask.h"

typedef struct done {
    vk_str id, verdict, say;
    bool required, asked;
    bool settled; /* it ended unknown, and another check has passed for it */
} done;

typedef struct run {
    vk_arena *a;
    const vk_ladder *q;
    const vk_json *service, *common;
    vk_vars vars;
    vk_str hidden;
    int64_t began; /* clock_of */
    size_t n;
    done done[VK_LADDER_CHECKS_MAX];
    vk_buf checks; /* the report's, as JSON */
    vk_jw w;
    vk_err e; /* the first */
} run;

/* What came with a check of which somebody was asked. */
typedef struct asked {
    vk_str call, answer;
    int64_t ms;
    bool late; /* it was not made */
} asked;

static vk_str text_of(const vk_json *o, const char *name)
{
    return vk_json_str(vk_json_get(o, vk_str_z(name)));
}

static bool fail(run *r, vk_err e)
{
    if (r->e == VK_OK)
        r->e = e;
    return false;
}

static void set(run *r, const char *name, vk_str value, vk_var_kind kind)
{
    vk_err e = vk_vars_set(&r->vars, vk_str_z(name), value.p ? value : VK_STR(""), kind);
    if (e != VK_OK)
        fail(r, e);
}

static bool is_passed(vk_str verdict)
{
    return vk_str_eqz(verdict, "pass") || vk_str_eqz(verdict, "limited");
}

/* ---- the report */

/* `text` for people: no secret is in it, wherever it came from. {"",0}: no memory. */
static vk_str shown(run *r, vk_str text, bool fill)
{
    vk_buf b;
    vk_buf_init(&b, VK_FILL_MAX);
    b.secret = true;
    if (fill)
        vk_fill(&r->vars, text, VK_FILL_SHOWN, &b);
    else
        vk_buf_str(&b, text);
    vk_str out = b.err ? VK_STR_NONE : vk_scrubbed(r->a, &r->vars, vk_buf_view(&b), r->hidden);
    vk_buf_free_secret(&b);
    if (!out.p)
        fail(r, VK_E_NOMEM);
    return out.p ? out : VK_STR("");
}

static bool is_required(const vk_json *rule)
{
    const vk_json *required = vk_json_get(rule, VK_STR("required"));
    return !required || required->type != VK_JSON_BOOL || required->u.b;
}

/* `field` may be empty: the rule's own. */
static void add(run *r, const vk_json *rule, vk_str field, const vk_json *outcome, const asked *how,
                bool required)
{
    const vk_json *fix = vk_json_get(outcome, VK_STR("fix"));
    if (r->n == VK_LADDER_CHECKS_MAX || !outcome) {
        fail(r, VK_E_INTERNAL);
        return;
    }
    done *d = &r->done[r->n++];
    *d = (done){.id = text_of(rule, "id"),
                .verdict = text_of(outcome, "verdict"),
                .say = shown(r, text_of(outcome, "say"), true),
                .required = required,
                .asked = how && !how->late};
    if (!field.p)
        field = text_of(rule, "field");
    vk_jw_obj(&r->w);
    vk_jw_kstr(&r->w, "id", d->id);
    vk_jw_kstr(&r->w, "rung", text_of(rule, "rung"));
    vk_jw_kstr(&r->w, "verdict", d->verdict);
    vk_jw_kstr(&r->w, "say", d->say);
    if (fix)
        vk_jw_kstr(&r->w, "fix", shown(r, vk_json_str(fix), true));
    if (field.p)
        vk_jw_kstr(&r->w, "field", field);
    if (how) {
        vk_jw_kstr(&r->w, "call", shown(r, how->call, false));
        vk_jw_kstr(&r->w, "answer", shown(r, how->answer, false));
        vk_jw_ki64(&r->w, "ms", how->ms);
    }
    vk_jw_obj_end(&r->w);
}

static const vk_json *common(const run *r, const char *name)
{
    return vk_json_get(r->common, vk_str_z(name));
}

/* ---- what was typed */

/* In UTF-16 units, as the settings page counts. */
static size_t length(vk_str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        n += (c & 0xc0) != 0x80;
        n += c >= 0xf0;
    }
    return n;
}

static bool is_home(const vk_json *foreign, vk_str env)
{
    const vk_json *home = vk_json_get(foreign, VK_STR("home"));
    for (const vk_json *h = home && home->type == VK_JSON_ARRAY ? home->u.child : NULL; h; h = h->next)
        if (vk_str_eq(vk_json_str(h), env))
            return true;
    return false;
}

static const vk_json *wrong_shape(run *r, const vk_json *field, vk_str env, vk_str value)
{
    const vk_json *optional = vk_json_get(field, VK_STR("optional")),
                  *list = vk_json_get(r->q->rules, VK_STR("foreign"));
    if (value.n == 0)
        return optional && optional->type == VK_JSON_BOOL && optional->u.b ? NULL : common(r, "empty");
    if (length(value) > VK_KEY_VALUE_MAX)
        return common(r, "long");
    for (size_t i = 0; i < value.n; i++)
        if (value.p[i] < '!' || value.p[i] > '~')
            return common(r, "blank");
    for (const vk_json *f = list && list->type == VK_JSON_ARRAY ? list->u.child : NULL; f; f = f->next)
        if (!is_home(f, env) && vk_pattern_matches(text_of(f, "pattern"), value)) {
            set(r, "is", text_of(f, "is"), VK_VAR_PLAIN);
            return common(r, "foreign");
        }
    return vk_pattern_matches(text_of(field, "pattern"), value) ? NULL : common(r, "wrong");
}

/* The last six characters are the base62 CRC-32 of those before (valet/valet.h). */
static bool ends_in_its_sum(vk_str key)
{
    char crc[6];
    if (key.n < sizeof crc)
        return false;
    vk_base62_crc(crc, vk_crc32(key.p, key.n - sizeof crc));
    return memcmp(crc, key.p + key.n - sizeof crc, sizeof crc) == 0;
}

static bool is_valet(run *r, vk_str env, vk_str value)
{
    const vk_json *list = vk_json_get(r->q->rules, VK_STR("ours"));
    for (const vk_json *o = list && list->type == VK_JSON_ARRAY ? list->u.child : NULL; o; o = o->next) {
        const vk_json *only = vk_json_get(o, VK_STR("field")), *of = vk_json_get(o, VK_STR("of")),
                      *crc = vk_json_get(o, VK_STR("crc"));
        if (only && !vk_str_eq(vk_json_str(only), env))
            continue;
        vk_str text = of ? vk_filled(r->a, &r->vars, vk_json_str(of)) : value;
        if (!text.p)
            fail(r, VK_E_NOMEM);
        else if (vk_pattern_matches(text_of(o, "pattern"), text) && (!crc || ends_in_its_sum(text)))
            return true;
    }
    return false;
}

static const vk_json *not_theirs(run *r, const vk_json *field, vk_str env, vk_str value)
{
    const vk_json *ours = r->q->ours;
    VK_UNUSED(field);
    if (value.n == 0)
        return NULL;
    bool found = is_valet(r, env, value);
    for (const vk_json *o = ours && ours->type == VK_JSON_ARRAY ? ours->u.child : NULL; o; o = o->next)
        found |= vk_str_eq(vk_json_str(o), env);
    return found ? vk_json_get(common(r, "ours"), VK_STR("valet")) : NULL;
}

static void each_field(run *r, const vk_json *rule,
                       const vk_json *(*wrong)(run *r, const vk_json *field, vk_str env, vk_str value),
                       const vk_json *right)
{
    bool good = true;
    for (const vk_json *f = vk_rules_fields(r->service); f; f = f->next) {
        const vk_json *when = vk_json_get(f, VK_STR("when"));
        vk_str env = text_of(f, "env");
        if (when && !vk_when(r->a, &r->vars, when))
            continue;
        set(r, "label", text_of(f, "label"), VK_VAR_PLAIN);
        set(r, "error", text_of(f, "error"), VK_VAR_PLAIN);
        const vk_json *outcome = wrong(r, f, env, vk_vars_get(&r->vars, env));
        if (outcome)
            add(r, rule, env, outcome, NULL, is_required(rule));
        good &= !outcome;
    }
    if (good)
        add(r, rule, VK_STR_NONE, right, NULL, is_required(rule));
}

/* ---- what is asked */

static const vk_json *answer_of(run *r, const vk_json *rule, const vk_heard *heard)
{
    const vk_json *list = vk_json_get(rule, VK_STR("answers"));
    for (const vk_json *x = list && list->type == VK_JSON_ARRAY ? list->u.child : NULL; x; x = x->next)
        if (vk_answer_fits(r->a, &r->vars, x, heard))
            return x;
    return NULL;
}

/* For what no check has an answer of its own. */
static const vk_json *usual(const run *r, const vk_heard *heard)
{
    if (!heard->status)
        return vk_json_get(common(r, "none"), vk_str_z(heard->why));
    if (heard->status / 100 == 3)
        return common(r, "redirect");
    if (heard->status == 429)
        return common(r, "busy");
    return common(r, heard->status / 100 == 5 ? "down" : "unexpected");
}

static void settle(run *r, vk_str id)
{
    for (size_t i = 0; i < r->n; i++)
        if (vk_str_eq(r->done[i].id, id))
            r->done[i].settled = true;
}

static void put_answer(run *r, const vk_heard *heard, asked *how)
{
    if (!heard->status)
        how->answer = vk_filled(r->a, &r->vars, text_of(r->common, "no_answer"));
    else
        how->answer = vk_arena_printf(r->a, "%d%s" VK_STR_FMT, heard->status, heard->code.n ? " " : "",
                                      VK_STR_ARG(heard->code));
}

static int64_t clock_of(const run *r)
{
    return r->q->clock_ms ? r->q->clock_ms(r->q->arg) : vk_clock_mono_ms();
}

static void ask(run *r, const vk_json *rule, const vk_json *call)
{
    int64_t began = clock_of(r);
    bool late = began - r->began >= VK_LADDER_MS && !vk_json_get(rule, VK_STR("after"));
    const vk_ask_setup setup = {.a = r->a,
                                .vars = &r->vars,
                                .rule = rule,
                                .call = call,
                                .q = r->q,
                                .codes = vk_json_get(r->service, VK_STR("code")),
                                .late = late};
    vk_heard heard = {0};
    asked how = {.late = late};
    vk_buf body, head; /* what came back; views into it are used until the check is written */
    vk_buf_init(&body, VK_OUTBOUND_BODY_MAX);
    vk_buf_init(&head, VK_OUTBOUND_HEAD_MAX);
    body.secret = head.secret = true;
    vk_err e = vk_ladder_ask(&setup, &body, &head, &heard, &how.call);
    how.ms = clock_of(r) - began;
    if (e != VK_OK) {
        fail(r, e);
    } else {
        vk_str status = heard.status ? vk_arena_printf(r->a, "%d", heard.status) : VK_STR("");
        set(r, "status", status, VK_VAR_PLAIN);
        set(r, "code", heard.code, VK_VAR_PLAIN);
        set(r, "kind", vk_str_z(heard.why ? heard.why : ""), VK_VAR_PLAIN);
        e = vk_ladder_read(&setup, &heard);
        if (e != VK_OK)
            fail(r, e);
        bool ours = heard.status && vk_heard_header(&heard, VK_STR("valetkey-served-by")).p;
        const vk_json *outcome =
            ours ? vk_json_get(common(r, "ours"), VK_STR("served")) : answer_of(r, rule, &heard);
        if (!outcome)
            outcome = usual(r, &heard);
        put_answer(r, &heard, &how);
        add(r, rule, VK_STR_NONE, outcome, &how, ours || is_required(rule));
        const vk_json *instead = vk_json_get(rule, VK_STR("instead"));
        if (instead && is_passed(text_of(outcome, "verdict")))
            settle(r, vk_json_str(instead));
    }
    vk_buf_free_secret(&body);
    vk_buf_free_secret(&head);
}

/* ---- the steps */

static bool any_unknown(const run *r, vk_str id)
{
    for (size_t i = 0; i < r->n; i++)
        if (vk_str_eq(r->done[i].id, id) && vk_str_eqz(r->done[i].verdict, "unknown"))
            return true;
    return false;
}

static bool all_passed(const run *r, vk_str id)
{
    for (size_t i = 0; i < r->n; i++)
        if (vk_str_eq(r->done[i].id, id) && !r->done[i].settled && !is_passed(r->done[i].verdict))
            return false;
    return true;
}

/* It was asked, and did not fail: something may be there that is to be removed. */
static bool may_have_done(const run *r, vk_str id)
{
    bool was_asked = false;
    for (size_t i = 0; i < r->n; i++) {
        if (!vk_str_eq(r->done[i].id, id))
            continue;
        if (vk_str_eqz(r->done[i].verdict, "fail"))
            return false;
        was_asked |= r->done[i].asked;
    }
    return was_asked;
}

static bool may_run(const run *r, const vk_json *rule)
{
    const vk_json *needs = vk_json_get(rule, VK_STR("needs")), *after = vk_json_get(rule, VK_STR("after"));
    for (const vk_json *n = needs && needs->type == VK_JSON_ARRAY ? needs->u.child : NULL; n; n = n->next)
        if (!all_passed(r, vk_json_str(n)))
            return false;
    if (!after)
        return true;
    for (const vk_json *x = after->type == VK_JSON_ARRAY ? after->u.child : NULL; x; x = x->next)
        if (may_have_done(r, vk_json_str(x)))
            return true;
    return false;
}

static void step(run *r, const vk_json *rule)
{
    const vk_json *when = vk_json_get(rule, VK_STR("when")), *call = vk_json_get(rule, VK_STR("call")),
                  *instead = vk_json_get(rule, VK_STR("instead")), *test = vk_json_get(rule, VK_STR("test"));
    vk_str code = text_of(rule, "code");
    if ((when && !vk_when(r->a, &r->vars, when)) || (instead && !any_unknown(r, vk_json_str(instead))))
        return;
    if (!may_run(r, rule)) {
        add(r, rule, VK_STR_NONE, common(r, "skipped"), NULL, is_required(rule));
    } else if (vk_str_eqz(code, "fields")) {
        each_field(r, rule, wrong_shape, common(r, "shape"));
    } else if (vk_str_eqz(code, "ours")) {
        each_field(r, rule, not_theirs, vk_json_get(common(r, "ours"), VK_STR("pass")));
    } else if (call && vk_str_eqz(text_of(call, "method"), "SQL") && !r->q->sql) {
        add(r, rule, VK_STR_NONE, common(r, "elsewhere"), NULL, is_required(rule));
    } else if (call) {
        ask(r, rule, call);
    } else {
        const vk_heard heard = {.tested = true, .ok = !test || vk_when(r->a, &r->vars, test)};
        const vk_json *outcome = answer_of(r, rule, &heard);
        add(r, rule, VK_STR_NONE, outcome ? outcome : common(r, "unexpected"), NULL, is_required(rule));
    }
}

/* ---- all of it */

static void set_up(run *r)
{
    const vk_ladder *q = r->q;
    for (const vk_json *f = vk_rules_fields(r->service); f; f = f->next) {
        const vk_json *secret = vk_json_get(f, VK_STR("secret"));
        vk_str env = text_of(f, "env"), value = vk_json_str(vk_json_get(q->values, env));
        vk_err e = vk_vars_set(&r->vars, env, value.p ? value : VK_STR(""),
                               secret && secret->type == VK_JSON_BOOL && !secret->u.b ? VK_VAR_PLAIN
                                                                                      : VK_VAR_SECRET);
        if (e != VK_OK)
            fail(r, e);
    }
    set(r, "vendor", text_of(r->service, "vendor"), VK_VAR_PLAIN);
    vk_err e = vk_key_facts(r->a, q->service, q->now_ms, vk_str_z(q->probe), &r->vars);
    if (e != VK_OK)
        fail(r, e);
}

static void report(run *r, vk_buf *out)
{
    const done *first = NULL, *failed = NULL;
    for (size_t i = 0; i < r->n; i++) {
        const done *d = &r->done[i];
        if (!d->required || d->settled || is_passed(d->verdict))
            continue;
        if (!first)
            first = d;
        if (!failed && vk_str_eqz(d->verdict, "fail"))
            failed = d;
    }
    vk_str mode = vk_filled(r->a, &r->vars, text_of(r->service, "mode"));
    bool has_mode = vk_str_eqz(mode, "test") || vk_str_eqz(mode, "live");
    vk_jw w = vk_jw_on(out);
    vk_jw_obj(&w);
    vk_jw_kstr(&w, "service", r->q->service);
    vk_jw_kbool(&w, "valid", !first);
    vk_jw_kbool(&w, "unverified", first && !failed);
    vk_jw_kstr_or_null(&w, "error", failed ? failed->say : first ? first->say : VK_STR_NONE);
    vk_jw_kstr_or_null(&w, "mode", has_mode ? mode : VK_STR_NONE);
    vk_jw_key(&w, VK_STR("checks"));
    vk_jw_raw(&w, vk_buf_view(&r->checks));
    vk_jw_obj_end(&w);
}

vk_err vk_ladder_run(vk_arena *a, const vk_ladder *q, vk_buf *out)
{
    run *r = VK_NEW(a, run);
    if (!r)
        return VK_E_NOMEM;
    r->a = a;
    r->q = q;
    r->began = clock_of(r);
    r->service = vk_rules_service(q->rules, q->service);
    r->common = vk_json_get(q->rules, VK_STR("common"));
    r->hidden = text_of(r->common, "hidden");
    const vk_json *ladder = vk_json_get(r->service, VK_STR("ladder"));
    if (!ladder || ladder->type != VK_JSON_ARRAY || !r->hidden.n)
        return VK_E_INTERNAL;
    vk_buf_init(&r->checks, VK_LADDER_REPORT_MAX);
    r->w = vk_jw_on(&r->checks);
    set_up(r);
    vk_jw_arr(&r->w);
    for (const vk_json *rule = ladder->u.child; rule && r->e == VK_OK; rule = rule->next)
        step(r, rule);
    vk_jw_arr_end(&r->w);
    if (r->e == VK_OK)
        r->e = r->checks.err;
    if (r->e == VK_OK)
        report(r, out);
    vk_buf_free_secret(&r->checks);
    return r->e != VK_OK ? r->e : out->err;
}
