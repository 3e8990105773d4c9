/* The organisation's keys: told, entered, checked, changed. All of it is keeper's; what passes here is sealed
 * to keeper, or tells no secret (keeper/keeper.h). */
#include "admin/call.h"
#include "services/ask_keeper.h"
#include "admin/keys.h"
#include "keeper/vendors.h"

#include <stdatomic.h>

enum {
    CHECKS_AT_ONCE = 4,      /* requests that make keeper ask vendors */
    PATIENCE_MS = 90 * 1000, /* more than all questions of a check */
    BODY_MAX = VK_KEY_CALL_BODY + 1024,
};

static _Atomic int checks;

typedef struct keys_call {
    vk_keeper_ask ask; /* first */
    vk_call *call;
    const vk_vendor *vendor;
    vk_str sealed;
    vk_buf body; /* of the request to keeper */
    bool counted;
    vk_json *check; /* rotate: what trying found */
} keys_call;

static void end(void *arg)
{
    keys_call *k = arg;
    vk_buf_free(&k->body);
    if (k->counted)
        atomic_fetch_sub(&checks, 1);
}

/* NULL: answered. */
static keys_call *begin(vk_call *c)
{
    keys_call *k = VK_NEW(c->ex->arena, keys_call);
    if (k) {
        k->call = c;
        k->ask.rt = c->rt;
        vk_buf_init(&k->body, BODY_MAX);
    }
    if (!k || vk_arena_cleanup(c->ex->arena, end, k) != VK_OK) {
        (void)vk_admin_error(c->ex, VK_E_NOMEM, "Out of memory; try again in a second");
        return NULL;
    }
    return k;
}

/* As begin, of the vendor in the path. */
static keys_call *begin_vendor(vk_call *c)
{
    keys_call *k = begin(c);
    if (!k)
        return NULL;
    k->vendor = vk_vendor_of(c->param[0]);
    if (!k->vendor) {
        const vk_vendor *all[VK_VENDORS_MAX];
        char known[160] = "";
        size_t n = vk_vendors(all), at = 0;
        for (size_t i = 0; i < n && at < sizeof known; i++)
            at += (size_t)snprintf(known + at, sizeof known - at, "%s%s", i ? ", " : "", all[i]->name);
        (void)vk_admin_error(c->ex, VK_E_NOT_FOUND, "There is no vendor of that name; there are %s", known);
        return NULL;
    }
    return k;
}

bool vk_keys_read_sealed(vk_call *c, vk_str *sealed_r)
{
    const char *why;
    vk_err e = vk_sealed_parse(c->ex->arena, vk_buf_view(&c->ex->body), sealed_r, &why);
    if (e != VK_OK)
        (void)vk_admin_error(c->ex, e, "%s", why);
    return e == VK_OK;
}

/* ---- keeper's answers */

/* The kind of error that keeper names; so that its status is what it means there. */
static vk_err kind_of(const vk_response *r, vk_str name)
{
    for (int e = VK_E_INVALID; e <= VK_E_INTERNAL; e++)
        if (vk_str_eqz(name, vk_err_name((vk_err)e)))
            return (vk_err)e;
    return r->status == 404 ? VK_E_NOT_FOUND : VK_E_INTERNAL;
}

/* Its text stays as long as the exchange. */
static vk_json *read_answer(vk_call *c, const vk_response *r)
{
    vk_json *o;
    vk_str text = vk_arena_dup(c->ex->arena, r->body);
    bool good =
        text.p && vk_json_parse(c->ex->arena, text, &o, NULL, NULL) == VK_OK && o->type == VK_JSON_OBJECT;
    return good ? o : NULL;
}

static bool accepted(vk_call *c, vk_err e, const vk_response *r)
{
    if (e == VK_E_BUSY) {
        vk_call_fail(c, e,
                     "The process that holds the keys (keeper) has too much to do; try again in a second");
        return false;
    }
    if (e != VK_OK) {
        vk_call_fail(c, e == VK_E_TIMEOUT ? e : VK_E_UNAVAILABLE,
                     "The process that holds the keys (keeper) does not answer; try again in a second");
        return false;
    }
    if (r->status == 200 || r->status == 202)
        return true;
    const vk_json *o = read_answer(c, r);
    vk_str text = vk_json_str(vk_json_get(o, VK_STR("message")));
    e = kind_of(r, vk_json_str(vk_json_get(o, VK_STR("error"))));
    vk_call_fail(c, e, VK_STR_FMT, VK_STR_ARG(text.n ? text : VK_STR("keeper refused this")));
    return false;
}

bool vk_keys_answered(vk_call *c, vk_err e, const vk_response *r, vk_json **json_r)
{
    if (!accepted(c, e, r))
        return false;
    *json_r = read_answer(c, r);
    if (!*json_r)
        vk_call_fail(c, VK_E_INTERNAL,
                     "The process that holds the keys (keeper) gave no answer that can be "
                     "understood");
    return *json_r != NULL;
}

