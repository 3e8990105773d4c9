/* db apply: a folder of migrations, each file once, each in one transaction. */
#include "cli/apply.h"
#include "cli/args.h"
#include "cli/build.h"
#include "cli/cli.h"
#include "cli/out.h"
#include "cli/snapshot.h"

#include "core/clock.h"
#include "crypto/digest.h"

const char vk_help_db_apply[] =
    "Usage: valetkey db apply ID FOLDER [--dry-run] [--no-snapshot] [--data DIR] [--json]\n"
    "\n"
    "Runs the migrations of a folder on the build's database: Prisma's (<name>/migration.sql), Drizzle's "
    "(meta/_journal.json and\n"
    "*.sql), or plain *.sql files in the order of their names. FOLDER may also be the app's own folder. Each "
    "file "
    "runs once and in one\n"
    "transaction; the table _valetkey_migrations says which did. After a failure, mend the file and run the "
    "same command again.\n"
    "\n"
    "Before the first file an automatic snapshot is taken (`valetkey db restore` goes back to it). What the "
    "app's own runner has applied\n"
    "already counts (tables _prisma_migrations, __drizzle_migrations, _app_migrations). A file that was "
    "changed "
    "after it ran is an error.\n"
    "\n"
    "  --dry-run                say what would run, change nothing\n"
    "  --no-snapshot            take no snapshot first\n"
    "\n"
    "Examples:\n"
    "  valetkey db apply demo prisma/migrations\n"
    "  valetkey db apply demo . --dry-run\n";

enum { OUT_MAX = 16 * 1024 * 1024 };

struct work {
    const char *id, *data;
    bool json, dry, no_snapshot;
    vk_migrations m;
    vk_applied *state;
    vk_apply a;
    vk_buf out; /* the JSON answer */
    vk_jw w;
    size_t pending, adopted, ran;
};

/* ---- before anything runs */

static int check_changed(struct work *k)
{
    for (size_t i = 0; i < k->m.n; i++)
        if (k->state[i] == VK_CHANGED)
            return vk_failed("conflict",
                             "The migration " VK_STR_FMT
                             " was changed after it had run. Put its old content back and "
                             "write the change as a new migration.",
                             VK_STR_ARG(k->m.all[i].name));
    return VK_EXIT_OK;
}

static int failed_to_look(struct work *k)
{
    return vk_failed(k->a.code, "The database of %s cannot be read: %s", k->id, k->a.said);
}

static int look(struct work *k)
{
    k->state = vk_arena_alloc(k->m.arena, sizeof *k->state * (k->m.n ? k->m.n : 1));
    if (!k->state)
        return vk_failed("nomem", "Out of memory.");
    if (vk_apply_look(&k->a, &k->m, k->state) != VK_OK)
        return failed_to_look(k);
    for (size_t i = 0; i < k->m.n; i++) {
        k->pending += k->state[i] == VK_PENDING;
        k->adopted += k->state[i] == VK_ADOPTED;
    }
    return check_changed(k);
}

static void put_names(struct work *k, const char *key, vk_applied state)
{
    vk_jw_key(&k->w, vk_str_z(key));
    vk_jw_arr(&k->w);
    for (size_t i = 0; i < k->m.n; i++)
        if (k->state[i] == state)
            vk_jw_str(&k->w, k->m.all[i].name);
    vk_jw_arr_end(&k->w);
}

static void begin_json(struct work *k)
{
    k->w = vk_jw_on(&k->out);
    vk_jw_obj(&k->w);
    vk_jw_kstr(&k->w, "build", vk_str_z(k->id));
    vk_jw_kstr(&k->w, "folder", vk_str_z(k->m.folder));
    vk_jw_kstr(&k->w, "kind", vk_str_z(vk_migration_kind_name(k->m.kind)));
    put_names(k, "already", VK_APPLIED);
    put_names(k, "adopted", VK_ADOPTED);
    put_names(k, "pending", VK_PENDING);
}

static void tell_dry(const struct work *k)
{
    for (size_t i = 0; i < k->m.n; i++)
        if (k->state[i] == VK_PENDING || k->state[i] == VK_ADOPTED)
            printf("  %s " VK_STR_FMT "\n", k->state[i] == VK_PENDING ? "would run " : "would note",
                   VK_STR_ARG(k->m.all[i].name));
    printf("%zu of %zu migrations would run. Nothing was changed.\n", k->pending, k->m.n);
}

