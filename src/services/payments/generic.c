#include "services/payments/generic.h"

#include "services/payments/search.h"

enum { BARE_ID = 8 }; /* characters of an id without a prefix */

/* ---- one object ---- */

/* "<object>.created" and the like. */
static vk_err tell(vk_pay_call *c, const vk_pay_resource *r, vk_pv *doc, const char *what)
{
    if (r->silent)
        return VK_OK;
    vk_str type = vk_arena_printf(c->arena, "%s.%s", r->object, what);
    if (!type.p)
        return VK_E_NOMEM;
    bool changed = strcmp(what, "updated") == 0;
    return changed ? vk_pay_event_changed(c, type.p, r, doc) : vk_pay_event(c, type.p, r, doc);
}

vk_err vk_pay_store_new(vk_pay_call *c, const vk_pay_resource *r, vk_pv *doc)
{
    vk_err e = vk_pay_put(c, doc);
    return e == VK_OK ? tell(c, r, doc, "created") : e;
}

vk_err vk_pay_store_changed(vk_pay_call *c, const vk_pay_resource *r, vk_pv *doc)
{
    const vk_pv *before;
    vk_err e = vk_pay_before(c, doc, &before);
    if (e != VK_OK || (before && vk_pv_equal(before, doc)))
        return e;
    e = vk_pay_put(c, doc);
    return e == VK_OK ? tell(c, r, doc, "updated") : e;
}

static vk_err own_run(vk_pay_call *c)
{
    return c->ep->run ? c->ep->run(c) : VK_OK;
}

/* An id of the caller's choice goes into paths, with escapes: "25 OFF" is one. No slash, which proxies
 * decode; no "." and "..", which clients take for steps; nothing that is not seen. */
static bool good_id(vk_str id)
{
    bool dots = vk_str_eqz(id, ".") || vk_str_eqz(id, "..");
    if (!id.n || id.n > VK_PAY_ID_MAX || dots || id.p[0] == ' ' || id.p[id.n - 1] == ' ')
        return false;
    for (size_t i = 0; i < id.n; i++)
        if ((unsigned char)id.p[i] < ' ' || id.p[i] == 0x7f || id.p[i] == '/')
            return false;
    return true;
}

vk_err vk_pay_wished_id(vk_pay_call *c, const vk_pay_resource *r, const vk_pv *from, vk_str *id_r)
{
    vk_str id = vk_pv_text(from, "id");
    vk_pay_row row;
    *id_r = VK_STR_NONE;
    if (!id.n)
        return VK_OK;
    if (!good_id(id))
        return vk_pay_refuse(c, 400, NULL, "id", "Invalid id: " VK_STR_FMT, VK_STR_ARG(id));
    *id_r = id;
    vk_err e = vk_pay_doc_get(c->db, c->arena, id, &row);
    if (e == VK_E_NOT_FOUND)
        return VK_OK;
    if (e != VK_OK)
        return e;
    if (row.deleted && vk_str_eqz(row.kind, r->object))
        return vk_pay_doc_del(c->db, id);
    vk_str word = vk_arena_dup(c->arena, vk_str_z(r->word));
    if (!word.p)
        return VK_E_NOMEM;
    char first = word.p[0];
    if (first >= 'a' && first <= 'z')
        first = (char)(first - 'a' + 'A');
    return vk_pay_refuse(c, 400, "resource_already_exists", NULL, "%c%s already exists.", first, word.p + 1);
}

static vk_err create(vk_pay_call *c)
{
    const vk_pay_resource *r = c->ep->resource;
    vk_str id;
    vk_err e = vk_pay_wished_id(c, r, c->params, &id);
    if (e == VK_OK && !id.p && !r->prefix) { /* a coupon: people type it */
        id = vk_pay_id(c, "", BARE_ID);
        e = id.p ? VK_OK : VK_E_NOMEM;
    }
    if (e == VK_OK)
        e = vk_pay_new(c, r, id, &c->doc);
    if (e == VK_OK)
        e = vk_pay_take(c, c->doc);
    if (e == VK_OK)
        e = own_run(c);
    if (e != VK_OK || c->result)
        return e;
    e = vk_pay_store_new(c, r, c->doc);
    c->result = c->doc;
    return e;
}

