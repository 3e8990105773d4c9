/* The driver of Turso, fed with what Turso's documentation says that it answers, and with what it must not.
 */
#include "core/encode.h"
#include "crypto/digest.h"
#include "keeper/test_provision.h"

#define NAME "build-shop-abc2de3f"
#define ALL "/v1/organizations/acme/databases"
#define ONE ALL "/" NAME
#define ID "0eb771dd-6906-11ee-8553-eaa7715aeaf2"
#define HOST NAME "-acme.aws-us-east-1.turso.io"
#define OTHER_ID "11111111-6906-11ee-8553-eaa7715aeaf2"
#define MADE(name, id, host)                                                                                 \
    "{\"database\":{\"DbId\":\"" id "\",\"Hostname\":\"" host "\",\"Name\":\"" name "\"}}"
#define SHOWN(id)                                                                                            \
    "{\"database\":{\"Name\":\"" NAME "\",\"DbId\":\"" id "\",\"Hostname\":\"" HOST                          \
    "\",\"group\":\"default\",\"delete_protection\":false,\"parent\":null}}"
#define NONE_SUCH "{\"error\":\"could not find database with name [" NAME "]: record not found\"}"
#define MINT "POST " ONE "/auth/tokens?expiration=7d&authorization=full-access"

static rig *entered(place *at, const char *base)
{
    put_ok(at, "turso", "",
           (pair[]){{"org", "acme"},
                    {"group", "default"},
                    {"token", TOKEN_A},
                    {base ? "api_base" : NULL, base},
                    {NULL, NULL}});
    return rig_new(at, "turso", NAME);
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
    assert_int_equal(fed(g, &g->how->make[0], "POST " ALL, 200, MADE(NAME, ID, HOST)), VK_OK);
}

/* A token as Turso's look, with these claims. */
static const char *jwt(const char *claims)
{
    static char text[900];
    vk_buf b;
    vk_buf_init(&b, 800);
    vk_buf_lit(&b, "{\"jwt\":\"");
    vk_base64url(&b, "{\"alg\":\"EdDSA\",\"typ\":\"JWT\"}", 27);
    vk_buf_ch(&b, '.');
    vk_base64url(&b, claims, strlen(claims));
    vk_buf_lit(&b, ".c2lnbmVkLWJ5LW5vYm9keQ\"}");
    assert_int_equal(b.err, VK_OK);
    snprintf(text, sizeof text, VK_STR_FMT, VK_STR_ARG(vk_buf_view(&b)));
    vk_buf_free(&b);
    return text;
}

static void making(void **state)
{
    rig *g = entered(*state, NULL);
    create_ok(g);
    assert_string_equal(g->body, "{\"name\":\"" NAME "\",\"group\":\"default\",\"size_limit\":\"512mb\"}");
    assert_false(g->again); /* a second one would be refused, and nobody would know why */
    value_is(*state, "turso", "shop", "hostname", HOST);
    note_is(g, "id", ID);
    assert_false(needed(g, &g->how->make[1]));
    assert_int_equal(fed(g, &g->how->make[2], MINT, 200, jwt("{\"a\":\"rw\",\"exp\":1764900000}")), VK_OK);
    assert_string_equal(g->body, "");
    assert_true(g->again);
    note_is(g, "expires", "1764900000000");
    assert_int_equal(vk_org_value(g->run.p.own, "database_token").n,
                     strlen(jwt("{\"a\":\"rw\",\"exp\":1764900000}")) - 10);
    assert_null(g->how->make[3].what);
    rig_free(g);
}

