/* The vectors that the settings page's own checks were tried on (tests/data/validation): what was typed, each
 * request that must be made with the answer that it gets, and the report that must come out. Here a script
 * takes courier's place. */
#include "courier/ladder.h"

#include "core/clock.h"
#include "core/disk.h"
#include "courier/key_facts.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

enum { FILE_MAX = 1024 * 1024 };

static const vk_json *rules;
static vk_arena *table;

static int set_up(void **state)
{
    VK_UNUSED(state);
    table = vk_arena_new(VK_RULES_ARENA);
    return table && vk_rules_read(table, &rules) == VK_OK ? 0 : -1; /* no vk_digest_init, as in courier */
}

static int tear_down(void **state)
{
    VK_UNUSED(state);
    vk_arena_free(table);
    return 0;
}

static const vk_json *at(const vk_json *list, int64_t i)
{
    const vk_json *v = list->u.child;
    while (v && i-- > 0)
        v = v->next;
    return v;
}

static vk_str text(const vk_json *o, const char *name)
{
    return vk_json_str(vk_json_get(o, vk_str_z(name)));
}

/* Whole values, whatever the order of their members. */
static bool same(const vk_json *x, const vk_json *y)
{
    if (!x || !y || x->type != y->type)
        return false;
    switch (x->type) {
    case VK_JSON_NULL:
        return true;
    case VK_JSON_BOOL:
        return x->u.b == y->u.b;
    case VK_JSON_INT:
        return x->u.i == y->u.i;
    case VK_JSON_DOUBLE:
        return x->u.d == y->u.d;
    case VK_JSON_STRING:
        return vk_str_eq(x->u.s, y->u.s);
    default:
        break;
    }
    if (x->count != y->count)
        return false;
    for (const vk_json *a = x->u.child, *b = y->u.child; a; a = a->next, b = b->next)
        if (!same(a, x->type == VK_JSON_ARRAY ? b : vk_json_get(y, a->key)))
            return false;
    return true;
}

/* ---- the script */

typedef struct script {
    const char *vector;
    const vk_json *steps, *next; /* all of them; the number of the one that comes now */
} script;

static void expect(const script *s, bool good, const char *what, vk_str got, vk_str want)
{
    if (!good)
        fail_msg("%s: %s is\n" VK_STR_FMT "\nand not\n" VK_STR_FMT, s->vector, what, VK_STR_ARG(got),
                 VK_STR_ARG(want));
}

static void expect_text(const script *s, const char *what, vk_str got, vk_str want)
{
    expect(s, vk_str_eq(got, want), what, got, want);
}

static void expect_headers(const script *s, const vk_outbound_ask *ask, const vk_json *want)
{
    size_t n = ask->n_headers + (ask->content_type.n > 0);
    const vk_json *headers = vk_json_get(want, VK_STR("headers"));
    expect_text(s, "the content type", ask->content_type, text(headers, "content-type"));
    for (size_t i = 0; i < ask->n_headers; i++) {
        const vk_outbound_header *h = &ask->headers[i];
        expect_text(s, "a header", h->value, vk_json_str(vk_json_get(headers, h->name)));
        assert_true(vk_outbound_header_ok(h));
    }
    if (n != headers->count)
        fail_msg("%s: %zu headers, not %u", s->vector, n, headers->count);
}

static vk_outbound_lack lack_of(vk_str none)
{
    static const struct {
        const char *word;
        vk_outbound_lack lack;
    } words[] = {{"timeout", VK_LACK_TIME},   {"dns", VK_LACK_NAME},       {"tls", VK_LACK_TLS},
                 {"guard", VK_LACK_GUARD},    {"too_large", VK_LACK_SIZE}, {"unreachable", VK_LACK_REACH},
                 {"invalid", VK_LACK_INVALID}};
    for (size_t i = 0; i < VK_COUNT(words); i++)
        if (vk_str_eqz(none, words[i].word))
            return words[i].lack;
    fail_msg("no answer for the reason " VK_STR_FMT, VK_STR_ARG(none));
    return VK_LACK_NOTHING;
}

