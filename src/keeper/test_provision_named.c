/* Applications at Clerk and accounts at Stripe, step by step, with answers that are given by hand: what is
 * sent, what is kept, and what is refused of a vendor that lies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "keeper/org_in.h"
#include "keeper/provision_in.h"
#include "keeper/vendor_clerk.h"
#include "keeper/vendor_stripe.h"

#include <sodium.h>

#define NAME "build-shop-abc2de3f"
/* Hosts in base64, as publishable keys have them: funny-cat-7.clerk.accounts.dev$, evil.example.com$,
 * shop.vk_accounts.dev$. */
#define PK "pk_test_ZnVubnktY2F0LTcuY2xlcmsuYWNjb3VudHMuZGV2JA"
#define PK_EVIL "pk_test_ZXZpbC5leGFtcGxlLmNvbSQ"
#define PK_OURS "pk_test_c2hvcC52a19hY2NvdW50cy5kZXYk"
#define SK                                                                                                   \
    "sk_test_"                                                                                               \
    "for_this_test_only"
#define SK_LIVE                                                                                              \
    "sk_live_"                                                                                               \
    "for_this_test_only"

/* One job, without an engine. */
typedef struct rig {
    vk_prov_run run;
    vk_prov_job job;
    vk_prov_vendor at;
    vk_org org;
    vk_buf carry;
    vk_prov_request request;
    char path[512], body[4096];
    const char *why;
} rig;

static vk_prov *begin(rig *r, const char *vendor)
{
    memset(r, 0, sizeof *r);
    const vk_vendor *v = vk_vendor_of(vk_str_z(vendor));
    r->org = (vk_org){.vendor = v, .fields = v->fields, .state = VK_ORG_READY};
    r->at = (vk_prov_vendor){.vendor = v, .how = v->provisioner};
    r->job.at = &r->at;
    r->run.job = &r->job;
    vk_buf_init(&r->carry, VK_PROV_BODY_MAX);
    vk_prov *p = &r->run.p;
    p->vendor = v;
    p->org = &r->org;
    p->tag = "abc";
    p->carry = &r->carry;
    p->now_ms = INT64_C(1764400000000);
    p->arena = vk_arena_new(1024 * 1024);
    snprintf(p->name, sizeof p->name, NAME);
    snprintf(p->build, sizeof p->build, "shop");
    assert_non_null(p->arena);
    return p;
}

static void over(rig *r)
{
    vk_buf_free(&r->carry);
    vk_arena_free(r->run.p.arena);
}

static void text_of(char *out, size_t room, vk_str s)
{
    assert_true(s.n < room);
    memcpy(out, s.p ? s.p : "", s.n);
    out[s.n] = '\0';
}

/* What the step asks: "POST /v1/accounts". */
static void asks(rig *r, const vk_prov_step *s, const char *want)
{
    char got[600];
    r->request = (vk_prov_request){.method = NULL};
    r->why = NULL;
    assert_int_equal(s->ask(&r->run.p, &r->request, &r->why), VK_OK);
    text_of(r->path, sizeof r->path, r->request.path);
    text_of(r->body, sizeof r->body, r->request.body);
    snprintf(got, sizeof got, "%s %s", r->request.method, r->path);
    assert_string_equal(got, want);
}

static vk_err took(rig *r, const vk_prov_step *s, int status, const char *answer)
{
    vk_json *body = NULL;
    vk_prov *p = &r->run.p;
    p->soon = false;
    r->why = NULL;
    if (answer)
        assert_int_equal(vk_json_parse(p->arena, vk_str_z(answer), &body, NULL, NULL), VK_OK);
    vk_err e = s->took(p, status, body, &r->why);
    assert_true(e == VK_OK || e == VK_AGAIN || e == VK_E_BUSY || (r->why && *r->why));
    return e;
}

static void noted(rig *r, const char *name, const char *want)
{
    vk_str got = vk_prov_noted(&r->run.p, name);
    if (!want)
        assert_false(got.n);
    else if (!vk_str_eqz(got, want))
        fail_msg("%s is %.*s", name, (int)got.n, got.p ? got.p : "");
}

