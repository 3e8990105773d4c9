/* Clients, sessions and their tokens, on a database of its own. What the calls' spine gives is stood in for:
 * the three files are compiled in here, under names of their own. */
#define vk_auth_broke stand_broke
#define vk_auth_lookup stand_lookup
#define vk_auth_rsa stand_rsa
#define vk_auth_view_of stand_view_of
#define vk_auth_pool_tokens stand_pool_tokens
#define vk_auth_person_get t_person_get
#define vk_auth_session_person t_session_person
#define vk_auth_need_client t_need_client
#define vk_auth_browser_of stand_browser_of
#define vk_auth_browser_new t_browser_new
#define vk_auth_need_client_anew t_need_client_anew
#define vk_auth_browser_rotate t_browser_rotate
#define vk_auth_sign_in_user t_sign_in_user
#define vk_auth_client_now t_client_now
#define vk_auth_session_now t_session_now
#define vk_auth_sessions_ended t_sessions_ended
#define vk_auth_jwks t_jwks
#define vk_auth_client_routes t_client_routes
#define vk_auth_need_secret stand_need_secret
#define vk_auth_handshake_routes t_handshake_routes
#define vk_auth_token t_token
#define vk_auth_token_of t_token_of
#define vk_auth_tokens_free t_tokens_free
#include "services/auth/client.c"
#include "services/auth/handshake.c"
#include "services/auth/token.c"

#include "core/test_folder.h"
#include "store/store.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>
#include <cmocka.h>

#define NOW INT64_C(1795459730539)
#define AZP VK_STR("http://localhost:3000")

struct vk_auth_pool {
    vk_auth_tokens *tokens;
};

static char dir[] = "/tmp/vk-auth-client-XXXXXX", path[64];
static vk_auth_pool pool;
static vk_rsa *key;
static vk_auth_about about;
static vk_exchange ex;
static vk_auth_call call, *c = &call;
static vk_auth_user ada;

vk_auth_fail stand_broke(const vk_auth_call *x, vk_err e)
{
    VK_UNUSED(x);
    VK_UNUSED(e);
    return VK_AUTH_F_INTERNAL;
}

void stand_lookup(const vk_auth_call *x, vk_secret text, uint8_t out[VK_SHA256])
{
    VK_UNUSED(x);
    vk_sha256(vk_secret_bytes(text), out);
}

vk_auth_fail stand_rsa(vk_auth_call *x, const vk_rsa **out_r)
{
    VK_UNUSED(x);
    *out_r = key;
    return VK_AUTH_F_OK;
}

vk_auth_view stand_view_of(const vk_auth_call *x)
{
    return (vk_auth_view){.gateway = VK_STR("http://127.0.0.1:4501/b/demo"), .now_ms = x->now_ms};
}

vk_auth_tokens **stand_pool_tokens(vk_auth_pool *p)
{
    return &p->tokens;
}

vk_auth_fail stand_need_secret(vk_auth_call *x, const char *name, size_t most, vk_secret *out_r)
{
    return vk_auth_param_secret(&x->query, vk_str_z(name), most, out_r) == VK_OK ? VK_AUTH_F_OK
                                                                                 : VK_AUTH_F_PARAM_MISSING;
}

vk_auth_fail stand_browser_of(vk_auth_call *x)
{
    vk_secret id;
    char client[VK_AUTH_ID_MAX + 1];
    int64_t used;
    if (vk_auth_param_secret(&x->query, VK_STR("__clerk_db_jwt"), VK_AUTH_ID_MAX, &id) != VK_OK)
        return VK_AUTH_F_DEV_BROWSER;
    vk_auth_lookup(x, id, x->browser);
    if (vk_auth_browser_get(x->db, x->browser, client, &used) != VK_OK)
        return VK_AUTH_F_DEV_BROWSER;
    x->has_browser = true;
    x->has_client = client[0] && vk_auth_client_get(x->db, vk_str_z(client), &x->client) == VK_OK;
    return VK_AUTH_F_OK;
}

/* ---- the table */

