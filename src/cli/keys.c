/* keys set, list, check, remove: the organisation's keys at vendors, which only go in. */
#include "cli/keys.h"
#include "cli/args.h"
#include "cli/ask.h"
#include "cli/build.h"
#include "cli/cli.h"
#include "cli/out.h"

enum { CHECK_MS = 120 * 1000, BODY_MAX = 128 * 1024 };

const char vk_help_keys_set[] =
    "Usage: valetkey keys set VENDOR [--fingerprint TEXT] [--data DIR] [--json]\n"
    "\n"
    "Enters the organisation's keys at a vendor: clerk, turso, neon, postgres, r2, s3 or stripe. They are\n"
    "sealed here, to a key whose other half only the process has that uses them, and are never shown again.\n"
    "On a terminal each value is asked for, secrets unseen; otherwise they come from standard input, as "
    "lines\n"
    "\"name=value\" or one JSON object. Never from arguments, which every process of the machine can read.\n"
    "What is not named stays as it is; an empty value takes it away.\n"
    "\n"
    "  --fingerprint TEXT       of the daemon's key, as `valetkey doctor` shows it on its machine: another "
    "one "
    "is\n"
    "                           refused\n"
    "  --data DIR, --json\n"
    "\n"
    "Examples:\n"
    "  valetkey keys set stripe\n"
    "  valetkey keys set r2 < r2-keys.txt\n"
    "  pass show clerk | valetkey keys set clerk --json\n";

const char vk_help_keys_list[] =
    "Usage: valetkey keys list [--build ID] [--data DIR] [--json]\n"
    "\n"
    "Lists the keys that were entered, without them: their state, where they come from, when they were "
    "entered "
    "and\n"
    "checked last.\n"
    "\n"
    "  --build ID               what this build has of its own at vendors, instead of the organisation's\n"
    "  --data DIR, --json\n"
    "\n"
    "Examples:\n"
    "  valetkey keys list\n"
    "  valetkey keys list --build shop --json\n";

const char vk_help_keys_check[] =
    "Usage: valetkey keys check VENDOR [--data DIR] [--json]\n"
    "\n"
    "Asks the vendor whether the organisation's keys are good, whether they may do what builds need, and "
    "what "
    "they\n"
    "may do beyond that. Nothing is written there. Exit code 1 when they do not do.\n"
    "\n"
    "Examples:\n"
    "  valetkey keys check stripe\n"
    "  valetkey keys check turso --json\n";

const char vk_help_keys_remove[] =
    "Usage: valetkey keys remove VENDOR [--data DIR] [--json]\n"
    "\n"
    "Takes the organisation's keys at a vendor out of the vault. Builds that are served with them get errors "
    "from\n"
    "the next request on, until others are entered. At the vendor the keys stay good: revoke them there.\n"
    "\n"
    "Examples:\n"
    "  valetkey keys remove stripe\n";

/* ---- one call */

typedef struct ask {
    const char *command, *data, *method, *vendor, *call; /* `call`: "", "/check", … */
    vk_str body;
} ask;

static int call(vk_api *api, const ask *q, vk_reply *r, bool *ok_r)
{
    char target[96];
    int code = VK_EXIT_FAILED;
    *ok_r = false;
    snprintf(target, sizeof target, "/api/v1/keys/%.16s%.16s", q->vendor, q->call);
    api->timeout_ms = CHECK_MS;
    if (vk_api_call(api, q->method, target, VK_STR_NONE, q->body, r) != VK_OK)
        return VK_EXIT_FAILED;
    *ok_r = vk_reply_ok(r, &code);
    if (!*ok_r)
        vk_reply_free(r);
    return *ok_r ? VK_EXIT_OK : code;
}

/* ---- what is told */

static bool truth(const vk_json *o, const char *name)
{
    const vk_json *v = vk_json_get(o, vk_str_z(name));
    return v && v->type == VK_JSON_BOOL && v->u.b;
}

static vk_tone state_tone(const char *state)
{
    return strcmp(state, "ready") == 0 ? VK_GOOD : strcmp(state, "incomplete") == 0 ? VK_NOTICE : VK_BAD;
}

static const char *state_text(const char *state)
{
    return strcmp(state, "rolled_back") == 0 ? "rolled back" : state;
}

