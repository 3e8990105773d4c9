/* db snapshot, db snapshots, db restore. */
#include "cli/args.h"
#include "cli/build.h"
#include "cli/cli.h"
#include "cli/out.h"
#include "cli/snapshot.h"

const char vk_help_db_snapshot[] =
    "Usage: valetkey db snapshot ID [--name NAME] [--data DIR] [--json]\n"
    "\n"
    "Keeps the build's database as it is now, beside it. `valetkey db restore` brings it back.\n"
    "\n"
    "  --name NAME              a name for it: letters, digits, dots, dashes, underscores\n"
    "\n"
    "Examples:\n"
    "  valetkey db snapshot demo\n"
    "  valetkey db snapshot demo --name before-import\n";

const char vk_help_db_snapshots[] =
    "Usage: valetkey db snapshots ID [--delete SNAPSHOT] [--data DIR] [--json]\n"
    "\n"
    "Lists the snapshots of a build's database, the newest first. A build keeps at most 20 of them and 4 "
    "GiB; "
    "of the automatic ones,\n"
    "made before a restore or an apply, the oldest go first. Those that people made stay (at most 16).\n"
    "\n"
    "  --delete SNAPSHOT        remove one, by its id or its name\n"
    "\n"
    "Examples:\n"
    "  valetkey db snapshots demo\n"
    "  valetkey db snapshots demo --delete before-import\n";

const char vk_help_db_restore[] =
    "Usage: valetkey db restore ID SNAPSHOT [--data DIR] [--json]\n"
    "\n"
    "Puts a snapshot in the place of the build's database. What was there becomes a snapshot itself, so that "
    "this can be undone.\n"
    "The app keeps its keys and goes on; open transactions are rolled back and can be tried again. SNAPSHOT "
    "is "
    "an id or a name.\n"
    "\n"
    "Examples:\n"
    "  valetkey db restore demo before-import\n"
    "  valetkey db snapshots demo\n";

