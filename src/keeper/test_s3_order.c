#include "keeper/s3_order.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "crypto/sigv4.h"

#define BUCKET VK_STR("org-bucket")
#define SECRET "an-obviously-made-up-secret"

static vk_arena *arena;
static vk_buf lines;

static int begin(void **state)
{
    VK_UNUSED(state);
    arena = vk_arena_new(1 << 20);
    vk_buf_init(&lines, 16384);
    return arena ? 0 : -1;
}

static int end(void **state)
{
    VK_UNUSED(state);
    vk_buf_free(&lines);
    vk_arena_free(arena);
    return 0;
}

static vk_order order_of(const char *method, const char *path, const char *query)
{
    vk_arena_reset(arena);
    vk_buf_clear(&lines);
    return (vk_order){.build = "mine",
                      .generation = 7,
                      .method = vk_str_z(method),
                      .path = vk_str_z(path),
                      .query = vk_str_z(query),
                      .arena = arena,
                      .lines = &lines,
                      .now_ms = INT64_C(1795458000000),
                      .to_host = VK_STR("s3.example.com")};
}

static vk_err make(const char *method, const char *path, const char *query, vk_s3o *x)
{
    const char *why = NULL;
    vk_order o = order_of(method, path, query);
    vk_err e = vk_s3o_make(&o, BUCKET, x, &why);
    assert_true(e == VK_OK || e == VK_E_NOMEM || why);
    return e;
}

static vk_err copy(const char *source, vk_s3o *x)
{
    const char *why = NULL;
    static vk_header h[1];
    vk_order o = order_of("PUT", "/builds/mine/7/copy", "");
    h[0] = (vk_header){VK_STR("X-Amz-Copy-Source"), vk_str_z(source)};
    o.headers = h;
    o.n_headers = 1;
    return vk_s3o_make(&o, BUCKET, x, &why);
}

/* ---- every way in × every way to write a key of somebody else */

static const struct {
    const char *key; /* as it stands in a path, behind the slash */
    bool data;       /* a key of the build's own */
} forms[] = {
    {"builds/mine/7/k", true},
    {"builds/mine/7/", true},
    {"builds/mine/7//k", true},
    {"builds/mine/7/%252e%252e/other/k", true},
    {"builds/mine/7/...", true},
    {"builds/mine/7/..%5cother", true},
    {"builds/mine/7/builds/other/k", true},
    {"builds/mine/7/a%2Fb%20c%2B%3F%23", true},
    {"builds/mine/7/%E2%82%AC", true},
    {"builds/other/k", false},
    {"builds/other/", false},
    {"builds/mine", false},
    {"builds/mine/k", false},
    {"builds/mine/7", false},
    {"builds/mine/70/k", false},
    {"builds/mine/07/k", false},
    {"builds/mine/8/k", false},
    {"builds/mine/7/../8/k", false},
    {"builds/mine2/k", false},
    {"builds/min/k", false},
    {"builds/MINE/k", false},
    {"builds/", false},
    {"builds//k", false},
    {"builds//mine/k", false},
    {"Builds/mine/k", false},
    {"k", false},
    {"", false},
    {"/builds/mine/7/k", false},
    {"%2fbuilds/mine/7/k", false},
    {"builds/mine/7/../other/k", false},
    {"builds/mine/7/%2e%2e/other/k", false},
    {"builds/mine/7/%2E./other/k", false},
    {"builds/mine/7/.%2e/other/k", false},
    {"builds/mine/7/..%2fother/k", false},
    {"builds/mine/7/%2e%2e%2fother%2fk", false},
    {"builds/mine/7/./k", false},
    {"builds/mine/7/k/..", false},
    {"builds/mine/7/%2e", false},
    {"../builds/mine/7/k", false},
    {"builds%2fother%2fk", false},
    {"%62uilds/other/k", false},
    {"builds/mine/7/%00k", false},
    {"builds/mine%00/k", false},
    {"builds/mine/7/%c0%ae%c0%ae/other", false},
    {"builds/mine/7/%ff", false},
    {"builds/mine/7/%ed%a0%80", false},
    {"builds/mine/7/%", false},
    {"builds/mine/7/%4", false},
    {"builds/mine/7/%zz", false},
    {"builds/mine/7/a+b", false},
    {"org-bucket/builds/mine/7/k", false},
    {"other-bucket/builds/mine/7/k", false},
};