static int begin(void **state)
{
    VK_UNUSED(state);
    assert_int_equal(vk_digest_init(), VK_OK);
    assert_int_equal(vk_sqlite_init(), VK_OK);
    assert_true(folder_make(dir));
    snprintf(path, sizeof path, "%s/auth.db", dir);
    assert_int_equal(vk_rsa_new(&key), VK_OK);
    snprintf(about.build, sizeof about.build, "b1");
    assert_int_equal(vk_auth_instance_id(VK_STR("b1"), about.instance), VK_OK);
    assert_int_equal(vk_auth_host(VK_STR("b1"), VK_AUTH_DOMAIN_USUAL, about.host), VK_OK);
    snprintf(about.issuer, sizeof about.issuer, "https://%s", about.host);
    return 0;
}

static int end(void **state)
{
    VK_UNUSED(state);
    vk_rsa_free(key);
    return folder_remove(dir);
}

/* A browser that holds nothing, and one user. */
static int each(void **state)
{
    VK_UNUSED(state);
    unlink(path);
    memset(c, 0, sizeof *c);
    memset(&ex, 0, sizeof ex);
    c->ex = &ex;
    c->about = &about;
    c->pool = &pool;
    c->now_ms = NOW;
    c->arena = vk_arena_new(8 * 1024 * 1024);
    assert_non_null(c->arena);
    vk_buf_init(&ex.out, 65536);
    c->w = vk_jw_on(&ex.out);
    snprintf(c->origin, sizeof c->origin, "http://localhost:3000");
    assert_int_equal(vk_auth_db_open(path, "b1", &c->db), VK_OK);
    char id[VK_AUTH_ID_MAX + 1];
    assert_int_equal(vk_auth_browser_new(c, VK_STR_NONE, id), VK_AUTH_F_OK);
    assert_true(vk_auth_id_is(VK_AUTH_DEV_BROWSER, vk_str_z(id)));
    ada = (vk_auth_user){.public_metadata = VK_STR("{}"),
                         .private_metadata = VK_STR("{\"hidden\":1}"),
                         .unsafe_metadata = VK_STR("{}"),
                         .created_ms = NOW - 1000,
                         .updated_ms = NOW - 1000};
    vk_auth_id_new(VK_AUTH_USER, ada.id);
    vk_auth_email_row mail = {.address = "ada@example.com", .primary = true, .verified = true};
    vk_auth_id_new(VK_AUTH_IDENTIFICATION, mail.id);
    memcpy(mail.user, ada.id, sizeof mail.user);
    assert_int_equal(vk_auth_user_add(c->db, &ada), VK_OK);
    assert_int_equal(vk_auth_email_add(c->db, &mail), VK_OK);
    return 0;
}

static int each_end(void **state)
{
    VK_UNUSED(state);
    vk_auth_tokens_free(pool.tokens);
    pool.tokens = NULL;
    vk_auth_db_close(c->db);
    vk_buf_free(&ex.out);
    vk_arena_free(c->arena);
    return 0;
}

static vk_auth_session signed_in(void)
{
    vk_auth_session s = {0};
    assert_int_equal(vk_auth_sign_in_user(c, vk_str_z(ada.id), "password", &s), VK_AUTH_F_OK);
    return s;
}

