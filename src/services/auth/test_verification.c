#include "services/auth/verification.h"

#include "core/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define KEY vk_secret_of(VK_STR("0123456789abcdef0123456789abcdef"))
#define ABOUT VK_STR("sua_1 email_code jane@example.com")

static vk_auth_try try(vk_auth_verification *v, const char *code, int64_t now)
{
    return vk_auth_verification_attempt(v, KEY, ABOUT, vk_secret_of(vk_str_z(code)), false, now);
}

static const char *wrong(const char *code)
{
    return strcmp(code, "000000") == 0 ? "000001" : "000000";
}

static void right_once(void **state)
{
    VK_UNUSED(state);
    vk_auth_verification v = {0};
    char code[VK_AUTH_CODE + 1];
    assert_int_equal(try(&v, "000000", 0), VK_AUTH_TRY_NOTHING);
    assert_string_equal(vk_auth_vstate_name(v.state), "unverified");
    assert_int_equal(vk_auth_verification_prepare(&v, KEY, ABOUT, 1000, code), VK_OK);
    assert_int_equal(v.state, VK_AUTH_V_SENT);
    assert_string_equal(vk_auth_vstate_name(v.state), "unverified");
    assert_int_equal(v.expire_ms, 1000 + 600000);
    assert_int_equal(strspn(code, "0123456789"), VK_AUTH_CODE);
    assert_int_equal(strlen(code), VK_AUTH_CODE);
    assert_null(memmem(&v, sizeof v, code, VK_AUTH_CODE)); /* it is not kept in clear */
    assert_int_equal(try(&v, wrong(code), 1001), VK_AUTH_TRY_WRONG);
    assert_int_equal(v.tries, 1);
    assert_int_equal(try(&v, code, 1002), VK_AUTH_TRY_RIGHT);
    assert_int_equal(v.tries, 2);
    assert_int_equal(v.state, VK_AUTH_V_VERIFIED);
    assert_int_equal(try(&v, code, 1003), VK_AUTH_TRY_DONE);
    assert_int_equal(vk_auth_verification_now(&v, INT64_MAX), VK_AUTH_V_VERIFIED); /* for good */
    assert_int_equal(vk_auth_verification_prepare(&v, KEY, ABOUT, 1004, code), VK_E_CONFLICT);
}

static void five_tries(void **state)
{
    VK_UNUSED(state);
    vk_auth_verification v = {0};
    char code[VK_AUTH_CODE + 1];
    assert_int_equal(vk_auth_verification_prepare(&v, KEY, ABOUT, 0, code), VK_OK);
    for (int i = 1; i < VK_AUTH_TRIES_MAX; i++)
        assert_int_equal(try(&v, wrong(code), 1), VK_AUTH_TRY_WRONG);
    assert_int_equal(try(&v, wrong(code), 1), VK_AUTH_TRY_FAILED);
    assert_string_equal(vk_auth_vstate_name(v.state), "failed");
    assert_int_equal(try(&v, code, 1), VK_AUTH_TRY_FAILED); /* too late */
    char old[VK_AUTH_CODE + 1];
    memcpy(old, code, sizeof old);
    assert_int_equal(vk_auth_verification_prepare(&v, KEY, ABOUT, 2, code), VK_OK);
    if (strcmp(old, code) != 0)
        assert_int_equal(try(&v, old, 3), VK_AUTH_TRY_WRONG);
    assert_int_equal(try(&v, code, 3), VK_AUTH_TRY_RIGHT);
    /* What is no code at all counts as well. */
    vk_auth_verification w = {0};
    assert_int_equal(vk_auth_verification_prepare(&w, KEY, ABOUT, 0, code), VK_OK);
    static const char *const junk[] = {"", "1", "12345", "1234567", "abcdef"};
    for (size_t i = 0; i < VK_COUNT(junk); i++)
        assert_int_equal(try(&w, junk[i], 1),
                         i + 1 < VK_COUNT(junk) ? VK_AUTH_TRY_WRONG : VK_AUTH_TRY_FAILED);
}

static void not_for_ever(void **state)
{
    VK_UNUSED(state);
    vk_auth_verification v = {0};
    char code[VK_AUTH_CODE + 1];
    assert_int_equal(vk_auth_verification_prepare(&v, KEY, ABOUT, 0, code), VK_OK);
    assert_int_equal(vk_auth_verification_now(&v, VK_AUTH_CODE_MS - 1), VK_AUTH_V_SENT);
    assert_int_equal(vk_auth_verification_now(&v, VK_AUTH_CODE_MS), VK_AUTH_V_EXPIRED);
    assert_int_equal(try(&v, code, VK_AUTH_CODE_MS), VK_AUTH_TRY_EXPIRED);
    assert_int_equal(try(&v, code, 0), VK_AUTH_TRY_EXPIRED); /* a clock that goes back does not revive it */
    for (uint32_t i = 1; i < VK_AUTH_PREPARES_MAX; i++)
        assert_int_equal(vk_auth_verification_prepare(&v, KEY, ABOUT, 0, code), VK_OK);
    assert_int_equal(vk_auth_verification_prepare(&v, KEY, ABOUT, 0, code), VK_E_BUSY);
    assert_int_equal(try(&v, code, 1), VK_AUTH_TRY_RIGHT); /* the last one is still good */
}

