/* doctor: is this installation sound, and if not, what to do. */
#include "cli/api.h"
#include "cli/args.h"
#include "cli/cli.h"
#include "cli/out.h"
#include "cli/version.h"
#include "core/clock.h"
#include "valet/valet.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

const char vk_help_doctor[] = "Usage: valetkey doctor [--data DIR] [--json]\n"
                              "\n"
                              "Checks the data folder and its modes, the daemon, its roles and ports, where "
                              "the key of the vault comes from, the libraries,\n"
                              "disk space, descriptors and the clock. Exit code 1 when something is wrong; "
                              "what is only worth knowing does not count.\n"
                              "\n"
                              "Examples:\n"
                              "  valetkey doctor\n"
                              "  valetkey doctor --data /var/lib/valetkey --json\n";

enum { DISK_LOW_MB = 200, NOFILE_LOW = 4096 };

typedef enum verdict { GOOD, NOTE, BAD } verdict;

struct doctor {
    bool json, bad;
    vk_buf out;
    vk_jw w;
    int data_fd; /* -1: there is none */
};

static void say(struct doctor *d, verdict v, const char *what, const char *fmt, ...) VK_PRINTF(4, 5);

static void say(struct doctor *d, verdict v, const char *what, const char *fmt, ...)
{
    static const struct {
        const char *name, *sign;
        vk_tone tone;
    } kinds[] = {{"ok", "✓", VK_GOOD}, {"note", "!", VK_NOTICE}, {"bad", "✗", VK_BAD}};
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    d->bad = d->bad || v == BAD;
    if (!d->json) {
        printf("%s%s%s %-14s %s\n", vk_tone_begin(stdout, kinds[v].tone), kinds[v].sign, vk_tone_end(stdout),
               what, text);
        return;
    }
    vk_jw_obj(&d->w);
    vk_jw_kstr(&d->w, "check", vk_str_z(what));
    vk_jw_kstr(&d->w, "result", vk_str_z(kinds[v].name));
    vk_jw_kstr(&d->w, "text", vk_str_z(text));
    vk_jw_obj_end(&d->w);
}

/* ---- files */

static void check_folder(struct doctor *d, const char *dir)
{
    struct stat st;
    d->data_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->data_fd < 0 || fstat(d->data_fd, &st) != 0) {
        say(d, BAD, "data folder", "%s %s", dir,
            errno == ENOENT ? "is not there: start `valetkey serve`, or name yours with --data DIR"
                            : "cannot be opened: run this as its owner, or as root");
        return;
    }
    if (st.st_mode & 077)
        say(d, BAD, "data folder", "%s can be read by others (mode %03o): chmod 700 %s", dir,
            (unsigned)st.st_mode & 0777, dir);
    else if (st.st_uid != geteuid())
        say(d, NOTE, "data folder", "%s belongs to uid %u; you are uid %u", dir, (unsigned)st.st_uid,
            (unsigned)geteuid());
    else
        say(d, GOOD, "data folder", "%s, for its owner only", dir);
}

