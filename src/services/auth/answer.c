/* Answers: headers, CORS, refusals in Clerk's shape. On the loop, but for vk_auth_refusal. */
#include "services/auth/inside.h"

#include "core/encode.h"
#include "core/random.h"

#define JSON "application/json" /* exactly: with a charset behind it the SDKs read a text */
#define SAFE "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n"
#define SERVED "Valetkey-Served-By: embedded\r\n" SAFE

enum { TRACE_BYTES = 16, TRACE = 2 * TRACE_BYTES + 1 };

vk_auth_counts vk_auth_count;

/* A forwarded request's answer says already who serves it. */
static bool said_who(const vk_exchange *ex)
{
    vk_str rest = {ex->extra, ex->n_extra}, line;
    bool yes = false;
    while (!yes && rest.n && vk_str_cut(&rest, '\n', &line))
        yes = vk_str_starts(line, VK_STR("Valetkey-Served-By:"));
    return yes;
}

/* The id of a refusal, as Clerk has one: of chance, and kept nowhere. */
static void make_trace(char out[TRACE])
{
    uint8_t random[TRACE_BYTES];
    vk_random(random, sizeof random);
    vk_hex(out, random, sizeof random);
}

void vk_auth_refusal(vk_exchange *ex, vk_auth_fail why, vk_str param, vk_str client)
{
    char trace[TRACE];
    make_trace(trace);
    vk_buf_clear(&ex->out);
    vk_jw w = vk_jw_on(&ex->out);
    vk_auth_fail_write(&w, why, param, vk_str_z(trace), client);
}

/* What a page of another origin needs to see this answer; nothing when it has no business here. */
static vk_err cors(vk_exchange *ex, const vk_auth_call *c)
{
    if (!c || (c->route && c->route->need == VK_AUTH_NEEDS_BACKEND))
        return VK_OK;
    vk_err e = vk_header_add(ex, "Vary", VK_STR("Origin"));
    if (e != VK_OK || !c->origin[0] || !vk_request_header(ex, VK_STR("origin")).p)
        return e;
    e = vk_header_add(ex, "Access-Control-Allow-Origin", vk_str_z(c->origin));
    if (e == VK_OK)
        e = vk_header_add(ex, "Access-Control-Allow-Credentials", VK_STR("true"));
    if (e == VK_OK)
        e = vk_header_add(ex, "Access-Control-Expose-Headers",
                          VK_STR("Authorization, Clerk-Db-Jwt, x-country"));
    return e;
}

static void refuse(vk_exchange *ex, const vk_auth_call *c, vk_auth_fail why)
{
    vk_count(&vk_auth_count.refused, 1);
    if (why == VK_AUTH_F_UNSUPPORTED)
        vk_count(&vk_auth_count.unsupported, 1);
    if (why == VK_AUTH_F_TOO_MANY) {
        vk_count(&vk_auth_count.limited, 1);
        ex->retry_s = ex->retry_s ? ex->retry_s : 1;
    }
    (void)!cors(ex, c); /* without memory for the headers the page sees that it failed, and not why */
    vk_header_lines(ex, SERVED);
    vk_respond(ex, vk_auth_fail_status(why), JSON);
}

void vk_auth_refuse(vk_exchange *ex, vk_auth_call *c, vk_auth_fail why)
{
    vk_auth_refusal(ex, why, c ? c->param : VK_STR_NONE, VK_STR_NONE);
    refuse(ex, c, why);
}

void vk_auth_refuse_as(vk_exchange *ex, int status, const char *code, vk_str text)
{
    char trace[TRACE], sentence[512];
    make_trace(trace);
    snprintf(sentence, sizeof sentence, VK_STR_FMT, VK_STR_ARG(text));
    vk_count(&vk_auth_count.refused, 1);
    vk_buf_clear(&ex->out);
    vk_jw w = vk_jw_on(&ex->out);
    vk_auth_fail_write_as(&w, code, sentence, vk_str_z(trace));
    if (said_who(ex))
        vk_header_lines(ex, SAFE);
    else
        vk_header_lines(ex, "Valetkey-Served-By: org\r\n" SAFE);
    vk_respond(ex, status, JSON);
}

void vk_auth_refused(vk_auth_call *c)
{
    if (c->ex->out.err != VK_OK)
        vk_auth_refuse(c->ex, c, VK_AUTH_F_INTERNAL);
    else
        refuse(c->ex, c, c->fail);
}

void vk_auth_answer(vk_auth_call *c)
{
    vk_exchange *ex = c->ex;
    vk_err e = cors(ex, c);
    if (e == VK_OK && c->new_browser[0])
        e = vk_header_add(ex, "Clerk-Db-Jwt", vk_str_z(c->new_browser));
    if (e == VK_OK && c->to.p)
        e = vk_header_add(ex, "Location", c->to);
    if (e != VK_OK || ex->out.err != VK_OK) {
        vk_auth_refuse(ex, NULL, VK_AUTH_F_INTERNAL);
        return;
    }
    vk_header_lines(ex, SERVED);
    if (c->to.p) {
        vk_buf_clear(&ex->out);
        vk_respond(ex, 307, NULL);
    } else {
        vk_respond(ex, c->status ? c->status : 200, JSON);
    }
}

void vk_auth_preflight(vk_auth_call *c)
{
    vk_exchange *ex = c->ex;
    vk_str asked = vk_request_header(ex, VK_STR("access-control-request-headers"));
    vk_err e = cors(ex, c);
    if (e == VK_OK && c->origin[0]) {
        e = vk_header_add(ex, "Access-Control-Allow-Methods", VK_STR("GET,POST,PUT,PATCH,DELETE,OPTIONS"));
        if (e == VK_OK && asked.n)
            e = vk_header_add(ex, "Access-Control-Allow-Headers", asked);
        if (e == VK_OK)
            e = vk_header_add(ex, "Access-Control-Max-Age", VK_STR("600"));
    }
    if (e != VK_OK) {
        vk_auth_refuse(ex, NULL, VK_AUTH_F_INTERNAL);
        return;
    }
    vk_header_lines(ex, SERVED);
    vk_respond(ex, 204, NULL);
}

void vk_auth_refuse_engine(vk_exchange *ex, int status, vk_err e, const char *text)
{
    char trace[TRACE];
    make_trace(trace);
    vk_buf_clear(&ex->out);
    vk_jw w = vk_jw_on(&ex->out);
    vk_auth_fail_write_as(&w, e == VK_E_BUSY ? vk_auth_fail_code(VK_AUTH_F_TOO_MANY) : vk_err_name(e), text,
                          vk_str_z(trace));
    if (said_who(ex))
        vk_header_lines(ex, SAFE);
    else
        vk_header_lines(ex, SERVED);
    vk_respond(ex, status, JSON);
}
