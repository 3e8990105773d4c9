/* auth users list, create, delete: the people who have signed up to a build's app. */
#include "cli/args.h"
#include "cli/ask.h"
#include "cli/build.h"
#include "cli/cli.h"
#include "cli/out.h"
#include "core/clock.h"

enum {
    PAGE = 50, /* users; so many fit into one answer also with all the metadata that they may have */
    PASSWORD_ROOM = 512,
};

const char vk_help_auth_users_list[] =
    "Usage: valetkey auth users list ID [--query TEXT] [--data DIR] [--json]\n"
    "\n"
    "Lists the users of a build's app, newest first: id, address, name, when they came and when they signed "
    "in last.\n"
    "Also of a revoked build.\n"
    "\n"
    "  --query TEXT             those with TEXT in their id, an address or a name\n"
    "\n"
    "Examples:\n"
    "  valetkey auth users list demo\n"
    "  valetkey auth users list demo --query ada --json\n";

const char vk_help_auth_users_create[] =
    "Usage: valetkey auth users create ID ADDRESS [options]\n"
    "\n"
    "Makes a user of a build's app, whose address counts as verified. Without a password they sign in with a "
    "code.\n"
    "\n"
    "  --password-stdin         read the password from standard input, without its newline; on a terminal it "
    "is asked\n"
    "                           for and not shown (8 characters to 72 bytes)\n"
    "  --first-name TEXT\n"
    "  --last-name TEXT\n"
    "  --data DIR, --json\n"
    "\n"
    "Examples:\n"
    "  valetkey auth users create demo ada@example.com --first-name Ada\n"
    "  valetkey auth users create demo ada@example.com --password-stdin < password.txt\n";

const char vk_help_auth_users_delete[] =
    "Usage: valetkey auth users delete ID USER [--yes] [--data DIR] [--json]\n"
    "\n"
    "Removes a user of a build's app, by id or address, and ends their sessions. There is no way back; "
    "`valetkey auth users\n"
    "export` saves them before. What the app has stored of them stays.\n"
    "\n"
    "  --yes                    do not ask; on a terminal it asks first\n"
    "\n"
    "Examples:\n"
    "  valetkey auth users delete demo ada@example.com\n"
    "  valetkey auth users delete demo user_2abCdefGhiJklmNopQrsTuvwxy1 --yes\n";

/* ---- what the commands share */

/* The primary address, or the first. */
static vk_str address_of(const vk_json *user)
{
    vk_str primary = vk_json_str(vk_json_get(user, VK_STR("primary_email_address_id")));
    const vk_json *first = vk_reply_items(vk_json_get(user, VK_STR("email_addresses")));
    for (const vk_json *e = first; e; e = e->next)
        if (vk_str_eq(vk_json_str(vk_json_get(e, VK_STR("id"))), primary))
            return vk_json_str(vk_json_get(e, VK_STR("email_address")));
    return vk_json_str(vk_json_get(first, VK_STR("email_address")));
}

static void cell_time(vk_table *t, int64_t ms)
{
    char iso[VK_CLOCK_TEXT], shown[32];
    vk_clock_text(ms, iso);
    vk_time_short(iso, shown);
    vk_table_cell(t, ms ? vk_str_z(shown) : VK_STR("never"), ms ? VK_PLAIN : VK_DIM, false);
}

/* ---- list */

static void row(vk_table *t, const vk_json *user)
{
    char name[600];
    vk_str first = vk_json_str(vk_json_get(user, VK_STR("first_name")));
    vk_str last = vk_json_str(vk_json_get(user, VK_STR("last_name")));
    const vk_json *banned = vk_json_get(user, VK_STR("banned"));
    snprintf(name, sizeof name, VK_STR_FMT "%s" VK_STR_FMT, VK_STR_ARG(first), first.n && last.n ? " " : "",
             VK_STR_ARG(last));
    vk_table_cell(t, vk_json_str(vk_json_get(user, VK_STR("id"))), VK_PLAIN, false);
    vk_table_cell(t, address_of(user), VK_PLAIN, false);
    vk_table_cell(t, vk_str_z(name), VK_PLAIN, false);
    cell_time(t, vk_reply_number(user, "created_at", 0));
    cell_time(t, vk_reply_number(user, "last_sign_in_at", 0));
    vk_table_cell(t, banned && banned->type == VK_JSON_BOOL && banned->u.b ? VK_STR("banned") : VK_STR(""),
                  VK_BAD, false);
}

