/* doctor: is this installation sound, and if not, what to do. */
#include "cli/api.h"
#include "cli/app_fence.h"
#include "cli/args.h"
#include "cli/cli.h"
#include "cli/doctor.h"
#include "cli/out.h"
#include "cli/version.h"
#include "core/clock.h"
#include "core/limits.h"
#include "core/share.h"
#include "crypto/digest.h"
#include "services/auth/bundles.h"

#include <stdarg.h>
#include <sys/resource.h>
#include <sys/timex.h>
#include <unistd.h>

const char vk_help_doctor[] = "Usage: valetkey doctor [--data DIR] [--json]\n"
                              "\n"
                              "Checks the data folder, the files in it and who may read them, the daemon, "
                              "its roles, ports, addresses and certificate, where the\n"
                              "key of the vault comes from, the libraries, disk space, descriptors and the "
                              "clock. Exit code 1 when something is\n"
                              "wrong; what is only worth knowing does not count.\n"
                              "\n"
                              "Examples:\n"
                              "  valetkey doctor\n"
                              "  valetkey doctor --data /var/lib/valetkey --json\n";

enum { NOFILE_LOW = 4096, CLOCK_APART_S = 30, TTL_SHORT_S = 3600, BUILDS_MAX = 20000 };

void vk_doctor_say(vk_doctor *d, vk_verdict v, const char *what, const char *fmt, ...)
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
    d->bad = d->bad || v == VK_WRONG;
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

/* ---- daemon */

static const char *const role_names[] = {"front", "keeper", "courier"};

static void check_roles(vk_doctor *d, const vk_reply *r)
{
    const vk_json *roles = vk_json_get(r->json, VK_STR("roles"));
    for (size_t i = 0; i < VK_COUNT(role_names); i++) {
        const char *state = vk_reply_text(r, roles, role_names[i]);
        if (strcmp(state, "ok") == 0)
            vk_doctor_say(d, VK_FINE, role_names[i], "answers");
        else
            vk_doctor_say(
                d, VK_WRONG, role_names[i],
                "does not answer: look at the log of `valetkey serve`, which restarts it by itself");
    }
}

static void check_key(vk_doctor *d, const vk_reply *r)
{
    const char *source = vk_reply_text(r, r->json, "key_source");
    const vk_json *beside = vk_json_get(r->json, VK_STR("key_beside_data"));
    if (!source[0])
        return;
    static const char file[] = "key file ";
    if (strncmp(source, file, sizeof file - 1) == 0)
        snprintf(d->key_file, sizeof d->key_file, "%s", source + sizeof file - 1);
    vk_doctor_key_file(d);
    if (beside && beside->type == VK_JSON_BOOL && beside->u.b)
        vk_doctor_say(
            d, VK_KNOW, "vault key",
            "%s: it lies beside the data, so a copy of both opens the vault; serve --key-file puts it "
            "elsewhere",
            source);
    else
        vk_doctor_say(d, VK_FINE, "vault key", "%s", source);
}

static bool flag(const vk_json *o, const char *name)
{
    const vk_json *v = vk_json_get(o, vk_str_z(name));
    return v && v->type == VK_JSON_BOOL && v->u.b;
}