static vk_err play(void *arg, const vk_outbound_ask *ask, vk_outbound_answer *answer)
{
    script *s = arg;
    if (!s->next)
        fail_msg("%s: nobody expected " VK_STR_FMT " " VK_STR_FMT, s->vector, VK_STR_ARG(ask->method),
                 VK_STR_ARG(ask->url));
    const vk_json *step = at(s->steps, s->next->u.i), *want = vk_json_get(step, VK_STR("expect")),
                  *give = vk_json_get(step, VK_STR("answer"));
    int64_t status;
    s->next = s->next->next;
    expect_text(s, "the method", ask->method, text(want, "method"));
    expect_text(s, "the URL", ask->url, text(want, "url"));
    expect_text(s, "the body", ask->body, text(want, "body"));
    expect_headers(s, ask, want);
    if (vk_json_get(give, VK_STR("none"))) {
        answer->lack = lack_of(text(give, "none"));
        return VK_E_UNAVAILABLE;
    }
    assert_int_equal(vk_json_i64(vk_json_get(give, VK_STR("status")), &status), VK_OK);
    answer->status = (int)status;
    vk_buf_str(&answer->body, text(give, vk_str_eqz(ask->method, "SQL") ? "code" : "body"));
    const vk_json *headers = vk_json_opt(give, VK_STR("headers"));
    for (const vk_json *h = headers ? headers->u.child : NULL; h; h = h->next)
        vk_buf_printf(&answer->head, VK_STR_FMT ": " VK_STR_FMT "\r\n", VK_STR_ARG(h->key),
                      VK_STR_ARG(h->u.s));
    return VK_OK;
}

/* ---- the report */

/* Of what the vector has, every member, and nothing else but the times of calls. */
static void expect_report(const script *s, vk_arena *a, vk_str got_text, const vk_json *want,
                          const vk_json *checks)
{
    vk_json *got;
    assert_int_equal(vk_json_parse(a, got_text, &got, NULL, NULL), VK_OK);
    for (const vk_json *m = want->u.child; m; m = m->next)
        if (!vk_str_eqz(m->key, "checks") && !same(m, vk_json_get(got, m->key)))
            fail_msg("%s: \"" VK_STR_FMT "\" is different in\n" VK_STR_FMT, s->vector, VK_STR_ARG(m->key),
                     VK_STR_ARG(got_text));
    assert_int_equal(got->count, want->count);
    const vk_json *n = vk_json_get(want, VK_STR("checks"))->u.child,
                  *x = vk_json_get(got, VK_STR("checks"))->u.child;
    for (; n && x; n = n->next, x = x->next) {
        const vk_json *check = at(checks, n->u.i), *ms = vk_json_get(x, VK_STR("ms"));
        for (const vk_json *m = check->u.child; m; m = m->next)
            expect(s, same(m, vk_json_get(x, m->key)), "a check", vk_json_str(vk_json_get(x, m->key)),
                   vk_json_str(m));
        assert_true(!ms == !vk_json_get(x, VK_STR("call")) && (!ms || ms->type == VK_JSON_INT));
        assert_int_equal(x->count, check->count + (ms != NULL));
    }
    if (n || x)
        fail_msg("%s: there are %s checks in\n" VK_STR_FMT, s->vector, n ? "too few" : "too many",
                 VK_STR_ARG(got_text));
}

/* Whether a secret that was typed stands in it. */
static void expect_no_secret(const script *s, const vk_json *keys, vk_str service, vk_str got)
{
    for (const vk_json *k = keys->u.child; k; k = k->next) {
        const vk_json *field = vk_rules_field(vk_rules_service(rules, service), k->key),
                      *secret = vk_json_get(field, VK_STR("secret"));
        if (secret && secret->u.b && k->u.s.n >= VK_SHORTEST_SECRET)
            expect(s, !memmem(got.p, got.n, k->u.s.p, k->u.s.n), "the report", got, k->key);
    }
}

static void run_vector(const vk_json *file, const vk_json *v)
{
    vk_arena *a = vk_arena_new(VK_LADDER_ARENA);
    char name[200], probe[VK_PROBE_HEX + 1];
    script s = {.vector = name, .steps = vk_json_get(file, VK_STR("steps"))};
    vk_buf out;
    vk_buf_init(&out, VK_LADDER_REPORT_MAX);
    snprintf(name, sizeof name, VK_STR_FMT, VK_STR_ARG(text(v, "name")));
    snprintf(probe, sizeof probe, VK_STR_FMT, VK_STR_ARG(text(file, "random")));
    vk_ladder q = {.rules = rules,
                   .service = text(file, "service"),
                   .values = vk_json_get(v, VK_STR("keys")),
                   .probe = probe,
                   .send = play,
                   .sql = play,
                   .arg = &s};
    s.next = vk_json_get(v, VK_STR("script"))->u.child;
    assert_non_null(a);
    assert_int_equal(vk_clock_parse(text(file, "now"), &q.now_ms), VK_OK);
    assert_int_equal(vk_ladder_run(a, &q, &out), VK_OK);
    if (s.next)
        fail_msg("%s: there is a call that was not made", name);
    expect_report(&s, a, vk_buf_view(&out), vk_json_get(v, VK_STR("report")),
                  vk_json_get(file, VK_STR("checks")));
    expect_no_secret(&s, q.values, q.service, vk_buf_view(&out));
    vk_buf_free(&out);
    vk_arena_free(a);
}

