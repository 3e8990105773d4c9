/* build use: by whom a build's service is provided. */
#include "cli/args.h"
#include "cli/build_wait.h"
#include "cli/cli.h"
#include "cli/keys.h"
#include "cli/out.h"

enum { VALUES_MAX = 8, BODY_MAX = 128 * 1024 };

const char vk_help_build_use[] =
    "Usage: valetkey build use ID SERVICE DRIVER [NAME=VALUE...] [--no-wait] [--keep] [--fingerprint TEXT] "
    "[--data DIR] "
    "[--json]\n"
    "\n"
    "Chooses by whom a service of a build is provided from the next request on: \"embedded\", from files of "
    "the\n"
    "build, or a vendor with the organisation's keys (`valetkey keys set`). The app's keys stay the same. No "
    "data "
    "is\n"
    "moved: what the build has stored so far stays where it is, and is there again when it is bound back.\n"
    "\n"
    "NAME=VALUE says what the build has there, as the driver wants it. Secret ones are not given so: they "
    "are "
    "asked\n"
    "for unseen, or come from standard input as lines \"name=value\", and travel sealed.\n"
    "\n"
    "Without NAME=VALUE, a vendor where valetkey makes what a build needs is asked for it, and is waited "
    "for;\n"
    "delivery=direct gives the app the vendor's own credential. What was made stays when the build is bound "
    "to\n"
    "another driver, is used again when it is bound back, and ends with the build.\n"
    "\n"
    "  --no-wait                do not wait for what is made\n"
    "  --keep                   use the secret values that were entered for this build before\n"
    "  --fingerprint TEXT       of the daemon's key, as `valetkey doctor` shows it: another one is refused\n"
    "  --data DIR, --json\n"
    "\n"
    "Examples:\n"
    "  valetkey build use shop payments stripe account=acct_1NcAbCdEfGhIjKlM\n"
    "  valetkey build use shop database turso\n"
    "  valetkey build use shop database turso hostname=build-shop-acme.turso.io\n"
    "  valetkey build use shop database embedded\n";

typedef struct use {
    const char *id, *service, *driver, *data, *fingerprint, *values[VALUES_MAX];
    size_t n_values;
    bool json, keep, no_wait;
    const vk_vendor *vendor; /* NULL: not one that keeper knows */
} use;

static bool has_secrets(const vk_vendor *v)
{
    for (const vk_vendor_field *f = v ? v->own : NULL; f && f->name; f++)
        if (f->secret)
            return true;
    return false;
}

/* Without values of the build's own valetkey makes what it needs there. */
static bool is_made(const use *u)
{
    for (size_t i = 0; i < u->n_values; i++)
        if (strncmp(u->values[i], "delivery=", strlen("delivery=")) != 0)
            return false;
    return u->vendor && u->vendor->provisioner;
}

/* What was typed is not repeated: it may be a secret in the wrong place. */
static int check_values(const char *command, const use *u)
{
    for (size_t i = 0; i < u->n_values; i++) {
        size_t n = strcspn(u->values[i], "=");
        if (!u->values[i][n] || n == 0)
            return vk_usage(command, "What follows the DRIVER must look like name=value.");
        for (const vk_vendor_field *f = u->vendor ? u->vendor->own : NULL; f && f->name; f++)
            if (f->secret && vk_str_eqz((vk_str){u->values[i], n}, f->name))
                return vk_usage(
                    command,
                    "%s is a secret, and every process of the machine can read arguments: leave it "
                    "out, it is asked for.",
                    f->name);
    }
    return VK_EXIT_OK;
}

/* What is no secret goes along: keeper sends a secret only to where the same entry says. */
static void add_values(const use *u, vk_entered *to)
{
    for (const vk_vendor_field *f = u->vendor->own; f->name; f++)
        for (size_t i = 0; !f->secret && i < u->n_values; i++) {
            size_t n = strcspn(u->values[i], "=");
            if (vk_str_eqz((vk_str){u->values[i], n}, f->name) && to->n < VK_VENDOR_FIELDS_MAX)
                to->fields[to->n++] =
                    (vk_entry_field){.name = f->name, .value = vk_secret_of(vk_str_z(u->values[i] + n + 1))};
        }
}

static int seal_secrets(vk_api *api, const use *u, vk_buf *sealed)
{
    uint8_t key[VK_BOX_PUBLIC];
    vk_entered entered = {.room = NULL};
    int code = vk_keys_box(api, u->fingerprint, key);
    if (code == VK_EXIT_OK)
        code = vk_keys_enter(u->vendor, u->vendor->own, true, false, &entered);
    if (code == VK_EXIT_OK) {
        add_values(u, &entered);
        code = vk_keys_seal(key, &entered, u->id, sealed);
    }
    vk_entered_free(&entered);
    return code;
}

