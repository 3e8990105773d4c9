/* payments events, payments resend: what the payments of a build's app have told it. */
#include "cli/args.h"
#include "cli/build.h"
#include "cli/cli.h"
#include "cli/out.h"
#include "cli/payments.h"
#include "core/clock.h"

#include <errno.h>

enum { FOLLOW_MS = 1000, LAST_MAX = 64 };

const char vk_help_payments_events[] =
    "Usage: valetkey payments events ID [EVENT] [--type TYPE] [--limit N] [--follow] [--data DIR] [--json]\n"
    "\n"
    "Lists the events of a build's payments, newest first, and whether the app has taken them; with an "
    "EVENT, "
    "this one, as it\n"
    "was sent, with each attempt and what the app answered. Also of a revoked build.\n"
    "\n"
    "  --type TYPE              those of a type, or of several: \"customer.*\"\n"
    "  --limit N                so many, 1 to 100 (20)\n"
    "  --follow                 oldest first, and then further ones as they come, until it is interrupted\n"
    "\n"
    "Examples:\n"
    "  valetkey payments events demo\n"
    "  valetkey payments events demo --type 'checkout.session.*' --follow\n"
    "  valetkey payments events demo evt_1QwErTyUiOpAsDfGhJkLzXcV --json\n";

const char vk_help_payments_resend[] =
    "Usage: valetkey payments resend ID EVENT [--endpoint ENDPOINT] [--data DIR] [--json]\n"
    "\n"
    "Sends an event to the build's app once more: the same event, with a fresh signature.\n"
    "\n"
    "  --endpoint ENDPOINT      to one endpoint only: an id (we_...), or \"default\"\n"
    "\n"
    "Examples:\n"
    "  valetkey payments resend demo evt_1QwErTyUiOpAsDfGhJkLzXcV\n"
    "  valetkey payments resend demo evt_1QwErTyUiOpAsDfGhJkLzXcV --endpoint default\n";

/* ---- words */

static vk_str member(const vk_json *o, const char *name)
{
    return vk_json_str(vk_json_get(o, vk_str_z(name)));
}

/* "200", or what is the matter. */
static void outcome(const vk_json *d, char *out, size_t room)
{
    vk_str state = member(d, "state");
    int64_t status = vk_reply_number(d, "status", 0), tries = vk_reply_number(d, "tries", 0);
    if (vk_str_eqz(state, "waiting"))
        snprintf(out, room, "waits");
    else if (vk_str_eqz(state, "delivered"))
        snprintf(out, room, "%lld", (long long)status);
    else if (status)
        snprintf(out, room, "%lld, " VK_STR_FMT " (%lld)", (long long)status, VK_STR_ARG(state),
                 (long long)tries);
    else
        snprintf(out, room, "not reached, " VK_STR_FMT " (%lld)", VK_STR_ARG(state), (long long)tries);
}

/* All of an event's deliveries in one cell. */
static vk_tone answers(const vk_json *event, vk_buf *out)
{
    vk_tone tone = VK_GOOD;
    const vk_json *d = vk_reply_items(vk_json_get(event, VK_STR("deliveries")));
    vk_buf_clear(out);
    if (!d) {
        vk_buf_lit(out, "nobody wants it");
        return VK_DIM;
    }
    for (; d; d = d->next) {
        char text[96];
        outcome(d, text, sizeof text);
        if (out->n)
            vk_buf_lit(out, "; ");
        if (!vk_str_eqz(member(d, "endpoint"), "default")) {
            vk_buf_str(out, member(d, "endpoint"));
            vk_buf_lit(out, ": ");
        }
        vk_buf_z(out, text);
        if (vk_str_eqz(member(d, "state"), "waiting") && tone == VK_GOOD)
            tone = VK_NOTICE;
        else if (!vk_str_eqz(member(d, "state"), "delivered"))
            tone = VK_BAD;
    }
    return tone;
}

static void when(int64_t ms, char out[32])
{
    char iso[VK_CLOCK_TEXT];
    vk_clock_text(ms, iso);
    vk_time_short(iso, out);
}

static bool row(vk_table *t, const vk_json *event, vk_buf *scratch)
{
    char at[32];
    vk_tone tone = answers(event, scratch);
    when(vk_reply_number(event, "created", 0) * 1000, at);
    vk_table_cell(t, vk_str_z(at), VK_PLAIN, false);
    vk_table_cell(t, member(event, "id"), VK_PLAIN, false);
    vk_table_cell(t, member(event, "type"), VK_BOLD, false);
    vk_table_cell(t, member(event, "object"), VK_PLAIN, false);
    vk_table_cell(t, vk_buf_view(scratch), tone, false);
    return scratch->err == VK_OK;
}

