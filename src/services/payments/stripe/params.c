#include "services/payments/stripe/params.h"

#define HEX "0123456789ABCDEF"

static bool is_metadata(vk_str name)
{
    return vk_str_eqz(name, "metadata");
}

/* ---- every leaf, with its name */

typedef struct walk {
    vk_arena *a;
    char name[VK_STRIPE_PARAM_NAME];
    size_t n;
    /* `last`: the nearest name that is no number. Not VK_OK ends the walk. */
    vk_err (*leaf)(struct walk *w, vk_str last, vk_str value);
    /* a container or a leaf, before it */
    vk_err (*member)(struct walk *w, vk_str last);
    void *arg;
} walk;

static bool digits(vk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return true;
}

/* Names were bounded when they were read; one that does not fit is shown without its end. */
static size_t name_add(walk *w, vk_str key, size_t place, bool element)
{
    size_t before = w->n, room = sizeof w->name - w->n;
    int n = element && !key.n ? snprintf(w->name + w->n, room, "[%zu]", place)
            : before          ? snprintf(w->name + w->n, room, "[" VK_STR_FMT "]", VK_STR_ARG(key))
                              : snprintf(w->name, room, VK_STR_FMT, VK_STR_ARG(key));
    w->n += n < 0 ? 0 : (size_t)n < room ? (size_t)n : room - 1;
    return before;
}

static vk_str shown(const walk *w)
{
    return vk_arena_dup(w->a, (vk_str){w->name, w->n});
}

static vk_err go(walk *w, const vk_pv *in, vk_str last)
{
    bool elements = vk_pv_is(in, VK_PV_ARR);
    size_t place = 0;
    vk_err e = VK_OK;
    for (const vk_pv *v = vk_pv_first(in); v && e == VK_OK; v = v->next, place++) {
        vk_str name = elements || digits(v->key) ? last : v->key;
        size_t before = name_add(w, v->key, place, elements);
        if (!is_metadata(name)) {
            e = w->member ? w->member(w, name) : VK_OK;
            if (e == VK_OK && vk_pv_is(v, VK_PV_STR))
                e = w->leaf(w, name, v->u.s);
            else if (e == VK_OK)
                e = go(w, v, name);
        }
        w->n = before;
        w->name[before] = '\0';
    }
    return e;
}

/* ---- what must not go there */

typedef struct checking {
    walk w; /* first */
    bool soft;
    vk_stripe_refusal *why;
} checking;

static vk_err no(walk *w, vk_stripe_refusal *why, int status, const char *code, vk_str message)
{
    *why = (vk_stripe_refusal){status, code, shown(w), message};
    return why->param.p && message.p ? VK_E_INVALID : VK_E_NOMEM;
}

static vk_err check_member(walk *w, vk_str last)
{
    checking *c = (checking *)w;
    if (vk_stripe_name_of(last) == VK_STRIPE_CROSS)
        return no(w, c->why, 400, "parameter_unknown",
                  vk_arena_printf(w->a, "Received unknown parameter: %s", w->name));
    if (c->soft && vk_str_eqz(last, "transfer_lookup_key"))
        return no(w, c->why, 400, NULL,
                  VK_STR("transfer_lookup_key is not supported by valetkey where builds share an account; "
                         "docs/SUPPORTED-CALLS.md has what is."));
    return VK_OK;
}

/* "data.customer.account": whether a part of it leads out of the account. */
static bool crosses(vk_str path)
{
    vk_str part;
    for (bool more = true; more;) {
        more = vk_str_cut(&path, '.', &part);
        if (vk_stripe_name_of(more ? part : path) == VK_STRIPE_CROSS)
            return true;
    }
    return false;
}

static vk_err check_leaf(walk *w, vk_str last, vk_str value)
{
    checking *c = (checking *)w;
    if (vk_str_eqz(last, "expand")) {
        bool counts = c->soft && vk_str_eqz(value, "total_count"); /* of everybody's */
        if (!counts && !crosses(value))
            return VK_OK;
        return no(
            w, c->why, 400, NULL,
            vk_arena_printf(w->a, "This property cannot be expanded (" VK_STR_FMT ").", VK_STR_ARG(value)));
    }
    if (vk_stripe_name_of(last) != VK_STRIPE_TEXT && vk_str_starts(value, VK_STR("acct_")))
        return no(w, c->why, 403, "account_invalid",
                  vk_arena_printf(w->a,
                                  "The provided key does not have access to account '" VK_STR_FMT
                                  "' (or that account does not exist). Application access may have been "
                                  "revoked.",
                                  VK_STR_ARG(value)));
    return VK_OK;
}

