/* Tokens. Independent judges: the RFC's own vector, one made by the npm package jose, and a session token
 * that Clerk's SDKs accepted (tests/data/auth/jwt-vectors.json). */
#include "crypto/jwt.h"

#include "core/encode.h"
#include "crypto/digest.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static vk_rsa *key;
static vk_arena *a;
static json_t *vectors;

static vk_str text_of(const json_t *o, const char *name)
{
    return vk_str_z(json_string_value(json_object_get(o, name)));
}

static vk_rsa *public_of(const json_t *v)
{
    vk_str n;
    vk_rsa *public;
    assert_int_equal(vk_base64_decode(a, text_of(v, "n"), &n), VK_OK);
    assert_int_equal(n.n, VK_RSA_BYTES);
    assert_int_equal(vk_rsa_public((const uint8_t *)n.p, &public), VK_OK);
    return public;
}

static vk_str joined(vk_str header, vk_str claims, vk_str signature)
{
    return vk_arena_printf(a, VK_STR_FMT "." VK_STR_FMT "." VK_STR_FMT, VK_STR_ARG(header),
                           VK_STR_ARG(claims), VK_STR_ARG(signature));
}

static void those_of_others(void **state)
{
    VK_UNUSED(state);
    size_t i;
    const json_t *v;
    vk_rsa *previous = NULL;
    json_array_foreach(json_object_get(vectors, "tokens"), i, v)
    {
        vk_str token = joined(text_of(v, "header"), text_of(v, "claims"), text_of(v, "signature"));
        int64_t exp = json_integer_value(json_object_get(v, "exp"));
        vk_rsa *public = public_of(v);
        vk_jwt t;
        const char *why;
        assert_int_equal(vk_jwt_parse(a, vk_secret_of(token), &t, &why), VK_OK);
        assert_null(why);
        assert_true(vk_str_eq(t.kid, text_of(v, "kid")));
        assert_true(vk_str_eq(t.cat, text_of(v, "cat")));
        assert_int_equal(vk_jwt_verify(&t, public), VK_OK);
        assert_int_equal(vk_jwt_verify(&t, key), VK_E_UNAUTHORIZED);
        if (previous)
            assert_int_equal(vk_jwt_verify(&t, previous), VK_E_UNAUTHORIZED);
        assert_int_equal(vk_jwt_times(&t, exp - 1), VK_OK);
        assert_int_equal(vk_jwt_times(&t, exp + 60), VK_E_EXPIRED);
        if (json_object_get(v, "private_key")) { /* it signs to the same bytes */
            vk_str der, signature;
            vk_rsa *private;
            uint8_t made[VK_RSA_BYTES];
            assert_int_equal(vk_base64_decode(a, text_of(v, "private_key"), &der), VK_OK);
            assert_int_equal(vk_base64_decode(a, text_of(v, "signature"), &signature), VK_OK);
            assert_int_equal(vk_rsa_import(vk_secret_of(der), &private), VK_OK);
            assert_int_equal(vk_rsa_sign(private, t.signed_part, made), VK_OK);
            assert_memory_equal(made, signature.p, sizeof made);
            vk_rsa_free(private);
        }
        vk_rsa_free(previous);
        previous = public;
    }
    assert_int_equal(i, 3);
    vk_rsa_free(previous);
}

static void ours_as_the_sample_has_it(void **state)
{
    VK_UNUSED(state);
    const json_t *v = json_array_get(json_object_get(vectors, "tokens"), 2);
    vk_str claims;
    vk_buf out;
    vk_jwt t;
    const char *why;
    assert_int_equal(vk_base64_decode(a, text_of(v, "claims"), &claims), VK_OK);
    vk_buf_init(&out, VK_JWT_MAX);
    assert_int_equal(vk_jwt_sign(key, VK_STR("ins_build1"), VK_JWT_CAT_SESSION, claims, &out), VK_OK);
    vk_str begin = joined(text_of(v, "header"), text_of(v, "claims"), VK_STR(""));
    assert_true(vk_str_starts(vk_buf_view(&out), begin));
    assert_int_equal(vk_jwt_parse(a, vk_secret_of(vk_buf_view(&out)), &t, &why), VK_OK);
    assert_int_equal(vk_jwt_verify(&t, key), VK_OK);
    assert_true(vk_str_eqz(vk_json_str(vk_json_get(t.claims, VK_STR("sts"))), "active"));
    /* Without a category, behind what is there already. */
    vk_buf_clear(&out);
    vk_buf_lit(&out, "x=");
    assert_int_equal(vk_jwt_sign(key, VK_STR("k\"1"), VK_STR_NONE, VK_STR("{}"), &out), VK_OK);
    assert_int_equal(vk_jwt_parse(a, vk_secret_of((vk_str){out.p + 2, out.n - 2}), &t, &why), VK_OK);
    assert_int_equal(vk_jwt_verify(&t, key), VK_OK);
    assert_true(vk_str_eqz(t.kid, "k\"1"));
    assert_int_equal(t.cat.n, 0);
    vk_buf_free(&out);
}

