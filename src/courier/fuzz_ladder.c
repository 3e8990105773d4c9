/* Any texts as what somebody typed, any bytes as what vendors answer: the report is JSON of the documented
 * shape, every secret stays out of it, and no request leaves the place that its rule names. */
#include "courier/ladder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define CHECK(x) ((x) ? (void)0 : abort())

typedef struct input {
    const uint8_t *p;
    size_t n;
    const char *service;
    size_t asked;
} input;

static uint8_t byte(input *in)
{
    if (!in->n)
        return 0;
    in->n--;
    return *in->p++;
}

/* Up to the next newline. */
static vk_str line(input *in, size_t most)
{
    vk_str s = {(const char *)in->p, 0};
    while (s.n < in->n && s.n < most && in->p[s.n] != '\n')
        s.n++;
    in->p += s.n;
    in->n -= s.n;
    if (in->n && *in->p == '\n')
        (void)byte(in);
    return s;
}

static bool printable(vk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < ' ' || s.p[i] > '~')
            return false;
    return true;
}

/* Every URL is read in one way, and of a vendor whose address is fixed it is that one. */
static void look(const input *in, const vk_outbound_ask *ask)
{
    vk_target t;
    const char *why;
    if (vk_str_eqz(ask->method, "SQL"))
        return;
    bool read = vk_target_parse(ask->url, &t, &why) == VK_OK;
    if (strcmp(in->service, "stripe") == 0)
        CHECK(read && t.tls && t.port == 443 && strcmp(t.host, "api.stripe.com") == 0);
    if (strcmp(in->service, "clerk") == 0 && vk_str_starts(ask->url, VK_STR("https://api.clerk.com")))
        CHECK(read && t.tls && t.port == 443 && strcmp(t.host, "api.clerk.com") == 0);
    CHECK(vk_str_starts(ask->url, VK_STR("https://")));
    for (size_t i = 0; i < ask->n_headers; i++)
        CHECK(vk_outbound_header_ok(&ask->headers[i]));
    CHECK(printable(ask->content_type) && ask->n_headers <= VK_OUTBOUND_HEADERS);
}

static vk_err answer_any(void *arg, const vk_outbound_ask *ask, vk_outbound_answer *answer)
{
    static const int statuses[] = {200, 200, 200, 204, 301, 400, 401, 403, 404, 412, 429, 500, 501, 0, 0, 99};
    input *in = arg;
    uint8_t kind = byte(in);
    CHECK(++in->asked <= VK_LADDER_CHECKS_MAX);
    look(in, ask);
    answer->status = statuses[kind % VK_COUNT(statuses)];
    answer->lack = (vk_outbound_lack)(answer->status ? 0 : 1 + kind / VK_COUNT(statuses) % 7);
    if (!answer->status)
        return VK_E_UNAVAILABLE;
    vk_str head = line(in, 200);
    if (head.n && printable(head)) {
        vk_buf_str(&answer->head, head);
        vk_buf_lit(&answer->head, "\r\n");
    }
    vk_buf_str(&answer->body, line(in, 4096));
    return VK_OK;
}

/* An object of what was typed. */
static vk_json *type_values(vk_arena *a, input *in, const vk_json *service)
{
    vk_json *o = VK_NEW(a, vk_json), **tail = &o->u.child;
    o->type = VK_JSON_OBJECT;
    for (const vk_json *f = vk_rules_fields(service); f; f = f->next) {
        vk_json *v = VK_NEW(a, vk_json);
        *v = (vk_json){.key = vk_json_str(vk_json_get(f, VK_STR("env"))), .type = VK_JSON_STRING};
        v->u.s = line(in, 2 * VK_KEY_VALUE_MAX);
        *tail = v;
        tail = &v->next;
        o->count++;
    }
    return o;
}

static void look_at_report(vk_arena *a, const vk_json *service, const vk_json *values, vk_str text)
{
    vk_json *o;
    CHECK(vk_json_parse(a, text, &o, NULL, NULL) == VK_OK);
    const vk_json *checks = vk_json_get(o, VK_STR("checks"));
    CHECK(checks && checks->count > 0 && checks->count <= VK_LADDER_CHECKS_MAX);
    for (const vk_json *c = checks->u.child; c; c = c->next) {
        vk_str v = vk_json_str(vk_json_get(c, VK_STR("verdict")));
        CHECK(vk_str_eqz(v, "pass") || vk_str_eqz(v, "limited") || vk_str_eqz(v, "fail") ||
              vk_str_eqz(v, "unknown") || vk_str_eqz(v, "skipped"));
        for (const vk_json *m = c->u.child; m; m = m->next)
            for (const vk_json *f = vk_rules_fields(service); f && m->type == VK_JSON_STRING; f = f->next) {
                const vk_json *secret = vk_json_get(f, VK_STR("secret"));
                vk_str value = vk_json_str(vk_json_get(values, vk_json_str(vk_json_get(f, VK_STR("env")))));
                /* Long ones alone: the rules' own sentences have every short text. */
                if (secret->u.b && value.n >= 40)
                    CHECK(!memmem(m->u.s.p, m->u.s.n, value.p, value.n));
            }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char *const services[] = {"clerk", "database", "storage", "stripe"};
    input in = {.p = data, .n = n};
    in.service = services[byte(&in) % VK_COUNT(services)];
    vk_arena *a = vk_arena_new(VK_LADDER_ARENA);
    const vk_json *rules;
    vk_buf out;
    vk_buf_init(&out, 2 * VK_LADDER_REPORT_MAX);
    CHECK(a && vk_rules_read(a, &rules) == VK_OK);
    const vk_json *service = vk_rules_service(rules, vk_str_z(in.service));
    const vk_json *values = type_values(a, &in, service);
    const vk_ladder q = {.rules = rules,
                         .service = vk_str_z(in.service),
                         .values = values,
                         .now_ms = 1795953600000,
                         .probe = "00112233445566778899aabbccddeeff",
                         .send = answer_any,
                         .sql = n % 2 ? answer_any : NULL,
                         .arg = &in};
    vk_err e = vk_ladder_run(a, &q, &out);
    CHECK(e == VK_OK || e == VK_E_NOMEM || e == VK_E_TOO_LARGE);
    if (e == VK_OK)
        look_at_report(a, service, values, vk_buf_view(&out));
    vk_buf_free(&out);
    vk_arena_free(a);
    return 0;
}
