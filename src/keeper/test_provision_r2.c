/* The steps of R2 and of S3, fed by hand: what they ask, and what they make of any answer. */
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/encode.h"
#include "keeper/org_in.h"
#include "keeper/provision_in.h"
#include "keeper/provision_s3.h"
#include "keeper/vendor_r2.h"

#define ACCOUNT "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define NAME "build-shop-abc2de3f"
#define API "/client/v4/accounts/" ACCOUNT "/r2/buckets"
#define NO(code) "{\"success\":false,\"errors\":[{\"code\":" #code ",\"message\":\"no\"}],\"result\":null}"
#define YES(result) "{\"success\":true,\"errors\":[],\"result\":" result "}"
#define S3_NO(code) "<Error><Code>" code "</Code></Error>"
#define LISTED(inner) "<ListBucketResult>" inner "</ListBucketResult>"
#define KEY(k) "<Contents><Key>" k "</Key><Size>3</Size></Contents>"
#define NO_UPLOADS "<ListMultipartUploadsResult></ListMultipartUploadsResult>"

static vk_org org, own;
static vk_binding binding;
static vk_prov_vendor at;
static vk_prov_job job;
static vk_prov_ask asked;
static vk_prov_run run;
static vk_buf carry;
static const vk_str origin[] = {VK_STR("https://shop.example")};
static vk_prov_request request;
static const char *why;

static vk_prov *const p = &run.p;

static void value(vk_org *g, const char *field, const char *text)
{
    for (size_t i = 0; g->fields[i].name; i++)
        if (strcmp(g->fields[i].name, field) == 0) {
            g->values[i] = text ? vk_secret_of(vk_str_z(text)) : VK_SECRET_NONE;
            return;
        }
    fail_msg("no field %s", field);
}

static void vendor(const vk_vendor *v)
{
    org = (vk_org){.vendor = v, .fields = v->fields, .state = VK_ORG_READY};
    own = (vk_org){.vendor = v, .fields = v->own, .state = VK_ORG_READY};
    binding = (vk_binding){.resource = VK_STR("{}")};
    at = (vk_prov_vendor){.vendor = v, .how = v->provisioner};
    job = (vk_prov_job){.at = &at};
    vk_buf_clear(&carry);
    run = (vk_prov_run){.job = &job};
    *p = (vk_prov){.vendor = v,
                   .org = &org,
                   .own = &own,
                   .build = "shop",
                   .generation = 7,
                   .binding = &binding,
                   .name = NAME,
                   .tag = "abc",
                   .now_ms = INT64_C(1795458000000),
                   .build_expires_ms = INT64_C(1795458000000) + 86400000,
                   .carry = &carry,
                   .arena = vk_arena_new(1 << 22)};
    assert_non_null(p->arena);
}

