/* Waiting for what is made at vendors for a build, and taking it back. */
#include "cli/build_wait.h"

#include "cli/cli.h"
#include "cli/out.h"

#include <time.h>
#include <unistd.h>

enum {
    POLL_MS = 300,
    PATIENCE_MS = 20 * 60 * 1000, /* more than keeper tries for */
    IDLE_MAX = 100,               /* polls without anything that was begun: front begins it by itself */
    LINE = 400,
};

bool vk_resource_is(const vk_json *r, const char *state)
{
    return vk_str_eqz(vk_json_str(vk_json_get(r, VK_STR("state"))), state);
}

static bool truth(const vk_json *o, const char *name)
{
    const vk_json *v = vk_json_get(o, vk_str_z(name));
    return v && v->type == VK_JSON_BOOL && v->u.b;
}

void vk_resource_text(const vk_reply *r, const vk_json *x, char *out, size_t room)
{
    const char *why = vk_reply_text(r, x, "why"), *step = vk_reply_text(r, x, "step");
    const char *state = vk_reply_text(r, x, "state");
    long long n = (long long)vk_reply_number(x, "step_n", 0),
              steps = (long long)vk_reply_number(x, "steps", 0);
    bool works = strcmp(state, "making") == 0 || strcmp(state, "ending") == 0;
    char at[160] = "";
    if (works && step[0])
        snprintf(at, sizeof at, ": %.100s (%lld of %lld)", step, n, steps);
    snprintf(out, room, "%s at %s: %s%s%s%.200s", vk_reply_text(r, x, "service"),
             vk_reply_text(r, x, "vendor"), state, at, why[0] ? "; " : "", why);
}

/* ---- progress */

typedef struct shown {
    bool tty, quiet;
    unsigned turn;
    char last[VK_BINDINGS_MAX][LINE];
} shown;

static void show_lines(shown *s, const vk_reply *r, const vk_json *list)
{
    size_t i = 0;
    for (const vk_json *x = vk_reply_items(list); x && i < VK_BINDINGS_MAX; x = x->next, i++) {
        char text[LINE];
        vk_buf safe;
        vk_resource_text(r, x, text, sizeof text);
        if (strcmp(text, s->last[i]) == 0)
            continue;
        memcpy(s->last[i], text, sizeof text);
        vk_buf_init(&safe, 4 * LINE);
        vk_text_visible(&safe, vk_str_z(text));
        fprintf(stderr, VK_STR_FMT "\n", VK_STR_ARG(vk_buf_view(&safe)));
        vk_buf_free(&safe);
    }
}

/* One line, redrawn: of the first that is not ready, and how many are. */
static void show_spinner(shown *s, const vk_reply *r, const vk_json *list)
{
    static const char *const frames[] = {"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"};
    int ready = 0, all = 0;
    char text[LINE] = "";
    for (const vk_json *x = vk_reply_items(list); x; x = x->next) {
        all++;
        ready += vk_resource_is(x, "ready");
        if (!text[0] && !vk_resource_is(x, "ready"))
            vk_resource_text(r, x, text, sizeof text);
    }
    vk_buf safe;
    vk_buf_init(&safe, 4 * LINE);
    vk_text_visible(&safe, vk_str_z(text));
    size_t n = safe.n < 100 ? safe.n : 100;
    while (n && n < safe.n && ((unsigned char)safe.p[n] & 0xc0) == 0x80)
        n--;
    fprintf(stderr, "\r\033[K%s %d of %d ready  %.*s", frames[s->turn++ % VK_COUNT(frames)], ready, all,
            (int)n, safe.p ? safe.p : "");
    vk_buf_free(&safe);
}

static void show(shown *s, const vk_reply *r)
{
    const vk_json *list = vk_json_get(r->json, VK_STR("resources"));
    if (s->quiet)
        return;
    if (s->tty)
        show_spinner(s, r, list);
    else
        show_lines(s, r, list);
}

/* ---- waiting */

static bool any(const vk_json *list, const char *state)
{
    for (const vk_json *x = vk_reply_items(list); x; x = x->next)
        if (vk_resource_is(x, state))
            return true;
    return false;
}

