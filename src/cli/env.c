/* env: a build's environment, to the terminal or into a file. */
#include "cli/args.h"
#include "cli/build.h"
#include "cli/cli.h"
#include "cli/envfile.h"
#include "cli/env.h"
#include "cli/out.h"
#include "core/disk.h"
#include "handoff/clerk.h"
#include "handoff/preload.h"
#include "handoff/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MANIFEST_MAX = 4 * 1024 * 1024, PARENTS_MAX = 6 };

const char vk_help_env[] =
    "Usage: valetkey env ID [options]\n"
    "\n"
    "Prints the environment that the build's app needs, or writes it to a file (mode 0600, other lines of "
    "the file stay).\n"
    "\n"
    "  --framework NAME         name the variables for this framework instead of the build's own\n"
    "  --app DIR                find the framework out from DIR/package.json, requirements.txt or "
    "pyproject.toml;\n"
    "                           and from its Clerk SDK which of Clerk's scripts it loads (CLERK_JS_URL); "
    "with\n"
    "                           \"valetkey\": {\"settings\": true} in package.json, also what the app's own "
    "page\n"
    "                           needs on which keys are replaced (SETTINGS_TOKEN opens it)\n"
    "  --format FORMAT          dotenv, shell, docker, systemd or json (default dotenv)\n"
    "  --out FILE               write it there; a variable of the same name that someone else set stops it\n"
    "  --force                  with --out: turn such lines into comments\n"
    "  --with-preload           and NODE_OPTIONS, which makes node (18.18 or newer) send what the app's code "
    "sends to\n"
    "                           api.stripe.com or *.r2.cloudflarestorage.com with the build's keys to its "
    "own services;\n"
    "                           not with --format dotenv, which node reads too late\n"
    "  --data DIR, --json       --json is --format json\n"
    "\n"
    "Examples:\n"
    "  valetkey env demo\n"
    "  valetkey env demo --app . --out .env.local\n"
    "  eval \"$(valetkey env demo --format shell)\"\n"
    "  eval \"$(valetkey env demo --format shell --with-preload)\"\n"
    "  docker run --env-file <(valetkey env demo --format docker) my-app\n";

/* ---- framework */

static bool read_text(int dir, const char *name, vk_buf *out)
{
    vk_buf_clear(out);
    return vk_disk_read(dir, name, MANIFEST_MAX, out) == VK_OK;
}

int vk_detect_app(const char *command, const char *dir, const vk_framework **out_r)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), code = VK_EXIT_OK;
    if (fd < 0)
        return vk_usage(command, "--app: the folder %.200s cannot be opened.", dir);
    vk_buf text;
    vk_buf_init(&text, MANIFEST_MAX);
    vk_arena *a = vk_arena_new((size_t)MANIFEST_MAX * 8);
    *out_r = NULL;
    if (a && read_text(fd, "package.json", &text)) {
        if (vk_detect_package_json(a, vk_buf_view(&text), out_r) != VK_OK)
            code = vk_usage(
                command, "--app: %.200s/package.json is no JSON object; repair it or use --framework.", dir);
    } else if (!(read_text(fd, "requirements.txt", &text) &&
                 vk_detect_python(vk_buf_view(&text), out_r) == VK_OK) &&
               !(read_text(fd, "pyproject.toml", &text) &&
                 vk_detect_python(vk_buf_view(&text), out_r) == VK_OK)) {
        code = vk_usage(
            command,
            "--app: %.200s has no package.json, and no requirements.txt or pyproject.toml that names a known "
            "framework; use --framework.",
            dir);
    }
    vk_arena_free(a);
    vk_buf_free(&text);
    close(fd);
    return code;
}

/* What is installed, as Node would look for it: in the app's folder, then above (workspaces). */
static void look_installed(int dir, vk_arena *a, vk_buf *text, vk_clerk_sdk *sdk)
{
    char path[256] = "";
    for (int up = 0; up <= PARENTS_MAX; up++) {
        size_t at = (size_t)up * 3;
        snprintf(path + at, sizeof path - at, "node_modules/%s/package.json", sdk->package);
        if (read_text(dir, path, text)) { /* one that cannot be understood leaves what the app asks for */
            vk_err e = vk_clerk_sdk_installed(a, vk_buf_view(text), sdk);
            VK_UNUSED(e);
            return;
        }
        memcpy(path + at, "../", 3);
    }
}