static int print_list(const vk_reply *r, const char *id)
{
    static const char *const heads[] = {"WHEN", "EVENT", "TYPE", "OBJECT", "ANSWER"};
    const vk_json *e = vk_reply_items(vk_json_get(r->json, VK_STR("events")));
    if (!e) {
        printf("%s has no events like that.\n", id);
        return VK_EXIT_OK;
    }
    vk_buf scratch;
    vk_buf_init(&scratch, 64 << 10);
    vk_table *t = vk_table_new(VK_COUNT(heads));
    bool ok = t != NULL;
    for (size_t i = 0; t && i < VK_COUNT(heads); i++)
        vk_table_cell(t, vk_str_z(heads[i]), VK_DIM, false);
    for (; ok && e; e = e->next)
        ok = row(t, e, &scratch);
    vk_buf_free(&scratch);
    if (t && !vk_table_print(t, ok ? stdout : NULL, 0))
        ok = false;
    return ok ? VK_EXIT_OK : vk_failed("nomem", "There is not enough memory.");
}

/* ---- one */

static void attempt(const vk_json *a)
{
    char at[32], head[128];
    int64_t status = vk_reply_number(a, "status", 0), ms = vk_reply_number(a, "at", 0);
    vk_str text = member(a, status ? "answer" : "error");
    vk_buf shown;
    when(ms, at);
    if (status)
        snprintf(head, sizeof head, "%lld after %lld ms", (long long)status,
                 (long long)vk_reply_number(a, "ms", 0));
    else
        snprintf(head, sizeof head, "not reached");
    vk_buf_init(&shown, 32 << 10);
    vk_text_visible(&shown, text);
    printf("    %s  %s%s%s" VK_STR_FMT "%s\n", ms ? at : "", head, text.n ? ": " : "",
           vk_tone_begin(stdout, VK_DIM), VK_STR_ARG(vk_buf_view(&shown)), vk_tone_end(stdout));
    vk_buf_free(&shown);
}

static int print_one(const vk_reply *r)
{
    const vk_json *event = vk_json_get(r->json, VK_STR("event"));
    vk_buf b, shown;
    vk_buf_init(&b, VK_REPLY_MAX);
    vk_buf_init(&shown, 2 * VK_REPLY_MAX);
    vk_jw w = vk_jw_on(&b);
    vk_jw_value(&w, vk_json_get(event, VK_STR("data")));
    vk_text_visible(&shown, vk_buf_view(&b));
    printf("%s  %s%s%s\n", vk_reply_text(r, event, "id"), vk_tone_begin(stdout, VK_BOLD),
           vk_reply_text(r, event, "type"), vk_tone_end(stdout));
    vk_out_fact("version", vk_reply_text(r, event, "api_version"));
    printf("  data        " VK_STR_FMT "\n", VK_STR_ARG(vk_buf_view(&shown)));
    for (const vk_json *d = vk_reply_items(vk_json_get(r->json, VK_STR("deliveries"))); d; d = d->next) {
        char text[96];
        outcome(d, text, sizeof text);
        printf("\n  to %s: %s\n", vk_reply_text(r, d, "endpoint"), text);
        for (const vk_json *a = vk_reply_items(vk_json_get(d, VK_STR("attempts"))); a; a = a->next)
            attempt(a);
    }
    bool ok = b.err == VK_OK && shown.err == VK_OK;
    vk_buf_free(&b);
    vk_buf_free(&shown);
    return ok ? VK_EXIT_OK : vk_failed("nomem", "There is not enough memory.");
}

/* ---- following */

/* A line an event. Those that are listed newest first are printed the other way round; *last gets the
 * newest's id. */
static int print_lines(const vk_reply *r, bool newest_first, bool json, char last[LAST_MAX])
{
    const vk_json *first = vk_reply_items(vk_json_get(r->json, VK_STR("events"))), *all[100];
    size_t n = 0;
    for (const vk_json *e = first; e && n < VK_COUNT(all); e = e->next)
        all[n++] = e;
    vk_buf b;
    vk_buf_init(&b, 1 << 20);
    for (size_t i = 0; i < n; i++) {
        const vk_json *e = all[newest_first ? n - 1 - i : i];
        if (json) {
            vk_buf_clear(&b);
            vk_jw w = vk_jw_on(&b);
            vk_jw_value(&w, e);
            printf(VK_STR_FMT "\n", VK_STR_ARG(vk_buf_view(&b)));
        } else {
            char at[32];
            when(vk_reply_number(e, "created", 0) * 1000, at);
            printf("%s  %s  %s%-36s%s %s\n", at, vk_reply_text(r, e, "id"), vk_tone_begin(stdout, VK_BOLD),
                   vk_reply_text(r, e, "type"), vk_tone_end(stdout), vk_reply_text(r, e, "object"));
        }
        snprintf(last, LAST_MAX, "%s", vk_reply_text(r, e, "id"));
    }
    vk_buf_free(&b);
    return fflush(stdout) == 0 && b.err == VK_OK ? VK_EXIT_OK
                                                 : vk_failed("io", "The output cannot be written.");
}