static void check_token(struct doctor *d)
{
    struct stat st;
    vk_buf token;
    if (d->data_fd < 0)
        return;
    vk_buf_init(&token, 256);
    int fd = openat(d->data_fd, "admin.token", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t n = -1;
    char *room = fd >= 0 ? vk_buf_room(&token, 128) : NULL;
    if (room)
        n = read(fd, room, 128);
    while (n > 0 && (room[n - 1] == '\n' || room[n - 1] == ' '))
        n--;
    if (fd < 0 || fstat(fd, &st) != 0 || n < 0)
        say(d, BAD, "admin token", "admin.token cannot be read: `valetkey serve` makes one at its start");
    else if (st.st_mode & 077)
        say(d, BAD, "admin token", "admin.token can be read by others (mode %03o): chmod 600 it",
            (unsigned)st.st_mode & 0777);
    else if (!vk_valet_shape_ok(vk_secret_of((vk_str){room, (size_t)n}), VK_STR("vk_a_")))
        say(d, BAD, "admin token",
            "admin.token is damaged: move it away and restart `valetkey serve`, which makes a new one");
    else
        say(d, GOOD, "admin token", "there, for its owner only");
    token.n = n > 0 ? (size_t)n : 0;
    vk_buf_free_secret(&token);
    if (fd >= 0)
        close(fd);
}

static void check_disk(struct doctor *d)
{
    struct statvfs v;
    char text[VK_SIZE_TEXT];
    if (d->data_fd < 0 || fstatvfs(d->data_fd, &v) != 0)
        return;
    int64_t free_bytes = (int64_t)v.f_bavail * (int64_t)v.f_frsize;
    vk_size_text(free_bytes, text);
    if (free_bytes < (int64_t)DISK_LOW_MB * 1000 * 1000)
        say(d, BAD, "disk space", "%s left where the data is: make room, writes of apps fail when it is full",
            text);
    else
        say(d, GOOD, "disk space", "%s left where the data is", text);
}

/* ---- daemon */

static const char *const role_names[] = {"front", "keeper", "courier"};

static void check_roles(struct doctor *d, const vk_reply *r)
{
    const vk_json *roles = vk_json_get(r->json, VK_STR("roles"));
    for (size_t i = 0; i < VK_COUNT(role_names); i++) {
        const char *state = vk_reply_text(r, roles, role_names[i]);
        if (strcmp(state, "ok") == 0)
            say(d, GOOD, role_names[i], "answers");
        else
            say(d, BAD, role_names[i],
                "does not answer: look at the log of `valetkey serve`, which restarts it by itself");
    }
}

static void check_key(struct doctor *d, const vk_reply *r)
{
    const char *source = vk_reply_text(r, r->json, "key_source");
    const vk_json *beside = vk_json_get(r->json, VK_STR("key_beside_data"));
    if (!source[0])
        return;
    if (beside && beside->type == VK_JSON_BOOL && beside->u.b)
        say(d, NOTE, "vault key",
            "%s: it lies beside the data, so a copy of both opens the vault; serve --key-file puts it "
            "elsewhere",
            source);
    else
        say(d, GOOD, "vault key", "%s", source);
}

static void check_port(struct doctor *d, const char *name, int64_t port)
{
    vk_reply r;
    char what[48];
    snprintf(what, sizeof what, "port %lld", (long long)port);
    vk_err e = port > 0 && port < 65536
                   ? vk_port_call((int)port, "GET", "/healthz", VK_STR_NONE, VK_STR_NONE, &r)
                   : VK_E_INVALID;
    if (e == VK_OK)
        say(d, GOOD, what, "%s answers on 127.0.0.1", name);
    else
        say(d, BAD, what,
            "%s does not answer on 127.0.0.1: a firewall, or another program; restart `valetkey serve`",
            name);
    if (e == VK_OK)
        vk_reply_free(&r);
}

static void check_ports(struct doctor *d, const vk_reply *r)
{
    int64_t port;
    if (vk_json_i64(vk_json_get(r->json, VK_STR("console_port")), &port) == VK_OK)
        check_port(d, "console and admin API", port);
    const vk_json *all = vk_json_get(r->json, VK_STR("services"));
    for (const vk_json *s = all && all->type == VK_JSON_ARRAY ? all->u.child : NULL; s; s = s->next)
        if (vk_json_i64(vk_json_get(s, VK_STR("port")), &port) == VK_OK)
            check_port(d, vk_reply_text(r, s, "name"), port);
}

static void check_builds(struct doctor *d, const vk_reply *r)
{
    const vk_json *builds = vk_json_get(r->json, VK_STR("builds"));
    int64_t total = 0, active = 0;
    if (vk_json_i64(vk_json_get(builds, VK_STR("total")), &total) == VK_OK &&
        vk_json_i64(vk_json_get(builds, VK_STR("active")), &active) == VK_OK)
        say(d, GOOD, "builds", "%lld, of which %lld active", (long long)total, (long long)active);
}

static void check_daemon(struct doctor *d, const char *data)
{
    vk_api api;
    vk_reply r;
    if (d->data_fd < 0)
        return;
    /* What these calls would print goes into our own lines. */
    if (vk_api_open_quiet(&api, data) != VK_OK) {
        say(d, BAD, "daemon", "cannot be asked without the admin token");
        return;
    }
    vk_err e = vk_api_call(&api, "GET", "/api/v1/status", VK_STR_NONE, VK_STR_NONE, &r);
    if (e != VK_OK) {
        say(d, BAD, "daemon", "does not answer on admin.sock: start `valetkey serve --data %s`", api.data);
    } else if (r.status != 200 || !r.json) {
        say(d, BAD, "daemon",
            "refuses the token of admin.token (status %d): restart it, it reads the token at its start",
            r.status);
    } else {
        const char *version = vk_reply_text(&r, r.json, "version");
        if (strcmp(version, VK_VERSION) == 0)
            say(d, GOOD, "daemon", "answers, version %s", version);
        else
            say(d, NOTE, "daemon", "answers, but is version %s while this program is %s: restart it", version,
                VK_VERSION);
        check_roles(d, &r);
        check_key(d, &r);
        check_ports(d, &r);
        check_builds(d, &r);
    }
    if (e == VK_OK)
        vk_reply_free(&r);
    vk_api_close(&api);
}

/* ---- machine */

static void check_machine(struct doctor *d)
{
    char now[VK_CLOCK_TEXT];
    struct timex t = {0};
    struct rlimit files;
    int64_t ms = vk_clock_wall_ms();
    vk_clock_text(ms, now);
    if (ms < (int64_t)1735689600 * 1000) /* 2025 */
        say(d, BAD, "clock", "says %s, which is in the past: keys would not expire; set it", now);
    else if (adjtimex(&t) == TIME_ERROR)
        say(d, NOTE, "clock", "%s; not synchronised by this kernel (expiry follows it)", now);
    else
        say(d, GOOD, "clock", "%s, synchronised", now);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        bool few = files.rlim_max != RLIM_INFINITY && files.rlim_max < NOFILE_LOW;
        say(d, few ? NOTE : GOOD, "descriptors", "up to %llu open files%s",
            (unsigned long long)files.rlim_max, few ? ": raise it (ulimit -n) for many builds" : "");
    }
}