static void print_user_json(const vk_json *user, bool first)
{
    vk_buf b;
    vk_buf_init(&b, 1 << 20);
    vk_jw w = vk_jw_on(&b);
    vk_jw_value(&w, user);
    printf("%s" VK_STR_FMT, first ? "" : ",", VK_STR_ARG(vk_buf_view(&b)));
    vk_buf_free(&b);
}

/* Page by page, into the table or, without one, as JSON, whose beginning is printed when the first page is
 * there: an error before leaves nothing behind. *n_r: how many there were. */
static int list(const char *command, const char *data, const char *id, const char *query, vk_table *t,
                int64_t *n_r)
{
    for (int64_t page = PAGE; page == PAGE; *n_r += page) {
        char target[VK_SERVICE_TARGET], offset[24], limit[8];
        vk_reply r;
        bool ok = false;
        snprintf(offset, sizeof offset, "%lld", (long long)*n_r);
        snprintf(limit, sizeof limit, "%d", PAGE);
        const char *const q[] = {"limit", limit, "offset", offset, "query", query, NULL};
        int code = vk_service_target(command, id, "auth", "users", q, target);
        if (code == VK_EXIT_OK)
            code = vk_build_call(
                &(vk_build_ask){.data = data, .method = "GET", .target = target, .slow = true}, &r, &ok);
        if (code != VK_EXIT_OK || !ok)
            return code == VK_EXIT_OK ? VK_EXIT_FAILED : code;
        if (!t && *n_r == 0)
            printf("{\"users\":[");
        page = 0;
        for (const vk_json *u = vk_reply_items(r.json); u; u = u->next, page++) {
            if (t)
                row(t, u);
            else
                print_user_json(u, *n_r + page == 0);
        }
        vk_reply_free(&r);
    }
    if (!t)
        printf("],\"total\":%lld}\n", (long long)*n_r);
    return VK_EXIT_OK;
}