static const struct {
    const char *method, *query, *op;
} ways[] = {
    {"GET", "", "object.get"},
    {"GET", "partNumber=2", "object.get"},
    {"GET", "response-content-type=text%2Fplain", "object.get"},
    {"HEAD", "", "object.head"},
    {"PUT", "", "object.put"},
    {"DELETE", "", "object.delete"},
    {"POST", "uploads", "upload.create"},
    {"POST", "uploads=", "upload.create"},
    {"PUT", "partNumber=1&uploadId=AB%2Fc", "upload.part"},
    {"POST", "uploadId=a", "upload.complete"},
    {"DELETE", "uploadId=a", "upload.abort"},
    {"GET", "uploadId=a&max-parts=9&part-number-marker=0", "upload.parts"},
};

static void paths(void **state)
{
    VK_UNUSED(state);
    for (size_t f = 0; f < VK_COUNT(forms); f++) {
        for (size_t w = 0; w < VK_COUNT(ways); w++) {
            char path[256];
            vk_s3o x;
            snprintf(path, sizeof path, "/%s", forms[f].key);
            vk_err e = make(ways[w].method, path, ways[w].query, &x);
            if ((e == VK_OK) != forms[f].data)
                fail_msg("%s %s?%s: %s", ways[w].method, path, ways[w].query, vk_err_name(e));
            if (e != VK_OK)
                continue;
            assert_string_equal(x.call->op, ways[w].op);
            assert_true(vk_str_starts(x.path, VK_STR("/org-bucket/builds/mine/7/")));
        }
        vk_s3o x;
        char source[256];
        snprintf(source, sizeof source, "/%s", forms[f].key);
        vk_err e = copy(source, &x);
        if ((e == VK_OK) != forms[f].data)
            fail_msg("copy of %s: %s", source, vk_err_name(e));
        if (e == VK_OK) {
            assert_string_equal(x.call->op, "object.copy");
            assert_true(vk_str_starts(x.headers[0].value, VK_STR("/org-bucket/builds/mine/7/")));
        }
    }
}

/* What is checked once decoded is what is sent: decoded again it is the same key. */
static void encoded_again(void **state)
{
    vk_s3o x;
    VK_UNUSED(state);
    assert_int_equal(make("GET", "/builds/mine/7/a%2Fb%20c%2b%3f%23~!*'()", "", &x), VK_OK);
    assert_true(vk_str_eqz(x.path, "/org-bucket/builds/mine/7/a/b%20c%2B%3F%23~%21%2A%27%28%29"));
    assert_int_equal(make("GET", "/builds/mine/7/%252e%252e/%C3%A4", "", &x), VK_OK);
    assert_true(vk_str_eqz(x.path, "/org-bucket/builds/mine/7/%252e%252e/%C3%A4"));
    assert_int_equal(make("PUT", "/builds/mine/7/k", "uploadId=a%2fb+c", &x), VK_E_INVALID);
    assert_int_equal(make("PUT", "/builds/mine/7/k", "uploadId=a%2fb&partNumber=3", &x), VK_OK);
    assert_true(vk_str_eqz(x.query, "uploadId=a%2Fb&partNumber=3"));
}

static void key_length(void **state)
{
    char path[1100] = "/builds/mine/7/";
    vk_s3o x;
    VK_UNUSED(state);
    memset(path + 15, 'x', VK_S3O_KEY_MAX - 14);
    path[1 + VK_S3O_KEY_MAX] = '\0';
    assert_int_equal(make("GET", path, "", &x), VK_OK);
    path[1 + VK_S3O_KEY_MAX] = 'x';
    path[2 + VK_S3O_KEY_MAX] = '\0';
    assert_int_equal(make("GET", path, "", &x), VK_E_TOO_LARGE);
}