/* What a handler writes, read. */
static json_t *shown(vk_auth_fail f)
{
    assert_int_equal(f, VK_AUTH_F_OK);
    json_t *v = json_loadb(ex.out.p, ex.out.n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
    assert_non_null(v);
    vk_buf_clear(&ex.out);
    c->w = vk_jw_on(&ex.out);
    return v;
}

static vk_jwt parsed(vk_secret jwt)
{
    vk_jwt t;
    const char *why;
    assert_int_equal(vk_jwt_parse(c->arena, jwt, &t, &why), VK_OK);
    assert_int_equal(vk_jwt_verify(&t, key), VK_OK);
    return t;
}

static int64_t number(const vk_jwt *t, const char *name)
{
    int64_t v = 0;
    assert_int_equal(vk_json_i64(vk_json_get(t->claims, vk_str_z(name)), &v), VK_OK);
    return v;
}

static void text_is(const vk_jwt *t, const char *name, const char *want)
{
    assert_true(vk_str_eqz(vk_json_str(vk_json_get(t->claims, vk_str_z(name))), want));
}

/* ---- tokens */

static void claims_of_a_token(void **state)
{
    VK_UNUSED(state);
    vk_auth_session s = signed_in();
    vk_secret jwt;
    c->now_ms = NOW + 3 * 60000;
    assert_int_equal(vk_auth_token(c, &s, AZP, false, &jwt), VK_AUTH_F_OK);
    vk_jwt t = parsed(jwt);
    assert_true(vk_str_eqz(t.kid, "ins_b1"));
    assert_true(vk_str_eq(t.cat, VK_JWT_CAT_SESSION));
    int64_t now_s = c->now_ms / 1000;
    assert_int_equal(number(&t, "iat"), now_s);
    assert_int_equal(number(&t, "exp"), now_s + 60);
    assert_int_equal(number(&t, "nbf"), now_s - 10);
    assert_int_equal(number(&t, "v"), 2);
    text_is(&t, "azp", "http://localhost:3000");
    text_is(&t, "iss", "https://b1.vk_accounts.dev");
    text_is(&t, "sub", ada.id);
    text_is(&t, "sid", s.id);
    text_is(&t, "sts", "active");
    const vk_json *fva = vk_json_get(t.claims, VK_STR("fva"));
    assert_int_equal(fva->count, 2);
    assert_int_equal(fva->u.child->u.i, 3);
    assert_int_equal(fva->u.child->next->u.i, -1);
    assert_int_equal(vk_json_str(vk_json_get(t.claims, VK_STR("jti"))).n, 2 * JTI);
    assert_int_equal(t.claims->count, 11);
    assert_true(ex.secret);
    /* nobody said where it is for: the claim is left out, not empty */
    assert_int_equal(vk_auth_token(c, &s, VK_STR_NONE, false, &jwt), VK_AUTH_F_OK);
    t = parsed(jwt);
    assert_null(vk_json_get(t.claims, VK_STR("azp")));
}

static bool same_token(const vk_auth_session *s, vk_str azp, bool fresh, vk_secret *last)
{
    vk_secret jwt;
    assert_int_equal(vk_auth_token(c, s, azp, fresh, &jwt), VK_AUTH_F_OK);
    bool same = vk_secret_eq(jwt, *last);
    *last = jwt;
    return same;
}

static void cached(void **state)
{
    VK_UNUSED(state);
    vk_auth_session s = signed_in();
    vk_secret last = VK_SECRET_NONE, other = VK_SECRET_NONE;
    const int64_t begun = NOW / 1000 * 1000;
    assert_false(same_token(&s, AZP, false, &last));
    assert_true(same_token(&s, AZP, false, &last));
    assert_false(same_token(&s, VK_STR("https://preview.example"), false, &other));
    assert_true(same_token(&s, AZP, false, &last));
    assert_true(same_token(&s, VK_STR("https://preview.example"), false, &other));
    assert_int_equal(pool.tokens->n, 2);
    c->now_ms = begun + 9999;
    assert_true(same_token(&s, AZP, false, &last));
    c->now_ms = begun + 10000;
    assert_false(same_token(&s, AZP, false, &last));
    assert_true(same_token(&s, AZP, false, &last));
    assert_false(same_token(&s, AZP, true, &last)); /* skip_cache: and the next gets this one */
    assert_true(same_token(&s, AZP, false, &last));
    s.verified_ms += 1; /* proved again who they are: fva is another */
    assert_false(same_token(&s, AZP, false, &last));
    c->client.updated_ms = c->now_ms + 1;
    assert_false(same_token(&s, AZP, false, &last));
    c->now_ms -= 1; /* the clock was set back: that one was made later than now */
    assert_false(same_token(&s, AZP, false, &last));
}

static void cache_is_bounded(void **state)
{
    VK_UNUSED(state);
    vk_auth_session s = signed_in();
    entry times = {.made_ms = NOW, .until_ms = NOW + 10000};
    char azp[32];
    assert_non_null(tokens_of(c));
    for (int i = 0; i < ENTRIES_MAX + 10; i++) {
        snprintf(azp, sizeof azp, "http://localhost:%d", i);
        keep(pool.tokens, &s, vk_str_z(azp), &times, VK_STR("a.b.c"));
    }
    assert_int_equal(pool.tokens->n, ENTRIES_MAX);
    assert_null(find(pool.tokens, &s, VK_STR("http://localhost:9")));
    assert_non_null(find(pool.tokens, &s, VK_STR("http://localhost:10")));
    times.made_ms = NOW + 10000; /* what is too old makes room by itself */
    times.until_ms = NOW + 20000;
    keep(pool.tokens, &s, AZP, &times, VK_STR("a.b.c"));
    assert_int_equal(pool.tokens->n, 1);
    assert_int_equal(pool.tokens->bytes, sizeof(entry) + 5);
}

static void never_before_the_clients_update(void **state)
{
    VK_UNUSED(state);
    vk_auth_session s = signed_in();
    vk_secret jwt;
    int64_t uat = c->client.updated_ms / 1000;
    c->now_ms = NOW - 3000; /* the clock was set back */
    assert_int_equal(vk_auth_token(c, &s, AZP, false, &jwt), VK_AUTH_F_OK);
    vk_jwt t = parsed(jwt);
    assert_int_equal(number(&t, "iat"), uat);
    assert_int_equal(number(&t, "exp"), uat + 60);
    /* the same for who does not have the client at hand: the Backend API */
    c->has_client = false;
    assert_int_equal(vk_auth_token(c, &s, AZP, true, &jwt), VK_AUTH_F_OK);
    t = parsed(jwt);
    assert_int_equal(number(&t, "iat"), uat);
    s.client[0] = '\0';
    assert_int_equal(vk_auth_token(c, &s, AZP, true, &jwt), VK_AUTH_F_OK);
    t = parsed(jwt);
    assert_int_equal(number(&t, "iat"), c->now_ms / 1000);
}

static void shorter_for_tests(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *text;
        int64_t s;
    } cases[] = {{"20", 20},   {"2", 2},  {"59", 59}, {"60", 60},
                 {"3600", 60}, {"1", 60}, {"-5", 60}, {"x", 60}};
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        setenv("VALETKEY_TEST_TOKEN_SECONDS", cases[i].text, 1);
        assert_int_equal(life_s(), cases[i].s);
    }
    setenv("VALETKEY_TEST_TOKEN_SECONDS", "12", 1);
    vk_auth_session s = signed_in();
    vk_secret last = VK_SECRET_NONE;
    c->now_ms = NOW / 1000 * 1000;
    assert_false(same_token(&s, AZP, false, &last));
    vk_jwt t = parsed(last);
    assert_int_equal(number(&t, "exp") - number(&t, "iat"), 12);
    c->now_ms += 1999;
    assert_true(same_token(&s, AZP, false, &last));
    c->now_ms += 1;
    assert_false(same_token(&s, AZP, false, &last));
    unsetenv("VALETKEY_TEST_TOKEN_SECONDS");
    assert_int_equal(life_s(), 60);
}