static void kept(rig *r, const char *field, const char *want)
{
    for (size_t i = 0; i < r->run.n_sets; i++)
        if (strcmp(r->run.sets[i].name, field) == 0) {
            assert_true(want && vk_str_eqz(vk_secret_bytes(r->run.sets[i].value), want));
            return;
        }
    assert_null(want);
}

static const vk_prov_step *step(const vk_prov_step *list, const char *op)
{
    while (list->what && strcmp(list->op, op) != 0)
        list++;
    assert_non_null(list->what);
    return list;
}

/* ---- Clerk */

#define APP "{\"application_id\":\"app_1\",\"name\":\"" NAME "\",\"instances\":[]}"
#define TWIN "{\"application_id\":\"app_2\",\"name\":\"" NAME "\",\"instances\":[]}"
#define OTHER "{\"application_id\":\"app_9\",\"name\":\"production\",\"instances\":[]}"
#define KEYS(id, name, pk, sk)                                                                               \
    "{\"application_id\":\"" id "\",\"name\":\"" name "\",\"instances\":[{\"instance_id\":\"ins_1\","        \
    "\"environment_type\":\"development\",\"publishable_key\":\"" pk "\",\"secret_key\":\"" sk "\"}]}"
#define GONE "{\"errors\":[{\"code\":\"resource_not_found\",\"message\":\"not found\"}]}"

static void clerk_makes(void **state)
{
    rig r;
    VK_UNUSED(state);
    vk_prov *p = begin(&r, "clerk");
    const vk_prov_step *make = vk_provision_clerk.make, *create = step(make, "applications.create"),
                       *keys = step(make, "applications.get"), *twins = step(make, "applications.twins");
    asks(&r, create, "POST /v1/platform/applications");
    assert_string_equal(r.body, "{\"name\":\"" NAME "\",\"environment_types\":[\"development\"]}");
    assert_false(r.request.again);
    assert_int_equal(took(&r, create, 200, APP), VK_OK);
    noted(&r, "id", "app_1");
    assert_false(twins->needed(p));
    asks(&r, keys, "GET /v1/platform/applications/app_1?include_secret_keys=true");
    assert_int_equal(took(&r, keys, 200, KEYS("app_1", NAME, PK, SK)), VK_OK);
    kept(&r, "publishable_key", PK);
    kept(&r, "secret_key", SK);
    noted(&r, "instance", "ins_1");
    over(&r);
}

/* Nothing is known of the first try. */
static void clerk_looks_first(void **state)
{
    rig r;
    VK_UNUSED(state);
    const vk_prov_step *make = vk_provision_clerk.make, *create = step(make, "applications.create"),
                       *twins = step(make, "applications.twins");
    vk_prov *p = begin(&r, "clerk");
    p->tried = true;
    asks(&r, create, "GET /v1/platform/applications");
    assert_int_equal(took(&r, create, 200, "[" OTHER "]"), VK_AGAIN);
    assert_true(p->soon);
    p->tried = false; /* that one was answered */
    asks(&r, create, "POST /v1/platform/applications");
    p->tried = true; /* this one was not */
    asks(&r, create, "GET /v1/platform/applications");
    p->tried = true; /* nor this */
    asks(&r, create, "GET /v1/platform/applications");
    assert_int_equal(took(&r, create, 200, "[" OTHER "," APP "," TWIN "]"), VK_OK);
    noted(&r, "id", "app_1");
    assert_true(twins->needed(p));
    p->tried = false;
    vk_buf_clear(&r.carry); /* another step */
    asks(&r, twins, "GET /v1/platform/applications");
    assert_int_equal(took(&r, twins, 200, "[" OTHER "," APP "," TWIN "]"), VK_AGAIN);
    asks(&r, twins, "DELETE /v1/platform/applications/app_2");
    assert_int_equal(took(&r, twins, 200, "{\"deleted\":true,\"id\":\"app_2\"}"), VK_AGAIN);
    asks(&r, twins, "GET /v1/platform/applications");
    assert_int_equal(took(&r, twins, 200, "[" OTHER "," APP "]"), VK_OK);
    over(&r);
}

