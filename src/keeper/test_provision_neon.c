/* The driver of Neon, fed with what Neon's description of its API says that it answers, and with what it must
 * not. */
#include "keeper/provision_answer.h"
#include "crypto/digest.h"
#include "keeper/test_provision.h"

#define NAME "build-shop-abc2de3f"
#define ALL "/api/v2/projects"
#define ID "quiet-mud-12345678"
#define ONE ALL "/" ID
#define TWIN "bold-sun-87654321"
#define BRANCH "br-cool-leaf-123456"
#define HOST "ep-example-123456.us-east-1.aws.neon.tech"
#define URI "postgresql://app:not-a-password@" HOST "/app?sslmode=require"
#define SEARCH "GET " ALL "?limit=100&search=" NAME
#define PROJECT(id, name) "{\"id\":\"" id "\",\"name\":\"" name "\",\"created_at\":\"2026-11-29T12:00:00Z\"}"
#define MADE(id, name, uri)                                                                                  \
    "{\"project\":" PROJECT(id, name) ",\"connection_uris\":[{\"connection_uri\":\"" uri                     \
                                      "\"}],\"branch\":{\"id\":\"" BRANCH "\"},\"operations\":[]}"
#define LOCKED "{\"code\":\"\",\"message\":\"project already has running conflicting operations\"}"
#define OPERATIONS(a, b)                                                                                     \
    "{\"operations\":[{\"id\":\"1\",\"status\":\"" a "\"},{\"id\":\"2\",\"status\":\"" b "\"}]}"

static rig *entered(place *at, const pair *more)
{
    put_ok(at, "neon", "", (pair[]){{"api_key", "napi_aaaaaaaaaaaaaaaaaaaaaaaaaaaa"}, {NULL, NULL}});
    if (more)
        put_ok(at, "neon", "", more);
    return rig_new(at, "neon", NAME);
}

static const vk_prov_step *step(const vk_prov_step *list, const char *op)
{
    while (list->what && strcmp(list->op, op) != 0)
        list++;
    assert_non_null(list->what);
    return list;
}

static void create_ok(rig *g)
{
    assert_int_equal(fed(g, &g->how->make[0], "POST " ALL, 201, MADE(ID, NAME, URI)), VK_OK);
}

static void making(void **state)
{
    rig *g = entered(*state, NULL);
    create_ok(g);
    assert_string_equal(g->body, "{\"project\":{\"name\":\"" NAME "\",\"store_passwords\":true,\"branch\":{"
                                 "\"name\":\"main\",\"role_name\":\"app\",\"database_name\":\"app\"}}}");
    assert_false(g->again);
    value_is(*state, "neon", "shop", "project_id", ID);
    value_is(*state, "neon", "shop", "connection_uri", URI);
    note_is(g, "id", ID);
    note_is(g, "branch", BRANCH);
    note_is(g, "again", NULL);
    assert_false(needed(g, step(g->how->make, "projects.doubles")));
    const vk_prov_step *wait = step(g->how->make, "projects.operations");
    assert_int_equal(
        fed(g, wait, "GET " ONE "/operations?limit=100", 200, OPERATIONS("running", "scheduling")), VK_AGAIN);
    assert_int_equal(fed(g, wait, "GET " ONE "/operations?limit=100", 200, OPERATIONS("error", "finished")),
                     VK_AGAIN);
    assert_int_equal(fed(g, wait, "GET " ONE "/operations?limit=100", 200, OPERATIONS("finished", "skipped")),
                     VK_OK);
    assert_int_equal(fed(g, wait, "GET " ONE "/operations?limit=100", 200, OPERATIONS("finished", "failed")),
                     VK_E_INVALID);
    assert_int_equal(fed(g, wait, "GET " ONE "/operations?limit=100", 200, "{}"), VK_E_INVALID);
    assert_false(needed(g, step(g->how->make, "projects.connection_uri")));
    rig_free(g);
}

