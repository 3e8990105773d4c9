/* doctor: the organisation's keys, the key that entries are sealed to, and builds that share something. */
#include "cli/doctor.h"
#include "core/clock.h"
#include "store/store.h"

enum { OLD_DAYS = 365, SHARED_SHOWN = 5 };

static void check_box(vk_doctor *d, vk_api *api)
{
    vk_reply r;
    if (vk_api_call(api, "GET", "/api/v1/keys/sealing", VK_STR_NONE, VK_STR_NONE, &r) != VK_OK)
        return;
    if (r.status == 200 && r.json)
        vk_doctor_say(d, VK_FINE, "sealing key",
                      "%s: what `valetkey keys set --fingerprint` elsewhere must name",
                      vk_reply_text(&r, r.json, "fingerprint"));
    else
        vk_doctor_say(d, VK_WRONG, "sealing key", "is not to be had (status %d): no keys can be entered",
                      r.status);
    vk_reply_free(&r);
}

/* Days since a time as the API writes it; -1: none. */
static int64_t days_since(const char *iso)
{
    int64_t ms;
    if (vk_clock_parse(vk_str_z(iso), &ms) != VK_OK)
        return -1;
    return (vk_clock_wall_ms() - ms) / ((int64_t)86400 * 1000);
}

static void check_one(vk_doctor *d, const vk_reply *r, const vk_json *k)
{
    const char *vendor = vk_reply_text(r, k, "vendor"), *build = vk_reply_text(r, k, "build");
    const char *state = vk_reply_text(r, k, "state"), *why = vk_reply_text(r, k, "why");
    const vk_json *check = vk_json_opt(k, VK_STR("check")), *ok = vk_json_get(check, VK_STR("ok"));
    int64_t days = days_since(vk_reply_text(r, k, "set_at"));
    char whose[VK_BUILD_ID_MAX + VK_SERVICE_MAX + 16];
    snprintf(whose, sizeof whose, "%.16s%s%.32s", vendor, build[0] ? " of " : "", build);
    if (strcmp(state, "ready") != 0)
        vk_doctor_say(d, VK_WRONG, "keys", "%s: %s. %s%s%s", whose,
                      strcmp(state, "rolled_back") == 0 ? "rolled back" : state, why, why[0] ? " " : "",
                      build[0] ? "Enter them again (valetkey build use)" : "`valetkey keys set` enters them");
    else if (ok && ok->type == VK_JSON_BOOL && !ok->u.b)
        vk_doctor_say(d, VK_KNOW, "keys",
                      "%s: the vendor did not take them at the last check (valetkey keys "
                      "check %s)",
                      whose, vendor);
    else if (days > OLD_DAYS)
        vk_doctor_say(d, VK_KNOW, "keys",
                      "%s: %lld days old; put others in their place (valetkey keys rotate "
                      "%s)",
                      whose, (long long)days, vendor);
    else if (!build[0])
        vk_doctor_say(d, VK_FINE, "keys", "%s: ready, from %s", whose,
                      strcmp(vk_reply_text(r, k, "from"), "vault") == 0         ? "the vault"
                      : strcmp(vk_reply_text(r, k, "from"), "environment") == 0 ? "the environment"
                                                                                : "a systemd credential");
}

static void check_keys(vk_doctor *d, vk_api *api)
{
    vk_reply r;
    if (vk_api_call(api, "GET", "/api/v1/keys?limit=1000", VK_STR_NONE, VK_STR_NONE, &r) != VK_OK)
        return;
    if (r.status != 200 || !r.json)
        vk_doctor_say(d, VK_WRONG, "keys", "cannot be listed (status %d)", r.status);
    else
        for (const vk_json *k = vk_reply_items(vk_json_get(r.json, VK_STR("keys"))); k; k = k->next)
            check_one(d, &r, k);
    vk_reply_free(&r);
}

/* What is still alive at vendors though nobody wants it, and what could not be made. */
static void check_resources(vk_doctor *d, vk_api *api, const char *state, const char *what, const char *todo)
{
    char target[96];
    vk_reply r;
    size_t n = 0;
    snprintf(target, sizeof target, "/api/v1/resources?limit=1000&state=%s", state);
    if (vk_api_call(api, "GET", target, VK_STR_NONE, VK_STR_NONE, &r) != VK_OK)
        return;
    const vk_json *first = r.status == 200 ? vk_reply_items(vk_json_get(r.json, VK_STR("resources"))) : NULL;
    for (const vk_json *x = first; x; x = x->next)
        n++;
    if (n)
        vk_doctor_say(d, VK_KNOW, "resources", "%zu %s, such as \"%.63s\" at %.16s: %.200s (%s)", n, what,
                      vk_reply_text(&r, first, "name"), vk_reply_text(&r, first, "vendor"),
                      vk_reply_text(&r, first, "why")[0] ? vk_reply_text(&r, first, "why") : "under way",
                      todo);
    vk_reply_free(&r);
}

void vk_doctor_keys(vk_doctor *d, vk_api *api)
{
    check_box(d, api);
    check_keys(d, api);
    check_resources(d, api, "ending", "still alive at vendors, and being ended",
                    "valetkey build resources --ending");
    check_resources(d, api, "failed", "could not be made", "valetkey build provision ID");
}

/* ---- builds */

void vk_doctor_shared_add(vk_doctor_shared *s, const vk_reply *r, const vk_json *build)
{
    const vk_json *services = vk_json_get(build, VK_STR("services"));
    const vk_json *one = services && services->type == VK_JSON_OBJECT ? services->u.child : NULL;
    for (; one; one = one->next) {
        const vk_json *shared = vk_json_get(one, VK_STR("shared"));
        if (!shared || shared->type != VK_JSON_BOOL || !shared->u.b)
            continue;
        if (s->n++ < SHARED_SHOWN && s->at < sizeof s->text)
            s->at += (size_t)snprintf(s->text + s->at, sizeof s->text - s->at, "%s%s of %s (%.60s)",
                                      s->at ? ", " : "", vk_arena_dup(r->arena, one->key).p,
                                      vk_reply_text(r, build, "id"), vk_reply_text(r, one, "isolation"));
    }
}

void vk_doctor_shared_say(vk_doctor *d, const vk_doctor_shared *s)
{
    if (s->n > SHARED_SHOWN)
        vk_doctor_say(d, VK_KNOW, "shared",
                      "%s, and %zu more: nothing of the vendor's keeps these builds apart", s->text,
                      s->n - SHARED_SHOWN);
    else if (s->n)
        vk_doctor_say(d, VK_KNOW, "shared", "%s: nothing of the vendor's keeps these builds apart", s->text);
}