vk_err vk_stripe_params_check(vk_arena *a, const vk_pv *form, bool soft, vk_stripe_refusal *why_r)
{
    checking *c = VK_NEW(a, checking);
    if (!c)
        return VK_E_NOMEM;
    c->w.a = a;
    c->w.leaf = check_leaf;
    c->w.member = check_member;
    c->soft = soft;
    c->why = why_r;
    return go(&c->w, form, VK_STR(""));
}

/* ---- what the build must have */

typedef struct needing {
    walk w; /* first */
    const vk_stripe_found *call;
    vk_stripe_need *first, **end;
} needing;

static vk_err need(needing *d, const vk_stripe_kind *k, const char *word, vk_str id, vk_str param)
{
    vk_stripe_need *one = VK_NEW(d->w.a, vk_stripe_need);
    if (!one)
        return VK_E_NOMEM;
    one->id = id;
    one->param = param;
    one->word = k ? k->word : word;
    one->key = vk_stripe_key(d->w.a, vk_stripe_space(k, id), id);
    *d->end = one;
    d->end = &one->next;
    return one->key.p ? VK_OK : VK_E_NOMEM;
}

static bool top(const walk *w)
{
    return !memchr(w->name, '[', w->n);
}

static vk_err need_leaf(walk *w, vk_str last, vk_str value)
{
    needing *d = (needing *)w;
    const vk_stripe_kind *k = vk_stripe_kind_of_name(last);
    bool ref = vk_stripe_name_of(last) == VK_STRIPE_REF;
    if (!value.n || vk_str_eqz(last, "expand") || vk_stripe_name_of(last) == VK_STRIPE_TEXT)
        return VK_OK;
    if (vk_str_eqz(last, "id") && top(w) && (d->call->call->does & VK_STRIPE_CHOSEN))
        return VK_OK; /* of what is made */
    if (vk_str_eqz(last, "starting_after") || vk_str_eqz(last, "ending_before") || vk_str_eqz(last, "ids")) {
        k = d->call->of;
        ref = true;
    }
    if ((!ref && !vk_stripe_is_id(value)) || vk_stripe_is_test_card(value))
        return VK_OK;
    vk_str param = shown(w), word = vk_arena_dup(w->a, last);
    return param.p && word.p ? need(d, k, word.p, value, param) : VK_E_NOMEM;
}

vk_err vk_stripe_params_needs(vk_arena *a, const vk_stripe_found *call, const vk_pv *form,
                              vk_stripe_need **first_r)
{
    needing *d = VK_NEW(a, needing);
    vk_err e = VK_OK;
    if (!d)
        return VK_E_NOMEM;
    d->w.a = a;
    d->w.leaf = need_leaf;
    d->call = call;
    d->end = &d->first;
    for (size_t i = 0; i < call->n && e == VK_OK; i++)
        e = need(d, call->kind[i], "object", call->id[i], VK_STR_NONE);
    if (e == VK_OK)
        e = go(&d->w, form, VK_STR(""));
    if (e == VK_OK)
        *first_r = d->first;
    return e;
}

vk_err vk_stripe_need_refuse(vk_arena *a, const vk_stripe_need *n, vk_stripe_refusal *why_r)
{
    *why_r = (vk_stripe_refusal){
        .status = n->param.p ? 400 : 404,
        .code = "resource_missing",
        .param = n->param.p ? n->param : VK_STR("id"),
        .message = vk_arena_printf(a, "No such %s: '" VK_STR_FMT "'", n->word, VK_STR_ARG(n->id)),
    };
    return why_r->message.p ? VK_E_INVALID : VK_E_NOMEM;
}

/* ---- whose it is */

