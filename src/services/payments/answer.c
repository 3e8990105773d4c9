/* Answers and refusals in Stripe's shape. */
#include "services/payments/inside.h"

#include "core/encode.h"
#include "core/log.h"
#include "core/random.h"
#include "services/payments/html.h"

#include <stdarg.h>

#define JSON "application/json"
#define HTML "text/html; charset=utf-8"
#define SERVED                                                                                               \
    "Valetkey-Served-By: embedded\r\nX-Content-Type-Options: nosniff\r\nCache-Control: no-cache, "           \
    "no-store\r\n"
#define SERVED_ORG "X-Content-Type-Options: nosniff\r\nCache-Control: no-cache, no-store\r\n"
#define SERVED_PAGE                                                                                          \
    SERVED "Referrer-Policy: no-referrer\r\nX-Robots-Tag: noindex\r\nX-Frame-Options: DENY\r\n"              \
           "Cross-Origin-Opener-Policy: same-origin\r\n"
#define LIST "docs/SUPPORTED-CALLS.md"

enum { MESSAGE_MAX = 2000, NOTICE_MAX = 1000, ID_CHARS = 14 };

vk_pay_counts vk_pay_count;

/* ---- refusals, by handlers */

static vk_err refuse(vk_pay_call *c, int status, const char *type, const char *code, vk_str param,
                     vk_str message)
{
    vk_pay_refusal *r = VK_NEW(c->arena, vk_pay_refusal);
    if (!r || !message.p)
        return VK_E_NOMEM;
    *r = (vk_pay_refusal){.status = status, .type = type, .code = code, .param = param, .message = message};
    c->refusal = r;
    return VK_E_INVALID;
}

static vk_str text_of(vk_pay_call *c, const char *fmt, va_list args)
{
    char text[MESSAGE_MAX];
    vsnprintf(text, sizeof text, fmt, args);
    return vk_arena_dup(c->arena, vk_str_z(text));
}

vk_err vk_pay_refuse(vk_pay_call *c, int status, const char *code, const char *param, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vk_str message = text_of(c, fmt, args);
    va_end(args);
    vk_str name = param ? vk_arena_dup(c->arena, vk_str_z(param)) : VK_STR_NONE;
    if (param && !name.p)
        return VK_E_NOMEM;
    return refuse(c, status, "invalid_request_error", code, name, message);
}

vk_err vk_pay_refuse_missing(vk_pay_call *c, const char *param)
{
    return vk_pay_refuse(c, 400, "parameter_missing", param, "Missing required param: %s.", param);
}

vk_err vk_pay_refuse_unknown(vk_pay_call *c, const vk_pay_resource *r, vk_str id, const char *param)
{
    return vk_pay_refuse(c, param ? 400 : 404, "resource_missing", param ? param : "id",
                         "No such %s: '" VK_STR_FMT "'", r->word, VK_STR_ARG(id));
}

vk_err vk_pay_refuse_both(vk_pay_call *c, const char *a, const char *b)
{
    return vk_pay_refuse(c, 400, NULL, a, "You may only specify one of these parameters: %s, %s.", a, b);
}

vk_err vk_pay_refuse_card(vk_pay_call *c, const char *code, const char *decline_code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vk_str message = text_of(c, fmt, args);
    va_end(args);
    vk_err e = refuse(c, 402, "card_error", code, VK_STR_NONE, message);
    if (e == VK_E_INVALID)
        c->refusal->decline_code = decline_code;
    return e;
}

vk_err vk_pay_refuse_absent(vk_pay_call *c, const char *param, const char *what)
{
    vk_count(&vk_pay_count.unsupported, 1);
    return vk_pay_refuse(c, 400, NULL, param, "%s is not supported by valetkey; " LIST " has what is.", what);
}

vk_err vk_pay_refuse_large(vk_pay_call *c)
{
    return vk_pay_refuse(c, 400, NULL, c->expand ? "expand" : NULL,
                         "This request comes to more than can be answered at once. Ask for fewer objects "
                         "(limit), or expand less of them.");
}

void vk_pay_notice(vk_pay_call *c, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vk_str add = text_of(c, fmt, args);
    va_end(args);
    if (!add.p || c->notice.n + add.n > NOTICE_MAX)
        return; /* a notice is for people, and the answer goes without it */
    for (size_t i = 0; i < add.n; i++)
        if ((unsigned char)add.p[i] < ' ' || (unsigned char)add.p[i] > '~')
            return; /* it is a header */
    c->notice = c->notice.n ? vk_arena_printf(c->arena, VK_STR_FMT " " VK_STR_FMT, VK_STR_ARG(c->notice),
                                              VK_STR_ARG(add))
                            : add;
}

/* ---- bodies */