static void adopting(void **state)
{
    rig *g = entered(*state, NULL);
    g->run.p.tried = true;
    static const char exists[] = "{\"error\":\"database with name [" NAME "] already exists\"}";
    assert_int_equal(fed(g, &g->how->make[0], "POST " ALL, 409, exists), VK_OK);
    g->run.p.tried = false;
    assert_true(needed(g, &g->how->make[1]));
    assert_int_equal(fed(g, &g->how->make[1], "GET " ONE, 404, NONE_SUCH), VK_AGAIN);
    assert_int_equal(fed(g, &g->how->make[1], "GET " ONE, 200, SHOWN(ID)), VK_OK);
    value_is(*state, "turso", "shop", "hostname", HOST);
    note_is(g, "id", ID);
    note_is(g, "foreign", NULL);
    rig_free(g);
}

/* Nobody of ours ever asked for this name: what is there is somebody else's, and stays. */
static void a_foreign_one(void **state)
{
    rig *g = entered(*state, NULL);
    assert_int_equal(fed(g, &g->how->make[0], "POST " ALL, 409, "{\"error\":\"already exists\"}"),
                     VK_E_CONFLICT);
    assert_non_null(strstr(g->why, "already exists"));
    for (const vk_prov_step *s = g->how->end; s->what; s++)
        assert_false(needed(g, s));
    rig_free(g);
}

static void answers_that_cannot_be(void **state)
{
    static const char *const bad[] = {
        MADE("build-other-abc2de3f", ID, HOST), /* another build's */
        MADE("BUILD-SHOP-ABC2DE3F", ID, HOST),
        MADE(NAME, "", HOST),
        MADE(NAME, "0123456789012345678901234567890123456789012345678901234567890123456789", HOST),
        MADE(NAME, "an id", HOST),
        MADE(NAME, ID, ""),
        MADE(NAME, ID, "localhost"),
        MADE(NAME, ID, "127.0.0.1"),
        MADE(NAME, ID, "127.0.0.1:5432"),
        MADE(NAME, ID, "[::1]"),
        MADE(NAME, ID, "10.0.0.1"),
        MADE(NAME, ID, "169.254.169.254"),
        MADE(NAME, ID, "[fd00::1]"),
        MADE(NAME, ID, "2130706433"),
        MADE(NAME, ID, "intranet"),
        MADE(NAME, ID, "example.com:25"),
        MADE(NAME, ID, "example.com/path"),
        MADE(NAME, ID, "user@example.com"),
        MADE(NAME, ID, "https://example.com"),
        MADE(NAME, ID, "http://127.0.0.1:80"),
        MADE(NAME, ID, "libsql://example.com"),
        MADE(NAME, ID, "a b.example.com"),
        MADE(NAME, ID, "a.example.com\\r\\nX: y"),
        "{\"database\":{\"Name\":\"" NAME "\",\"DbId\":\"" ID "\",\"Hostname\":{\"x\":\"" HOST "\"}}}",
        "{\"database\":{\"Name\":\"" NAME "\",\"DbId\":\"" ID "\",\"Hostname\":\"" HOST
        "\",\"group\":\"other\"}}",
        "{\"database\":{\"name\":\"" NAME "\",\"dbId\":\"" ID "\",\"hostname\":\"" HOST "\"}}",
        "{\"database\":null}",
        "{\"database\":[]}",
        "[]",
        "7",
        "no JSON",
        "",
        NULL,
    };
    for (size_t i = 0; i < VK_COUNT(bad); i++) {
        rig *g = entered(*state, NULL);
        assert_int_equal(fed(g, &g->how->make[0], "POST " ALL, 200, bad[i]), VK_E_INVALID);
        assert_int_equal(fed(g, &g->how->make[1], "GET " ONE, 200, bad[i]), VK_E_INVALID);
        assert_null(find(*state, "turso", "shop"));
        rig_free(g);
    }
}

/* Where the API is a stand-in on this machine, and only there, databases may be there as well. */
static void a_stand_in(void **state)
{
    rig *g = entered(*state, "http://127.0.0.1:4100");
    assert_int_equal(fed(g, &g->how->make[0], "POST " ALL, 200, MADE(NAME, ID, HOST)), VK_E_INVALID);
    assert_int_equal(fed(g, &g->how->make[0], "POST " ALL, 200, MADE(NAME, ID, "http://10.0.0.1:80")),
                     VK_E_INVALID);
    assert_int_equal(fed(g, &g->how->make[0], "POST " ALL, 200, MADE(NAME, ID, "http://127.0.0.1:4101")),
                     VK_OK);
    value_is(*state, "turso", "shop", "hostname", "http://127.0.0.1:4101");
    rig_free(g);
}