int vk_snapshot_target(const char *command, const char *id, const char *snapshot, const char *after,
                       char *out, size_t room)
{
    char tail[160];
    static const char ok[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    if (snapshot && (!snapshot[0] || snapshot[0] == '.' || strlen(snapshot) > 64 ||
                     strspn(snapshot, ok) != strlen(snapshot)))
        return vk_usage(command,
                        "\"%.64s\" is no snapshot's id or name; `valetkey db snapshots %.32s` lists them.",
                        snapshot, id);
    snprintf(tail, sizeof tail, "/services/database/snapshots%s%s%s", snapshot ? "/" : "",
             snapshot ? snapshot : "", after);
    return vk_build_target(command, id, tail, out, room) == VK_OK ? VK_EXIT_OK : VK_EXIT_USAGE;
}

int vk_snapshot_take(const char *data, const char *target, const char *name, bool automatic, vk_reply *out_r,
                     bool *ok_r)
{
    vk_buf body;
    vk_buf_init(&body, 4096);
    vk_jw w = vk_jw_on(&body);
    vk_jw_obj(&w);
    if (name)
        vk_jw_kstr(&w, "name", vk_str_z(name));
    vk_jw_kbool(&w, "automatic", automatic);
    vk_jw_obj_end(&w);
    int code = vk_build_call(
        &(vk_build_ask){
            .data = data, .method = "POST", .target = target, .body = vk_buf_view(&body), .slow = true},
        out_r, ok_r);
    vk_buf_free(&body);
    return code;
}

int vk_cmd_db_snapshot(int argc, char **argv)
{
    bool json = false, ok;
    const char *data = NULL, *name = NULL, *pos[1];
    char target[256], size[VK_SIZE_TEXT];
    const vk_opt opts[] = {VK_OPT_T("name", name), VK_OPT_T("data", data), VK_OPT_F("json", json), {0}};
    if (vk_args(argc, argv, opts, pos, 1, 1, "The build's ID", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(json);
    if (vk_snapshot_target(argv[0], pos[0], NULL, "", target, sizeof target) != VK_EXIT_OK)
        return VK_EXIT_USAGE;
    vk_reply r;
    int code = vk_snapshot_take(data, target, name, false, &r, &ok);
    if (!ok)
        return code;
    const char *id = vk_reply_text(&r, r.json, "id");
    vk_size_text(vk_reply_number(r.json, "bytes", 0), size);
    if (json)
        vk_reply_print(&r);
    else
        printf("%s✓%s Snapshot %s of %s (%s). Back to it: valetkey db restore %s %s\n",
               vk_tone_begin(stdout, VK_GOOD), vk_tone_end(stdout), id, pos[0], size, pos[0],
               name ? name : id);
    vk_reply_free(&r);
    return VK_EXIT_OK;
}

/* ---- list */

static void list_row(vk_table *t, const vk_reply *r, const vk_json *s)
{
    char size[VK_SIZE_TEXT], made[32];
    const vk_json *automatic = vk_json_get(s, VK_STR("automatic"));
    bool is_automatic = automatic && automatic->type == VK_JSON_BOOL && automatic->u.b;
    vk_size_text(vk_reply_number(s, "bytes", 0), size);
    vk_time_short(vk_reply_text(r, s, "created"), made);
    vk_table_cell(t, vk_str_z(vk_reply_text(r, s, "id")), VK_PLAIN, false);
    vk_table_cell(t, vk_str_z(vk_reply_text(r, s, "name")), VK_PLAIN, false);
    vk_table_cell(t, is_automatic ? VK_STR("automatic") : VK_STR(""), VK_DIM, false);
    vk_table_cell(t, vk_str_z(made), VK_PLAIN, false);
    vk_table_cell(t, vk_str_z(size), VK_PLAIN, true);
}

static int print_list(const vk_reply *r, const char *id)
{
    static const char *const titles[] = {"ID", "NAME", "", "MADE", "SIZE"};
    const vk_json *all = vk_json_get(r->json, VK_STR("snapshots"));
    char size[VK_SIZE_TEXT];
    if (!all || all->type != VK_JSON_ARRAY || all->count == 0) {
        printf("%s has no snapshots. Take one: valetkey db snapshot %s\n", id, id);
        return VK_EXIT_OK;
    }
    vk_table *t = vk_table_new(VK_COUNT(titles));
    if (!t)
        return vk_failed("nomem", "Out of memory.");
    for (size_t i = 0; i < VK_COUNT(titles); i++)
        vk_table_cell(t, vk_str_z(titles[i]), VK_BOLD, i + 1 == VK_COUNT(titles));
    for (const vk_json *s = all->u.child; s; s = s->next)
        list_row(t, r, s);
    if (!vk_table_print(t, stdout, 0))
        return vk_failed("nomem", "Out of memory.");
    vk_size_text(vk_reply_number(r->json, "bytes", 0), size);
    printf("%s%u of at most 20, %s%s\n", vk_tone_begin(stdout, VK_DIM), all->count, size,
           vk_tone_end(stdout));
    return VK_EXIT_OK;
}

int vk_cmd_db_snapshots(int argc, char **argv)
{
    bool json = false, ok;
    const char *data = NULL, *gone = NULL, *pos[1];
    char target[256];
    const vk_opt opts[] = {VK_OPT_T("delete", gone), VK_OPT_T("data", data), VK_OPT_F("json", json), {0}};
    if (vk_args(argc, argv, opts, pos, 1, 1, "The build's ID", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(json);
    if (vk_snapshot_target(argv[0], pos[0], gone, "", target, sizeof target) != VK_EXIT_OK)
        return VK_EXIT_USAGE;
    vk_reply r;
    int code = vk_build_call(
        &(vk_build_ask){.data = data, .method = gone ? "DELETE" : "GET", .target = target, .slow = true}, &r,
        &ok);
    if (!ok)
        return code;
    if (json)
        vk_reply_print(&r);
    else if (gone)
        printf("%s✓%s The snapshot %s of %s is gone.\n", vk_tone_begin(stdout, VK_GOOD), vk_tone_end(stdout),
               gone, pos[0]);
    else
        code = print_list(&r, pos[0]);
    vk_reply_free(&r);
    return code;
}

/* ---- restore */

int vk_cmd_db_restore(int argc, char **argv)
{
    bool json = false, ok;
    const char *data = NULL, *pos[2];
    char target[256];
    const vk_opt opts[] = {VK_OPT_T("data", data), VK_OPT_F("json", json), {0}};
    if (vk_args(argc, argv, opts, pos, 2, 2, "The build's ID and a SNAPSHOT", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(json);
    if (vk_snapshot_target(argv[0], pos[0], pos[1], "/restore", target, sizeof target) != VK_EXIT_OK)
        return VK_EXIT_USAGE;
    vk_reply r;
    int code = vk_build_call(&(vk_build_ask){.data = data, .method = "POST", .target = target, .slow = true},
                             &r, &ok);
    if (!ok)
        return code;
    if (json)
        vk_reply_print(&r);
    else
        printf("%s✓%s The database of %s is what it was at the snapshot %s. To undo: valetkey db restore %s "
               "%s\n",
               vk_tone_begin(stdout, VK_GOOD), vk_tone_end(stdout), pos[0], pos[1], pos[0],
               vk_reply_text(&r, vk_json_get(r.json, VK_STR("before")), "id"));
    vk_reply_free(&r);
    return VK_EXIT_OK;
}
