/* Every allocation of core may fail: each failure is told as one, nothing leaks, and what there was stays as
 * it was. */
#include "core/test_alloc.h"

#include "core/disk.h"
#include "core/encode.h"
#include "core/json_read.h"
#include "core/json_write.h"
#include "core/map.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static bool arena_step(bool may_fail)
{
    vk_arena *a = vk_arena_new(1 << 20);
    bool whole = a != NULL;
    for (size_t n = 1; whole && n < 100000; n *= 3) {
        char *p = vk_arena_alloc(a, n);
        if (p)
            memset(p, 1, n);
        vk_str copy = vk_arena_printf(a, "%zu %s", n, "text");
        whole = p && copy.p && vk_arena_dup(a, copy).p;
    }
    if (a)
        vk_arena_reset(a);
    vk_arena_free(a);
    return whole || may_fail;
}

static bool buf_step(bool may_fail)
{
    vk_buf b;
    bool content = true;
    for (int secret = 0; secret < 2; secret++) {
        vk_buf_init(&b, 1 << 20);
        b.secret = secret;
        for (int i = 0; i < 3000; i++) {
            size_t before = b.n;
            bool failed = b.err != VK_OK;
            vk_buf_printf(&b, "%08d", i);
            content &= b.err == VK_OK || (b.err == VK_E_NOMEM && b.n == before); /* all or nothing */
            content &= !failed || b.err == VK_E_NOMEM;                           /* and it stays so */
        }
        for (size_t i = 0; i + 8 <= b.n; i += 8) {
            char want[16];
            snprintf(want, sizeof want, "%08u", (unsigned)(i / 8) % 100000000);
            content &= memcmp(b.p + i, want, 8) == 0;
        }
        content &= may_fail || b.n == 24000;
        vk_buf_free(&b);
    }
    return content;
}

static bool json_step(bool may_fail)
{
    static const char text[] =
        "{\"list\":[1,2.5,-3e9,true,null,\"plain\",\"with \\\"escapes\\\" \\ud83d\\ude00\"],"
        "\"long\":123456789012345678901234567890123456789012345678901234567890123456789.5,\"o\":{}}";
    vk_arena *a = vk_arena_new(1 << 20);
    vk_json *v = NULL;
    vk_buf out;
    vk_buf_init(&out, 1 << 20);
    vk_err e = a ? VK_OK : VK_E_NOMEM;
    for (int i = 0; e == VK_OK && i < 60; i++)
        e = vk_json_parse(a, (vk_str){text, sizeof text - 1}, &v, NULL, NULL);
    bool content = e == VK_OK || (may_fail && e == VK_E_NOMEM);
    if (e == VK_OK) {
        content &= v->count == 3 && v->u.child->count == 7;
        vk_jw w = vk_jw_on(&out);
        vk_jw_arr(&w);
        for (int i = 0; i < 200; i++) {
            vk_jw_str(&w, VK_STR("some \"text\""));
            vk_jw_double(&w, i / 3.0);
        }
        vk_jw_arr_end(&w);
        content &= out.err == VK_OK || (may_fail && out.err == VK_E_NOMEM);
        vk_str back;
        vk_err decoded = vk_base64_decode(a, VK_STR("aGVsbG8"), &back);
        content &= decoded == VK_OK ? vk_str_eqz(back, "hello") : may_fail && decoded == VK_E_NOMEM;
    }
    vk_buf_free(&out);
    vk_arena_free(a);
    return content;
}

static bool map_step(bool may_fail)
{
    static vk_map_node nodes[200];
    vk_map m;
    bool content = true;
    vk_map_init(&m);
    size_t in = 0;
    for (size_t i = 0; i < VK_COUNT(nodes); i++) {
        vk_err e = vk_map_add(&m, &nodes[i], i);
        content &= e == VK_OK || (may_fail && e == VK_E_NOMEM && in == 0); /* only the first can fail */
        in += e == VK_OK;
    }
    content &= m.n == in;
    for (size_t i = VK_COUNT(nodes) - in; i < VK_COUNT(nodes); i++)
        content &= vk_map_find(&m, i) == &nodes[i];
    vk_map_free(&m);
    return content;
}

static bool disk_step(bool may_fail)
{
    vk_buf b;
    vk_buf_init(&b, 1 << 20);
    vk_err e = vk_disk_read(AT_FDCWD, "/proc/self/maps", 1 << 20, &b);
    vk_buf_free(&b);
    return e == VK_OK || (may_fail && e == VK_E_NOMEM);
}

static void torture(bool (*step)(bool may_fail), int least)
{
    int runs = 0;
    long leak = 0;
    if (!ALLOC_SEAM)
        fail_msg("built with a sanitizer, whose malloc cannot be replaced");
    if (!alloc_torture(step, &runs, &leak))
        fail_msg("with allocation %d failing: %ld leaked, or a wrong result", runs, leak);
    assert_true(runs >= least); /* the failures did reach the code */
}

static void arena(void **state)
{
    VK_UNUSED(state);
    torture(arena_step, 4);
}

static void buf(void **state)
{
    VK_UNUSED(state);
    torture(buf_step, 10);
}

static void json(void **state)
{
    VK_UNUSED(state);
    torture(json_step, 20);
}

static void map(void **state)
{
    VK_UNUSED(state);
    torture(map_step, 4);
}

static void disk(void **state)
{
    VK_UNUSED(state);
    torture(disk_step, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arena), cmocka_unit_test(buf),  cmocka_unit_test(json),
        cmocka_unit_test(map),   cmocka_unit_test(disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