static void clerk_refuses(void **state)
{
    static const struct {
        int status;
        const char *answer, *why;
        vk_err e;
    } creates[] = {
        {200, "{\"application_id\":\"app_1\",\"name\":\"another\"}", "another name", VK_E_INVALID},
        {200, "{\"application_id\":\"app_1/../app_9\",\"name\":\"" NAME "\"}", "without an id", VK_E_INVALID},
        {200, "{\"application_id\":\"ins_1\",\"name\":\"" NAME "\"}", "without an id", VK_E_INVALID},
        {200, "{\"application_id\":\"app_\",\"name\":\"" NAME "\"}", "without an id", VK_E_INVALID},
        {200, "{\"name\":\"" NAME "\"}", "without an id", VK_E_INVALID},
        {200, "[]", "without an id", VK_E_INVALID},
        {200, NULL, "without an id", VK_E_INVALID},
        {401, "{\"errors\":[{\"message\":\"no such token\"}]}", "no such token", VK_E_FORBIDDEN},
        {403, "{\"errors\":[{\"message\":\"Missing scopes\"}]}", "Missing scopes", VK_E_FORBIDDEN},
        {402, "{\"errors\":[{\"message\":\"pay\"}]}", "pay", VK_E_FULL},
        {422, "{\"errors\":[{\"message\":\"as many as the plan allows\"}]}", "plan allows", VK_E_INVALID},
    };
    static const struct {
        const char *answer, *why;
        vk_err e;
    } keys[] = {
        {KEYS("app_2", NAME, PK, SK), "another id", VK_E_INVALID},
        {KEYS("app_1", "production", PK, SK), "another name", VK_E_INVALID},
        {KEYS("app_1", NAME, PK_EVIL, SK), "none of a development instance", VK_E_INVALID},
        {KEYS("app_1", NAME, PK_OURS, SK), "none of a development instance", VK_E_INVALID},
        {KEYS("app_1", NAME, PK, SK_LIVE), "none of a development instance", VK_E_INVALID},
        {KEYS("app_1", NAME, "pk_live_ZnVubnktY2F0LTcuY2xlcmsuYWNjb3VudHMuZGV2JA", SK),
         "none of a development instance", VK_E_INVALID},
        {KEYS("app_1", NAME, PK, "sk_test_x\\r\\nX: y"), "secret key", VK_E_FORBIDDEN},
        {KEYS("app_1", NAME, PK, ""), "right to read secret keys", VK_E_FORBIDDEN},
        {APP, "no one instance", VK_E_INVALID},
        {"{\"application_id\":\"app_1\",\"name\":\"" NAME "\",\"instances\":[{\"instance_id\":\"ins_1\","
         "\"environment_type\":\"production\",\"publishable_key\":\"" PK "\",\"secret_key\":\"" SK "\"}]}",
         "no one instance", VK_E_INVALID},
        {"{\"application_id\":\"app_1\",\"name\":\"" NAME "\",\"instances\":["
         "{\"instance_id\":\"ins_1\",\"environment_type\":\"development\"},"
         "{\"instance_id\":\"ins_2\",\"environment_type\":\"development\"}]}",
         "no one instance", VK_E_INVALID},
    };
    static const char *const lists[] = {"{}", "{\"data\":[]}", "\"x\"", NULL};
    VK_UNUSED(state);
    const vk_prov_step *create = step(vk_provision_clerk.make, "applications.create"),
                       *get = step(vk_provision_clerk.make, "applications.get");
    for (size_t i = 0; i < VK_COUNT(creates); i++) {
        rig r;
        begin(&r, "clerk");
        asks(&r, create, "POST /v1/platform/applications");
        assert_int_equal(took(&r, create, creates[i].status, creates[i].answer), creates[i].e);
        assert_non_null(strstr(r.why, creates[i].why));
        noted(&r, "id", NULL);
        over(&r);
    }
    for (size_t i = 0; i < VK_COUNT(keys); i++) {
        rig r;
        vk_prov *p = begin(&r, "clerk");
        assert_int_equal(vk_prov_note(p, "id", VK_STR("app_1")), VK_OK);
        assert_int_equal(took(&r, get, 200, keys[i].answer), keys[i].e);
        assert_non_null(strstr(r.why, keys[i].why));
        kept(&r, "secret_key", NULL);
        kept(&r, "publishable_key", NULL);
        over(&r);
    }
    for (size_t i = 0; i < VK_COUNT(lists); i++) {
        rig r;
        vk_prov *p = begin(&r, "clerk");
        p->tried = true;
        asks(&r, create, "GET /v1/platform/applications");
        assert_int_equal(took(&r, create, 200, lists[i]), VK_E_INVALID);
        noted(&r, "id", NULL);
        over(&r);
    }
}