static int begin(void **state)
{
    VK_UNUSED(state);
    vk_buf_init(&carry, VK_PROV_BODY_MAX);
    vendor(&vk_vendor_r2);
    value(&org, "account_id", ACCOUNT);
    value(&org, "access_key_id", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb");
    value(&org, "secret_access_key", "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc");
    value(&org, "api_token", "made-up-token-xxxxxxxxxxxxxxxxxxxxxxxxxx");
    return 0;
}

static int end(void **state)
{
    VK_UNUSED(state);
    for (size_t i = 0; i < asked.n_things; i++)
        vk_prov_thing_free(&asked.things[i]);
    free(asked.things);
    asked = (vk_prov_ask){.list = VK_PROV_NOTHING};
    vk_arena_free(p->arena);
    vk_buf_free(&carry);
    return 0;
}

static const vk_prov_step *step(const vk_prov_step *all, const char *what)
{
    for (; all->what; all++)
        if (strcmp(all->what, what) == 0)
            return all;
    fail_msg("no step: %s", what);
    return NULL;
}

static const char *ask(const vk_prov_step *s)
{
    why = NULL;
    request = (vk_prov_request){.method = NULL};
    vk_err e = s->ask(p, &request, &why);
    if (e != VK_OK)
        return vk_err_name(e);
    vk_str line = vk_arena_printf(p->arena, "%s " VK_STR_FMT, request.method, VK_STR_ARG(request.path));
    return line.p;
}

static vk_err took(const vk_prov_step *s, int status, const char *text)
{
    vk_json *body = NULL;
    p->soon = false;
    p->raw = vk_str_z(text);
    why = NULL;
    if (vk_json_parse(p->arena, p->raw, &body, NULL, NULL) != VK_OK)
        body = NULL;
    vk_err e = s->took(p, status, body, &why);
    if (e != VK_OK && e != VK_AGAIN && e != VK_E_NOMEM)
        assert_non_null(why);
    return e;
}

/* As the engine keeps them between two steps. */
static void keep(void)
{
    for (size_t i = 0; i < run.n_notes; i++)
        assert_int_equal(vk_made_note_set(&run.made, run.notes[i].name, run.notes[i].value), VK_OK);
    for (size_t i = 0; i < run.n_sets; i++)
        for (size_t k = 0; own.fields[k].name; k++)
            if (strcmp(own.fields[k].name, run.sets[i].name) == 0)
                own.values[k] = run.sets[i].value;
    run.n_notes = run.n_sets = 0;
    vk_buf_clear(&carry);
}

static void noted(const char *name, const char *want)
{
    vk_str v = vk_prov_noted(p, name);
    assert_int_equal(v.n, strlen(want));
    assert_memory_equal(v.p ? v.p : "", want, v.n);
}

#define MAKE(what) step(vk_prov_r2.make, what)
#define END(what) step(vk_prov_r2.end, what)

/* ---- a bucket of its own */

static void creates(void **state)
{
    VK_UNUSED(state);
    const vk_prov_step *s = MAKE("create the bucket");
    assert_true(s->needed(p));
    assert_string_equal(ask(s), "POST " API);
    assert_true(vk_str_eqz(request.body, "{\"name\":\"" NAME "\"}"));
    assert_false(request.again);
    assert_int_equal(took(s, 200, YES("{\"name\":\"" NAME "\"}")), VK_OK);
    noted("account", ACCOUNT);
    keep();
    assert_true(vk_str_eqz(vk_secret_bytes(vk_org_value(&own, "bucket")), NAME));
}

static void adopts_only_its_own(void **state)
{
    VK_UNUSED(state);
    const vk_prov_step *s = MAKE("create the bucket");
    p->tried = true;
    assert_int_equal(took(s, 409, NO(10004)), VK_OK);
    noted("account", ACCOUNT);
    run.n_notes = run.n_sets = 0;
    p->tried = false;
    assert_int_equal(took(s, 409, NO(10004)), VK_E_CONFLICT);
    noted("foreign", "1");
    assert_int_equal(run.n_sets, 0);
    assert_false(END("empty and delete the bucket")->needed(p));
    assert_false(END("look whether the bucket is gone")->needed(p));
}

/* What was refused for good is not looked for; what may have come to be is. */
static void refused_for_good(void **state)
{
    VK_UNUSED(state);
    p->tried = true;
    assert_int_equal(took(MAKE("create the bucket"), 403, NO(10000)), VK_E_FORBIDDEN);
    assert_true(END("empty and delete the bucket")->needed(p));
    p->tried = false;
    assert_int_equal(took(MAKE("create the bucket"), 200, NO(10000)), VK_E_INVALID);
    assert_true(END("empty and delete the bucket")->needed(p));
    assert_int_equal(took(MAKE("create the bucket"), 403, NO(10000)), VK_E_FORBIDDEN);
    assert_false(END("empty and delete the bucket")->needed(p));
    assert_false(END("look whether the bucket is gone")->needed(p));
}

static void lies_about_buckets(void **state)
{
    VK_UNUSED(state);
    static const struct {
        int status;
        const char *body;
        vk_err want;
    } cases[] = {
        {200, "", VK_E_INVALID},
        {200, "{}", VK_E_INVALID},
        {200, "[]", VK_E_INVALID},
        {200, "{\"success\":\"true\",\"result\":{\"name\":\"" NAME "\"}}", VK_E_INVALID},
        {200, YES("{\"name\":\"somebody-elses\"}"), VK_E_INVALID},
        {200, YES("null"), VK_E_INVALID},
        {200, YES("{\"name\":7}"), VK_E_INVALID},
        {301, "", VK_E_INVALID},
        {400, NO(10009), VK_E_INVALID},
        {401, NO(10001), VK_E_FORBIDDEN},
        {403, NO(10000), VK_E_FORBIDDEN},
        {404, "", VK_E_NOT_FOUND},
        {409, "{\"errors\":[]}", VK_E_CONFLICT},
        {409, "{\"errors\":{\"code\":10004}}", VK_E_CONFLICT},
        {409, "{\"errors\":[{\"code\":\"10004\"}]}", VK_E_CONFLICT},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        p->tried = true;
        vk_err e = took(MAKE("create the bucket"), cases[i].status, cases[i].body);
        if (e != cases[i].want || run.n_sets)
            fail_msg("%d %s: %s", cases[i].status, cases[i].body, vk_err_name(e));
    }
}

static void made_own(void)
{
    assert_int_equal(took(MAKE("create the bucket"), 200, YES("{\"name\":\"" NAME "\"}")), VK_OK);
    keep();
}

static void looks(void **state)
{
    VK_UNUSED(state);
    const vk_prov_step *s = MAKE("look at the bucket");
    made_own();
    assert_string_equal(ask(s),
                        "GET /" NAME "?encoding-type=url&list-type=2&max-keys=1&prefix=builds%2Fshop%2F7%2F");
    assert_ptr_equal(request.order, vk_r2_order_build);
    assert_int_equal(took(s, 404, S3_NO("NoSuchBucket")), VK_AGAIN);
    assert_int_equal(took(s, 403, S3_NO("AccessDenied")), VK_E_FORBIDDEN);
    assert_int_equal(took(s, 200, LISTED("")), VK_OK);
    noted("shared", "");
    noted("direct", "");
}

static void ends_own(void **state)
{
    VK_UNUSED(state);
    const vk_prov_step *s = END("empty and delete the bucket");
    made_own();
    p->binding = NULL;
    assert_true(s->needed(p));
    assert_false(END("delete the build's objects")->needed(p));
    value(&org, "api_token", ""); /* without it the bucket does not go, and nobody says that it has */
    assert_true(s->needed(p) && END("look whether the bucket is gone")->needed(p));
    value(&org, "api_token", "made-up-token-xxxxxxxxxxxxxxxxxxxxxxxxxx");
    assert_string_equal(ask(s), "GET /" NAME "?encoding-type=url&max-uploads=50&prefix=&uploads=");
    assert_ptr_equal(request.order, vk_r2_order_org);
    assert_int_equal(
        took(s, 200,
             "<ListMultipartUploadsResult><Upload><Key>a b</Key><UploadId>u/1</UploadId></Upload>"
             "<Upload><Key>c</Key><UploadId>u2</UploadId></Upload></ListMultipartUploadsResult>"),
        VK_AGAIN);
    assert_true(p->soon);
    assert_string_equal(ask(s), "DELETE /" NAME "/a%20b?uploadId=u%2F1");
    assert_int_equal(took(s, 204, ""), VK_AGAIN);
    assert_string_equal(ask(s), "DELETE /" NAME "/c?uploadId=u2");
    assert_int_equal(took(s, 404, S3_NO("NoSuchUpload")), VK_AGAIN);
    assert_string_equal(ask(s), "GET /" NAME "?encoding-type=url&max-uploads=50&prefix=&uploads=");
    assert_int_equal(took(s, 200, NO_UPLOADS), VK_AGAIN);
    assert_string_equal(ask(s), "GET /" NAME "?encoding-type=url&list-type=2&max-keys=200&prefix=");
    assert_int_equal(took(s, 200, LISTED(KEY("a&amp;b") KEY("c"))), VK_AGAIN);
    assert_string_equal(ask(s), "POST /" NAME "?delete=");
    assert_true(vk_str_eqz(request.body,
                           "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true"
                           "</Quiet><Object><Key>a&#38;b</Key></Object><Object><Key>c</Key>"
                           "</Object></Delete>"));
    assert_true(vk_str_starts(request.lines, VK_STR("Content-MD5: ")));
    assert_int_equal(took(s, 200, "<DeleteResult></DeleteResult>"), VK_AGAIN);
    assert_int_equal(took(s, 200, LISTED(KEY("d"))), VK_AGAIN);
    assert_int_equal(took(s, 200, ""), VK_AGAIN);
    assert_int_equal(took(s, 200, LISTED("")), VK_AGAIN);
    assert_string_equal(ask(s), "DELETE " API "/" NAME);
    assert_int_equal(took(s, 409, NO(10008)), VK_AGAIN); /* somebody wrote: from the beginning */
    assert_false(p->soon);
    assert_string_equal(ask(s), "GET /" NAME "?encoding-type=url&max-uploads=50&prefix=&uploads=");
    assert_int_equal(took(s, 404, S3_NO("NoSuchBucket")), VK_AGAIN); /* deleted behind our back */
    assert_string_equal(ask(s), "DELETE " API "/" NAME);
    assert_int_equal(took(s, 404, NO(10006)), VK_OK);
    s = END("look whether the bucket is gone");
    keep();
    assert_string_equal(ask(s), "GET " API "/" NAME);
    assert_int_equal(took(s, 200, YES("{\"name\":\"" NAME "\"}")), VK_AGAIN);
    assert_int_equal(took(s, 404, "<html>"), VK_E_NOT_FOUND); /* not Cloudflare's word that it is gone */
    assert_int_equal(took(s, 404, NO(10006)), VK_OK);
}

/* ---- a share of the organisation's */

static void share(bool direct)
{
    value(&org, "bucket", "org-bucket");
    binding.resource = direct ? VK_STR("{\"delivery\":\"direct\"}") : VK_STR("{}");
    assert_false(MAKE("create the bucket")->needed(p));
    assert_string_equal(
        ask(MAKE("look at the bucket")),
        "GET /org-bucket?encoding-type=url&list-type=2&max-keys=1&prefix=builds%2Fshop%2F7%2F");
    assert_int_equal(took(MAKE("look at the bucket"), 200, LISTED("")), VK_OK);
    keep();
    noted("shared", "org-bucket");
    noted("account", ACCOUNT);
    noted("direct", direct ? "1" : "");
}

static void ends_shared(void **state)
{
    VK_UNUSED(state);
    const vk_prov_step *s = END("delete the build's objects");
    share(false);
    p->binding = NULL;
    assert_true(s->needed(p));
    assert_false(END("empty and delete the bucket")->needed(p));
    assert_false(END("take away the rule for the build's pages")->needed(p));
    assert_string_equal(
        ask(s), "GET /org-bucket?encoding-type=url&max-uploads=50&prefix=builds%2Fshop%2F7%2F&uploads=");
    assert_ptr_equal(request.order, vk_r2_order_build);
    assert_int_equal(took(s, 501, S3_NO("NotImplemented")), VK_AGAIN);
    assert_int_equal(took(s, 200, LISTED(KEY("builds/shop/7/a"))), VK_AGAIN);
    assert_string_equal(ask(s), "POST /org-bucket?delete=");
    assert_int_equal(took(s, 200, ""), VK_AGAIN);
    assert_int_equal(took(s, 200, LISTED("")), VK_OK);
    assert_int_equal(carry.n, 0);
}

/* Nothing that is outside is ever named in a deletion. */
static void touches_nothing_else(void **state)
{
    VK_UNUSED(state);
    static const char *const keys[] = {
        "builds/shop/70/a", "builds/shop/8/a", "builds/shop/7", "a", "/builds/shop/7/a", "",
        "Builds/shop/7/a"};
    const vk_prov_step *s = END("delete the build's objects");
    share(false);
    for (size_t i = 0; i < VK_COUNT(keys); i++) {
        char text[512];
        snprintf(text, sizeof text, LISTED(KEY("builds/shop/7/mine") KEY("%s")), keys[i]);
        assert_int_equal(took(s, 200, NO_UPLOADS), VK_AGAIN);
        assert_int_equal(took(s, 200, text), VK_E_INVALID);
        assert_string_equal(
            ask(s), "GET /org-bucket?encoding-type=url&max-uploads=50&prefix=builds%2Fshop%2F7%2F&uploads=");
        snprintf(text, sizeof text,
                 "<ListMultipartUploadsResult><Upload><Key>%s</Key><UploadId>u</UploadId></Upload>"
                 "</ListMultipartUploadsResult>",
                 keys[i]);
        assert_int_equal(took(s, 200, text), VK_E_INVALID);
    }
}

static void lies_about_objects(void **state)
{
    VK_UNUSED(state);
    const vk_prov_step *s = END("delete the build's objects");
    share(false);
    static const struct {
        int status;
        const char *body;
        vk_err want;
    } cases[] = {
        {200, "", VK_E_INVALID},
        {200, "{}", VK_E_INVALID},
        {200, NO_UPLOADS, VK_E_INVALID},
        {200, S3_NO("InternalError"), VK_E_INVALID},
        {200, "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>", VK_E_INVALID},
        {400, S3_NO("SlowDown"), VK_E_BUSY},
        {403, S3_NO("AccessDenied"), VK_E_FORBIDDEN},
        {404, S3_NO("NoSuchKey"), VK_E_NOT_FOUND},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_buf_clear(&carry);
        assert_int_equal(took(s, 200, NO_UPLOADS), VK_AGAIN);
        vk_err e = took(s, cases[i].status, cases[i].body);
        if (e != cases[i].want)
            fail_msg("%d %s: %s", cases[i].status, cases[i].body, vk_err_name(e));
    }
    /* said to be deleted, and listed still */
    vk_buf_clear(&carry);
    assert_int_equal(took(s, 200, NO_UPLOADS), VK_AGAIN);
    assert_int_equal(took(s, 200, LISTED(KEY("builds/shop/7/a"))), VK_AGAIN);
    assert_int_equal(took(s, 200, ""), VK_AGAIN);
    assert_int_equal(took(s, 200, LISTED(KEY("builds/shop/7/a"))), VK_E_BUSY);
    /* not deleted */
    vk_buf_clear(&carry);
    assert_int_equal(took(s, 200, NO_UPLOADS), VK_AGAIN);
    assert_int_equal(took(s, 200, LISTED(KEY("builds/shop/7/a"))), VK_AGAIN);
    assert_int_equal(
        took(s, 200, "<DeleteResult><Error><Key>x</Key><Code>InternalError</Code></Error></DeleteResult>"),
        VK_E_BUSY);
    assert_int_equal(took(s, 200, NO_UPLOADS), VK_AGAIN);
    assert_int_equal(took(s, 200, LISTED(KEY("builds/shop/7/a"))), VK_AGAIN);
    assert_int_equal(
        took(s, 200, "<DeleteResult><Error><Key>x</Key><Code>AccessDenied</Code></Error></DeleteResult>"),
        VK_E_FORBIDDEN);
}

/* Of any page a deletion's document fits; the rest is in the next page. */
static void large_pages(void **state)
{
    VK_UNUSED(state);
    const vk_prov_step *s = END("delete the build's objects");
    vk_buf b;
    share(false);
    vk_buf_init(&b, 1 << 20);
    vk_buf_lit(&b, "<ListBucketResult>");
    for (int i = 0; i < 200; i++) {
        vk_buf_lit(&b, "<Contents><Key>builds/shop/7/");
        for (int k = 0; k < 1000; k++)
            vk_buf_lit(&b, "&amp;");
        vk_buf_printf(&b, "%d</Key></Contents>", i);
    }
    vk_buf_lit(&b, "</ListBucketResult>");
    vk_buf_ch(&b, '\0');
    assert_int_equal(took(s, 200, NO_UPLOADS), VK_AGAIN);
    assert_int_equal(took(s, 200, b.p), VK_AGAIN);
    assert_string_equal(ask(s), "POST /org-bucket?delete=");
    assert_in_range(request.body.n, VK_S3P_DELETE / 2, VK_S3P_DELETE + 256);
    vk_buf_free(&b);
}

static void another_account(void **state)
{
    VK_UNUSED(state);
    share(false);
    value(&org, "account_id", "dddddddddddddddddddddddddddddddd");
    assert_string_equal(ask(END("delete the build's objects")), vk_err_name(VK_E_CONFLICT));
    value(&org, "account_id", ACCOUNT);
    value(&org, "bucket", "another-bucket");
    assert_string_equal(ask(END("delete the build's objects")), vk_err_name(VK_E_CONFLICT));
    value(&org, "bucket",
          NULL); /* the organisation went over to buckets of builds: this build's share stays */
    assert_true(END("delete the build's objects")->needed(p));
    assert_false(END("empty and delete the bucket")->needed(p));
    assert_string_equal(
        ask(END("delete the build's objects")),
        "GET /org-bucket?encoding-type=url&max-uploads=50&prefix=builds%2Fshop%2F7%2F&uploads=");
}

/* ---- rules for pages */

#define FOREIGN                                                                                              \
    "{\"id\":\"theirs\",\"allowed\":{\"methods\":[\"GET\"],\"origins\":[\"https://"                          \
    "other.example\"]},\"maxAgeSeconds\":1.5}"
#define OURS                                                                                                 \
    "{\"id\":\"" NAME "\",\"allowed\":{\"methods\":[\"GET\",\"PUT\",\"POST\",\"DELETE\",\"HEAD\"],"          \
    "\"origins\":[\"https://"                                                                                \
    "shop.example\"],\"headers\":[\"*\"]},\"exposeHeaders\":[\"ETag\",\"x-amz-request-id\","                 \
    "\"Content-Range\"],\"maxAgeSeconds\":3600}"

static void rules(void **state)
{
    VK_UNUSED(state);
    const vk_prov_step *s = MAKE("let the build's pages in");
    p->origins = origin;
    p->n_origins = 1;
    assert_false(s->needed(p));
    share(true);
    assert_true(s->needed(p));
    assert_string_equal(ask(s), "GET " API "/org-bucket/cors");
    assert_int_equal(took(s, 200, YES("{\"rules\":[" FOREIGN "]}")), VK_AGAIN);
    assert_true(p->soon);
    assert_string_equal(ask(s), "PUT " API "/org-bucket/cors");
    assert_true(vk_str_eqz(request.body, "{\"rules\":[" FOREIGN "," OURS "]}"));
    assert_int_equal(took(s, 200, YES("{}")), VK_AGAIN);
    assert_string_equal(ask(s), "GET " API "/org-bucket/cors");
    assert_int_equal(took(s, 200, YES("{\"rules\":[" FOREIGN "]}")), VK_AGAIN); /* somebody overwrote it */
    assert_false(p->soon);
    assert_string_equal(ask(s), "GET " API "/org-bucket/cors");
    assert_int_equal(took(s, 404, NO(10059)), VK_AGAIN);
    assert_string_equal(ask(s), "PUT " API "/org-bucket/cors");
    assert_int_equal(took(s, 200, YES("{}")), VK_AGAIN);
    assert_int_equal(took(s, 200, YES("{\"rules\":[" OURS "]}")), VK_OK);
    keep();

    s = END("take away the rule for the build's pages");
    p->binding = NULL;
    p->n_origins = 0;
    assert_true(s->needed(p));
    assert_string_equal(ask(s), "GET " API "/org-bucket/cors");
    assert_int_equal(took(s, 200, YES("{\"rules\":[" OURS "," FOREIGN "]}")), VK_AGAIN);
    assert_string_equal(ask(s), "PUT " API "/org-bucket/cors");
    assert_true(vk_str_eqz(request.body, "{\"rules\":[" FOREIGN "]}"));
    assert_int_equal(took(s, 200, YES("{}")), VK_AGAIN);
    assert_int_equal(took(s, 200, YES("{\"rules\":[" FOREIGN "]}")), VK_OK);
    /* the last rule of all */
    assert_string_equal(ask(s), "GET " API "/org-bucket/cors");
    assert_int_equal(took(s, 200, YES("{\"rules\":[" OURS "]}")), VK_AGAIN);
    assert_string_equal(ask(s), "DELETE " API "/org-bucket/cors");
    assert_int_equal(took(s, 200, YES("{}")), VK_AGAIN);
    assert_int_equal(took(s, 404, NO(10059)), VK_OK);
    /* no such bucket any more */
    assert_int_equal(took(s, 404, NO(10006)), VK_OK);
}

static void one_at_a_time(void **state)
{
    VK_UNUSED(state);
    const vk_prov_step *s = MAKE("let the build's pages in");
    p->origins = origin;
    p->n_origins = 1;
    share(true);
    assert_string_equal(ask(s), "GET " API "/org-bucket/cors");
    memcpy(p->build, "food", 5);
    assert_string_equal(ask(s), vk_err_name(VK_AGAIN));
    p->now_ms += 91 * 1000; /* whoever has the turn is gone */
    assert_string_equal(ask(s), "GET " API "/org-bucket/cors");
    assert_int_equal(took(s, 200, YES("{\"rules\":[]}")), VK_AGAIN);
    memcpy(p->build, "shop", 5);
    assert_string_equal(ask(s), vk_err_name(VK_AGAIN));
    memcpy(p->build, "food", 5);
    p->now_ms += 91 * 1000; /* what was read is old by now, so it is read again */
    assert_string_equal(ask(s), "GET " API "/org-bucket/cors");
    assert_int_equal(took(s, 200, YES("{\"rules\":[" OURS "]}")), VK_OK);
    memcpy(p->build, "shop", 5);
    assert_string_equal(ask(s), "GET " API "/org-bucket/cors");
    assert_int_equal(took(s, 403, NO(10000)), VK_E_FORBIDDEN);
}

static void lies_about_rules(void **state)
{
    VK_UNUSED(state);
    static const struct {
        int status;
        const char *body;
        vk_err want;
    } cases[] = {
        {200, "", VK_E_INVALID},
        {200, YES("{\"rules\":{}}"), VK_E_INVALID},
        {200, YES("{\"rules\":\"x\"}"), VK_E_INVALID},
        {404, NO(10006), VK_E_NOT_FOUND},
        {404, "", VK_E_NOT_FOUND},
        {400, NO(10040), VK_E_INVALID},
        {200, YES("{}"), VK_AGAIN},
        {200, YES("null"), VK_AGAIN},
        {200, YES("{\"rules\":[7,null,{\"id\":\"" NAME "\"},{\"id\":7}]}"), VK_AGAIN},
    };
    const vk_prov_step *s = MAKE("let the build's pages in");
    p->origins = origin;
    p->n_origins = 1;
    share(true);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        keep();
        vk_err e = took(s, cases[i].status, cases[i].body);
        if (e != cases[i].want)
            fail_msg("%d %s: %s", cases[i].status, cases[i].body, vk_err_name(e));
    }
    vk_buf b;
    vk_buf_init(&b, 1 << 20);
    vk_buf_lit(&b, "{\"success\":true,\"result\":{\"rules\":[");
    for (int i = 0; i < 1000; i++)
        vk_buf_lit(&b, FOREIGN ",");
    vk_buf_lit(&b, FOREIGN "]}}");
    vk_buf_ch(&b, '\0');
    keep();
    assert_int_equal(took(s, 200, b.p), VK_E_FULL);
    vk_buf_free(&b);
}

