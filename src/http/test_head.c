/* Head and chunked parser: the shared cases of tests/http/framing-cases.json, then rules and limits one by
 * one. */
#include "http/head.h"

#include "core/buf.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <jansson.h>

static const char *source_root = ".";
static vk_head head;

/* Copies to the exact size, so that AddressSanitizer sees a read past the end. */
static char *exact(const char *p, size_t n)
{
    char *copy = malloc(n ? n : 1);
    assert_non_null(copy);
    if (n)
        memcpy(copy, p, n);
    return copy;
}

static int request_n(const char *p, size_t n)
{
    char *copy = exact(p, n);
    int r = vk_head_request(copy, n, &head);
    free(copy);
    return r;
}

static int response_n(const char *p, size_t n, const char *method)
{
    char *copy = exact(p, n);
    int r = vk_head_response(copy, n, vk_str_z(method), &head);
    free(copy);
    return r;
}

/* Parses a complete request; the views in `head` stay valid. */
static int request(const char *z)
{
    return vk_head_request(z, strlen(z), &head);
}

static int response(const char *z)
{
    return vk_head_response(z, strlen(z), VK_STR("GET"), &head);
}

#define assert_str(s, z) assert_true(vk_str_eqz((s), (z)))
/* A good head: takes all of its bytes. */
#define assert_request(z) assert_int_equal(request(z), (int)strlen(z))
#define assert_response(z) assert_int_equal(response(z), (int)strlen(z))

/* ---- a small server: heads and bodies out of bytes that arrive in pieces ---- */

struct server {
    vk_buf in;
    bool in_body;
    vk_framing framing;
    uint64_t left;
    vk_chunked chunked;
    int answers;
    int status; /* of the first answer that is an error, or 0 */
};

static void server_feed(struct server *s, const char *p, size_t n)
{
    vk_buf_add(&s->in, p, n);
    while (s->status == 0) {
        if (!s->in_body) {
            int r = request_n(s->in.p, s->in.n);
            if (r == 0)
                return;
            if (r < 0) {
                s->status = -r;
                return;
            }
            s->in_body = true;
            s->framing = head.framing;
            s->left = head.content_length;
            s->chunked = (vk_chunked){0};
            s->in.n -= (size_t)r;
            memmove(s->in.p, s->in.p + r, s->in.n);
        }
        bool done = s->framing == VK_FRAME_NONE;
        vk_str in = vk_buf_view(&s->in), data;
        if (s->framing == VK_FRAME_LENGTH) {
            size_t take = in.n < s->left ? in.n : (size_t)s->left;
            in.p += take;
            in.n -= take;
            s->left -= take;
            done = s->left == 0;
        } else if (s->framing == VK_FRAME_CHUNKED) {
            vk_chunk got;
            while ((got = vk_chunked_next(&s->chunked, &in, &data)) == VK_CHUNK_DATA)
                ;
            if (got == VK_CHUNK_BAD)
                s->status = 400;
            done = got == VK_CHUNK_END;
        }
        if (in.n != s->in.n) {
            memmove(s->in.p, in.p, in.n);
            s->in.n = in.n;
        }
        if (!done)
            return;
        s->in_body = false;
        s->answers++;
    }
}

/* What a case gets when it is cut into pieces of `size` bytes: the first error, 200, or 0 when it waits for
 * more. */
static int serve(vk_str raw, size_t size, int *answers_r)
{
    struct server s = {0};
    vk_buf_init(&s.in, raw.n + 1);
    for (size_t at = 0; at < raw.n && s.status == 0; at += size)
        server_feed(&s, raw.p + at, size < raw.n - at ? size : raw.n - at);
    assert_int_equal(s.in.err, VK_OK);
    vk_buf_free(&s.in);
    *answers_r = s.answers;
    return s.status ? s.status : s.answers ? 200 : 0;
}

static vk_str expand(vk_str raw, vk_buf *b)
{
    static const char mark[] = "{a*65536}";
    const char *at = strstr(raw.p, mark);
    vk_buf_init(b, raw.n + 65536);
    if (!at)
        return raw;
    vk_buf_add(b, raw.p, (size_t)(at - raw.p));
    for (int i = 0; i < 65536; i++)
        vk_buf_ch(b, 'a');
    at += sizeof mark - 1;
    vk_buf_add(b, at, (size_t)(raw.p + raw.n - at));
    assert_int_equal(b->err, VK_OK);
    return vk_buf_view(b);
}