static void what_is_not_signed(void **state)
{
    VK_UNUSED(state);
    char large[VK_JWT_CLAIMS_MAX + 2];
    vk_buf out;
    memset(large, ' ', sizeof large);
    large[0] = '{';
    large[VK_JWT_CLAIMS_MAX] = '}';
    vk_buf_init(&out, VK_JWT_MAX);
    assert_int_equal(vk_jwt_sign(key, VK_STR("k"), VK_STR_NONE, VK_STR("[]"), &out), VK_E_INVALID);
    assert_int_equal(vk_jwt_sign(key, VK_STR("k"), VK_STR_NONE, VK_STR_NONE, &out), VK_E_INVALID);
    assert_int_equal(vk_jwt_sign(key, VK_STR("k"), VK_STR_NONE, (vk_str){large, VK_JWT_CLAIMS_MAX + 1}, &out),
                     VK_E_TOO_LARGE);
    assert_int_equal(out.n, 0);
    large[VK_JWT_CLAIMS_MAX - 1] = '}';
    assert_int_equal(vk_jwt_sign(key, VK_STR("k"), VK_STR_NONE, (vk_str){large, VK_JWT_CLAIMS_MAX}, &out),
                     VK_OK);
    vk_buf_free(&out);
    for (size_t max = 0; max < 450; max += 30) { /* no room: nothing half-made */
        vk_buf_init(&out, max);
        vk_err e = vk_jwt_sign(key, VK_STR("k"), VK_STR_NONE, VK_STR("{}"), &out);
        assert_true(e == VK_OK || (e == VK_E_TOO_LARGE && out.n == 0));
        vk_buf_free(&out);
    }
}

/* A token with such a header and claims, well signed. */
static vk_str made(vk_str header, vk_str claims)
{
    uint8_t signature[VK_RSA_BYTES];
    vk_buf b;
    vk_buf_init(&b, 4 * VK_JWT_MAX);
    vk_base64url(&b, header.p, header.n);
    vk_buf_ch(&b, '.');
    vk_base64url(&b, claims.p, claims.n);
    assert_int_equal(vk_rsa_sign(key, vk_buf_view(&b), signature), VK_OK);
    vk_buf_ch(&b, '.');
    vk_base64url(&b, signature, sizeof signature);
    vk_str out = vk_arena_dup(a, vk_buf_view(&b));
    vk_buf_free(&b);
    assert_non_null(out.p);
    return out;
}

