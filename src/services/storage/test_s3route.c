/* Which operation a request is: what unmodified clients sent, a table of what must not be mistaken, names. */
#include "services/storage/s3route.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static vk_arena *arena;
static vk_s3_route route;
static const vk_str bases[] = {{"s3.localhost", 12}, {"localhost", 9}};

static vk_s3_fail ask(const char *method, const char *target, const char *host, const char *type,
                      const char *copy)
{
    vk_str path = vk_str_z(target), query = VK_STR_NONE, head;
    query = path;
    if (vk_str_cut(&query, '?', &head))
        path = head;
    else
        query = VK_STR_NONE;
    vk_arena_reset(arena);
    const vk_s3_ask a = {.method = vk_str_z(method),
                         .path = path,
                         .query = query,
                         .host = vk_str_z(host),
                         .bases = bases,
                         .n_bases = VK_COUNT(bases),
                         .content_type = vk_str_z(type),
                         .copy_source = vk_str_z(copy)};
    return vk_s3_route_of(arena, &a, &route);
}

static const char *header(const json_t *request, const char *name)
{
    size_t i;
    json_t *pair;
    json_array_foreach(json_object_get(request, "headers"), i, pair)
    {
        if (strcasecmp(json_string_value(json_array_get(pair, 0)), name) == 0)
            return json_string_value(json_array_get(pair, 1));
    }
    return "";
}

/* What the client was asked to do (step), and where it needs several requests, which of them. */
static vk_s3_op meant(const char *step, const char *method, const char *target)
{
    static const struct {
        const char *step, *method, *target;
        vk_s3_op op;
    } table[] = {
        {"HeadObject", "HEAD", "", VK_S3_HEAD_OBJECT},
        {"HeadBucket", "HEAD", "", VK_S3_HEAD_BUCKET},
        {"CreateBucket", "PUT", "", VK_S3_CREATE_BUCKET},
        {"PutBucketCors", "PUT", "", VK_S3_PUT_CORS},
        {"ListObjectsV2", "GET", "", VK_S3_LIST_V2},
        {"ListObjects v1", "GET", "", VK_S3_LIST_V1},
        {"DeleteObjects", "POST", "", VK_S3_DELETE_MANY},
        {"delete_objects", "POST", "", VK_S3_DELETE_MANY},
        {"list_v1", "GET", "", VK_S3_LIST_V1},
        {"list_v2", "GET", "", VK_S3_LIST_V2},
        {"awscli2 ls", "GET", "", VK_S3_LIST_V2},
        {"s3cmd ls", "GET", "", VK_S3_LIST_V1},
        {"copy_object", "PUT", "", VK_S3_COPY_OBJECT},
        {"get_object", "GET", "", VK_S3_GET_OBJECT},
        {"put_object", "PUT", "", VK_S3_PUT_OBJECT},
        {"minio-js", "PUT", "", VK_S3_PUT_OBJECT},
        {"aws4fetch", "PUT", "", VK_S3_PUT_OBJECT},
        {"curl", "PUT", "", VK_S3_PUT_OBJECT},
        {"s3cmd put", "PUT", "", VK_S3_PUT_OBJECT},
        {"awscli", "PUT", "", VK_S3_PUT_OBJECT},
        {"http://", "PUT", "", VK_S3_PUT_OBJECT},
        {"presigned POST", "POST", "", VK_S3_POST_FORM},
        {"", "HEAD", "/bkt/builds/x1", VK_S3_HEAD_OBJECT},
        {"rclone", "GET", "list-type", VK_S3_LIST_V2},
        {"rclone", "DELETE", "", VK_S3_DELETE_OBJECT},
        {"", "POST", "?uploads", VK_S3_CREATE_UPLOAD},
        {"", "POST", "?uploadId=", VK_S3_COMPLETE_UPLOAD},
        {"", "PUT", "partNumber=", VK_S3_UPLOAD_PART},
        {"rclone", "PUT", "", VK_S3_PUT_OBJECT},
        {"presign GET", "GET", "", VK_S3_GET_OBJECT},
    };
    const char *id = strstr(target, "x-id=");
    for (int op = 0; id && op < VK_S3_OPS; op++) {
        size_t n = strlen(vk_s3_ops[op].name);
        if (strncmp(id + 5, vk_s3_ops[op].name, n) == 0 && (id[5 + n] == '\0' || id[5 + n] == '&'))
            return (vk_s3_op)op;
    }
    for (size_t i = 0; i < VK_COUNT(table); i++)
        if (strstr(step, table[i].step) && strcmp(method, table[i].method) == 0 &&
            strstr(target, table[i].target))
            return table[i].op;
    fail_msg("nothing says what '%s', %s %s is", step, method, target);
    return VK_S3_OPS;
}