/* Of a file all but those that only the app itself can be asked: they have the origin of its pages, or the
 * list of keys that it was built with. */
static void run_file(const char *service)
{
    char path[PATH_MAX];
    vk_json *file;
    vk_buf bytes;
    size_t n = 0;
    const char *root = getenv("VK_SOURCE_ROOT");
    vk_arena *a = vk_arena_new(16 * FILE_MAX);
    vk_buf_init(&bytes, FILE_MAX);
    snprintf(path, sizeof path, "%s/tests/data/validation/%s.json", root ? root : ".", service);
    assert_int_equal(vk_disk_read(AT_FDCWD, path, FILE_MAX, &bytes), VK_OK);
    assert_int_equal(vk_json_parse(a, vk_buf_view(&bytes), &file, NULL, NULL), VK_OK);
    const vk_json *vectors = vk_json_get(file, VK_STR("vectors"));
    for (const vk_json *v = vectors->u.child; v; v = v->next) {
        if (vk_json_get(v, VK_STR("origin")) || vk_json_get(v, VK_STR("refused")))
            continue;
        run_vector(file, v);
        n++;
    }
    print_message("%s: %zu of %u vectors\n", service, n, vectors->count);
    assert_true(n >= 20 && n + 8 >= vectors->count);
    vk_buf_free(&bytes);
    vk_arena_free(a);
}

static void clerk(void **state)
{
    VK_UNUSED(state);
    run_file("clerk");
}

static void database(void **state)
{
    VK_UNUSED(state);
    run_file("database");
}

static void storage(void **state)
{
    VK_UNUSED(state);
    run_file("storage");
}

static void stripe(void **state)
{
    VK_UNUSED(state);
    run_file("stripe");
}

/* ---- the time */

typedef struct slow {
    script s;
    int64_t now, takes; /* ms; of each PUT */
    unsigned asked, cleaned;
} slow;

static int64_t slow_clock(void *arg)
{
    return ((slow *)arg)->now;
}

static vk_err play_slowly(void *arg, const vk_outbound_ask *ask, vk_outbound_answer *answer)
{
    slow *x = arg;
    x->asked++;
    x->cleaned += vk_str_eqz(ask->method, "DELETE");
    if (vk_str_eqz(ask->method, "PUT"))
        x->now += x->takes;
    answer->status = vk_str_eqz(ask->method, "DELETE") ? 204 : 200;
    if (vk_str_eqz(ask->method, "GET"))
        vk_buf_lit(&answer->body, "<ListBucketResult></ListBucketResult>");
    return VK_OK;
}

/* Of the storage's checks `get` comes after the time is over, and `delete` is made all the same. */
static void time_is_over(void **state)
{
    static const char keys[] =
        "{\"R2_ACCOUNT_ID\":\"0123456789abcdef0123456789abcdef\",\"R2_BUCKET\":\"mine\","
        "\"R2_ACCESS_KEY_ID\":\"00112233445566778899aabbccddeeff\","
        "\"R2_SECRET_ACCESS_KEY\":\"00112233445566778899aabbccddeeff"
        "00112233445566778899aabbccddeeff\"}";
    VK_UNUSED(state);
    for (int late = 0; late < 2; late++) {
        vk_arena *a = vk_arena_new(VK_LADDER_ARENA);
        slow x = {.takes = late ? VK_LADDER_MS : VK_LADDER_MS - 1};
        vk_json *values;
        vk_buf out;
        vk_buf_init(&out, VK_LADDER_REPORT_MAX);
        assert_int_equal(vk_json_parse(a, vk_str_z(keys), &values, NULL, NULL), VK_OK);
        const vk_ladder q = {.rules = rules,
                             .service = VK_STR("storage"),
                             .values = values,
                             .probe = "00112233445566778899aabbccddeeff",
                             .send = play_slowly,
                             .arg = &x,
                             .clock_ms = slow_clock};
        assert_int_equal(vk_ladder_run(a, &q, &out), VK_OK);
        vk_buf_ch(&out, '\0');
        assert_int_equal(x.cleaned, 1);
        assert_int_equal(x.asked, late ? 4 : 5); /* list, bucket, put, (get,) delete */
        assert_int_equal(strstr(out.p, "no answer (timeout)") != NULL, late);
        vk_buf_free(&out);
        vk_arena_free(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(clerk), cmocka_unit_test(database),
                                       cmocka_unit_test(storage), cmocka_unit_test(stripe),
                                       cmocka_unit_test(time_is_over)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