static void write_body(const use *u, vk_str sealed, vk_buf *out)
{
    vk_jw w = vk_jw_on(out);
    vk_jw_obj(&w);
    vk_jw_kstr(&w, "driver", vk_str_z(u->driver));
    if (u->n_values) {
        vk_jw_key(&w, VK_STR("resource"));
        vk_jw_obj(&w);
        for (size_t i = 0; i < u->n_values; i++) {
            size_t n = strcspn(u->values[i], "=");
            vk_jw_key(&w, (vk_str){u->values[i], n});
            vk_jw_str(&w, vk_str_z(u->values[i] + n + 1));
        }
        vk_jw_obj_end(&w);
    }
    if (sealed.n)
        vk_jw_kstr(&w, "sealed", sealed);
    vk_jw_obj_end(&w);
}

static void print_used(const vk_reply *r, const use *u)
{
    const char *isolation = vk_reply_text(r, r->json, "isolation");
    printf("%s✓%s %s of %s is provided by %s%s%s%s.\n", vk_tone_begin(stdout, VK_GOOD), vk_tone_end(stdout),
           u->service, u->id, strcmp(u->driver, "embedded") == 0 ? "files of the build" : u->driver,
           isolation[0] ? " (" : "", isolation, isolation[0] ? ")" : "");
    printf("\nNext:\n  valetkey env %s   its environment: what changed of it the app must get anew\n", u->id);
}

static int used(vk_api *api, const use *u, const vk_reply *r)
{
    char why[VK_WAITED_WHY] = "";
    vk_waited w =
        r->status == 202 && !u->no_wait ? vk_build_wait(api, u->id, r, u->json, why) : VK_WAITED_READY;
    if (w == VK_WAITED_AWAY)
        return VK_EXIT_FAILED;
    if (w != VK_WAITED_READY)
        return vk_failed(
            "failed",
            "%sThe build %s has the driver %s now, but is not complete. `valetkey build provision %s "
            "%s` tries again.",
            why, u->id, u->driver, u->id, u->service);
    if (u->json)
        vk_reply_print(r);
    else
        print_used(r, u);
    return VK_EXIT_OK;
}

static int run(vk_api *api, const char *command, const use *u)
{
    char target[VK_SERVICE_TARGET];
    vk_buf sealed, body;
    vk_reply r;
    int code = vk_service_target(command, u->id, u->service, "driver", NULL, target);
    if (code != VK_EXIT_OK)
        return code;
    vk_buf_init(&sealed, VK_ENTRY_BASE64_MAX);
    vk_buf_init(&body, BODY_MAX);
    if (has_secrets(u->vendor) && !u->keep && !is_made(u))
        code = seal_secrets(api, u, &sealed);
    if (code == VK_EXIT_OK) {
        write_body(u, vk_buf_view(&sealed), &body);
        code = VK_EXIT_FAILED;
        if (vk_api_call(api, "PUT", target, VK_STR_NONE, vk_buf_view(&body), &r) == VK_OK) {
            if (vk_reply_ok(&r, &code)) {
                code = VK_EXIT_OK;
                code = used(api, u, &r);
            }
            vk_reply_free(&r);
        }
    }
    vk_buf_free(&sealed);
    vk_buf_free(&body);
    return code;
}

int vk_cmd_build_use(int argc, char **argv)
{
    const char *pos[3 + VALUES_MAX] = {NULL};
    use u = {.keep = false};
    vk_api api;
    const vk_opt opts[] = {
        VK_OPT_F("keep", u.keep), VK_OPT_F("no-wait", u.no_wait), VK_OPT_T("fingerprint", u.fingerprint),
        VK_OPT_T("data", u.data), VK_OPT_F("json", u.json),       {0}};
    if (vk_args(argc, argv, opts, pos, 3, VK_COUNT(pos), "The build's ID, a SERVICE and a DRIVER", NULL) !=
        VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(u.json);
    u.id = pos[0];
    u.service = pos[1];
    u.driver = pos[2];
    while (u.n_values < VALUES_MAX && pos[3 + u.n_values]) {
        u.values[u.n_values] = pos[3 + u.n_values];
        u.n_values++;
    }
    if (strlen(u.service) > VK_SERVICE_MAX || strlen(u.driver) > VK_SERVICE_MAX ||
        strspn(u.service, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(u.service))
        return vk_usage(argv[0],
                        "A SERVICE is auth, database, storage or payments; a DRIVER is embedded, or the "
                        "name of a vendor.");
    u.vendor = vk_vendor_of(vk_str_z(u.driver));
    int code = check_values(argv[0], &u);
    if (code != VK_EXIT_OK)
        return code;
    if (vk_api_open(&api, u.data) != VK_OK)
        return VK_EXIT_FAILED;
    code = run(&api, argv[0], &u);
    vk_api_close(&api);
    return code;
}