/* Which of Clerk's scripts the app takes; the newest for one that does not say. */
static vk_err find_clerk(const char *dir, vk_clerk_sdk *out_r)
{
    vk_buf text;
    *out_r = (vk_clerk_sdk){.js = VK_CLERK_JS_NEWEST};
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    vk_arena *a = vk_arena_new((size_t)MANIFEST_MAX * 16);
    vk_buf_init(&text, MANIFEST_MAX);
    vk_err e = a ? VK_OK : VK_E_NOMEM;
    if (e == VK_OK && fd >= 0 && read_text(fd, "package.json", &text)) {
        e = vk_clerk_sdk_wanted(a, vk_buf_view(&text), out_r);
        if (e == VK_E_INVALID) { /* --framework was given, so that it need not be understood */
            *out_r = (vk_clerk_sdk){.js = VK_CLERK_JS_NEWEST};
            e = VK_OK;
        } else if (e == VK_OK && out_r->package) {
            look_installed(fd, a, &text, out_r);
        }
    }
    vk_buf_free(&text);
    vk_arena_free(a);
    if (fd >= 0)
        close(fd);
    return e;
}

/* Whether the app has a page on which its keys are replaced. False, too, when nothing can be read. */
static bool has_settings(const char *dir)
{
    vk_buf text;
    bool wanted = false;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    vk_arena *a = vk_arena_new((size_t)MANIFEST_MAX * 8);
    vk_buf_init(&text, MANIFEST_MAX);
    if (a && fd >= 0 && read_text(fd, "package.json", &text) &&
        vk_settings_wanted(a, vk_buf_view(&text), &wanted) != VK_OK)
        wanted = false;
    vk_buf_free(&text);
    vk_arena_free(a);
    if (fd >= 0)
        close(fd);
    return wanted;
}

/* Puts the variables into the reply's object in place of what was there. */
static vk_err put_vars(vk_reply *r, const vk_env_var *vars, size_t n)
{
    vk_json *first = NULL, **end = &first;
    for (size_t i = 0; i < n; i++) {
        vk_json *v = VK_NEW(r->arena, vk_json);
        if (!v)
            return VK_E_NOMEM;
        v->key = vk_str_z(vars[i].name);
        v->type = VK_JSON_STRING;
        v->u.s = vars[i].value;
        *end = v;
        end = &v->next;
    }
    r->json->u.child = first;
    r->json->count = (uint32_t)n;
    return VK_OK;
}

static vk_err fit_clerk(const char *dir, vk_reply *r)
{
    vk_env_var vars[VK_ENV_MAX];
    vk_clerk_sdk sdk;
    size_t n = vk_env_vars(r, vars);
    vk_err e = find_clerk(dir, &sdk);
    if (e == VK_OK)
        e = vk_clerk_fit(r->arena, &sdk, vars, n, &n);
    return e == VK_OK ? put_vars(r, vars, n) : e;
}

/* For apps whose code names the vendors' hosts. */
static vk_err add_preload(vk_reply *r)
{
    vk_env_var vars[VK_ENV_MAX];
    size_t n = vk_env_vars(r, vars);
    if (n == VK_ENV_MAX)
        return VK_E_TOO_LARGE;
    vars[n++] = (vk_env_var){"NODE_OPTIONS", vk_str_z(vk_preload_option), false};
    return put_vars(r, vars, n);
}

int vk_env_fetch(const char *command, const vk_env_ask *q, vk_reply *out_r, bool *ok_r)
{
    char target[256], tail[128];
    const vk_framework *f = NULL;
    *ok_r = false;
    if (q->framework && !(f = vk_framework_find(vk_str_z(q->framework))))
        return vk_usage(command, "--framework: \"%.60s\" is unknown; known are %s.", q->framework,
                        vk_framework_names());
    if (!f && q->app) {
        int code = vk_detect_app(command, q->app, &f);
        if (code != VK_EXIT_OK)
            return code;
    }
    bool settings = q->app && has_settings(q->app);
    snprintf(tail, sizeof tail, "/env?settings=%s%s%s%s%s", settings ? "true" : "false",
             f ? "&framework=" : "", f ? f->name : "", q->service ? "&service=" : "",
             q->service ? q->service : "");
    if (vk_build_target(command, q->id, tail, target, sizeof target) != VK_OK)
        return VK_EXIT_USAGE;
    int code =
        vk_build_call(&(vk_build_ask){.data = q->data, .method = "GET", .target = target}, out_r, ok_r);
    if (*ok_r && (!out_r->json || out_r->json->type != VK_JSON_OBJECT)) {
        *ok_r = false;
        vk_reply_free(out_r);
        return vk_failed("internal", "The daemon's answer is no environment; is it of the same version?");
    }
    if (*ok_r &&
        ((q->app && fit_clerk(q->app, out_r) != VK_OK) || (q->preload && add_preload(out_r) != VK_OK))) {
        *ok_r = false;
        vk_reply_free(out_r);
        return vk_failed("nomem", "Out of memory.");
    }
    return code;
}