/* Of the log of what is done with the organisation's keys. */
static void check_audit(vk_doctor *d, const vk_reply *r)
{
    const vk_json *a = vk_json_get(r->json, VK_STR("audit"));
    char reserve[VK_SIZE_TEXT];
    int64_t bytes = 0, seq = 0;
    if (!a || a->type != VK_JSON_OBJECT)
        return;
    (void)!vk_json_i64(vk_json_get(a, VK_STR("reserve_bytes")), &bytes);
    (void)!vk_json_i64(vk_json_get(a, VK_STR("seq")), &seq);
    vk_size_text(bytes, reserve);
    if (flag(a, "sealed") || flag(a, "damaged"))
        vk_doctor_say(d, VK_WRONG, "audit log", "%s", vk_reply_text(r, a, "why"));
    else
        vk_doctor_say(d, VK_FINE, "audit log", "%lld records, signed by %s", (long long)seq,
                      vk_reply_text(r, a, "public_key"));
    if (!flag(a, "sealed") && flag(a, "low"))
        vk_doctor_say(
            d, VK_WRONG, "audit reserve",
            "%s, and the disk is nearly full: make room, or no key of the organisation is used any more",
            reserve);
    else if (!flag(a, "sealed"))
        vk_doctor_say(d, VK_FINE, "audit reserve", "%s",
                      bytes ? reserve : "free space; this file system allocates none");
    if (!flag(a, "checkpoints"))
        vk_doctor_say(
            d, VK_KNOW, "checkpoints",
            "lie beside the log only: who can cut it can cut them. serve --audit-checkpoints FILE has "
            "them elsewhere, too");
    else if (vk_reply_text(r, a, "checkpoints_why")[0])
        vk_doctor_say(d, VK_WRONG, "checkpoints", "%s", vk_reply_text(r, a, "checkpoints_why"));
    else
        vk_doctor_say(d, VK_FINE, "checkpoints", "go to a second place");
}

/* Addresses with keys in what is sent to them. */
static void check_urls(vk_doctor *d, const vk_reply *r)
{
    static const char *const names[] = {"url_sandbox", "url_browser"};
    const vk_json *all = vk_json_get(r->json, VK_STR("services"));
    for (const vk_json *s = vk_reply_items(all); s; s = s->next)
        for (size_t i = 0; i < VK_COUNT(names); i++) {
            const char *url = vk_reply_text(r, s, names[i]);
            bool plain = strncmp(url, "http://", 7) == 0 || strncmp(url, "ws://", 5) == 0;
            const char *host = plain ? strstr(url, "//") + 2 : url;
            bool near = strncmp(host, "127.", 4) == 0 || strncmp(host, "localhost", 9) == 0 ||
                        strncmp(host, "[::1]", 5) == 0;
            if (plain && !near)
                vk_doctor_say(d, VK_WRONG, names[i],
                              "%s of %s has no TLS: keys and data travel in clear. Use https, or a private "
                              "network only",
                              url, vk_reply_text(r, s, "name"));
        }
}

static void check_settings(vk_doctor *d, const vk_reply *r)
{
    int64_t ttl = 0, up = 0, started = 0;
    if (vk_json_i64(vk_json_get(r->json, VK_STR("default_ttl")), &ttl) == VK_OK && ttl < TTL_SHORT_S)
        vk_doctor_say(d, VK_KNOW, "ttl", "keys of new builds end after %lld seconds without use (--ttl)",
                      (long long)ttl);
    if (vk_json_i64(vk_json_get(r->json, VK_STR("uptime")), &up) != VK_OK ||
        vk_clock_parse(vk_str_z(vk_reply_text(r, r->json, "started")), &started) != VK_OK)
        return;
    int64_t apart = started / 1000 + up - vk_clock_wall_ms() / 1000;
    if (apart > CLOCK_APART_S || apart < -CLOCK_APART_S)
        vk_doctor_say(
            d, VK_WRONG, "daemon's clock",
            "is %lld seconds away from this one: keys expire at another time than is shown. Restart it",
            (long long)apart);
}

static void check_fences(vk_doctor *d, const vk_reply *r)
{
    const char *active = vk_reply_text(r, r->json, "fences"),
               *missing = vk_reply_text(r, r->json, "fences_missing");
    if (active[0])
        vk_doctor_say(d, VK_FINE, "fences", "%s", active);
    if (missing[0])
        vk_doctor_say(d, VK_KNOW, "no fence", "%s; serve --require-sandbox refuses to start then", missing);
}

