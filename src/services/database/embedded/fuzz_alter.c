/* Any bytes as a statement and as a CREATE TABLE text. The text is copied to memory of exactly its size, so
 * that a read past its end is seen. What is accepted reads the same when it is taken alone, and a definition
 * that is found can be put in its own place: the text is then found again. */
#include "services/database/embedded/alter_parse.h"

#define CHECK(x)                                                                                             \
    do {                                                                                                     \
        if (!(x))                                                                                            \
            abort();                                                                                         \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool within(vk_str part, vk_str whole)
{
    return part.p >= whole.p && part.p + part.n <= whole.p + whole.n;
}

static void statement(vk_arena *a, vk_str sql)
{
    vk_alter x, y;
    if (!vk_alter_parse(sql, &x))
        return;
    CHECK(vk_alter_maybe(sql));
    CHECK(x.end <= sql.n);
    if (x.flaw != VK_ALTER_FINE) {
        CHECK(within(x.flaw_token, sql) && x.flaw_at <= sql.n);
        return;
    }
    CHECK(within(x.table, sql) && within(x.column, sql) && within(x.def, sql));
    CHECK(vk_alter_name(a, x.table).p && vk_alter_name(a, x.column).p);
    /* Alone, and without what follows it. */
    CHECK(vk_alter_parse((vk_str){sql.p, x.end}, &y) && y.flaw == VK_ALTER_FINE && y.end == x.end);
    CHECK(within(x.text, sql) && x.text.p + x.text.n == x.def.p + x.def.n);
    vk_str made = vk_arena_printf(a, "ALTER TABLE %.*s ALTER COLUMN %.*s TO %.*s", VK_STR_ARG(x.table),
                                  VK_STR_ARG(x.column), VK_STR_ARG(x.def));
    CHECK(made.p && vk_alter_parse(made, &y) && y.flaw == VK_ALTER_FINE);
    CHECK(vk_str_eq(x.table, y.table) && vk_str_eq(x.column, y.column) && vk_str_eq(x.def, y.def));
    CHECK(vk_alter_words(x.def) == vk_alter_words(y.def));
    /* As the only column of a table it is that column's definition. */
    vk_str name = vk_alter_name(a, x.renamed), create, def;
    unsigned words;
    create = vk_arena_printf(a, "CREATE TABLE t(\"first\" INT, \"x\" REAL, %.*s\n)", VK_STR_ARG(x.def));
    CHECK(name.p && create.p);
    if (!vk_str_ieq(name, VK_STR("first")) && !vk_str_ieq(name, VK_STR("x")) &&
        vk_alter_find(create, name, &def, &words))
        CHECK(vk_str_eq(def, x.def) && words == vk_alter_words(x.def));
}

static void table(vk_str create)
{
    vk_str def, again;
    unsigned words, same;
    static const vk_str names[] = {VK_STR("a"), VK_STR("b, c"), VK_STR("")};
    for (size_t i = 0; i < VK_COUNT(names); i++)
        if (vk_alter_find(create, names[i], &def, &words)) {
            CHECK(within(def, create) && def.n > 0);
            /* What comes behind the definition's list does not count. */
            size_t upto = (size_t)(def.p - create.p) + def.n;
            char *cut = malloc(upto + 2);
            CHECK(cut);
            memcpy(cut, create.p, upto);
            memcpy(cut + upto, "\n)", 2);
            CHECK(vk_alter_find((vk_str){cut, upto + 2}, names[i], &again, &same));
            CHECK(vk_str_eq(def, again) && words == same);
            free(cut);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size ? size : 1);
    vk_arena *a = vk_arena_new(1 << 22);
    if (!copy || !a || size > 1 << 16)
        goto out;
    if (size)
        memcpy(copy, data, size);
    vk_str s = {copy, size};
    statement(a, s);
    table(s);
    VK_UNUSED(vk_alter_blank(s));
out:
    free(copy);
    vk_arena_free(a);
    return 0;
}