/* ---- credentials for apps */

static vk_str lent(vk_buf *b, int64_t *expires)
{
    vk_buf_clear(b);
    vk_jw w = vk_jw_on(b);
    vk_jw_obj(&w);
    assert_int_equal(vk_prov_r2.lend(p, &w, expires, &why), VK_OK);
    vk_jw_obj_end(&w);
    vk_json *body;
    vk_str text = vk_arena_dup(p->arena, vk_buf_view(b));
    assert_int_equal(vk_json_parse(p->arena, text, &body, NULL, NULL), VK_OK);
    vk_str jws, token = vk_json_str(vk_json_get(body, VK_STR("session_token")));
    assert_int_equal(vk_base64_decode(p->arena, token, &jws), VK_OK);
    vk_str claims = jws, part;
    assert_true(vk_str_cut(&claims, '.', &part));
    assert_true(vk_str_cut(&claims, '.', &part));
    assert_int_equal(vk_base64_decode(p->arena, part, &claims), VK_OK);
    return claims;
}

static bool holds(vk_str s, const char *what)
{
    return memmem(s.p, s.n, what, strlen(what)) != NULL;
}

static void lends(void **state)
{
    VK_UNUSED(state);
    int64_t expires;
    vk_buf b;
    vk_buf_init(&b, 8192);
    share(true);
    vk_str claims = lent(&b, &expires);
    assert_true(holds(claims, "\"bucket\":\"org-bucket\""));
    assert_true(holds(claims, "\"prefixPaths\":[\"builds/shop/7/\"]"));
    assert_int_equal(expires, p->now_ms + 3600 * 1000);
    assert_false(holds(vk_buf_view(&b), "cccccccc"));
    p->build_expires_ms = p->now_ms + 60 * 1000; /* no longer than the build is there */
    (void)lent(&b, &expires);
    assert_in_range(expires, p->now_ms + 60 * 1000, p->now_ms + 61 * 1000);
    value(&org, "bucket", NULL);
    run.made.n = 0;
    made_own();
    claims = lent(&b, &expires);
    assert_true(holds(claims, "\"bucket\":\"" NAME "\""));
    assert_false(holds(claims, "paths"));
    vk_buf_free(&b);
}

