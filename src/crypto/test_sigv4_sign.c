/* What is signed here is what the verifier next door, which real clients' requests were tried on, accepts;
 * and an example of the vendor's documentation comes out to the letter. */
#include "crypto/sigv4_sign.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define EXAMPLE_ID                                                                                           \
    "AKIA"                                                                                                   \
    "IOSFODNN7EXAMPLE"
#define EXAMPLE_SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

static vk_arena *arena;

static int set_up(void **state)
{
    VK_UNUSED(state);
    arena = vk_arena_new(1 << 20);
    return arena && vk_digest_init() == VK_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    VK_UNUSED(state);
    vk_arena_free(arena);
    return 0;
}

static vk_sigv4_signing example(void)
{
    return (vk_sigv4_signing){.method = VK_STR("GET"),
                              .host = VK_STR("examplebucket.s3.amazonaws.com"),
                              .path = VK_STR("/"),
                              .query = VK_STR("max-keys=2&prefix=J"),
                              .id = VK_STR(EXAMPLE_ID),
                              .region = VK_STR("us-east-1"),
                              .secret = vk_secret_of(VK_STR(EXAMPLE_SECRET)),
                              .now_ms = 1369353600000}; /* 24 May 2013 */
}

/* "Get Bucket (List Objects)" of the S3 API reference. */
static void documented(void **state)
{
    VK_UNUSED(state);
    vk_sigv4_signing s = example();
    vk_sigv4_signed out;
    assert_int_equal(vk_sigv4_sign(arena, &s, &out), VK_OK);
    assert_string_equal(out.date, "20130524T000000Z");
    assert_string_equal(out.payload, VK_SHA256_NOTHING_HEX);
    assert_true(
        vk_str_eqz(out.authorization,
                   "AWS4-HMAC-SHA256 Credential=" EXAMPLE_ID
                   "/20130524/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, "
                   "Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"));
}

static void look_up(void *arg, vk_str id, vk_sigv4_key *key_r)
{
    if (vk_str_eqz(id, EXAMPLE_ID))
        *key_r = (vk_sigv4_key){
            .state = VK_SIGV4_KEY_GOOD, .secret = vk_secret_of(VK_STR(EXAMPLE_SECRET)), .identity = arg};
}

/* As the verifier sees it; `touch` changes one thing on the way. */
static vk_sigv4_fail verify(const vk_sigv4_signing *s, const vk_sigv4_signed *out, int touch)
{
    vk_sigv4_pair headers[] = {{VK_STR("Host"), s->host},
                               {VK_STR("x-amz-date"), vk_str_z(out->date)},
                               {VK_STR("x-amz-content-sha256"), vk_str_z(out->payload)},
                               {VK_STR("Authorization"), out->authorization},
                               {VK_STR("If-None-Match"), touch == 1 ? VK_STR("\"a\"") : VK_STR("*")}};
    const vk_sigv4_request r = {.method = s->method,
                                .path = touch == 2 ? VK_STR("/other") : s->path,
                                .query = touch == 3 ? VK_STR("b=c") : s->query,
                                .headers = headers,
                                .n_headers = VK_COUNT(headers),
                                .now_ms = s->now_ms + (touch == 4 ? 16 * 60 * 1000 : 0)};
    int who;
    const vk_sigv4_setup setup = {.lookup = look_up, .arg = &who};
    vk_sigv4_grant grant;
    vk_sigv4_trace trace;
    vk_sigv4_fail fail = vk_sigv4_verify(&setup, &r, arena, &grant, &trace);
    vk_sigv4_grant_wipe(&grant);
    return fail;
}

static void verified(void **state)
{
    VK_UNUSED(state);
    static const vk_sigv4_pair more[] = {{VK_STR("If-None-Match"), VK_STR("*")}};
    vk_sigv4_signing s = example();
    vk_sigv4_signed out;
    s.method = VK_STR("PUT");
    s.path = VK_STR("/bucket/app%20x/.valetkey-probe/00ff");
    s.query = VK_STR("");
    s.body = VK_STR("a probe");
    s.headers = more;
    s.n_headers = 1;
    s.region = VK_STR("auto");
    assert_int_equal(vk_sigv4_sign(arena, &s, &out), VK_OK);
    assert_non_null(memmem(out.authorization.p, out.authorization.n, "=host;if-none-match;x-amz-", 26));
    assert_int_equal(verify(&s, &out, 0), VK_SIGV4_OK);
    for (int touch = 1; touch <= 4; touch++)
        assert_int_not_equal(verify(&s, &out, touch), VK_SIGV4_OK);
    s.unsigned_payload = true;
    assert_int_equal(vk_sigv4_sign(arena, &s, &out), VK_OK);
    assert_string_equal(out.payload, "UNSIGNED-PAYLOAD");
    assert_int_equal(verify(&s, &out, 0), VK_SIGV4_OK);
}

static void refused(void **state)
{
    VK_UNUSED(state);
    vk_sigv4_signed out;
    vk_sigv4_signing s = example();
    s.id = VK_STR("a/b");
    assert_int_equal(vk_sigv4_sign(arena, &s, &out), VK_E_INVALID);
    s = example();
    s.region = VK_STR("a\r\nb: c");
    assert_int_equal(vk_sigv4_sign(arena, &s, &out), VK_E_INVALID);
    s = example();
    s.region = VK_STR("");
    assert_int_equal(vk_sigv4_sign(arena, &s, &out), VK_E_INVALID);
    s = example();
    s.secret = VK_SECRET_NONE;
    assert_int_equal(vk_sigv4_sign(arena, &s, &out), VK_E_INVALID);
    s = example();
    s.path = VK_STR("bucket");
    assert_int_equal(vk_sigv4_sign(arena, &s, &out), VK_E_INVALID);
    static const vk_sigv4_pair twice[] = {{VK_STR("X"), VK_STR("1")}, {VK_STR("x"), VK_STR("2")}};
    s = example();
    s.headers = twice;
    s.n_headers = 2;
    assert_int_equal(vk_sigv4_sign(arena, &s, &out), VK_E_INVALID);
    vk_arena *small = vk_arena_new(8192);
    s = example();
    while (vk_arena_alloc(small, 256))
        ;
    assert_int_equal(vk_sigv4_sign(small, &s, &out), VK_E_NOMEM);
    vk_arena_free(small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documented),
        cmocka_unit_test(verified),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
