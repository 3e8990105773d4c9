/* CORS: preflights and requests against rules. */
#include "services/storage/s3cors.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static vk_arena *arena;

static vk_s3x_cors rules_of(const char *xml)
{
    vk_s3x_cors c = {NULL, 0};
    assert_int_equal(
        vk_s3x_read_cors(arena, vk_arena_printf(arena, "<CORSConfiguration>%s</CORSConfiguration>", xml), &c),
        VK_S3_OK);
    return c;
}

static const char two[] =
    "<CORSRule><AllowedOrigin>https://*.preview.example</AllowedOrigin><AllowedOrigin>http://a</"
    "AllowedOrigin>"
    "<AllowedMethod>GET</AllowedMethod><AllowedMethod>PUT</AllowedMethod><AllowedHeader>content-type</"
    "AllowedHeader>"
    "<AllowedHeader>x-amz-*</AllowedHeader><ExposeHeader>ETag</ExposeHeader><ExposeHeader>x-amz-meta-a</"
    "ExposeHeader>"
    "<MaxAgeSeconds>60</MaxAgeSeconds></CORSRule>"
    "<CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule>";

static void preflights(void **state)
{
    static const struct {
        const char *origin, *method, *headers;
        vk_s3_fail f;
        const char *allowed;
        bool credentials;
    } cases[] = {
        {"https://x.preview.example", "PUT", "Content-Type, X-Amz-Meta-B", VK_S3_OK,
         "https://x.preview.example", true},
        {"http://a", "PUT", "", VK_S3_OK, "http://a", true},
        {"http://a", "GET", "authorization", VK_S3_CORS_FORBIDDEN, "", false}, /* by neither rule */
        {"http://b", "GET", "", VK_S3_OK, "*", false},
        {"null", "GET", "", VK_S3_OK, "*", false},
        {"http://b", "GET", "x-amz-date", VK_S3_CORS_FORBIDDEN, "", false},
        {"http://b", "PUT", "", VK_S3_CORS_FORBIDDEN, "", false},
        {"http://a", "DELETE", "", VK_S3_CORS_FORBIDDEN, "", false},
        {"http://a", "put", "", VK_S3_CORS_FORBIDDEN, "", false},
        {"http://a", "", "", VK_S3_CORS_FORBIDDEN, "", false},
        {"HTTP://a", "PUT", "", VK_S3_CORS_FORBIDDEN, "", false},
        {"http://a.evil", "PUT", "", VK_S3_CORS_FORBIDDEN, "", false},
        {"https://preview.example", "PUT", "", VK_S3_CORS_FORBIDDEN, "", false},
        {"https://x.preview.example.evil", "PUT", "", VK_S3_CORS_FORBIDDEN, "", false},
        {"http://x.preview.example", "PUT", "", VK_S3_CORS_FORBIDDEN, "", false},
        {"http://a\r\nX: y", "GET", "", VK_S3_CORS_FORBIDDEN, "", false},
        {"http://a", "PUT", "x-amz-a\r\nX: y", VK_S3_CORS_FORBIDDEN, "", false},
        {"http://a", "PUT", "x-amz-a b", VK_S3_CORS_FORBIDDEN, "", false},
        {"", "PUT", "", VK_S3_CORS_NO_ORIGIN, "", false},
    };
    VK_UNUSED(state);
    vk_arena_reset(arena);
    vk_s3x_cors c = rules_of(two);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_s3_cors_answer o;
        vk_s3_fail f = vk_s3_cors_preflight(arena, &c, vk_str_z(cases[i].origin), vk_str_z(cases[i].method),
                                            vk_str_z(cases[i].headers), &o);
        if (f != cases[i].f || (f == VK_S3_OK && (!vk_str_eqz(o.allow_origin, cases[i].allowed) ||
                                                  o.credentials != cases[i].credentials ||
                                                  !vk_str_eqz(o.allow_headers, cases[i].headers))))
            fail_msg("%s %s %s: %d", cases[i].origin, cases[i].method, cases[i].headers, (int)f);
    }
    vk_s3_cors_answer o;
    assert_int_equal(vk_s3_cors_preflight(arena, &c, VK_STR("http://a"), VK_STR("GET"), VK_STR_NONE, &o),
                     VK_S3_OK);
    assert_true(vk_str_eqz(o.allow_methods, "GET, PUT") && !o.allow_headers.p && o.max_age_s == 60 &&
                !o.expose_headers.p);
    const vk_s3x_cors none = {NULL, 0};
    assert_int_equal(vk_s3_cors_preflight(arena, &none, VK_STR("http://a"), VK_STR("GET"), VK_STR_NONE, &o),
                     VK_S3_CORS_FORBIDDEN);
}

static void requests(void **state)
{
    VK_UNUSED(state);
    vk_s3_cors_answer o;
    vk_arena_reset(arena);
    vk_s3x_cors c = rules_of(two);
    assert_true(vk_s3_cors_request(arena, &c, VK_STR("http://a"), VK_STR("PUT"), &o));
    assert_true(vk_str_eqz(o.allow_origin, "http://a") && o.credentials &&
                vk_str_eqz(o.expose_headers, "ETag, x-amz-meta-a"));
    assert_true(!o.allow_methods.p && o.max_age_s == -1);
    assert_true(vk_s3_cors_request(arena, &c, VK_STR("http://b"), VK_STR("GET"), &o));
    assert_true(vk_str_eqz(o.allow_origin, "*") && !o.credentials && !o.expose_headers.p);
    assert_false(vk_s3_cors_request(arena, &c, VK_STR("http://b"), VK_STR("PUT"), &o));
    assert_false(vk_s3_cors_request(arena, &c, VK_STR(""), VK_STR("GET"), &o));
}

static void without_configuration(void **state)
{
    static const vk_str origins[] = {{"http://localhost:3000", 21}, {"https://b1.preview.example", 26}};
    vk_s3_cors_answer o;
    vk_s3x_rule r;
    VK_UNUSED(state);
    vk_arena_reset(arena);
    vk_s3_cors_default(origins, VK_COUNT(origins), &r);
    const vk_s3x_cors c = {&r, 1};
    assert_int_equal(vk_s3_cors_preflight(arena, &c, origins[1], VK_STR("PUT"),
                                          VK_STR("authorization,x-amz-date,content-type"), &o),
                     VK_S3_OK);
    assert_true(vk_str_eq(o.allow_origin, origins[1]) && o.max_age_s == 3600);
    assert_true(vk_s3_cors_request(arena, &c, origins[0], VK_STR("PUT"), &o));
    assert_true(vk_str_eqz(o.expose_headers, "ETag"));
    assert_int_equal(
        vk_s3_cors_preflight(arena, &c, VK_STR("http://localhost:3001"), VK_STR("PUT"), VK_STR(""), &o),
        VK_S3_CORS_FORBIDDEN);
    vk_s3_cors_default(NULL, 0, &r);
    assert_int_equal(vk_s3_cors_preflight(arena, &c, origins[1], VK_STR("GET"), VK_STR(""), &o),
                     VK_S3_CORS_FORBIDDEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(preflights), cmocka_unit_test(requests),
                                       cmocka_unit_test(without_configuration)};
    arena = vk_arena_new(1 << 20);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    vk_arena_free(arena);
    return failed;
}
