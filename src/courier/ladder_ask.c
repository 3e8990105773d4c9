#include "courier/ladder_ask.h"

#include "crypto/sigv4_sign.h"

static vk_str text_of(const vk_json *o, const char *name)
{
    return vk_json_str(vk_json_get(o, vk_str_z(name)));
}

static const vk_json *members(const vk_json *o)
{
    return o && o->type == VK_JSON_OBJECT ? o->u.child : NULL;
}

/* ---- the request */

typedef struct request {
    vk_outbound_ask ask;
    vk_buf body;
    size_t n;
    vk_outbound_header headers[VK_OUTBOUND_HEADERS];
} request;

static vk_err header(request *x, vk_str name, vk_str value)
{
    if (!value.p)
        return VK_E_NOMEM;
    if (vk_str_eqz(name, "content-type")) {
        x->ask.content_type = value;
        return VK_OK;
    }
    if (x->n == VK_OUTBOUND_HEADERS)
        return VK_E_INTERNAL;
    x->headers[x->n++] = (vk_outbound_header){name, value};
    return VK_OK;
}

static vk_err put_headers(const vk_ask_setup *s, request *x)
{
    vk_err e = VK_OK;
    for (const vk_json *h = members(vk_json_get(s->call, VK_STR("headers"))); e == VK_OK && h; h = h->next)
        e = header(x, h->key, vk_filled(s->a, s->vars, vk_json_str(h)));
    return e;
}

static vk_err put_body(const vk_ask_setup *s, request *x)
{
    const vk_json *form = vk_json_get(s->call, VK_STR("form")), *body = vk_json_get(s->call, VK_STR("body"));
    vk_buf_init(&x->body, VK_FILL_MAX);
    x->body.secret = true;
    if (body)
        vk_fill(s->vars, vk_json_str(body), VK_FILL_JSON, &x->body);
    for (const vk_json *f = members(form); f; f = f->next) {
        if (f != form->u.child)
            vk_buf_ch(&x->body, '&');
        vk_percent(&x->body, f->key, false);
        vk_buf_ch(&x->body, '=');
        vk_str value = vk_filled(s->a, s->vars, vk_json_str(f));
        if (!value.p)
            return VK_E_NOMEM;
        vk_percent(&x->body, value, false);
    }
    x->ask.body = vk_buf_view(&x->body);
    if (form)
        x->ask.content_type = VK_STR("application/x-www-form-urlencoded");
    return x->body.err;
}

/* Everything between the scheme's slashes and the path, and what follows. */
static bool split(vk_str url, vk_str *authority_r, vk_str *path_r, vk_str *query_r)
{
    vk_str rest = url, scheme;
    if (!vk_str_cut(&rest, ':', &scheme) || !vk_str_starts(rest, VK_STR("//")))
        return false;
    rest = (vk_str){rest.p + 2, rest.n - 2};
    size_t n = 0;
    while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?')
        n++;
    *authority_r = (vk_str){rest.p, n};
    rest = (vk_str){rest.p + n, rest.n - n};
    if (!vk_str_cut(&rest, '?', path_r)) {
        *path_r = rest;
        rest = VK_STR("");
    }
    *query_r = rest;
    if (!path_r->n)
        *path_r = VK_STR("/");
    return true;
}

static vk_err sign(const vk_ask_setup *s, request *x)
{
    vk_sigv4_pair pairs[VK_SIGV4_SIGN_HEADERS];
    vk_sigv4_signed *out = VK_NEW(s->a, vk_sigv4_signed); /* its texts must outlive this call */
    size_t n = 0;
    if (!out)
        return VK_E_NOMEM;
    if (x->n >= VK_SIGV4_SIGN_HEADERS)
        return VK_E_INTERNAL;
    for (; n < x->n; n++)
        pairs[n] = (vk_sigv4_pair){x->headers[n].name, x->headers[n].value};
    if (x->ask.content_type.n)
        pairs[n++] = (vk_sigv4_pair){VK_STR("content-type"), x->ask.content_type};
    vk_sigv4_signing g = {.method = x->ask.method,
                          .headers = pairs,
                          .n_headers = n,
                          .body = x->ask.body,
                          .id = vk_vars_get(s->vars, VK_STR("R2_ACCESS_KEY_ID")),
                          .region = vk_vars_get(s->vars, VK_STR("s3_region")),
                          .secret = vk_secret_of(vk_vars_get(s->vars, VK_STR("R2_SECRET_ACCESS_KEY"))),
                          .now_ms = s->q->now_ms};
    if (!split(x->ask.url, &g.host, &g.path, &g.query))
        return VK_E_INTERNAL;
    vk_err e = vk_sigv4_sign(s->a, &g, out);
    if (e == VK_OK)
        e = header(x, VK_STR("x-amz-date"), vk_str_z(out->date));
    if (e == VK_OK)
        e = header(x, VK_STR("x-amz-content-sha256"), vk_str_z(out->payload));
    return e == VK_OK ? header(x, VK_STR("authorization"), out->authorization) : e;
}