static void framing_cases(void **state)
{
    VK_UNUSED(state);
    char path[1024];
    assert_true(snprintf(path, sizeof path, "%s/tests/http/framing-cases.json", source_root) <
                (int)sizeof path);
    json_error_t error;
    json_t *root = json_load_file(path, JSON_ALLOW_NUL, &error), *item, *status;
    if (!root)
        fail_msg("%s: %s", path, error.text);
    size_t i, j;
    json_t *cases = json_object_get(root, "cases");
    assert_true(json_array_size(cases) >= 33);
    json_array_foreach(cases, i, item)
    {
        json_t *raw = json_object_get(item, "raw"), *required = json_object_get(item, "required");
        const char *name = json_string_value(json_object_get(item, "name"));
        assert_true(json_is_string(raw) && json_array_size(required) > 0);
        vk_buf room;
        vk_str bytes = expand((vk_str){json_string_value(raw), json_string_length(raw)}, &room);
        size_t sizes[] = {bytes.n, 1, 7};
        for (size_t k = 0; k < VK_COUNT(sizes); k++) {
            int answers, got = serve(bytes, sizes[k], &answers);
            bool good = false;
            json_array_foreach(required, j, status) good |= json_integer_value(status) == got;
            if (!good)
                fail_msg("%s in pieces of %zu: %d", name, sizes[k], got);
            if (strcmp(name, "get_with_te_and_pipelined") == 0)
                assert_int_equal(answers, 2);
        }
        vk_buf_free(&room);
    }
    json_decref(root);
}

/* ---- requests ---- */

static void request_fields(void **state)
{
    VK_UNUSED(state);
    static const char z[] =
        "POST /a/b?c=%20&d HTTP/1.1\r\nhOsT: db.local:4500\r\nauthorization:  Bearer x y \t\r\n"
        "Content-type:text/plain\r\nContent-Length: 0012\r\nEmpty:\r\nEmpty2: \t \r\n"
        "X: \xc3\xa4\t\xff\r\nEXPECT: 100-Continue\r\n\r\ntrailing";
    assert_int_equal(request(z), (int)(sizeof z - 1 - 8));
    assert_str(head.method, "POST");
    assert_str(head.target, "/a/b?c=%20&d");
    assert_int_equal(head.minor, 1);
    assert_int_equal(head.framing, VK_FRAME_LENGTH);
    assert_int_equal(head.content_length, 12);
    assert_true(head.keep_alive);
    assert_true(head.expect_continue);
    assert_false(head.upgrade);
    assert_str(head.host, "db.local:4500");
    assert_str(head.authorization, "Bearer x y");
    assert_str(head.content_type, "text/plain");
    assert_int_equal(head.n_headers, 8);
    assert_str(vk_head_get(&head, VK_STR("HOST")), "db.local:4500");
    assert_str(vk_head_get(&head, VK_STR("x")), "\xc3\xa4\t\xff");
    vk_str empty = vk_head_get(&head, VK_STR("empty"));
    assert_true(empty.p && empty.n == 0);
    empty = vk_head_get(&head, VK_STR("Empty2"));
    assert_true(empty.p && empty.n == 0);
    assert_null(vk_head_get(&head, VK_STR("absent")).p);

    /* Nothing of the last head is left in the next one. */
    assert_request("GET / HTTP/1.0\r\n\r\n");
    assert_int_equal(head.minor, 0);
    assert_int_equal(head.framing, VK_FRAME_NONE);
    assert_int_equal(head.content_length, 0);
    assert_false(head.keep_alive || head.expect_continue || head.upgrade);
    assert_null(head.host.p);
    assert_null(head.authorization.p);
    assert_null(head.content_type.p);
    assert_int_equal(head.n_headers, 0);
}

static void every_prefix_waits(void **state)
{
    VK_UNUSED(state);
    static const char *const requests[] = {
        "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:4500\r\nUser-Agent: wrk\r\nAccept: */*\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: [::1]:80\r\nX:\r\nConnection: close, upgrade\r\n\r\n",
        "PUT /a HTTP/1.1\r\nHost: a%20b\r\nTransfer-Encoding: Chunked\r\n\r\n",
    };
    static const char *const responses[] = {
        "HTTP/1.1 200 OK then\r\nContent-Length: 3\r\n\r\n",
        "HTTP/1.0 404\r\nA: b\r\n\r\n",
        "HTTP/1.1 599 \r\n\r\n",
    };
    for (size_t i = 0; i < VK_COUNT(requests); i++) {
        size_t n = strlen(requests[i]);
        for (size_t cut = 0; cut < n; cut++)
            assert_int_equal(request_n(requests[i], cut), 0);
        assert_int_equal(request_n(requests[i], n), (int)n);
    }
    for (size_t i = 0; i < VK_COUNT(responses); i++) {
        size_t n = strlen(responses[i]);
        for (size_t cut = 0; cut < n; cut++)
            assert_int_equal(response_n(responses[i], cut, "GET"), 0);
        assert_int_equal(response_n(responses[i], n, "GET"), (int)n);
    }
    assert_int_equal(vk_head_request(NULL, 0, &head), 0);
    assert_int_equal(vk_head_response(NULL, 0, VK_STR("GET"), &head), 0);
}