/* No token, from the cache either, and the client shows nobody. */
static void shows_nobody(const vk_auth_session *s)
{
    vk_secret jwt = VK_SECRET_NONE;
    assert_int_equal(vk_auth_token(c, s, AZP, false, &jwt), VK_AUTH_F_NOT_SIGNED_IN);
    assert_int_equal(jwt.n, 0);
    json_t *v = shown(vk_auth_client_now(c, &c->w));
    assert_int_equal(json_array_size(json_object_get(v, "sessions")), 0);
    assert_true(json_is_null(json_object_get(v, "last_active_session_id")));
    json_decref(v);
}

static void not_for_everybody(void **state)
{
    VK_UNUSED(state);
    vk_auth_session s = signed_in(), ended = s;
    vk_secret jwt;
    vk_auth_user u;
    assert_int_equal(vk_auth_token(c, &s, AZP, false, &jwt), VK_AUTH_F_OK);
    assert_int_equal(vk_auth_user_get(c->db, c->arena, vk_str_z(ada.id), &u), VK_OK);

    u.banned = true;
    assert_int_equal(vk_auth_user_put(c->db, &u), VK_OK);
    shows_nobody(&s);
    assert_int_equal(vk_auth_sign_in_user(c, vk_str_z(ada.id), "password", &ended), VK_AUTH_F_USER_BANNED);
    u.banned = false;
    u.locked = true;
    assert_int_equal(vk_auth_user_put(c->db, &u), VK_OK);
    shows_nobody(&s);
    assert_int_equal(vk_auth_sign_in_user(c, vk_str_z(ada.id), "password", &ended), VK_AUTH_F_USER_LOCKED);
    assert_string_equal(ended.id, s.id); /* and left as it was */
    json_t *v = shown(vk_auth_session_now(c, &s, &c->w));
    assert_true(json_is_null(json_object_get(v, "last_active_token")));
    json_decref(v);

    /* locked by guesses: nobody new comes in, who is in stays */
    u.locked = false;
    for (int i = 0; i < VK_AUTH_LOCKOUT_MAX; i++)
        vk_auth_lockout_failed(&u.lockout, NOW);
    assert_int_equal(vk_auth_user_put(c->db, &u), VK_OK);
    assert_int_equal(vk_auth_token(c, &s, AZP, false, &jwt), VK_AUTH_F_OK);
    assert_int_equal(vk_auth_sign_in_user(c, vk_str_z(ada.id), "password", &ended), VK_AUTH_F_USER_LOCKED);

    c->now_ms = s.expire_ms;
    shows_nobody(&s);
    c->now_ms = s.expire_ms - 1;
    assert_int_equal(vk_auth_token(c, &s, AZP, false, &jwt), VK_AUTH_F_OK);
    for (int i = VK_AUTH_ENDED; i < VK_AUTH_STATUSES; i++) {
        ended = s;
        ended.status = (vk_auth_status)i;
        assert_int_equal(vk_auth_session_put(c->db, &ended), VK_OK);
        shows_nobody(&ended);
    }
    assert_int_equal(vk_auth_session_put(c->db, &s), VK_OK);
    assert_int_equal(vk_auth_user_drop(c->db, vk_str_z(ada.id)), VK_OK);
    shows_nobody(&s);
    assert_int_equal(vk_auth_session_now(c, &s, &c->w), VK_AUTH_F_NO_SESSION);
    assert_int_equal(vk_auth_sign_in_user(c, vk_str_z(ada.id), "password", &ended), VK_AUTH_F_NOT_FOUND);
}

