/* db ddl: what was done to the schema of a build's database. */
#include "cli/build.h"
#include "cli/cli.h"
#include "cli/out.h"

const char vk_help_db_ddl[] = "Usage: valetkey db ddl ID [--data DIR] [--json]\n"
                              "\n"
                              "Lists every statement that created, changed or dropped a table, an index, a "
                              "view or a trigger of the build's "
                              "database, the oldest\n"
                              "first, with the time when it took effect. The record is bounded: of a very "
                              "long one the beginning is only "
                              "counted. A restore\n"
                              "does not shorten it: it is noted where it took place.\n"
                              "\n"
                              "Examples:\n"
                              "  valetkey db ddl demo\n"
                              "  valetkey db ddl demo --json | jq -r '.statements[].sql'\n";

enum { TEXT_MAX = 1024 * 1024 };

static void print_statement(const vk_reply *r, const vk_json *x)
{
    char at[32];
    vk_str left = vk_json_str(vk_json_get(x, VK_STR("sql"))), line;
    const vk_json *cut = vk_json_get(x, VK_STR("cut")), *restored = vk_json_get(x, VK_STR("restored"));
    vk_time_short(vk_reply_text(r, x, "at"), at);
    printf("%s-- %s%s\n", vk_tone_begin(stdout, VK_DIM), at, vk_tone_end(stdout));
    while (left.n) {
        vk_buf b;
        vk_buf_init(&b, TEXT_MAX);
        if (!vk_str_cut(&left, '\n', &line)) {
            line = left;
            left = VK_STR_NONE;
        }
        vk_text_visible(&b, line);
        printf("%.*s%s\n", (int)b.n, b.p ? b.p : "", left.n || restored ? "" : cut ? " …" : ";");
        vk_buf_free(&b);
    }
}

static void print_all(const vk_reply *r, const char *id)
{
    const vk_json *all = vk_json_get(r->json, VK_STR("statements"));
    int64_t count = 0;
    vk_err e = vk_json_i64(vk_json_get(r->json, VK_STR("count")), &count);
    if (e != VK_OK || count == 0) {
        printf("Nothing was done to the schema of %s yet.\n", id);
        return;
    }
    int64_t kept = all && all->type == VK_JSON_ARRAY ? all->count : 0;
    if (count > kept)
        printf("%s-- %lld earlier ones are not kept%s\n", vk_tone_begin(stdout, VK_DIM),
               (long long)(count - kept), vk_tone_end(stdout));
    for (const vk_json *x = kept ? all->u.child : NULL; x; x = x->next)
        print_statement(r, x);
}

int vk_cmd_db_ddl(int argc, char **argv)
{
    return vk_build_command(argc, argv, "GET", "/services/database/ddl", print_all);
}