static void tell_failures(const vk_reply *r, bool quiet, char why[VK_WAITED_WHY])
{
    size_t n = 0;
    for (const vk_json *x = vk_reply_items(vk_json_get(r->json, VK_STR("resources"))); x; x = x->next)
        if (vk_resource_is(x, "failed")) {
            char text[LINE];
            vk_buf safe;
            vk_resource_text(r, x, text, sizeof text);
            vk_buf_init(&safe, 4 * LINE);
            vk_text_visible(&safe, vk_str_z(text));
            if (!quiet)
                fprintf(stderr, "%s✗%s " VK_STR_FMT "\n", vk_tone_begin(stderr, VK_BAD), vk_tone_end(stderr),
                        VK_STR_ARG(vk_buf_view(&safe)));
            else if (n + safe.n + 3 < VK_WAITED_WHY)
                n += (size_t)snprintf(why + n, VK_WAITED_WHY - n, VK_STR_FMT ". ",
                                      VK_STR_ARG(vk_buf_view(&safe)));
            vk_buf_free(&safe);
        }
}

vk_waited vk_build_wait(vk_api *api, const char *id, const vk_reply *first, bool quiet,
                        char why[VK_WAITED_WHY])
{
    const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
    shown s = {.tty = isatty(STDERR_FILENO) == 1, .quiet = quiet};
    char target[96];
    vk_waited out = VK_WAITED_LONG;
    int idle = 0;
    why[0] = '\0';
    snprintf(target, sizeof target, "/api/v1/builds/%s/resources", id);
    if (first && any(vk_json_get(first->json, VK_STR("resources")), "failed")) {
        tell_failures(first, quiet, why);
        return VK_WAITED_FAILED;
    }
    for (int64_t ms = 0; out == VK_WAITED_LONG && ms < PATIENCE_MS && idle < IDLE_MAX; ms += POLL_MS) {
        vk_reply r;
        int code;
        if (vk_api_call(api, "GET", target, VK_STR_NONE, VK_STR_NONE, &r) != VK_OK)
            return VK_WAITED_AWAY;
        const vk_json *list = vk_json_get(r.json, VK_STR("resources"));
        if (r.status == 503 || r.status == 429) {
            idle = 0; /* keeper is starting again: what it had begun it goes on with */
        } else if (r.status < 200 || r.status > 299) {
            if (s.tty && !quiet)
                fputs("\r\033[K", stderr);
            if (!vk_reply_ok(&r, &code))
                out = VK_WAITED_AWAY;
        } else {
            show(&s, &r);
            if (truth(r.json, "complete"))
                out = VK_WAITED_READY;
            else if (any(list, "failed"))
                out = VK_WAITED_FAILED;
            else if (!vk_reply_items(list))
                idle++;
        }
        if (out != VK_WAITED_LONG && s.tty && !quiet)
            fputs("\r\033[K", stderr);
        if (out == VK_WAITED_FAILED)
            tell_failures(&r, quiet, why);
        vk_reply_free(&r);
        if (out == VK_WAITED_LONG)
            nanosleep(&pause, NULL);
    }
    return out;
}

/* ---- taking back */

int vk_build_take_back(vk_api *api, const char *id)
{
    char target[96];
    vk_reply r;
    int left = 0, code;
    snprintf(target, sizeof target, "/api/v1/builds/%s", id);
    if (vk_api_call(api, "DELETE", target, VK_STR_NONE, VK_STR_NONE, &r) != VK_OK)
        return -1;
    bool ok = vk_reply_ok(&r, &code);
    vk_reply_free(&r);
    if (!ok)
        return -1;
    snprintf(target, sizeof target, "/api/v1/resources?limit=64&build=%s", id);
    if (vk_api_call(api, "GET", target, VK_STR_NONE, VK_STR_NONE, &r) != VK_OK)
        return -1;
    for (const vk_json *x = r.status == 200 ? vk_reply_items(vk_json_get(r.json, VK_STR("resources"))) : NULL;
         x; x = x->next) {
        char text[LINE];
        vk_buf safe;
        snprintf(text, sizeof text, "%s at %s: \"%s\" is being ended", vk_reply_text(&r, x, "service"),
                 vk_reply_text(&r, x, "vendor"), vk_reply_text(&r, x, "name"));
        vk_buf_init(&safe, 4 * LINE);
        vk_text_visible(&safe, vk_str_z(text));
        fprintf(stderr, "%s!%s " VK_STR_FMT "\n", vk_tone_begin(stderr, VK_NOTICE), vk_tone_end(stderr),
                VK_STR_ARG(vk_buf_view(&safe)));
        vk_buf_free(&safe);
        left++;
    }
    vk_reply_free(&r);
    return left;
}
