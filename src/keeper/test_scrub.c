/* A secret that is echoed, in every form and at every border, comes back as stars of the same number. */
#include "keeper/scrub.h"

#include "core/encode.h"
#include "crypto/digest.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const char SECRET[] = "vk-fake_+/\"\\~0123456789abcdefXYZ.end";

static vk_scrub *with(const char *secret)
{
    vk_scrub *s = NULL;
    const vk_secret one = vk_secret_of(vk_str_z(secret));
    assert_int_equal(vk_scrub_new(&one, 1, &s), VK_OK);
    return s;
}

/* The text as it is passed on when it comes in two parts, cut at `cut`, the way http/proxy.h does it. */
static uint64_t pass(const vk_scrub *s, const char *text, size_t n, size_t cut, char *out)
{
    vk_scrub_run r = {.with = s};
    size_t keep = vk_scrub_keep(s), held = 0, done = 0;
    char *window = malloc(n + 1);
    assert_non_null(window);
    for (int i = 0; i < 2; i++) {
        size_t from = i ? cut : 0, to = i ? n : cut;
        memcpy(window + held, text + from, to - from);
        held += to - from;
        vk_scrub_look(&r, window, held, i == 1);
        size_t leaves = i == 1 ? held : held > keep ? held - keep : 0;
        memcpy(out + done, window, leaves);
        done += leaves;
        held -= leaves;
        memmove(window, window + leaves, held);
    }
    free(window);
    assert_int_equal(done, n);
    assert_int_equal(r.owed, 0);
    return r.found;
}

static void starred(const vk_scrub *s, const char *form, size_t n)
{
    char text[9000], want[9000], got[9000];
    static const char before[] = "{\"error\":\"no such key: ", after[] = "\"}";
    size_t at = sizeof before - 1, all = at + n + sizeof after - 1;
    assert_true(all < sizeof text);
    memcpy(text, before, at);
    memcpy(text + at, form, n);
    memcpy(text + at + n, after, sizeof after - 1);
    memcpy(want, text, all);
    memset(want + at, '*', n);
    for (size_t cut = 0; cut <= all; cut++) {
        uint64_t found = pass(s, text, all, cut, got);
        if (memcmp(got, want, all) != 0)
            fail_msg("cut at %zu: %.*s", cut, (int)all, got);
        assert_int_equal(found, 1);
    }
}

static void test_raw(void **state)
{
    VK_UNUSED(state);
    vk_scrub *s = with(SECRET);
    starred(s, SECRET, sizeof SECRET - 1);
    vk_scrub_free(s);
}

/* Written by hand, so that the forms are not tried against what makes them. */
static void test_escaped(void **state)
{
    VK_UNUSED(state);
    static const char *const forms[] = {
        "vk-fake_%2B%2F%22%5C~0123456789abcdefXYZ.end",
        "vk-fake_%2b%2f%22%5c~0123456789abcdefXYZ.end",
        "vk%2Dfake%5F%2B%2F%22%5C%7E0123456789abcdefXYZ%2Eend",
        "vk%2dfake%5f%2b%2f%22%5c%7e0123456789abcdefXYZ%2eend",
        "vk-fake_+/\\\"\\\\~0123456789abcdefXYZ.end",
        "vk-fake_+\\/\\\"\\\\~0123456789abcdefXYZ.end",
        "vk\\u002dfake\\u005f\\u002b\\u002f\\u0022\\u005c\\u007e0123456789abcdefXYZ\\u002eend",
        "vk\\u002Dfake\\u005F\\u002B\\u002F\\u0022\\u005C\\u007E0123456789abcdefXYZ\\u002Eend",
        "766b2d66616b655f2b2f225c7e3031323334353637383961626364656658595a2e656e64",
        "766B2D66616B655F2B2F225C7E3031323334353637383961626364656658595A2E656E64",
    };
    vk_scrub *s = with(SECRET);
    for (size_t i = 0; i < VK_COUNT(forms); i++)
        starred(s, forms[i], strlen(forms[i]));
    vk_scrub_free(s);
}

/* In base64 of something larger: of the secret's characters none is left that does not also depend on what
 * stands around it. */
static void test_base64(void **state)
{
    VK_UNUSED(state);
    vk_scrub *s = with(SECRET);
    for (size_t before = 0; before < 6; before++)
        for (size_t behind = 0; behind < 3; behind++)
            for (int url = 0; url < 2; url++) {
                char plain[100], out[200];
                vk_buf text;
                size_t n = 0;
                vk_buf_init(&text, 1000);
                for (size_t i = 0; i < before; i++)
                    plain[n++] = '>';
                memcpy(plain + n, SECRET, sizeof SECRET - 1);
                n += sizeof SECRET - 1;
                for (size_t i = 0; i < behind; i++)
                    plain[n++] = '?';
                if (url)
                    vk_base64url(&text, plain, n);
                else
                    vk_base64(&text, plain, n, true);
                size_t stars = 0;
                for (size_t cut = 0; cut <= text.n; cut++) {
                    assert_int_equal(pass(s, text.p, text.n, cut, out), 1);
                    stars = 0;
                    for (size_t i = 0; i < text.n; i++) {
                        stars += out[i] == '*';
                        assert_true(out[i] == '*' || out[i] == text.p[i]);
                    }
                    assert_true(stars >= (8 * (sizeof SECRET - 1) - 10) / 6);
                }
                vk_buf_free(&text);
            }
    vk_scrub_free(s);
}

