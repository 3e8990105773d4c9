/* build list, show, origins, and what all commands about builds share. */
#include "cli/api.h"
#include "cli/args.h"
#include "cli/build.h"
#include "cli/cli.h"
#include "cli/out.h"
#include "core/clock.h"

enum { PAGE = 500, PAGES_MAX = 2000 };

const char vk_help_build_list[] =
    "Usage: valetkey build list [--data DIR] [--json]\n"
    "\n"
    "Lists the builds by id: state, framework, origins, and when their keys expire unless they are used.\n"
    "\n"
    "Examples:\n"
    "  valetkey build list\n"
    "  valetkey build list --json\n";

const char vk_help_build_show[] = "Usage: valetkey build show ID [--data DIR] [--json]\n"
                                  "\n"
                                  "Shows one build. Its keys are printed by `valetkey env ID`.\n"
                                  "\n"
                                  "Examples:\n"
                                  "  valetkey build show demo\n"
                                  "  valetkey build show demo --json\n";

const char vk_help_build_origins[] =
    "Usage: valetkey build origins ID [ORIGIN...] [--none] [--data DIR] [--json]\n"
    "\n"
    "Sets the web origins of a build (at most 16, these and no others), or takes all away with --none. "
    "Without any it prints them.\n"
    "An origin is http or https, a host and perhaps a port.\n"
    "\n"
    "Examples:\n"
    "  valetkey build origins demo\n"
    "  valetkey build origins demo http://localhost:3000 https://demo.preview.example.com\n"
    "  valetkey build origins demo --none\n";

/* ---- in common */

vk_err vk_build_target(const char *command, const char *id, const char *after, char *out, size_t room)
{
    if (!vk_build_id_ok(vk_str_z(id))) {
        vk_usage(command,
                 "\"%.60s\" is no build id: 1 to 32 characters of a-z, 0-9 and -, beginning and ending with "
                 "a letter or digit.",
                 id);
        return VK_E_INVALID;
    }
    snprintf(out, room, "/api/v1/builds/%s%s", id, after);
    return VK_OK;
}

int vk_build_call(const vk_build_ask *q, vk_reply *out_r, bool *ok_r)
{
    vk_api api;
    int code = VK_EXIT_FAILED;
    *ok_r = false;
    if (vk_api_open(&api, q->data) != VK_OK)
        return code;
    api.timeout_ms = q->slow ? VK_DOWNLOAD_TIMEOUT_MS : 0;
    if (vk_api_call(&api, q->method, q->target, q->headers, q->body, out_r) == VK_OK) {
        *ok_r = vk_reply_ok(out_r, &code);
        if (!*ok_r)
            vk_reply_free(out_r);
    }
    vk_api_close(&api);
    return code;
}

void vk_reply_print(const vk_reply *r)
{
    printf(VK_STR_FMT "\n", VK_STR_ARG(vk_buf_view(&r->body)));
}

void vk_time_short(const char *iso, char out[32])
{
    if (strlen(iso) < 16)
        snprintf(out, 32, "%s", iso);
    else
        snprintf(out, 32, "%.10s %.5s UTC", iso, iso + 11);
}

static vk_tone state_tone(const char *state)
{
    return strcmp(state, "active") == 0 ? VK_GOOD : VK_BAD;
}

static void join_origins(const vk_reply *r, const vk_json *b, vk_buf *out)
{
    const vk_json *origins = vk_json_get(b, VK_STR("origins"));
    VK_UNUSED(r);
    for (const vk_json *o = vk_reply_items(origins); o; o = o->next) {
        if (out->n)
            vk_buf_lit(out, ", ");
        vk_buf_str(out, vk_json_str(o));
    }
    vk_buf_ch(out, '\0');
}

/* "payments by stripe", of those that are not embedded; with what keeps the builds apart when it is little.
 */