static void untag(vk_pv *in)
{
    VK_PV_EACH(v, in)
    {
        if (is_metadata(v->key))
            vk_pv_del(v, VK_STRIPE_TAG_KEY);
        else if (!vk_pv_is(v, VK_PV_STR))
            untag(v);
    }
}

/* Into the metadata of `parent`; one that the app empties stays empty: the ledger knows it all the same. */
static vk_err put_tag(vk_arena *a, vk_pv *parent, vk_str tag)
{
    vk_pv *have = vk_pv_get(parent, "metadata");
    if (have && vk_pv_is(have, VK_PV_STR))
        return VK_OK;
    if (have && vk_pv_is(have, VK_PV_ARR)) /* of digits only: names all the same */
        have->type = VK_PV_OBJ;
    return vk_pv_put_str(a, parent, "metadata." VK_STRIPE_TAG_KEY, tag) ? VK_OK : VK_E_NOMEM;
}

/* What a session makes later says whose it is, too. */
static vk_err tag_inner(vk_arena *a, vk_pv *form, const char *name, vk_str tag)
{
    vk_pv *in = vk_pv_get(form, name);
    if (in && !vk_pv_is(in, VK_PV_OBJ))
        return VK_OK;
    if (!in) {
        in = vk_pv_obj(a);
        if (!vk_pv_set(a, form, name, in))
            return VK_E_NOMEM;
    }
    return put_tag(a, in, tag);
}

vk_err vk_stripe_params_tag(vk_arena *a, const vk_stripe_found *call, vk_pv *form, vk_str tag)
{
    unsigned does = call->call->does;
    vk_str mode = vk_pv_text(form, "mode");
    untag(form);
    bool session = (does & VK_STRIPE_MAKE) && vk_str_eqz(vk_str_z(call->call->path), "/v1/checkout/sessions");
    vk_err e = (does & VK_STRIPE_TAG) && ((does & VK_STRIPE_MAKE) || vk_pv_get(form, "metadata"))
                   ? put_tag(a, form, tag)
                   : VK_OK;
    if (e == VK_OK && session && mode.p)
        e = vk_str_eqz(mode, "subscription") ? tag_inner(a, form, "subscription_data", tag)
            : vk_str_eqz(mode, "payment")    ? tag_inner(a, form, "payment_intent_data", tag)
            : vk_str_eqz(mode, "setup")      ? tag_inner(a, form, "setup_intent_data", tag)
                                             : VK_OK;
    return e;
}

/* ---- the form that goes there */

static void escape(vk_buf *out, vk_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool plain = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '-' || c == '.' ||
                     c == '_' || c == '~';
        if (plain) {
            vk_buf_ch(out, (char)c);
        } else {
            const char text[3] = {'%', HEX[c >> 4], HEX[c & 15]};
            vk_buf_add(out, text, sizeof text);
        }
    }
}

void vk_stripe_path_write(vk_buf *out, vk_str part)
{
    escape(out, part);
}

typedef struct level {
    const struct level *up;
    vk_str key;
    size_t place;
    bool element;
} level;

static void write_name(vk_buf *out, const level *l)
{
    if (!l->up) {
        escape(out, l->key);
        return;
    }
    write_name(out, l->up);
    vk_buf_ch(out, '[');
    if (l->element)
        vk_buf_u64(out, l->place);
    else
        escape(out, l->key);
    vk_buf_ch(out, ']');
}

static void write_in(vk_buf *out, const vk_pv *in, const level *up)
{
    bool names = up && is_metadata(up->key); /* also where they are digits */
    level here = {.up = up, .element = vk_pv_is(in, VK_PV_ARR) && !names};
    for (const vk_pv *v = vk_pv_first(in); v; v = v->next, here.place++) {
        here.key = v->key;
        if (!vk_pv_is(v, VK_PV_STR)) {
            write_in(out, v, &here);
            continue;
        }
        if (out->n)
            vk_buf_ch(out, '&');
        write_name(out, &here);
        vk_buf_ch(out, '=');
        escape(out, v->u.s);
    }
}

void vk_stripe_form_write(vk_buf *out, const vk_pv *form)
{
    write_in(out, form, NULL);
}