/* As vk_out_fact, with room for the names of fields. */
static void print_fact(const char *name, const char *value)
{
    vk_buf b;
    vk_buf_init(&b, 16 * 1024);
    vk_text_visible(&b, vk_str_z(value));
    printf("  %s%-17s%s  " VK_STR_FMT "\n", vk_tone_begin(stdout, VK_DIM), name, vk_tone_end(stdout),
           VK_STR_ARG(vk_buf_view(&b)));
    vk_buf_free(&b);
}

/* The fields of one set, line by line. */
static void print_facts(const vk_reply *r, const vk_json *facts)
{
    const char *state = vk_reply_text(r, facts, "state"), *why = vk_reply_text(r, facts, "why");
    char version[32];
    printf("%s%s%s  %s%s%s\n", vk_tone_begin(stdout, VK_BOLD), vk_reply_text(r, facts, "vendor"),
           vk_tone_end(stdout), vk_tone_begin(stdout, state_tone(state)), state_text(state),
           vk_tone_end(stdout));
    for (const vk_json *f = vk_reply_items(vk_json_get(facts, VK_STR("fields"))); f; f = f->next) {
        const char *name = vk_reply_text(r, f, "name");
        const char *mask = vk_reply_text(r, f, "mask"), *value = vk_reply_text(r, f, "value");
        print_fact(name, truth(f, "set") ? (mask[0] ? mask : value) : value[0] ? value : "not entered");
    }
    snprintf(version, sizeof version, "%lld", (long long)vk_reply_number(facts, "version", 0));
    print_fact("version", version);
    if (why[0])
        print_fact("why", why);
}

/* ---- set */

/* Whether something is there that what is entered is added to. */
static int has_some(vk_api *api, const vk_vendor *v, bool *has_r)
{
    char target[96];
    vk_reply r;
    int code;
    snprintf(target, sizeof target, "/api/v1/keys?vendor=%s&build=", v->name);
    if (vk_api_call(api, "GET", target, VK_STR_NONE, VK_STR_NONE, &r) != VK_OK)
        return VK_EXIT_FAILED;
    bool ok = vk_reply_ok(&r, &code);
    *has_r = ok && vk_reply_items(vk_json_get(r.json, VK_STR("keys"))) != NULL;
    vk_reply_free(&r);
    return ok ? VK_EXIT_OK : code;
}

static int set(vk_api *api, const vk_vendor *v, const char *fingerprint, bool json)
{
    uint8_t key[VK_BOX_PUBLIC];
    vk_entered entered = {.room = NULL};
    vk_buf sealed, body;
    vk_reply r;
    bool has = false, ok = false;
    vk_buf_init(&sealed, VK_ENTRY_BASE64_MAX);
    vk_buf_init(&body, BODY_MAX);
    int code = vk_keys_box(api, fingerprint, key);
    if (code == VK_EXIT_OK)
        code = has_some(api, v, &has);
    if (code == VK_EXIT_OK)
        code = vk_keys_enter(v, v->fields, false, has, &entered);
    if (code == VK_EXIT_OK)
        code = vk_keys_seal(key, &entered, "", &sealed);
    vk_entered_free(&entered);
    if (code == VK_EXIT_OK) {
        vk_keys_body(&body, vk_buf_view(&sealed));
        code = call(api, &(ask){.method = "PUT", .vendor = v->name, .call = "", .body = vk_buf_view(&body)},
                    &r, &ok);
    }
    vk_buf_free(&sealed);
    vk_buf_free(&body);
    if (!ok)
        return code;
    if (json) {
        vk_reply_print(&r);
    } else {
        printf("%s✓%s The keys are in the vault.\n\n", vk_tone_begin(stdout, VK_GOOD), vk_tone_end(stdout));
        print_facts(&r, r.json);
        if (strcmp(vk_reply_text(&r, r.json, "state"), "incomplete") == 0)
            printf("\nNext:\n  valetkey keys set %s   for what was not entered yet\n", v->name);
        else
            printf("\nNext:\n  valetkey keys check %s   ask the vendor whether they do\n", v->name);
    }
    vk_reply_free(&r);
    return VK_EXIT_OK;
}