static void of_an_organisation(void **state)
{
    rig *g = entered(*state, (pair[]){{"org_id", "org-cool-sun-12345678"},
                                      {"region", "aws-eu-central-1"},
                                      {"size_limit", "512mb"},
                                      {NULL, NULL}});
    create_ok(g);
    assert_non_null(
        strstr(g->body, "\"org_id\":\"org-cool-sun-12345678\",\"region_id\":\"aws-eu-central-1\""));
    assert_non_null(strstr(g->body, "\"settings\":{\"quota\":{\"logical_size_bytes\":536870912}}"));
    assert_int_equal(
        fed(g, &g->how->end[0], SEARCH "&org_id=org-cool-sun-12345678", 200, "{\"projects\":[]}"), VK_OK);
    rig_free(g);
}

/* An answer was lost: it is looked for, and is there; or is not, and is made. */
static void a_second_try(void **state)
{
    rig *g = entered(*state, NULL);
    const vk_prov_step *create = &g->how->make[0], *doubles = step(g->how->make, "projects.doubles");
    g->run.p.tried = true;
    assert_int_equal(fed(g, create, SEARCH, 200, "{\"projects\":[" PROJECT("other-1", "x" NAME) "]}"),
                     VK_AGAIN);
    assert_true(g->soon);
    assert_int_equal(fed(g, create, "POST " ALL, 201, MADE(ID, NAME, URI)), VK_OK);
    note_is(g, "again", "1");
    /* The first one came to be all the same. */
    assert_int_equal(
        fed(g, doubles, SEARCH, 200, "{\"projects\":[" PROJECT(ID, NAME) "," PROJECT(TWIN, NAME) "]}"),
        VK_AGAIN);
    assert_int_equal(fed(g, doubles, "DELETE " ALL "/" TWIN, 423, LOCKED), VK_AGAIN);
    assert_int_equal(fed(g, doubles, "DELETE " ALL "/" TWIN, 200, NULL), VK_AGAIN);
    assert_true(g->soon);
    assert_int_equal(fed(g, doubles, SEARCH, 200, "{\"projects\":[" PROJECT(ID, NAME) "]}"), VK_OK);
    /* After a 5xx the step begins anew with what it had. */
    vk_buf_clear(&g->carry);
    vk_buf_lit(&g->carry, "make");
    assert_int_equal(fed(g, create, SEARCH, 200, "{\"projects\":[" PROJECT(TWIN, NAME) "]}"), VK_OK);
    note_is(g, "id", TWIN);
    rig_free(g);
}

static void adopting(void **state)
{
    rig *g = entered(*state, NULL);
    g->run.p.tried = true;
    assert_int_equal(fed(g, &g->how->make[0], SEARCH, 200, "{\"projects\":[" PROJECT(ID, NAME) "]}"), VK_OK);
    value_is(*state, "neon", "shop", "project_id", ID);
    const vk_prov_step *uri = step(g->how->make, "projects.connection_uri");
    static const char asked[] = "GET " ONE "/connection_uri?database_name=app&role_name=app";
    assert_true(needed(g, uri));
    assert_int_equal(fed(g, uri, asked, 423, LOCKED), VK_AGAIN);
    assert_int_equal(fed(g, uri, asked, 200, "{\"uri\":\"" URI "\"}"), VK_OK);
    value_is(*state, "neon", "shop", "connection_uri", URI);
    const vk_prov_step *branches = &g->how->suspend[0];
    assert_true(needed(g, branches));
    assert_int_equal(fed(g, branches, "GET " ONE "/branches", 200,
                         "{\"branches\":[{\"id\":\"br-x\",\"default\":false},{\"id\":\"" BRANCH
                         "\",\"default\":true}]}"),
                     VK_OK);
    note_is(g, "branch", BRANCH);
    rig_free(g);
}

