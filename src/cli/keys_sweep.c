/* keys sweep: what lies at a vendor under valetkey's names and belongs to no build any more. */
#include "cli/args.h"
#include "cli/ask.h"
#include "cli/build.h"
#include "cli/cli.h"
#include "cli/keys.h"
#include "cli/out.h"

enum { SWEEP_MS = 150 * 1000, BODY_MAX = 32 * 1024 };

const char vk_help_keys_sweep[] =
    "Usage: valetkey keys sweep VENDOR [--delete NAME...] [--yes] [--data DIR] [--json]\n"
    "\n"
    "Looks through what lies at a vendor under names of this installation, and shows what no build has: left "
    "by a\n"
    "data folder that was restored, or lost. Other names are never looked at. Nothing is deleted unless it "
    "is named;\n"
    "--delete may stand several times.\n"
    "\n"
    "  --delete NAME            delete this one there\n"
    "  --yes                    do not ask first\n"
    "  --data DIR, --json\n"
    "\n"
    "Examples:\n"
    "  valetkey keys sweep turso\n"
    "  valetkey keys sweep turso --delete build-shop-abc2de3f\n";

static void write_body(vk_buf *out, const vk_vendor *v, const vk_many *names)
{
    vk_jw w = vk_jw_on(out);
    vk_jw_obj(&w);
    vk_jw_kstr(&w, "vendor", vk_str_z(v->name));
    vk_jw_key(&w, VK_STR("delete"));
    vk_jw_arr(&w);
    for (size_t i = 0; i < names->n; i++)
        vk_jw_str(&w, vk_str_z(names->v[i]));
    vk_jw_arr_end(&w);
    vk_jw_obj_end(&w);
}

static void line(const char *mark, vk_tone tone, const char *name, const char *rest)
{
    vk_buf b;
    vk_buf_init(&b, 8 * 1024);
    vk_text_visible(&b, vk_str_z(name));
    if (rest[0])
        vk_buf_lit(&b, "  ");
    vk_text_visible(&b, vk_str_z(rest));
    printf("  %s%s%s " VK_STR_FMT "\n", vk_tone_begin(stdout, tone), mark, vk_tone_end(stdout),
           VK_STR_ARG(vk_buf_view(&b)));
    vk_buf_free(&b);
}

static void print_swept(const vk_reply *r, const vk_vendor *v)
{
    const vk_json *orphans = vk_reply_items(vk_json_get(r->json, VK_STR("orphans"))),
                  *lost = vk_reply_items(vk_json_get(r->json, VK_STR("lost"))),
                  *deleted = vk_reply_items(vk_json_get(r->json, VK_STR("deleted")));
    if (!orphans && !lost && !deleted)
        printf("%s✓%s Nothing at %s is without its build.\n", vk_tone_begin(stdout, VK_GOOD),
               vk_tone_end(stdout), v->title);
    if (deleted)
        printf("Deleted at %s:\n", v->title);
    for (const vk_json *x = deleted; x; x = x->next) {
        vk_str name = vk_arena_dup(r->arena, vk_json_str(x));
        line("✓", VK_GOOD, name.p ? name.p : "", "");
    }
    if (orphans)
        printf("At %s, with a name of this installation, and of no build:\n", v->title);
    for (const vk_json *x = orphans; x; x = x->next)
        line("!", VK_NOTICE, vk_reply_text(r, x, "name"), vk_reply_text(r, x, "created_at"));
    if (lost)
        printf("Of builds that are gone, known here, and going to end by themselves:\n");
    for (const vk_json *x = lost; x; x = x->next)
        line("-", VK_DIM, vk_reply_text(r, x, "name"), vk_reply_text(r, x, "state"));
    if (orphans)
        printf("\nNext:\n  valetkey keys sweep %s --delete NAME   what you know is needed by nobody\n",
               v->name);
}

int vk_cmd_keys_sweep(int argc, char **argv)
{
    const char *pos[1], *data = NULL;
    vk_many names = {.n = 0};
    bool json = false, yes = false;
    vk_api api;
    vk_reply r;
    vk_buf body;
    const vk_opt opts[] = {
        VK_OPT_M("delete", names), VK_OPT_F("yes", yes), VK_OPT_T("data", data), VK_OPT_F("json", json), {0}};
    if (vk_args(argc, argv, opts, pos, 1, 1, "The VENDOR", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(json);
    const vk_vendor *v = vk_keys_vendor(argv[0], pos[0]);
    if (!v)
        return VK_EXIT_USAGE;
    for (size_t i = 0; i < names.n; i++)
        if (!names.v[i][0] || strlen(names.v[i]) > 128)
            return vk_usage(argv[0], "--delete wants a NAME as `valetkey keys sweep %s` shows it.", v->name);
    if (names.n && !yes &&
        !vk_ask_yes("Delete %zu at %s, with all that is in it? There is no way back.", names.n, v->title))
        return vk_failed("cancelled", "Nothing was deleted.");
    if (vk_api_open(&api, data) != VK_OK)
        return VK_EXIT_FAILED;
    int code = VK_EXIT_FAILED;
    api.timeout_ms = SWEEP_MS;
    vk_buf_init(&body, BODY_MAX);
    write_body(&body, v, &names);
    if (vk_api_call(&api, "POST", "/api/v1/resources/sweep", VK_STR_NONE, vk_buf_view(&body), &r) == VK_OK) {
        if (vk_reply_ok(&r, &code)) {
            code = VK_EXIT_OK;
            if (json)
                vk_reply_print(&r);
            else
                print_swept(&r, v);
        }
        vk_reply_free(&r);
    }
    vk_buf_free(&body);
    vk_api_close(&api);
    return code;
}