/* ---- clients */

static void signing_in(void **state)
{
    VK_UNUSED(state);
    uint8_t before[VK_SHA256];
    char client[VK_AUTH_ID_MAX + 1], old_client[VK_AUTH_ID_MAX + 1];
    int64_t used;
    memcpy(before, c->browser, sizeof before);
    assert_int_equal(vk_auth_need_client(c), VK_AUTH_F_OK);
    memcpy(old_client, c->client.id, sizeof old_client);
    vk_auth_attempt open = {.kind = VK_AUTH_A_SIGN_IN,
                            .status = VK_AUTH_A_NEEDS_FACTOR,
                            .address = "ada@example.com",
                            .created_ms = NOW,
                            .abandon_ms = NOW + VK_AUTH_ATTEMPT_MS},
                    complete = open, foreign = open;
    memcpy(open.client, c->client.id, sizeof open.client);
    memcpy(complete.client, c->client.id, sizeof open.client);
    complete.status = VK_AUTH_A_COMPLETE;
    vk_auth_id_new(VK_AUTH_CLIENT, foreign.client);
    vk_auth_attempt *const attempts[] = {&open, &complete, &foreign};
    for (size_t i = 0; i < VK_COUNT(attempts); i++) {
        vk_auth_id_new(VK_AUTH_SIGN_IN, attempts[i]->id);
        memcpy(attempts[i]->user, ada.id, sizeof ada.id);
        assert_int_equal(vk_auth_attempt_add(c->db, attempts[i]), VK_OK);
    }
    memcpy(c->client.sign_in, open.id, sizeof open.id);
    json_t *v = shown(vk_auth_client_now(c, &c->w));
    assert_string_equal(json_string_value(json_object_get(json_object_get(v, "sign_in"), "id")), open.id);
    json_decref(v);

    c->now_ms = NOW + 5000;
    vk_auth_session first = signed_in();
    assert_string_equal(c->client.id, old_client);
    assert_int_equal(c->client.updated_ms, c->now_ms);
    assert_string_equal(c->client.last_session, first.id);
    assert_string_equal(c->client.last_strategy, "password");
    static const vk_auth_astatus want[] = {VK_AUTH_A_ABANDONED, VK_AUTH_A_COMPLETE, VK_AUTH_A_NEEDS_FACTOR};
    for (size_t i = 0; i < VK_COUNT(attempts); i++) {
        vk_auth_attempt got;
        assert_int_equal(vk_auth_attempt_get(c->db, c->arena, vk_str_z(attempts[i]->id),
                                             vk_str_z(attempts[i]->client), &got),
                         VK_OK);
        assert_int_equal(got.status, want[i]);
    }
    vk_auth_user u;
    assert_int_equal(vk_auth_user_get(c->db, c->arena, vk_str_z(ada.id), &u), VK_OK);
    assert_int_equal(u.last_sign_in_ms, c->now_ms);
    assert_int_equal(u.updated_ms, ada.updated_ms);

    /* who knew the browser's id before holds nothing now; the new one is in the answer alone */
    assert_int_equal(vk_auth_browser_get(c->db, before, client, &used), VK_OK);
    assert_string_equal(client, "");
    assert_true(vk_auth_id_is(VK_AUTH_DEV_BROWSER, vk_str_z(c->new_browser)));
    uint8_t now[VK_SHA256];
    vk_auth_lookup(c, vk_secret_of(vk_str_z(c->new_browser)), now);
    assert_memory_equal(now, c->browser, sizeof now);
    assert_int_equal(vk_auth_browser_get(c->db, now, client, &used), VK_OK);
    assert_string_equal(client, c->client.id);

    /* one session at a time */
    c->now_ms += 1000;
    vk_auth_session second = signed_in(), got;
    assert_int_equal(vk_auth_session_get(c->db, vk_str_z(first.id), &got), VK_OK);
    assert_int_equal(got.status, VK_AUTH_REPLACED);
    v = shown(vk_auth_client_now(c, &c->w));
    json_t *sessions = json_object_get(v, "sessions");
    assert_int_equal(json_array_size(sessions), 1);
    json_t *s = json_array_get(sessions, 0);
    assert_string_equal(json_string_value(json_object_get(s, "id")), second.id);
    assert_null(json_object_get(json_object_get(s, "user"), "private_metadata"));
    vk_jwt t = parsed(vk_secret_of(
        vk_str_z(json_string_value(json_object_get(json_object_get(s, "last_active_token"), "jwt")))));
    text_is(&t, "sid", second.id);
    text_is(&t, "azp", "http://localhost:3000");
    json_decref(v);
}