/* Neon could not look at all of them in time: ours may be among these. */
static void what_is_not_sure(void **state)
{
    rig *g = entered(*state, NULL);
    g->run.p.tried = true;
    static const char unsure[] = "{\"projects\":[],\"unavailable_project_ids\":[\"" ID "\"]}";
    assert_int_equal(fed(g, &g->how->make[0], SEARCH, 200, unsure), VK_E_BUSY);
    assert_int_equal(fed(g, &g->how->end[0], SEARCH, 200, unsure), VK_E_BUSY);
    assert_int_equal(fed(g, &g->how->make[0], SEARCH, 200, "{}"), VK_E_INVALID);
    assert_int_equal(fed(g, &g->how->make[0], SEARCH, 200, NULL), VK_E_INVALID);
    assert_int_equal(
        fed(g, &g->how->make[0], SEARCH, 200, "{\"projects\":[],\"unavailable_project_ids\":[]}"), VK_AGAIN);
    rig_free(g);
}

static void answers_that_cannot_be(void **state)
{
    static const char *const bad[] = {
        MADE(ID, "build-other-abc2de3f", URI),
        MADE("", NAME, URI),
        MADE("../users/me", NAME, URI),
        MADE("quiet-mud-12345678?x=", NAME, URI),
        MADE("Quiet", NAME, URI),
        MADE("a1234567890123456789012345678901234567890123456789012345678901", NAME, URI),
        MADE(ID, NAME, ""),
        MADE(ID, NAME, "postgresql://app:pw@127.0.0.1/app"),
        MADE(ID, NAME, "postgresql://app:pw@localhost/app"),
        MADE(ID, NAME, "postgresql://app:pw@10.0.0.1/app"),
        MADE(ID, NAME, "postgresql://app:pw@" HOST ":5433/app"),
        MADE(ID, NAME, "postgresql://admin:pw@" HOST "/app"),
        MADE(ID, NAME, "postgresql://app:pw@" HOST "/other"),
        MADE(ID, NAME, "postgresql://app:pw@" HOST "/app2"),
        MADE(ID, NAME, "postgresql://app:pw@" HOST),
        MADE(ID, NAME, "postgresql://app:@" HOST "/app"),
        MADE(ID, NAME, "postgresql://app@" HOST "/app"),
        MADE(ID, NAME, "postgresql:///app?host=/tmp"),
        MADE(ID, NAME, "https://app:pw@" HOST "/app"),
        MADE(ID, NAME, "postgresql://app:p w@" HOST "/app"),
        "{\"project\":null}",
        "[]",
        "no JSON",
        NULL,
    };
    for (size_t i = 0; i < VK_COUNT(bad); i++) {
        rig *g = entered(*state, NULL);
        assert_int_equal(fed(g, &g->how->make[0], "POST " ALL, 201, bad[i]), VK_E_INVALID);
        rig_free(g);
    }
    rig *g = entered(*state, NULL);
    create_ok(g);
    vk_prov_step uri = *step(g->how->make, "projects.connection_uri");
    uri.needed = NULL;
    static const char asked[] = "GET " ONE "/connection_uri?database_name=app&role_name=app";
    assert_int_equal(fed(g, &uri, asked, 200, "{\"uri\":\"postgresql://app:pw@localhost/app\"}"),
                     VK_E_INVALID);
    assert_int_equal(fed(g, &uri, asked, 200, "{\"uri\":null}"), VK_E_INVALID);
    assert_int_equal(fed(g, &uri, asked, 200, NULL), VK_E_INVALID);
    value_is(*state, "neon", "shop", "connection_uri", URI);
    rig_free(g);
}

static void a_stand_in(void **state)
{
    rig *g = entered(*state, (pair[]){{"api_base", "http://127.0.0.1:4100"}, {NULL, NULL}});
    assert_int_equal(fed(g, &g->how->make[0], "POST " ALL, 201, MADE(ID, NAME, URI)), VK_E_INVALID);
    assert_int_equal(
        fed(g, &g->how->make[0], "POST " ALL, 201, MADE(ID, NAME, "postgresql://app:pw@127.0.0.1:5432/app")),
        VK_OK);
    rig_free(g);
}

