/* Codes: what they are bound to, what is sent where there is nobody, what counts as a guess. What the calls'
 * spine gives is stood in for: the file is compiled in here, under names of its own. */
#define vk_auth_broke stand_broke
#define vk_auth_code_key stand_code_key
#define vk_auth_lookup stand_lookup
#define vk_auth_fixed stand_fixed
#define vk_auth_hides_users stand_hides_users
#define vk_auth_attempt_here t_attempt_here
#define vk_auth_attempt_new t_attempt_new
#define vk_auth_attempt_start t_attempt_start
#define vk_auth_attempt_save t_attempt_save
#define vk_auth_attempt_write t_attempt_write
#define vk_auth_attempt_now t_attempt_now
#define vk_auth_may_secret t_may_secret
#define vk_auth_send_code t_send_code
#define vk_auth_send_nothing t_send_nothing
#define vk_auth_try_code t_try_code
#define vk_auth_try_nothing t_try_nothing
#define vk_auth_about_code t_about_code
#define vk_auth_address_mask t_address_mask
#include "services/auth/attempt.c"

#include "core/test_folder.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>
#include <cmocka.h>

#define ABOUT VK_STR("sia_1:email_code")
#define ADA VK_STR("ada@example.com")

static char dir[] = "/tmp/vk-auth-attempt-XXXXXX";
static const vk_auth_about build = {.build = "b1"};
static vk_auth_call call = {.now_ms = 1000, .about = &build}, *c = &call;
static bool fixed, hides;

vk_auth_fail stand_broke(const vk_auth_call *x, vk_err e)
{
    VK_UNUSED(x);
    VK_UNUSED(e);
    return VK_AUTH_F_INTERNAL;
}

vk_secret stand_code_key(const vk_auth_call *x)
{
    VK_UNUSED(x);
    return vk_secret_of(VK_STR("0123456789abcdef0123456789abcdef"));
}

void stand_lookup(const vk_auth_call *x, vk_secret text, uint8_t out[VK_SHA256])
{
    VK_UNUSED(x);
    vk_sha256(vk_secret_bytes(text), out);
}

bool stand_fixed(const vk_auth_call *x, vk_str address)
{
    VK_UNUSED(x);
    VK_UNUSED(address);
    return fixed;
}

bool stand_hides_users(const vk_auth_call *x)
{
    VK_UNUSED(x);
    return hides;
}

/* The newest message. */
static vk_auth_message newest(size_t *n_r)
{
    const vk_auth_message *m;
    assert_int_equal(vk_auth_outbox(c->db, c->arena, VK_STR_NONE, &m, n_r), VK_OK);
    assert_true(*n_r > 0);
    return m[0];
}

static vk_auth_fail tried(const vk_auth_verification *v, vk_str about, vk_str address, vk_secret code)
{
    vk_auth_verification copy = *v;
    c->keep = c->guessed = false;
    vk_auth_fail f = t_try_code(c, &copy, about, address, code);
    assert_int_equal(c->keep, f != VK_AUTH_F_OK);
    return f;
}

static void bound(void **state)
{
    VK_UNUSED(state);
    vk_auth_verification v = {0};
    size_t n;
    assert_int_equal(t_send_code(c, &v, ABOUT, ADA, "sign_in"), VK_AUTH_F_OK);
    vk_auth_message m = newest(&n);
    vk_secret code = vk_secret_of(m.code);
    assert_true(vk_str_eqz(m.what, "sign_in") && vk_str_eq(m.address, ADA) && code.n == VK_AUTH_CODE);
    /* The same code for another attempt, another strategy, another address; a bound moved by a byte. */
    static const struct {
        vk_str about, address;
    } others[] = {
        {VK_STR("sia_2:email_code"), VK_STR("ada@example.com")},
        {VK_STR("sia_1:reset_password_email_code"), VK_STR("ada@example.com")},
        {VK_STR("sia_1:email_code"), VK_STR("bob@example.com")},
        {VK_STR("sia_1:email_codea"), VK_STR("da@example.com")},
        {VK_STR("sia_1:email_code"), VK_STR("")},
        {VK_STR(""), VK_STR("ada@example.com")},
    };
    for (size_t i = 0; i < VK_COUNT(others); i++) {
        assert_int_equal(tried(&v, others[i].about, others[i].address, code), VK_AUTH_F_CODE_WRONG);
        assert_true(c->guessed);
    }
    assert_int_equal(tried(&v, ABOUT, ADA, vk_secret_of(VK_STR("424242"))), VK_AUTH_F_CODE_WRONG);
    fixed = true;
    assert_int_equal(tried(&v, ABOUT, ADA, vk_secret_of(VK_STR("424242"))), VK_AUTH_F_OK);
    fixed = false;
    assert_int_equal(tried(&v, ABOUT, ADA, code), VK_AUTH_F_OK);
    assert_false(c->guessed);

    /* Too late, too often, twice: refused, and no guess. */
    c->now_ms += VK_AUTH_CODE_MS;
    assert_int_equal(tried(&v, ABOUT, ADA, code), VK_AUTH_F_CODE_EXPIRED);
    assert_false(c->guessed);
    c->now_ms -= VK_AUTH_CODE_MS;
    assert_int_equal(t_try_code(c, &v, ABOUT, ADA, code), VK_AUTH_F_OK);
    assert_int_equal(t_try_code(c, &v, ABOUT, ADA, code), VK_AUTH_F_ALREADY_VERIFIED);
    assert_false(c->guessed);
    assert_int_equal(t_send_code(c, &v, ABOUT, ADA, "sign_in"), VK_AUTH_F_ALREADY_VERIFIED);

    char longest[VK_AUTH_ABOUT_MAX + 1];
    memset(longest, 'x', sizeof longest);
    v = (vk_auth_verification){0};
    assert_int_equal(t_send_code(c, &v, (vk_str){longest, VK_AUTH_ABOUT_MAX}, ADA, "x"), VK_AUTH_F_OK);
    assert_int_equal(t_send_code(c, &v, (vk_str){longest, VK_AUTH_ABOUT_MAX + 1}, ADA, "x"),
                     VK_AUTH_F_INTERNAL);
}

