/* payments webhook, seed, export: where events of a build go, and its catalogue. */
#include "cli/payments.h"

#include "cli/args.h"
#include "cli/build.h"
#include "cli/cli.h"
#include "cli/out.h"
#include "cli/part.h"
#include "core/disk.h"
#include "core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { CATALOGUE_MAX = 1 << 20, EVENT_ID_MAX = 255 };

const char vk_help_payments_webhook[] =
    "Usage: valetkey payments webhook ID [--path PATH | --url URL | --off] [--data DIR] [--json]\n"
    "\n"
    "Shows or sets where the events of a build's payments go by default: a path on its first origin "
    "(/api/webhooks/stripe), or\n"
    "an address on any of its origins. They are signed with STRIPE_WEBHOOK_SECRET of `valetkey env`. "
    "Endpoints "
    "that the app\n"
    "makes itself with Stripe's API get theirs besides.\n"
    "\n"
    "  --path PATH              a path on the build's first origin; without origins, on "
    "http://localhost:3000\n"
    "  --url URL                a whole address, on one of the build's origins\n"
    "  --off                    nowhere; what waits to be sent there is given up\n"
    "\n"
    "Examples:\n"
    "  valetkey payments webhook demo\n"
    "  valetkey payments webhook demo --path /api/stripe/webhook\n"
    "  valetkey payments webhook demo --url http://localhost:8000/hook\n";

const char vk_help_payments_seed[] =
    "Usage: valetkey payments seed ID FILE [--data DIR] [--json]\n"
    "\n"
    "Makes the products, prices, coupons and promotion codes of a JSON file in a build, or brings them to "
    "what "
    "it says. The\n"
    "same file twice changes nothing: products and coupons are found by their \"id\", prices by their "
    "\"lookup_key\" or by what\n"
    "they are. All of it is done, or nothing. `-` reads standard input.\n"
    "\n"
    "  {\"products\": [{\"id\": \"prod_pro\", \"name\": \"Pro\",\n"
    "     \"prices\": [{\"lookup_key\": \"pro_monthly\", \"currency\": \"usd\", \"unit_amount\": 1200,\n"
    "                 \"recurring\": {\"interval\": \"month\"}, \"default\": true}]}],\n"
    "   \"coupons\": [{\"id\": \"HALF\", \"percent_off\": 50, \"duration\": \"once\",\n"
    "     \"promotion_codes\": [{\"code\": \"WELCOME\"}]}]}\n"
    "\n"
    "Examples:\n"
    "  valetkey payments seed demo catalogue.json\n"
    "  valetkey payments export shop | valetkey payments seed demo -\n";

const char vk_help_payments_export[] =
    "Usage: valetkey payments export ID [--out FILE] [--force] [--data DIR]\n"
    "\n"
    "Prints the products, prices, coupons and promotion codes of a build as JSON, in the form that `valetkey "
    "payments seed`\n"
    "takes. Also of a revoked build.\n"
    "\n"
    "  --out FILE               where to instead; an existing file is refused\n"
    "  --force                  replace an existing file\n"
    "\n"
    "Examples:\n"
    "  valetkey payments export demo\n"
    "  valetkey payments export demo --out catalogue.json\n";

vk_err vk_event_call(const char *command, const char *event, const char *after, char *out, size_t room)
{
    size_t n = strlen(event);
    bool good = n > 4 && n <= EVENT_ID_MAX && strncmp(event, "evt_", 4) == 0;
    for (size_t i = 4; good && i < n; i++)
        good = (event[i] >= '0' && event[i] <= '9') || ((event[i] | 0x20) >= 'a' && (event[i] | 0x20) <= 'z');
    if (!good) {
        (void)vk_usage(command, "This is no id of an event (evt_...).");
        return VK_E_INVALID;
    }
    snprintf(out, room, "events/%s%s", event, after);
    return VK_OK;
}

/* ---- webhook */

static void print_webhook(const vk_reply *r, const char *id, bool set)
{
    const vk_json *off = vk_json_get(r->json, VK_STR("off"));
    const char *mark = set ? "✓ " : "";
    if (off && off->type == VK_JSON_BOOL && off->u.b)
        printf("%s%s%sThe events of %s go to its own endpoints only.\n", vk_tone_begin(stdout, VK_GOOD), mark,
               vk_tone_end(stdout), id);
    else
        printf("%s%s%sThe events of %s go to %s\n", vk_tone_begin(stdout, VK_GOOD), mark, vk_tone_end(stdout),
               id, vk_reply_text(r, r->json, "url"));
}