/* Which of them can be retrieved after they were deleted. */
static bool leaves_stub(const vk_pay_resource *r)
{
    return r == &vk_pay_r_customer || r == &vk_pay_r_product || r == &vk_pay_r_coupon;
}

/* Exactly these three members, whatever the object has. */
static vk_err answer_stub(vk_pay_call *c, const vk_pay_resource *r, vk_str id)
{
    vk_pv *stub = vk_pv_obj(c->arena);
    if (!vk_pv_put_str(c->arena, stub, "id", id) ||
        !vk_pv_put_str(c->arena, stub, "object", vk_str_z(r->object)) ||
        !vk_pv_put_bool(c->arena, stub, "deleted", true))
        return VK_E_NOMEM;
    c->result = stub;
    c->rendered = true;
    return VK_OK;
}

static vk_err retrieve(vk_pay_call *c)
{
    const vk_pay_resource *r = c->ep->resource;
    vk_err e = vk_pay_get(c, r, c->id[0], &c->doc);
    bool gone = e == VK_OK && vk_pv_flag(c->doc, "deleted");
    if (e == VK_E_NOT_FOUND || (gone && !leaves_stub(r)))
        return vk_pay_refuse_unknown(c, r, c->id[0], NULL);
    if (e != VK_OK)
        return e;
    if (gone)
        return answer_stub(c, r, c->id[0]);
    if (c->publishable) {
        vk_str given = vk_pv_text(c->params, "client_secret"), secret = vk_pv_text(c->doc, "client_secret");
        if (!given.n)
            return vk_pay_refuse_missing(c, "client_secret");
        if (!secret.n || !vk_str_eq_secret(given, secret))
            return vk_pay_refuse_unknown(c, r, c->id[0], NULL);
    }
    e = own_run(c);
    if (e == VK_OK && !c->result)
        c->result = c->doc;
    return e;
}

static vk_err update(vk_pay_call *c)
{
    const vk_pay_resource *r = c->ep->resource;
    vk_err e = vk_pay_need(c, r, c->id[0], NULL, &c->doc);
    if (e == VK_OK)
        e = vk_pay_take(c, c->doc);
    if (e == VK_OK)
        e = own_run(c);
    if (e != VK_OK || c->result)
        return e;
    e = vk_pay_store_changed(c, r, c->doc);
    c->result = c->doc;
    return e;
}

/* What is left of it in its place: no more than the stub, and when it was made. Coupons stay whole: discounts
 * that there are go on. */
static vk_err shrink(vk_pay_call *c, const vk_pay_resource *r, vk_pv *doc)
{
    static const char *const keep[] = {"id", "object", "created"};
    for (vk_pv *m = r == &vk_pay_r_coupon ? NULL : vk_pv_first(doc), *next; m; m = next) {
        bool kept = false;
        next = m->next;
        for (size_t i = 0; i < VK_COUNT(keep); i++)
            kept = kept || vk_str_eqz(m->key, keep[i]);
        if (!kept)
            vk_pv_del_n(doc, m->key);
    }
    return vk_pv_put_bool(c->arena, doc, "deleted", true) ? vk_pay_put(c, doc) : VK_E_NOMEM;
}

static vk_err remove_one(vk_pay_call *c)
{
    const vk_pay_resource *r = c->ep->resource;
    vk_err e = vk_pay_need(c, r, c->id[0], NULL, &c->doc);
    if (e == VK_OK)
        e = own_run(c);
    if (e != VK_OK || c->result)
        return e;
    /* The event has the object as it was. */
    e = tell(c, r, c->doc, "deleted");
    if (e == VK_OK)
        e = leaves_stub(r) ? shrink(c, r, c->doc) : vk_pay_doc_del(c->db, c->id[0]);
    return e == VK_OK ? answer_stub(c, r, c->id[0]) : e;
}

/* ---- lists ---- */

typedef struct window {
    int64_t limit;
    vk_str after, before; /* ids; VK_STR_NONE */
} window;