static void drivers_text(const vk_reply *r, const vk_json *b, bool isolation, vk_buf *out)
{
    const vk_json *services = vk_json_get(b, VK_STR("services"));
    const vk_json *s = services && services->type == VK_JSON_OBJECT ? services->u.child : NULL;
    for (; s; s = s->next) {
        const vk_json *shared = vk_json_get(s, VK_STR("shared"));
        bool soft = shared && shared->type == VK_JSON_BOOL && shared->u.b;
        const char *driver = vk_reply_text(r, s, "driver"), *how = vk_reply_text(r, s, "isolation");
        if (strcmp(driver, "embedded") == 0)
            continue;
        if (out->n)
            vk_buf_lit(out, ", ");
        vk_buf_str(out, s->key);
        vk_buf_lit(out, " by ");
        vk_buf_z(out, driver);
        if (how[0] && (isolation || soft)) {
            vk_buf_lit(out, " (");
            vk_buf_z(out, how);
            vk_buf_ch(out, ')');
        }
    }
    vk_buf_ch(out, '\0');
}

static void print_drivers(const vk_reply *r)
{
    vk_buf text;
    vk_buf_init(&text, 4096);
    drivers_text(r, r->json, true, &text);
    if (text.err == VK_OK && text.n > 1)
        vk_out_fact("brokered", text.p);
    vk_buf_free(&text);
}

void vk_build_print(const vk_reply *r)
{
    const char *state = vk_reply_text(r, r->json, "state");
    char created[32], expires[32];
    vk_buf origins;
    vk_buf_init(&origins, 16 * 1024);
    join_origins(r, r->json, &origins);
    vk_time_short(vk_reply_text(r, r->json, "created"), created);
    vk_time_short(vk_reply_text(r, r->json, "expires"), expires);
    printf("%s%s%s  %s%s%s\n", vk_tone_begin(stdout, VK_BOLD), vk_reply_text(r, r->json, "id"),
           vk_tone_end(stdout), vk_tone_begin(stdout, state_tone(state)), state, vk_tone_end(stdout));
    vk_out_fact("framework", vk_reply_text(r, r->json, "framework"));
    vk_out_fact("origins", origins.n > 1 ? origins.p : "none");
    print_drivers(r);
    vk_out_fact("created", created);
    vk_out_fact("expires", expires);
    if (vk_json_opt(r->json, VK_STR("revoked"))) {
        vk_time_short(vk_reply_text(r, r->json, "revoked"), created);
        vk_out_fact("revoked", created);
    }
    vk_buf_free(&origins);
}

/* The rest is the daemon's to say; this keeps the request small enough to be read there. */
bool vk_origins_short(const char *command, const char *const *v, size_t n)
{
    for (size_t i = 0; i < n && v[i]; i++)
        if (strlen(v[i]) > VK_ORIGIN_MAX) {
            vk_usage(command, "The origin \"%.60s…\" is longer than %d bytes.", v[i], (int)VK_ORIGIN_MAX);
            return false;
        }
    return true;
}

/* ---- list */

static void list_row(vk_table *t, const vk_reply *r, const vk_json *b)
{
    const char *state = vk_reply_text(r, b, "state");
    char expires[32];
    vk_buf origins;
    vk_buf_init(&origins, 16 * 1024);
    join_origins(r, b, &origins);
    vk_time_short(vk_reply_text(r, b, "expires"), expires);
    vk_table_cell(t, vk_str_z(vk_reply_text(r, b, "id")), VK_PLAIN, false);
    vk_table_cell(t, vk_str_z(state), state_tone(state), false);
    vk_table_cell(t, vk_str_z(vk_reply_text(r, b, "framework")), VK_PLAIN, false);
    vk_table_cell(t, vk_str_z(expires), VK_PLAIN, false);
    vk_table_cell(t, vk_str_z(origins.n ? origins.p : ""), VK_PLAIN, false);
    vk_buf_clear(&origins);
    drivers_text(r, b, false, &origins);
    vk_table_cell(t, vk_str_z(origins.err == VK_OK && origins.n ? origins.p : ""), VK_PLAIN, false);
    vk_buf_free(&origins);
}

struct list {
    vk_table *table;
    vk_buf json;
    vk_jw w;
    size_t n;
    char after[VK_BUILD_ID_MAX + 1];
};