static void what_clients_sent(void **state)
{
    char path[PATH_MAX];
    json_error_t why;
    const char *root = getenv("VK_SOURCE_ROOT");
    VK_UNUSED(state);
    snprintf(path, sizeof path, "%s/tests/data/storage/captured-requests.json", root ? root : ".");
    json_t *all = json_load_file(path, JSON_ALLOW_NUL, &why), *v;
    assert_non_null(all);
    size_t i, seen = 0;
    json_array_foreach(json_object_get(all, "requests"), i, v)
    {
        const char *method = json_string_value(json_object_get(v, "method")),
                   *target = json_string_value(json_object_get(v, "target")),
                   *step = json_string_value(json_object_get(v, "step"));
        vk_s3_fail f =
            ask(method, target, header(v, "host"), header(v, "content-type"), header(v, "x-amz-copy-source"));
        bool dots = strstr(target, "/../") || strstr(target, "/./");
        if (dots ? f != VK_S3_BAD_KEY : f != VK_S3_OK || route.op != meant(step, method, target))
            fail_msg("%s: %s %s: %d, %s", step, method, target, (int)f,
                     route.op < VK_S3_OPS ? vk_s3_ops[route.op].name : "none");
        assert_false(route.virtual_host);
        assert_true(route.bucket.n > 0);
        seen++;
    }
    assert_true(seen >= 98);
    json_decref(all);
}