/* ---- running */

/* Whose database it is; `driver` empty: it is in files of the build, of which there are snapshots. */
static int find_driver(struct work *k, const char *command, char *driver, size_t room)
{
    char target[256];
    vk_reply r;
    bool ok;
    driver[0] = '\0';
    if (vk_build_target(command, k->id, "/services/database/driver", target, sizeof target) != VK_OK)
        return VK_EXIT_USAGE;
    int code = vk_build_call(&(vk_build_ask){.data = k->data, .method = "GET", .target = target}, &r, &ok);
    if (!ok)
        return code;
    const char *name = vk_reply_text(&r, r.json, "driver");
    if (strcmp(name, "embedded") != 0)
        snprintf(driver, room, "%s", name);
    vk_reply_free(&r);
    return VK_EXIT_OK;
}

static int take_snapshot(struct work *k, const char *command)
{
    char target[256], driver[32];
    vk_reply r;
    bool ok;
    int found = find_driver(k, command, driver, sizeof driver);
    if (found != VK_EXIT_OK)
        return found;
    if (driver[0]) {
        vk_jw_key(&k->w, VK_STR("snapshot"));
        vk_jw_null(&k->w);
        if (!k->json)
            printf("%s  no snapshot: the database of %s is at a vendor (%s), whose backups count%s\n",
                   vk_tone_begin(stdout, VK_DIM), k->id, driver, vk_tone_end(stdout));
        return VK_EXIT_OK;
    }
    if (vk_snapshot_target(command, k->id, NULL, "", target, sizeof target) != VK_EXIT_OK)
        return VK_EXIT_USAGE;
    int code = vk_snapshot_take(k->data, target, "before-apply", true, &r, &ok);
    if (!ok)
        return code;
    const char *snapshot = vk_reply_text(&r, r.json, "id");
    vk_jw_kstr(&k->w, "snapshot", vk_str_z(snapshot));
    if (!k->json)
        printf("%s  snapshot %s (valetkey db restore %s %s goes back to it)%s\n",
               vk_tone_begin(stdout, VK_DIM), snapshot, k->id, snapshot, vk_tone_end(stdout));
    vk_reply_free(&r);
    return VK_EXIT_OK;
}

static int tell_failure(struct work *k, const vk_migration *x)
{
    char place[32] = "";
    if (k->a.line)
        snprintf(place, sizeof place, ", line %d", k->a.line);
    vk_jw_key(&k->w, VK_STR("failed"));
    vk_jw_obj(&k->w);
    vk_jw_kstr(&k->w, "name", x->name);
    vk_jw_ki64(&k->w, "line", k->a.line);
    vk_jw_kstr(&k->w, "code", vk_str_z(k->a.code));
    vk_jw_kstr(&k->w, "message", vk_str_z(k->a.said));
    vk_jw_obj_end(&k->w);
    size_t n = strlen(k->a.said);
    return vk_failed(k->a.code,
                     "The migration " VK_STR_FMT
                     "%s failed: %s%s Nothing of it was kept%s Mend it and run the same "
                     "command again.",
                     VK_STR_ARG(x->name), place, k->a.said, n && k->a.said[n - 1] == '.' ? "" : ".",
                     k->ran ? "; those before it ran." : ".");
}

static int run_one(struct work *k, const vk_migration *x)
{
    size_t statements;
    int64_t began = vk_clock_mono_ms();
    vk_err e = vk_apply_run(&k->a, k->m.kind, x, &statements);
    int64_t ms = vk_clock_mono_ms() - began;
    if (e == VK_E_CONFLICT) { /* another apply was first */
        if (!k->json)
            printf("  " VK_STR_FMT ": ran meanwhile\n", VK_STR_ARG(x->name));
        return VK_EXIT_OK;
    }
    if (e != VK_OK)
        return VK_EXIT_FAILED;
    k->ran++;
    vk_jw_obj(&k->w);
    vk_jw_kstr(&k->w, "name", x->name);
    vk_jw_ki64(&k->w, "statements", (int64_t)statements);
    vk_jw_ki64(&k->w, "ms", ms);
    vk_jw_obj_end(&k->w);
    if (!k->json) {
        printf("%s✓%s " VK_STR_FMT " %s(%zu statement%s, %lld ms)%s\n", vk_tone_begin(stdout, VK_GOOD),
               vk_tone_end(stdout), VK_STR_ARG(x->name), vk_tone_begin(stdout, VK_DIM), statements,
               statements == 1 ? "" : "s", (long long)ms, vk_tone_end(stdout));
        fflush(stdout);
    }
    return VK_EXIT_OK;
}

