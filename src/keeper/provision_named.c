#include "keeper/provision_named.h"

/* In vk_prov.carry: "<pages so far> <id after which the next page begins, or nothing>|<id> <id> …": what was
 * found so far. Empty: nothing was looked for yet. */
typedef struct look {
    int64_t pages;
    vk_str after, found;
} look;

static bool looks(const vk_prov *p, look *out)
{
    vk_str s = vk_buf_view(p->carry), pages, after;
    if (!s.n || !vk_str_cut(&s, ' ', &pages) || !vk_str_cut(&s, '|', &after) ||
        vk_str_to_i64(pages, &out->pages) != VK_OK)
        return false;
    out->after = after;
    out->found = s;
    return true;
}

static vk_err carry(vk_prov *p, int64_t pages, vk_str after, vk_str found)
{
    after = after.n ? after : VK_STR("");
    found = found.n ? found : VK_STR("");
    vk_str text = vk_arena_printf(p->arena, "%lld " VK_STR_FMT "|" VK_STR_FMT, (long long)pages,
                                  VK_STR_ARG(after), VK_STR_ARG(found));
    if (!text.p)
        return VK_E_NOMEM;
    vk_buf_clear(p->carry);
    vk_buf_str(p->carry, text);
    return p->carry->err;
}

/* What is part of a path, and of the text above. */
static vk_str id_of(const vk_prov_kind *k, const vk_json *one)
{
    vk_str id = vk_prov_text(one, k->id, VK_NAMED_ID_MAX), head = vk_str_z(k->head);
    if (id.n <= head.n || !vk_str_starts(id, head))
        return VK_STR_NONE;
    for (size_t i = 0; i < id.n; i++) {
        char c = id.p[i];
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_'))
            return VK_STR_NONE;
    }
    return id;
}

static vk_err refused(const vk_prov_kind *k, vk_prov *p, const char *doing, int status, const vk_json *body,
                      const char **why_r)
{
    return vk_prov_refused(p, doing, status, body, k->error, why_r);
}

static vk_err odd(const vk_prov_kind *k, vk_prov *p, const char *what, const char **why_r)
{
    vk_str s = vk_arena_printf(p->arena, "%s answers with %s %s.", p->vendor->title, k->one, what);
    *why_r = s.p ? s.p : "The answer cannot be.";
    return VK_E_INVALID;
}

static vk_err of_one(const vk_prov_kind *k, vk_prov *p, vk_prov_request *r, const char *method, vk_str id,
                     const char *query)
{
    return vk_prov_asks(r, method,
                        vk_arena_printf(p->arena, "%s/" VK_STR_FMT "%s", k->path, VK_STR_ARG(id), query),
                        VK_STR_NONE);
}

/* ---- a list */

static vk_err ask_page(const vk_prov_kind *k, vk_prov *p, vk_prov_request *r)
{
    look l = {.pages = 0};
    vk_str path = vk_str_z(k->path);
    if (looks(p, &l) && l.after.n)
        path = vk_arena_printf(p->arena, "%s?limit=%d&starting_after=" VK_STR_FMT, k->path, VK_NAMED_PAGE,
                               VK_STR_ARG(l.after));
    else if (k->pages)
        path = vk_arena_printf(p->arena, "%s?limit=%d", k->path, VK_NAMED_PAGE);
    return vk_prov_asks(r, "GET", path, VK_STR_NONE);
}

/* The things of a page; *after_r: the last one's id, when there are more. */
static vk_err take_page(const vk_prov_kind *k, vk_prov *p, int status, const vk_json *body,
                        const vk_json **all_r, vk_str *after_r, const char **why_r)
{
    if (status != 200) {
        vk_str doing = vk_arena_printf(p->arena, "Listing %s", k->many);
        return refused(k, p, doing.p ? doing.p : "Listing", status, body, why_r);
    }
    const vk_json *all = k->pages ? vk_json_get(body, VK_STR("data")) : body;
    const vk_json *more = k->pages ? vk_json_get(body, VK_STR("has_more")) : NULL, *last = NULL;
    *after_r = VK_STR_NONE;
    if (!all || all->type != VK_JSON_ARRAY || (k->pages && (!more || more->type != VK_JSON_BOOL))) {
        vk_str s = vk_arena_printf(p->arena, "%s does not say what %s are.", p->vendor->title, k->many);
        *why_r = s.p ? s.p : "The answer cannot be.";
        return VK_E_INVALID;
    }
    for (const vk_json *one = all->u.child; one; one = one->next)
        last = one;
    if (more && more->u.b) {
        look l = {.pages = 0};
        *after_r = last ? id_of(k, last) : VK_STR_NONE;
        VK_UNUSED(looks(p, &l));
        if (!after_r->n || vk_str_eq(*after_r, l.after) || l.pages >= VK_NAMED_PAGES) {
            vk_str s = vk_arena_printf(p->arena, "%s lists %s without an end.", p->vendor->title, k->many);
            *why_r = s.p ? s.p : "The answer cannot be.";
            return VK_E_INVALID;
        }
    }
    *all_r = all;
    return VK_OK;
}