/* Whoever had credentials may write for an hour: only then it is proven that nothing is left. */
static void outlives_credentials(void **state)
{
    VK_UNUSED(state);
    const vk_prov_step *s = END("delete the build's objects");
    share(true);
    p->binding = NULL;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(took(s, 200, NO_UPLOADS), VK_AGAIN);
        vk_buf kept = carry; /* notes are kept, the step goes on */
        carry = (vk_buf){.max = VK_PROV_BODY_MAX};
        keep();
        vk_buf_free(&carry);
        carry = kept;
        assert_int_equal(took(s, 200, LISTED("")), i ? VK_OK : VK_E_BUSY);
        p->now_ms += 3900 * 1000;
    }
}

/* ---- what there is */

static void counts(void **state)
{
    VK_UNUSED(state);
    const vk_prov_step *s = &vk_prov_r2.usage[0];
    share(false);
    asked.list = VK_PROV_USAGE;
    job.ask = &asked;
    assert_string_equal(
        ask(s), "GET /org-bucket?encoding-type=url&list-type=2&max-keys=200&prefix=builds%2Fshop%2F7%2F");
    assert_int_equal(
        took(s, 200,
             LISTED("<IsTruncated>true</IsTruncated><NextContinuationToken>t+1</NextContinuationToken>" KEY(
                 "builds/shop/7/a") KEY("builds/shop/7/b"))),
        VK_AGAIN);
    assert_string_equal(ask(s),
                        "GET /org-bucket?continuation-token=t%2B1&encoding-type=url&list-type=2&max-keys="
                        "200&prefix=builds%2Fshop%2F7%2F");
    assert_int_equal(took(s, 200, LISTED(KEY("builds/shop/7/c"))), VK_OK);
    assert_int_equal(asked.n_uses, 2);
    assert_int_equal(asked.uses[0].n, 9);
    assert_int_equal(asked.uses[1].n, 3);
}