/* What the app's own runner has applied is noted, so that it counts from here on. */
static int note_adopted(struct work *k)
{
    for (size_t i = 0; i < k->m.n; i++)
        if (k->state[i] == VK_ADOPTED && vk_apply_note(&k->a, &k->m.all[i]) != VK_OK)
            return vk_failed(k->a.code, "It cannot be noted that " VK_STR_FMT " ran already: %s",
                             VK_STR_ARG(k->m.all[i].name), k->a.said);
    return VK_EXIT_OK;
}

static int run_pending(struct work *k)
{
    const vk_migration *failed = NULL;
    vk_jw_key(&k->w, VK_STR("applied"));
    vk_jw_arr(&k->w);
    for (size_t i = 0; !failed && i < k->m.n; i++)
        if (k->state[i] == VK_PENDING && run_one(k, &k->m.all[i]) != VK_EXIT_OK)
            failed = &k->m.all[i];
    vk_jw_arr_end(&k->w);
    return failed ? tell_failure(k, failed) : VK_EXIT_OK;
}

static void tell_done(const struct work *k)
{
    if (k->m.ignored.n)
        fprintf(stderr, "Not in meta/_journal.json, so not run: " VK_STR_FMT "\n", VK_STR_ARG(k->m.ignored));
    if (k->adopted)
        printf("%zu migration%s had run by the app itself; that is noted now.\n", k->adopted,
               k->adopted == 1 ? "" : "s");
    if (k->ran == 0)
        printf("%s✓%s Nothing to do: all %zu migrations of %s have run on %s.\n",
               vk_tone_begin(stdout, VK_GOOD), vk_tone_end(stdout), k->m.n, k->m.folder, k->id);
}

static int apply(struct work *k, const char *command)
{
    int code = look(k);
    if (code != VK_EXIT_OK)
        return code;
    begin_json(k);
    if (k->dry) {
        if (!k->json)
            tell_dry(k);
    } else {
        if (k->pending && !k->no_snapshot)
            code = take_snapshot(k, command);
        if (code == VK_EXIT_OK)
            code = note_adopted(k);
        if (code == VK_EXIT_OK)
            code = run_pending(k);
        if (code == VK_EXIT_OK && !k->json)
            tell_done(k);
    }
    vk_jw_obj_end(&k->w);
    if (k->json)
        printf(VK_STR_FMT "\n", VK_STR_ARG(vk_buf_view(&k->out)));
    return code;
}

int vk_cmd_db_apply(int argc, char **argv)
{
    struct work k = {0};
    const char *pos[2];
    char why[VK_APPLY_SAID];
    const vk_opt opts[] = {VK_OPT_F("dry-run", k.dry),
                           VK_OPT_F("no-snapshot", k.no_snapshot),
                           VK_OPT_T("data", k.data),
                           VK_OPT_F("json", k.json),
                           {0}};
    if (vk_args(argc, argv, opts, pos, 2, 2, "The build's ID and a FOLDER", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(k.json);
    k.id = pos[0];
    if (vk_digest_init() != VK_OK)
        return vk_failed("internal", "The cryptographic library cannot be used.");
    if (vk_migrations_read(pos[1], &k.m, why, sizeof why) != VK_OK)
        return vk_failed("invalid", "%s", why);
    vk_buf_init(&k.out, OUT_MAX);
    int code = vk_endpoint_open(argv[0], k.data, k.id, &k.a.at);
    if (code == VK_EXIT_OK)
        code = apply(&k, argv[0]);
    vk_endpoint_close(&k.a.at);
    vk_buf_free(&k.out);
    vk_migrations_free(&k.m);
    return code;
}