static void tokens(void **state)
{
    rig *g = entered(*state, NULL);
    create_ok(g);
    const vk_prov_step *mint = &g->how->make[2];
    static const char *const bad[] = {
        "{\"a\":\"rw\"}", /* without an end */
        "{\"a\":\"rw\",\"exp\":null}",
        "{\"a\":\"rw\",\"exp\":\"never\"}",
        "{\"a\":\"rw\",\"exp\":1764400000}", /* ended */
        "{\"a\":\"rw\",\"exp\":0}",
        "{\"a\":\"ro\",\"exp\":1764900000}",
    };
    for (size_t i = 0; i < VK_COUNT(bad); i++)
        assert_int_equal(fed(g, mint, MINT, 200, jwt(bad[i])), VK_E_INVALID);
    static const char *const none[] = {
        "{}",      "{\"jwt\":7}", "{\"jwt\":\"\"}", "{\"jwt\":\"sk_live\"}", "{\"jwt\":\"eyJ.x\"}", "[]",
        "no JSON", NULL};
    for (size_t i = 0; i < VK_COUNT(none); i++)
        assert_int_equal(fed(g, mint, MINT, 200, none[i]), VK_E_INVALID);
    note_is(g, "expires", NULL);
    assert_int_equal(vk_org_value(g->run.p.own, "database_token").n, 0);
    /* Never believed for longer than was asked for; and one that cannot be read is as good as any. */
    assert_int_equal(fed(g, mint, MINT, 200, jwt("{\"exp\":9999999999}")), VK_OK);
    note_is(g, "expires", "1765004800000");
    assert_int_equal(
        fed(g, mint, MINT, 200, "{\"jwt\":\"eyJhbGciOiJFZERTQSJ9.opaque-and-secret.signature\"}"), VK_OK);
    note_is(g, "expires", "1765004800000");
    value_is(*state, "turso", "shop", "database_token", "eyJhbGciOiJFZERTQSJ9.opaque-and-secret.signature");
    assert_int_equal(fed(g, &g->how->renew[0], MINT, 200, jwt("{\"exp\":1764500000}")), VK_OK);
    note_is(g, "expires", "1764500000000");
    rig_free(g);
}

static void refusals(void **state)
{
    static const struct {
        int status;
        vk_err want;
    } cases[] = {{400, VK_E_INVALID},   {401, VK_E_FORBIDDEN}, {402, VK_E_FULL},    {403, VK_E_FORBIDDEN},
                 {404, VK_E_NOT_FOUND}, {422, VK_E_INVALID},   {301, VK_E_INVALID}, {204, VK_E_INVALID}};
    rig *g = entered(*state, NULL);
    const vk_prov_step *const steps[] = {&g->how->make[0], &g->how->make[2], &g->how->usage[0],
                                         &g->how->list[0]};
    const char *const asked[] = {"POST " ALL, MINT, "GET " ONE "/usage", "GET " ALL "?group=default"};
    for (size_t i = 0; i < VK_COUNT(cases); i++)
        for (size_t k = 0; k < VK_COUNT(steps); k++) {
            assert_int_equal(fed(g, steps[k], asked[k], cases[i].status, "{\"error\":\"upgrade your plan\"}"),
                             cases[i].want);
            assert_non_null(strstr(g->why, "upgrade your plan"));
        }
    rig_free(g);
}