static void nothing(void **state)
{
    VK_UNUSED(state);
    vk_auth_verification v = {0};
    size_t before, n;
    fixed = true;
    (void)newest(&before);
    assert_int_equal(t_send_nothing(c, &v, ADA, "no_account"), VK_AUTH_F_OK);
    vk_auth_message m = newest(&n);
    assert_true(n == before + 1 && vk_str_eqz(m.what, "no_account") && m.code.n == 0);
    assert_int_equal(v.state, VK_AUTH_V_SENT);
    /* No code is right, by whichever of the two it is tried: the seventh part of all, 424242 among them. */
    for (int i = 0; i < 1000000; i += 7) {
        char code[16];
        vk_auth_verification a = v, b = v;
        snprintf(code, sizeof code, "%06d", i);
        assert_int_equal(t_try_nothing(c, &a, vk_str_z(code), vk_secret_of(vk_str_z(code))),
                         VK_AUTH_F_CODE_WRONG);
        fixed = false;
        assert_int_equal(t_try_code(c, &b, ABOUT, vk_str_z(code), vk_secret_of(vk_str_z(code))),
                         VK_AUTH_F_CODE_WRONG);
        fixed = true;
    }
    for (int i = 1; i < VK_AUTH_TRIES_MAX; i++)
        assert_int_equal(t_try_nothing(c, &v, VK_STR("a@b.example"), vk_secret_of(VK_STR("424242"))),
                         VK_AUTH_F_CODE_WRONG);
    assert_int_equal(t_try_nothing(c, &v, VK_STR("a@b.example"), vk_secret_of(VK_STR("424242"))),
                     VK_AUTH_F_CODE_FAILED);
    assert_true(c->guessed);
    assert_int_equal(t_try_nothing(c, &v, VK_STR("a@b.example"), vk_secret_of(VK_STR("424242"))),
                     VK_AUTH_F_CODE_FAILED);
    assert_false(c->guessed);
    while (v.prepares < VK_AUTH_PREPARES_MAX)
        assert_int_equal(t_send_nothing(c, &v, ADA, "no_account"), VK_AUTH_F_OK);
    assert_int_equal(t_send_nothing(c, &v, ADA, "no_account"), VK_AUTH_F_TOO_MANY);
    fixed = false;
}

static void masks(void **state)
{
    VK_UNUSED(state);
    char a[VK_AUTH_ID_MAX + 1], b[VK_AUTH_ID_MAX + 1];
    char longest[VK_AUTH_EMAIL_MAX + 1], shorter[VK_AUTH_EMAIL_MAX + 1];
    t_address_mask(c, "ada@example.com", a);
    t_address_mask(c, "ada@example.com", b);
    assert_string_equal(a, b);
    assert_true(vk_auth_id_is(VK_AUTH_IDENTIFICATION, vk_str_z(a)));
    t_address_mask(c, "bob@example.com", b);
    assert_string_not_equal(a, b);
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    memcpy(shorter, longest, sizeof shorter);
    shorter[sizeof shorter - 2] = '\0';
    t_address_mask(c, longest, a);
    t_address_mask(c, shorter, b);
    assert_string_not_equal(a, b); /* nothing is cut off */
}

static int up(void **state)
{
    VK_UNUSED(state);
    char path[64];
    if (!folder_make(dir) || vk_digest_init() != VK_OK || vk_sqlite_init() != VK_OK)
        return -1;
    snprintf(path, sizeof path, "%s/auth.db", dir);
    c->arena = vk_arena_new((size_t)64 << 20);
    return c->arena && vk_auth_db_open(path, "b1", &c->db) == VK_OK ? 0 : -1;
}

static int down(void **state)
{
    VK_UNUSED(state);
    vk_auth_db_close(c->db);
    vk_arena_free(c->arena);
    return folder_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bound),
        cmocka_unit_test(nothing),
        cmocka_unit_test(masks),
    };
    return cmocka_run_group_tests(tests, up, down);
}