static void request_lines(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *line;
        int status; /* 0: good */
    } cases[] = {
        {"GET / HTTP/1.1", 0},
        {"GET / HTTP/1.0", 0},
        {"get /\"<>\\^`{|}~!$&'()*+,;=:@[]%zz HTTP/1.1", 0},
        {"OPTIONS * HTTP/1.1", 0},
        {"OPTIONS / HTTP/1.1", 0},
        {"!#$%&'*+-.^_`|~09azAZ / HTTP/1.1", 0},
        {"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345 / HTTP/1.1", 0},
        {"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456 / HTTP/1.1", 400},
        {"GET * HTTP/1.1", 400},
        {"options * HTTP/1.1", 400},
        {"OPTIONS *x HTTP/1.1", 400},
        {"PRI * HTTP/2.0", 400},
        {"CONNECT a:1 HTTP/1.1", 400},
        {"CONNECT / HTTP/1.1", 400},
        {"GET http://a/ HTTP/1.1", 400},
        {"GET a HTTP/1.1", 400},
        {"GET  / HTTP/1.1", 400},
        {"GET /  HTTP/1.1", 400},
        {"GET / HTTP/1.1 ", 400},
        {"GET\t/ HTTP/1.1", 400},
        {"GET /\tHTTP/1.1", 400},
        {" GET / HTTP/1.1", 400},
        {"\r\nGET / HTTP/1.1", 400},
        {"G(T / HTTP/1.1", 400},
        {"G\xc3\x84T / HTTP/1.1", 400},
        {"/ HTTP/1.1", 400},
        {"GET /#a HTTP/1.1", 400},
        {"GET /\x7f HTTP/1.1", 400},
        {"GET /\xc3\xa4 HTTP/1.1", 400},
        {"GET /aaaaaaaaaaa\x80 HTTP/1.1", 400},
        {"GET /aaaaaaaaaaaaaa#aaaaaaaa HTTP/1.1", 400},
        {"GET / HTTP/1.2", 505},
        {"GET / HTTP/2.0", 505},
        {"GET / HTTP/0.9", 505},
        {"GET / HTTP/1.10", 400},
        {"GET / HTTP/11.1", 400},
        {"GET / HTTP/2", 400},
        {"GET / HTTP/1,1", 400},
        {"GET / http/1.1", 400},
        {"GET / HTTPS/1.1", 400},
        {"GET /", 400},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        char z[256];
        int n = snprintf(z, sizeof z, "%s\r\nHost: a\r\n\r\n", cases[i].line);
        int got = request_n(z, (size_t)n);
        if (got != (cases[i].status ? -cases[i].status : n))
            fail_msg("%s: %d", cases[i].line, got);
    }
}