static void suspending(void **state)
{
    rig *g = entered(*state, NULL);
    create_ok(g);
    const vk_prov_step *s = &g->how->suspend[0];
    static const char asked[] = "POST " ONE "/auth/rotate";
    assert_int_equal(fed(g, s, asked, 200, NULL), VK_OK);
    assert_true(g->again);
    assert_int_equal(fed(g, s, asked, 200, "{}"), VK_OK);
    assert_int_equal(fed(g, s, asked, 404, NONE_SUCH), VK_OK);
    assert_int_equal(fed(g, s, asked, 403, NULL), VK_E_FORBIDDEN);
    rig_free(g);
}

static void ending(void **state)
{
    rig *g = entered(*state, NULL);
    create_ok(g);
    const vk_prov_step *look = step(g->how->end, "databases.get"),
                       *del = step(g->how->end, "databases.delete"),
                       *gone = step(g->how->end, "databases.gone");
    assert_int_equal(fed(g, look, "GET " ONE, 200, SHOWN(ID)), VK_OK);
    assert_int_equal(fed(g, del, "DELETE " ONE, 400, "{\"error\":\"it is protected\"}"), VK_E_INVALID);
    assert_non_null(strstr(g->why, "it is protected"));
    assert_int_equal(fed(g, del, "DELETE " ONE, 200, "{\"database\":\"" NAME "\"}"), VK_OK);
    /* It said so, and did not: once more. */
    assert_int_equal(fed(g, gone, "GET " ONE, 200, SHOWN(ID)), VK_AGAIN);
    assert_int_equal(fed(g, gone, "DELETE " ONE, 200, NULL), VK_AGAIN);
    assert_int_equal(fed(g, gone, "GET " ONE, 200, SHOWN(ID)), VK_AGAIN);
    assert_int_equal(fed(g, gone, "DELETE " ONE, 404, NONE_SUCH), VK_AGAIN);
    assert_int_equal(fed(g, gone, "GET " ONE, 404, NONE_SUCH), VK_OK);
    /* What is no proof. */
    assert_int_equal(fed(g, gone, "GET " ONE, 403, NULL), VK_E_FORBIDDEN);
    assert_int_equal(fed(g, gone, "GET " ONE, 200, "garbage"), VK_E_INVALID);
    assert_int_equal(fed(g, gone, "GET " ONE, 200, MADE("another", ID, HOST)), VK_E_INVALID);
    note_is(g, "foreign", NULL);
    /* It is gone, and what has the name now is somebody else's. */
    assert_int_equal(fed(g, gone, "GET " ONE, 200, SHOWN(OTHER_ID)), VK_OK);
    note_is(g, "foreign", "1");
    rig_free(g);
}

static void ending_what_was_replaced(void **state)
{
    rig *g = entered(*state, NULL);
    create_ok(g);
    assert_int_equal(fed(g, &g->how->end[0], "GET " ONE, 200, SHOWN(OTHER_ID)), VK_OK);
    assert_false(needed(g, step(g->how->end, "databases.delete")));
    assert_false(needed(g, step(g->how->end, "databases.gone")));
    rig_free(g);
}

/* With other keys it would not be found, and would not be gone. */
static void another_organisation(void **state)
{
    rig *g = entered(*state, NULL);
    create_ok(g);
    note_is(g, "org", "acme");
    put_ok(*state, "turso", "", (pair[]){{"org", "other"}, {NULL, NULL}});
    g->run.p.org = find(*state, "turso", "");
    const vk_prov_step *const steps[] = {&g->how->end[0],     &g->how->end[1],   &g->how->end[2],
                                         &g->how->suspend[0], &g->how->renew[0], &g->how->usage[0]};
    for (size_t i = 0; i < VK_COUNT(steps); i++)
        assert_int_equal(fed(g, steps[i], "", 404, NULL), VK_E_CONFLICT);
    rig_free(g);
}

