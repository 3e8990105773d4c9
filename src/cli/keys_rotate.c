/* keys rotate: other values in the place of an organisation's keys, tried at the vendor before they count. */
#include "cli/args.h"
#include "cli/build.h"
#include "cli/cli.h"
#include "cli/keys.h"
#include "cli/out.h"

enum { CHECK_MS = 120 * 1000, BODY_MAX = 128 * 1024 };

const char vk_help_keys_rotate[] =
    "Usage: valetkey keys rotate VENDOR [--prove-old] [--fingerprint TEXT] [--data DIR] [--json]\n"
    "\n"
    "Puts new keys in the place of the organisation's at a vendor. Make the new key there first; it is "
    "tried, "
    "and\n"
    "only when the vendor takes it does it count, from the next request on. Then revoke the old one at the "
    "vendor.\n"
    "Values are entered as with `valetkey keys set`.\n"
    "\n"
    "  --prove-old              enter the old values instead, when they were revoked: exit code 0 when the "
    "vendor\n"
    "                           takes them no more, 1 when it still does. They are kept nowhere\n"
    "  --fingerprint TEXT       of the daemon's key, as `valetkey doctor` shows it: another one is refused\n"
    "  --data DIR, --json\n"
    "\n"
    "Examples:\n"
    "  valetkey keys rotate stripe\n"
    "  valetkey keys rotate stripe --prove-old\n"
    "  printf 'token=%s\\n' \"$NEW\" | valetkey keys rotate turso --json\n";

/* Where the old one ends. */
static const char *revoke_where(const char *vendor)
{
    static const struct {
        const char *vendor, *where;
    } table[] = {
        {"clerk", "Clerk's dashboard, Configure → API keys: delete the old secret key"},
        {"turso", "turso org tokens, or the dashboard's Settings → API tokens: revoke the old token"},
        {"neon", "Neon's console, Settings → API keys: revoke the old key"},
        {"postgres", "the server: ALTER ROLE … PASSWORD, or DROP ROLE for the old one"},
        {"r2", "Cloudflare's dashboard, R2 → Manage API tokens: delete the old token"},
        {"s3", "the provider's console: delete the old access key"},
        {"stripe", "Stripe's dashboard of the sandbox, Developers → API keys: expire the old key"},
    };
    for (size_t i = 0; i < VK_COUNT(table); i++)
        if (strcmp(vendor, table[i].vendor) == 0)
            return table[i].where;
    return "the vendor's dashboard: revoke the old key";
}

static bool truth(const vk_json *o, const char *name)
{
    const vk_json *v = vk_json_get(o, vk_str_z(name));
    return v && v->type == VK_JSON_BOOL && v->u.b;
}

static int print_rotated(const vk_reply *r, const vk_vendor *v)
{
    bool rotated = truth(r->json, "rotated");
    vk_keys_check_print(r, vk_json_get(r->json, VK_STR("check")));
    if (rotated)
        printf(
            "%s✓%s They count from the next request on.\n"
            "\nNext:\n  revoke the old one: %s\n  valetkey keys rotate %s --prove-old   shows that it opens "
            "nothing any more\n",
            vk_tone_begin(stdout, VK_GOOD), vk_tone_end(stdout), revoke_where(v->name), v->name);
    else
        printf("  The keys that were there still count; nothing was changed.\n");
    return rotated ? VK_EXIT_OK : VK_EXIT_FAILED;
}

/* Of old values: that the vendor refuses them is what is wanted. A vendor that could not be asked proves
 * nothing. */
static int print_proof(const vk_reply *r, const vk_vendor *v)
{
    const vk_json *check = vk_json_get(r->json, VK_STR("check"));
    bool lives = truth(check, "ok"), refused = !lives && truth(check, "refused");
    if (refused)
        printf("%s✓%s %s refuses the old keys: they open nothing any more.\n", vk_tone_begin(stdout, VK_GOOD),
               vk_tone_end(stdout), v->title);
    else if (lives)
        printf("%s✗%s %s still takes the old keys. Revoke them: %s\n", vk_tone_begin(stdout, VK_BAD),
               vk_tone_end(stdout), v->title, revoke_where(v->name));
    else
        vk_keys_check_print(r, check);
    return refused ? VK_EXIT_OK : VK_EXIT_FAILED;
}

static int ask(vk_api *api, const vk_vendor *v, bool prove, vk_str sealed, bool json)
{
    char target[96];
    vk_buf body;
    vk_reply r;
    int code = VK_EXIT_FAILED;
    vk_buf_init(&body, BODY_MAX);
    vk_keys_body(&body, sealed);
    snprintf(target, sizeof target, "/api/v1/keys/%s/%s", v->name, prove ? "try" : "rotate");
    api->timeout_ms = CHECK_MS;
    vk_err e = vk_api_call(api, "POST", target, VK_STR_NONE, vk_buf_view(&body), &r);
    vk_buf_free(&body);
    if (e != VK_OK)
        return code;
    if (vk_reply_ok(&r, &code)) {
        const vk_json *check = vk_json_get(r.json, VK_STR("check"));
        if (json) {
            vk_reply_print(&r);
            code = (prove ? truth(check, "refused") && !truth(check, "ok") : truth(r.json, "rotated"))
                       ? VK_EXIT_OK
                       : VK_EXIT_FAILED;
        } else {
            code = prove ? print_proof(&r, v) : print_rotated(&r, v);
        }
    }
    vk_reply_free(&r);
    return code;
}

int vk_cmd_keys_rotate(int argc, char **argv)
{
    const char *pos[1], *data = NULL, *fingerprint = NULL;
    bool json = false, prove = false;
    uint8_t key[VK_BOX_PUBLIC];
    vk_entered entered = {.room = NULL};
    vk_api api;
    vk_buf sealed;
    const vk_opt opts[] = {VK_OPT_F("prove-old", prove),
                           VK_OPT_T("fingerprint", fingerprint),
                           VK_OPT_T("data", data),
                           VK_OPT_F("json", json),
                           {0}};
    if (vk_args(argc, argv, opts, pos, 1, 1, "The VENDOR", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(json);
    const vk_vendor *v = vk_keys_vendor(argv[0], pos[0]);
    if (!v)
        return VK_EXIT_USAGE;
    if (vk_api_open(&api, data) != VK_OK)
        return VK_EXIT_FAILED;
    vk_buf_init(&sealed, VK_ENTRY_BASE64_MAX);
    int code = vk_keys_box(&api, fingerprint, key);
    if (code == VK_EXIT_OK)
        code = vk_keys_enter(v, v->fields, false, true, &entered);
    if (code == VK_EXIT_OK)
        code = vk_keys_seal(key, &entered, "", &sealed);
    vk_entered_free(&entered);
    if (code == VK_EXIT_OK)
        code = ask(&api, v, prove, vk_buf_view(&sealed), json);
    vk_buf_free(&sealed);
    vk_api_close(&api);
    return code;
}