static void a_table(void **state)
{
    static const struct {
        const char *method, *target;
        vk_s3_fail f;
        vk_s3_op op;
        const char *bucket, *key;
    } cases[] = {
        {"GET", "/", VK_S3_OK, VK_S3_LIST_BUCKETS, "", ""},
        {"PUT", "/", VK_S3_METHOD, 0, "", ""},
        {"HEAD", "/", VK_S3_METHOD, 0, "", ""},
        {"GET", "/b", VK_S3_OK, VK_S3_LIST_V1, "b", ""},
        {"GET", "/b/", VK_S3_OK, VK_S3_LIST_V1, "b", ""},
        {"GET", "/b?list-type=2", VK_S3_OK, VK_S3_LIST_V2, "b", ""},
        {"GET", "/b?list-type=3", VK_S3_BAD_ARGUMENT, 0, "b", ""},
        {"GET", "/b?list-type=2&encoding-type=xml", VK_S3_BAD_ARGUMENT, 0, "b", ""},
        {"GET", "/b?versions", VK_S3_OK, VK_S3_LIST_VERSIONS, "b", ""},
        {"GET", "/b?location", VK_S3_OK, VK_S3_GET_LOCATION, "b", ""},
        {"GET", "/b?versioning=", VK_S3_OK, VK_S3_GET_VERSIONING, "b", ""},
        {"PUT", "/b?versioning", VK_S3_NOT_IMPLEMENTED, 0, "b", ""},
        {"DELETE", "/b?versioning", VK_S3_METHOD, 0, "b", ""},
        {"GET", "/b?cors", VK_S3_OK, VK_S3_GET_CORS, "b", ""},
        {"DELETE", "/b?cors", VK_S3_OK, VK_S3_DELETE_CORS, "b", ""},
        {"DELETE", "/b", VK_S3_OK, VK_S3_DELETE_BUCKET, "b", ""},
        {"GET", "/b?uploads&prefix=a", VK_S3_OK, VK_S3_LIST_UPLOADS, "b", ""},
        {"GET", "/b/k?uploadId=u", VK_S3_OK, VK_S3_LIST_PARTS, "b", "k"},
        {"DELETE", "/b/k?uploadId=u", VK_S3_OK, VK_S3_ABORT_UPLOAD, "b", "k"},
        {"DELETE", "/b/k?uploadId=", VK_S3_BAD_ARGUMENT, 0, "b", "k"},
        {"GET", "/b/k?attributes", VK_S3_OK, VK_S3_GET_ATTRIBUTES, "b", "k"},
        {"GET", "/b/k?partNumber=2", VK_S3_OK, VK_S3_GET_OBJECT, "b", "k"},
        {"GET", "/b/k?partNumber=0", VK_S3_BAD_ARGUMENT, 0, "b", "k"},
        {"GET", "/b/k?partNumber=10001", VK_S3_BAD_ARGUMENT, 0, "b", "k"},
        {"GET", "/b/k?versionId=null", VK_S3_OK, VK_S3_GET_OBJECT, "b", "k"},
        {"GET", "/b/k?versionId=1", VK_S3_NO_SUCH_VERSION, 0, "b", "k"},
        {"OPTIONS", "/b/k?acl", VK_S3_OK, VK_S3_PREFLIGHT, "b", "k"},
        {"OPTIONS", "/", VK_S3_OK, VK_S3_PREFLIGHT, "", ""},
        /* Nothing falls through to the plain operation. */
        {"PUT", "/b/k?acl", VK_S3_NOT_IMPLEMENTED, 0, "b", "k"},
        {"PUT", "/b/k?%61cl", VK_S3_NOT_IMPLEMENTED, 0, "b", "k"},
        {"PUT", "/b/k?acl&acl", VK_S3_NOT_IMPLEMENTED, 0, "b", "k"},
        {"PUT", "/b/k?tagging=&x-id=PutObjectTagging", VK_S3_NOT_IMPLEMENTED, 0, "b", "k"},
        {"GET", "/b/k?torrent", VK_S3_NOT_IMPLEMENTED, 0, "b", "k"},
        {"POST", "/b/k?restore", VK_S3_NOT_IMPLEMENTED, 0, "b", "k"},
        {"POST", "/b/k?select&select-type=2", VK_S3_NOT_IMPLEMENTED, 0, "b", "k"},
        {"PUT", "/b?policy", VK_S3_NOT_IMPLEMENTED, 0, "b", ""},
        {"DELETE", "/b?lifecycle", VK_S3_NOT_IMPLEMENTED, 0, "b", ""},
        {"DELETE", "/b?website", VK_S3_NOT_IMPLEMENTED, 0, "b", ""},
        {"PUT", "/b/k?uploads", VK_S3_METHOD, 0, "b", "k"},
        {"PUT", "/b/k?cors", VK_S3_METHOD, 0, "b", "k"},
        {"DELETE", "/b/k?delete", VK_S3_METHOD, 0, "b", "k"},
        {"DELETE", "/b?uploads", VK_S3_METHOD, 0, "b", ""},
        {"PUT", "/b/k?partNumber=1", VK_S3_BAD_ARGUMENT, 0, "b", "k"},
        {"PUT", "/b/k?uploadId=u", VK_S3_BAD_ARGUMENT, 0, "b", "k"},
        {"PUT", "/b/k?versionId=null", VK_S3_BAD_ARGUMENT, 0, "b", "k"},
        {"GET", "/b?cors&location", VK_S3_CONFLICT, 0, "b", ""},
        {"GET", "/b?cors&cors", VK_S3_CONFLICT, 0, "b", ""},
        {"GET", "/b?prefix=a&prefix=b", VK_S3_CONFLICT, 0, "b", ""},
        {"PUT", "/b/k?uploadId=a&uploadId=b&partNumber=1", VK_S3_CONFLICT, 0, "b", "k"},
        {"POST", "/b", VK_S3_METHOD, 0, "b", ""},
        {"POST", "/b/k", VK_S3_METHOD, 0, "b", "k"},
        {"PATCH", "/b/k", VK_S3_METHOD, 0, "b", "k"},
        {"get", "/b/k", VK_S3_METHOD, 0, "b", "k"},
        {"PUT", "/b/k?x-amz-copy-source=b%2Fs", VK_S3_OK, VK_S3_COPY_OBJECT, "b", "k"},
        {"PUT", "/b/k?X-Amz-Copy-Source=", VK_S3_BAD_COPY_SOURCE, 0, "b", "k"},
        /* Keys and buckets. */
        {"GET", "/b//lead", VK_S3_OK, VK_S3_GET_OBJECT, "b", "/lead"},
        {"GET", "/b/a%2520+%2B%c3%a9%0a/", VK_S3_OK, VK_S3_GET_OBJECT, "b", "a%20++\xc3\xa9\n/"},
        {"GET", "/b/a%5c..%5cb", VK_S3_OK, VK_S3_GET_OBJECT, "b", "a\\..\\b"},
        {"GET", "/b/a%252e%252e/b", VK_S3_OK, VK_S3_GET_OBJECT, "b", "a%2e%2e/b"},
        {"GET", "/b/a/%2e%2E/c", VK_S3_BAD_KEY, 0, "b", ""},
        {"GET", "/b/a%2f..%2fc", VK_S3_BAD_KEY, 0, "b", ""},
        {"GET", "/b/..", VK_S3_BAD_KEY, 0, "b", ""},
        {"GET", "/b/./k", VK_S3_BAD_KEY, 0, "b", ""},
        {"GET", "/b/k%00", VK_S3_BAD_KEY, 0, "b", ""},
        {"GET", "/b/%c0%ae", VK_S3_BAD_KEY, 0, "b", ""},
        {"GET", "/b/%ff", VK_S3_BAD_KEY, 0, "b", ""},
        {"GET", "/b/%", VK_S3_BAD_URI, 0, "b", ""},
        {"GET", "/b/%4", VK_S3_BAD_URI, 0, "b", ""},
        {"GET", "/b/%4g", VK_S3_BAD_URI, 0, "b", ""},
        {"GET", "/b?prefix=%", VK_S3_BAD_URI, 0, "b", ""},
        {"GET", "", VK_S3_BAD_URI, 0, "", ""},
        {"GET", "b/k", VK_S3_BAD_URI, 0, "", ""},
        {"GET", "//k", VK_S3_BAD_BUCKET, 0, "", ""},
        {"GET", "/../k", VK_S3_BAD_BUCKET, 0, "", ""},
        {"GET", "/B/k", VK_S3_BAD_BUCKET, 0, "", ""},
        {"GET", "/b%2Fk", VK_S3_BAD_BUCKET, 0, "", ""},
        {"GET", "/10.0.0.1/k", VK_S3_BAD_BUCKET, 0, "", ""},
    };
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_s3_fail f = ask(cases[i].method, cases[i].target, "127.0.0.1:9", "", "");
        if (f != cases[i].f || (f == VK_S3_OK && route.op != cases[i].op) ||
            !vk_str_eqz(route.bucket, cases[i].bucket) || !vk_str_eqz(route.key, cases[i].key))
            fail_msg("%s %s: %d", cases[i].method, cases[i].target, (int)f);
        if (f != VK_S3_OK)
            assert_in_range(vk_s3_errors[f].status, 400, 501);
    }
}

