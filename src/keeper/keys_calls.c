#include "keeper/keys_calls.h"

#include "core/clock.h"
#include "core/encode.h"
#include "core/json_write.h"
#include "crypto/sealed_box.h"
#include "http/json_error.h"
#include "http/uri.h"
#include "keeper/entry.h"
#include "keeper/orders.h"
#include "keeper/r2_mint.h"

enum { MASK_TAIL = 4, MASK_LEAST = 16, CURSOR = 96 };

/* ---- what is told */

/* "sk_test_****1234": what is in front of the secret part of a key whose kind is known by it, and its last
 * four characters, when it is long enough for these to say little. */
static void mask(vk_jw *w, vk_secret value)
{
    static const char *const known[] = {"sk_test_", "sk_live_", "rk_test_", "whsec_", "napi_"};
    char text[64];
    vk_str v = vk_secret_bytes(value);
    const char *front = "";
    for (size_t i = 0; i < VK_COUNT(known); i++)
        if (vk_str_starts(v, vk_str_z(known[i])))
            front = known[i];
    vk_str tail =
        v.n >= MASK_LEAST + strlen(front) ? (vk_str){v.p + v.n - MASK_TAIL, MASK_TAIL} : VK_STR_NONE;
    snprintf(text, sizeof text, "%s****" VK_STR_FMT, front, VK_STR_ARG(tail));
    vk_jw_kstr(w, "mask", vk_str_z(text));
    vk_wipe(text, sizeof text);
}

static void field(vk_jw *w, const vk_org *g, const vk_vendor_field *f)
{
    vk_secret value = vk_org_value(g, f->name);
    bool set = value.n && !(f->usual && vk_str_eqz(vk_secret_bytes(value), f->usual));
    vk_jw_obj(w);
    vk_jw_kstr(w, "name", vk_str_z(f->name));
    vk_jw_kbool(w, "secret", f->secret);
    vk_jw_kbool(w, "set", set);
    if (f->secret && set)
        mask(w, value);
    else if (!f->secret && value.n)
        vk_jw_kstr(w, "value", vk_secret_bytes(value));
    vk_jw_obj_end(w);
}

static void when(vk_jw *w, const char *name, int64_t ms)
{
    char text[VK_CLOCK_TEXT];
    if (ms)
        vk_clock_text(ms, text);
    vk_jw_kstr_or_null(w, name, ms ? vk_str_z(text) : VK_STR_NONE);
}

static void facts(vk_jw *w, const vk_org *g)
{
    static const char *const states
        [] = {[VK_ORG_READY] = "ready",
              [VK_ORG_DAMAGED] = "damaged",
              [VK_ORG_ROLLED_BACK] = "rolled_back",
              [VK_ORG_INCOMPLETE] = "incomplete"},
  *const froms[] = {
      [VK_ORG_VAULT] = "vault", [VK_ORG_ENVIRONMENT] = "environment", [VK_ORG_CREDENTIAL] = "credential"};
    vk_org_facts f;
    vk_org_facts_of(g, &f);
    vk_jw_obj(w);
    vk_jw_kstr(w, "vendor", vk_str_z(f.vendor->name));
    vk_jw_kstr(w, "title", vk_str_z(f.vendor->title));
    vk_jw_kstr(w, "service", vk_str_z(f.vendor->service));
    vk_jw_kstr(w, "build", vk_str_z(f.build));
    vk_jw_kstr(w, "state", vk_str_z(states[f.state]));
    if (f.why[0])
        vk_jw_kstr(w, "why", vk_str_z(f.why));
    vk_jw_kstr(w, "from", vk_str_z(froms[f.from]));
    vk_jw_ki64(w, "version", (int64_t)f.version);
    when(w, "set_at", f.set_ms);
    when(w, "checked_at", f.checked_ms);
    vk_jw_key(w, VK_STR("check"));
    if (f.check[0])
        vk_jw_raw(w, vk_str_z(f.check));
    else
        vk_jw_null(w);
    vk_jw_key(w, VK_STR("fields"));
    vk_jw_arr(w);
    bool opens = f.state == VK_ORG_READY || f.state == VK_ORG_INCOMPLETE;
    const vk_vendor_field *x = f.build[0] ? f.vendor->own : f.vendor->fields;
    for (; opens && x && x->name; x++)
        if (!x->kept)
            field(w, g, x);
    vk_jw_arr_end(w);
    vk_jw_obj_end(w);
}