static vk_err window_of(vk_pay_call *c, window *w_r)
{
    *w_r = (window){.limit = vk_pv_number(c->params, "limit", VK_PAY_LIST_LEN),
                    .after = vk_pv_text(c->params, "starting_after"),
                    .before = vk_pv_text(c->params, "ending_before")};
    if (w_r->limit < 1)
        return vk_pay_refuse(c, 400, "parameter_invalid_integer", "limit",
                             "This value must be greater than or equal to 1.");
    if (w_r->limit > VK_PAY_LIST_MAX)
        return vk_pay_refuse(c, 400, "parameter_invalid_integer", "limit",
                             "This value must be less than or equal to %d.", VK_PAY_LIST_MAX);
    if (w_r->after.p && w_r->before.p)
        return vk_pay_refuse_both(c, "starting_after", "ending_before");
    return VK_OK;
}

/* Where in the order of creation the object of a cursor stands. One that was deleted has its place still,
 * when there is anything of it. */
static vk_err cursor(vk_pay_call *c, const vk_pay_resource *r, vk_str id, const char *param, int64_t *seq_r)
{
    vk_pay_row row;
    if (!id.p)
        return VK_OK;
    vk_err e = id.n && id.n <= VK_PAY_ID_MAX ? vk_pay_doc_get(c->db, c->arena, id, &row) : VK_E_NOT_FOUND;
    if (e == VK_E_NOT_FOUND || (e == VK_OK && !vk_str_eqz(row.kind, r->object)))
        return vk_pay_refuse_unknown(c, r, id, param);
    if (e == VK_OK)
        *seq_r = row.seq;
    return e;
}

static void created_of(const vk_pv *params, vk_pay_ask *ask)
{
    const vk_pv *created = vk_pv_get(params, "created");
    if (vk_pv_is(created, VK_PV_INT))
        ask->created_from = ask->created_to = created->u.i;
    int64_t gt = vk_pv_number(created, "gt", -1), gte = vk_pv_number(created, "gte", 0),
            lt = vk_pv_number(created, "lt", INT64_MAX), lte = vk_pv_number(created, "lte", INT64_MAX);
    if (!vk_pv_is(created, VK_PV_OBJ))
        return;
    ask->created_from = gt >= gte && gt < INT64_MAX ? gt + 1 : gte;
    ask->created_to = lt <= lte && lt > INT64_MIN && lt != INT64_MAX ? lt - 1 : lte;
}

/* "recurring[interval]" is found at "recurring.interval" of the parameters. */
static const vk_pv *given(const vk_pay_call *c, const char *name)
{
    char path[128];
    size_t n = 0;
    for (; *name && n + 1 < sizeof path; name++) {
        if (*name == '[')
            path[n++] = '.';
        else if (*name != ']' && *name != '*')
            path[n++] = *name;
    }
    path[n] = '\0';
    return vk_pv_at(c->params, path);
}

static vk_str key_text(vk_arena *a, const vk_pv *v)
{
    switch (v->type) {
    case VK_PV_STR:
        return v->u.s;
    case VK_PV_BOOL:
        return v->u.b ? VK_STR("true") : VK_STR("false");
    case VK_PV_INT:
        return vk_arena_printf(a, "%lld", (long long)v->u.i);
    default:
        return VK_STR_NONE;
    }
}

/* One of several values: goes to the first place, where payments_db.h looks for it. */
static vk_err any_of(vk_pay_call *c, vk_pay_ask *ask, const char *key, const vk_pv *values, const char *param)
{
    if (values->count > VK_PAY_ANY_MAX)
        return vk_pay_refuse(c, 400, NULL, param, "Array %s exceeded maximum %d allowed elements.", param,
                             VK_PAY_ANY_MAX);
    if (ask->n_any)
        return vk_pay_refuse_absent(c, param, "several filters that each have several values");
    vk_str *any = vk_arena_alloc(c->arena, sizeof *any * values->count);
    size_t n = 0;
    if (!any)
        return VK_E_NOMEM;
    VK_PV_EACH(v, values)
    {
        any[n] = key_text(c->arena, v);
        n += any[n].p != NULL;
    }
    ask->keys[ask->n_keys++] = ask->keys[0];
    ask->keys[0] = (vk_pay_key){key, n ? any[0] : VK_STR("")};
    ask->any = any;
    ask->n_any = n;
    return VK_OK;
}

