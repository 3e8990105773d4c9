#include "cli/migrations.h"

#include "crypto/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char root[] = "/tmp/vk-migrations-XXXXXX";
static char why[2048];

static void put(const char *name, const char *text)
{
    char path[200], part[200];
    snprintf(path, sizeof path, "%s/%s", root, name);
    for (char *p = strchr(path + strlen(root) + 1, '/'); p; p = strchr(p + 1, '/')) {
        snprintf(part, sizeof part, "%.*s", (int)(p - path), path);
        mkdir(part, 0700);
    }
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void empty(void)
{
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s/*", root);
    assert_int_equal(system(command), 0);
}

static vk_err read_root(vk_migrations *m)
{
    return vk_migrations_read(root, m, why, sizeof why);
}

static void refused(const char *with)
{
    vk_migrations m;
    assert_int_not_equal(read_root(&m), VK_OK);
    if (!strstr(why, with))
        fail_msg("%s", why);
}

static void prisma(void **state)
{
    vk_migrations m;
    VK_UNUSED(state);
    put("prisma/migrations/2_b/migration.sql", "\xef\xbb\xbfSELECT 2;");
    put("prisma/migrations/1_a/migration.sql", "abc");
    put("prisma/migrations/migration_lock.toml", "# x\nprovider = \"sqlite\"\n");
    put("prisma/schema.prisma", "");
    assert_int_equal(read_root(&m), VK_OK);
    assert_int_equal(m.kind, VK_MIG_PRISMA);
    assert_int_equal(m.n, 2);
    assert_true(vk_str_eqz(m.all[0].name, "1_a"));
    assert_string_equal(m.all[0].sum, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_true(vk_str_eqz(m.all[1].text, "SELECT 2;"));
    vk_migrations_free(&m);
    put("prisma/migrations/3_c/README", "");
    refused("3_c/migration.sql does not exist");
    put("prisma/migrations/3_c/migration.sql", "");
    put("prisma/migrations/migration_lock.toml", "provider = \"postgresql\"");
    refused("another kind of database: provider = \"postgresql\"");
    empty();
}

static void drizzle(void **state)
{
    vk_migrations m;
    VK_UNUSED(state);
    put("drizzle/meta/_journal.json", "{\"version\":\"7\",\"dialect\":\"turso\",\"entries\":[{\"idx\":1,"
                                      "\"tag\":\"0001_a\"},{\"idx\":0,\"tag\":\"0000_z\"}]}");
    put("drizzle/0000_z.sql", "CREATE TABLE z(x);");
    put("drizzle/0001_a.sql", "CREATE TABLE a(x);");
    put("drizzle/seed.sql", "never");
    assert_int_equal(read_root(&m), VK_OK);
    assert_int_equal(m.kind, VK_MIG_DRIZZLE);
    assert_int_equal(m.n, 2);
    assert_true(vk_str_eqz(m.all[0].name, "0000_z"));
    assert_true(vk_str_eqz(m.all[1].name, "0001_a"));
    assert_true(vk_str_eqz(m.ignored, "seed.sql"));
    vk_migrations_free(&m);
    put("drizzle/meta/_journal.json", "{\"entries\":[{\"idx\":0,\"tag\":\"../../etc\"}]}");
    refused("no usable entry 0");
    put("drizzle/meta/_journal.json", "{\"entries\":[{\"idx\":5,\"tag\":\"0000_z\"}]}");
    refused("no usable entry 0");
    put("drizzle/meta/_journal.json", "{\"entries\":[{\"idx\":0,\"tag\":\"gone\"}]}");
    refused("gone.sql does not exist");
    put("drizzle/meta/_journal.json", "{\"dialect\":\"postgresql\",\"entries\":[]}");
    refused("are for postgresql");
    put("drizzle/meta/_journal.json", "{");
    refused("is no JSON");
    empty();
}

static void plain(void **state)
{
    vk_migrations m;
    VK_UNUSED(state);
    refused("has no migrations");
    put("b.sql", "SELECT 2");
    put("a.sql", "SELECT 1");
    put("note.txt", "");
    assert_int_equal(read_root(&m), VK_OK);
    assert_int_equal(m.kind, VK_MIG_PLAIN);
    assert_int_equal(m.n, 2);
    assert_true(vk_str_eqz(m.all[0].name, "a"));
    vk_migrations_free(&m);
    empty();
    assert_int_equal(vk_migrations_read("/nonexistent", &m, why, sizeof why), VK_E_NOT_FOUND);
    assert_non_null(strstr(why, "/nonexistent is no folder"));
}

static int set_up(void **state)
{
    VK_UNUSED(state);
    return vk_digest_init() == VK_OK && mkdtemp(root) ? 0 : -1;
}

static int tear_down(void **state)
{
    VK_UNUSED(state);
    return rmdir(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(prisma), cmocka_unit_test(drizzle),
                                       cmocka_unit_test(plain)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
