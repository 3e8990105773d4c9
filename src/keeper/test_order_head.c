/* What of an order goes on, and what is never sent. */
#include "keeper/order_in.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define HASH "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static vk_err no_order(vk_order *o, const char **why_r)
{
    VK_UNUSED(o);
    *why_r = "";
    return VK_OK;
}

static const char *const travel[] = {"x-app", "idempotency-key", "accept", NULL};
static const char *const returns[] = {"request-id",       "x-rate-*",         "retry-after",
                                      "location",         "content-encoding", "set-cookie",
                                      "valetkey-refusal", "content-length",   NULL};
static const vk_vendor vendor = {
    .name = "t", .title = "T", .travel = travel, .returns = returns, .scrub = true, .order = no_order};
static const vk_vendor plain = {.name = "p", .title = "P", .returns = returns, .raw_path = true};

static void parsing(void **state)
{
    VK_UNUSED(state);
    static const char *const wrong[] = {
        "",
        "payments",
        "payments s",
        "payments s ",
        "payments s 00",
        "payments  s " HASH,
        " payments s " HASH,
        "payments s  " HASH,
        "payments s " HASH " ",
        "payments s " HASH "00",
        "payments ss " HASH,
        "payments S " HASH,
        "payments 1 " HASH,
        "Payments s " HASH,
        "pay/ments s " HASH,
        "paymentspaymentsp s " HASH,
        "payments s 00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff",
        "payments s 0011223344556677889 aabbccddeeff00112233445566778899aabbccddeeff",
        "payments s 00112233445566778899aabbccddeefg00112233445566778899aabbccddeeff"};
    vk_order_line line;
    assert_int_equal(vk_order_parse(VK_STR("payments s " HASH), &line), VK_OK);
    assert_string_equal(line.service, "payments");
    assert_int_equal(line.kind, 's');
    assert_int_equal(line.hash[1], 0x11);
    assert_int_equal(line.hash[31], 0xff);
    for (size_t i = 0; i < VK_COUNT(wrong); i++)
        assert_int_equal(vk_order_parse(vk_str_z(wrong[i]), &line), VK_E_INVALID);
    vk_str found;
    const vk_header one[] = {{VK_STR("a"), VK_STR("1")}, {VK_STR("VALETKEY-order"), VK_STR("2")}},
                    two[] = {{VK_STR("Valetkey-Order"), VK_STR("1")},
                             {VK_STR("valetkey-order"), VK_STR("1")}};
    assert_int_equal(vk_order_line_of(one, 2, &found), VK_OK);
    assert_true(vk_str_eqz(found, "2"));
    assert_int_equal(vk_order_line_of(one, 1, &found), VK_E_INVALID);
    assert_int_equal(vk_order_line_of(two, 2, &found), VK_E_INVALID);
}

static char text[4096];

/* The head of an order, or the error's name. */
static const char *composed(vk_order *o, const vk_header *headers, size_t n, const char *lines)
{
    const char *why = "";
    vk_buf out, made;
    vk_buf_init(&out, 65536);
    vk_buf_init(&made, 65536);
    vk_buf_z(&made, lines);
    o->arena = vk_arena_new(65536);
    o->lines = &made;
    if (!o->to_path.n)
        o->to_path = o->path;
    o->to_query = o->query;
    vk_err e = vk_order_travel(o, headers, n, &why);
    if (e == VK_OK)
        e = vk_order_compose(o, &out);
    snprintf(text, sizeof text, VK_STR_FMT,
             VK_STR_ARG(e == VK_OK ? vk_buf_view(&out) : vk_str_z(vk_err_name(e))));
    vk_buf_free(&out);
    vk_buf_free(&made);
    vk_arena_free(o->arena);
    return text;
}

static vk_order order_of(const char *method, const char *path)
{
    return (vk_order){.vendor = &vendor,
                      .method = vk_str_z(method),
                      .path = vk_str_z(path),
                      .to_host = VK_STR("api.example.com")};
}