static vk_err filters(vk_pay_call *c, vk_pay_ask *ask)
{
    for (const vk_pay_param *p = c->ep->params; p && p->name; p++) {
        if (!p->to || strchr("!-", p->to[0]) || strcmp(p->name, "created") == 0)
            continue;
        const vk_pv *v = given(c, p->name);
        const char *key = p->to[0] == '=' ? p->name : p->to;
        if (vk_pv_is_null(v) || v->type == VK_PV_OBJ || (v->type == VK_PV_ARR && v->count == 0))
            continue;
        if (ask->n_keys == VK_COUNT(ask->keys))
            return VK_E_INTERNAL;
        if (v->type == VK_PV_ARR) {
            vk_err e = any_of(c, ask, key, v, p->name);
            if (e != VK_OK)
                return e;
            continue;
        }
        vk_str text = key_text(c->arena, v);
        if (!text.p)
            return VK_E_NOMEM;
        ask->keys[ask->n_keys++] = (vk_pay_key){key, text};
    }
    return VK_OK;
}

struct page {
    vk_pay_call *c;
    const vk_pay_resource *r;
    vk_pv *docs[VK_PAY_LIST_MAX];
    size_t n, limit, bytes;
    bool more;
    vk_pay_wanted wanted; /* NULL: all */
    vk_arena *scratch;
    size_t looked_at;
    vk_err e;
};

static bool one_row(void *arg, const vk_pay_row *row)
{
    struct page *p = arg;
    bool yes = true;
    if (p->wanted && p->looked_at++ == VK_PAY_LOOKED_AT_MAX) {
        p->more = true;
        return false;
    }
    if (p->wanted) {
        vk_arena_reset(p->scratch);
        p->e = p->wanted(p->c, p->scratch, row, &yes);
        if (p->e != VK_OK || !yes)
            return p->e == VK_OK;
    }
    p->bytes += row->body.n;
    if (p->n == p->limit || (p->n && p->bytes > VK_PAY_LIST_BYTES)) {
        p->more = true;
        return false;
    }
    p->e = vk_pay_doc_read(p->c, p->r, row, &p->docs[p->n]);
    p->n += p->e == VK_OK;
    return p->e == VK_OK;
}

/* The elements as they are sent, from documents; `backwards`: the last one first. */
static vk_err rendered(vk_pay_call *c, const vk_pay_resource *r, vk_pv *const *docs, size_t n, bool backwards,
                       vk_pv **data_r)
{
    vk_pv *data = vk_pv_arr(c->arena);
    for (size_t i = 0; i < n; i++) {
        vk_pv *doc = docs[backwards ? n - 1 - i : i], *one = NULL;
        vk_err e = vk_pay_render(c, r, doc, "data", &one);
        if (e != VK_OK)
            return e;
        if (!vk_pv_add(c->arena, data, one))
            return VK_E_NOMEM;
    }
    if (!data)
        return VK_E_NOMEM;
    *data_r = data;
    return VK_OK;
}

static vk_err answer_list(vk_pay_call *c, vk_pv *data, bool more, vk_str url)
{
    c->result = vk_pay_list(c->arena, data, more, url);
    c->rendered = true;
    return c->result ? VK_OK : VK_E_NOMEM;
}

/* Finds what the request asks for. `ask` has the keys that it does not name. */
static vk_err fill(struct page *p, vk_pay_ask *ask)
{
    if (p->wanted && !(p->scratch = vk_arena_new(VK_PAY_SCRATCH)))
        return VK_E_NOMEM;
    vk_err e = vk_pay_doc_list(p->c->db, ask, one_row, p);
    vk_arena_free(p->scratch);
    if (e == VK_OK)
        e = p->e;
    if (e == VK_OK && p->more && p->n == 0)
        return vk_pay_refuse(p->c, 400, NULL, NULL,
                             "None of the newest %d objects is what these filters ask for. Ask for less of "
                             "them, with another filter or a cursor.",
                             VK_PAY_LOOKED_AT_MAX);
    return e;
}