static vk_err authorize(const vk_ask_setup *s, request *x)
{
    vk_str auth = text_of(s->call, "auth"), kind;
    if (vk_str_eqz(auth, "s3"))
        return sign(s, x);
    if (!auth.n)
        return VK_OK;
    if (!vk_str_cut(&auth, ':', &kind) || !vk_str_eqz(kind, "bearer"))
        return VK_E_INTERNAL;
    return header(x, VK_STR("authorization"),
                  vk_arena_printf(s->a, "Bearer " VK_STR_FMT, VK_STR_ARG(vk_vars_get(s->vars, auth))));
}

/* "https://[::1]:443/" is "::1". */
static vk_str host_of(vk_str url)
{
    vk_str authority, path, query, host;
    if (!split(url, &authority, &path, &query))
        return VK_STR("");
    const char *end = authority.n && authority.p[0] == '[' ? memchr(authority.p, ']', authority.n) : NULL;
    if (end)
        return (vk_str){authority.p + 1, (size_t)(end - authority.p) - 1};
    return vk_str_cut(&authority, ':', &host) ? host : authority;
}

/* ---- what came back */

static bool code_ok(vk_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              strchr("_.-", c)) ||
            !c)
            return false;
    }
    return s.n >= 1 && s.n <= VK_CODE_MAX;
}

/* What is between "<Code>" and "</Code>"; VK_STR_NONE: nothing is. */
static vk_str element(vk_str text, vk_str open)
{
    char close[80];
    const char *from = text.n && open.n ? memmem(text.p, text.n, open.p, open.n) : NULL;
    int n = snprintf(close, sizeof close, "</" VK_STR_FMT, (int)(open.n ? open.n - 1 : 0), open.p + 1);
    if (!from || n < 0 || (size_t)n >= sizeof close)
        return VK_STR_NONE;
    from += open.n;
    size_t left = (size_t)(text.p + text.n - from);
    const char *to = memmem(from, left, close, (size_t)n);
    return to ? (vk_str){from, (size_t)(to - from)} : VK_STR_NONE;
}

/* The vendor's word for what is wrong: the first of the service's places that has one. */
static vk_str code_of(const vk_ask_setup *s, const vk_heard *heard)
{
    const vk_json *list = s->codes && s->codes->type == VK_JSON_ARRAY ? s->codes->u.child : NULL;
    for (; list; list = list->next) {
        vk_str where = vk_json_str(list);
        vk_str code = vk_str_starts(where, VK_STR("<")) ? element(heard->body, where)
                                                        : vk_json_text(s->a, vk_json_at(heard->json, where));
        if (code_ok(code))
            return code;
    }
    return VK_STR("");
}

static const char *why_of(vk_outbound_lack lack)
{
    switch (lack) {
    case VK_LACK_INVALID:
        return "invalid";
    case VK_LACK_GUARD:
        return "guard";
    case VK_LACK_NAME:
        return "dns";
    case VK_LACK_TLS:
        return "tls";
    case VK_LACK_TIME:
        return "timeout";
    case VK_LACK_SIZE:
        return "too_large";
    default:
        return "unreachable";
    }
}

static void describe(const vk_ask_setup *s, bool sql, const vk_outbound_answer *answer, vk_heard *heard)
{
    *heard = (vk_heard){.status = answer->status};
    if (!answer->status) {
        heard->why = why_of(answer->lack);
        return;
    }
    heard->head = vk_buf_view(&answer->head);
    if (sql) {
        heard->code = vk_buf_view(&answer->body);
        return;
    }
    vk_json *json;
    heard->body = vk_buf_view(&answer->body);
    if (vk_json_parse(s->a, heard->body, &json, NULL, NULL) == VK_OK)
        heard->json = json;
    heard->code = code_of(s, heard);
}

