#include "core/list.h"
#include "core/map.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { N = 5000 };

struct item {
    vk_map_node node;
    uint64_t key;
    bool in;
};

static struct item items[N];

static struct item *find(const vk_map *m, uint64_t key)
{
    for (vk_map_node *n = vk_map_find(m, key % 977); n; n = vk_map_find_next(n)) /* many equal hashes */
        if (VK_CONTAINER(n, struct item, node)->key == key)
            return VK_CONTAINER(n, struct item, node);
    return NULL;
}

static void against_a_plain_array(void **state)
{
    VK_UNUSED(state);
    vk_map m;
    vk_map_init(&m);
    assert_null(vk_map_find(&m, 0));
    assert_null(vk_map_walk(&m, NULL));
    uint32_t r = 1;
    size_t in = 0;
    for (int step = 0; step < 60000; step++) {
        r = r * 1664525 + 1013904223;
        struct item *x = &items[r >> 8 & 4095];
        x->key = (uint64_t)(x - items);
        if (x->in)
            vk_map_remove(&m, &x->node);
        else
            assert_int_equal(vk_map_add(&m, &x->node, x->key % 977), VK_OK);
        in += x->in ? (size_t)-1 : 1;
        x->in = !x->in;
        assert_int_equal(m.n, in);
    }
    for (size_t i = 0; i < 4096; i++)
        assert_ptr_equal(find(&m, i), items[i].in ? &items[i] : NULL);
    size_t walked = 0;
    for (vk_map_node *n = vk_map_walk(&m, NULL), *next; n; n = next) {
        next = vk_map_walk(&m, n);
        struct item *x = VK_CONTAINER(n, struct item, node);
        assert_true(x->in);
        x->in = false;
        vk_map_remove(&m, n);
        walked++;
    }
    assert_int_equal(walked, in);
    assert_int_equal(m.n, 0);
    vk_map_free(&m);
}

/* SipHash-1-3 of 0, 1, …, n-1 under the key 0…15, from an implementation in Python that agrees with CPython's
 * own hash of bytes (PEP 456; Python 3.11 and later use SipHash-1-3). */
static void hash(void **state)
{
    VK_UNUSED(state);
    static const struct {
        size_t n;
        uint64_t hash;
    } cases[] = {{0, 0xabac0158050fc4dc},  {1, 0xc9f49bf37d57ca93}, {7, 0xd3927d989bb11140},
                 {8, 0x369095118d299a8e},  {9, 0x25a48eb36c063de4}, {15, 0xd320d86d2a519956},
                 {16, 0xcc4fdd1a7d908b66}, {63, 0x9d199062b7bbb3a8}};
    uint8_t key[16], text[64];
    for (uint8_t i = 0; i < sizeof key; i++)
        key[i] = i;
    for (uint8_t i = 0; i < sizeof text; i++)
        text[i] = i;
    vk_hash_seed(key);
    for (size_t i = 0; i < VK_COUNT(cases); i++)
        assert_true(vk_hash(text, cases[i].n) == cases[i].hash);
    uint64_t before = vk_hash_str(VK_STR("x"));
    key[3] ^= 1;
    vk_hash_seed(key);
    assert_true(vk_hash_str(VK_STR("x")) != before);
    assert_true(vk_hash_str(VK_STR_NONE) == vk_hash_str(VK_STR("")));
}

struct element {
    vk_list node;
    int v;
};

static int sum(vk_list *l)
{
    int s = 0, place = 1;
    for (vk_list *n = l->next; n != l; n = n->next, place *= 10)
        s += VK_CONTAINER(n, struct element, node)->v * place;
    return s;
}

static void lists(void **state)
{
    VK_UNUSED(state);
    struct element e[4] = {{.v = 1}, {.v = 2}, {.v = 3}, {.v = 4}};
    vk_list a, b;
    vk_list_init(&a);
    vk_list_init(&b);
    assert_null(vk_list_shift(&a));
    vk_list_push(&a, &e[0].node);
    vk_list_push(&a, &e[1].node);
    vk_list_unshift(&a, &e[2].node);
    assert_int_equal(sum(&a), 213);
    vk_list_push(&b, &e[3].node);
    vk_list_splice(&b, &a);
    assert_true(vk_list_empty(&a));
    assert_int_equal(sum(&b), 2134);
    vk_list_splice(&b, &a);
    assert_int_equal(sum(&b), 2134);
    vk_list_remove(&e[0].node);
    vk_list_remove(&e[0].node); /* unlinked: harmless */
    assert_int_equal(sum(&b), 234);
    assert_ptr_equal(vk_list_shift(&b), &e[3].node);
    assert_int_equal(sum(&b), 23);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(against_a_plain_array),
        cmocka_unit_test(hash),
        cmocka_unit_test(lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