/* Keeper's answer is the answer. */
static void pass(vk_keeper_ask *a, vk_err e, const vk_response *r)
{
    vk_call *c = VK_CONTAINER(a, keys_call, ask)->call;
    if (!accepted(c, e, r))
        return;
    vk_buf_str(&c->ex->out, r->body);
    vk_call_finish(c, 200);
}

static void send_ask(keys_call *k, vk_str method, vk_str target,
                     void (*done)(vk_keeper_ask *a, vk_err e, const vk_response *r))
{
    if (k->body.err) {
        vk_call_fail(k->call, k->body.err == VK_E_TOO_LARGE ? VK_E_TOO_LARGE : VK_E_NOMEM,
                     "Out of memory; try again in a second");
        return;
    }
    k->ask.method = method;
    k->ask.target = target;
    k->ask.body = vk_buf_view(&k->body);
    k->ask.done = done;
    vk_keeper_ask_send(&k->ask);
}

void vk_keys_write_body(vk_buf *out, const char *vendor, const char *build, vk_str sealed, bool replace)
{
    vk_jw w = vk_jw_on(out);
    vk_jw_obj(&w);
    vk_jw_kstr(&w, "vendor", vk_str_z(vendor));
    vk_jw_kstr(&w, "build", vk_str_z(build));
    if (sealed.p) {
        vk_jw_kstr(&w, "sealed", sealed);
        vk_jw_kbool(&w, "replace", replace);
    }
    vk_jw_kstr(&w, "actor", VK_STR("admin"));
    vk_jw_obj_end(&w);
}

static void send_body(keys_call *k, vk_str target,
                      void (*done)(vk_keeper_ask *a, vk_err e, const vk_response *r))
{
    vk_buf_clear(&k->body);
    vk_keys_write_body(&k->body, k->vendor->name, "", k->sealed, false);
    send_ask(k, VK_STR("POST"), target, done);
}

/* ---- the calls */

void vk_admin_keys_list(vk_call *c)
{
    keys_call *k = begin(c);
    if (!k)
        return;
    vk_str query = c->ex->query;
    vk_str target = query.n ? vk_arena_printf(c->ex->arena, "/v1/keys?" VK_STR_FMT, VK_STR_ARG(query))
                            : VK_STR("/v1/keys");
    if (!target.p) {
        (void)vk_admin_error(c->ex, VK_E_NOMEM, "Out of memory; try again in a second");
        return;
    }
    send_ask(k, VK_STR("GET"), target, pass);
}

static void put_fields(vk_jw *w, const char *key, const vk_vendor_field *f)
{
    vk_jw_key(w, vk_str_z(key));
    vk_jw_arr(w);
    for (; f && f->name; f++) {
        vk_jw_obj(w);
        vk_jw_kstr(w, "name", vk_str_z(f->name));
        vk_jw_kstr(w, "what", vk_str_z(f->what));
        vk_jw_kbool(w, "secret", f->secret);
        vk_jw_kbool(w, "optional", f->optional);
        if (f->usual)
            vk_jw_kstr(w, "usual", vk_str_z(f->usual));
        vk_jw_obj_end(w);
    }
    vk_jw_arr_end(w);
}

/* What a client needs to seal an entry: the key, and what there is to enter. */
static void box_known(vk_keeper_ask *a, vk_err e, const vk_response *r)
{
    vk_call *c = VK_CONTAINER(a, keys_call, ask)->call;
    const vk_vendor *all[VK_VENDORS_MAX];
    size_t n = vk_vendors(all);
    vk_json *o;
    if (!vk_keys_answered(c, e, r, &o))
        return;
    vk_jw w = vk_jw_on(&c->ex->out);
    vk_jw_obj(&w);
    vk_jw_kstr(&w, "key", vk_json_str(vk_json_get(o, VK_STR("key"))));
    vk_jw_kstr(&w, "fingerprint", vk_json_str(vk_json_get(o, VK_STR("fingerprint"))));
    vk_jw_kstr(&w, "algorithm", VK_STR("crypto_box_seal"));
    vk_jw_key(&w, VK_STR("vendors"));
    vk_jw_arr(&w);
    for (size_t i = 0; i < n; i++) {
        vk_jw_obj(&w);
        vk_jw_kstr(&w, "vendor", vk_str_z(all[i]->name));
        vk_jw_kstr(&w, "title", vk_str_z(all[i]->title));
        vk_jw_kstr(&w, "service", vk_str_z(all[i]->service));
        put_fields(&w, "fields", all[i]->fields);
        put_fields(&w, "own", all[i]->own);
        vk_jw_obj_end(&w);
    }
    vk_jw_arr_end(&w);
    vk_jw_obj_end(&w);
    vk_call_finish(c, 200);
}

void vk_admin_keys_sealing(vk_call *c)
{
    keys_call *k = begin(c);
    if (k)
        send_ask(k, VK_STR("GET"), VK_STR("/v1/box"), box_known);
}