static void keys_have_a_longest(void **state)
{
    char target[VK_S3_KEY_MAX * 3 + 8] = "/b/";
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_S3_KEY_MAX; i++)
        memcpy(target + 3 + 3 * i, "%41", 4);
    assert_int_equal(ask("GET", target, "", "", ""), VK_S3_OK);
    assert_int_equal(route.key.n, VK_S3_KEY_MAX);
    memcpy(target + 3 + 3 * VK_S3_KEY_MAX, "k", 2);
    assert_int_equal(ask("GET", target, "", "", ""), VK_S3_KEY_TOO_LONG);
}

static void virtual_hosts(void **state)
{
    static const struct {
        const char *host, *target;
        bool virtual_host;
        const char *bucket, *key;
    } cases[] = {
        {"bkt.localhost:4503", "/k", true, "bkt", "k"},
        {"bkt.LocalHost", "/a//b", true, "bkt", "a//b"},
        {"a.bkt.s3.localhost", "/", true, "a.bkt", ""},
        {"s3.localhost:1", "/bkt/k", false, "bkt", "k"}, /* not the bucket "s3" of localhost */
        {"localhost", "/bkt/k", false, "bkt", "k"},
        {"evil-localhost", "/bkt/k", false, "bkt", "k"},
        {"[::1]:4503", "/bkt/k", false, "bkt", "k"},
        {"", "/bkt/k", false, "bkt", "k"},
    };
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        assert_int_equal(ask("GET", cases[i].target, cases[i].host, "", ""), VK_S3_OK);
        if (route.virtual_host != cases[i].virtual_host || !vk_str_eqz(route.bucket, cases[i].bucket) ||
            !vk_str_eqz(route.key, cases[i].key))
            fail_msg("%s%s", cases[i].host, cases[i].target);
    }
    assert_int_equal(ask("GET", "/k", "..localhost", "", ""), VK_S3_BAD_BUCKET);
    assert_int_equal(ask("GET", "/k/../x", "bkt.localhost", "", ""), VK_S3_BAD_KEY);
    assert_int_equal(ask("POST", "/", "bkt.localhost", "multipart/form-data; boundary=x", ""), VK_S3_OK);
    assert_int_equal(route.op, VK_S3_POST_FORM);
}