static void composing(void **state)
{
    VK_UNUSED(state);
    static const vk_header said[] = {{VK_STR("Host"), VK_STR("evil.example.com")},
                                     {VK_STR("Cookie"), VK_STR("a=b")},
                                     {VK_STR("X-App"), VK_STR("shop")},
                                     {VK_STR("Forwarded"), VK_STR("for=1")},
                                     {VK_STR("Idempotency-Key"), VK_STR("k")},
                                     {VK_STR("Accept-Encoding"), VK_STR("gzip")},
                                     {VK_STR("Valetkey-Order"), VK_STR("x")},
                                     {VK_STR("Authorization"), VK_STR("Bearer theirs")},
                                     {VK_STR("Content-Length"), VK_STR("7")},
                                     {VK_STR("Connection"), VK_STR("x-app")}};
    vk_order o = order_of("GET", "/v1/x");
    assert_string_equal(composed(&o, said, VK_COUNT(said), "Authorization: Bearer ours\r\n"),
                        "GET /v1/x HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer ours\r\n"
                        "X-App: shop\r\nIdempotency-Key: k\r\nAccept-Encoding: identity\r\n\r\n");
    o = order_of("POST", "/v1/x");
    o.query = VK_STR("a=1&b=%20");
    o.body_n = 7;
    o.content_type = VK_STR("application/json");
    assert_string_equal(
        composed(&o, said, VK_COUNT(said), "Authorization: Bearer ours\r\nidempotency-key: build-k\r\n"),
        "POST /v1/x?a=1&b=%20 HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer ours\r\n"
        "idempotency-key: build-k\r\nX-App: shop\r\nAccept-Encoding: identity\r\n"
        "Content-Type: application/json\r\nContent-Length: 7\r\n\r\n");
    o = order_of("PUT", "/v1/x");
    o.body_n = -1;
    assert_string_equal(composed(&o, NULL, 0, ""),
                        "PUT /v1/x HTTP/1.1\r\nHost: api.example.com\r\nAccept-Encoding: identity\r\n"
                        "Transfer-Encoding: chunked\r\n\r\n");
    o = order_of("DELETE", "/v1/x");
    assert_string_equal(composed(&o, NULL, 0, ""),
                        "DELETE /v1/x HTTP/1.1\r\nHost: api.example.com\r\nAccept-Encoding: identity\r\n"
                        "Content-Length: 0\r\n\r\n");
}

/* Not even when a table says so. */
static void never_travelling(void **state)
{
    VK_UNUSED(state);
    static const char *const all[] = {"*", NULL};
    static const vk_vendor open = {.name = "o", .title = "O", .travel = all, .order = no_order};
    static const vk_header said[] = {
        {VK_STR("Authorization"), VK_STR("a")},  {VK_STR("Cookie"), VK_STR("a")},
        {VK_STR("Host"), VK_STR("a")},           {VK_STR("Transfer-Encoding"), VK_STR("chunked")},
        {VK_STR("Content-Length"), VK_STR("1")}, {VK_STR("X-Amz-Security-Token"), VK_STR("a")},
        {VK_STR("Stripe-Account"), VK_STR("a")}, {VK_STR("Valetkey-Order"), VK_STR("a")},
        {VK_STR("Connection"), VK_STR("a")},     {VK_STR("X-App"), VK_STR("1")}};
    vk_order o = order_of("GET", "/x");
    o.vendor = &open;
    assert_string_equal(composed(&o, said, VK_COUNT(said), ""),
                        "GET /x HTTP/1.1\r\nHost: api.example.com\r\nX-App: 1\r\n\r\n");
}

static void refusing(void **state)
{
    VK_UNUSED(state);
    static const vk_header twice[] = {{VK_STR("X-App"), VK_STR("1")}, {VK_STR("x-app"), VK_STR("2")}};
    static const char *const lines[] = {"Authorization: a\n",
                                        "Authorization: a\r\nX",
                                        "A: b\r\n\r\nGET / HTTP/1.1\r\n",
                                        ": a\r\n",
                                        "A b: c\r\n",
                                        "A: b\rc\r\n",
                                        "Host: evil\r\n",
                                        "content-length: 1\r\n",
                                        "Transfer-Encoding: chunked\r\n",
                                        "Connection: a\r\n",
                                        "Expect: 100\r\n",
                                        "A: \x01\r\n"};
    static const char *const hosts[] = {"", "a b", "a/b", "a\r\nb", "a@b", "a?b", "\xc3\xa9"};
    static const char *const queries[] = {"a b", "a#b", "a\tb", "a\x7f", "\xc3\xa9"};
    vk_order o = order_of("GET", "/x");
    assert_string_equal(composed(&o, twice, 2, ""), "invalid");
    for (size_t i = 0; i < VK_COUNT(lines); i++) {
        o = order_of("GET", "/x");
        if (strcmp(composed(&o, NULL, 0, lines[i]), "internal") != 0)
            fail_msg("%s is sent", lines[i]);
    }
    for (size_t i = 0; i < VK_COUNT(hosts); i++) {
        o = order_of("GET", "/x");
        o.to_host = vk_str_z(hosts[i]);
        assert_string_equal(composed(&o, NULL, 0, ""), "internal");
    }
    for (size_t i = 0; i < VK_COUNT(queries); i++) {
        o = order_of("GET", "/x");
        o.query = vk_str_z(queries[i]);
        assert_string_equal(composed(&o, NULL, 0, ""), "invalid");
    }
    o = order_of("GET", "/x");
    o.to_path = VK_STR("/x/../y"); /* what a vendor makes of a path is looked at too */
    assert_string_equal(composed(&o, NULL, 0, ""), "internal");
}