static void without_a_browser(void **state)
{
    VK_UNUSED(state);
    vk_auth_session s;
    c->has_browser = false;
    assert_int_equal(vk_auth_need_client(c), VK_AUTH_F_DEV_BROWSER);
    assert_int_equal(vk_auth_sign_in_user(c, vk_str_z(ada.id), "password", &s), VK_AUTH_F_DEV_BROWSER);
    json_t *v = shown(vk_auth_client_now(c, &c->w));
    assert_true(json_is_null(v));
    json_decref(v);
}

static void ending(void **state)
{
    VK_UNUSED(state);
    vk_auth_session s = signed_in(), older = s;
    vk_auth_id_new(VK_AUTH_SESSION, older.id);
    assert_int_equal(vk_auth_session_add(c->db, &older), VK_OK);
    c->now_ms = NOW + 60000;
    s.status = VK_AUTH_ENDED;
    assert_int_equal(vk_auth_session_put(c->db, &s), VK_OK);
    assert_int_equal(vk_auth_sessions_ended(c), VK_AUTH_F_OK);
    assert_string_equal(c->client.last_session, older.id);
    assert_int_equal(c->client.updated_ms, c->now_ms);

    c->now_ms += 1;
    json_t *v = shown(sign_out(c));
    assert_int_equal(json_array_size(json_object_get(v, "sessions")), 0);
    assert_true(json_is_null(json_object_get(v, "last_active_session_id")));
    assert_string_equal(json_string_value(json_object_get(v, "last_authentication_strategy")), "password");
    assert_int_equal(json_integer_value(json_object_get(v, "updated_at")), c->now_ms);
    json_decref(v);
    vk_auth_session got;
    assert_int_equal(vk_auth_session_get(c->db, vk_str_z(older.id), &got), VK_OK);
    assert_int_equal(got.status, VK_AUTH_REMOVED);
    vk_auth_client stored;
    assert_int_equal(vk_auth_client_get(c->db, vk_str_z(c->client.id), &stored), VK_OK);
    assert_int_equal(stored.updated_ms, c->now_ms);
    assert_string_equal(stored.last_session, "");
    c->now_ms += 1; /* signed out already: nothing moves */
    v = shown(sign_out(c));
    assert_int_equal(json_integer_value(json_object_get(v, "updated_at")), c->now_ms - 1);
    json_decref(v);
}