static void copies(void **state)
{
    static const struct {
        const char *value;
        vk_s3_fail f;
        const char *bucket, *key;
    } cases[] = {
        {"b/k", VK_S3_OK, "b", "k"},
        {"/b/k", VK_S3_OK, "b", "k"},
        {"/b//k", VK_S3_OK, "b", "/k"},
        {"%2Fb%2Fa%20b+", VK_S3_OK, "b", "a b+"},
        {"b/k?versionId=null", VK_S3_OK, "b", "k"},
        {"b/k%3FversionId=1", VK_S3_OK, "b", "k?versionId=1"},
        {"b/a%252e%252e/k", VK_S3_OK, "b", "a%2e%2e/k"},
        {"b/k?versionId=1", VK_S3_NO_SUCH_VERSION, "", ""},
        {"b/k?x=1", VK_S3_BAD_COPY_SOURCE, "", ""},
        {"b", VK_S3_BAD_COPY_SOURCE, "", ""},
        {"b/", VK_S3_BAD_COPY_SOURCE, "", ""},
        {"//k", VK_S3_BAD_COPY_SOURCE, "", ""},
        {"b/%", VK_S3_BAD_COPY_SOURCE, "", ""},
        {"../k", VK_S3_BAD_COPY_SOURCE, "", ""},
        {"b/../x/k", VK_S3_BAD_KEY, "", ""},
        {"b/a/%2e%2e/k", VK_S3_BAD_KEY, "", ""},
        {"b/a..%2f../k", VK_S3_BAD_KEY, "", ""},
        {"b/k%00", VK_S3_BAD_KEY, "", ""},
    };
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_s3_fail f = ask("PUT", "/b/to", "", "", cases[i].value);
        if (f != cases[i].f || (f == VK_S3_OK && (route.op != VK_S3_COPY_OBJECT ||
                                                  !vk_str_eqz(route.source_bucket, cases[i].bucket) ||
                                                  !vk_str_eqz(route.source_key, cases[i].key))))
            fail_msg("%s: %d", cases[i].value, (int)f);
    }
    assert_int_equal(ask("PUT", "/b/k?partNumber=1&uploadId=u", "", "", "b/k"), VK_S3_OK);
    assert_int_equal(route.op, VK_S3_COPY_PART);
    assert_int_equal(ask("GET", "/b/k", "", "", "b/k"), VK_S3_OK); /* nothing to a GET */
    assert_int_equal(route.op, VK_S3_GET_OBJECT);
    assert_int_equal(ask("PUT", "/b/k?x-amz-copy-source=b/k", "", "", "b/k"), VK_S3_BAD_COPY_SOURCE);
}