static void bound_to_what_it_is_for(void **state)
{
    VK_UNUSED(state);
    vk_auth_verification v = {0}, other;
    char code[VK_AUTH_CODE + 1], large[VK_AUTH_ABOUT_MAX + 1] = {0};
    assert_int_equal(vk_auth_verification_prepare(&v, KEY, ABOUT, 0, code), VK_OK);
    vk_secret given = vk_secret_of(vk_str_z(code));
    other = v;
    assert_int_equal(vk_auth_verification_attempt(&other, KEY, VK_STR("sua_2"), given, false, 1),
                     VK_AUTH_TRY_WRONG);
    other = v;
    assert_int_equal(vk_auth_verification_attempt(&other, vk_secret_of(VK_STR("x")), ABOUT, given, false, 1),
                     VK_AUTH_TRY_WRONG);
    other = v;
    assert_int_equal(
        vk_auth_verification_attempt(&other, KEY, (vk_str){large, sizeof large}, given, false, 1),
        VK_AUTH_TRY_WRONG);
    assert_int_equal(vk_auth_verification_attempt(&v, KEY, ABOUT, given, false, 1), VK_AUTH_TRY_RIGHT);
    assert_int_equal(vk_auth_verification_prepare(&other, KEY, (vk_str){large, sizeof large}, 0, code),
                     VK_E_TOO_LARGE);
}

static void the_fixed_code(void **state)
{
    VK_UNUSED(state);
    vk_auth_verification v = {0};
    vk_secret fixed = vk_secret_of(VK_STR("424242"));
    char code[VK_AUTH_CODE + 1];
    do { /* once in a million it is the fixed one */
        v = (vk_auth_verification){0};
        assert_int_equal(vk_auth_verification_prepare(&v, KEY, ABOUT, 0, code), VK_OK);
    } while (strcmp(code, "424242") == 0);
    assert_int_equal(vk_auth_verification_attempt(&v, KEY, ABOUT, fixed, false, 1), VK_AUTH_TRY_WRONG);
    assert_int_equal(vk_auth_verification_attempt(&v, KEY, ABOUT, fixed, true, 1), VK_AUTH_TRY_RIGHT);
    assert_int_equal(vk_auth_verification_attempt(&v, KEY, ABOUT, fixed, true, 1), VK_AUTH_TRY_DONE);
    v = (vk_auth_verification){0}; /* none was asked for */
    assert_int_equal(vk_auth_verification_attempt(&v, KEY, ABOUT, fixed, true, 1), VK_AUTH_TRY_NOTHING);
    assert_true(vk_auth_fixed_code(VK_STR("a+clerk_test@b.c"), false, false));
    assert_true(vk_auth_fixed_code(VK_STR("a@b.c"), true, true));
    assert_false(vk_auth_fixed_code(VK_STR("a@b.c"), true, false));
    assert_false(vk_auth_fixed_code(VK_STR("a@b.c"), false, true));
}

static uint32_t next_random;
static void fill(void *out, size_t n)
{
    assert_int_equal(n, sizeof next_random);
    memcpy(out, &next_random, n);
    next_random = next_random == UINT32_MAX ? 4293999999u : next_random + 1; /* after it, one that is taken */
}

static void codes_are_even(void **state)
{
    VK_UNUSED(state);
    vk_auth_verification v = {0};
    char code[VK_AUTH_CODE + 1];
    vk_random_source(fill);
    next_random = 7;
    assert_int_equal(vk_auth_verification_prepare(&v, KEY, ABOUT, 0, code), VK_OK);
    assert_string_equal(code, "000007");
    next_random = UINT32_MAX; /* past the last whole million: another one is drawn */
    assert_int_equal(vk_auth_verification_prepare(&v, KEY, ABOUT, 0, code), VK_OK);
    assert_string_equal(code, "999999");
    vk_random_source(NULL);
}

static void lockout(void **state)
{
    VK_UNUSED(state);
    vk_auth_lockout l = {0};
    assert_int_equal(vk_auth_locked_ms(&l, 5), 0);
    assert_int_equal(vk_auth_lockout_left(&l, 5), VK_AUTH_LOCKOUT_MAX);
    for (int i = 0; i < VK_AUTH_LOCKOUT_MAX - 1; i++)
        vk_auth_lockout_failed(&l, 1000 + i);
    assert_int_equal(vk_auth_locked_ms(&l, 2000), 0);
    assert_int_equal(vk_auth_lockout_left(&l, 2000), 1);
    vk_auth_lockout_failed(&l, 2000);
    assert_int_equal(vk_auth_locked_ms(&l, 2000), VK_AUTH_LOCKOUT_MS);
    assert_int_equal(vk_auth_lockout_left(&l, 2000), 0);
    vk_auth_lockout_failed(&l, 3000); /* it is not made longer */
    assert_int_equal(vk_auth_locked_ms(&l, 3000), VK_AUTH_LOCKOUT_MS - 1000);
    assert_int_equal(vk_auth_locked_ms(&l, 2000 + VK_AUTH_LOCKOUT_MS), 0);
    assert_int_equal(vk_auth_lockout_left(&l, 2000 + VK_AUTH_LOCKOUT_MS), VK_AUTH_LOCKOUT_MAX);
    assert_int_equal(vk_auth_locked_ms(&l, 1999), 0);      /* the clock was set back */
    vk_auth_lockout_failed(&l, 2000 + VK_AUTH_LOCKOUT_MS); /* a new count */
    assert_int_equal(l.failures, 1);
    vk_auth_lockout_clear(&l);
    assert_int_equal(vk_auth_lockout_left(&l, 3000), VK_AUTH_LOCKOUT_MAX);
}

static int init(void **state)
{
    VK_UNUSED(state);
    return vk_digest_init() == VK_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_once),     cmocka_unit_test(five_tries),
        cmocka_unit_test(not_for_ever),   cmocka_unit_test(bound_to_what_it_is_for),
        cmocka_unit_test(the_fixed_code), cmocka_unit_test(codes_are_even),
        cmocka_unit_test(lockout),
    };
    return cmocka_run_group_tests(tests, init, NULL);
}