int vk_cmd_auth_users_list(int argc, char **argv)
{
    static const char *const heads[] = {"ID", "ADDRESS", "NAME", "SINCE", "LAST SIGN-IN", ""};
    bool json = false;
    const char *data = NULL, *query = NULL, *pos[1];
    int64_t n = 0;
    const vk_opt opts[] = {VK_OPT_T("query", query), VK_OPT_T("data", data), VK_OPT_F("json", json), {0}};
    if (vk_args(argc, argv, opts, pos, 1, 1, "The build's ID", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(json);
    if (json)
        return list(argv[0], data, pos[0], query, NULL, &n);
    vk_table *t = vk_table_new(VK_COUNT(heads));
    if (!t)
        return vk_failed("nomem", "There is not enough memory.");
    for (size_t i = 0; i < VK_COUNT(heads); i++)
        vk_table_cell(t, vk_str_z(heads[i]), VK_DIM, false);
    int code = list(argv[0], data, pos[0], query, t, &n);
    bool shows = code == VK_EXIT_OK && n;
    bool printed = vk_table_print(t, shows ? stdout : NULL, 0);
    if (shows && !printed)
        return vk_failed("nomem", "There is not enough memory.");
    if (shows)
        printf("%s%lld user%s%s\n", vk_tone_begin(stdout, VK_DIM), (long long)n, n == 1 ? "" : "s",
               vk_tone_end(stdout));
    else if (code == VK_EXIT_OK)
        printf("%s has no users%s.\n", pos[0], query ? " like that" : " yet");
    return code;
}

/* ---- create */

int vk_cmd_auth_users_create(int argc, char **argv)
{
    bool json = false, with_password = false, ok = false;
    const char *data = NULL, *first = NULL, *last = NULL, *pos[2];
    char target[VK_SERVICE_TARGET], password[PASSWORD_ROOM] = "";
    vk_reply r;
    const vk_opt opts[] = {VK_OPT_F("password-stdin", with_password),
                           VK_OPT_T("first-name", first),
                           VK_OPT_T("last-name", last),
                           VK_OPT_T("data", data),
                           VK_OPT_F("json", json),
                           {0}};
    if (vk_args(argc, argv, opts, pos, 2, 2, "The build's ID and an ADDRESS", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(json);
    int code = vk_service_target(argv[0], pos[0], "auth", "users", NULL, target);
    if (code == VK_EXIT_OK && with_password)
        code = vk_ask_secret("Password", password, sizeof password);
    if (code != VK_EXIT_OK)
        return code;
    vk_buf body;
    vk_buf_init(&body, 64 << 10);
    vk_jw w = vk_jw_on(&body);
    vk_jw_obj(&w);
    vk_jw_key(&w, VK_STR("email_address"));
    vk_jw_arr(&w);
    vk_jw_str(&w, vk_str_z(pos[1]));
    vk_jw_arr_end(&w);
    if (first)
        vk_jw_kstr(&w, "first_name", vk_str_z(first));
    if (last)
        vk_jw_kstr(&w, "last_name", vk_str_z(last));
    if (with_password)
        vk_jw_kstr(&w, "password", vk_str_z(password));
    else
        vk_jw_kbool(&w, "skip_password_requirement", true);
    vk_jw_obj_end(&w);
    code = vk_build_call(
        &(vk_build_ask){.data = data, .method = "POST", .target = target, .body = vk_buf_view(&body)}, &r,
        &ok);
    vk_wipe(password, sizeof password);
    vk_buf_free_secret(&body);
    if (code != VK_EXIT_OK || !ok)
        return code == VK_EXIT_OK ? VK_EXIT_FAILED : code;
    if (json)
        vk_reply_print(&r);
    else
        printf("%s✓%s %s is a user of %s: %s\n", vk_tone_begin(stdout, VK_GOOD), vk_tone_end(stdout), pos[1],
               pos[0], vk_reply_text(&r, r.json, "id"));
    vk_reply_free(&r);
    return VK_EXIT_OK;
}

/* ---- delete */

/* The id of the user that an id or an address names. */
static int find(const char *command, const char *data, const char *id, const char *user, char out[64])
{
    const char *by = strchr(user, '@') ? "email_address" : "user_id";
    char target[VK_SERVICE_TARGET];
    const char *const q[] = {by, user, NULL};
    vk_reply r;
    bool ok = false;
    int code = vk_service_target(command, id, "auth", "users", q, target);
    if (code == VK_EXIT_OK)
        code = vk_build_call(&(vk_build_ask){.data = data, .method = "GET", .target = target}, &r, &ok);
    if (code != VK_EXIT_OK || !ok)
        return code == VK_EXIT_OK ? VK_EXIT_FAILED : code;
    snprintf(out, 64, "%.60s", vk_reply_text(&r, vk_reply_items(r.json), "id"));
    vk_reply_free(&r);
    if (out[0])
        return VK_EXIT_OK;
    return vk_failed("not_found", "%s has no user %s. See: valetkey auth users list %s", id, user, id);
}

int vk_cmd_auth_users_delete(int argc, char **argv)
{
    bool json = false, yes = false, ok = false;
    const char *data = NULL, *pos[2];
    char target[VK_SERVICE_TARGET], user[64], call[96];
    vk_reply r;
    const vk_opt opts[] = {VK_OPT_F("yes", yes), VK_OPT_T("data", data), VK_OPT_F("json", json), {0}};
    if (vk_args(argc, argv, opts, pos, 2, 2, "The build's ID and a USER", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(json);
    int code = find(argv[0], data, pos[0], pos[1], user);
    if (code != VK_EXIT_OK)
        return code;
    if (!yes && !vk_ask_yes("Remove the user %s of %s? There is no way back.", pos[1], pos[0])) {
        fprintf(stderr, "Nothing was removed.\n");
        return VK_EXIT_FAILED;
    }
    snprintf(call, sizeof call, "users/%s", user);
    code = vk_service_target(argv[0], pos[0], "auth", call, NULL, target);
    if (code == VK_EXIT_OK)
        code = vk_build_call(&(vk_build_ask){.data = data, .method = "DELETE", .target = target}, &r, &ok);
    if (code != VK_EXIT_OK || !ok)
        return code == VK_EXIT_OK ? VK_EXIT_FAILED : code;
    if (json)
        vk_reply_print(&r);
    else
        printf("%s✓%s %s is gone from %s.\n", vk_tone_begin(stdout, VK_GOOD), vk_tone_end(stdout), pos[1],
               pos[0]);
    vk_reply_free(&r);
    return VK_EXIT_OK;
}