static vk_err list_documents(vk_pay_call *c, const vk_pay_key *keys, size_t n, vk_str url,
                             vk_pay_wanted wanted)
{
    const vk_pay_resource *r = c->ep->resource;
    vk_pay_ask ask = {.kind = r->object, .created_to = INT64_MAX};
    window w;
    vk_err e = window_of(c, &w);
    if (e == VK_OK)
        e = cursor(c, r, w.after, "starting_after", &ask.after);
    if (e == VK_OK)
        e = cursor(c, r, w.before, "ending_before", &ask.before);
    if (e == VK_OK)
        e = filters(c, &ask);
    if (e != VK_OK)
        return e;
    for (size_t i = 0; i < n; i++) {
        if (ask.n_keys == VK_COUNT(ask.keys))
            return VK_E_INTERNAL;
        ask.keys[ask.n_keys++] = keys[i];
    }
    created_of(c->params, &ask);
    ask.oldest_first = w.before.p != NULL;
    struct page *p = VK_NEW(c->arena, struct page);
    if (!p)
        return VK_E_NOMEM;
    *p = (struct page){.c = c, .r = r, .limit = (size_t)w.limit, .wanted = wanted};
    e = fill(p, &ask);
    vk_pv *data;
    if (e == VK_OK)
        e = rendered(c, r, p->docs, p->n, ask.oldest_first, &data);
    return e == VK_OK ? answer_list(c, data, p->more, url.p ? url : vk_str_z(r->url)) : e;
}

vk_err vk_pay_list_of(vk_pay_call *c, const vk_pay_key *keys, size_t n, vk_str url)
{
    return list_documents(c, keys, n, url, NULL);
}

vk_err vk_pay_list_where(vk_pay_call *c, const vk_pay_key *keys, size_t n, vk_pay_wanted wanted)
{
    return list_documents(c, keys, n, VK_STR_NONE, wanted);
}

vk_err vk_pay_list_inner(vk_pay_call *c, const vk_pay_resource *r, const vk_pv *docs, vk_str url)
{
    window w;
    vk_err e = window_of(c, &w);
    if (e != VK_OK)
        return e;
    size_t n = docs ? docs->count : 0, at = 0, from = 0, to = n;
    vk_pv **all = vk_arena_alloc(c->arena, sizeof(vk_pv *) * (n + 1));
    bool found = !w.after.p && !w.before.p;
    if (!all)
        return VK_E_NOMEM;
    VK_PV_EACH(doc, docs)
    {
        vk_str id = vk_pv_text(doc, "id");
        if (w.after.p && vk_str_eq(id, w.after))
            found = true, from = at + 1;
        if (w.before.p && vk_str_eq(id, w.before))
            found = true, to = at;
        all[at++] = doc;
    }
    if (!found)
        return vk_pay_refuse_unknown(c, r, w.after.p ? w.after : w.before,
                                     w.after.p ? "starting_after" : "ending_before");
    bool more = to - from > (size_t)w.limit;
    if (more && w.before.p)
        from = to - (size_t)w.limit;
    else if (more)
        to = from + (size_t)w.limit;
    vk_pv *data;
    e = rendered(c, r, all + from, to - from, false, &data);
    return e == VK_OK ? answer_list(c, data, more, url) : e;
}

static vk_err list(vk_pay_call *c)
{
    vk_err e = own_run(c);
    return e == VK_OK && !c->result ? vk_pay_list_of(c, NULL, 0, VK_STR_NONE) : e;
}

/* ---- search ---- */

struct search {
    struct page page;
    const vk_pay_query *query;
    vk_arena *scratch; /* of one row */
    size_t rows;
    int64_t last; /* the seq of the last row that was looked at */
};