/* Those of our name that are not `but`, behind `found`. */
static vk_err gather(const vk_prov_kind *k, vk_prov *p, const vk_json *all, vk_str but, vk_str *found)
{
    for (const vk_json *one = all->u.child; one; one = one->next) {
        vk_str id = id_of(k, one);
        if (!id.n || !vk_str_eqz(k->name(one), p->name) || vk_str_eq(id, but))
            continue;
        *found = found->n ? vk_arena_printf(p->arena, VK_STR_FMT " " VK_STR_FMT, VK_STR_ARG(*found),
                                            VK_STR_ARG(id))
                          : id;
        if (!found->p)
            return VK_E_NOMEM;
    }
    return VK_OK;
}

/* Looks at one page. VK_AGAIN: there are more. VK_OK: *found_r has all. */
static vk_err take(const vk_prov_kind *k, vk_prov *p, int status, const vk_json *body, vk_str but,
                   vk_str *found_r, const char **why_r)
{
    const vk_json *all;
    look l = {.pages = 0};
    vk_str after;
    vk_err e = take_page(k, p, status, body, &all, &after, why_r);
    if (e != VK_OK)
        return e;
    if (looks(p, &l) && l.found.n) { /* what it is in is written anew */
        l.found = vk_arena_dup(p->arena, l.found);
        if (!l.found.p)
            return VK_E_NOMEM;
    }
    e = gather(k, p, all, but, &l.found);
    if (e == VK_OK)
        e = carry(p, l.pages + 1, after, l.found);
    if (e != VK_OK)
        return e;
    *found_r = l.found;
    p->soon = after.n > 0;
    return after.n ? VK_AGAIN : VK_OK;
}

/* ---- creating */

/* A list has been begun, and has more pages. */
static bool amid_list(const vk_prov *p)
{
    look l;
    return looks(p, &l) && l.after.n;
}

vk_err vk_named_ask_create(const vk_prov_kind *k, vk_prov *p, vk_prov_request *r, const char **why_r)
{
    if (amid_list(p))
        return ask_page(k, p, r);
    vk_buf_clear(p->carry);
    if (p->tried) {
        vk_err e = carry(p, 0, VK_STR_NONE, VK_STR_NONE);
        return e == VK_OK ? ask_page(k, p, r) : e;
    }
    return k->create(p, r, why_r);
}

static vk_err took_made(const vk_prov_kind *k, vk_prov *p, int status, const vk_json *body,
                        const char **why_r)
{
    if (status != 200 && status != 201) {
        vk_str doing = vk_arena_printf(p->arena, "Creating %s", k->one);
        return k->refused ? k->refused(p, status, body, why_r)
                          : refused(k, p, doing.p ? doing.p : "Creating it", status, body, why_r);
    }
    vk_str id = id_of(k, body);
    if (!id.n)
        return odd(k, p, "without an id that can be one", why_r);
    if (!vk_str_eqz(k->name(body), p->name))
        return odd(k, p, "of another name than the one that was asked for", why_r);
    return vk_prov_note(p, "id", id);
}

vk_err vk_named_took_create(const vk_prov_kind *k, vk_prov *p, int status, const vk_json *body,
                            const char **why_r)
{
    vk_str found = VK_STR_NONE, first;
    if (!p->carry->n)
        return took_made(k, p, status, body, why_r);
    vk_err e = take(k, p, status, body, VK_STR_NONE, &found, why_r);
    if (e != VK_OK)
        return e;
    vk_buf_clear(p->carry);
    e = vk_prov_note(p, "unsure", VK_STR("1"));
    if (e != VK_OK)
        return e;
    if (!found.n) {
        p->soon = true;
        return VK_AGAIN;
    }
    first = found;
    if (vk_str_cut(&found, ' ', &first))
        found = first;
    return vk_prov_note(p, "id", found);
}

bool vk_named_unsure(const vk_prov *p)
{
    return vk_prov_noted(p, "unsure").n > 0;
}

bool vk_named_known(const vk_prov *p)
{
    return vk_prov_noted(p, "id").n > 0;
}

/* ---- all of our name */

vk_err vk_named_ask_others(const vk_prov_kind *k, vk_prov *p, vk_prov_request *r, const char **why_r)
{
    look l;
    vk_str id;
    VK_UNUSED(why_r);
    if (!looks(p, &l) || l.after.n)
        return ask_page(k, p, r);
    vk_str rest = l.found;
    vk_err e = of_one(k, p, r, "DELETE", vk_str_cut(&rest, ' ', &id) ? id : l.found, "");
    r->again = true;
    return e;
}

