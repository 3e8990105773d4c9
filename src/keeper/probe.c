#include "keeper/probe_in.h"

#include "core/clock.h"
#include "keeper/errand.h"

enum { CHECK_MAX = 399, ARENA_MAX = 1 << 20 };

struct vk_probes {
    vk_audit *audit;
    vk_probe_place place;
    vk_order_pools *pools;
};

typedef struct question {
    vk_upcall call;
    struct asking *of;
    const vk_vendor_probe *probe;
    vk_errand errand;
    int status; /* 0: no answer */
    char why[VK_UPSTREAM_WHY];
} question;

/* All questions of one check; its own memory. */
typedef struct asking {
    vk_probes *probes;
    vk_keeper_probe *p;
    const vk_vendor *vendor;
    vk_arena *arena;
    vk_audit_entry audit;
    size_t n, left;
    question all[VK_PROBES_MAX];
} asking;

static void finish(asking *a, vk_err e, const char *check, const char *why)
{
    vk_keeper_probe *p = a->p;
    char text[CHECK_MAX + 1], said[VK_UPSTREAM_WHY + 64];
    snprintf(text, sizeof text, "%s", check);
    snprintf(said, sizeof said, "%s", why);
    for (size_t i = 0; i < a->n; i++)
        vk_errand_free(&a->all[i].errand);
    vk_arena_wipe(a->arena);
    vk_arena_free(a->arena);
    free(a);
    p->done(p, e, text, said);
}

/* ---- what came of it */

static bool good(const question *q)
{
    return q->status >= 200 && q->status < 300;
}

/* One list, as far as there is room. */
static void put_list(vk_jw *w, const asking *a, const char *name, bool wide)
{
    vk_jw_key(w, vk_str_z(name));
    vk_jw_arr(w);
    for (size_t i = 0; i < a->n; i++) {
        const question *q = &a->all[i];
        if (q->probe->wide == wide && good(q) == wide &&
            w->out->n + strlen(q->probe->what) + sizeof ",\"wide\":[\"\"]}" < CHECK_MAX)
            vk_jw_str(w, vk_str_z(q->probe->what));
    }
    vk_jw_arr_end(w);
}

static void judge(asking *a)
{
    bool ok = true, any = false, denied = false;
    const question *silent = NULL;
    char text[CHECK_MAX + 1];
    vk_buf b = {.p = text, .cap = CHECK_MAX, .max = CHECK_MAX};
    for (size_t i = 0; i < a->n; i++) {
        const question *q = &a->all[i];
        any |= good(q);
        if (!q->probe->must)
            continue;
        ok &= good(q);
        denied |= q->status == 401 || q->status == 403;
        if (q->status == 0 || q->status == 429 || q->status >= 500)
            silent = q;
    }
    if (silent) {
        char why[VK_UPSTREAM_WHY + 64];
        if (silent->status)
            snprintf(why, sizeof why, "%s answers with status %d; try again.", a->vendor->title,
                     silent->status);
        else
            snprintf(why, sizeof why, "%s could not be asked: %s.", a->vendor->title, silent->why);
        finish(a, VK_E_UNAVAILABLE, "", why);
        return;
    }
    vk_jw w = vk_jw_on(&b);
    vk_jw_obj(&w);
    vk_jw_kbool(&w, "ok", ok);
    vk_jw_kbool(&w, "refused", !any && denied);
    put_list(&w, a, "missing", false);
    put_list(&w, a, "wide", true);
    vk_jw_obj_end(&w);
    text[b.n] = '\0';
    if (b.err)
        finish(a, VK_E_INTERNAL, "", "What the vendor answered does not fit.");
    else
        finish(a, VK_OK, text, "");
}

static void one_ended(asking *a)
{
    if (--a->left > 0)
        return;
    vk_errand_outcome(a->probes->audit, &a->audit, a->n ? a->all[0].status : 0);
    judge(a);
}

/* ---- the questions */

static void head_came(vk_upcall *c, const vk_head *h)
{
    ((question *)c->arg)->status = h->status;
}

static size_t body_came(vk_upcall *c, vk_str bytes)
{
    VK_UNUSED(c);
    return bytes.n;
}

static void call_done(vk_upcall *c, vk_err e, const char *why)
{
    question *q = c->arg;
    if (e != VK_OK && !q->status)
        snprintf(q->why, sizeof q->why, "%s", why);
    one_ended(q->of);
}

static void begin(question *q)
{
    vk_upstream *to;
    q->call = (vk_upcall){.head = vk_buf_view(&q->errand.head),
                          .method = vk_str_z(q->probe->method),
                          .secret = true,
                          .first_ms = VK_PROBE_WAIT_MS,
                          .idle_ms = VK_PROBE_WAIT_MS,
                          .head_came = head_came,
                          .body_came = body_came,
                          .done = call_done,
                          .arg = q};
    vk_err e = vk_order_pool(q->of->probes->pools, q->errand.host, q->errand.plain, &to);
    if (e == VK_OK)
        e = vk_upcall_begin(to, &q->call);
    if (e == VK_OK)
        return;
    snprintf(q->why, sizeof q->why, "%s",
             e == VK_E_UNAVAILABLE
                 ? "there are no certificate authorities by which it could be told from others"
             : e == VK_E_INVALID ? "the address that was entered cannot be one"
                                 : "too much is under way");
    one_ended(q->of);
}