static void clerk_ends(void **state)
{
    rig r;
    VK_UNUSED(state);
    vk_prov *p = begin(&r, "clerk");
    const vk_prov_step *end = vk_provision_clerk.end, *del = step(end, "applications.delete"),
                       *rest = step(end, "applications.list"), *gone = step(end, "applications.get"),
                       *rotate = vk_provision_clerk.suspend;
    assert_false(del->needed(p) || gone->needed(p) || rotate->needed(p)); /* it may never have been made */
    assert_int_equal(vk_prov_note(p, "id", VK_STR("app_1")), VK_OK);
    asks(&r, rotate, "POST /v1/platform/applications/app_1/rotate_secret_keys");
    assert_non_null(strstr(r.body, "\"delay_old_secrets_expiration_hours\":0"));
    assert_int_equal(took(&r, rotate, 200, KEYS("app_1", NAME, PK, SK)), VK_OK);
    kept(&r, "secret_key", NULL);
    assert_int_equal(took(&r, rotate, 404, GONE), VK_OK);
    assert_int_equal(took(&r, rotate, 403, "{}"), VK_E_FORBIDDEN);
    asks(&r, del, "DELETE /v1/platform/applications/app_1");
    assert_int_equal(took(&r, del, 200, "{\"deleted\":true}"), VK_OK);
    assert_int_equal(took(&r, del, 404, GONE), VK_OK);
    assert_int_equal(took(&r, del, 404, "{}"), VK_E_NOT_FOUND); /* somebody else's 404 */
    assert_int_equal(took(&r, del, 403, "{}"), VK_E_FORBIDDEN);
    asks(&r, rest, "GET /v1/platform/applications");
    assert_int_equal(took(&r, rest, 200, "[" OTHER "," APP "," TWIN "]"), VK_AGAIN);
    asks(&r, rest, "DELETE /v1/platform/applications/app_1");
    assert_int_equal(took(&r, rest, 404, GONE), VK_AGAIN);
    asks(&r, rest, "DELETE /v1/platform/applications/app_2");
    assert_int_equal(took(&r, rest, 200, "{}"), VK_AGAIN);
    asks(&r, rest, "GET /v1/platform/applications");
    assert_int_equal(took(&r, rest, 200, "[" OTHER "]"), VK_OK);
    asks(&r, gone, "GET /v1/platform/applications/app_1");
    assert_int_equal(took(&r, gone, 200, APP), VK_AGAIN);
    assert_int_equal(took(&r, gone, 404, NULL), VK_E_NOT_FOUND);
    assert_int_equal(took(&r, gone, 401, NULL), VK_E_FORBIDDEN);
    assert_int_equal(took(&r, gone, 404, GONE), VK_OK);
    over(&r);
}

static void clerk_wanted(void **state)
{
    rig r;
    VK_UNUSED(state);
    begin(&r, "clerk");
    vk_binding none = {.resource = VK_STR("{}")},
               own = {.resource = VK_STR("{\"publishable_key\":\"" PK "\"}")};
    assert_false(vk_provision_clerk.wanted(&r.org, &none));
    r.org.values[vk_org_index(&r.org, VK_STR("platform_token"))] = vk_secret_of(VK_STR("token"));
    assert_true(vk_provision_clerk.wanted(&r.org, &none));
    assert_false(vk_provision_clerk.wanted(&r.org, &own));
    r.org.values[vk_org_index(&r.org, VK_STR("secret_key"))] = vk_secret_of(VK_STR(SK));
    assert_false(vk_provision_clerk.wanted(&r.org, &none));
    over(&r);
}