static void test_nothing(void **state)
{
    VK_UNUSED(state);
    static const char text[] = "vk-fake_+/\"\\~0123456789abcdefXYZ.en vk-fake_ 766b2d66616b655f";
    char copy[sizeof text];
    vk_scrub *s = with(SECRET), *none = with("short");
    memcpy(copy, text, sizeof text);
    assert_int_equal(vk_scrub_text(s, copy, sizeof copy - 1), 0);
    assert_string_equal(copy, text);
    assert_int_equal(vk_scrub_text(none, copy, sizeof copy - 1), 0);
    assert_int_equal(vk_scrub_keep(none), 0);
    assert_int_equal(vk_scrub_text(s, copy, 0), 0);
    vk_scrub_free(s);
    vk_scrub_free(none);
}

static void test_many(void **state)
{
    VK_UNUSED(state);
    vk_scrub *s = NULL;
    const vk_secret two[] = {vk_secret_of(VK_STR("aaaaaaaabbbbbbbb")), VK_SECRET_NONE,
                             vk_secret_of(VK_STR("bbbbbbbbcccccccc"))};
    assert_int_equal(vk_scrub_new(two, 3, &s), VK_OK);
    /* what overlaps, and what begins where another one ends */
    char text[] = "xaaaaaaaabbbbbbbbccccccccx aaaaaaaabbbbbbbbaaaaaaaabbbbbbbb";
    assert_int_equal(vk_scrub_text(s, text, sizeof text - 1), 4);
    assert_string_equal(text, "x************************x ********************************");
    vk_scrub_free(s);
    vk_secret many[VK_SCRUB_SECRETS + 1] = {VK_SECRET_NONE};
    assert_int_equal(vk_scrub_new(many, VK_COUNT(many), &s), VK_E_TOO_LARGE);
}

/* The longest that can be entered, of which every character is escaped. */
static void test_long(void **state)
{
    VK_UNUSED(state);
    char secret[VK_SCRUB_MOST + 2], *text = malloc(8 * VK_SCRUB_MOST);
    assert_non_null(text);
    for (size_t i = 0; i < VK_SCRUB_MOST; i++)
        secret[i] = "!#$&*+,-./:;<=>?@[]^_`{|}~"[(i * 7 + i / 26) % 26];
    secret[VK_SCRUB_MOST] = '\0';
    vk_scrub *s = with(secret);
    assert_true(vk_scrub_keep(s) < VK_SCRUB_FORM_MAX);
    static const char *const how[] = {"%%%02X", "%%%02x", "\\u00%02x", "%02x", "%c"};
    for (size_t h = 0; h < VK_COUNT(how); h++) {
        size_t n = 0;
        for (size_t i = 0; i < VK_SCRUB_MOST; i++)
            n += (size_t)(h == 0   ? snprintf(text + n, 8, "%%%02X", secret[i])
                          : h == 1 ? snprintf(text + n, 8, "%%%02x", secret[i])
                          : h == 2 ? snprintf(text + n, 8, "\\u00%02x", secret[i])
                          : h == 3 ? snprintf(text + n, 8, "%02x", secret[i])
                                   : snprintf(text + n, 8, "%c", secret[i]));
        assert_true(vk_scrub_text(s, text, n) >= 1);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(text[i], '*');
    }
    secret[VK_SCRUB_MOST] = 'x';
    secret[VK_SCRUB_MOST + 1] = '\0';
    const vk_secret one = vk_secret_of(vk_str_z(secret));
    vk_scrub *not = NULL;
    assert_int_equal(vk_scrub_new(&one, 1, &not ), VK_E_TOO_LARGE);
    vk_scrub_free(s);
    free(text);
}

/* One byte at a time, many of them. */
static void test_drip(void **state)
{
    VK_UNUSED(state);
    vk_scrub *s = with(SECRET);
    vk_scrub_run r = {.with = s};
    size_t keep = vk_scrub_keep(s), held = 0, stars = 0, all = 0;
    char window[1000];
    for (int round = 0; round < 50; round++)
        for (size_t i = 0; i < sizeof SECRET + 6; i++) {
            window[held++] = i < sizeof SECRET - 1 ? SECRET[i] : '-';
            all++;
            bool last = round == 49 && i == sizeof SECRET + 5;
            vk_scrub_look(&r, window, held, last);
            size_t leaves = last ? held : held > keep ? held - keep : 0;
            for (size_t k = 0; k < leaves; k++)
                stars += window[k] == '*';
            held -= leaves;
            memmove(window, window + leaves, held);
        }
    assert_int_equal(r.found, 50);
    assert_int_equal(stars, 50 * (sizeof SECRET - 1));
    assert_int_equal(all, 50 * (sizeof SECRET + 6));
    vk_scrub_free(s);
}

static int set_up(void **state)
{
    VK_UNUSED(state);
    return vk_digest_init() == VK_OK ? 0 : -1; /* libsodium too */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_raw),     cmocka_unit_test(test_escaped), cmocka_unit_test(test_base64),
        cmocka_unit_test(test_nothing), cmocka_unit_test(test_many),    cmocka_unit_test(test_long),
        cmocka_unit_test(test_drip),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