static void nap(void)
{
    struct timespec t = {FOLLOW_MS / 1000, FOLLOW_MS % 1000 * 1000000L};
    while (nanosleep(&t, &t) != 0 && errno == EINTR)
        ;
}

static int follow(const char *command, const char *data, const char *id, const char *type, const char *limit,
                  bool json)
{
    char last[LAST_MAX] = "";
    int code = VK_EXIT_OK;
    for (bool first = true; code == VK_EXIT_OK; first = false) {
        char target[VK_SERVICE_TARGET];
        const char *const q[] = {
            "type", type, "limit", last[0] ? "100" : limit, "after", last[0] ? last : NULL, NULL};
        vk_reply r;
        bool ok = false;
        if (!first)
            nap();
        code = vk_service_target(command, id, "payments", "events", q, target);
        if (code == VK_EXIT_OK)
            code = vk_build_call(&(vk_build_ask){.data = data, .method = "GET", .target = target}, &r, &ok);
        if (code != VK_EXIT_OK || !ok)
            return code == VK_EXIT_OK ? VK_EXIT_FAILED : code;
        code = print_lines(&r, !last[0], json, last);
        vk_reply_free(&r);
    }
    return code;
}

/* ---- the commands */

int vk_cmd_payments_events(int argc, char **argv)
{
    bool json = false, following = false, ok = false;
    const char *data = NULL, *type = NULL, *limit = NULL, *pos[2] = {NULL, NULL};
    char target[VK_SERVICE_TARGET], call[VK_SERVICE_TARGET / 4];
    vk_reply r;
    const vk_opt opts[] = {VK_OPT_T("type", type), VK_OPT_T("limit", limit), VK_OPT_F("follow", following),
                           VK_OPT_T("data", data), VK_OPT_F("json", json),   {0}};
    if (vk_args(argc, argv, opts, pos, 1, 2, "The build's ID", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(json);
    if (pos[1] && (type || limit || following))
        return vk_usage(argv[0], "--type, --limit and --follow are for lists, not for one event.");
    if (following)
        return follow(argv[0], data, pos[0], type, limit, json);
    const char *const q[] = {"type", type, "limit", limit, NULL};
    int code = VK_EXIT_OK;
    if (pos[1] && vk_event_call(argv[0], pos[1], "", call, sizeof call) != VK_OK)
        return VK_EXIT_USAGE;
    code =
        vk_service_target(argv[0], pos[0], "payments", pos[1] ? call : "events", pos[1] ? NULL : q, target);
    if (code == VK_EXIT_OK)
        code = vk_build_call(&(vk_build_ask){.data = data, .method = "GET", .target = target}, &r, &ok);
    if (code != VK_EXIT_OK || !ok)
        return code == VK_EXIT_OK ? VK_EXIT_FAILED : code;
    if (json)
        vk_reply_print(&r);
    else
        code = pos[1] ? print_one(&r) : print_list(&r, pos[0]);
    vk_reply_free(&r);
    return code;
}

int vk_cmd_payments_resend(int argc, char **argv)
{
    bool json = false, ok = false;
    const char *data = NULL, *endpoint = NULL, *pos[2];
    char target[VK_SERVICE_TARGET], call[VK_SERVICE_TARGET / 4];
    vk_reply r;
    const vk_opt opts[] = {
        VK_OPT_T("endpoint", endpoint), VK_OPT_T("data", data), VK_OPT_F("json", json), {0}};
    if (vk_args(argc, argv, opts, pos, 2, 2, "The build's ID and an EVENT", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(json);
    if (vk_event_call(argv[0], pos[1], "/resend", call, sizeof call) != VK_OK)
        return VK_EXIT_USAGE;
    vk_buf body;
    vk_buf_init(&body, 64 << 10);
    vk_jw w = vk_jw_on(&body);
    vk_jw_obj(&w);
    if (endpoint)
        vk_jw_kstr(&w, "endpoint", vk_str_z(endpoint));
    vk_jw_obj_end(&w);
    int code = vk_service_target(argv[0], pos[0], "payments", call, NULL, target);
    if (code == VK_EXIT_OK)
        code = vk_build_call(
            &(vk_build_ask){.data = data, .method = "POST", .target = target, .body = vk_buf_view(&body)}, &r,
            &ok);
    vk_buf_free(&body);
    if (code != VK_EXIT_OK || !ok)
        return code == VK_EXIT_OK ? VK_EXIT_FAILED : code;
    int64_t n = vk_reply_number(r.json, "deliveries", 0);
    if (json)
        vk_reply_print(&r);
    else
        printf("%s✓%s %s is on its way to %lld endpoint%s. See: valetkey payments events %s %s\n",
               vk_tone_begin(stdout, VK_GOOD), vk_tone_end(stdout), pos[1], (long long)n, n == 1 ? "" : "s",
               pos[0], pos[1]);
    vk_reply_free(&r);
    return VK_EXIT_OK;
}