static void strict(void **state)
{
    VK_UNUSED(state);
#define H "{\"alg\":\"RS256\",\"kid\":\"k\"}"
    static const struct {
        vk_str header, claims;
        bool good;
    } cases[] = {
        {VK_STR(H), VK_STR("{\"a\":1}"), true},
        {VK_STR("{\"typ\":\"JWT\",\"alg\":\"RS256\"}"), VK_STR("{}"), true},
        {VK_STR(" {\"\\u0061lg\":\"RS256\"}"), VK_STR("{ }"), true},
        {VK_STR("{\"alg\":\"none\"}"), VK_STR("{}"), false},
        {VK_STR("{\"alg\":\"None\"}"), VK_STR("{}"), false},
        {VK_STR("{\"alg\":\"HS256\"}"), VK_STR("{}"), false},
        {VK_STR("{\"alg\":\"RS384\"}"), VK_STR("{}"), false},
        {VK_STR("{\"alg\":\"PS256\"}"), VK_STR("{}"), false},
        {VK_STR("{\"alg\":\"rs256\"}"), VK_STR("{}"), false},
        {VK_STR("{\"alg\":\"RS256\\u0000\"}"), VK_STR("{}"), false},
        {VK_STR("{\"alg\":[\"RS256\"]}"), VK_STR("{}"), false},
        {VK_STR("{\"alg\":null}"), VK_STR("{}"), false},
        {VK_STR("{\"ALG\":\"RS256\"}"), VK_STR("{}"), false},
        {VK_STR("{\"kid\":\"k\"}"), VK_STR("{}"), false},
        {VK_STR("{}"), VK_STR("{}"), false},
        {VK_STR("[]"), VK_STR("{}"), false},
        {VK_STR("{\"alg\":\"none\",\"alg\":\"RS256\"}"), VK_STR("{}"), false},
        {VK_STR("{\"alg\":\"RS256\",\"alg\":\"RS256\"}"), VK_STR("{}"), false},
        {VK_STR("{\"alg\":\"RS256\",\"\\u0061lg\":\"RS256\"}"), VK_STR("{}"), false},
        {VK_STR("{\"alg\":\"RS256\",\"crit\":[\"b64\"],\"b64\":false}"), VK_STR("{}"), false},
        {VK_STR("{\"alg\":\"RS256\",\"jku\":\"https://example.com\"}"), VK_STR("{}"), false},
        {VK_STR("{\"alg\":\"RS256\",\"jwk\":{}}"), VK_STR("{}"), false},
        {VK_STR("{\"alg\":\"RS256\",\"typ\":\"jwt\"}"), VK_STR("{}"), false},
        {VK_STR("{\"alg\":\"RS256\",\"kid\":\"\"}"), VK_STR("{}"), false},
        {VK_STR("{\"alg\":\"RS256\",\"kid\":1}"), VK_STR("{}"), false},
        {VK_STR("{\"alg\":\"RS256\",\"kid\":"
                "\"12345678901234567890123456789012345678901234567890123456789012345\"}"),
         VK_STR("{}"), false},
        {VK_STR(H " "), VK_STR("{}"), true},
        {VK_STR(H "x"), VK_STR("{}"), false},
        {VK_STR(H), VK_STR("[]"), false},
        {VK_STR(H), VK_STR("null"), false},
        {VK_STR(H), VK_STR("{\"a\":1,}"), false},
        {VK_STR(H), VK_STR("{\"a\":\"\xff\"}"), false},
        {VK_STR(H), VK_STR("{\"sub\":\"a\",\"sub\":\"b\"}"), false},
        {VK_STR(H), VK_STR("{\"a\":{\"x\":1,\"x\":1}}"), false},
        {VK_STR(H), VK_STR("{\"a\":[{\"x\":1},{\"x\":1}]}"), true},
        {VK_STR(H), VK_STR("{\"a\":[0,{\"x\":1,\"x\":1}]}"), false},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_jwt t;
        const char *why = NULL;
        vk_err e = vk_jwt_parse(a, vk_secret_of(made(cases[i].header, cases[i].claims)), &t, &why);
        if ((e == VK_OK) != cases[i].good || (e != VK_OK && !why))
            fail_msg("case %zu: %s", i, vk_err_name(e));
        if (e == VK_OK)
            assert_int_equal(vk_jwt_verify(&t, key), VK_OK);
    }
}