/* ---- listings */

static void listings(void **state)
{
    static const struct {
        const char *query;
        bool ok;
    } all[] = {
        {"list-type=2&prefix=builds%2Fmine%2F7%2F", true},
        {"list-type=2&prefix=builds%2Fmine%2F7%2Fa&delimiter=%2F&max-keys=10&encoding-type=url", true},
        {"list-type=2&prefix=builds/mine/7/..", true}, /* a beginning of "...": only text is compared */
        {"list-type=2&prefix=builds%2Fmine%2F7%2F&start-after=builds%2Fmine%2F7%2Fk&continuation-token=x",
         true},
        {"prefix=builds%2Fmine%2F7%2F&marker=builds%2Fmine%2F7%2Fk", true},
        {"uploads&prefix=builds%2Fmine%2F7%2F&key-marker=builds%2Fmine%2F7%2Fk&upload-id-marker=u", true},
        {"", false},
        {"list-type=2", false},
        {"list-type=2&prefix=", false},
        {"list-type=2&prefix=builds%2F", false},
        {"list-type=2&prefix=builds%2Fmine", false},
        {"list-type=2&prefix=builds%2Fmine%2F", false},
        {"list-type=2&prefix=builds%2Fmine%2F8%2F", false},
        {"list-type=2&prefix=builds%2Fother%2F", false},
        {"list-type=2&prefix=builds%2Fmine2%2F", false},
        {"list-type=2&prefix=builds%2Fmine%2F7%2F..%2Fother%2F", false},
        {"list-type=2&prefix=builds%2Fmine%2F7%2F%00", false},
        {"list-type=1&prefix=builds%2Fmine%2F7%2F", false},
        {"list-type=2&prefix=builds%2Fmine%2F7%2F&prefix=builds%2Fother%2F", false},
        {"list-type=2&prefix=builds%2Fmine%2F7%2F&Prefix=builds%2Fother%2F", false},
        {"list-type=2&prefix=builds%2Fmine%2F7%2F&marker=builds%2Fmine%2F7%2Fk", false},
        {"list-type=2&prefix=builds%2Fmine%2F7%2F&start-after=builds%2Fother%2Fk", false},
        {"prefix=builds%2Fmine%2F7%2F&marker=a", false},
        {"list-type=2&prefix=builds%2Fmine%2F7%2F&max-keys=-1", false},
        {"list-type=2&prefix=builds%2Fmine%2F7%2F&encoding-type=x", false},
        {"list-type=2&prefix=builds%2Fmine%2F7%2F&fetch-owner=true", false},
        {"list-type=2&prefix=builds%2Fmine%2F7%2F&versions", false},
        {"versions&prefix=builds%2Fmine%2F7%2F", false},
        {"uploads", false},
        {"uploads&prefix=builds%2Fother%2F", false},
        {"uploads&prefix=builds%2Fmine%2F7%2F&key-marker=builds%2Fother%2Fk", false},
        {"location", false},
        {"cors", false},
        {"policy", false},
        {"acl", false},
        {"lifecycle", false},
        {"list-type=2&prefix=builds%2Fmine%2F7%2F&%70refix=a", false},
    };
    vk_s3o x;
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(all); i++) {
        vk_err e = make("GET", "/", all[i].query, &x);
        if ((e == VK_OK) != all[i].ok)
            fail_msg("%s: %s", all[i].query, vk_err_name(e));
        if (e == VK_OK)
            assert_true(vk_str_eqz(x.path, "/org-bucket"));
        for (size_t m = 0; m < 4; m++) { /* nothing is done to the bucket by another method */
            static const char *const others[] = {"PUT", "POST", "DELETE", "HEAD"};
            assert_int_not_equal(make(others[m], "/", all[i].query, &x), VK_OK);
        }
    }
}