/* What `valetkey run` can do for an app here. */
static void check_app_fence(vk_doctor *d, const vk_reply *r)
{
    static vk_secrets secrets;
    char missing[VK_FENCE_WHY], doors[VK_FENCE_WHY];
    if (vk_secrets_list(d->dir, vk_reply_text(r, r->json, "key_source"), &secrets) != VK_OK)
        return;
    switch (vk_app_fence_kind(&secrets, missing)) {
    case VK_APP_NAMESPACES:
        vk_doctor_say(d, VK_FINE, "apps", "`valetkey run` fences them off from our data (namespaces)");
        break;
    case VK_APP_LANDLOCK:
        vk_secrets_open_doors(&secrets, doors);
        vk_doctor_say(
            d, VK_KNOW, "apps",
            "`valetkey run` fences them off from our data by Landlock only (%s): folders above the data "
            "cannot be listed, and nothing new is made directly in them%s%s",
            missing, doors[0] ? "; " : "", doors);
        break;
    default:
        vk_doctor_say(
            d, VK_KNOW, "apps",
            "`valetkey run` cannot fence them off from our data here (%s): run those that you do not "
            "trust as another user or in a container",
            missing);
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The ids in the metadata, and the files of those that are not there. */
static void check_build_files(vk_doctor *d, vk_api *api)
{
    const char **ids = calloc(BUILDS_MAX, sizeof *ids);
    size_t n = 0;
    vk_doctor_shared shared = {.n = 0};
    bool whole = ids != NULL;
    char target[128] = "/api/v1/builds?limit=500";
    while (whole) {
        vk_reply r;
        if (vk_api_call(api, "GET", target, VK_STR_NONE, VK_STR_NONE, &r) != VK_OK) {
            whole = false;
            break;
        }
        const vk_json *all = vk_json_get(r.json, VK_STR("builds"));
        for (const vk_json *b = vk_reply_items(all); b && whole; b = b->next) {
            whole = n < BUILDS_MAX && (ids[n++] = strdup(vk_reply_text(&r, b, "id")));
            vk_doctor_shared_add(&shared, &r, b);
        }
        const char *next = vk_reply_text(&r, r.json, "next");
        snprintf(target, sizeof target, "/api/v1/builds?limit=500&after=%.40s", next);
        bool last = r.status != 200 || !next[0];
        whole = whole && r.status == 200;
        vk_reply_free(&r);
        if (last)
            break;
    }
    if (ids)
        qsort(ids, n, sizeof *ids, by_text);
    vk_doctor_build_files(d, whole ? ids : NULL, n);
    vk_doctor_shared_say(d, &shared);
    for (size_t i = 0; i < n; i++)
        free((char *)(uintptr_t)ids[i]);
    free(ids);
}

static void check_builds(vk_doctor *d, const vk_reply *r)
{
    const vk_json *builds = vk_json_get(r->json, VK_STR("builds"));
    int64_t total = 0, active = 0;
    if (vk_json_i64(vk_json_get(builds, VK_STR("total")), &total) == VK_OK &&
        vk_json_i64(vk_json_get(builds, VK_STR("active")), &active) == VK_OK)
        vk_doctor_say(d, VK_FINE, "builds", "%lld, of which %lld active", (long long)total,
                      (long long)active);
}

/* What comes with the program. The daemon has read it at its start and does not look again. */
static void check_share(vk_doctor *d, const char *told)
{
    char found[PATH_MAX], why[VK_AUTH_BUNDLES_WHY];
    vk_auth_bundles *b;
    if (!told[0])
        vk_share_find(found);
    if (vk_digest_init() != VK_OK)
        return;
    vk_err e = vk_auth_bundles_open(told[0] ? told : found, &b, why);
    if (e == VK_OK) {
        vk_doctor_say(d, VK_FINE, "clerk scripts", "%s, in %.300s/clerk", vk_auth_bundles_text(b),
                      told[0] ? told : found);
        vk_auth_bundles_free(b);
        return;
    }
    vk_doctor_say(d, e == VK_E_NOT_FOUND ? VK_KNOW : VK_WRONG, "clerk scripts", "%s", why);
}

static void check_daemon(vk_doctor *d, const char *data)
{
    vk_api api;
    vk_reply r;
    if (d->data_fd < 0)
        return;
    /* What these calls would print goes into our own lines. */
    if (vk_api_open_quiet(&api, data) != VK_OK) {
        vk_doctor_say(d, VK_WRONG, "daemon", "cannot be asked without the admin token");
        return;
    }
    vk_err e = vk_api_call(&api, "GET", "/api/v1/status", VK_STR_NONE, VK_STR_NONE, &r);
    if (e != VK_OK) {
        vk_doctor_say(d, VK_WRONG, "daemon",
                      "does not answer on admin.sock: start `valetkey serve --data %s`", api.data);
    } else if (r.status != 200 || !r.json) {
        vk_doctor_say(
            d, VK_WRONG, "daemon",
            "refuses the token of admin.token (status %d): restart it, it reads the token at its start",
            r.status);
    } else {
        const char *version = vk_reply_text(&r, r.json, "version");
        if (strcmp(version, VK_VERSION) == 0)
            vk_doctor_say(d, VK_FINE, "daemon", "answers, version %s", version);
        else
            vk_doctor_say(d, VK_KNOW, "daemon",
                          "answers, but is version %s while this program is %s: restart it", version,
                          VK_VERSION);
        check_roles(d, &r);
        check_fences(d, &r);
        check_app_fence(d, &r);
        check_key(d, &r);
        check_audit(d, &r);
        vk_doctor_keys(d, &api);
        vk_doctor_listeners(d, &r);
        vk_doctor_certificate(d, &r);
        check_builds(d, &r);
        check_urls(d, &r);
        check_settings(d, &r);
        check_share(d, vk_reply_text(&r, r.json, "share"));
        check_build_files(d, &api);
    }
    if (e == VK_OK)
        vk_reply_free(&r);
    vk_api_close(&api);
}

/* ---- machine */

static void check_machine(vk_doctor *d)
{
    char now[VK_CLOCK_TEXT];
    struct timex t = {0};
    struct rlimit files;
    int64_t ms = vk_clock_wall_ms();
    vk_clock_text(ms, now);
    if (ms < (int64_t)1735689600 * 1000) /* 2025 */
        vk_doctor_say(d, VK_WRONG, "clock", "says %s, which is in the past: keys would not expire; set it",
                      now);
    else if (adjtimex(&t) == TIME_ERROR)
        vk_doctor_say(d, VK_KNOW, "clock", "%s; not synchronised by this kernel (expiry follows it)", now);
    else
        vk_doctor_say(d, VK_FINE, "clock", "%s, synchronised", now);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        bool few = files.rlim_max != RLIM_INFINITY && files.rlim_max < NOFILE_LOW;
        vk_doctor_say(d, few ? VK_KNOW : VK_FINE, "descriptors",
                      "up to %llu open files, %llu of them for databases of builds%s",
                      (unsigned long long)files.rlim_max,
                      (unsigned long long)(files.rlim_max / VK_FILES_SHARES * VK_FILES_DATABASES),
                      few ? ": raise it (ulimit -n) for many builds" : "");
    }
}

static void check_libraries(vk_doctor *d)
{
    vk_library l[VK_N_LIBRARIES];
    char text[256];
    size_t at = 0;
    vk_libraries(l);
    for (size_t i = 0; i < VK_N_LIBRARIES && at < sizeof text; i++)
        at +=
            (size_t)snprintf(text + at, sizeof text - at, "%s%s %s", i ? ", " : "", l[i].name, l[i].version);
    vk_doctor_say(d, VK_FINE, "libraries", "%s", text);
}

int vk_cmd_doctor(int argc, char **argv)
{
    vk_doctor d = {.data_fd = -1};
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
    d.dir = vk_data_dir(data);
    vk_doctor_files(&d);
    check_daemon(&d, data);
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