static void refusals(void **state)
{
    static const struct {
        int status;
        const char *answer;
        vk_err want;
    } cases[] = {
        {422, "{\"code\":\"PROJECTS_LIMIT_EXCEEDED\",\"message\":\"limit of 1\"}", VK_E_FULL},
        {402, "{\"code\":\"\",\"message\":\"limit of 1\"}", VK_E_FULL},
        {401, "{\"code\":\"\",\"message\":\"limit of 1\"}", VK_E_FORBIDDEN},
        {403, "{\"code\":\"\",\"message\":\"limit of 1\"}", VK_E_FORBIDDEN},
        {400, "{\"code\":\"\",\"message\":\"limit of 1\"}", VK_E_INVALID},
        {422, "{\"code\":7,\"message\":\"limit of 1\"}", VK_E_INVALID},
        {423, LOCKED, VK_AGAIN},
    };
    rig *g = entered(*state, NULL);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_buf_clear(&g->carry);
        assert_int_equal(fed(g, &g->how->make[0], "POST " ALL, cases[i].status, cases[i].answer),
                         cases[i].want);
        if (cases[i].want != VK_AGAIN)
            assert_non_null(strstr(g->why, "limit of 1"));
    }
    rig_free(g);
}

/* With other keys it would not be found, and would not be gone. */
static void another_organisation(void **state)
{
    rig *g = entered(*state, (pair[]){{"org_id", "org-one-1"}, {NULL, NULL}});
    static const char made[] = "{\"project\":{\"id\":\"" ID "\",\"name\":\"" NAME
                               "\",\"org_id\":\"org-one-1\"},\"branch\":{\"id\":\"" BRANCH "\"}}";
    assert_int_equal(fed(g, &g->how->make[0], "POST " ALL, 201, made), VK_OK);
    put_ok(*state, "neon", "", (pair[]){{"org_id", "org-two-2"}, {NULL, NULL}});
    g->run.p.org = find(*state, "neon", "");
    assert_int_equal(fed(g, &g->how->end[0], "", 404, NULL), VK_E_CONFLICT);
    assert_int_equal(fed(g, &g->how->end[1], "", 404, NULL), VK_E_CONFLICT);
    assert_int_equal(fed(g, &g->how->suspend[1], "", 404, NULL), VK_E_CONFLICT);
    rig_free(g);
}

/* Refused at once: nothing is there, and a key that may do nothing need not prove it. After a try of which
 * nothing is known it must. */
static void ending_what_was_refused(void **state)
{
    rig *g = entered(*state, NULL);
    static const char no[] = "{\"code\":\"\",\"message\":\"org_id is required\"}";
    assert_int_equal(fed(g, &g->how->make[0], "POST " ALL, 423, LOCKED), VK_AGAIN);
    assert_true(needed(g, &g->how->end[0]));
    vk_buf_clear(&g->carry);
    g->run.p.tried = true;
    assert_int_equal(fed(g, &g->how->make[0], SEARCH, 200, "{\"projects\":[]}"), VK_AGAIN);
    g->run.p.tried = false;
    assert_int_equal(fed(g, &g->how->make[0], "POST " ALL, 400, no), VK_E_INVALID);
    assert_true(needed(g, &g->how->end[0]));
    rig_free(g);
    g = entered(*state, NULL);
    assert_int_equal(fed(g, &g->how->make[0], "POST " ALL, 400, no), VK_E_INVALID);
    for (const vk_prov_step *s = g->how->end; s->what; s++)
        assert_false(needed(g, s));
    rig_free(g);
}