typedef struct error {
    int status;
    const char *type, *code, *decline_code;
    vk_str param, message, charge;
    const char *object_name; /* a member of its own, with the rendered object */
    const vk_pv *object;
} error;

static void text(vk_buf *out, const char *name, vk_str value, bool *first)
{
    if (!value.p)
        return;
    vk_buf_z(out, *first ? "\n    \"" : ",\n    \"");
    vk_buf_z(out, name);
    vk_buf_lit(out, "\": ");
    vk_json_quote(out, value);
    *first = false;
}

/* {"error": {…}}, as the pretty form; what is not there is left out. */
static void write_error(vk_buf *out, const error *x)
{
    bool first = true;
    char doc_url[200];
    vk_buf_lit(out, "{\n  \"error\": {");
    text(out, "charge", x->charge, &first);
    if (x->code) {
        snprintf(doc_url, sizeof doc_url, "https://stripe.com/docs/error-codes/%s", x->code);
        for (char *p = doc_url; *p; p++)
            if (*p == '_')
                *p = '-';
        text(out, "code", vk_str_z(x->code), &first);
        text(out, "decline_code", vk_str_z(x->decline_code), &first);
        text(out, "doc_url", vk_str_z(doc_url), &first);
    }
    text(out, "message", x->message, &first);
    text(out, "param", x->param, &first);
    if (x->object) {
        vk_buf_z(out, first ? "\n    \"" : ",\n    \"");
        vk_buf_z(out, x->object_name);
        vk_buf_lit(out, "\": ");
        vk_pv_write_pretty(out, x->object);
        first = false;
    }
    text(out, "type", vk_str_z(x->type), &first);
    vk_buf_lit(out, "\n  }\n}\n");
}

static error broken(vk_err e)
{
    bool busy = e == VK_E_BUSY || e == VK_E_UNAVAILABLE;
    return (error){.status = busy             ? 429
                             : e == VK_E_FULL ? 400
                                              : 500,
                   .type = busy || e == VK_E_FULL ? "invalid_request_error" : "api_error",
                   .code = busy ? "rate_limit" : NULL,
                   .message = busy ? VK_STR("Too many requests are waiting for this build. Try again.")
                              : e == VK_E_FULL ? VK_STR("There is no room left for this build's payments.")
                                               : VK_STR("An error occurred in valetkey.")};
}

void vk_pay_error_body(vk_pay_call *c, vk_err e, vk_buf *out, int *status_r)
{
    const vk_pay_refusal *r = c->refusal;
    error x = broken(e);
    vk_buf_clear(out);
    if (r && e == VK_E_INVALID) {
        x = (error){r->status, r->type, r->code, r->decline_code, r->param, r->message,
                    r->charge, NULL,    NULL};
        vk_pv *object;
        if (r->object && vk_pay_render_for(c, r->about, r->object, c->version, &object) == VK_OK) {
            x.object_name = r->about->object;
            x.object = object;
        }
    } else if (x.status == 500) {
        vk_log(VK_WARN, "a call of an app's payments could not be done", VK_F(build, c->about->build),
               VK_F(error, vk_err_name(e)));
    }
    write_error(out, &x);
    *status_r = x.status;
}

/* ---- going out */

void vk_pay_request_id(char out[20])
{
    size_t have = 0;
    memcpy(out, "req_", 4);
    while (have < ID_CHARS) {
        uint8_t bytes[32];
        vk_random(bytes, sizeof bytes);
        have += vk_base62_fill(out + 4 + have, ID_CHARS - have, bytes, sizeof bytes);
    }
    out[4 + ID_CHARS] = '\0';
}

/* The policy of a page: nothing but our own styles and pictures, and forms that lead here. */
#define POLICY(forms)                                                                                        \
    "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; connect-src 'self'; "    \
    "form-action 'self'" forms "; base-uri 'none'; frame-ancestors 'none'"

static vk_err page_policy(vk_exchange *ex, const vk_pay_call *c)
{
    return vk_header_add(ex, "Content-Security-Policy",
                         c && c->leads_on ? VK_STR(POLICY(" http: https:")) : VK_STR(POLICY("")));
}