/* Of a delete: whether it is done, or there was nothing. */
static vk_err took_deleted(const vk_prov_kind *k, vk_prov *p, int status, const vk_json *body,
                           const char **why_r)
{
    if (status == 200 || k->gone(status, body))
        return VK_OK;
    vk_str doing = vk_arena_printf(p->arena, "Deleting %s", k->one);
    return refused(k, p, doing.p ? doing.p : "Deleting it", status, body, why_r);
}

vk_err vk_named_took_others(const vk_prov_kind *k, vk_prov *p, int status, const vk_json *body, bool keep,
                            const char **why_r)
{
    look l;
    vk_str found = VK_STR_NONE, id;
    vk_err e;
    if (!looks(p, &l) || l.after.n) {
        e = take(k, p, status, body, keep ? vk_prov_noted(p, "id") : VK_STR_NONE, &found, why_r);
        if (e != VK_OK || !found.n)
            return e;
        p->soon = true;
        return VK_AGAIN;
    }
    e = took_deleted(k, p, status, body, why_r);
    if (e != VK_OK)
        return e;
    found = l.found;
    if (vk_str_cut(&found, ' ', &id)) {
        p->soon = true;
        e = carry(p, 0, VK_STR_NONE, found);
        return e == VK_OK ? VK_AGAIN : e;
    }
    vk_buf_clear(p->carry); /* and it is looked at once more, after a moment */
    return VK_AGAIN;
}

/* ---- the one that we know */

vk_err vk_named_ask_one(const vk_prov_kind *k, vk_prov *p, vk_prov_request *r, const char **why_r)
{
    VK_UNUSED(why_r);
    return of_one(k, p, r, "GET", vk_prov_noted(p, "id"), k->query);
}

vk_err vk_named_took_one(const vk_prov_kind *k, vk_prov *p, int status, const vk_json *body,
                         const char **why_r)
{
    if (status != 200) {
        vk_str doing = vk_arena_printf(p->arena, "Reading %s", k->one);
        return refused(k, p, doing.p ? doing.p : "Reading it", status, body, why_r);
    }
    if (!vk_str_eq(id_of(k, body), vk_prov_noted(p, "id")))
        return odd(k, p, "of another id than the one that was asked for", why_r);
    if (!vk_str_eqz(k->name(body), p->name))
        return odd(k, p, "of another name than ours", why_r);
    return VK_OK;
}

vk_err vk_named_ask_delete(const vk_prov_kind *k, vk_prov *p, vk_prov_request *r, const char **why_r)
{
    VK_UNUSED(why_r);
    vk_err e = of_one(k, p, r, "DELETE", vk_prov_noted(p, "id"), "");
    r->again = true;
    return e;
}

vk_err vk_named_took_delete(const vk_prov_kind *k, vk_prov *p, int status, const vk_json *body,
                            const char **why_r)
{
    return took_deleted(k, p, status, body, why_r);
}

vk_err vk_named_took_gone(const vk_prov_kind *k, vk_prov *p, int status, const vk_json *body,
                          const char **why_r)
{
    const vk_json *deleted = vk_json_get(body, VK_STR("deleted"));
    if (k->gone(status, body) || (status == 200 && deleted && deleted->type == VK_JSON_BOOL && deleted->u.b))
        return VK_OK;
    if (status == 200)
        return VK_AGAIN;
    vk_str doing = vk_arena_printf(p->arena, "Looking whether %s is gone", k->one);
    return refused(k, p, doing.p ? doing.p : "Looking whether it is gone", status, body, why_r);
}

/* ---- the sweep */

vk_err vk_named_ask_list(const vk_prov_kind *k, vk_prov *p, vk_prov_request *r, const char **why_r)
{
    VK_UNUSED(why_r);
    return ask_page(k, p, r);
}

vk_err vk_named_took_list(const vk_prov_kind *k, vk_prov *p, int status, const vk_json *body,
                          const char **why_r)
{
    const vk_json *all;
    look l = {.pages = 0};
    vk_str after;
    vk_err e = take_page(k, p, status, body, &all, &after, why_r);
    for (const vk_json *one = e == VK_OK ? all->u.child : NULL; one && e == VK_OK; one = one->next) {
        vk_str id = id_of(k, one), name = k->name(one);
        if (id.n && name.n)
            e = vk_prov_found(p, name, id, k->created ? k->created(p, one) : VK_STR_NONE);
    }
    if (e != VK_OK || !after.n)
        return e;
    VK_UNUSED(looks(p, &l));
    e = carry(p, l.pages + 1, after, VK_STR_NONE);
    p->soon = true;
    return e == VK_OK ? VK_AGAIN : e;
}