static void durable(vk_audit_entry *e, vk_err err)
{
    asking *a = e->arg;
    if (err != VK_OK) {
        finish(a, VK_E_UNAVAILABLE, "",
               "The audit cannot be written, so the organisation's key is not used.");
        return;
    }
    a->left = a->n + 1; /* one for us: a call that cannot begin must not end it early */
    for (size_t i = 0; i < a->n; i++)
        begin(&a->all[i]);
    one_ended(a);
}

/* Values in the place of their names. */
static vk_str path_of(asking *a, const vk_org *g, const char *pattern)
{
    vk_buf b;
    vk_buf_init(&b, VK_HEAD_MAX);
    for (const char *p = pattern; *p; p++) {
        size_t n = *p == '{' ? strcspn(p, "}") : 0;
        if (!n) {
            vk_buf_ch(&b, *p);
            continue;
        }
        char name[VK_VENDOR_FIELD_MAX + 1];
        snprintf(name, sizeof name, "%.*s", (int)(n - 1), p + 1);
        const vk_vendor_field *f = vk_vendor_field_of(a->vendor->fields, vk_str_z(name));
        vk_str value = f && !f->secret ? vk_secret_bytes(vk_org_value(g, name)) : VK_STR_NONE;
        size_t from = b.n; /* of the parameter */
        while (from && b.p[from - 1] != '?' && b.p[from - 1] != '&')
            from--;
        if (value.n)
            vk_buf_str(&b, value);
        else if (from)
            vk_buf_truncate(&b, from - 1);
        p += n;
    }
    vk_str path = b.err ? VK_STR_NONE : vk_arena_dup(a->arena, vk_buf_view(&b));
    vk_buf_free(&b);
    return path;
}

/* The request of one question, with the credential on it. */
static vk_err make(asking *a, const vk_org *g, question *q, const char **why_r)
{
    const vk_binding none = {.resource = VK_STR("{}")};
    vk_str target = path_of(a, g, q->probe->path);
    if (!target.p)
        return VK_E_NOMEM;
    q->errand = (vk_errand){.o = {.vendor = a->vendor,
                                  .org = g,
                                  .binding = &none,
                                  .build = "",
                                  .method = vk_str_z(q->probe->method),
                                  .now_ms = vk_clock_wall_ms(),
                                  .arena = a->arena},
                            .op = "keys.check"};
    vk_err e = vk_errand_compose(&q->errand, target, why_r);
    q->errand.o.binding = NULL;
    return e;
}

static vk_err note(asking *a)
{
    a->audit = (vk_audit_entry){.durable = durable, .arg = a};
    vk_errand_intent(&a->all[0].errand, &a->audit);
    snprintf(a->audit.actor, sizeof a->audit.actor, "admin");
    return vk_audit_write(a->probes->audit, &a->audit);
}

void vk_probes_ask(vk_keeper *k, vk_keeper_probe *p)
{
    vk_probes *x = k->probe_arg;
    vk_org_facts facts;
    const char *why = "Out of memory.";
    vk_org_facts_of(p->org, &facts);
    const vk_vendor *v = facts.vendor;
    if (!v->look && (!v->probes || !v->probes[0].method || !(v->order || v->probe_order))) {
        p->done(p, VK_E_UNSUPPORTED, "", "This valetkey has no questions to that vendor.");
        return;
    }
    if (!x->audit) {
        p->done(p, VK_E_UNAVAILABLE, "", "There is no audit, so the organisation's key is not used.");
        return;
    }
    if (v->look) {
        vk_probe_look(&x->place, p);
        return;
    }
    asking *a = calloc(1, sizeof *a);
    vk_arena *arena = vk_arena_new(ARENA_MAX);
    if (!a || !arena) {
        free(a);
        vk_arena_free(arena);
        p->done(p, VK_E_NOMEM, "", why);
        return;
    }
    a->probes = x;
    a->p = p;
    a->vendor = v;
    a->arena = arena;
    vk_err e = VK_OK;
    for (const vk_vendor_probe *q = v->probes; e == VK_OK && q->method && a->n < VK_PROBES_MAX; q++) {
        if ((q->with && !vk_org_value(p->org, q->with).n) || (q->unless && vk_org_value(p->org, q->unless).n))
            continue;
        question *one = &a->all[a->n++];
        one->of = a;
        one->probe = q;
        e = make(a, p->org, one, &why);
    }
    if (e == VK_OK) {
        e = note(a);
        why = "The audit cannot be written, so the organisation's key is not used.";
    }
    if (e != VK_OK)
        finish(a, e, "", why);
}

vk_err vk_probes_new(vk_loop *loop, const char *ca_file, vk_lane *lane, vk_lane *work, vk_audit *audit,
                     vk_probes **out_r)
{
    vk_probes *x = calloc(1, sizeof *x);
    if (!x)
        return VK_E_NOMEM;
    x->audit = audit;
    x->place = (vk_probe_place){.loop = loop, .work = work, .audit = audit};
    vk_err e = vk_order_pools_new(loop, ca_file, lane, &x->pools);
    if (e == VK_OK)
        *out_r = x;
    else
        free(x);
    return e;
}

void vk_probes_free(vk_probes *x)
{
    if (!x)
        return;
    vk_order_pools_free(x->pools);
    free(x);
}