static void request_field_lines(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *lines;
        int status;
    } cases[] = {
        {"Host: a\r\n", 0},
        {"Host: a.b-c_d~1:65535\r\n", 0},
        {"Host: [2001:db8::1]:0\r\n", 0},
        {"Host: [::ffff:1.2.3.4]\r\n", 0},
        {"Host: %41\r\n", 0},
        {"Host:\r\n", 400},
        {"Host: :80\r\n", 400},
        {"Host: a:\r\n", 400},
        {"Host: a:65536\r\n", 400},
        {"Host: a:000080\r\n", 400},
        {"Host: a:8o\r\n", 400},
        {"Host: a:80:80\r\n", 400},
        {"Host: a b\r\n", 400},
        {"Host: a\tb\r\n", 400},
        {"Host: a/b\r\n", 400},
        {"Host: u@a\r\n", 400},
        {"Host: a?b\r\n", 400},
        {"Host: a#b\r\n", 400},
        {"Host: a\\b\r\n", 400},
        {"Host: \xc3\xa4\r\n", 400},
        {"Host: %4\r\n", 400},
        {"Host: %zz\r\n", 400},
        {"Host: ::1\r\n", 400},
        {"Host: []\r\n", 400},
        {"Host: [::1\r\n", 400},
        {"Host: [::g]\r\n", 400},
        {"Host: [::1]80\r\n", 400},
        {"Host: [v1.a]\r\n", 400},
        {"Host: [0000:0000:0000:0000:0000:0000:0000:0000:000000000]\r\n", 400},
        {"Host: a\r\nHost: a\r\n", 400},
        {"Host : a\r\n", 400},
        {"Host: a\r\nA:b\r\n", 0},
        {"Host: a\r\nA\t:b\r\n", 400},
        {"Host: a\r\nA(:b\r\n", 400},
        {"Host: a\r\nAb\r\n", 400},
        {"Host: a\r\n:b\r\n", 400},
        {"Host: a\r\n\tb:c\r\n", 400},
        {"Host: a\r\nA: b\n\r\n", 400},
        {"Host: a\r\nA: b\r\r\n", 400},
        {"Host: a\r\nA: 0123456789\x01 3456789\r\n", 400},
        {"Host: a\r\nA: 0123456789\x7f 3456789\r\n", 400},
        {"Host: a\r\nA: 0123456789\x1f 3456789\r\n", 400},
        {"Host: a\r\nA: 0123456789\x80\xff\xa0\t~ 3456789\t\t\t\t\t\t\t\t\t\r\n", 0},
        {"Host: a\r\nAuthorization: a\r\nauthorization: a\r\n", 400},
        {"Host: a\r\nContent-Type: a\r\nContent-Type: a\r\n", 400},
        {"Host: a\r\nExpect: 100-continue\r\nExpect: 100-continue\r\n", 400},
        {"Host: a\r\nExpect: 101-continue\r\n", 400},
        {"Host: a\r\nExpect:\r\n", 400},
        {"Host: a\r\nContent-Length: 9223372036854775807\r\n", 0},
        {"Host: a\r\nContent-Length: 00000000000000000000000000000009\r\n", 0},
        {"Host: a\r\nContent-Length: 9223372036854775808\r\n", 400},
        {"Host: a\r\nContent-Length: 92233720368547758070\r\n", 400},
        {"Host: a\r\nContent-Length: 0x1\r\n", 400},
        {"Host: a\r\nContent-Length: 1 1\r\n", 400},
        {"Host: a\r\nContent-Length: 1,\r\n", 400},
        {"Host: a\r\nTransfer-Encoding: chunked\r\n", 0},
        {"Host: a\r\nTransfer-Encoding: \tCHUNKED \r\n", 0},
        {"Host: a\r\nTransfer-Encoding:\r\n", 400},
        {"Host: a\r\nTransfer-Encoding: gzip\r\n", 501},
        {"Host: a\r\nTransfer-Encoding: identity\r\n", 501},
        {"Host: a\r\nTransfer-Encoding: chunked, chunked\r\n", 501},
        {"Host: a\r\nTransfer-Encoding: chunked;q=1\r\n", 501},
        {"Host: a\r\nTransfer-Encoding: chunke\r\n", 501},
        {"Host: a\r\nTransfer-Encoding: \"chunked\"\r\n", 501},
        {"Host: a\r\nTransfer-Encoding: gzip\r\nContent-Length: 1\r\n", 400},
        {"Host: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n", 400},
        {"Host: a\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", 400},
        {"Host: a\r\nConnection: a b\r\n", 400},
        {"Host: a\r\nConnection: close;x\r\n", 400},
        {"Host: a\r\nConnection:\r\n", 0},
        {"Host: a\r\nConnection: ,, \t,close ,\r\n", 0},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        char z[256];
        int n = snprintf(z, sizeof z, "POST / HTTP/1.1\r\n%s\r\n", cases[i].lines);
        int got = request_n(z, (size_t)n);
        if (got != (cases[i].status ? -cases[i].status : n))
            fail_msg("%s: %d", cases[i].lines, got);
    }
    assert_int_equal(request("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"), -400);
    assert_int_equal(request("GET / HTTP/1.0\r\nHost:\r\n\r\n"), -400);
}

/* Every byte at every place of a word in a value, a target and a name. */
static void every_byte(void **state)
{
    VK_UNUSED(state);
    for (int c = 0; c < 256; c++) {
        bool text = c == '\t' || (c >= 0x20 && c != 0x7f);
        bool target = c > 0x20 && c < 0x7f && c != '#';
        bool token =
            c && c < 0x80 &&
            strchr("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", c);
        for (size_t at = 0; at < 18; at++) {
            char z[128] = "GET /aaaaaaaaaaaaaaaaaaaa HTTP/1.1\r\nHost: a\r\nA: ";
            size_t n = strlen(z);
            memset(z + n, 'x', 20);
            memcpy(z + n + 20, "\r\n\r\n", 4);
            z[n + at] = (char)c;
            assert_int_equal(request_n(z, n + 24), text ? (int)n + 24 : -400);
            z[n + at] = 'x';
            z[5 + at] = (char)c;
            assert_int_equal(request_n(z, n + 24), target ? (int)n + 24 : -400);
        }
        char z[] = "GET / HTTP/1.1\r\nHost: a\r\nAxA: b\r\n\r\n";
        z[26] = (char)c;
        int want = token || c == ':' ? (int)sizeof z - 1 : -400;
        assert_int_equal(request_n(z, sizeof z - 1), want);
    }
}