/* With a token that may not delete, what was never made ends too; what came late after all is deleted. */
static void ending_what_is_not_there(void **state)
{
    rig *g = entered(*state, NULL);
    create_ok(g);
    assert_int_equal(fed(g, &g->how->end[0], "GET " ONE, 404, NONE_SUCH), VK_OK);
    assert_false(needed(g, step(g->how->end, "databases.delete")));
    assert_true(needed(g, step(g->how->end, "databases.gone")));
    assert_int_equal(fed(g, &g->how->end[0], "GET " ONE, 200, SHOWN(ID)), VK_OK);
    assert_true(needed(g, step(g->how->end, "databases.delete")));
    rig_free(g);
}

/* Nothing is known but the name: a request that was never answered, or an orphan. */
static void ending_without_an_id(void **state)
{
    rig *g = entered(*state, NULL);
    assert_int_equal(fed(g, &g->how->end[0], "GET " ONE, 404, NONE_SUCH), VK_OK);
    assert_int_equal(fed(g, &g->how->end[2], "GET " ONE, 404, NONE_SUCH), VK_OK);
    assert_int_equal(fed(g, &g->how->end[0], "GET " ONE, 200, SHOWN(ID)), VK_OK);
    assert_int_equal(fed(g, &g->how->end[1], "DELETE " ONE, 404, NONE_SUCH), VK_OK);
    assert_int_equal(fed(g, &g->how->end[2], "GET " ONE, 404, NONE_SUCH), VK_OK);
    rig_free(g);
}

static void usage(void **state)
{
    rig *g = entered(*state, NULL);
    const vk_prov_step *s = &g->how->usage[0];
    static const char asked[] = "GET " ONE "/usage";
    assert_int_equal(fed(g, s, asked, 200,
                         "{\"database\":{\"uuid\":\"" ID "\",\"instances\":[],\"total\":{\"rows_read\":10,"
                         "\"rows_written\":2,\"storage_bytes\":8192,\"bytes_synced\":0}}}"),
                     VK_OK);
    used_is(g, "storage_bytes=8192 rows_read=10 rows_written=2 bytes_synced=0 ");
    assert_int_equal(fed(g, s, asked, 200,
                         "{\"database\":{\"total\":{\"rows_read\":-1,\"storage_bytes\":\"8\",\"x\":1}}}"),
                     VK_OK);
    used_is(g, "");
    assert_int_equal(fed(g, s, asked, 200, "{\"database\":{}}"), VK_E_INVALID);
    assert_int_equal(fed(g, s, asked, 200, NULL), VK_E_INVALID);
    rig_free(g);
}

static void listing(void **state)
{
    rig *g = entered(*state, NULL);
    const vk_prov_step *s = &g->how->list[0];
    static const char asked[] = "GET " ALL "?group=default";
    assert_int_equal(
        fed(g, s, asked, 200,
            "{\"databases\":[{\"Name\":\"build-a-abc22222\",\"DbId\":\"1\",\"group\":\"default\"},"
            "{\"Name\":\"build-b-abc22222\",\"DbId\":\"2\",\"group\":\"other\"},{\"Name\":7},{},null,"
            "{\"Name\":\"build-c-abc22222\",\"DbId\":\"3\"},{\"Name\":\"build-c-xyz22222\",\"DbId\":\"4\"}]"
            "}"),
        VK_OK);
    found_is(g, "build-a-abc22222/1/ build-c-abc22222/3/ ");
    assert_int_equal(fed(g, s, asked, 200, "{\"databases\":null}"), VK_E_INVALID);
    assert_int_equal(fed(g, s, asked, 200, NULL), VK_E_INVALID);
    rig_free(g);
}

int main(void)
{
#define EACH(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        EACH(making),
        EACH(adopting),
        EACH(a_foreign_one),
        EACH(answers_that_cannot_be),
        EACH(a_stand_in),
        EACH(tokens),
        EACH(refusals),
        EACH(suspending),
        EACH(ending),
        EACH(ending_what_was_replaced),
        EACH(another_organisation),
        EACH(ending_what_is_not_there),
        EACH(ending_without_an_id),
        EACH(usage),
        EACH(listing),
    };
    if (sodium_init() < 0 || vk_digest_init() != VK_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