static void forms(void **state)
{
    VK_UNUSED(state);
    vk_str good = made(VK_STR(H), VK_STR("{\"a\":1}")), rest = good, head, body;
    vk_jwt t;
    const char *why;
    assert_true(vk_str_cut(&rest, '.', &head) && vk_str_cut(&rest, '.', &body));
    const vk_str bad[] = {
        VK_STR(""),
        VK_STR("."),
        VK_STR(".."),
        VK_STR("..."),
        head,
        joined(head, body, VK_STR("")),
        joined(head, VK_STR(""), rest),
        joined(VK_STR(""), body, rest),
        joined(head, vk_arena_printf(a, VK_STR_FMT "=", VK_STR_ARG(body)), rest),
        joined(head, body, vk_arena_printf(a, VK_STR_FMT ".", VK_STR_ARG(rest))),
        joined(head, body, vk_arena_printf(a, VK_STR_FMT "==", VK_STR_ARG(rest))),
        joined(head, body, (vk_str){rest.p, rest.n - 1}),
        joined(head, body, (vk_str){rest.p, rest.n - 2}),
        joined(vk_arena_printf(a, " " VK_STR_FMT, VK_STR_ARG(head)), body, rest),
        joined(head, body, vk_arena_printf(a, VK_STR_FMT "\n", VK_STR_ARG(rest))),
        joined(VK_STR("e30"), VK_STR("e30"), VK_STR("e30")),
        VK_STR("a.b.c"),
        joined(VK_STR("eyJhbGciOiJub25lIn0"), body, VK_STR("")), /* alg none, no signature */
    };
    for (size_t i = 0; i < VK_COUNT(bad); i++)
        if (vk_jwt_parse(a, vk_secret_of(bad[i]), &t, &why) != VK_E_INVALID || !why)
            fail_msg("form %zu", i);
    for (size_t i = 0; i < good.n; i++) { /* no character of it can be another one */
        char *copy = vk_arena_alloc(a, good.n);
        assert_non_null(copy);
        memcpy(copy, good.p, good.n);
        copy[i] = copy[i] == 'A' ? 'B' : 'A';
        vk_err e = vk_jwt_parse(a, vk_secret_of((vk_str){copy, good.n}), &t, &why);
        assert_true(e == VK_E_INVALID || (e == VK_OK && vk_jwt_verify(&t, key) == VK_E_UNAUTHORIZED));
    }
    /* The standard alphabet is another text for the same bytes. */
    char *copy = vk_arena_alloc(a, good.n);
    bool changed = false;
    memcpy(copy, good.p, good.n);
    for (size_t i = 0; i < good.n; i++) {
        if (copy[i] == '-' || copy[i] == '_') {
            copy[i] = copy[i] == '-' ? '+' : '/';
            changed = true;
        }
    }
    assert_true(changed);
    assert_int_equal(vk_jwt_parse(a, vk_secret_of((vk_str){copy, good.n}), &t, &why), VK_E_INVALID);
}

static void sizes(void **state)
{
    VK_UNUSED(state);
    char large[VK_JWT_MAX + 1];
    vk_jwt t;
    const char *why;
    memset(large, 'A', sizeof large);
    assert_int_equal(vk_jwt_parse(a, vk_secret_of((vk_str){large, sizeof large}), &t, &why), VK_E_TOO_LARGE);
    memset(large, ' ', sizeof large);
    memcpy(large, H, sizeof H - 1);
    assert_int_equal(
        vk_jwt_parse(a, vk_secret_of(made((vk_str){large, VK_JWT_HEADER_MAX}, VK_STR("{}"))), &t, &why),
        VK_OK);
    assert_int_equal(
        vk_jwt_parse(a, vk_secret_of(made((vk_str){large, VK_JWT_HEADER_MAX + 1}, VK_STR("{}"))), &t, &why),
        VK_E_TOO_LARGE);
    memcpy(large, "{ }                       ", sizeof H - 1);
    assert_int_equal(
        vk_jwt_parse(a, vk_secret_of(made(VK_STR(H), (vk_str){large, VK_JWT_CLAIMS_MAX})), &t, &why), VK_OK);
    assert_int_equal(
        vk_jwt_parse(a, vk_secret_of(made(VK_STR(H), (vk_str){large, VK_JWT_CLAIMS_MAX + 1})), &t, &why),
        VK_E_TOO_LARGE);
    vk_buf many;
    for (int n = VK_JWT_MEMBERS_MAX; n <= VK_JWT_MEMBERS_MAX + 1; n++) {
        vk_buf_init(&many, 4096);
        for (int i = 0; i < n; i++)
            vk_buf_printf(&many, "%c\"%d\":0", i ? ',' : '{', i);
        vk_buf_ch(&many, '}');
        assert_int_equal(vk_jwt_parse(a, vk_secret_of(made(VK_STR(H), vk_buf_view(&many))), &t, &why),
                         n == VK_JWT_MEMBERS_MAX ? VK_OK : VK_E_INVALID);
        vk_buf_free(&many);
    }
    vk_arena *small = vk_arena_new(4096);
    vk_str long_one = made(VK_STR(H), (vk_str){large, VK_JWT_CLAIMS_MAX});
    assert_int_equal(vk_jwt_parse(small, vk_secret_of(long_one), &t, &why), VK_E_NOMEM);
    vk_arena_free(small);
}