/* False: that was the last page. */
static bool take_page(struct list *l, const vk_reply *r)
{
    const vk_json *builds = vk_json_get(r->json, VK_STR("builds"));
    for (const vk_json *b = vk_reply_items(builds); b; b = b->next) {
        if (l->table)
            list_row(l->table, r, b);
        else
            vk_jw_value(&l->w, b);
        l->n++;
    }
    const char *next = vk_reply_text(r, r->json, "next");
    snprintf(l->after, sizeof l->after, "%s", next);
    return next[0] != '\0';
}

static int fetch_list(const char *data, struct list *l)
{
    vk_api api;
    int code = VK_EXIT_OK;
    bool more = true;
    if (vk_api_open(&api, data) != VK_OK)
        return VK_EXIT_FAILED;
    for (int i = 0; more && i < PAGES_MAX; i++) {
        char target[128];
        vk_reply r;
        snprintf(target, sizeof target, "/api/v1/builds?limit=%d&after=%s", (int)PAGE, l->after);
        if (vk_api_call(&api, "GET", target, VK_STR_NONE, VK_STR_NONE, &r) != VK_OK) {
            code = VK_EXIT_FAILED;
            break;
        }
        more = vk_reply_ok(&r, &code) && take_page(l, &r);
        vk_reply_free(&r);
    }
    vk_api_close(&api);
    return code;
}

