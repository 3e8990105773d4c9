/* build create. */
#include "cli/args.h"
#include "cli/build_wait.h"
#include "cli/cli.h"
#include "cli/out.h"

const char vk_help_build_create[] =
    "Usage: valetkey build create [ID] [options]\n"
    "\n"
    "Makes a build: an id, and a valet key for every service. Asking again for the same id with the same "
    "options gives the\n"
    "same build with the same keys; with other options it is refused. Without ID one is made up.\n"
    "\n"
    "  ID                       1 to 32 characters of a-z, 0-9 and -\n"
    "  --framework NAME         next, vite, remix, react-router, tanstack-start, astro, sveltekit, nuxt, "
    "expo, express,\n"
    "                           hono, fastify, node, fastapi or django: how variables are named (default "
    "next)\n"
    "  --origin URL             where the app's pages are; may stand several times\n"
    "  --driver SERVICE=DRIVER  by whom a service is provided: embedded, or a vendor, perhaps with values\n"
    "                           (payments=stripe,account=acct_…); may stand several times (default: the "
    "daemon's).\n"
    "                           A vendor where valetkey makes what a build needs (a database, an "
    "application, "
    "an\n"
    "                           account) needs no values, and is waited for\n"
    "  --delivery SERVICE=HOW   gateway: the app goes through valetkey, with a valet key (default); direct: "
    "it "
    "gets the\n"
    "                           vendor's own credential, narrow and short of life\n"
    "  --no-wait                do not wait for what is made at vendors; `valetkey build resources ID` shows "
    "it\n"
    "  --keep                   leave the build when something could not be made; otherwise it is taken "
    "back\n"
    "  --ttl TIME               how long its keys last unused: 30d, 12h, 90m or seconds (default: the "
    "daemon's)\n"
    "  --idempotency-key KEY    the same key gives the same build, however often this runs\n"
    "  --data DIR, --json\n"
    "\n"
    "Examples:\n"
    "  valetkey build create demo\n"
    "  valetkey build create shop --framework vite --origin http://localhost:5173 --ttl 7d\n"
    "  valetkey build create shop --driver database=turso --delivery database=direct\n"
    "  valetkey build create --json\n"
    "\n"
    "Exit code 1 when something could not be made; what is then still alive at a vendor is listed.\n";

struct create {
    const char *id, *framework, *ttl, *idem, *data;
    vk_many origins, drivers, delivery;
    bool json, no_wait, keep;
};

/* Of --delivery, for that service; VK_STR_NONE. */
static vk_str delivery_of(const struct create *c, vk_str service)
{
    vk_str found = VK_STR_NONE, name;
    for (size_t i = 0; i < c->delivery.n; i++) {
        vk_str rest = vk_str_z(c->delivery.v[i]);
        if (vk_str_cut(&rest, '=', &name) && vk_str_eq(name, service))
            found = rest;
    }
    return found;
}

/* "payments=stripe,account=acct_…" */
static void put_driver(vk_jw *w, const struct create *c, const char *text)
{
    vk_str rest = vk_str_z(text), service, driver, value, name;
    if (!vk_str_cut(&rest, '=', &service))
        return;
    bool more = vk_str_cut(&rest, ',', &driver);
    vk_jw_key(w, service);
    vk_jw_obj(w);
    vk_jw_kstr(w, "driver", more ? driver : rest);
    vk_str delivery = delivery_of(c, service);
    if (more || delivery.n) {
        vk_jw_key(w, VK_STR("resource"));
        vk_jw_obj(w);
        if (delivery.n)
            vk_jw_kstr(w, "delivery", delivery);
        while (more) {
            more = vk_str_cut(&rest, ',', &value);
            if (!more)
                value = rest;
            if (!vk_str_cut(&value, '=', &name))
                name = VK_STR("");
            vk_jw_key(w, name);
            vk_jw_str(w, value);
        }
        vk_jw_obj_end(w);
    }
    vk_jw_obj_end(w);
}

static bool drivers_ok(const char *command, const vk_many *drivers)
{
    for (size_t i = 0; i < drivers->n; i++)
        if (!strchr(drivers->v[i], '=') || strlen(drivers->v[i]) > VK_RESOURCE_MAX) {
            vk_usage(command, "--driver wants SERVICE=DRIVER, as in --driver payments=stripe.");
            return false;
        }
    return true;
}