void vk_keys_facts(vk_buf *out, const vk_org *g)
{
    vk_jw w = vk_jw_on(out);
    facts(&w, g);
}

static vk_keeper *keeper_of(const vk_exchange *ex)
{
    return ex->server->ctx;
}

static void answer_box(vk_exchange *ex)
{
    char print[VK_BOX_FINGERPRINT];
    const uint8_t *key = vk_orgs_box_key(keeper_of(ex)->orgs);
    vk_box_fingerprint(key, print);
    vk_buf_lit(&ex->out, "{\"key\":\"");
    vk_base64(&ex->out, key, VK_BOX_PUBLIC, true);
    vk_buf_printf(&ex->out, "\",\"fingerprint\":\"%s\"}", print);
    vk_respond(ex, 200, "application/json");
}

/* "<build>/<vendor>" of the last one that was told. */
static void cursor_of(const vk_org *g, char out[CURSOR])
{
    vk_org_facts f;
    vk_org_facts_of(g, &f);
    snprintf(out, CURSOR, "%s/%s", f.build, f.vendor->name);
}

static void answer_list(vk_exchange *ex)
{
    const vk_orgs *o = keeper_of(ex)->orgs;
    vk_str vendor = VK_STR_NONE, build = VK_STR_NONE, after = VK_STR_NONE, limit = VK_STR_NONE;
    bool one_vendor = vk_query_get(ex->arena, ex->query, VK_STR("vendor"), &vendor) == VK_OK;
    bool one_build = vk_query_get(ex->arena, ex->query, VK_STR("build"), &build) == VK_OK;
    bool waiting = vk_query_get(ex->arena, ex->query, VK_STR("after"), &after) == VK_OK;
    int64_t most = VK_KEEPER_KEYS;
    if (vk_query_get(ex->arena, ex->query, VK_STR("limit"), &limit) == VK_OK &&
        (vk_str_to_i64(limit, &most) != VK_OK || most < 1 || most > VK_KEEPER_KEYS_MAX)) {
        vk_respond_json_error(ex, VK_E_INVALID, "\"limit\" is a number from 1 to 1000.");
        return;
    }
    char cursor[CURSOR];
    bool more = false;
    int64_t told = 0;
    vk_jw w = vk_jw_on(&ex->out);
    vk_jw_obj(&w);
    vk_jw_key(&w, VK_STR("keys"));
    vk_jw_arr(&w);
    for (size_t i = 0, n = vk_org_count(o); i < n && !more; i++) {
        const vk_org *g = vk_org_at(o, i);
        char here[CURSOR];
        cursor_of(g, here);
        vk_org_facts f;
        vk_org_facts_of(g, &f);
        if ((one_vendor && !vk_str_eqz(vendor, f.vendor->name)) || (one_build && !vk_str_eqz(build, f.build)))
            continue;
        if (waiting) {
            waiting = !vk_str_eqz(after, here);
            continue;
        }
        more = told == most;
        if (more)
            break;
        facts(&w, g);
        memcpy(cursor, here, sizeof cursor);
        told++;
    }
    vk_jw_arr_end(&w);
    if (more)
        vk_jw_kstr(&w, "next", vk_str_z(cursor));
    vk_jw_obj_end(&w);
    vk_respond(ex, 200, "application/json");
}

/* ---- what is asked */

typedef struct asked {
    vk_exchange *ex;
    vk_keeper *keeper;
    vk_str vendor, build, sealed, actor;
    bool replace, dek;
    const vk_json *body;
    vk_org *tried;    /* dropped after its check */
    uint64_t entered; /* of the values that are checked */
    vk_org_change change;
    vk_keeper_probe probe;
} asked;

static void refuse(vk_exchange *ex, vk_err e, const char *why)
{
    vk_buf_clear(&ex->out);
    vk_respond_json_error(ex, e, why);
}

static bool text_of(const vk_json *body, const char *name, size_t most, vk_str *out_r)
{
    const vk_json *v = vk_json_opt(body, vk_str_z(name));
    *out_r = vk_json_str(v);
    return !v || (v->type == VK_JSON_STRING && v->u.s.n <= most);
}

static bool flag_of(const vk_json *body, const char *name)
{
    const vk_json *v = vk_json_get(body, vk_str_z(name));
    return v && v->type == VK_JSON_BOOL && v->u.b;
}