static void suspending(void **state)
{
    rig *g = entered(*state, NULL);
    for (const vk_prov_step *s = g->how->suspend; s->what; s++)
        assert_false(needed(g, s)); /* nothing was given out yet */
    create_ok(g);
    assert_false(needed(g, &g->how->suspend[0]));
    static const char reset[] = "POST " ONE "/branches/" BRANCH "/roles/app/reset_password";
    static const char answer[] =
        "{\"role\":{\"name\":\"app\",\"password\":\"new-and-secret\"},\"operations\":[]}";
    assert_int_equal(fed(g, &g->how->suspend[1], reset, 423, LOCKED), VK_AGAIN);
    assert_int_equal(fed(g, &g->how->suspend[1], reset, 200, answer), VK_OK);
    assert_true(g->again);
    value_is(*state, "neon", "shop", "connection_uri", URI);
    static const char wait[] = "GET " ONE "/operations?limit=100";
    assert_int_equal(fed(g, &g->how->suspend[2], wait, 200, OPERATIONS("running", "finished")), VK_AGAIN);
    assert_int_equal(fed(g, &g->how->suspend[2], wait, 200, OPERATIONS("finished", "finished")), VK_OK);
    assert_int_equal(fed(g, &g->how->suspend[2], wait, 404, NULL), VK_OK);
    rig_free(g);
}

static void ending(void **state)
{
    rig *g = entered(*state, NULL);
    create_ok(g);
    const vk_prov_step *del = &g->how->end[0], *gone = &g->how->end[1];
    static const char two[] =
        "{\"projects\":[" PROJECT("x-1", NAME "x") "," PROJECT(ID, NAME) "," PROJECT(TWIN, NAME) "]}";
    assert_int_equal(fed(g, del, SEARCH, 200, two), VK_AGAIN);
    assert_int_equal(fed(g, del, "DELETE " ONE, 423, LOCKED), VK_AGAIN);
    assert_int_equal(fed(g, del, "DELETE " ONE, 200, NULL), VK_AGAIN);
    assert_int_equal(fed(g, del, SEARCH, 200, "{\"projects\":[" PROJECT(TWIN, NAME) "]}"), VK_AGAIN);
    assert_int_equal(fed(g, del, "DELETE " ALL "/" TWIN, 404, NULL), VK_AGAIN);
    assert_false(g->soon); /* the list is behind: not in a hurry */
    assert_int_equal(fed(g, del, SEARCH, 200, "{\"projects\":[]}"), VK_OK);
    /* The list did not know it. */
    assert_int_equal(fed(g, gone, "GET " ONE, 200, "{\"project\":" PROJECT(ID, NAME) "}"), VK_AGAIN);
    assert_int_equal(fed(g, gone, "DELETE " ONE, 200, NULL), VK_AGAIN);
    assert_int_equal(fed(g, gone, "GET " ONE, 404, NULL), VK_OK);
    assert_int_equal(fed(g, gone, "GET " ONE, 200,
                         "{\"project\":{\"id\":\"" ID "\",\"name\":\"" NAME
                         "\",\"deleted_at\":\"2026-11-29T12:00:00Z\"}}"),
                     VK_OK);
    assert_int_equal(fed(g, gone, "GET " ONE, 200, "{\"project\":" PROJECT(ID, "kept-by-its-owner") "}"),
                     VK_OK);
    /* What is no proof. */
    assert_int_equal(fed(g, gone, "GET " ONE, 200, "{\"project\":" PROJECT(TWIN, "x") "}"), VK_E_INVALID);
    assert_int_equal(fed(g, gone, "GET " ONE, 200, "garbage"), VK_E_INVALID);
    assert_int_equal(fed(g, gone, "GET " ONE, 403, NULL), VK_E_FORBIDDEN);
    rig_free(g);
}