static void other_calls(void **state)
{
    static const struct {
        const char *method, *path, *query;
    } all[] = {
        {"POST", "/", "delete"},
        {"PUT", "/", ""},
        {"PUT", "/", "cors"},
        {"DELETE", "/", ""},
        {"HEAD", "/", ""},
        {"GET", "/", "buckets"},
        {"POST", "/builds/mine/7/k", ""},
        {"POST", "/builds/mine/7/k", "delete"},
        {"POST", "/builds/mine/7/k", "restore"},
        {"POST", "/builds/mine/7/k", "select&select-type=2"},
        {"POST", "/builds/mine/7/k", "uploads&uploadId=a"},
        {"PUT", "/builds/mine/7/k", "acl"},
        {"PUT", "/builds/mine/7/k", "tagging"},
        {"PUT", "/builds/mine/7/k", "uploadId=a"},
        {"PUT", "/builds/mine/7/k", "partNumber=1"},
        {"PUT", "/builds/mine/7/k", "uploadId=&partNumber=1"},
        {"PUT", "/builds/mine/7/k", "uploadId=a&partNumber=x"},
        {"PUT", "/builds/mine/7/k", "uploadId=a%20b&partNumber=1"},
        {"GET", "/builds/mine/7/k", "versionId=null"},
        {"GET", "/builds/mine/7/k", "X-Amz-Security-Token=a"},
        {"GET", "/builds/mine/7/k", "x-amz-copy-source=a"},
        {"DELETE", "/builds/mine/7/k", "partNumber=1&uploadId=a"},
        {"PATCH", "/builds/mine/7/k", ""},
        {"OPTIONS", "/builds/mine/7/k", ""},
        {"get", "/builds/mine/7/k", ""},
        {"GET", "builds/mine/7/k", ""},
        {"GET", "", ""},
    };
    vk_s3o x;
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(all); i++) {
        vk_err e = make(all[i].method, all[i].path, all[i].query, &x);
        if (e == VK_OK)
            fail_msg("%s %s?%s", all[i].method, all[i].path, all[i].query);
    }
}

static void copies_only_where_it_copies(void **state)
{
    static const struct {
        const char *method, *query;
        bool ok;
    } all[] = {{"PUT", "", true},          {"PUT", "partNumber=1&uploadId=a", true},
               {"GET", "", false},         {"DELETE", "", false},
               {"POST", "uploads", false}, {"POST", "uploadId=a", false}};
    static const vk_header source[2] = {{VK_STR("x-amz-copy-source"), VK_STR("/builds/mine/7/from")},
                                        {VK_STR("x-amz-Copy-source"), VK_STR("/builds/mine/7/from")}};
    const char *why;
    vk_s3o x;
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(all); i++) {
        vk_order o = order_of(all[i].method, "/builds/mine/7/k", all[i].query);
        o.headers = source;
        o.n_headers = 1;
        assert_int_equal(vk_s3o_make(&o, BUCKET, &x, &why) == VK_OK, all[i].ok);
        o.n_headers = 2;
        assert_int_not_equal(vk_s3o_make(&o, BUCKET, &x, &why), VK_OK);
        o.n_headers = 1;
        o.body_n = 5; /* a copy has no body */
        assert_int_not_equal(vk_s3o_make(&o, BUCKET, &x, &why), VK_OK);
    }
    assert_int_equal(copy("/builds/mine/7/k?versionId=1", &x), VK_OK); /* a key with a question mark */
    assert_true(vk_str_eqz(x.headers[0].value, "/org-bucket/builds/mine/7/k%3FversionId%3D1"));
}