static void returning(void **state)
{
    VK_UNUSED(state);
    static const char *const back[] = {"request-id", "Request-Id",  "X-Rate-Limit",
                                       "x-rate-",    "RETRY-AFTER", "Location"};
    static const char *const not [] = {"request-i",
                                       "request-id2",
                                       "x-rate",
                                       "set-cookie",
                                       "Set-Cookie",
                                       "date",
                                       "content-type",
                                       "content-length",
                                       "transfer-encoding",
                                       "connection",
                                       "x-request-id",
                                       "valetkey-refusal",
                                       "Valetkey-Served-By",
                                       "content-encoding",
                                       "server",
                                       ""};
    for (size_t i = 0; i < VK_COUNT(back); i++)
        assert_true(vk_order_returns(&vendor, vk_str_z(back[i])));
    for (size_t i = 0; i < VK_COUNT(not ); i++)
        if (vk_order_returns(&vendor, vk_str_z(not [i])))
            fail_msg("%s goes back", not [i]);
    assert_true(vk_order_returns(&plain, VK_STR("Content-Encoding"))); /* an object's own */
    static const char *const good[] = {"/", "/v1/x", "/v1/x?a=b"}, *const bad[] = {
                                                                       "",        "//evil.example.com",
                                                                       "/\\evil", "https://api.example.com/",
                                                                       "v1",      "/a b"};
    for (size_t i = 0; i < VK_COUNT(good); i++)
        assert_true(vk_order_location_ok(vk_str_z(good[i])));
    for (size_t i = 0; i < VK_COUNT(bad); i++)
        assert_false(vk_order_location_ok(vk_str_z(bad[i])));
}

/* What was freed goes in a later turn. */
typedef struct later {
    vk_task task;
    vk_loop *loop;
    int turns;
} later;

static void turn(vk_task *t)
{
    later *x = VK_CONTAINER(t, later, task);
    if (x->turns-- > 0)
        vk_loop_post(x->loop, t);
    else
        vk_loop_stop(x->loop);
}

static void pools(void **state)
{
    VK_UNUSED(state);
    static const char *const
        good[] = {"127.0.0.1:1", "localhost:65535", "[::1]:80", "[::1]", "127.0.0.1"},
        *const bad[] = {"",     ":1",     "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536",    "127.0.0.1:x",
                        "[::1", "[::1]:", "[::1]x",     "[]:1",        "api.example.com:80", "127.0.0.1:1:2"};
    vk_loop *l;
    vk_order_pools *p;
    vk_upstream *a, *b;
    assert_int_equal(vk_loop_new(&l), VK_OK);
    assert_int_equal(vk_order_pools_new(l, NULL, NULL, &p), VK_OK);
    for (size_t i = 0; i < VK_COUNT(good); i++)
        assert_int_equal(vk_order_pool(p, vk_str_z(good[i]), true, &a), VK_OK);
    for (size_t i = 0; i < VK_COUNT(bad); i++)
        if (vk_order_pool(p, vk_str_z(bad[i]), true, &a) != VK_E_INVALID)
            fail_msg("\"%s\" is a place", bad[i]);
    assert_int_equal(vk_order_pool(p, VK_STR("127.0.0.1:1"), true, &a), VK_OK);
    assert_int_equal(vk_order_pool(p, VK_STR("127.0.0.1:2"), true, &b), VK_OK);
    assert_ptr_not_equal(a, b);
    assert_int_equal(vk_order_pool(p, VK_STR("127.0.0.1:1"), true, &b), VK_OK);
    assert_ptr_equal(a, b);
    for (int i = 0; i < 3 * VK_ORDER_POOLS; i++) { /* those that nobody uses make room */
        char host[40];
        snprintf(host, sizeof host, "127.0.0.1:%d", 1000 + i);
        assert_int_equal(vk_order_pool(p, vk_str_z(host), true, &b), VK_OK);
    }
    vk_order_pools_free(p);
    assert_int_equal(vk_order_pools_new(l, "/nonexistent.pem", NULL, &p), VK_OK);
    assert_int_equal(vk_order_pool(p, VK_STR("127.0.0.1:1"), false, &a),
                     VK_E_UNAVAILABLE); /* nobody is trusted */
    assert_int_equal(vk_order_pool(p, VK_STR("127.0.0.1:1"), true, &a), VK_OK);
    vk_order_pools_free(p);
    later end = {.task = {.run = turn}, .loop = l, .turns = 8};
    vk_loop_post(l, &end.task);
    vk_loop_run(l);
    vk_loop_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(parsing),          cmocka_unit_test(composing),
                                       cmocka_unit_test(never_travelling), cmocka_unit_test(refusing),
                                       cmocka_unit_test(returning),        cmocka_unit_test(pools)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