static void check_libraries(struct doctor *d)
{
    vk_library l[VK_N_LIBRARIES];
    char text[256];
    size_t at = 0;
    vk_libraries(l);
    for (size_t i = 0; i < VK_N_LIBRARIES && at < sizeof text; i++)
        at +=
            (size_t)snprintf(text + at, sizeof text - at, "%s%s %s", i ? ", " : "", l[i].name, l[i].version);
    say(d, GOOD, "libraries", "%s", text);
}

int vk_cmd_doctor(int argc, char **argv)
{
    struct doctor d = {.data_fd = -1};
    const char *data = NULL;
    const vk_opt opts[] = {VK_OPT_T("data", data), VK_OPT_F("json", d.json), {0}};
    if (vk_args(argc, argv, opts, NULL, 0, 0, "", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(d.json);
    vk_buf_init(&d.out, 1024 * 1024);
    d.w = vk_jw_on(&d.out);
    vk_jw_obj(&d.w);
    vk_jw_kstr(&d.w, "version", VK_STR(VK_VERSION));
    vk_jw_key(&d.w, VK_STR("libraries"));
    vk_libraries_json(&d.w);
    vk_jw_key(&d.w, VK_STR("checks"));
    vk_jw_arr(&d.w);
    check_folder(&d, vk_data_dir(data));
    check_token(&d);
    check_daemon(&d, data);
    check_disk(&d);
    check_machine(&d);
    check_libraries(&d);
    vk_jw_arr_end(&d.w);
    vk_jw_kbool(&d.w, "ok", !d.bad);
    vk_jw_obj_end(&d.w);
    if (d.json)
        printf(VK_STR_FMT "\n", VK_STR_ARG(vk_buf_view(&d.out)));
    else
        printf("\n%s\n", d.bad ? "Something is wrong: the lines with ✗ say what to do." : "All is well.");
    vk_buf_free(&d.out);
    if (d.data_fd >= 0)
        close(d.data_fd);
    return d.bad ? VK_EXIT_FAILED : VK_EXIT_OK;
}