static void lengths(void **state)
{
    const char *why;
    vk_s3o x;
    vk_order o = order_of("PUT", "/builds/mine/7/k", "");
    VK_UNUSED(state);
    o.body_n = -1;
    assert_int_equal(vk_s3o_make(&o, BUCKET, &x, &why), VK_E_INVALID);
    o.body_n = INT64_MAX;
    assert_int_equal(vk_s3o_make(&o, BUCKET, &x, &why), VK_OK);
    o = order_of("GET", "/builds/mine/7/k", "");
    o.body_n = 1;
    assert_int_equal(vk_s3o_make(&o, BUCKET, &x, &why), VK_E_FORBIDDEN);
}

static void header_filter(void **state)
{
    vk_header h[VK_S3O_HEADERS_MAX + 2];
    const char *why;
    vk_s3o x;
    vk_order o = order_of("PUT", "/builds/mine/7/k", "");
    VK_UNUSED(state);
    static const vk_header given[] = {
        {VK_STR("X-Amz-Meta-A"), VK_STR("1")},
        {VK_STR("x-amz-meta-"), VK_STR("no name")},
        {VK_STR("x-amz-acl"), VK_STR("public")},
        {VK_STR("x-amz-security-token"), VK_STR("t")},
        {VK_STR("Authorization"), VK_STR("x")},
        {VK_STR("Cookie"), VK_STR("x")},
        {VK_STR("cf-create-bucket-if-missing"), VK_STR("true")},
        {VK_STR("If-None-Match"), VK_STR("*")},
    };
    o.headers = given;
    o.n_headers = VK_COUNT(given);
    assert_int_equal(vk_s3o_make(&o, BUCKET, &x, &why), VK_OK);
    assert_int_equal(x.n_headers, 2);
    assert_true(vk_str_eqz(x.headers[0].name, "X-Amz-Meta-A") &&
                vk_str_eqz(x.headers[1].name, "If-None-Match"));
    for (size_t i = 0; i < VK_COUNT(h); i++)
        h[i] = (vk_header){VK_STR("x-amz-meta-a"), VK_STR("1")};
    o.headers = h;
    o.n_headers = VK_COUNT(h);
    assert_int_equal(vk_s3o_make(&o, BUCKET, &x, &why), VK_E_INVALID);
}

static void probes(void **state)
{
    const char *why;
    vk_s3o x;
    VK_UNUSED(state);
    for (const vk_vendor_probe *p = vk_s3o_probes; p->method; p++) {
        vk_str path = vk_str_z(p->path), first = path;
        vk_order o = order_of(p->method, "", "");
        if (vk_str_cut(&path, '?', &first))
            o.query = path;
        else
            first = path;
        o.path = first;
        assert_int_not_equal(vk_s3o_make(&o, BUCKET, &x, &why), VK_OK); /* of a build */
        o.build = "";
        assert_int_equal(vk_s3o_make(&o, BUCKET, &x, &why), VK_OK);
        assert_true(vk_str_starts(x.path, VK_STR("/org-bucket")) || (x.parent && x.path.n == 1));
    }
    vk_order o = order_of("GET", "/builds/mine/7/k", "");
    o.build = "";
    assert_int_equal(vk_s3o_make(&o, BUCKET, &x, &why), VK_E_FORBIDDEN);
}

/* ---- what is sent is what the verifier reads */

static void look_up(void *arg, vk_str id, vk_sigv4_key *key_r)
{
    static int somebody;
    VK_UNUSED(arg);
    if (vk_str_eqz(id, "an-id"))
        *key_r = (vk_sigv4_key){.state = VK_SIGV4_KEY_GOOD,
                                .secret = vk_secret_of(VK_STR(SECRET)),
                                .token = vk_secret_of(VK_STR("a-session")),
                                .identity = &somebody};
}