static bool one_match(void *arg, const vk_pay_row *row)
{
    struct search *s = arg;
    struct page *p = &s->page;
    vk_pv *doc = NULL;
    if (s->rows == VK_PAY_SCAN_MAX) {
        p->more = true;
        return false;
    }
    s->rows++;
    if (vk_pay_search_may(s->query, row->body)) {
        vk_arena_reset(s->scratch);
        p->e = vk_pv_parse(s->scratch, row->body, &doc);
        if (p->e == VK_E_INVALID)
            p->e = VK_E_CORRUPT;
        if (p->e != VK_OK)
            return false;
        /* Prices of price_data are in no list. */
        if (vk_pay_search_match(s->query, doc) && !vk_pv_flag(doc, "inline") && !one_row(p, row))
            return false;
    }
    s->last = row->seq;
    return true;
}

/* `page` is what next_page said: from where on. */
static vk_err page_of(vk_pay_call *c, int64_t *after_r)
{
    vk_str page = vk_pv_text(c->params, "page");
    if (!page.p || (vk_str_to_i64(page, after_r) == VK_OK && *after_r > 0))
        return VK_OK;
    return vk_pay_refuse(c, 400, NULL, "page", "Invalid page: " VK_STR_FMT, VK_STR_ARG(page));
}

static vk_err answer_search(vk_pay_call *c, const struct search *s)
{
    vk_arena *a = c->arena;
    vk_pv *result = vk_pv_obj(a), *data;
    vk_err e = rendered(c, s->page.r, s->page.docs, s->page.n, false, &data);
    if (e != VK_OK)
        return e;
    vk_str next = s->page.more ? vk_arena_printf(a, "%lld", (long long)s->last) : VK_STR_NONE;
    bool ok = (next.p || !s->page.more) && vk_pv_put_str(a, result, "object", VK_STR("search_result")) &&
              vk_pv_put(a, result, "data", data) && vk_pv_put_bool(a, result, "has_more", s->page.more) &&
              vk_pv_put_str(a, result, "next_page", next) &&
              vk_pv_put_str(a, result, "url", vk_str_z(c->ep->path));
    c->result = result;
    c->rendered = true;
    return ok ? VK_OK : VK_E_NOMEM;
}

static vk_err search(vk_pay_call *c)
{
    const vk_pay_resource *r = c->ep->resource;
    vk_pay_ask ask = {.kind = r->object, .created_to = INT64_MAX};
    window w;
    const char *why = NULL;
    struct search *s = VK_NEW(c->arena, struct search);
    if (!s)
        return VK_E_NOMEM;
    vk_err e = window_of(c, &w);
    if (e == VK_OK)
        e = page_of(c, &ask.after);
    if (e == VK_OK)
        e = own_run(c);
    if (e != VK_OK)
        return e;
    *s = (struct search){.page = {.c = c, .r = r, .limit = (size_t)w.limit}};
    e = vk_pay_search_parse(c->arena, vk_str_z(r->object), vk_pv_text(c->params, "query"), &s->query, &why);
    if (e == VK_E_INVALID)
        return vk_pay_refuse(c, 400, NULL, "query", "%s", why);
    if (e == VK_E_UNSUPPORTED)
        return vk_pay_refuse_absent(c, NULL, "Search of these objects");
    if (e != VK_OK)
        return e;
    s->scratch = vk_arena_new(VK_PAY_SCRATCH);
    if (!s->scratch)
        return VK_E_NOMEM;
    e = vk_pay_doc_list(c->db, &ask, one_match, s);
    if (e == VK_OK)
        e = s->page.e;
    vk_arena_free(s->scratch);
    return e == VK_OK ? answer_search(c, s) : e;
}

/* ---- all ---- */

vk_err vk_pay_run(vk_pay_call *c)
{
    switch (c->ep->verb) {
    case VK_PAY_CREATE:
        return create(c);
    case VK_PAY_RETRIEVE:
        return retrieve(c);
    case VK_PAY_UPDATE:
        return update(c);
    case VK_PAY_DELETE:
        return remove_one(c);
    case VK_PAY_LIST:
        return list(c);
    case VK_PAY_SEARCH:
        return search(c);
    case VK_PAY_ACTION:
    case VK_PAY_PAGE:
        return own_run(c);
    }
    return VK_E_INTERNAL;
}