static vk_err api_headers(vk_exchange *ex, const vk_pay_call *c, int status)
{
    char fresh[20];
    vk_err e = VK_OK;
    if (!c || !c->request_id[0])
        vk_pay_request_id(fresh);
    e = vk_header_add(ex, "Request-Id", vk_str_z(c && c->request_id[0] ? c->request_id : fresh));
    if (e == VK_OK && c && c->version_name[0])
        e = vk_header_add(ex, "Stripe-Version", vk_str_z(c->version_name));
    if (e == VK_OK && c && c->idempotency_key.p)
        e = vk_header_add(ex, "Idempotency-Key", c->idempotency_key);
    if (e == VK_OK && c && c->original_request.p) {
        e = vk_header_add(ex, "Idempotent-Replayed", VK_STR("true"));
        if (e == VK_OK)
            e = vk_header_add(ex, "Original-Request", c->original_request);
    }
    if (e == VK_OK && c && c->notice.n)
        e = vk_header_add(ex, "Stripe-Notice", c->notice);
    if (e == VK_OK && status >= 400)
        e = vk_header_add(ex, "Stripe-Should-Retry",
                          status == 429 || status >= 500 ? VK_STR("true") : VK_STR("false"));
    if (e == VK_OK && status == 401)
        e = vk_header_add(ex, "WWW-Authenticate", VK_STR("Basic realm=\"Stripe\""));
    return e;
}

void vk_pay_answer(vk_exchange *ex, const vk_pay_call *c, int status)
{
    bool page = c && c->ep && c->ep->verb == VK_PAY_PAGE;
    vk_err e = page ? page_policy(ex, c) : api_headers(ex, c, status);
    if (e == VK_OK && page && c->to.p)
        e = vk_header_add(ex, "Location", c->to);
    if (status == 429 && !ex->retry_s)
        ex->retry_s = 1;
    if (status >= 400)
        vk_count(&vk_pay_count.refused, 1);
    if (status == 429)
        vk_count(&vk_pay_count.limited, 1);
    if (e == VK_OK && ex->out.err == VK_OK) {
        if (page)
            vk_header_lines(ex, SERVED_PAGE);
        else
            vk_header_lines(ex, SERVED);
        vk_respond(ex, status, page ? (c->to.p ? NULL : c->content_type ? c->content_type : HTML) : JSON);
        return;
    }
    vk_buf_clear(&ex->out);
    error x = broken(VK_E_NOMEM);
    write_error(&ex->out, &x);
    vk_header_lines(ex, SERVED);
    vk_respond(ex, 500, JSON);
}

/* Whether the answer says already who serves it. */
static bool said_who(const vk_exchange *ex)
{
    vk_str rest = {ex->extra, ex->n_extra}, line;
    bool yes = false;
    while (!yes && rest.n && vk_str_cut(&rest, '\n', &line))
        yes = vk_str_starts(line, VK_STR("Valetkey-Served-By:"));
    return yes;
}

void vk_pay_org_error(vk_exchange *ex, const vk_pay_org *o)
{
    char id[20];
    const error x = {.status = o->status,
                     .type = o->status >= 500 ? "api_error" : "invalid_request_error",
                     .code = o->code,
                     .param = o->param,
                     .message = o->message};
    vk_buf_clear(&ex->out);
    write_error(&ex->out, &x);
    vk_pay_request_id(id);
    vk_err e = vk_header_add(ex, "Request-Id", vk_str_z(id));
    if (e == VK_OK)
        e = vk_header_add(ex, "Stripe-Should-Retry", o->retry ? VK_STR("true") : VK_STR("false"));
    if (e == VK_OK && !said_who(ex))
        e = vk_header_add(ex, "Valetkey-Served-By", VK_STR("org"));
    if (o->retry && !ex->retry_s)
        ex->retry_s = 1;
    vk_count(&vk_pay_count.refused, 1);
    vk_header_lines(ex, SERVED_ORG);
    vk_respond(ex, e == VK_OK && ex->out.err == VK_OK ? o->status : 500, JSON);
}

void vk_pay_org_answer(vk_exchange *ex, int status)
{
    if (status >= 400)
        vk_count(&vk_pay_count.refused, 1);
    vk_header_lines(ex, SERVED_ORG);
    vk_respond(ex, status, JSON);
}

/* sk_test_…: its kind and its last four characters. */
static void mask(vk_str key, char out[40])
{
    size_t head = 0;
    for (size_t under = 0; head < key.n && head < 8 && under < 2; head++)
        under += key.p[head] == '_';
    bool known = vk_str_starts(key, VK_STR("sk_")) || vk_str_starts(key, VK_STR("pk_")) ||
                 vk_str_starts(key, VK_STR("rk_"));
    bool plain = key.n > 16;
    for (size_t i = 0; i < key.n && plain; i++)
        plain = (key.p[i] >= '0' && key.p[i] <= '9') || ((key.p[i] | 32) >= 'a' && (key.p[i] | 32) <= 'z') ||
                key.p[i] == '_';
    if (known && plain)
        snprintf(out, 40, "%.*s****%.4s", (int)head, key.p, key.p + key.n - 4);
    else
        snprintf(out, 40, "****");
}

