/* Whether an event came from Stripe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/encode.h"
#include "crypto/digest.h"
#include "keeper/stripe_hook.h"

#define SECRET "whsec_for_this_test_only"
#define BODY "{\"id\":\"evt_1\"}"

enum { NOW = 1764400000 };

/* As Stripe's SDK for tests does: "t=…,v1=…". */
static const char *signed_at(long t, const char *secret, const char *body)
{
    static char out[4][200];
    static int turn;
    char hex[2 * VK_SHA256 + 1] = "", text[400];
    uint8_t mac[VK_SHA256];
    snprintf(text, sizeof text, "%ld.%s", t, body);
    vk_hmac(vk_str_z(secret), vk_str_z(text), mac);
    vk_hex(hex, mac, sizeof mac);
    turn = (turn + 1) % 4;
    snprintf(out[turn], sizeof out[turn], "t=%ld,v1=%.64s", t, hex);
    return out[turn];
}

static vk_err checked(const char *signature, const char *body)
{
    const char *why = NULL;
    vk_err e =
        vk_stripe_hook_check(vk_secret_of(VK_STR(SECRET)), vk_str_z(signature), vk_str_z(body), NOW, &why);
    assert_true((e == VK_OK) == (why == NULL));
    return e;
}

static void what_stripe_signs(void **state)
{
    VK_UNUSED(state);
    char text[1000];
    /* Computed apart, with openssl dgst -hmac. */
    assert_string_equal(signed_at(NOW, SECRET, BODY) + 12,
                        ",v1=73f4b06a3d0914a21111e32078b0b76f6eba37b89e9ec174a9c4b51ca49e4a11");
    assert_int_equal(checked(signed_at(NOW, SECRET, BODY), BODY), VK_OK);
    assert_int_equal(checked(signed_at(NOW - 300, SECRET, BODY), BODY), VK_OK);
    assert_int_equal(checked(signed_at(NOW + 300, SECRET, BODY), BODY), VK_OK);
    /* While a secret is replaced there are two; others are passed over. */
    const char *good = signed_at(NOW, SECRET, BODY), *other = signed_at(NOW, "whsec_former", BODY);
    snprintf(text, sizeof text, "%s%s,v0=00, x", good, strchr(other, ','));
    assert_int_equal(checked(text, BODY), VK_OK);
    snprintf(text, sizeof text, "%s%s", other, strchr(good, ','));
    assert_int_equal(checked(text, BODY), VK_OK);
}

static void what_it_does_not(void **state)
{
    VK_UNUSED(state);
    char text[4200], many[4200];
    const char *good = signed_at(NOW, SECRET, BODY);
    assert_int_equal(checked("", BODY), VK_E_UNAUTHORIZED);
    assert_int_equal(checked("t=1", BODY), VK_E_UNAUTHORIZED);
    assert_int_equal(checked(strchr(good, ',') + 1, BODY), VK_E_UNAUTHORIZED);
    assert_int_equal(checked(good, BODY " "), VK_E_UNAUTHORIZED);
    assert_int_equal(checked(good, ""), VK_E_UNAUTHORIZED);
    assert_int_equal(checked(signed_at(NOW, "whsec_other", BODY), BODY), VK_E_UNAUTHORIZED);
    assert_int_equal(checked(signed_at(NOW - 301, SECRET, BODY), BODY), VK_E_UNAUTHORIZED);
    assert_int_equal(checked(signed_at(NOW + 301, SECRET, BODY), BODY), VK_E_UNAUTHORIZED);
    /* The time is signed. */
    snprintf(text, sizeof text, "t=%d%s", NOW + 1, strchr(good, ','));
    assert_int_equal(checked(text, BODY), VK_E_UNAUTHORIZED);
    snprintf(text, sizeof text, "t=%d,%s", NOW, good);
    assert_int_equal(checked(text, BODY), VK_E_UNAUTHORIZED);
    /* Each half of one, and one in another version. */
    snprintf(text, sizeof text, "%s", good);
    text[strlen(text) - 1] ^= 1;
    assert_int_equal(checked(text, BODY), VK_E_UNAUTHORIZED);
    text[strlen(text) - 1] = '\0';
    assert_int_equal(checked(text, BODY), VK_E_UNAUTHORIZED);
    snprintf(text, sizeof text, "t=%d,v0=%s", NOW, strstr(good, "v1=") + 3);
    assert_int_equal(checked(text, BODY), VK_E_UNAUTHORIZED);
    assert_int_equal(checked("t=-5,v1=00", BODY), VK_E_UNAUTHORIZED);
    assert_int_equal(checked("t=99999999999999999999,v1=00", BODY), VK_E_UNAUTHORIZED);
    memset(many, 'x', sizeof many - 1);
    many[sizeof many - 1] = '\0';
    assert_int_equal(checked(many, BODY), VK_E_UNAUTHORIZED);
    /* The seventeenth is not looked at. */
    size_t n = (size_t)snprintf(text, sizeof text, "t=%d", NOW);
    for (int i = 0; i < VK_STRIPE_SIGNATURES_MAX; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, ",v1=%02d", i);
    snprintf(text + n, sizeof text - n, "%s", strchr(good, ','));
    assert_int_equal(checked(text, BODY), VK_E_UNAUTHORIZED);
}

static int init(void **state)
{
    VK_UNUSED(state);
    return vk_digest_init() == VK_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_stripe_signs),
        cmocka_unit_test(what_it_does_not),
    };
    return cmocka_run_group_tests(tests, init, NULL);
}