size_t vk_env_vars(const vk_reply *r, vk_env_var out[VK_ENV_MAX])
{
    size_t n = 0;
    for (const vk_json *v = r->json->u.child; v && n < VK_ENV_MAX; v = v->next) {
        vk_str name = vk_arena_dup(r->arena, v->key);
        if (name.p && v->type == VK_JSON_STRING)
            out[n++] = (vk_env_var){name.p, v->u.s, true};
    }
    return n;
}

/* ---- file */

struct target {
    const char *path;
    int dir;
    char dir_text[PATH_MAX], name_text[PATH_MAX];
    const char *name;
    vk_buf old;
};

static int open_target(struct target *t)
{
    vk_buf_init(&t->old, VK_ENVFILE_MAX);
    if (strlen(t->path) >= PATH_MAX)
        return vk_failed("usage", "--out: the path is too long.");
    snprintf(t->dir_text, sizeof t->dir_text, "%s", t->path);
    snprintf(t->name_text, sizeof t->name_text, "%s", t->path);
    const char *dir = dirname(t->dir_text);
    t->name = basename(t->name_text);
    t->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (t->dir < 0)
        return vk_failed("not_found",
                         "The folder %s cannot be opened. Make it first, or choose another --out.", dir);
    struct stat st;
    if (fstatat(t->dir, t->name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return VK_EXIT_OK;
    if (!S_ISREG(st.st_mode))
        return vk_failed("invalid", "%s is no plain file. Choose another --out.", t->path);
    vk_err e = vk_disk_read(t->dir, t->name, VK_ENVFILE_MAX, &t->old);
    if (e == VK_E_TOO_LARGE)
        return vk_failed("too_large", "%s is larger than 1 MiB; that is no env file. Choose another --out.",
                         t->path);
    if (e != VK_OK)
        return vk_failed("io", "%s cannot be read. Look at its owner and mode.", t->path);
    return VK_EXIT_OK;
}

static int json_conflict(const struct target *t, const vk_reply *r, bool force)
{
    vk_json *had = NULL;
    vk_arena *a = vk_arena_new((size_t)VK_ENVFILE_MAX * 8);
    int code = VK_EXIT_OK;
    if (t->old.n && !force) {
        bool ours = a && vk_json_parse(a, vk_buf_view(&t->old), &had, NULL, NULL) == VK_OK &&
                    had->type == VK_JSON_OBJECT;
        for (const vk_json *m = ours ? had->u.child : NULL; m && ours; m = m->next)
            ours = vk_json_get(r->json, m->key) != NULL;
        if (!ours)
            code = vk_failed("conflict",
                             "%s has other content, and JSON is written as a whole. Choose another --out, or "
                             "give --force.",
                             t->path);
    }
    vk_arena_free(a);
    return code;
}

static int write_file(const char *path, vk_env_format f, const vk_reply *r, bool force)
{
    struct target t = {.path = path, .dir = -1};
    vk_buf out;
    vk_env_var vars[VK_ENV_MAX];
    size_t n = vk_env_vars(r, vars);
    const char *why = "";
    vk_str name = VK_STR_NONE;
    vk_buf_init(&out, 2 * VK_ENVFILE_MAX);
    int code = open_target(&t);
    vk_err e = VK_OK;
    if (code == VK_EXIT_OK && f == VK_ENV_JSON && (code = json_conflict(&t, r, force)) == VK_EXIT_OK) {
        e = vk_env_write(&out, f, vars, n, &why);
        vk_buf_ch(&out, '\n');
    } else if (code == VK_EXIT_OK) {
        e = vk_envfile_merge(vk_buf_view(&t.old), f, vars, n, force, &out, &name, &why);
    }
    if (code == VK_EXIT_OK && e == VK_E_CONFLICT)
        code = vk_failed("conflict",
                         "%s sets " VK_STR_FMT
                         " to something else. Remove that line, or give --force, which turns it into a "
                         "comment.",
                         path, VK_STR_ARG(name));
    else if (code == VK_EXIT_OK && e != VK_OK)
        code = vk_failed(vk_err_name(e), "%s was not written: %s.", path, why);
    else if (code == VK_EXIT_OK && (e = vk_disk_replace(t.dir, t.name, vk_buf_view(&out), 0600)) != VK_OK)
        code = vk_failed(vk_err_name(e), "%s could not be written (%s); its old content is as it was.", path,
                         e == VK_E_FULL        ? "the disk is full"
                         : e == VK_E_FORBIDDEN ? "no permission"
                                               : "input/output error");
    vk_buf_free_secret(&out);
    vk_buf_free_secret(&t.old);
    if (t.dir >= 0)
        close(t.dir);
    return code;
}

static int print_env(vk_env_format f, const vk_reply *r)
{
    vk_buf out;
    vk_env_var vars[VK_ENV_MAX];
    const char *why;
    int code = VK_EXIT_OK;
    vk_buf_init(&out, VK_ENVFILE_MAX);
    vk_err e = vk_env_write(&out, f, vars, vk_env_vars(r, vars), &why);
    if (e != VK_OK)
        code = vk_failed(vk_err_name(e), "The environment cannot be printed: %s.", why);
    else
        printf(VK_STR_FMT "%s", VK_STR_ARG(vk_buf_view(&out)), f == VK_ENV_JSON ? "\n" : "");
    fflush(stdout);
    vk_buf_free_secret(&out);
    return code;
}

/* Which services are not the build's own: comments in what is printed, and said when a file is written whose
 * builds nothing of the vendor's keeps apart. */
static void say_labels(const vk_env_ask *q, bool file)
{
    char target[96];
    vk_reply r;
    bool ok;
    if (vk_build_target("env", q->id, "", target, sizeof target) != VK_OK)
        return;
    (void)vk_build_call(&(vk_build_ask){.data = q->data, .method = "GET", .target = target}, &r, &ok);
    if (!ok)
        return;
    const vk_json *services = vk_json_get(r.json, VK_STR("services"));
    const vk_json *s = services && services->type == VK_JSON_OBJECT ? services->u.child : NULL;
    for (; s; s = s->next) {
        const vk_json *shared = vk_json_get(s, VK_STR("shared"));
        const char *driver = vk_reply_text(&r, s, "driver"), *how = vk_reply_text(&r, s, "isolation");
        if (strcmp(driver, "embedded") == 0)
            continue;
        if (!file)
            printf("# " VK_STR_FMT ": by %s, with a key of the organisation%s%s\n", VK_STR_ARG(s->key),
                   driver, how[0] ? "; " : "", how);
        else if (shared && shared->type == VK_JSON_BOOL && shared->u.b)
            fprintf(stderr, "%s!%s " VK_STR_FMT " of %s: %s\n", vk_tone_begin(stderr, VK_NOTICE),
                    vk_tone_end(stderr), VK_STR_ARG(s->key), q->id, how);
    }
    vk_reply_free(&r);
}

int vk_cmd_env(int argc, char **argv)
{
    vk_env_ask q = {0};
    const char *format = NULL, *out = NULL, *pos[1];
    bool json = false, force = false, ok;
    const vk_opt opts[] = {VK_OPT_T("framework", q.framework),
                           VK_OPT_T("app", q.app),
                           VK_OPT_T("format", format),
                           VK_OPT_T("out", out),
                           VK_OPT_F("force", force),
                           VK_OPT_F("with-preload", q.preload),
                           VK_OPT_T("data", q.data),
                           VK_OPT_F("json", json),
                           {0}};
    if (vk_args(argc, argv, opts, pos, 1, 1, "The build's ID", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(json);
    q.id = pos[0];
    vk_env_format f = json ? VK_ENV_JSON : VK_ENV_DOTENV;
    if (format && !vk_env_format_parse(vk_str_z(format), &f))
        return vk_usage(argv[0],
                        "--format: \"%.60s\" is unknown; known are dotenv, shell, docker, systemd and json.",
                        format);
    if (json && format && f != VK_ENV_JSON)
        return vk_usage(argv[0], "--json and --format %s contradict each other.", format);
    if (q.preload && f == VK_ENV_DOTENV)
        return vk_usage(argv[0],
                        "--with-preload is not for --format dotenv: when an app reads that file, node "
                        "has started already and looks at NODE_OPTIONS no more. Use valetkey run "
                        "--with-preload, or --format shell, docker, systemd or json.");
    if (force && !out)
        return vk_usage(argv[0], "--force is for --out.");
    vk_reply r;
    int code = vk_env_fetch(argv[0], &q, &r, &ok);
    if (!ok)
        return code;
    if (f == VK_ENV_DOTENV)
        say_labels(&q, out != NULL);
    code = out ? write_file(out, f, &r, force) : print_env(f, &r);
    if (out && code == VK_EXIT_OK && !json)
        fprintf(stderr, "%s✓%s %s has the environment of %s.\n", vk_tone_begin(stderr, VK_GOOD),
                vk_tone_end(stderr), out, q.id);
    vk_reply_free(&r);
    return code;
}