static void lists(void **state)
{
    VK_UNUSED(state);
    const vk_prov_step *s = &vk_prov_r2.list[0];
    asked.list = VK_PROV_LIST;
    job.ask = &asked;
    p->own = NULL;
    p->build[0] = '\0';
    assert_string_equal(ask(s), "GET " API "?name_contains=-abc&per_page=1000");
    assert_int_equal(took(s, 200,
                          "{\"success\":true,\"result\":{\"buckets\":[{\"name\":\"" NAME
                          "\",\"creation_date\":\"2026\"},"
                          "{\"name\":\"not-ours\"},{\"name\":7},7]},\"result_info\":{\"cursor\":\"c+\"}}"),
                     VK_AGAIN);
    assert_string_equal(ask(s), "GET " API "?cursor=%63%2B&name_contains=-abc&per_page=1000");
    assert_int_equal(took(s, 200, YES("{\"buckets\":[]}")), VK_OK);
    assert_int_equal(asked.n_things, 1);
    assert_string_equal(asked.things[0].name, NAME);
    assert_int_equal(took(s, 200, YES("{\"buckets\":{}}")), VK_E_INVALID);
    assert_int_equal(took(s, 403, NO(10000)), VK_E_FORBIDDEN);
    /* an orphan is a bucket, whatever the organisation entered since */
    value(&org, "bucket", "org-bucket");
    assert_true(END("empty and delete the bucket")->needed(p));
    assert_false(END("delete the build's objects")->needed(p));
    assert_string_equal(ask(END("empty and delete the bucket")),
                        "GET /" NAME "?encoding-type=url&max-uploads=50&prefix=&uploads=");
}

