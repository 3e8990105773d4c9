/* Boxes that another implementation made (tests/data/sealing), and boxes that are none. */
#include "crypto/sealed_box.h"

#include "core/encode.h"
#include "core/json_read.h"
#include "crypto/digest.h"
#include "core/disk.h"

#include <fcntl.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct vectors {
    vk_arena *a;
    vk_buf text;
    vk_json *all;
    uint8_t secret[VK_BOX_SECRET], public[VK_BOX_PUBLIC];
    char *room;
} vectors;

static int set_up(void **state)
{
    vectors *v = calloc(1, sizeof *v);
    char path[PATH_MAX];
    const char *root = getenv("VK_SOURCE_ROOT");
    snprintf(path, sizeof path, "%s/tests/data/sealing/boxes.json", root ? root : ".");
    v->a = vk_arena_new(4 << 20);
    vk_buf_init(&v->text, 1 << 20);
    assert_int_equal(vk_disk_read(AT_FDCWD, path, 1 << 19, &v->text), VK_OK);
    assert_int_equal(vk_json_parse(v->a, vk_buf_view(&v->text), &v->all, NULL, NULL), VK_OK);
    vk_str secret = vk_json_str(vk_json_get(v->all, VK_STR("secret"))),
           public = vk_json_str(vk_json_get(v->all, VK_STR("public")));
    assert_int_equal(vk_hex_decode(secret, v->secret, sizeof v->secret), VK_OK);
    assert_int_equal(vk_hex_decode(public, v->public, sizeof v->public), VK_OK);
    v->room = sodium_malloc(8192);
    *state = v;
    return 0;
}

static int tear_down(void **state)
{
    vectors *v = *state;
    vk_arena_free(v->a);
    vk_buf_free(&v->text);
    sodium_free(v->room);
    free(v);
    return 0;
}

static const vk_json *first_box(const vectors *v)
{
    return vk_json_get(v->all, VK_STR("boxes"))->u.child;
}

static vk_str base64_of(const vectors *v, const vk_json *box, const char *name)
{
    vk_str out;
    assert_int_equal(vk_base64_decode(v->a, vk_json_str(vk_json_get(box, vk_str_z(name))), &out), VK_OK);
    return out;
}

static void others_boxes_open(void **state)
{
    vectors *v = *state;
    uint8_t public[VK_BOX_PUBLIC];
    char print[VK_BOX_FINGERPRINT];
    size_t n = 0;
    vk_box_public(v->secret, public);
    assert_memory_equal(public, v->public, sizeof public);
    vk_box_fingerprint(public, print);
    assert_true(vk_str_eqz(vk_json_str(vk_json_get(v->all, VK_STR("fingerprint"))), print));
    for (const vk_json *b = first_box(v); b; b = b->next, n++) {
        vk_str plain = base64_of(v, b, "plain"), box = base64_of(v, b, "box");
        char out[8192];
        assert_int_equal(box.n, plain.n + VK_BOX_OVERHEAD);
        assert_int_equal(vk_box_open(v->secret, box, out), VK_OK);
        if (plain.n)
            assert_memory_equal(out, plain.p, plain.n);
    }
    assert_true(n >= 10);
}

static void every_changed_byte(void **state)
{
    vectors *v = *state;
    char out[8192];
    for (const vk_json *b = first_box(v); b; b = b->next) {
        vk_str box = base64_of(v, b, "box");
        char *bytes = (char *)(uintptr_t)box.p;
        size_t most = box.n < 300 ? box.n : 300;
        for (size_t i = 0; i < most; i++) {
            if (i == 31)
                continue; /* the top bit of a public key says nothing (RFC 7748), below */
            bytes[i] = (char)(bytes[i] ^ 1);
            assert_int_equal(vk_box_open(v->secret, box, out), VK_E_CORRUPT);
            bytes[i] = (char)(bytes[i] ^ 1);
        }
        bytes[31] = (char)(bytes[31] ^ 0x80); /* but the nonce is made of it */
        assert_int_equal(vk_box_open(v->secret, box, out), VK_E_CORRUPT);
        bytes[31] = (char)(bytes[31] ^ 0x80);
        for (size_t n = 0; n < box.n; n += 7)
            assert_int_equal(vk_box_open(v->secret, (vk_str){box.p, n}, out), VK_E_CORRUPT);
        uint8_t other[VK_BOX_SECRET];
        memcpy(other, v->secret, sizeof other);
        other[5] ^= 1;
        assert_int_equal(vk_box_open(other, box, out), VK_E_CORRUPT);
    }
}

static void our_own_open(void **state)
{
    vectors *v = *state;
    vk_buf box;
    char out[64];
    static const uint8_t small_order[VK_BOX_PUBLIC] = {0};
    vk_buf_init(&box, 256);
    assert_int_equal(vk_box_seal(v->public, VK_STR("a value"), &box), VK_OK);
    assert_int_equal(box.n, 7 + VK_BOX_OVERHEAD);
    assert_int_equal(vk_box_open(v->secret, vk_buf_view(&box), out), VK_OK);
    assert_memory_equal(out, "a value", 7);
    vk_buf_clear(&box);
    assert_int_equal(vk_box_seal(v->public, VK_STR_NONE, &box), VK_OK);
    assert_int_equal(vk_box_open(v->secret, vk_buf_view(&box), out), VK_OK);
    vk_buf_clear(&box);
    assert_int_equal(vk_box_seal(small_order, VK_STR("a value"), &box), VK_E_INVALID);
    assert_int_equal(box.n, 0);
    vk_buf_free(&box);
    vk_buf_init(&box, 50);
    assert_int_equal(vk_box_seal(v->public, VK_STR("a value"), &box), VK_E_TOO_LARGE);
    vk_buf_free(&box);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(others_boxes_open, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_changed_byte, set_up, tear_down),
        cmocka_unit_test_setup_teardown(our_own_open, set_up, tear_down),
    };
    if (sodium_init() < 0 || vk_digest_init() != VK_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