static bool delivery_ok(const char *command, const struct create *c)
{
    for (size_t i = 0; i < c->delivery.n; i++) {
        const char *text = c->delivery.v[i], *how = strchr(text, '=');
        size_t n = how ? (size_t)(how - text) + 1 : 0, k = 0;
        if (!how || (strcmp(how, "=direct") != 0 && strcmp(how, "=gateway") != 0)) {
            vk_usage(command, "--delivery wants SERVICE=gateway or SERVICE=direct.");
            return false;
        }
        while (k < c->drivers.n && strncmp(c->drivers.v[k], text, n) != 0)
            k++;
        if (k == c->drivers.n) {
            vk_usage(command, "--delivery %.60s is of a service without --driver.", text);
            return false;
        }
    }
    return true;
}

static void create_body(const struct create *c, vk_buf *out)
{
    vk_jw w = vk_jw_on(out);
    int64_t seconds;
    vk_jw_obj(&w);
    if (c->id)
        vk_jw_kstr(&w, "id", vk_str_z(c->id));
    if (c->framework)
        vk_jw_kstr(&w, "framework", vk_str_z(c->framework));
    if (c->ttl && vk_str_to_i64(vk_str_z(c->ttl), &seconds) == VK_OK)
        vk_jw_ki64(&w, "ttl", seconds);
    else if (c->ttl)
        vk_jw_kstr(&w, "ttl", vk_str_z(c->ttl));
    if (c->origins.n) {
        vk_jw_key(&w, VK_STR("origins"));
        vk_jw_arr(&w);
        for (size_t i = 0; i < c->origins.n; i++)
            vk_jw_str(&w, vk_str_z(c->origins.v[i]));
        vk_jw_arr_end(&w);
    }
    if (c->drivers.n) {
        vk_jw_key(&w, VK_STR("drivers"));
        vk_jw_obj(&w);
        for (size_t i = 0; i < c->drivers.n; i++)
            put_driver(&w, c, c->drivers.v[i]);
        vk_jw_obj_end(&w);
    }
    vk_jw_obj_end(&w);
}

static void print_created(const vk_reply *r, bool created)
{
    const char *id = vk_reply_text(r, r->json, "id");
    const vk_json *env = vk_json_get(r->json, VK_STR("env"));
    printf("%s✓%s %s\n\n", vk_tone_begin(stdout, VK_GOOD), vk_tone_end(stdout),
           created ? "The build was made." : "The build was there already.");
    vk_build_print(r);
    printf("\n  %sVariables%s  ", vk_tone_begin(stdout, VK_DIM), vk_tone_end(stdout));
    for (const vk_json *v = env && env->type == VK_JSON_OBJECT ? env->u.child : NULL; v; v = v->next)
        printf(VK_STR_FMT "%s", VK_STR_ARG(v->key), v->next ? ", " : "\n");
    const char *until = vk_reply_text(r, r->json, "env_expires_at");
    if (until[0]) {
        char at[32];
        vk_time_short(until, at);
        vk_out_fact("good until", at);
    }
    printf("\nNext:\n"
           "  valetkey env %s                 their values\n"
           "  valetkey run %s -- npm run dev  an app with them\n"
           "  valetkey db shell %s            its database\n",
           id, id, id);
}

static bool truth(const vk_reply *r, const char *name)
{
    const vk_json *v = vk_json_get(r->json, vk_str_z(name));
    return v && v->type == VK_JSON_BOOL && v->u.b;
}

/* The build with its environment, now that it has all of it. */
static int show_whole(vk_api *api, const struct create *c, const char *id, bool created)
{
    char body[VK_BUILD_ID_MAX + 16];
    vk_reply r;
    int code = VK_EXIT_FAILED;
    snprintf(body, sizeof body, "{\"id\":\"%s\"}", id);
    if (vk_api_call(api, "POST", "/api/v1/builds", VK_STR_NONE, vk_str_z(body), &r) != VK_OK)
        return code;
    if (vk_reply_ok(&r, &code)) {
        code = VK_EXIT_OK;
        if (c->json)
            vk_reply_print(&r);
        else
            print_created(&r, created);
    }
    vk_reply_free(&r);
    return code;
}