vk_err vk_ladder_ask(const vk_ask_setup *s, vk_buf *body, vk_buf *head, vk_heard *heard_r, vk_str *shown_r)
{
    request x = {.ask = {.method = text_of(s->call, "method"), .body_max = VK_OUTBOUND_BODY_MAX}};
    vk_buf url;
    bool sql = vk_str_eqz(x.ask.method, "SQL");
    vk_buf_init(&url, VK_FILL_MAX);
    url.secret = true; /* a query may have what an answer gave */
    vk_fill(s->vars, text_of(s->call, "url"), VK_FILL_URL, &url);
    vk_str target = url.err ? VK_STR_NONE : vk_arena_dup(s->a, vk_buf_view(&url)), before;
    vk_buf_free_secret(&url);
    if (!target.p)
        return VK_E_NOMEM;
    vk_str query = target;
    if (!vk_str_cut(&query, '?', &before))
        before = target;
    *shown_r = vk_arena_printf(s->a, VK_STR_FMT " " VK_STR_FMT, VK_STR_ARG(x.ask.method), VK_STR_ARG(before));
    vk_err e = vk_vars_set(s->vars, VK_STR("host"), host_of(target), VK_VAR_PLAIN);
    x.ask.url = sql ? vk_vars_get(s->vars, text_of(s->rule, "field")) : target;
    if (e == VK_OK)
        e = put_headers(s, &x);
    if (e == VK_OK)
        e = put_body(s, &x);
    if (e == VK_OK)
        e = authorize(s, &x);
    x.ask.headers = x.headers;
    x.ask.n_headers = x.n;
    if (e == VK_OK && !shown_r->p)
        e = VK_E_NOMEM;
    if (e == VK_OK) {
        vk_outbound_answer answer = {.body = *body, .head = *head};
        vk_err sent = s->late ? VK_E_TIMEOUT : (sql ? s->q->sql : s->q->send)(s->q->arg, &x.ask, &answer);
        if (s->late)
            answer.lack = VK_LACK_TIME;
        if (sent != VK_OK)
            answer.status = 0;
        *body = answer.body;
        *head = answer.head;
        describe(s, sql, &answer, heard_r);
    }
    vk_buf_free_secret(&x.body);
    return e;
}

/* ---- what is read from it */

static bool usable(vk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return false;
    return s.p && s.n <= VK_READ_MAX;
}

/* "word:rak_": from there on, letters, digits and "_". */
static vk_str word(vk_str text, vk_str beginning)
{
    const char *at = text.n && beginning.n ? memmem(text.p, text.n, beginning.p, beginning.n) : NULL;
    if (!at)
        return VK_STR_NONE;
    vk_str out = {at, 0}, left = {at, (size_t)(text.p + text.n - at)};
    while (out.n < left.n && (code_ok((vk_str){at + out.n, 1}) && at[out.n] != '.' && at[out.n] != '-'))
        out.n++;
    return out;
}

static vk_str read_one(const vk_ask_setup *s, const vk_heard *heard, vk_str where)
{
    vk_str kind, rest = where;
    if (!heard->status)
        return VK_STR_NONE;
    if (vk_str_starts(where, VK_STR("/")))
        return vk_json_text(s->a, vk_json_at(heard->json, where));
    if (!vk_str_cut(&rest, ':', &kind))
        return VK_STR_NONE;
    return vk_str_eqz(kind, "header") ? vk_heard_header(heard, rest) : word(heard->body, rest);
}

vk_err vk_ladder_read(const vk_ask_setup *s, const vk_heard *heard)
{
    static const char tail[] = "_secret";
    vk_err e = VK_OK;
    for (const vk_json *r = members(vk_json_get(s->rule, VK_STR("read"))); e == VK_OK && r; r = r->next) {
        vk_str found = read_one(s, heard, vk_json_str(r));
        vk_str kept = vk_arena_dup(s->a, usable(found) ? found : VK_STR(""));
        bool secret = r->key.n > sizeof tail - 1 &&
                      vk_str_eqz((vk_str){r->key.p + r->key.n - (sizeof tail - 1), sizeof tail - 1}, tail);
        e = kept.p ? vk_vars_set(s->vars, r->key, kept, secret ? VK_VAR_SECRET : VK_VAR_PLAIN) : VK_E_NOMEM;
    }
    return e;
}