static void usage(void **state)
{
    rig *g = entered(*state, NULL);
    vk_prov_request r;
    assert_int_equal(g->how->usage[0].ask(&g->run.p, &r, &g->why), VK_E_NOT_FOUND);
    create_ok(g);
    assert_int_equal(fed(g, &g->how->usage[0], "GET " ONE, 200,
                         "{\"project\":{\"id\":\"" ID "\",\"name\":\"" NAME
                         "\",\"synthetic_storage_size\":31457280,\"active_time_seconds\":100,"
                         "\"compute_time_seconds\":-1,\"data_transfer_bytes\":1.5}}"),
                     VK_OK);
    used_is(g, "storage_bytes=31457280 active_seconds=100 ");
    assert_int_equal(fed(g, &g->how->usage[0], "GET " ONE, 200, "{\"project\":" PROJECT(ID, "x") "}"),
                     VK_E_INVALID);
    rig_free(g);
}

static void listing(void **state)
{
    rig *g = entered(*state, NULL);
    const vk_prov_step *s = &g->how->list[0];
    assert_int_equal(fed(g, s, "GET " ALL "?limit=100", 200,
                         "{\"projects\":[" PROJECT(
                             ID, "build-a-abc22222") ",{\"name\":\"build-b-abc22222\"},7],"
                                                     "\"pagination\":{\"cursor\":\"2026:00+1&x=\"}}"),
                     VK_AGAIN);
    assert_true(g->soon);
    g->run.p.page = 1;
    assert_int_equal(
        fed(g, s, "GET " ALL "?limit=100&cursor=2026%3A00%2B1%26x%3D", 200,
            "{\"projects\":[" PROJECT(TWIN, "build-b-abc22222") "],\"pagination\":{\"cursor\":\"next\"}}"),
        VK_AGAIN);
    /* A vendor that turns in a circle does not keep us. */
    assert_int_equal(
        fed(g, s, "GET " ALL "?limit=100&cursor=next", 200,
            "{\"projects\":[" PROJECT(TWIN, "build-c-abc22222") "],\"pagination\":{\"cursor\":\"next\"}}"),
        VK_OK);
    found_is(g, "build-a-abc22222/" ID "/2026-11-29T12:00:00Z build-b-abc22222/" TWIN
                "/2026-11-29T12:00:00Z build-c-abc22222/" TWIN "/2026-11-29T12:00:00Z ");
    assert_int_equal(
        fed(g, s, "GET " ALL "?limit=100", 200, "{\"projects\":[],\"pagination\":{\"cursor\":\"x\"}}"),
        VK_OK);
    g->run.p.page = 100000;
    assert_int_equal(fed(g, s, "", 200, NULL), VK_E_TOO_LARGE);
    rig_free(g);
}

static void sizes(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *text;
        int64_t want;
    } cases[] = {{"512mb", 536870912},
                 {"1gb", 1 << 30},
                 {"4096", 4096},
                 {"7b", 7},
                 {"16kb", 16384},
                 {"", 0},
                 {"mb", 0},
                 {"-1mb", 0},
                 {"1.5gb", 0},
                 {"1 gb", 0},
                 {"0mb", 0},
                 {"999999999999999tb", 0},
                 {"1MB", 0},
                 {"12mbb", 0},
                 {"1234567890123456", 0}};
    for (size_t i = 0; i < VK_COUNT(cases); i++)
        assert_int_equal(vk_prov_size(vk_str_z(cases[i].text)), cases[i].want);
}

int main(void)
{
#define EACH(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        EACH(making),
        EACH(of_an_organisation),
        EACH(a_second_try),
        EACH(adopting),
        EACH(what_is_not_sure),
        EACH(answers_that_cannot_be),
        EACH(a_stand_in),
        EACH(refusals),
        EACH(another_organisation),
        EACH(ending_what_was_refused),
        EACH(suspending),
        EACH(ending),
        EACH(usage),
        EACH(listing),
        cmocka_unit_test(sizes),
    };
    if (sodium_init() < 0 || vk_digest_init() != VK_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