/* What could not be made is taken back with the build, if this command has made it. */
static int give_up(vk_api *api, const struct create *c, const char *id, bool created, const char *why)
{
    if (!created || c->keep)
        return vk_failed(
            "failed",
            "%sThe build %s is there, but not complete. `valetkey build provision %s` tries again, "
            "`valetkey build delete %s` takes it away.",
            why, id, id, id);
    int left = vk_build_take_back(api, id);
    if (left < 0)
        return vk_failed("failed",
                         "%sThe build %s could not be taken back; `valetkey build delete %s` does it.", why,
                         id, id);
    if (left > 0)
        return vk_failed(
            "failed",
            "%sThe build was taken back. What is listed above is still alive at the vendor, and valetkey "
            "goes on ending it: `valetkey build resources --ending` shows what remains.",
            why);
    return vk_failed("failed", "%sThe build was taken back; nothing of it is left at a vendor.", why);
}

static int wait_for(vk_api *api, const struct create *c, const vk_reply *first)
{
    bool created = truth(first, "new");
    char id[VK_BUILD_ID_MAX + 1], why[VK_WAITED_WHY];
    snprintf(id, sizeof id, "%s", vk_reply_text(first, first->json, "id"));
    if (c->no_wait) {
        if (c->json) {
            vk_reply_print(first);
            return VK_EXIT_OK;
        }
        printf("%s✓%s %s\n\n", vk_tone_begin(stdout, VK_GOOD), vk_tone_end(stdout),
               created ? "The build is being made." : "The build is there, and is being completed.");
        vk_build_print(first);
        printf("\nNext:\n  valetkey build resources %s   how far it is\n", id);
        return VK_EXIT_OK;
    }
    switch (vk_build_wait(api, id, first, c->json, why)) {
    case VK_WAITED_READY:
        return show_whole(api, c, id, created);
    case VK_WAITED_FAILED:
        return give_up(api, c, id, created, why);
    case VK_WAITED_LONG:
        return vk_failed(
            "timeout",
            "The build %s is still not complete; `valetkey build resources %s` shows how far it is.", id, id);
    default:
        return VK_EXIT_FAILED;
    }
}

static int create(vk_api *api, const struct create *c, vk_str headers, vk_str body)
{
    vk_reply r;
    int code = VK_EXIT_FAILED;
    if (vk_api_call(api, "POST", "/api/v1/builds", headers, body, &r) != VK_OK)
        return code;
    if (vk_reply_ok(&r, &code)) {
        code = VK_EXIT_OK;
        if (r.status == 202)
            code = wait_for(api, c, &r);
        else if (c->json)
            vk_reply_print(&r);
        else
            print_created(&r, r.status == 201);
    }
    vk_reply_free(&r);
    return code;
}

int vk_cmd_build_create(int argc, char **argv)
{
    struct create c = {0};
    const char *pos[1];
    const vk_opt opts[] = {VK_OPT_T("framework", c.framework),
                           VK_OPT_M("origin", c.origins),
                           VK_OPT_M("driver", c.drivers),
                           VK_OPT_M("delivery", c.delivery),
                           VK_OPT_F("no-wait", c.no_wait),
                           VK_OPT_F("keep", c.keep),
                           VK_OPT_T("ttl", c.ttl),
                           VK_OPT_T("idempotency-key", c.idem),
                           VK_OPT_T("data", c.data),
                           VK_OPT_F("json", c.json),
                           {0}};
    if (vk_args(argc, argv, opts, pos, 0, 1, "", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(c.json);
    c.id = pos[0];
    char target[96], header[320] = "";
    if (c.id && vk_build_target(argv[0], c.id, "", target, sizeof target) != VK_OK)
        return VK_EXIT_USAGE;
    if (!vk_origins_short(argv[0], c.origins.v, c.origins.n) || !drivers_ok(argv[0], &c.drivers) ||
        !delivery_ok(argv[0], &c))
        return VK_EXIT_USAGE;
    if (c.idem) {
        for (const char *k = c.idem; *k; k++)
            if (*k < '!' || *k > '~' || k - c.idem >= 255)
                return vk_usage(argv[0], "--idempotency-key must be 1 to 255 visible ASCII characters.");
        if (!c.idem[0])
            return vk_usage(argv[0], "--idempotency-key must be 1 to 255 visible ASCII characters.");
        snprintf(header, sizeof header, "Idempotency-Key: %s\r\n", c.idem);
    }
    vk_buf body;
    vk_buf_init(&body, 1024 * 1024);
    create_body(&c, &body);
    vk_api api;
    int code = VK_EXIT_FAILED;
    if (vk_api_open(&api, c.data) == VK_OK) {
        code = create(&api, &c, vk_str_z(header), vk_buf_view(&body));
        vk_api_close(&api);
    }
    vk_buf_free(&body);
    return code;
}