/* The build's own key goes out, and only when front's copy of whose it is agrees. */
static void clerk_orders(void **state)
{
#define OWN_PK "{\"publishable_key\":\"" PK "\"}"
#define ORG_SK                                                                                               \
    "sk_test_"                                                                                               \
    "of_the_organisation"
    static const struct {
        bool org, own;
        const char *bound, *key;
        vk_err e;
    } cases[] = {
        {true, false, "{}", ORG_SK, VK_OK},
        {true, true, OWN_PK, SK, VK_OK},
        {false, true, OWN_PK, SK, VK_OK},
        {false, true, "{}", NULL, VK_E_UNAVAILABLE},
        {true, true, "{}", NULL, VK_E_UNAVAILABLE},
        {true, false, OWN_PK, NULL, VK_E_UNAVAILABLE},
        {true, true, "{\"publishable_key\":\"" PK_EVIL "\"}", NULL, VK_E_FORBIDDEN},
        {false, false, "{}", NULL, VK_E_UNAVAILABLE},
    };
    const vk_vendor *v = vk_vendor_of(VK_STR("clerk"));
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_arena *a = vk_arena_new(64 * 1024);
        vk_org org = {.vendor = v, .fields = v->fields, .state = VK_ORG_READY},
               own = {.vendor = v, .fields = v->own, .state = VK_ORG_READY};
        vk_binding b = {.resource = vk_str_z(cases[i].bound)};
        const char *why = NULL;
        char text[1024];
        vk_buf lines;
        vk_buf_init(&lines, 1024);
        if (cases[i].org)
            org.values[vk_org_index(&org, VK_STR("secret_key"))] = vk_secret_of(VK_STR(ORG_SK));
        if (cases[i].own) {
            own.values[vk_org_index(&own, VK_STR("secret_key"))] = vk_secret_of(VK_STR(SK));
            own.values[vk_org_index(&own, VK_STR("publishable_key"))] = vk_secret_of(VK_STR(PK));
        }
        vk_order o = {.vendor = v,
                      .org = &org,
                      .own = cases[i].own ? &own : NULL,
                      .binding = &b,
                      .build = "shop",
                      .method = VK_STR("GET"),
                      .path = VK_STR("/v1/users"),
                      .arena = a,
                      .lines = &lines};
        assert_int_equal(v->order(&o, &why), cases[i].e);
        text_of(text, sizeof text, vk_buf_view(&lines));
        if (cases[i].e == VK_OK)
            assert_true(strstr(text, cases[i].key) && vk_str_eqz(o.to_host, "api.clerk.com"));
        else
            assert_true(why && !strstr(text, "sk_test_"));
        vk_buf_free(&lines);
        vk_arena_free(a);
    }
}

/* ---- Stripe */

#define ACCOUNT(id, name, enabled)                                                                           \
    "{\"id\":\"" id "\",\"object\":\"account\",\"charges_enabled\":" enabled                                 \
    ",\"created\":1764400000,\"metadata\":{\"valetkey\":\"" name "\"}}"
#define INVALID "{\"error\":{\"code\":\"account_invalid\",\"message\":\"no access\"}}"
#define PAGE(more, ...) "{\"object\":\"list\",\"has_more\":" more ",\"data\":[" __VA_ARGS__ "]}"

static void stripe_makes(void **state)
{
    rig r;
    char lines[256];
    VK_UNUSED(state);
    vk_prov *p = begin(&r, "stripe");
    const vk_prov_step *make = vk_provision_stripe.make, *create = step(make, "accounts.create"),
                       *ready = step(make, "accounts.retrieve");
    asks(&r, create, "POST /v1/accounts");
    text_of(lines, sizeof lines, r.request.lines);
    assert_string_equal(lines, "Idempotency-Key: " NAME "-1764399960\r\n");
    assert_true(vk_str_eqz(r.request.content_type, "application/x-www-form-urlencoded"));
    static const char *const parts[] = {
        "&metadata[valetkey]=" NAME, "controller[requirement_collection]=application",
        "&capabilities[card_payments][requested]=true", "&tos_acceptance[date]=1764399960&"};
    for (size_t i = 0; i < VK_COUNT(parts); i++)
        assert_non_null(strstr(r.body, parts[i]));
    assert_null(strstr(r.body, "type=custom"));
    assert_int_equal(took(&r, create, 200, ACCOUNT("acct_1OwnBuild", NAME, "false")), VK_OK);
    noted(&r, "id", "acct_1OwnBuild");
    asks(&r, ready, "GET /v1/accounts/acct_1OwnBuild");
    assert_int_equal(took(&r, ready, 200, ACCOUNT("acct_1OwnBuild", NAME, "false")), VK_AGAIN);
    kept(&r, "account", NULL);
    assert_int_equal(took(&r, ready, 200, ACCOUNT("acct_1OwnBuild", NAME, "true")), VK_OK);
    kept(&r, "account", "acct_1OwnBuild");
    VK_UNUSED(p);
    over(&r);
}