int vk_cmd_build_list(int argc, char **argv)
{
    static const char *const titles[] = {"BUILD", "STATE", "FRAMEWORK", "EXPIRES", "ORIGINS", "BROKERED"};
    bool json = false;
    const char *data = NULL;
    const vk_opt opts[] = {VK_OPT_T("data", data), VK_OPT_F("json", json), {0}};
    if (vk_args(argc, argv, opts, NULL, 0, 0, "", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(json);
    struct list l = {0};
    vk_buf_init(&l.json, 256 * 1024 * 1024);
    if (!json && !(l.table = vk_table_new(VK_COUNT(titles))))
        return vk_failed("nomem", "Out of memory.");
    for (size_t i = 0; l.table && i < VK_COUNT(titles); i++)
        vk_table_cell(l.table, vk_str_z(titles[i]), VK_BOLD, false);
    l.w = vk_jw_on(&l.json);
    vk_jw_obj(&l.w);
    vk_jw_key(&l.w, VK_STR("builds"));
    vk_jw_arr(&l.w);
    int code = fetch_list(data, &l);
    vk_jw_arr_end(&l.w);
    vk_jw_obj_end(&l.w);
    if (code == VK_EXIT_OK && json)
        printf(VK_STR_FMT "\n", VK_STR_ARG(vk_buf_view(&l.json)));
    else if (code == VK_EXIT_OK && l.n == 0)
        printf("There are no builds yet. Make one: valetkey build create demo\n");
    bool show = code == VK_EXIT_OK && l.n;
    if (l.table && !vk_table_print(l.table, show ? stdout : NULL, 0) && show)
        code = vk_failed("nomem", "Out of memory.");
    vk_buf_free(&l.json);
    return code;
}

/* ---- show, origins */

int vk_build_command(int argc, char **argv, const char *method, const char *after,
                     void (*print)(const vk_reply *r, const char *id))
{
    bool json = false, ok;
    const char *data = NULL, *pos[1];
    char target[128];
    const vk_opt opts[] = {VK_OPT_T("data", data), VK_OPT_F("json", json), {0}};
    if (vk_args(argc, argv, opts, pos, 1, 1, "The build's ID", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(json);
    if (vk_build_target(argv[0], pos[0], after, target, sizeof target) != VK_OK)
        return VK_EXIT_USAGE;
    vk_reply r;
    int code = vk_build_call(&(vk_build_ask){.data = data, .method = method, .target = target}, &r, &ok);
    if (!ok)
        return code;
    if (json)
        vk_reply_print(&r);
    else
        print(&r, pos[0]);
    vk_reply_free(&r);
    return VK_EXIT_OK;
}

static void print_shown(const vk_reply *r, const char *id)
{
    VK_UNUSED(id);
    vk_build_print(r);
}

int vk_cmd_build_show(int argc, char **argv)
{
    return vk_build_command(argc, argv, "GET", "", print_shown);
}

static void origins_body(const char *const *origins, vk_buf *out)
{
    vk_jw w = vk_jw_on(out);
    vk_jw_obj(&w);
    vk_jw_key(&w, VK_STR("origins"));
    vk_jw_arr(&w);
    for (; *origins; origins++)
        vk_jw_str(&w, vk_str_z(*origins));
    vk_jw_arr_end(&w);
    vk_jw_obj_end(&w);
}

int vk_cmd_build_origins(int argc, char **argv)
{
    bool json = false, none = false, ok;
    const char *data = NULL, *pos[66];
    char target[96];
    const vk_opt opts[] = {VK_OPT_T("data", data), VK_OPT_F("json", json), VK_OPT_F("none", none), {0}};
    if (vk_args(argc, argv, opts, pos, 1, VK_COUNT(pos) - 1, "The build's ID", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    pos[VK_COUNT(pos) - 1] = NULL;
    vk_out_json(json);
    if (none && pos[1])
        return vk_usage(argv[0], "--none and origins contradict each other.");
    if (!vk_origins_short(argv[0], pos + 1, VK_COUNT(pos) - 1))
        return VK_EXIT_USAGE;
    bool write = none || pos[1];
    if (vk_build_target(argv[0], pos[0], write ? "/origins" : "", target, sizeof target) != VK_OK)
        return VK_EXIT_USAGE;
    vk_buf body;
    vk_buf_init(&body, 1024 * 1024);
    if (write)
        origins_body(pos + 1, &body);
    vk_reply r;
    int code = vk_build_call(
        &(vk_build_ask){
            .data = data, .method = write ? "PUT" : "GET", .target = target, .body = vk_buf_view(&body)},
        &r, &ok);
    vk_buf_free(&body);
    if (!ok)
        return code;
    const vk_json *list = vk_json_get(r.json, VK_STR("origins"));
    if (json)
        vk_reply_print(&r);
    for (const vk_json *o = json ? NULL : vk_reply_items(list); o; o = o->next)
        printf(VK_STR_FMT "\n", VK_STR_ARG(vk_json_str(o)));
    if (!json && list && list->count == 0)
        printf("The build %s has no origins.\n", pos[0]);
    vk_reply_free(&r);
    return VK_EXIT_OK;
}

/* ---- calls of a service */

static void escape(vk_buf *out, const char *text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
    for (const char *p = text; *p; p++) {
        char hex[4];
        snprintf(hex, sizeof hex, "%%%02X", (unsigned char)*p);
        if (strchr(plain, *p))
            vk_buf_ch(out, *p);
        else
            vk_buf_z(out, hex);
    }
}

int vk_service_target(const char *command, const char *id, const char *service, const char *call,
                      const char *const query[], char out[VK_SERVICE_TARGET])
{
    char path[160];
    vk_buf b;
    snprintf(path, sizeof path, "/services/%.16s/%.100s", service, call);
    if (vk_build_target(command, id, path, out, VK_SERVICE_TARGET) != VK_OK)
        return VK_EXIT_USAGE;
    vk_buf_init(&b, VK_SERVICE_TARGET - 1);
    vk_buf_z(&b, out);
    char between = '?';
    for (size_t i = 0; query && query[i]; i += 2) {
        if (!query[i + 1])
            continue;
        vk_buf_ch(&b, between);
        vk_buf_z(&b, query[i]);
        vk_buf_ch(&b, '=');
        escape(&b, query[i + 1]);
        between = '&';
    }
    bool fits = b.err == VK_OK;
    if (fits)
        snprintf(out, VK_SERVICE_TARGET, VK_STR_FMT, VK_STR_ARG(vk_buf_view(&b)));
    vk_buf_free(&b);
    return fits ? VK_EXIT_OK : vk_usage(command, "An argument is too long.");
}