static void times(void **state)
{
    VK_UNUSED(state);
    static const struct {
        vk_str claims;
        int64_t now;
        vk_err e;
    } cases[] = {
        {VK_STR("{\"exp\":1000}"), 0, VK_OK},
        {VK_STR("{\"exp\":1000}"), 1004, VK_OK},
        {VK_STR("{\"exp\":1000}"), 1005, VK_E_EXPIRED},
        {VK_STR("{\"exp\":1000,\"nbf\":505}"), 500, VK_OK},
        {VK_STR("{\"exp\":1000,\"nbf\":506}"), 500, VK_E_UNAUTHORIZED},
        {VK_STR("{\"exp\":1000,\"iat\":505}"), 500, VK_OK},
        {VK_STR("{\"exp\":1000,\"iat\":506}"), 500, VK_E_UNAUTHORIZED},
        {VK_STR("{\"exp\":1000,\"iat\":1000000}"), 2000, VK_E_EXPIRED},
        {VK_STR("{}"), 0, VK_E_INVALID},
        {VK_STR("{\"exp\":null}"), 0, VK_E_INVALID},
        {VK_STR("{\"exp\":\"1000\"}"), 0, VK_E_INVALID},
        {VK_STR("{\"exp\":1000.5}"), 0, VK_E_INVALID},
        {VK_STR("{\"exp\":1e99}"), 0, VK_E_INVALID},
        {VK_STR("{\"exp\":-1}"), 0, VK_E_INVALID},
        {VK_STR("{\"exp\":1000,\"nbf\":\"0\"}"), 0, VK_E_INVALID},
        {VK_STR("{\"exp\":999999999999999999}"), 1, VK_OK},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_jwt t;
        const char *why;
        assert_int_equal(vk_jwt_parse(a, vk_secret_of(made(VK_STR(H), cases[i].claims)), &t, &why), VK_OK);
        if (vk_jwt_times(&t, cases[i].now) != cases[i].e)
            fail_msg("case %zu", i);
    }
}

static void public_half(void **state)
{
    VK_UNUSED(state);
    const json_t *v = json_array_get(json_object_get(vectors, "tokens"), 2);
    vk_rsa *public = public_of(v);
    vk_buf out;
    vk_buf_init(&out, 2048);
    vk_jw w = vk_jw_on(&out);
    vk_jwk_write(&w, public, VK_STR("ins_build1"));
    vk_str want = vk_arena_printf(
        a,
        "{\"use\":\"sig\",\"kty\":\"RSA\",\"kid\":\"ins_build1\",\"alg\":\"RS256\",\"n\":\"" VK_STR_FMT
        "\",\"e\":\"AQAB\"}",
        VK_STR_ARG(text_of(v, "n")));
    assert_true(vk_str_eq(vk_buf_view(&out), want));
    vk_buf_free(&out);
    vk_rsa_free(public);
}

static int init(void **state)
{
    VK_UNUSED(state);
    char path[1024];
    const char *root = getenv("VK_SOURCE_ROOT");
    snprintf(path, sizeof path, "%s/tests/data/auth/jwt-vectors.json", root ? root : ".");
    vectors = json_load_file(path, 0, NULL);
    a = vk_arena_new(32 << 20);
    return vectors && a && vk_digest_init() == VK_OK && vk_rsa_new(&key) == VK_OK ? 0 : -1;
}

static int end(void **state)
{
    VK_UNUSED(state);
    vk_rsa_free(key);
    vk_arena_free(a);
    json_decref(vectors);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_of_others),
        cmocka_unit_test(ours_as_the_sample_has_it),
        cmocka_unit_test(what_is_not_signed),
        cmocka_unit_test(strict),
        cmocka_unit_test(forms),
        cmocka_unit_test(sizes),
        cmocka_unit_test(times),
        cmocka_unit_test(public_half),
    };
    return cmocka_run_group_tests(tests, init, end);
}