/* ---- handshakes */

static const vk_str origins[] = {{"http://localhost:3000", 21}, {"https://app.example", 19}};

static vk_auth_fail shake(const char *query)
{
    c->origins = origins;
    c->n_origins = VK_COUNT(origins);
    c->to = VK_STR_NONE;
    c->status = 0;
    c->has_browser = c->has_client = false;
    memset(&c->client, 0, sizeof c->client);
    assert_int_equal(vk_auth_params_form(c->arena, vk_str_z(query), &c->query), VK_OK);
    return handshake(c);
}

/* What the app's server is told, by the nonce of the last redirect. */
static json_t *told(vk_auth_fail want)
{
    vk_str nonce = {c->to.p + c->to.n - VK_AUTH_NONCE, VK_AUTH_NONCE};
    vk_str query = vk_arena_printf(c->arena, "nonce=" VK_STR_FMT, VK_STR_ARG(nonce));
    assert_int_equal(vk_auth_params_form(c->arena, query, &c->query), VK_OK);
    vk_auth_fail f = payload(c);
    assert_int_equal(f, want);
    if (f != VK_AUTH_F_OK)
        return NULL;
    json_t *v = shown(f);
    assert_int_equal(json_object_size(v), 3);
    assert_true(vk_str_eqz(nonce, json_string_value(json_object_get(v, "nonce"))));
    assert_string_equal(json_string_value(json_object_get(v, "payload")), "");
    return v;
}

static void line_begins(const json_t *v, size_t i, const char *want)
{
    const char *line = json_string_value(json_array_get(json_object_get(v, "directives"), i));
    assert_non_null(line);
    if (strncmp(line, want, strlen(want)) != 0)
        fail_msg("wanted %s at the beginning of %s", want, line);
}

