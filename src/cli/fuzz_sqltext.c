/* Cutting a file into statements: every cut is inside the text, makes progress, and the pieces are the text.
 */
#include "cli/sqltext.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vk_str all = {(const char *)data, size}, left = all;
    size_t typed = vk_sql_first(all);
    assert(typed <= size && (typed == 0 || data[typed - 1] == ';'));
    for (size_t n; left.n && (n = vk_sql_next(left)) != 0; left.p += n, left.n -= n) {
        vk_str one = {left.p, n};
        size_t lead = vk_sql_lead(one);
        assert(n <= left.n && lead <= n);
        for (size_t i = 0; i < 4; i++) {
            vk_str word = vk_sql_word_at(one, i);
            assert(!word.p || (word.p >= one.p && word.p + word.n <= one.p + one.n));
        }
        if (lead == n)
            assert(vk_sql_blank(one));
    }
    return 0;
}