int vk_cmd_keys_set(int argc, char **argv)
{
    const char *pos[1], *data = NULL, *fingerprint = NULL;
    bool json = false;
    vk_api api;
    const vk_opt opts[] = {
        VK_OPT_T("fingerprint", fingerprint), VK_OPT_T("data", data), VK_OPT_F("json", json), {0}};
    if (vk_args(argc, argv, opts, pos, 1, 1, "The VENDOR", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(json);
    const vk_vendor *v = vk_keys_vendor(argv[0], pos[0]);
    if (!v)
        return VK_EXIT_USAGE;
    if (vk_api_open(&api, data) != VK_OK)
        return VK_EXIT_FAILED;
    int code = set(&api, v, fingerprint, json);
    vk_api_close(&api);
    return code;
}

/* ---- list */

static const char *check_word(const vk_json *facts, vk_tone *tone_r)
{
    const vk_json *check = vk_json_opt(facts, VK_STR("check"));
    *tone_r = !check ? VK_DIM : truth(check, "ok") ? VK_GOOD : VK_BAD;
    return !check ? "not checked" : truth(check, "ok") ? "good" : "refused";
}

static void list_row(vk_table *t, const vk_reply *r, const vk_json *k)
{
    const char *state = vk_reply_text(r, k, "state");
    char set_at[32], checked[32], what[160] = "";
    size_t at = 0;
    vk_tone tone;
    vk_time_short(vk_reply_text(r, k, "set_at"), set_at);
    vk_time_short(vk_reply_text(r, k, "checked_at"), checked);
    for (const vk_json *f = vk_reply_items(vk_json_get(k, VK_STR("fields"))); f && at < sizeof what;
         f = f->next)
        if (truth(f, "secret") && truth(f, "set"))
            at += (size_t)snprintf(what + at, sizeof what - at, "%s%s", at ? ", " : "",
                                   vk_reply_text(r, f, "mask"));
    vk_table_cell(t, vk_str_z(vk_reply_text(r, k, "vendor")), VK_PLAIN, false);
    vk_table_cell(t, vk_str_z(vk_reply_text(r, k, "service")), VK_PLAIN, false);
    vk_table_cell(t, vk_str_z(state_text(state)), state_tone(state), false);
    vk_table_cell(t, vk_str_z(vk_reply_text(r, k, "from")), VK_PLAIN, false);
    vk_table_cell(t, vk_str_z(set_at), VK_PLAIN, false);
    const char *word = check_word(k, &tone);
    vk_table_cell(t, vk_str_z(word), tone, false);
    vk_table_cell(t, vk_str_z(checked), VK_PLAIN, false);
    vk_table_cell(t, vk_str_z(what), VK_DIM, false);
}

static int print_list(const vk_reply *r, const char *build)
{
    static const char *const titles[] = {"VENDOR",  "SERVICE", "STATE",      "FROM",
                                         "ENTERED", "CHECK",   "CHECKED AT", "SECRETS"};
    const vk_json *keys = vk_json_get(r->json, VK_STR("keys"));
    if (!vk_reply_items(keys)) {
        if (build)
            printf("The build has no keys of its own.\n");
        else
            printf("No keys were entered. `valetkey keys set VENDOR` does; docs/ORG-SETUP.md says where they "
                   "come from.\n");
        return VK_EXIT_OK;
    }
    vk_table *t = vk_table_new(VK_COUNT(titles));
    if (!t)
        return vk_failed("nomem", "Out of memory.");
    for (size_t i = 0; i < VK_COUNT(titles); i++)
        vk_table_cell(t, vk_str_z(titles[i]), VK_BOLD, false);
    for (const vk_json *k = vk_reply_items(keys); k; k = k->next)
        list_row(t, r, k);
    if (!vk_table_print(t, stdout, 0))
        return vk_failed("nomem", "Out of memory.");
    for (const vk_json *k = vk_reply_items(keys); k; k = k->next)
        if (vk_reply_text(r, k, "why")[0])
            printf("\n%s%s%s: %s\n", vk_tone_begin(stdout, VK_NOTICE), vk_reply_text(r, k, "vendor"),
                   vk_tone_end(stdout), vk_reply_text(r, k, "why"));
    return VK_EXIT_OK;
}

int vk_cmd_keys_list(int argc, char **argv)
{
    const char *data = NULL, *build = NULL;
    char target[96];
    bool json = false, ok;
    const vk_opt opts[] = {VK_OPT_T("build", build), VK_OPT_T("data", data), VK_OPT_F("json", json), {0}};
    if (vk_args(argc, argv, opts, NULL, 0, 0, "", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(json);
    if (build && !vk_build_id_ok(vk_str_z(build)))
        return vk_usage(argv[0], "\"%.60s\" is no build id.", build);
    snprintf(target, sizeof target, "/api/v1/keys?limit=1000&build=%s", build ? build : "");
    vk_reply r;
    int code = vk_build_call(&(vk_build_ask){.data = data, .method = "GET", .target = target}, &r, &ok);
    if (!ok)
        return code;
    if (json)
        vk_reply_print(&r);
    else
        code = print_list(&r, build);
    vk_reply_free(&r);
    return code;
}

/* ---- check */

static void print_texts(const vk_reply *r, const vk_json *list, const char *mark, vk_tone tone)
{
    for (const vk_json *x = vk_reply_items(list); x; x = x->next) {
        vk_buf b;
        vk_str text = x->type == VK_JSON_OBJECT ? vk_str_z(vk_reply_text(r, x, "what")) : vk_json_str(x);
        vk_buf_init(&b, 8 * 1024);
        vk_text_visible(&b, text);
        printf("  %s%s%s " VK_STR_FMT "\n", vk_tone_begin(stdout, tone), mark, vk_tone_end(stdout),
               VK_STR_ARG(vk_buf_view(&b)));
        vk_buf_free(&b);
    }
}

bool vk_keys_check_print(const vk_reply *r, const vk_json *check)
{
    bool ok = truth(check, "ok");
    const char *say = vk_reply_text(r, check, "say");
    printf("%s%s%s %s\n", vk_tone_begin(stdout, ok ? VK_GOOD : VK_BAD), ok ? "✓" : "✗", vk_tone_end(stdout),
           ok ? "The vendor takes the keys." : "The keys do not do.");
    print_texts(r, vk_json_get(check, VK_STR("done")), "✓", VK_GOOD);
    print_texts(r, vk_json_get(check, VK_STR("missing")), "✗ not allowed:", VK_BAD);
    print_texts(r, vk_json_get(check, VK_STR("wide")), "! wider than needed:", VK_NOTICE);
    if (say[0])
        vk_out_fact("answer", say);
    return ok;
}

/* What `keys check` and `keys remove` are told. */
typedef struct of_vendor {
    const vk_vendor *vendor;
    const char *data;
    bool json;
} of_vendor;

static int read_vendor(int argc, char **argv, of_vendor *o)
{
    const char *pos[1];
    *o = (of_vendor){.vendor = NULL};
    const vk_opt opts[] = {VK_OPT_T("data", o->data), VK_OPT_F("json", o->json), {0}};
    if (vk_args(argc, argv, opts, pos, 1, 1, "The VENDOR", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(o->json);
    o->vendor = vk_keys_vendor(argv[0], pos[0]);
    return o->vendor ? VK_EXIT_OK : VK_EXIT_USAGE;
}

static int call_vendor(const of_vendor *o, const char *method, const char *what, vk_reply *r, bool *ok_r)
{
    vk_api api;
    *ok_r = false;
    if (vk_api_open(&api, o->data) != VK_OK)
        return VK_EXIT_FAILED;
    int code = call(&api, &(ask){.method = method, .vendor = o->vendor->name, .call = what}, r, ok_r);
    vk_api_close(&api);
    return code;
}

int vk_cmd_keys_check(int argc, char **argv)
{
    of_vendor o;
    bool ok;
    vk_reply r;
    int code = read_vendor(argc, argv, &o);
    if (code != VK_EXIT_OK)
        return code;
    code = call_vendor(&o, "POST", "/check", &r, &ok);
    if (!ok)
        return code;
    const vk_json *check = vk_json_get(r.json, VK_STR("check"));
    bool good = truth(check, "ok");
    if (o.json)
        vk_reply_print(&r);
    else
        good = vk_keys_check_print(&r, check);
    vk_reply_free(&r);
    return good ? VK_EXIT_OK : VK_EXIT_FAILED;
}

/* ---- remove */

int vk_cmd_keys_remove(int argc, char **argv)
{
    of_vendor o;
    bool ok;
    vk_reply r;
    int code = read_vendor(argc, argv, &o);
    if (code != VK_EXIT_OK)
        return code;
    if (!vk_ask_yes("Take the keys of %s out of the vault? Builds that are served with them get errors.",
                    o.vendor->title))
        return vk_failed("cancelled", "Nothing was removed.");
    code = call_vendor(&o, "DELETE", "", &r, &ok);
    if (!ok)
        return code;
    if (o.json)
        vk_reply_print(&r);
    else
        printf("%s✓%s The keys of %s are out of the vault. At the vendor they are still good: revoke them "
               "there.\n",
               vk_tone_begin(stdout, VK_GOOD), vk_tone_end(stdout), o.vendor->title);
    vk_reply_free(&r);
    return VK_EXIT_OK;
}