static void handshakes(void **state)
{
    VK_UNUSED(state);
    char query[512], want[128], id[VK_AUTH_ID_MAX + 1];
    memcpy(about.suffix, "7rjNVfzk", sizeof about.suffix);
    c->partitioned = true;
    /* nobody: a new browser */
    assert_int_equal(shake("redirect_url=http%3A%2F%2Flocalhost%3A3000%2Fa%3Fb%3D1%23c"), VK_AUTH_F_OK);
    assert_int_equal(c->status, 307);
    assert_true(vk_str_starts(c->to, VK_STR("http://localhost:3000/a?b=1&__clerk_handshake_nonce=")));
    assert_true(vk_str_eq((vk_str){c->to.p + c->to.n - 2, 2}, VK_STR("#c")));
    c->to.n -= 2;
    json_t *v = told(VK_AUTH_F_OK);
    assert_int_equal(json_array_size(json_object_get(v, "directives")), 6);
    line_begins(v, 0, "__clerk_db_jwt=dvb_");
    line_begins(v, 1, "__client_uat=0; Path=/; Expires=");
    line_begins(v, 2, "__session=; Path=/; Max-Age=0; SameSite=None; Secure; Partitioned");
    line_begins(v, 3, "__clerk_db_jwt_7rjNVfzk=dvb_");
    const char *line = json_string_value(json_array_get(json_object_get(v, "directives"), 0));
    snprintf(id, sizeof id, "%.*s", 4 + VK_AUTH_ID_BODY, line + strlen("__clerk_db_jwt="));
    json_decref(v);
    told(VK_AUTH_F_NOT_FOUND); /* once */

    /* the same browser again: it keeps its id, and is signed in now */
    snprintf(query, sizeof query, "redirect_url=https://app.example/&__clerk_db_jwt=%s", id);
    assert_int_equal(shake(query), VK_AUTH_F_OK);
    vk_auth_session s = signed_in();
    snprintf(query, sizeof query, "redirect_url=https://app.example/&__clerk_db_jwt=%s", c->new_browser);
    assert_int_equal(shake(query), VK_AUTH_F_OK);
    v = told(VK_AUTH_F_OK);
    snprintf(want, sizeof want, "__clerk_db_jwt=%s; ", c->new_browser);
    line_begins(v, 0, want);
    snprintf(want, sizeof want, "__client_uat=%lld; Path=/; ", (long long)NOW / 1000);
    line_begins(v, 1, want);
    assert_non_null(strstr(json_string_value(json_array_get(json_object_get(v, "directives"), 1)),
                           "; Domain=app.example; SameSite=None; Secure; Partitioned"));
    line = json_string_value(json_array_get(json_object_get(v, "directives"), 2));
    const char *jwt = line + strlen("__session=");
    vk_jwt t = parsed(vk_secret_of((vk_str){jwt, strcspn(jwt, ";")}));
    text_is(&t, "azp", "https://app.example");
    text_is(&t, "sid", s.id);
    json_decref(v);

    /* the old id is known and leads nowhere; an unknown one is replaced */
    snprintf(query, sizeof query, "redirect_url=https://app.example/&__clerk_db_jwt=%s", id);
    assert_int_equal(shake(query), VK_AUTH_F_OK);
    v = told(VK_AUTH_F_OK);
    snprintf(want, sizeof want, "__clerk_db_jwt=%s; ", id);
    line_begins(v, 0, want);
    line_begins(v, 1, "__client_uat=; Path=/; Max-Age=0; Domain=app.example; ");
    json_decref(v);
    memset(id + 4, 'A', VK_AUTH_ID_BODY);
    snprintf(query, sizeof query, "redirect_url=https://app.example/&__clerk_db_jwt=%s", id);
    assert_int_equal(shake(query), VK_AUTH_F_OK);
    v = told(VK_AUTH_F_OK);
    line = json_string_value(json_array_get(json_object_get(v, "directives"), 0));
    assert_null(strstr(line, id));
    line_begins(v, 0, "__clerk_db_jwt=dvb_");
    json_decref(v);

    /* not a moment too late */
    assert_int_equal(shake("redirect_url=https://app.example"), VK_AUTH_F_OK);
    c->now_ms += VK_AUTH_NONCE_MS;
    told(VK_AUTH_F_NOT_FOUND);
    assert_int_equal(shake("redirect_url=https://app.example"), VK_AUTH_F_OK);
    c->now_ms += VK_AUTH_NONCE_MS - 1;
    json_decref(told(VK_AUTH_F_OK));
}

static void foreign_redirects(void **state)
{
    VK_UNUSED(state);
    static const char *const queries[] = {
        "",
        "redirect_url=",
        "redirect_url=https://evil.example/",
        "redirect_url=https://app.example/&redirect_url=https://evil.example/",
        "redirect_url=https://app.example.evil.example/",
        "redirect_url=https://app.example%40evil.example/",
        "redirect_url=https://app.example%5C%40evil.example/",
        "redirect_url=//app.example/",
        "redirect_url=/a",
        "redirect_url=javascript:alert(1)",
        "redirect_url=http://app.example/",
        "redirect_url=https://app.example:444/",
        "redirect_url=http://localhost:3001/",
        "redirect_url=https:app.example/",
        "redirect_url=https:///app.example/",
        "redirect_url=+https://app.example/",
        "redirect_url=https://app.example%00.evil.example/",
        "redirect_url=https://app.example%0a/",
    };
    for (size_t i = 0; i < VK_COUNT(queries); i++) {
        c->query = (vk_auth_params){0};
        if (vk_auth_params_form(c->arena, vk_str_z(queries[i]), &c->query) != VK_OK)
            continue; /* refused before the handler sees it */
        assert_int_equal(shake(queries[i]), VK_AUTH_F_REDIRECT);
        assert_int_equal(c->to.n, 0);
        assert_false(c->has_browser); /* nothing was made for it */
    }
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, each, each_end)
    const struct CMUnitTest tests[] = {
        CASE(claims_of_a_token),
        CASE(cached),
        CASE(cache_is_bounded),
        CASE(never_before_the_clients_update),
        CASE(shorter_for_tests),
        CASE(not_for_everybody),
        CASE(signing_in),
        CASE(without_a_browser),
        CASE(ending),
        CASE(handshakes),
        CASE(foreign_redirects),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