static asked *read_asked(vk_exchange *ex)
{
    asked *a = VK_NEW(ex->arena, asked);
    vk_json *body;
    if (!a) {
        refuse(ex, VK_E_NOMEM, "There is not enough memory.");
        return NULL;
    }
    if (vk_json_parse(ex->arena, vk_buf_view(&ex->body), &body, NULL, NULL) != VK_OK ||
        body->type != VK_JSON_OBJECT) {
        refuse(ex, VK_E_INVALID, "The body is no JSON object.");
        return NULL;
    }
    *a = (asked){.ex = ex, .keeper = keeper_of(ex), .body = body};
    if (!text_of(body, "vendor", VK_VENDOR_NAME_MAX, &a->vendor) || !text_of(body, "build", 64, &a->build) ||
        !text_of(body, "sealed", VK_SEALED_MAX, &a->sealed) ||
        !text_of(body, "actor", VK_AUDIT_TEXT - 1, &a->actor)) {
        refuse(ex, VK_E_INVALID,
               "\"vendor\", \"build\", \"sealed\" and \"actor\" are texts, and not too long ones.");
        return NULL;
    }
    a->replace = flag_of(body, "replace");
    a->dek = flag_of(body, "dek");
    return a;
}

/* ---- put and remove */

static void changed(vk_org_change *c, vk_err e)
{
    asked *a = c->arg;
    const vk_org *g = vk_org_find(a->keeper->orgs, a->vendor, a->build);
    /* What was made of the values before: with an error, too, of which some come after the deed. */
    if (a->keeper->orders)
        vk_orders_forget(a->keeper->orders);
    vk_r2_forget();
    if (e != VK_OK) {
        refuse(a->ex, e, c->why);
        return;
    }
    if (!a->sealed.n)
        vk_buf_lit(&a->ex->out, "{\"removed\":true}");
    else if (g)
        vk_keys_facts(&a->ex->out, g);
    else
        vk_buf_lit(&a->ex->out, "{}"); /* removed by another call meanwhile */
    vk_respond(a->ex, 200, "application/json");
}

static void change(asked *a)
{
    a->change = (vk_org_change){.vendor = a->vendor,
                                .build = a->build,
                                .sealed = a->sealed,
                                .replace = a->replace,
                                .done = changed,
                                .arg = a};
    snprintf(a->change.audit.actor, sizeof a->change.audit.actor, VK_STR_FMT, VK_STR_ARG(a->actor));
    vk_org_write(a->keeper->orgs, &a->change);
}

static void put(asked *a)
{
    if (!a->sealed.n)
        refuse(a->ex, VK_E_INVALID, "\"sealed\" is missing.");
    else
        change(a);
}

static void take_away(asked *a)
{
    a->sealed = VK_STR_NONE;
    change(a);
}

/* ---- asking the vendor */

static void checked(vk_keeper_probe *p, vk_err e, const char *check, const char *why)
{
    asked *a = p->arg;
    vk_org *tried = a->tried;
    a->tried = NULL;
    if (e != VK_OK)
        refuse(a->ex, e, why);
    else {
        if (!tried)
            vk_org_checked(a->keeper->orgs, a->vendor, a->build, a->entered, vk_str_z(check));
        vk_buf_printf(&a->ex->out, "{\"check\":%s", check);
        const vk_org *g = tried ? NULL : vk_org_find(a->keeper->orgs, a->vendor, a->build);
        if (g) {
            vk_buf_lit(&a->ex->out, ",\"key\":");
            vk_keys_facts(&a->ex->out, g);
        }
        vk_buf_ch(&a->ex->out, '}');
        vk_respond(a->ex, 200, "application/json");
    }
    if (tried)
        vk_org_drop(tried);
}

static void probe(asked *a, const vk_org *g)
{
    vk_org_facts f;
    vk_org_facts_of(g, &f);
    if (f.state != VK_ORG_READY)
        refuse(a->ex, VK_E_UNAVAILABLE, f.why);
    else if (!a->keeper->probe)
        refuse(a->ex, VK_E_UNSUPPORTED, "This valetkey cannot ask vendors.");
    else {
        a->entered = f.entered;
        a->probe = (vk_keeper_probe){.org = g, .done = checked, .arg = a};
        a->keeper->probe(a->keeper, &a->probe);
        return;
    }
    if (a->tried)
        vk_org_drop(a->tried);
    a->tried = NULL;
}