static void stripe_pages(void **state)
{
    rig r;
    VK_UNUSED(state);
    const vk_prov_step *create = step(vk_provision_stripe.make, "accounts.create"),
                       *rest = step(vk_provision_stripe.end, "accounts.list"),
                       *list = vk_provision_stripe.list;
    vk_prov *p = begin(&r, "stripe");
    p->tried = true;
    asks(&r, create, "GET /v1/accounts?limit=50");
    assert_int_equal(took(&r, create, 200, PAGE("true", ACCOUNT("acct_1A", "x", "true"))), VK_AGAIN);
    p->tried = false;
    asks(&r, create, "GET /v1/accounts?limit=50&starting_after=acct_1A");
    p->tried = true; /* this page is asked again, and not the first */
    asks(&r, create, "GET /v1/accounts?limit=50&starting_after=acct_1A");
    assert_int_equal(took(&r, create, 200, PAGE("false", ACCOUNT("acct_1OwnBuild", NAME, "true"))), VK_OK);
    noted(&r, "id", "acct_1OwnBuild");
    vk_buf_clear(&r.carry);
    asks(&r, rest, "GET /v1/accounts?limit=50");
    assert_int_equal(took(&r, rest, 200, PAGE("true", ACCOUNT("acct_1OwnBuild", NAME, "true"))), VK_AGAIN);
    asks(&r, rest, "GET /v1/accounts?limit=50&starting_after=acct_1OwnBuild");
    assert_int_equal(
        took(&r, rest, 200,
             PAGE("false", ACCOUNT("acct_1B", NAME "x", "true") "," ACCOUNT("acct_1C", NAME, "true"))),
        VK_AGAIN);
    asks(&r, rest, "DELETE /v1/accounts/acct_1OwnBuild");
    assert_int_equal(took(&r, rest, 403, INVALID), VK_AGAIN);
    asks(&r, rest, "DELETE /v1/accounts/acct_1C");
    assert_int_equal(took(&r, rest, 403, "{\"error\":{\"message\":\"not allowed\"}}"), VK_E_FORBIDDEN);
    asks(&r, rest, "DELETE /v1/accounts/acct_1C"); /* it is not forgotten */
    assert_int_equal(took(&r, rest, 200, "{\"deleted\":true}"), VK_AGAIN);
    asks(&r, rest, "GET /v1/accounts?limit=50");
    assert_int_equal(took(&r, rest, 200, PAGE("false", "")), VK_OK);
    vk_buf_clear(&r.carry);
    /* One that has no end. */
    asks(&r, list, "GET /v1/accounts?limit=50");
    assert_int_equal(took(&r, list, 200, PAGE("true", "")), VK_E_INVALID);
    assert_int_equal(took(&r, list, 200, PAGE("true", "{\"id\":\"acct_1?x=\"}")), VK_E_INVALID);
    assert_int_equal(took(&r, list, 200, "{\"data\":[]}"), VK_E_INVALID);
    vk_buf_lit(&r.carry, "1999 acct_1A|");
    assert_int_equal(took(&r, list, 200, PAGE("true", "{\"id\":\"acct_1B\"}")), VK_AGAIN);
    assert_int_equal(took(&r, list, 200, PAGE("true", "{\"id\":\"acct_1B\"}")),
                     VK_E_INVALID); /* the same again */
    assert_int_equal(took(&r, list, 200, PAGE("true", "{\"id\":\"acct_1C\"}")), VK_E_INVALID); /* too many */
    over(&r);
}