static const struct {
    int status;
    const char *type, *code, *message;
} nos[] = {
    [VK_PAY_NO_KEY] =
        {401, "invalid_request_error", NULL,
         "You did not provide an API key. You need to provide your API key in the Authorization "
         "header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See "
         "https://stripe.com/docs/api#authentication for details, or we can help at "
         "https://support.stripe.com/."},
    [VK_PAY_BAD_KEY] = {401, "invalid_request_error", NULL, "Invalid API Key provided: %s"},
    [VK_PAY_OLD_KEY] = {401, "invalid_request_error", "api_key_expired", "Expired API Key provided: %s"},
    [VK_PAY_PUBLISHABLE] =
        {403, "invalid_request_error", "secret_key_required",
         "This API call cannot be made with a publishable API key. Please use a secret API "
         "key. You can find a list of your API keys at "
         "https://dashboard.stripe.com/account/apikeys."},
    [VK_PAY_NO_ROUTE] =
        {404, "invalid_request_error", NULL,
         "Unrecognized request URL (%s). If you are trying to list objects, remove the "
         "trailing slash. If you are trying to retrieve an object, make sure you passed a "
         "valid (non-empty) identifier in your code. Please see https://stripe.com/docs or we "
         "can help at https://support.stripe.com/."},
    [VK_PAY_ABSENT] = {404, "invalid_request_error", NULL,
                       "This call (%s) is not supported by valetkey; " LIST " has what is."},
    [VK_PAY_TOO_MANY] = {429, "invalid_request_error", "rate_limit",
                         "Too many requests in too short a time. Try again."},
    [VK_PAY_BROKEN] = {500, "api_error", NULL, "An error occurred in valetkey."},
};

static void no_page(vk_exchange *ex, int status, const char *title, const char *why)
{
    vk_pay_endpoint page = {.verb = VK_PAY_PAGE};
    vk_pay_call c = {.ex = ex, .ep = &page};
    vk_buf_clear(&ex->out);
    vk_html_note(&ex->out, "bad", title, why, VK_STR_NONE, "");
    vk_pay_answer(ex, &c, status);
}

static bool is_page(const vk_exchange *ex)
{
    const vk_pay_call *c = ex->ctx;
    return c && c->ep && c->ep->verb == VK_PAY_PAGE;
}

void vk_pay_no_answer(vk_exchange *ex, vk_pay_no why, vk_str given)
{
    char shown[400], message[1200];
    if (why == VK_PAY_NO_PAGE) {
        no_page(ex, 404, "Page not found",
                "This page does not exist, or it was closed. Go back to the shop and begin again.");
        return;
    }
    if (why == VK_PAY_FOREIGN_PAGE) {
        no_page(ex, 403, "Form refused",
                "This form was not sent by this page. Go back to the shop and begin again.");
        return;
    }
    if (why == VK_PAY_BROKEN_PAGE) {
        no_page(ex, 500, "Something went wrong",
                "This could not be done, and nothing was charged. Try again.");
        return;
    }
    if (why == VK_PAY_TOO_MANY && is_page(ex)) {
        no_page(ex, 429, "Too many requests", "Too much was asked in too short a time. Wait, and try again.");
        return;
    }
    if (why == VK_PAY_ABSENT)
        vk_count(&vk_pay_count.unsupported, 1);
    if (why == VK_PAY_BAD_KEY || why == VK_PAY_OLD_KEY)
        mask(given, shown);
    else
        snprintf(shown, sizeof shown, "%.*s: %.*s", (int)(ex->method.n < 16 ? ex->method.n : 16),
                 ex->method.p, (int)(ex->path.n < 300 ? ex->path.n : 300), ex->path.p);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(message, sizeof message, nos[why].message, shown);
#pragma GCC diagnostic pop
    error x = {.status = nos[why].status,
               .type = nos[why].type,
               .code = nos[why].code,
               .message = vk_str_z(message)};
    vk_buf_clear(&ex->out);
    write_error(&ex->out, &x);
    vk_pay_answer(ex, NULL, x.status);
}

static void refuse_now(vk_exchange *ex, const error *x)
{
    if (is_page(ex)) {
        no_page(ex, x->status, "This form cannot be read", x->message.p);
        return;
    }
    vk_buf_clear(&ex->out);
    write_error(&ex->out, x);
    vk_pay_answer(ex, NULL, x->status);
}

void vk_pay_refuse_engine(vk_exchange *ex, int status, vk_err e, const char *message)
{
    const error x = {.status = status,
                     .type = status >= 500 ? "api_error" : "invalid_request_error",
                     .code = e == VK_E_BUSY ? "rate_limit" : NULL,
                     .message = vk_str_z(message)};
    refuse_now(ex, &x);
}

void vk_pay_refuse_param(vk_exchange *ex, vk_str param, const char *message)
{
    const error x = {
        .status = 400, .type = "invalid_request_error", .param = param, .message = vk_str_z(message)};
    refuse_now(ex, &x);
}