int vk_cmd_payments_webhook(int argc, char **argv)
{
    bool json = false, off = false, ok = false;
    const char *data = NULL, *path = NULL, *url = NULL, *pos[1];
    char target[VK_SERVICE_TARGET];
    vk_reply r;
    const vk_opt opts[] = {VK_OPT_T("path", path), VK_OPT_T("url", url),   VK_OPT_F("off", off),
                           VK_OPT_T("data", data), VK_OPT_F("json", json), {0}};
    if (vk_args(argc, argv, opts, pos, 1, 1, "The build's ID", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(json);
    if ((path != NULL) + (url != NULL) + off > 1)
        return vk_usage(argv[0], "Give one of --path, --url and --off.");
    bool set = path || url || off;
    vk_buf body;
    vk_buf_init(&body, 64 << 10);
    vk_jw w = vk_jw_on(&body);
    if (set) {
        vk_jw_obj(&w);
        if (off)
            vk_jw_kbool(&w, "off", true);
        else
            vk_jw_kstr(&w, path ? "path" : "url", vk_str_z(path ? path : url));
        vk_jw_obj_end(&w);
    }
    int code = vk_service_target(argv[0], pos[0], "payments", "webhook", NULL, target);
    if (code == VK_EXIT_OK)
        code = vk_build_call(
            &(vk_build_ask){
                .data = data, .method = set ? "PUT" : "GET", .target = target, .body = vk_buf_view(&body)},
            &r, &ok);
    vk_buf_free(&body);
    if (code != VK_EXIT_OK || !ok)
        return code == VK_EXIT_OK ? VK_EXIT_FAILED : code;
    if (json)
        vk_reply_print(&r);
    else
        print_webhook(&r, pos[0], set);
    vk_reply_free(&r);
    return VK_EXIT_OK;
}

/* ---- seed */

static int read_all(const char *file, vk_buf *out)
{
    bool in = strcmp(file, "-") == 0;
    int fd = in ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return vk_failed("io", "%s cannot be read (%s).", file, vk_errno_text(errno));
    ssize_t n = 1;
    while (n != 0 && out->err == VK_OK) {
        char *room = vk_buf_room(out, 64 << 10);
        if (!room)
            break;
        n = read(fd, room, 64 << 10);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break;
        out->n += (size_t)n;
    }
    int code = VK_EXIT_OK;
    if (n < 0)
        code = vk_failed("io", "%s cannot be read (%s).", in ? "Standard input" : file, vk_errno_text(errno));
    else if (out->err != VK_OK || out->n > CATALOGUE_MAX)
        code = vk_failed("too_large", "%s is larger than %d bytes.", in ? "Standard input" : file,
                         CATALOGUE_MAX);
    else if (out->n == 0) /* as behind a pipe whose first part has failed */
        code = vk_failed("invalid", "%s is empty, which is no catalogue.", in ? "Standard input" : file);
    if (!in)
        close(fd);
    return code;
}

static void print_seeded(const vk_reply *r, const char *id)
{
    static const char *const kinds[][2] = {{"products", "Products"},
                                           {"prices", "Prices"},
                                           {"coupons", "Coupons"},
                                           {"promotion_codes", "Promotion codes"}};
    printf("%s✓%s %s has what the file says.\n", vk_tone_begin(stdout, VK_GOOD), vk_tone_end(stdout), id);
    for (size_t i = 0; i < VK_COUNT(kinds); i++) {
        const vk_json *o = vk_json_get(r->json, vk_str_z(kinds[i][0]));
        if (o)
            printf("  %-16s %lld made, %lld changed, %lld as they were\n", kinds[i][1],
                   (long long)vk_reply_number(o, "made", 0), (long long)vk_reply_number(o, "changed", 0),
                   (long long)vk_reply_number(o, "same", 0));
    }
}

int vk_cmd_payments_seed(int argc, char **argv)
{
    bool json = false, ok = false;
    const char *data = NULL, *pos[2];
    char target[VK_SERVICE_TARGET];
    vk_reply r;
    const vk_opt opts[] = {VK_OPT_T("data", data), VK_OPT_F("json", json), {0}};
    if (vk_args(argc, argv, opts, pos, 2, 2, "The build's ID and a FILE", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(json);
    vk_buf body;
    vk_buf_init(&body, CATALOGUE_MAX + (128 << 10));
    int code = vk_service_target(argv[0], pos[0], "payments", "seed", NULL, target);
    if (code == VK_EXIT_OK)
        code = read_all(pos[1], &body);
    if (code == VK_EXIT_OK)
        code = vk_build_call(
            &(vk_build_ask){
                .data = data, .method = "POST", .target = target, .body = vk_buf_view(&body), .slow = true},
            &r, &ok);
    vk_buf_free(&body);
    if (code != VK_EXIT_OK || !ok)
        return code == VK_EXIT_OK ? VK_EXIT_FAILED : code;
    if (json)
        vk_reply_print(&r);
    else
        print_seeded(&r, pos[0]);
    vk_reply_free(&r);
    return VK_EXIT_OK;
}

/* ---- export */

int vk_cmd_payments_export(int argc, char **argv)
{
    bool json = false, force = false, ok = false;
    const char *data = NULL, *out = NULL, *pos[1];
    char target[VK_SERVICE_TARGET];
    vk_reply r;
    vk_part part = {.fd = -1};
    const vk_opt opts[] = {
        VK_OPT_T("out", out), VK_OPT_F("force", force), VK_OPT_T("data", data), VK_OPT_F("json", json), {0}};
    if (vk_args(argc, argv, opts, pos, 1, 1, "The build's ID", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(json);
    int code = vk_service_target(argv[0], pos[0], "payments", "catalogue", NULL, target);
    if (code == VK_EXIT_OK)
        code = vk_build_call(&(vk_build_ask){.data = data, .method = "GET", .target = target, .slow = true},
                             &r, &ok);
    if (code != VK_EXIT_OK || !ok)
        return code == VK_EXIT_OK ? VK_EXIT_FAILED : code;
    if (!out) {
        vk_reply_print(&r);
    } else {
        code = vk_part_open(&part, out, force);
        if (code == VK_EXIT_OK && (vk_disk_add(part.fd, vk_buf_view(&r.body)) != VK_OK ||
                                   vk_disk_add(part.fd, VK_STR("\n")) != VK_OK))
            code = vk_failed("io", "%s cannot be written.", out);
        if (code == VK_EXIT_OK)
            code = vk_part_finish(&part);
        vk_part_drop(&part);
        if (code == VK_EXIT_OK && !json)
            printf("%s✓%s %s has the catalogue of %s.\n", vk_tone_begin(stdout, VK_GOOD), vk_tone_end(stdout),
                   out, pos[0]);
    }
    vk_reply_free(&r);
    return code;
}
