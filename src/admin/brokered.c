#include "admin/brokered.h"

#include "core/encode.h"

enum { CREDENTIALS_MS = 60 * 1000 };

static vk_str org_value(void *arg, const char *vendor, const char *field)
{
    const vk_brokered *x = arg;
    const vk_json *keys = vk_json_get(x->keys, VK_STR("keys"));
    for (const vk_json *k = keys && keys->type == VK_JSON_ARRAY ? keys->u.child : NULL; k; k = k->next) {
        const vk_json *fields = vk_json_get(k, VK_STR("fields"));
        if (!vk_str_eqz(vk_json_str(vk_json_get(k, VK_STR("vendor"))), vendor))
            continue;
        for (const vk_json *f = fields && fields->type == VK_JSON_ARRAY ? fields->u.child : NULL; f;
             f = f->next)
            if (vk_str_eqz(vk_json_str(vk_json_get(f, VK_STR("name"))), field))
                return vk_json_str(vk_json_get(f, VK_STR("value")));
    }
    return VK_STR_NONE;
}

static const vk_json *given_of(const vk_brokered *x, const char *service)
{
    for (size_t i = 0; i < x->n; i++)
        if (strcmp(x->bindings[i].service, service) == 0)
            return x->given[i];
    return NULL;
}

static vk_secret given_value(void *arg, const char *service, const char *name)
{
    const vk_json *values = vk_json_get(given_of(arg, service), VK_STR("values"));
    return vk_secret_of(vk_json_str(vk_json_get(values, vk_str_z(name))));
}

vk_str vk_brokered_expires(const vk_brokered *x, const char *service)
{
    return vk_json_str(vk_json_get(given_of(x, service), VK_STR("expires_at")));
}

/* The first direct binding that was not asked about; x->n: none. */
static size_t next_direct(const vk_brokered *x)
{
    size_t i = 0;
    while (i < x->n && (x->given[i] || !vk_binding_direct(&x->bindings[i])))
        i++;
    return i;
}

/* As texts of one form, the earlier is the smaller. */
static void note_expiry(vk_brokered *x, const vk_json *o)
{
    vk_str at = vk_json_str(vk_json_get(o, VK_STR("expires_at")));
    if (at.n && at.n < sizeof x->expires && (!x->expires[0] || memcmp(at.p, x->expires, at.n) < 0))
        snprintf(x->expires, sizeof x->expires, VK_STR_FMT, VK_STR_ARG(at));
}

static bool take_marks(vk_brokered *x, const vk_json *o)
{
    const vk_json *marks = vk_json_get(o, VK_STR("marks"));
    if (!marks || marks->type != VK_JSON_ARRAY || marks->count > VK_SETTINGS_MARKS_MAX)
        return false;
    for (const vk_json *m = marks->u.child; m; m = m->next) {
        vk_str mark = vk_json_str(m);
        for (size_t i = 0; i < mark.n; i++)
            if (!strchr("0123456789abcdef", mark.p[i]) || !mark.p[i])
                return false;
        if (mark.n != 2 * (size_t)VK_SETTINGS_MARK)
            return false;
        x->marks[x->n_marks++] = mark;
    }
    x->has_marks = true;
    return true;
}

static void go_on(vk_brokered *x);

static void answered(vk_keeper_ask *a, vk_err e, const vk_response *r)
{
    vk_brokered *x = VK_CONTAINER(a, vk_brokered, ask);
    vk_json *o;
    if (!vk_keys_answered(x->call, e, r, &o))
        return;
    if (x->wants_keys && !x->keys)
        x->keys = o;
    else if (x->asked < x->n) {
        x->given[x->asked] = o;
        x->asked = x->n;
        note_expiry(x, o);
    } else if (!take_marks(x, o)) {
        vk_call_fail(x->call, VK_E_INTERNAL,
                     "The process that holds the keys (keeper) gave no answer that can "
                     "be understood");
        return;
    }
    go_on(x);
}

static void go_on(vk_brokered *x)
{
    x->ask.body = VK_STR_NONE;
    x->ask.apart = false;
    x->ask.timeout_ms = 0;
    x->asked = x->n;
    if (x->wants_keys && !x->keys) {
        x->ask.method = VK_STR("GET");
        x->ask.target = VK_STR("/v1/keys?limit=1000&build=");
    } else if (next_direct(x) < x->n) {
        x->asked = next_direct(x);
        snprintf(x->body, sizeof x->body, "{\"build\":\"%s\",\"service\":\"%s\",\"actor\":\"admin\"}",
                 x->build.id, x->bindings[x->asked].service);
        x->ask.method = VK_STR("POST");
        x->ask.target = VK_STR("/v1/resources/credentials");
        x->ask.body = vk_str_z(x->body);
        x->ask.apart = true; /* it may be renewed first */
        x->ask.timeout_ms = CREDENTIALS_MS;
    } else if (x->wants_marks && !x->has_marks) {
        x->ask.method = VK_STR("POST");
        x->ask.target = VK_STR("/v1/keys/marks");
        x->ask.body = vk_str_z(x->salt);
    } else {
        vk_call_on_lane(x->call, x->again);
        return;
    }
    x->ask.done = answered;
    vk_keeper_ask_send(&x->ask);
}

static vk_err read_bindings(vk_call *c, vk_brokered *x, const vk_build *b)
{
    vk_store *s = c->rt->store;
    vk_err e =
        s->ops->binding_list(s, c->ex->arena, vk_str_z(b->id), x->bindings, VK_COUNT(x->bindings), &x->n);
    size_t n = x->n;
    for (size_t i = x->n = 0; c->only.n && i < n; i++) /* the others are asked nothing about */
        if (vk_str_eqz(c->only, x->bindings[i].service))
            x->bindings[x->n++] = x->bindings[i];
    x->n = c->only.n ? x->n : n;
    for (size_t i = 0; e == VK_OK && i < x->n; i++)
        x->wants_keys |= strcmp(x->bindings[i].driver, "embedded") != 0;
    x->env = (vk_env_brokered){.bindings = x->bindings,
                               .n = x->n,
                               .org = org_value,
                               .given = given_value,
                               .arg = x,
                               .only = c->only};
    return e;
}

static vk_err write_salt(vk_call *c, vk_brokered *x, const vk_build *b)
{
    uint8_t salt[VK_SETTINGS_SALT];
    char hex[2 * VK_SETTINGS_SALT + 1];
    vk_err e = vk_settings_salt(c->rt, c->ex->arena, b, salt);
    if (e == VK_OK) {
        vk_hex(hex, salt, sizeof salt);
        snprintf(x->salt, sizeof x->salt, "{\"salt\":\"%s\"}", hex);
    }
    return e;
}

vk_brokered *vk_brokered_know(vk_call *c, const vk_build *b, void (*again)(vk_call *c))
{
    vk_brokered *x = c->brokered;
    bool asked = x != NULL;
    if (!asked)
        x = VK_NEW(c->ex->arena, vk_brokered);
    vk_err e = x ? read_bindings(c, x, b) : VK_E_NOMEM;
    if (e == VK_OK && !asked) {
        x->call = c;
        x->ask.rt = c->rt;
        x->again = again;
        x->build = *b;
        x->wants_marks = c->settings;
        c->brokered = x;
        e = x->wants_marks ? write_salt(c, x, b) : VK_OK;
    }
    if (e != VK_OK) {
        vk_call_fail_store(c, e);
        return NULL;
    }
    if ((!x->wants_keys || x->keys) && next_direct(x) == x->n && (!x->wants_marks || x->has_marks))
        return x;
    go_on(x);
    return NULL;
}