static void stripe_refuses(void **state)
{
    static const struct {
        int status;
        const char *answer, *why;
        vk_err e;
    } creates[] = {
        {400,
         "{\"error\":{\"message\":\"You can only create new accounts if you've signed up for Connect.\"}}",
         "soft=yes", VK_E_FORBIDDEN},
        {400, "{\"error\":{\"message\":\"Please review the responsibilities of managing losses\"}}",
         "platform profile", VK_E_FORBIDDEN},
        {400, "{\"error\":{\"message\":\"Country is not valid\"}}", "Country is not valid", VK_E_INVALID},
        {409, "{\"error\":{\"code\":\"idempotency_key_in_use\"}}", NULL, VK_E_BUSY},
        {401, "{\"error\":{\"message\":\"Invalid API Key\"}}", "Invalid API Key", VK_E_FORBIDDEN},
        {200, ACCOUNT("acct_1OwnBuild", "another", "true"), "another name", VK_E_INVALID},
        {200, ACCOUNT("cus_1", NAME, "true"), "without an id", VK_E_INVALID},
        {200, ACCOUNT("acct_1\\u0041 b", NAME, "true"), "without an id", VK_E_INVALID},
        {200, ACCOUNT("acct_1,acct_2", NAME, "true"), "without an id", VK_E_INVALID},
        {200, "{\"id\":\"acct_1OwnBuild\"}", "another name", VK_E_INVALID},
    };
    static const struct {
        const char *answer, *why;
        vk_err e;
    } readies[] = {
        {ACCOUNT("acct_1Else", NAME, "true"), "another id", VK_E_INVALID},
        {ACCOUNT("acct_1OwnBuild", "another", "true"), "another name", VK_E_INVALID},
        {ACCOUNT("acct_1OwnBuild", NAME, "\"yes\""), "no account", VK_E_INVALID},
        {"{\"id\":\"acct_1OwnBuild\",\"metadata\":{\"valetkey\":\"" NAME
         "\"},\"charges_enabled\":false,\"requirements\":"
         "{\"currently_due\":[\"individual.id_number\"],\"pending_verification\":[]}}",
         "individual.id_number", VK_E_FORBIDDEN},
        {"{\"id\":\"acct_1OwnBuild\",\"metadata\":{\"valetkey\":\"" NAME
         "\"},\"charges_enabled\":false,\"requirements\":"
         "{\"currently_due\":[],\"disabled_reason\":\"rejected.fraud\"}}",
         "rejected.fraud", VK_E_FORBIDDEN},
        {"{\"id\":\"acct_1OwnBuild\",\"metadata\":{\"valetkey\":\"" NAME
         "\"},\"charges_enabled\":false,\"requirements\":"
         "{\"currently_due\":[\"individual.id_number\"],\"pending_verification\":[\"x\"]}}",
         NULL, VK_AGAIN},
    };
    VK_UNUSED(state);
    const vk_prov_step *create = step(vk_provision_stripe.make, "accounts.create"),
                       *ready = step(vk_provision_stripe.make, "accounts.retrieve");
    for (size_t i = 0; i < VK_COUNT(creates); i++) {
        rig r;
        begin(&r, "stripe");
        asks(&r, create, "POST /v1/accounts");
        assert_int_equal(took(&r, create, creates[i].status, creates[i].answer), creates[i].e);
        assert_true(!creates[i].why || strstr(r.why, creates[i].why));
        noted(&r, "id", NULL);
        over(&r);
    }
    for (size_t i = 0; i < VK_COUNT(readies); i++) {
        rig r;
        vk_prov *p = begin(&r, "stripe");
        assert_int_equal(vk_prov_note(p, "id", VK_STR("acct_1OwnBuild")), VK_OK);
        assert_int_equal(took(&r, ready, 200, readies[i].answer), readies[i].e);
        assert_true(!readies[i].why || strstr(r.why, readies[i].why));
        kept(&r, "account", NULL);
        over(&r);
    }
}