static void parameters(void **state)
{
    vk_str v;
    int64_t n;
    VK_UNUSED(state);
    assert_int_equal(ask("GET", "/b?prefix=a+b%2B&delimiter=&x=1&&marker&max-keys=7&refix=no", "", "", ""),
                     VK_S3_OK);
    assert_true(vk_s3_param_of(&route, "prefix", &v) && vk_str_eqz(v, "a b+")); /* as the verifier reads it */
    assert_true(vk_s3_param_of(&route, "delimiter", &v) && v.n == 0);
    assert_true(vk_s3_param_of(&route, "marker", &v) && v.n == 0);
    assert_false(vk_s3_param_of(&route, "x", &v));
    assert_false(vk_s3_param_of(&route, "refix", &v));
    assert_int_equal(vk_s3_param_int(&route, "max-keys", 0, INT32_MAX, 1000, &n), VK_S3_OK);
    assert_int_equal(n, 7);
    static const char *const bad[] = {"-1", "x", "1x", "99999999999999999999", "%20"};
    for (size_t i = 0; i < VK_COUNT(bad); i++) {
        char target[64];
        snprintf(target, sizeof target, "/b?max-keys=%s", bad[i]);
        assert_int_equal(ask("GET", target, "", "", ""), VK_S3_OK);
        assert_int_equal(vk_s3_param_int(&route, "max-keys", 0, INT32_MAX, 1000, &n), VK_S3_BAD_ARGUMENT);
    }
    assert_int_equal(ask("GET", "/b", "", "", ""), VK_S3_OK);
    assert_int_equal(vk_s3_param_int(&route, "max-keys", 0, 1000, 1000, &n), VK_S3_OK);
    assert_int_equal(n, 1000);
    char many[512] = "/b?";
    for (size_t i = 0; i <= VK_S3_PARAMS_MAX; i++)
        memcpy(many + 3 + 4 * i, "a=1&", 5);
    assert_int_equal(ask("GET", many, "", "", ""), VK_S3_TOO_MANY);
    many[3 + 4 * VK_S3_PARAMS_MAX] = '\0';
    assert_int_equal(ask("GET", many, "", "", ""), VK_S3_OK);
}

static void buckets(void **state)
{
    VK_UNUSED(state);
    static const char *const good[] = {"abc", "a-b", "my.bucket-1", "1.2.3.4.5", "a.1.2.3"};
    static const char *const bad[] = {"",     "ab",   "-ab", "ab-", ".ab",     "a..b",
                                      "a.-b", "a-.b", "aBc", "a_b", "1.2.3.4", "a\xc3\xa9z"};
    for (size_t i = 0; i < VK_COUNT(good); i++)
        assert_true(vk_s3_bucket_ok(vk_str_z(good[i]), false));
    for (size_t i = 0; i < VK_COUNT(bad); i++)
        assert_false(vk_s3_bucket_ok(vk_str_z(bad[i]), false));
    char name[65];
    memset(name, 'a', sizeof name);
    assert_true(vk_s3_bucket_ok((vk_str){name, 63}, false));
    assert_false(vk_s3_bucket_ok((vk_str){name, 64}, true));
}

static void every_operation_is_described(void **state)
{
    VK_UNUSED(state);
    for (int op = 0; op < VK_S3_OPS; op++) {
        assert_non_null(vk_s3_ops[op].name);
        size_t n = strlen(vk_s3_ops[op].params);
        assert_true(vk_s3_ops[op].params[0] == ' ' && vk_s3_ops[op].params[n - 1] == ' ');
        assert_true(vk_s3_ops[op].who == VK_S3_SIGNED || !vk_s3_ops[op].writes || op == VK_S3_POST_FORM);
    }
    for (int f = 1; f < VK_S3_FAILS; f++)
        assert_true(vk_s3_errors[f].code && vk_s3_errors[f].message[0] && vk_s3_errors[f].status >= 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_clients_sent),
        cmocka_unit_test(a_table),
        cmocka_unit_test(keys_have_a_longest),
        cmocka_unit_test(virtual_hosts),
        cmocka_unit_test(copies),
        cmocka_unit_test(parameters),
        cmocka_unit_test(buckets),
        cmocka_unit_test(every_operation_is_described),
    };
    arena = vk_arena_new(1 << 20);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    vk_arena_free(arena);
    return failed;
}
