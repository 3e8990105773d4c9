#include "http/gate.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct sockaddr_storage v4(uint32_t n)
{
    struct sockaddr_storage s = {0};
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)&s;
    in->sin_family = AF_INET;
    in->sin_addr.s_addr = htonl(0x7f000000 + n);
    return s;
}

static struct sockaddr_storage v6(const char *text)
{
    struct sockaddr_storage s = {0};
    struct sockaddr_in6 *in = (struct sockaddr_in6 *)(void *)&s;
    in->sin6_family = AF_INET6;
    assert_int_equal(inet_pton(AF_INET6, text, &in->sin6_addr), 1);
    return s;
}

static vk_err enter(vk_gate *g, struct sockaddr_storage from, vk_peer **p)
{
    return vk_gate_enter(g, &from, p);
}

static vk_limits limits(int64_t by_address, int64_t rate, int64_t burst)
{
    vk_limits l = vk_limits_usual;
    l.of[VK_LIMIT_ADDRESS_CONNECTIONS] = by_address;
    l.of[VK_LIMIT_BAD_KEY_RATE] = rate;
    l.of[VK_LIMIT_BAD_KEY_BURST] = burst;
    return l;
}

static void counts_by_address(void **state)
{
    VK_UNUSED(state);
    vk_gate g;
    vk_peer *p[5], *q, *six;
    vk_limits l = limits(3, 10, 2);
    assert_int_equal(vk_gate_init(&g, &l, 4), VK_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(enter(&g, v4(1), &p[i]), VK_OK);
    assert_true(p[0] == p[1] && p[1] == p[2]);
    assert_int_equal(enter(&g, v4(1), &p[3]), VK_E_BUSY);
    assert_int_equal(g.n, 3);
    assert_false(vk_gate_full(&g));
    assert_int_equal(enter(&g, v6("::ffff:127.0.0.1"), &q), VK_E_BUSY); /* the same one */
    assert_int_equal(enter(&g, v4(2), &q), VK_OK);
    assert_true(q != p[0] && !vk_gate_full(&g));
    assert_int_equal(enter(&g, v6("2001:db8::1"), &six), VK_OK);
    assert_true(vk_gate_full(&g)); /* one more than there is room for: somebody has to go */
    assert_int_equal(enter(&g, v6("2001:db8::ffff:1"), &p[3]), VK_OK); /* of the same /64 */
    assert_true(p[3] == six);
    assert_int_equal(enter(&g, v6("2001:db8:0:1::1"), &p[4]), VK_OK);
    assert_true(p[4] != six);
    for (int i = 0; i < 5; i++)
        vk_gate_leave(&g, p[i]);
    vk_gate_leave(&g, q);
    vk_gate_leave(&g, six);
    assert_int_equal(g.n, 0);
    assert_int_equal(g.peers.n, 0); /* nothing is remembered of who did nothing */
    vk_gate_free(&g);
}

static void remembers_bad_keys(void **state)
{
    VK_UNUSED(state);
    vk_gate g;
    vk_peer *p, *again;
    vk_limits l = limits(100, 1, 3);
    assert_int_equal(vk_gate_init(&g, &l, 4), VK_OK);
    assert_int_equal(enter(&g, v4(1), &p), VK_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(vk_gate_bad_key(&g, p), 0);
    assert_in_range(vk_gate_bad_key(&g, p), 900, 1000);
    vk_gate_leave(&g, p);
    assert_int_equal(g.n_kept, 1);
    assert_int_equal(enter(&g, v4(1), &again), VK_OK); /* connecting anew does not begin anew */
    assert_true(vk_gate_bad_key(&g, again) > 0);
    vk_gate_leave(&g, again);
    /* As many as there is room for, the oldest go first. */
    for (uint32_t i = 2; i < VK_GATE_KEPT + 100; i++) {
        assert_int_equal(enter(&g, v4(i), &p), VK_OK);
        assert_int_equal(vk_gate_bad_key(&g, p), 0);
        vk_gate_leave(&g, p);
    }
    assert_int_equal(g.n_kept, VK_GATE_KEPT);
    assert_int_equal(g.peers.n, VK_GATE_KEPT);
    assert_int_equal(enter(&g, v4(1), &again), VK_OK);
    assert_int_equal(vk_gate_bad_key(&g, again), 0);
    vk_gate_leave(&g, again);
    vk_gate_free(&g);
    l = limits(100, 0, 1); /* none */
    assert_int_equal(vk_gate_init(&g, &l, 4), VK_OK);
    assert_int_equal(enter(&g, v4(1), &p), VK_OK);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(vk_gate_bad_key(&g, p), 0);
    vk_gate_leave(&g, p);
    vk_gate_free(&g);
}

static void says_when_a_crowd_has_gone(void **state)
{
    VK_UNUSED(state);
    vk_gate g;
    static vk_peer *p[VK_GATE_MANY];
    vk_limits l = limits(VK_GATE_MANY, 1, 3);
    assert_int_equal(vk_gate_init(&g, &l, 2 * VK_GATE_MANY), VK_OK);
    for (size_t i = 0; i < VK_GATE_MANY; i++)
        assert_int_equal(enter(&g, v4(1), &p[i]), VK_OK);
    assert_false(vk_gate_emptied(&g));
    for (size_t i = 0; i < VK_GATE_MANY; i++)
        vk_gate_leave(&g, p[i]);
    assert_true(vk_gate_emptied(&g));
    assert_false(vk_gate_emptied(&g));
    vk_gate_free(&g);
}

static void listeners_share_room(void **state)
{
    VK_UNUSED(state);
    vk_gate g[3];
    vk_peer *p[12], *q;
    vk_limits l = limits(100, 10, 2);
    vk_gate_room room = {g, 3, 10};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(vk_gate_init(&g[i], &l, 9), VK_OK);
        g[i].room = &room;
        g[i].kept_for = 2;
    }
    for (int i = 0; i < 6; i++) {
        assert_int_equal(enter(&g[0], v4(1), &p[i]), VK_OK);
        assert_false(vk_gate_full(&g[0])); /* what nobody else uses */
    }
    assert_int_equal(enter(&g[0], v4(1), &p[6]), VK_OK);
    assert_true(vk_gate_full(&g[0])); /* the rest is kept for the others */
    vk_gate_leave(&g[0], p[6]);
    for (int i = 6; i < 10; i++) {
        assert_int_equal(enter(&g[1 + i % 2], v4(1), &p[i]), VK_OK);
        assert_false(vk_gate_full(&g[1 + i % 2]));
    }
    assert_int_equal(enter(&g[1], v4(1), &q), VK_OK);
    assert_true(vk_gate_full(&g[1])); /* the first one has the rest now */
    vk_gate_leave(&g[1], q);
    for (int i = 0; i < 10; i++)
        vk_gate_leave(&g[i < 6 ? 0 : 1 + i % 2], p[i]);
    for (int i = 0; i < 3; i++)
        vk_gate_free(&g[i]);
}

int main(void)
{
    const uint8_t seed[16] = {1};
    vk_hash_seed(seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_by_address),
        cmocka_unit_test(remembers_bad_keys),
        cmocka_unit_test(says_when_a_crowd_has_gone),
        cmocka_unit_test(listeners_share_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