static void check(asked *a)
{
    const vk_org *g = vk_org_find(a->keeper->orgs, a->vendor, a->build);
    if (g)
        probe(a, g);
    else
        refuse(a->ex, VK_E_NOT_FOUND, "There are no such keys.");
}

static void try_them(asked *a)
{
    char why[400];
    vk_err e = vk_org_try(a->keeper->orgs, a->vendor, a->build, a->sealed, &a->tried, why);
    if (e == VK_OK)
        probe(a, a->tried);
    else
        refuse(a->ex, e, why);
}

/* ---- marks, and other keys for the vault */

static void marks(asked *a)
{
    uint8_t salt[VK_ORG_MARK];
    vk_buf all;
    if (vk_hex_decode(vk_json_str(vk_json_get(a->body, VK_STR("salt"))), salt, sizeof salt) != VK_OK) {
        refuse(a->ex, VK_E_INVALID, "\"salt\" is 32 hex digits.");
        return;
    }
    vk_buf_init(&all, VK_VENDORS_MAX * VK_VENDOR_FIELDS_MAX * VK_ORG_MARK);
    if (vk_orgs_marks(a->keeper->orgs, salt, &all) == VK_OK) {
        vk_buf_lit(&a->ex->out, "{\"marks\":[");
        for (size_t i = 0; i < all.n; i += VK_ORG_MARK) {
            char hex[2 * VK_ORG_MARK + 1];
            vk_hex(hex, all.p + i, VK_ORG_MARK);
            vk_buf_printf(&a->ex->out, "%s\"%s\"", i ? "," : "", hex);
        }
        vk_buf_lit(&a->ex->out, "]}");
        vk_respond(a->ex, 200, "application/json");
    } else
        refuse(a->ex, VK_E_NOMEM, "There is not enough memory.");
    vk_buf_free(&all);
}

static void rekey(asked *a)
{
    char why[VK_VAULT_WHY], actor[VK_AUDIT_TEXT];
    vk_orgs *o = a->keeper->orgs;
    snprintf(actor, sizeof actor, VK_STR_FMT, VK_STR_ARG(a->actor));
    if (a->dek == (a->sealed.n > 0)) {
        refuse(a->ex, VK_E_INVALID, "Either \"sealed\" or \"dek\" is wanted.");
        return;
    }
    vk_err e = a->dek ? vk_orgs_reseal(o, actor, why) : vk_orgs_rekey(o, a->sealed, actor, why);
    if (e != VK_OK) {
        refuse(a->ex, e, why);
        return;
    }
    vk_jw w = vk_jw_on(&a->ex->out);
    vk_jw_obj(&w);
    vk_jw_ki64(&w, "ring_version", (int64_t)vk_orgs_ring_version(o));
    vk_jw_ki64(&w, "to_reseal", (int64_t)vk_orgs_to_reseal(o));
    vk_jw_obj_end(&w);
    vk_respond(a->ex, 200, "application/json");
}

/* ---- the calls */

static const struct call {
    const char *path;
    void (*run)(asked *a);
} posts[] = {
    {"/v1/keys/put", put},      {"/v1/keys/remove", take_away}, {"/v1/keys/check", check},
    {"/v1/keys/try", try_them}, {"/v1/keys/marks", marks},      {"/v1/rekey", rekey},
};

static const struct call *post_of(const vk_exchange *ex)
{
    for (size_t i = 0; vk_str_eqz(ex->method, "POST") && i < VK_COUNT(posts); i++)
        if (vk_str_eqz(ex->path, posts[i].path))
            return &posts[i];
    return NULL;
}

bool vk_keys_head(vk_exchange *ex)
{
    if (!post_of(ex))
        return false;
    ex->body_max = VK_KEEPER_BODY_MAX;
    return true;
}

bool vk_keys_request(vk_exchange *ex)
{
    const struct call *call = post_of(ex);
    if (call) {
        asked *a = read_asked(ex);
        if (a)
            call->run(a);
    } else if (vk_str_eqz(ex->path, "/v1/box"))
        answer_box(ex);
    else if (vk_str_eqz(ex->path, "/v1/keys"))
        answer_list(ex);
    else
        return false;
    return true;
}