static void stripe_ends(void **state)
{
    rig r;
    VK_UNUSED(state);
    vk_prov *p = begin(&r, "stripe");
    const vk_prov_step *end = vk_provision_stripe.end, *del = step(end, "accounts.delete"),
                       *gone = step(end, "accounts.retrieve");
    assert_false(del->needed(p) || gone->needed(p));
    assert_int_equal(vk_prov_note(p, "id", VK_STR("acct_1OwnBuild")), VK_OK);
    asks(&r, del, "DELETE /v1/accounts/acct_1OwnBuild");
    assert_true(r.request.again);
    assert_int_equal(took(&r, del, 200, "{\"deleted\":true}"), VK_OK);
    assert_int_equal(took(&r, del, 403, INVALID), VK_OK);
    asks(&r, gone, "GET /v1/accounts/acct_1OwnBuild");
    assert_int_equal(took(&r, gone, 200, ACCOUNT("acct_1OwnBuild", NAME, "true")), VK_AGAIN);
    assert_int_equal(took(&r, gone, 200, "{\"id\":\"acct_1OwnBuild\",\"deleted\":true}"), VK_OK);
    assert_int_equal(took(&r, gone, 403, "{\"error\":{\"message\":\"the key may not\"}}"), VK_E_FORBIDDEN);
    assert_int_equal(took(&r, gone, 404, "{}"), VK_E_NOT_FOUND);
    assert_int_equal(took(&r, gone, 404, "{\"error\":{\"code\":\"resource_missing\"}}"), VK_OK);
    assert_int_equal(took(&r, gone, 403, INVALID), VK_OK);
    over(&r);
}

static void stripe_wanted(void **state)
{
    static const struct {
        const char *resource;
        bool want;
    } cases[] = {{"{}", true}, {"{\"account\":\"acct_1OwnBuild\"}", false}, {"{\"soft\":\"yes\"}", false}};
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_binding b = {.resource = vk_str_z(cases[i].resource)};
        assert_int_equal(vk_provision_stripe.wanted(NULL, &b), cases[i].want);
    }
}

/* The account that was made here is the one that is used. */
static void stripe_orders(void **state)
{
    static const struct {
        const char *bound;
        vk_err e;
    } cases[] = {{"{\"account\":\"acct_1OwnBuild\"}", VK_OK},
                 {"{\"account\":\"acct_1SomeOther\"}", VK_E_FORBIDDEN},
                 {"{\"soft\":\"yes\"}", VK_E_FORBIDDEN},
                 {"{\"soft\":\"yes\",\"account\":\"acct_1OwnBuild\"}", VK_E_FORBIDDEN},
                 {"{}", VK_E_UNAVAILABLE}};
    const vk_vendor *v = vk_vendor_of(VK_STR("stripe"));
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_arena *a = vk_arena_new(64 * 1024);
        vk_org org = {.vendor = v, .fields = v->fields, .state = VK_ORG_READY},
               own = {.vendor = v, .fields = v->own, .state = VK_ORG_READY};
        vk_binding b = {.resource = vk_str_z(cases[i].bound)};
        const char *why = NULL;
        vk_buf lines;
        vk_buf_init(&lines, 1024);
        org.values[vk_org_index(&org, VK_STR("secret_key"))] = vk_secret_of(VK_STR(SK));
        own.values[vk_org_index(&own, VK_STR("account"))] = vk_secret_of(VK_STR("acct_1OwnBuild"));
        vk_order o = {.vendor = v,
                      .org = &org,
                      .own = &own,
                      .binding = &b,
                      .build = "shop",
                      .method = VK_STR("GET"),
                      .path = VK_STR("/v1/customers"),
                      .arena = a,
                      .lines = &lines};
        assert_int_equal(v->order(&o, &why), cases[i].e);
        assert_true(cases[i].e == VK_OK || why);
        vk_buf_free(&lines);
        vk_arena_free(a);
    }
}

static int init(void **state)
{
    VK_UNUSED(state);
    return sodium_init() < 0 ? -1 : 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clerk_makes),  cmocka_unit_test(clerk_looks_first), cmocka_unit_test(clerk_refuses),
        cmocka_unit_test(clerk_ends),   cmocka_unit_test(clerk_wanted),      cmocka_unit_test(clerk_orders),
        cmocka_unit_test(stripe_makes), cmocka_unit_test(stripe_pages),      cmocka_unit_test(stripe_refuses),
        cmocka_unit_test(stripe_ends),  cmocka_unit_test(stripe_wanted),     cmocka_unit_test(stripe_orders),
    };
    return cmocka_run_group_tests(tests, init, NULL);
}