/* By what a client that has a value knows whether it is there. */
void vk_admin_keys_marks(vk_call *c)
{
    const char *why;
    vk_str salt;
    keys_call *k = begin(c);
    if (!k)
        return;
    vk_err e = vk_salt_parse(c->ex->arena, vk_buf_view(&c->ex->body), &salt, &why);
    if (e != VK_OK) {
        (void)vk_admin_error(c->ex, e, "%s", why);
        return;
    }
    vk_jw w = vk_jw_on(&k->body);
    vk_jw_obj(&w);
    vk_jw_kstr(&w, "salt", salt);
    vk_jw_obj_end(&w);
    send_ask(k, VK_STR("POST"), VK_STR("/v1/keys/marks"), pass);
}

void vk_admin_keys_put(vk_call *c)
{
    keys_call *k = begin_vendor(c);
    if (k && vk_keys_read_sealed(c, &k->sealed))
        send_body(k, VK_STR("/v1/keys/put"), pass);
}

void vk_admin_keys_remove(vk_call *c)
{
    keys_call *k = begin_vendor(c);
    if (k)
        send_body(k, VK_STR("/v1/keys/remove"), pass);
}

/* Whether another one may make keeper ask a vendor; answered when not. */
static bool may_ask(keys_call *k)
{
    k->ask.timeout_ms = PATIENCE_MS;
    k->ask.apart = true;
    if (atomic_fetch_add(&checks, 1) < CHECKS_AT_ONCE) {
        k->counted = true;
        return true;
    }
    atomic_fetch_sub(&checks, 1);
    (void)vk_admin_error(k->call->ex, VK_E_BUSY, "%d checks of keys are under way; try again in a second",
                         CHECKS_AT_ONCE);
    return false;
}

void vk_admin_keys_check(vk_call *c)
{
    keys_call *k = begin_vendor(c);
    if (k && may_ask(k))
        send_body(k, VK_STR("/v1/keys/check"), pass);
}

void vk_admin_keys_try(vk_call *c)
{
    keys_call *k = begin_vendor(c);
    if (k && vk_keys_read_sealed(c, &k->sealed) && may_ask(k))
        send_body(k, VK_STR("/v1/keys/try"), pass);
}

/* ---- rotate: try, then put */

static void answer_rotated(keys_call *k, const vk_json *key)
{
    vk_jw w = vk_jw_on(&k->call->ex->out);
    vk_jw_obj(&w);
    vk_jw_kbool(&w, "rotated", key != NULL);
    vk_jw_key(&w, VK_STR("check"));
    vk_jw_value(&w, k->check);
    if (key) {
        vk_jw_key(&w, VK_STR("key"));
        vk_jw_value(&w, key);
    }
    vk_jw_obj_end(&w);
    vk_call_finish(k->call, 200);
}

static void put_done(vk_keeper_ask *a, vk_err e, const vk_response *r)
{
    keys_call *k = VK_CONTAINER(a, keys_call, ask);
    vk_json *o;
    if (vk_keys_answered(k->call, e, r, &o))
        answer_rotated(k, o);
}

static void tried(vk_keeper_ask *a, vk_err e, const vk_response *r)
{
    keys_call *k = VK_CONTAINER(a, keys_call, ask);
    vk_json *o;
    if (!vk_keys_answered(k->call, e, r, &o))
        return;
    const vk_json *check = vk_json_get(o, VK_STR("check")), *ok = vk_json_get(check, VK_STR("ok"));
    k->check = VK_NEW(k->call->ex->arena, vk_json);
    if (!k->check || !check) {
        vk_call_fail(k->call, k->check ? VK_E_INTERNAL : VK_E_NOMEM, "The values could not be tried");
        return;
    }
    *k->check = *check;
    k->ask.apart = false;
    if (ok && ok->type == VK_JSON_BOOL && ok->u.b)
        send_body(k, VK_STR("/v1/keys/put"), put_done);
    else
        answer_rotated(k, NULL);
}

void vk_admin_keys_rotate(vk_call *c)
{
    keys_call *k = begin_vendor(c);
    if (k && vk_keys_read_sealed(c, &k->sealed) && may_ask(k))
        send_body(k, VK_STR("/v1/keys/try"), tried);
}

/* ---- another key of the vault */

void vk_admin_keys_rekey(vk_call *c)
{
    const char *why;
    vk_str sealed = VK_STR_NONE;
    keys_call *k = begin(c);
    if (!k)
        return;
    vk_err e =
        c->ex->body.n ? vk_sealed_parse(c->ex->arena, vk_buf_view(&c->ex->body), &sealed, &why) : VK_OK;
    if (e != VK_OK) {
        (void)vk_admin_error(c->ex, e, "%s", why);
        return;
    }
    vk_jw w = vk_jw_on(&k->body);
    vk_jw_obj(&w);
    if (sealed.p)
        vk_jw_kstr(&w, "sealed", sealed);
    else
        vk_jw_kbool(&w, "dek", true);
    vk_jw_kstr(&w, "actor", VK_STR("admin"));
    vk_jw_obj_end(&w);
    send_ask(k, VK_STR("POST"), VK_STR("/v1/rekey"), pass);
}