static void connection_and_upgrade(void **state)
{
    VK_UNUSED(state);
    assert_request("GET / HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n");
    assert_false(head.keep_alive);
    assert_request("GET / HTTP/1.1\r\nHost: a\r\nConnection: closed, xclose\r\n\r\n");
    assert_true(head.keep_alive);
    assert_request("GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nConnection: x,close\r\n\r\n");
    assert_false(head.keep_alive);
    assert_request("GET / HTTP/1.0\r\nConnection: x , Keep-Alive\r\n\r\n");
    assert_true(head.keep_alive);
    assert_request("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n");
    assert_false(head.keep_alive);
    assert_request(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n");
    assert_true(head.upgrade && head.keep_alive);
    assert_request("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n");
    assert_false(head.upgrade);
    assert_request("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n\r\n");
    assert_false(head.upgrade);
    assert_request("GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    assert_false(head.upgrade);
    assert_request("PUT / HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n");
    assert_false(head.expect_continue);
}

/* Errors are found before the head is complete. */
static void early_errors(void **state)
{
    VK_UNUSED(state);
    assert_int_equal(request("\n"), -400);
    assert_int_equal(request("\r"), -400);
    assert_int_equal(request("\x16\x03\x01"), -400); /* a TLS hello */
    assert_int_equal(request("GET / HTTP/1.1\n"), -400);
    assert_int_equal(request("GET / HTTP/1.1\r\nA: b\n"), -400);
    assert_int_equal(request("GET / HTTP/1.1\r\nA: b\r\n "), -400);
    assert_int_equal(request("GET / HTTP/1.1\r\n\rx"), -400);
    assert_int_equal(request("GET / HTTP/3.0\r\n"), -505);
    assert_int_equal(request("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456"), -400);
}

static char *fill(vk_buf *b, size_t total)
{
    vk_buf_clear(b);
    vk_buf_z(b, "GET / HTTP/1.1\r\nHost: a\r\nA: ");
    while (b->n < total - 4)
        vk_buf_ch(b, 'x');
    vk_buf_z(b, "\r\n\r\n");
    assert_int_equal(b->err, VK_OK);
    return b->p;
}

static void limits(void **state)
{
    VK_UNUSED(state);
    vk_buf b;
    vk_buf_init(&b, VK_HEAD_MAX + 100);
    assert_int_equal(request_n(fill(&b, VK_HEAD_MAX), VK_HEAD_MAX), VK_HEAD_MAX);
    assert_int_equal(request_n(b.p, VK_HEAD_MAX - 1), 0);
    assert_int_equal(request_n(fill(&b, VK_HEAD_MAX + 1), VK_HEAD_MAX + 1), -431);
    assert_int_equal(request_n(b.p, VK_HEAD_MAX), -431); /* cannot become good any more */
    assert_int_equal(request_n(b.p, VK_HEAD_MAX - 1), 0);

    /* What follows the head does not count. */
    vk_buf_clear(&b);
    vk_buf_z(&b, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    int small = (int)b.n;
    while (b.n < VK_HEAD_MAX + 50)
        vk_buf_ch(&b, '\n');
    assert_int_equal(request_n(b.p, b.n), small);

    for (int count = VK_HEADERS_MAX; count <= VK_HEADERS_MAX + 1; count++) {
        vk_buf_clear(&b);
        vk_buf_z(&b, "HTTP/1.1 200 OK\r\n");
        for (int i = 0; i < count; i++)
            vk_buf_printf(&b, "h%d: %d\r\n", i, i);
        vk_buf_z(&b, "\r\n");
        int got = response_n(b.p, b.n, "GET");
        assert_int_equal(got, count == VK_HEADERS_MAX ? (int)b.n : -431);
        if (got > 0)
            assert_int_equal(head.n_headers, VK_HEADERS_MAX);
    }
    vk_buf_free(&b);
}

/* ---- responses ---- */

static void response_lines(void **state)
{
    VK_UNUSED(state);
    assert_response("HTTP/1.1 200 All is\twell \xc3\xa4\r\n\r\n");
    assert_int_equal(head.status, 200);
    assert_str(head.reason, "All is\twell \xc3\xa4");
    assert_response("HTTP/1.1 100\r\n\r\n");
    assert_int_equal(head.reason.n, 0);
    assert_response("HTTP/1.0 599 \r\n\r\n");
    assert_int_equal(head.reason.n, 0);
    static const char *const bad[] = {
        "HTTP/1.1 099 a", "HTTP/1.1 600 a", "HTTP/1.1 20 a",     "HTTP/1.1 2000",
        "HTTP/1.1  200",  "HTTP/1.1\t200",  "HTTP/1.1 200\ta",   "HTTP/2.0 200 a",
        "HTTP/2 200",     "ICY 200 OK",     "HTTP/1.1 200 \001", "HTTP/1.1 2x0 a",
        "HTTP/1.1",       "HTTP/1.1 ",      "HTTP/1.1 200 a\r",  " HTTP/1.1 200 a"};
    for (size_t i = 0; i < VK_COUNT(bad); i++) {
        char z[64];
        int n = snprintf(z, sizeof z, "%s\r\n\r\n", bad[i]);
        if (response_n(z, (size_t)n, "GET") >= 0)
            fail_msg("%s", bad[i]);
    }
    assert_int_equal(response("HTTP/1.1 200 OK\n"), -400);
}

static void response_framing(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *z, *method;
        int framing; /* -1: refused */
        bool keep;
        uint64_t length;
    } cases[] = {
        {"HTTP/1.1 200 a\r\nContent-Length: 5\r\n\r\n", "GET", VK_FRAME_LENGTH, true, 5},
        {"HTTP/1.1 200 a\r\nContent-Length: 0\r\n\r\n", "GET", VK_FRAME_LENGTH, true, 0},
        {"HTTP/1.1 200 a\r\nTransfer-Encoding: chunked\r\n\r\n", "GET", VK_FRAME_CHUNKED, true, 0},
        {"HTTP/1.1 200 a\r\n\r\n", "GET", VK_FRAME_EOF, false, 0},
        {"HTTP/1.0 200 a\r\nConnection: keep-alive\r\n\r\n", "GET", VK_FRAME_EOF, false, 0},
        {"HTTP/1.0 200 a\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\n", "GET", VK_FRAME_LENGTH,
         true, 1},
        {"HTTP/1.1 200 a\r\nConnection: close\r\nContent-Length: 1\r\n\r\n", "GET", VK_FRAME_LENGTH, false,
         1},
        {"HTTP/1.1 200 a\r\nContent-Length: 5\r\n\r\n", "HEAD", VK_FRAME_NONE, true, 0},
        {"HTTP/1.1 200 a\r\nTransfer-Encoding: chunked\r\n\r\n", "HEAD", VK_FRAME_NONE, true, 0},
        {"HTTP/1.1 200 a\r\n\r\n", "HEAD", VK_FRAME_NONE, true, 0},
        {"HTTP/1.1 200 a\r\n\r\n", "head", VK_FRAME_EOF, false, 0},
        {"HTTP/1.1 304 a\r\nContent-Length: 5\r\n\r\n", "GET", VK_FRAME_NONE, true, 0},
        {"HTTP/1.1 204 a\r\n\r\n", "GET", VK_FRAME_NONE, true, 0},
        {"HTTP/1.1 204 a\r\nContent-Length: 0\r\n\r\n", "GET", VK_FRAME_NONE, true, 0},
        {"HTTP/1.1 204 a\r\nContent-Length: 5\r\n\r\n", "GET", VK_FRAME_NONE, false, 0},
        {"HTTP/1.1 204 a\r\nTransfer-Encoding: chunked\r\n\r\n", "GET", VK_FRAME_NONE, false, 0},
        {"HTTP/1.1 100 a\r\n\r\n", "GET", VK_FRAME_NONE, true, 0},
        {"HTTP/1.1 199 a\r\n\r\n", "GET", VK_FRAME_NONE, true, 0},
        {"HTTP/1.1 200 a\r\nHost:\r\nExpect: x\r\nHost: b\r\nContent-Length: 0\r\n\r\n", "GET",
         VK_FRAME_LENGTH, true, 0},
        {"HTTP/1.1 200 a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "GET", -1, false, 0},
        {"HTTP/1.1 304 a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "GET", -1, false, 0},
        {"HTTP/1.1 200 a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", "GET", -1, false, 0},
        {"HTTP/1.1 200 a\r\nContent-Type: a\r\nContent-Type: b\r\n\r\n", "GET", -1, false, 0},
        {"HTTP/1.1 200 a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "GET", -1, false, 0},
        {"HTTP/1.0 200 a\r\nTransfer-Encoding: chunked\r\n\r\n", "GET", -1, false, 0},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        int got = response_n(cases[i].z, strlen(cases[i].z), cases[i].method);
        if (cases[i].framing < 0
                ? got >= 0
                : got != (int)strlen(cases[i].z) || (int)head.framing != cases[i].framing ||
                      head.keep_alive != cases[i].keep || head.content_length != cases[i].length)
            fail_msg("%s %s: %d", cases[i].method, cases[i].z, got);
    }
    assert_response("HTTP/1.1 101 a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nHost: x\r\n\r\n");
    assert_true(head.upgrade);
    assert_null(head.host.p);
    assert_response("HTTP/1.1 200 a\r\nContent-Type: text/plain\r\n\r\n");
    assert_str(head.content_type, "text/plain");
}

/* ---- chunked ---- */

/* Decodes in pieces of `size` bytes into `out`; *rest_r is what follows the end. */
static vk_chunk decode(vk_str raw, size_t size, vk_buf *out, size_t *rest_r)
{
    vk_chunked c = {0};
    vk_chunk got = VK_CHUNK_MORE;
    vk_buf_clear(out);
    *rest_r = 0;
    for (size_t at = 0; at < raw.n && got == VK_CHUNK_MORE; at += size) {
        size_t n = size < raw.n - at ? size : raw.n - at;
        char *copy = exact(raw.p + at, n);
        vk_str in = {copy, n}, data;
        while ((got = vk_chunked_next(&c, &in, &data)) == VK_CHUNK_DATA) {
            assert_true(data.n > 0);
            vk_buf_str(out, data);
        }
        if (got == VK_CHUNK_MORE)
            assert_int_equal(in.n, 0);
        if (got == VK_CHUNK_END) {
            *rest_r = in.n + raw.n - at - n;
            assert_int_equal(vk_chunked_next(&c, &in, &data), VK_CHUNK_END);
        }
        free(copy);
    }
    return got;
}

static void chunked_cases(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *z;
        vk_chunk want;
        const char *body;
        size_t rest;
    } cases[] = {
        {"0\r\n\r\n", VK_CHUNK_END, "", 0},
        {"0\r\n\r\nGET /", VK_CHUNK_END, "", 5},
        {"5\r\nhello\r\n00A\r\n0123456789\r\n0\r\n\r\n\r\n", VK_CHUNK_END, "hello0123456789", 2},
        {"5;a=b;c=\"\xc3\xa4 \"\r\nhello\r\n0;x\r\n\r\n", VK_CHUNK_END, "hello", 0},
        {"5 \t ; a\r\nhello\r\n0\r\n\r\n", VK_CHUNK_END, "hello", 0},
        {"0\r\nA: b\r\nC:\r\nD:\t\xff\r\n\r\nx", VK_CHUNK_END, "", 1},
        {"000000000000001\r\na\r\n000000000000000\r\n\r\n", VK_CHUNK_END, "a", 0},
        {"5\r\nhel", VK_CHUNK_MORE, "hel", 0},
        {"0\r\n\r", VK_CHUNK_MORE, "", 0},
        {"fffffffffffffff\r\nabc", VK_CHUNK_MORE, "abc", 0},
        {"0000000000000000\r\n\r\n", VK_CHUNK_BAD, "", 0},
        {"1000000000000000\r\n\r\n", VK_CHUNK_BAD, "", 0},
        {"\r\n", VK_CHUNK_BAD, "", 0},
        {";a\r\n", VK_CHUNK_BAD, "", 0},
        {" 5\r\n", VK_CHUNK_BAD, "", 0},
        {"5 \r\n", VK_CHUNK_BAD, "", 0},
        {"-5\r\n", VK_CHUNK_BAD, "", 0},
        {"+5\r\n", VK_CHUNK_BAD, "", 0},
        {"0x5\r\n", VK_CHUNK_BAD, "", 0},
        {"5g\r\n", VK_CHUNK_BAD, "", 0},
        {"5\n", VK_CHUNK_BAD, "", 0},
        {"5\r\r\n", VK_CHUNK_BAD, "", 0},
        {"5\rhello", VK_CHUNK_BAD, "", 0},
        {"5;a\nhello", VK_CHUNK_BAD, "", 0},
        {"5;a\rhello", VK_CHUNK_BAD, "", 0},
        {"5;\001\r\n", VK_CHUNK_BAD, "", 0},
        {"5;\x7f\r\n", VK_CHUNK_BAD, "", 0},
        {"5\r\nhello0\r\n\r\n", VK_CHUNK_BAD, "hello", 0},
        {"5\r\nhello\n0\r\n\r\n", VK_CHUNK_BAD, "hello", 0},
        {"5\r\nhello\rx", VK_CHUNK_BAD, "hello", 0},
        {"0\r\n\n", VK_CHUNK_BAD, "", 0},
        {"0\r\n\rx", VK_CHUNK_BAD, "", 0},
        {"0\r\nA\r\n\r\n", VK_CHUNK_BAD, "", 0},
        {"0\r\nA : b\r\n\r\n", VK_CHUNK_BAD, "", 0},
        {"0\r\n: b\r\n\r\n", VK_CHUNK_BAD, "", 0},
        {"0\r\n A: b\r\n\r\n", VK_CHUNK_BAD, "", 0},
        {"0\r\nA: b\n\r\n", VK_CHUNK_BAD, "", 0},
        {"0\r\nA: b\rc\r\n", VK_CHUNK_BAD, "", 0},
        {"0\r\nA: \001\r\n\r\n", VK_CHUNK_BAD, "", 0},
        {"0\r\nA: b\r\n c\r\n\r\n", VK_CHUNK_BAD, "", 0},
    };
    vk_buf out;
    vk_buf_init(&out, 4096);
    for (size_t i = 0; i < VK_COUNT(cases); i++)
        for (size_t size = 1; size < 40; size++) {
            size_t rest;
            vk_chunk got = decode(vk_str_z(cases[i].z), size, &out, &rest);
            if (got != cases[i].want || !vk_str_eqz(vk_buf_view(&out), cases[i].body) ||
                rest != cases[i].rest)
                fail_msg("%s in pieces of %zu: %d, rest %zu", cases[i].z, size, (int)got, rest);
        }
    vk_buf_free(&out);
}

/* `begin`, then `fill_n` letters, then `finish`; at once and byte by byte. */
static vk_chunk decode_long(const char *begin, size_t fill_n, const char *finish)
{
    vk_buf raw, out;
    size_t rest;
    vk_buf_init(&raw, 65536);
    vk_buf_init(&out, 4096);
    vk_buf_z(&raw, begin);
    for (size_t i = 0; i < fill_n; i++)
        vk_buf_ch(&raw, 'a');
    vk_buf_z(&raw, finish);
    assert_int_equal(raw.err, VK_OK);
    vk_chunk whole = decode(vk_buf_view(&raw), raw.n, &out, &rest);
    assert_int_equal(decode(vk_buf_view(&raw), 1, &out, &rest), whole);
    vk_buf_free(&raw);
    vk_buf_free(&out);
    return whole;
}

static void chunked_limits(void **state)
{
    VK_UNUSED(state);
    enum { MAX = VK_TRAILERS_MAX };
    /* The extension of one size line, ';' and blanks included. */
    assert_int_equal(decode_long("1;", MAX - 1, "\r\nx\r\n0\r\n\r\n"), VK_CHUNK_END);
    assert_int_equal(decode_long("1;", MAX, "\r\nx\r\n0\r\n\r\n"), VK_CHUNK_BAD);
    assert_int_equal(decode_long("1 ;", MAX - 2, "\r\nx\r\n0\r\n\r\n"), VK_CHUNK_END);
    assert_int_equal(decode_long("1 ;", MAX - 1, "\r\nx\r\n0\r\n\r\n"), VK_CHUNK_BAD);
    /* All trailer lines with their CRLF. */
    assert_int_equal(decode_long("0;b\r\nA:", MAX - 4, "\r\n\r\n"), VK_CHUNK_END);
    assert_int_equal(decode_long("0;b\r\nA:", MAX - 3, "\r\n\r\n"), VK_CHUNK_BAD);
    assert_int_equal(decode_long("0\r\nA: b\r\nB:", MAX - 4 - 6, "\r\n\r\n"), VK_CHUNK_END);
    assert_int_equal(decode_long("0\r\nA: b\r\nB:", MAX - 4 - 5, "\r\n\r\n"), VK_CHUNK_BAD);
    assert_int_equal(decode_long("0\r\n", MAX - 3, ":\r\n\r\n"), VK_CHUNK_END);
    assert_int_equal(decode_long("0\r\n", MAX - 2, ":\r\n\r\n"), VK_CHUNK_BAD);

    vk_chunked c = {0};
    vk_str in = VK_STR("x"), data;
    assert_int_equal(vk_chunked_next(&c, &in, &data), VK_CHUNK_BAD);
    in = VK_STR("0\r\n\r\n"); /* for good */
    assert_int_equal(vk_chunked_next(&c, &in, &data), VK_CHUNK_BAD);
}

int main(int argc, char **argv)
{
    const char *root = getenv("VK_SOURCE_ROOT");
    source_root = argc > 1 ? argv[1] : root ? root : ".";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(framing_cases),
        cmocka_unit_test(request_fields),
        cmocka_unit_test(every_prefix_waits),
        cmocka_unit_test(request_lines),
        cmocka_unit_test(request_field_lines),
        cmocka_unit_test(every_byte),
        cmocka_unit_test(connection_and_upgrade),
        cmocka_unit_test(early_errors),
        cmocka_unit_test(limits),
        cmocka_unit_test(response_lines),
        cmocka_unit_test(response_framing),
        cmocka_unit_test(chunked_cases),
        cmocka_unit_test(chunked_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