/* ---- S3 */

static void s3(void **state)
{
    VK_UNUSED(state);
    vk_arena_free(p->arena);
    vendor(vk_vendor_of(VK_STR("s3")));
    value(&org, "endpoint", "https://s3.example.com");
    value(&org, "bucket", "org-bucket");
    const vk_prov_step *s = &vk_prov_s3.make[0];
    assert_string_equal(
        ask(s), "GET /org-bucket?encoding-type=url&list-type=2&max-keys=1&prefix=builds%2Fshop%2F7%2F");
    assert_int_equal(took(s, 404, S3_NO("NoSuchBucket")), VK_E_NOT_FOUND);
    assert_false(vk_prov_s3.end[0].needed(p));
    assert_int_equal(took(s, 200, LISTED("")), VK_OK);
    keep();
    s = &vk_prov_s3.end[0];
    assert_true(s->needed(p));
    assert_string_equal(
        ask(s), "GET /org-bucket?encoding-type=url&max-uploads=50&prefix=builds%2Fshop%2F7%2F&uploads=");
    value(&org, "endpoint", "https://other.example.com");
    assert_string_equal(ask(s), vk_err_name(VK_E_CONFLICT));
    value(&org, "endpoint", "https://s3.example.com");
    assert_int_equal(took(s, 200, NO_UPLOADS), VK_AGAIN);
    assert_int_equal(took(s, 200, LISTED("")), VK_OK);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        T(creates),
        T(adopts_only_its_own),
        T(lies_about_buckets),
        T(refused_for_good),
        T(looks),
        T(ends_own),
        T(ends_shared),
        T(touches_nothing_else),
        T(lies_about_objects),
        T(large_pages),
        T(another_account),
        T(rules),
        T(one_at_a_time),
        T(lies_about_rules),
        T(lends),
        T(outlives_credentials),
        T(counts),
        T(lists),
        T(s3),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