static vk_sigv4_fail verified(const vk_order *o)
{
    vk_sigv4_pair h[VK_S3O_HEADERS_MAX];
    size_t n = 0;
    vk_str rest = vk_buf_view(o->lines), one;
    h[n++] = (vk_sigv4_pair){VK_STR("Host"), o->to_host};
    for (size_t i = 0; i < o->n_headers; i++)
        if (!vk_str_ieq(o->headers[i].name, VK_STR("x-amz-copy-source"))) /* one of `lines` stands for it */
            h[n++] = (vk_sigv4_pair){o->headers[i].name, o->headers[i].value};
    while (vk_str_cut(&rest, '\n', &one)) {
        vk_str name;
        one.n--;
        assert_true(vk_str_cut(&one, ':', &name));
        h[n++] = (vk_sigv4_pair){name, vk_str_trim(one)};
    }
    const vk_sigv4_setup s = {.lookup = look_up};
    const vk_sigv4_request r = {.method = o->method,
                                .path = o->to_path,
                                .query = o->to_query,
                                .headers = h,
                                .n_headers = n,
                                .now_ms = o->now_ms};
    vk_sigv4_grant g;
    vk_sigv4_trace t;
    vk_sigv4_fail f = vk_sigv4_verify(&s, &r, arena, &g, &t);
    vk_sigv4_grant_wipe(&g);
    return f;
}

static void signatures(void **state)
{
    static const vk_header given[] = {{VK_STR("X-Amz-Meta-Colour"), VK_STR("b\xc3\xbc  n t ")},
                                      {VK_STR("x-amz-copy-source"), VK_STR("/builds/mine/7/a b%2Fc")},
                                      {VK_STR("Range"), VK_STR("bytes=0-1")}};
    static const struct {
        const char *method, *path, *query;
        size_t headers;
        int64_t body;
    } all[] = {
        {"GET", "/builds/mine/7/%C3%A4%20b", "response-content-type=a%2Fb", 0, 0},
        {"PUT", "/builds/mine/7/k", "", 1, 7},
        {"PUT", "/builds/mine/7/k", "", 1, 0},
        {"PUT", "/builds/mine/7/k", "", 3, 0},
        {"GET", "/", "prefix=builds%2Fmine%2F7%2F&list-type=2&delimiter=%2F", 0, 0},
    };
    const char *why;
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(all); i++) {
        vk_s3o x;
        vk_order o = order_of(all[i].method, all[i].path, all[i].query);
        o.headers = given;
        o.n_headers = all[i].headers;
        o.body_n = all[i].body;
        assert_int_equal(vk_s3o_make(&o, BUCKET, &x, &why), VK_OK);
        const vk_s3o_keys k = {.id = VK_STR("an-id"),
                               .region = VK_STR("auto"),
                               .secret = vk_secret_of(VK_STR(SECRET)),
                               .token = vk_secret_of(VK_STR("a-session"))};
        assert_int_equal(vk_s3o_sign(&o, &x, &k, &why), VK_OK);
        assert_int_equal(verified(&o), VK_SIGV4_OK);
        assert_null(memmem(lines.p, lines.n, SECRET, sizeof SECRET - 1));
        o.to_path = VK_STR("/org-bucket/builds/other/k");
        assert_int_equal(verified(&o), VK_SIGV4_SIGNATURE);
    }
    vk_s3o x;
    vk_order o = order_of("PUT", "/builds/mine/7/k", "");
    static const vk_header twice[] = {{VK_STR("x-amz-meta-a"), VK_STR("1")},
                                      {VK_STR("X-Amz-Meta-A"), VK_STR("2")}};
    o.headers = twice;
    o.n_headers = 2;
    assert_int_equal(vk_s3o_make(&o, BUCKET, &x, &why), VK_OK);
    const vk_s3o_keys k = {
        .id = VK_STR("an-id"), .region = VK_STR("auto"), .secret = vk_secret_of(VK_STR(SECRET))};
    assert_int_equal(vk_s3o_sign(&o, &x, &k, &why), VK_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths),       cmocka_unit_test(encoded_again),
        cmocka_unit_test(key_length),  cmocka_unit_test(listings),
        cmocka_unit_test(other_calls), cmocka_unit_test(copies_only_where_it_copies),
        cmocka_unit_test(lengths),     cmocka_unit_test(header_filter),
        cmocka_unit_test(probes),      cmocka_unit_test(signatures),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
