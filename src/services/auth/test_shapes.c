/* Objects and errors, member by member against what Clerk's SDKs accepted (tests/data/auth). */
#include "services/auth/environment.h"
#include "services/auth/errors.h"
#include "services/auth/shapes.h"

#include "crypto/digest.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define T0 INT64_C(1795459730449) /* the user of the samples was created */
#define T1 INT64_C(1795459730539) /* and signed in */

static const vk_auth_email_row email = {
    .id = "idn_lXQKMt1BTYyESRYqhyGM0D5dvl0",
    .user = "user_rLcdOC6UU78gDiO9ulJNMUVcs1T",
    .address = "ada@example.com",
    .primary = true,
    .verified = true,
    .strategy = "email_code",
    .verification = {.state = VK_AUTH_V_VERIFIED, .tries = 1, .expire_ms = T0 + VK_AUTH_CODE_MS},
    .created_ms = T0,
    .updated_ms = T0};
static vk_auth_user user;
static vk_auth_person person = {&user, &email, 1};
static vk_auth_session session;
static vk_auth_client client;
static vk_auth_attempt up, in;
static vk_auth_view view;
static vk_buf out;

static int begin(void **state)
{
    VK_UNUSED(state);
    user = (vk_auth_user){.id = "user_rLcdOC6UU78gDiO9ulJNMUVcs1T",
                          .public_metadata = VK_STR("{}"),
                          .private_metadata = VK_STR("{}"),
                          .unsafe_metadata = VK_STR("{}"),
                          .digest = vk_secret_of(VK_STR("$argon2id$digest")),
                          .password_ms = T0,
                          .last_sign_in_ms = T1,
                          .last_active_ms = T0,
                          .created_ms = T0,
                          .updated_ms = T0};
    session = (vk_auth_session){.id = "sess_mIIRR7QBPqxOQU4Hy2y7n65oliD",
                                .user = "user_rLcdOC6UU78gDiO9ulJNMUVcs1T",
                                .client = "client_b2k76FPUpQTkzkBcWMoYGqBwPCu",
                                .verified_ms = T1,
                                .last_active_ms = T1,
                                .expire_ms = 1796064530539,
                                .abandon_ms = 1798051730539,
                                .created_ms = T1,
                                .updated_ms = T1};
    client = (vk_auth_client){.id = "client_b2k76FPUpQTkzkBcWMoYGqBwPCu", .created_ms = 1795459729697};
    up = (vk_auth_attempt){.id = "sua_fPB2Am5tvlh9O424SI0ku5hYOQs",
                           .kind = VK_AUTH_A_SIGN_UP,
                           .address = "ada@example.com",
                           .digest = vk_secret_of(VK_STR("$argon2id$digest")),
                           .created_ms = 1795459729697,
                           .abandon_ms = 1795546129697};
    in = (vk_auth_attempt){.id = "sia_JF3rSf7KIh9CGSoQg5Q2xYVljsp",
                           .kind = VK_AUTH_A_SIGN_IN,
                           .status = VK_AUTH_A_NEEDS_FACTOR,
                           .address = "ada@example.com",
                           .user = "user_rLcdOC6UU78gDiO9ulJNMUVcs1T",
                           .created_ms = 1795459731509,
                           .abandon_ms = 1795546131509};
    view = (vk_auth_view){.gateway = VK_STR("http://127.0.0.1:4501/b/demo")};
    vk_buf_init(&out, 65536);
    return 0;
}

static int end(void **state)
{
    VK_UNUSED(state);
    vk_buf_free(&out);
    return 0;
}

static json_t *sample(const char *name)
{
    char path[1024];
    const char *root = getenv("VK_SOURCE_ROOT");
    snprintf(path, sizeof path, "%s/tests/data/auth/%s", root ? root : ".", name);
    json_t *v = json_load_file(path, 0, NULL);
    assert_non_null(v);
    return v;
}

/* A picture's address; all in the samples are one. */
static void settle_picture(json_t *v, const char *key)
{
    static const char ours[] = "http://127.0.0.1:4501/b/demo/picture/",
                      theirs[] = "http://127.0.0.1:4501/img/";
    const char *url = json_string_value(json_object_get(v, key));
    if (!url)
        return;
    assert_true(strncmp(url, ours, strlen(ours)) == 0 || strncmp(url, theirs, strlen(theirs)) == 0);
    json_object_set_new(v, key, json_string("a picture"));
}

/* Until when the code of an address was good is of no interest once it is verified; the stand-in that the
 * samples come from gave another time with each answer. Everything else must be the same. */
static void settle(json_t *v)
{
    json_t *child;
    const char *key;
    size_t i;
    if (json_is_array(v)) {
        json_array_foreach(v, i, child) settle(child);
    } else if (json_is_object(v)) {
        const char *object = json_string_value(json_object_get(v, "object"));
        if (object && strcmp(object, "email_address") == 0)
            json_object_set_new(json_object_get(v, "verification"), "expire_at", json_integer(0));
        settle_picture(v, "image_url");
        settle_picture(v, "profile_image_url");
        json_object_foreach(v, key, child) settle(child);
    }
}

/* What was written is that; both are taken. */
static void is(json_t *want)
{
    assert_int_equal(out.err, VK_OK);
    json_t *got = json_loadb(out.p, out.n, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(got);
    settle(got);
    settle(want);
    if (!json_equal(got, want)) {
        char *a = json_dumps(want, JSON_SORT_KEYS), *b = json_dumps(got, JSON_SORT_KEYS);
        fail_msg("wanted %s\ngot %s", a, b);
    }
    json_decref(got);
    json_decref(want);
    vk_buf_clear(&out);
}

static json_t *part(const char *name, const char *key)
{
    json_t *all = sample(name), *v = json_incref(json_object_get(all, key));
    json_decref(all);
    assert_non_null(v);
    return v;
}

static void users(void **state)
{
    VK_UNUSED(state);
    json_t *list = sample("bapi-users.json"), *want = json_incref(json_array_get(list, 0));
    json_decref(list);
    vk_jw w = vk_jw_on(&out);
    view.backend = true;
    view.now_ms = T1;
    user.last_sign_in_ms = 1795459732437;
    vk_auth_user_write(&w, &view, &person);
    vk_buf_ch(&out, '\0'); /* ada@example.com, and no name */
    assert_non_null(strstr(out.p, "\"image_url\":\"http://127.0.0.1:4501/b/demo/picture/"));
    assert_non_null(strstr(out.p, "-41.svg\",\"profile_image_url\""));
    vk_buf_truncate(&out, out.n - 1);
    is(want);
    /* What belongs to the backend stays there. */
    user.private_metadata = VK_STR("{\"deep\":\"secret\"}");
    view.backend = false;
    w = vk_jw_on(&out);
    vk_auth_user_write(&w, &view, &person);
    assert_null(memmem(out.p, out.n, "secret", 6));
    assert_null(memmem(out.p, out.n, "private_metadata", 16));
    assert_null(memmem(out.p, out.n, "argon2", 6));
    vk_buf_clear(&out);
    /* Locked. */
    user.lockout = (vk_auth_lockout){VK_AUTH_LOCKOUT_MAX, T1 - 1000};
    w = vk_jw_on(&out);
    vk_auth_user_write(&w, &view, &person);
    json_t *got = json_loadb(out.p, out.n, 0, NULL);
    assert_true(json_is_true(json_object_get(got, "locked")));
    assert_int_equal(json_integer_value(json_object_get(got, "lockout_expires_in_seconds")), 3599);
    assert_int_equal(json_integer_value(json_object_get(got, "verification_attempts_remaining")), 0);
    json_decref(got);
}

static void signed_in(void **state)
{
    VK_UNUSED(state);
    const vk_auth_live live = {&session, &person, vk_secret_of(VK_STR("<SESSION-JWT>"))};
    vk_jw w = vk_jw_on(&out);
    snprintf(client.last_session, sizeof client.last_session, "%s", session.id);
    snprintf(client.last_strategy, sizeof client.last_strategy, "password");
    client.updated_ms = T1;
    view.now_ms = 1826995730722 - INT64_C(365) * 86400000;
    vk_auth_client_write(&w, &view, &client, &live, 1, NULL, NULL);
    is(part("fapi-client-signed_in.json", "response"));

    session.last_active_ms = 1795459730896;
    w = vk_jw_on(&out);
    vk_auth_session_write(&w, &view, &live);
    is(part("fapi-session-touch.json", "response"));
    /* Without a token, and some minutes later. */
    const vk_auth_live bare = {&session, &person, VK_SECRET_NONE};
    view.now_ms = T1 + 5 * 60000;
    w = vk_jw_on(&out);
    vk_auth_session_write(&w, &view, &bare);
    json_t *got = json_loadb(out.p, out.n, 0, NULL);
    assert_true(json_is_null(json_object_get(got, "last_active_token")));
    assert_int_equal(json_integer_value(json_array_get(json_object_get(got, "factor_verification_age"), 0)),
                     5);
    json_decref(got);
    vk_buf_clear(&out);
    /* The backend's form, and a session that has ended. */
    session.status = VK_AUTH_REMOVED;
    view.backend = true;
    w = vk_jw_on(&out);
    vk_auth_session_write(&w, &view, &bare);
    json_t *data = part("bapi-sessions-paginated-true.json", "data"),
           *first = json_incref(json_array_get(data, 0));
    json_decref(data);
    is(first);
}

static void signing_up(void **state)
{
    VK_UNUSED(state);
    const vk_auth_try_view t = {&up, NULL};
    vk_jw w = vk_jw_on(&out);
    view.now_ms = 1795459729697;
    vk_auth_sign_up_write(&w, &view, &t);
    is(part("fapi-sign_up-create.json", "response"));
    w = vk_jw_on(&out);
    client.updated_ms = 1795459729697;
    vk_auth_client_write(&w, &view, &client, NULL, 0, NULL, &t);
    is(part("fapi-sign_up-create.json", "client"));

    snprintf(up.strategy, sizeof up.strategy, "email_code");
    up.verification = (vk_auth_verification){.state = VK_AUTH_V_SENT, .expire_ms = 1795460329925};
    w = vk_jw_on(&out);
    vk_auth_sign_up_write(&w, &view, &t);
    is(part("fapi-sign_up-prepared.json", "response"));

    up.verification =
        (vk_auth_verification){.state = VK_AUTH_V_VERIFIED, .tries = 2, .expire_ms = 1795460330539};
    up.status = VK_AUTH_A_COMPLETE;
    snprintf(up.user, sizeof up.user, "%s", user.id);
    snprintf(up.session, sizeof up.session, "%s", session.id);
    w = vk_jw_on(&out);
    vk_auth_sign_up_write(&w, &view, &t);
    is(part("fapi-sign_up-complete.json", "response"));

    /* Nothing given yet. */
    up = (vk_auth_attempt){.id = "sua_fPB2Am5tvlh9O424SI0ku5hYOQs"};
    w = vk_jw_on(&out);
    vk_auth_sign_up_write(&w, &view, &t);
    json_t *got = json_loadb(out.p, out.n, 0, NULL);
    assert_int_equal(json_array_size(json_object_get(got, "missing_fields")), 2);
    assert_int_equal(json_array_size(json_object_get(got, "unverified_fields")), 0);
    assert_true(json_is_null(json_object_get(json_object_get(got, "verifications"), "email_address")));
    json_decref(got);
    vk_buf_clear(&out);
    /* An expired code must be asked for again. */
    snprintf(up.address, sizeof up.address, "a@b.c");
    up.verification = (vk_auth_verification){.state = VK_AUTH_V_SENT, .expire_ms = 5};
    w = vk_jw_on(&out);
    vk_auth_sign_up_write(&w, &view, &t);
    assert_non_null(memmem(out.p, out.n, "\"needs_prepare\"", 15));
    assert_non_null(memmem(out.p, out.n, "\"expired\"", 9));
}

static void signing_in(void **state)
{
    VK_UNUSED(state);
    const vk_auth_try_view t = {&in, &person};
    vk_jw w = vk_jw_on(&out);
    view.now_ms = 1795459731509;
    vk_auth_sign_in_write(&w, &view, &t);
    is(part("fapi-sign_in-create.json", "response"));
    in.status = VK_AUTH_A_COMPLETE;
    snprintf(in.strategy, sizeof in.strategy, "password");
    snprintf(in.session, sizeof in.session, "sess_ZUPfAnOspZxbV8DQyKNEnx5wRSo");
    in.verification =
        (vk_auth_verification){.state = VK_AUTH_V_VERIFIED, .tries = 1, .expire_ms = 1795460332434};
    w = vk_jw_on(&out);
    vk_auth_sign_in_write(&w, &view, &t);
    is(part("fapi-sign_in-complete.json", "response"));
    /* Without a password there is nothing to reset; without anybody there is no factor. */
    user.digest = VK_SECRET_NONE;
    w = vk_jw_on(&out);
    vk_auth_sign_in_write(&w, &view, &t);
    assert_null(memmem(out.p, out.n, "reset_password", 14));
    vk_buf_clear(&out);
    const vk_auth_try_view nobody = {&in, NULL};
    w = vk_jw_on(&out);
    vk_auth_sign_in_write(&w, &view, &nobody);
    json_t *got = json_loadb(out.p, out.n, 0, NULL);
    assert_true(json_is_null(json_object_get(got, "supported_first_factors")));
    assert_true(json_is_null(json_object_get(got, "user_data")));
    json_decref(got);
    vk_buf_clear(&out);
    w = vk_jw_on(&out);
    vk_auth_sign_in_write(&w, &view, NULL);
    assert_true(vk_str_eqz(vk_buf_view(&out), "null"));
}

static void errors(void **state)
{
    VK_UNUSED(state);
    static const struct {
        vk_auth_fail why;
        const char *file;
        int status;
    } cases[] = {
        {VK_AUTH_F_CODE_WRONG, "fapi-error-code_incorrect.json", 422},
        {VK_AUTH_F_PASSWORD_WRONG, "fapi-error-password_incorrect.json", 422},
        {VK_AUTH_F_NOT_SIGNED_IN, "bapi-error-401.json", 401},
        {VK_AUTH_F_DEV_BROWSER, "fapi-error-dev_browser_unauthenticated.json", 401},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        json_t *want = sample(cases[i].file);
        json_t *of_client = json_object_get(json_object_get(want, "meta"), "client");
        char *client_text = of_client ? json_dumps(of_client, 0) : NULL;
        if (cases[i].why ==
            VK_AUTH_F_DEV_BROWSER) { /* Clerk's own address for support is not for our users */
            json_t *e = json_array_get(json_object_get(want, "errors"), 0);
            const char *text = json_string_value(json_object_get(e, "long_message"));
            json_object_set_new(e, "long_message",
                                json_stringn(text, (size_t)(strstr(text, " If the issue") - text)));
        }
        vk_jw w = vk_jw_on(&out);
        vk_auth_fail_write(&w, cases[i].why, VK_STR_NONE,
                           vk_str_z(json_string_value(json_object_get(want, "clerk_trace_id"))),
                           vk_str_z(client_text));
        is(want);
        free(client_text);
        assert_int_equal(vk_auth_fail_status(cases[i].why), cases[i].status);
    }
    for (int i = 1; i < VK_AUTH_FAILS; i++) { /* every reason has a code, a status and sentences */
        vk_jw w = vk_jw_on(&out);
        vk_auth_fail_write(&w, (vk_auth_fail)i, VK_STR("a\"b"), VK_STR("0"), VK_STR_NONE);
        json_t *got = json_loadb(out.p, out.n, 0, NULL),
               *e = json_array_get(json_object_get(got, "errors"), 0);
        assert_true(json_string_length(json_object_get(e, "code")) > 0);
        assert_true(json_string_length(json_object_get(e, "message")) > 0);
        assert_true(json_string_length(json_object_get(e, "long_message")) > 0);
        assert_string_equal(json_string_value(json_object_get(json_object_get(e, "meta"), "param_name")),
                            "a\"b");
        assert_null(json_object_get(got, "meta"));
        assert_true(vk_auth_fail_status((vk_auth_fail)i) >= 400);
        assert_true(strlen(vk_auth_fail_code((vk_auth_fail)i)) > 0);
        json_decref(got);
        vk_buf_clear(&out);
    }
}

static void environment(void **state)
{
    VK_UNUSED(state);
    vk_auth_environment e = {.instance = VK_STR("ins_b1"),
                             .application_name = VK_STR("Demo app"),
                             .clerk_js_version = VK_STR("6"),
                             .partitioned = true};
    vk_auth_environment_write(&out, &e);
    is(sample("fapi-environment.json"));
    /* Texts of people are no part of the JSON. */
    e.application_name = VK_STR("\"},\1A</script>");
    e.sign_in_url = VK_STR("https://a.example/sign-in");
    e.partitioned = false;
    e.hides_users = true;
    vk_auth_environment_write(&out, &e);
    json_t *got = json_loadb(out.p, out.n, JSON_REJECT_DUPLICATES, NULL);
    json_t *display = json_object_get(got, "display_config"),
           *settings = json_object_get(got, "user_settings");
    assert_string_equal(json_string_value(json_object_get(display, "application_name")), "\"},\1A</script>");
    assert_string_equal(json_string_value(json_object_get(display, "sign_in_url")),
                        "https://a.example/sign-in");
    assert_true(json_is_false(json_object_get(got, "partitioned_cookies")));
    /* What it says is what is done. */
    json_t *password = json_object_get(settings, "password_settings");
    assert_int_equal(json_integer_value(json_object_get(password, "min_length")), VK_PASSWORD_MIN);
    assert_int_equal(json_integer_value(json_object_get(password, "max_length")), VK_PASSWORD_MAX);
    json_t *hides = json_object_get(json_object_get(settings, "attack_protection"), "enumeration_protection");
    assert_true(json_is_true(json_object_get(hides, "enabled")));
    json_t *lockout = json_object_get(json_object_get(settings, "attack_protection"), "user_lockout");
    assert_int_equal(json_integer_value(json_object_get(lockout, "max_attempts")), VK_AUTH_LOCKOUT_MAX);
    assert_int_equal(json_integer_value(json_object_get(lockout, "duration_in_minutes")),
                     VK_AUTH_LOCKOUT_MS / 60000);
    json_decref(got);
    vk_buf_free(&out);
    vk_buf_init(&out, 1000);
    vk_auth_environment_write(&out, &e);
    assert_int_equal(out.err, VK_E_TOO_LARGE);
}

/* A second address in each of its states: which is shown of it, and that it opens nothing until it is
 * verified. */
static void addresses(void **state)
{
    VK_UNUSED(state);
    vk_auth_email_row two[] = {email, email};
    vk_auth_email_row *claimed = &two[1];
    const vk_auth_person both = {&user, two, 2};
    const vk_auth_try_view t = {&in, &both};
    snprintf(claimed->id, sizeof claimed->id, "idn_000000000000000000000000000");
    snprintf(claimed->address, sizeof claimed->address, "second@example.com");
    claimed->primary = claimed->verified = false;
    claimed->strategy[0] = '\0';
    claimed->verification = (vk_auth_verification){0};
    view.now_ms = T1;

    static const struct {
        bool verified;
        const char *strategy;
        vk_auth_verification v;
        const char *want; /* the verification */
    } cases[] = {
        {false, "", {0}, "null"},
        {false,
         "email_code",
         {.state = VK_AUTH_V_SENT, .tries = 2, .expire_ms = T1 + 1},
         "{\"object\":\"verification\",\"status\":\"unverified\",\"strategy\":\"email_code\",\"attempts\":2,"
         "\"expire_at\":1795459730540}"},
        {false,
         "email_code",
         {.state = VK_AUTH_V_SENT, .expire_ms = T1},
         "{\"object\":\"verification\",\"status\":\"expired\",\"strategy\":\"email_code\",\"attempts\":0,"
         "\"expire_at\":1795459730539}"},
        {false,
         "email_code",
         {.state = VK_AUTH_V_FAILED, .tries = 5, .expire_ms = T1 + 1},
         "{\"object\":\"verification\",\"status\":\"failed\",\"strategy\":\"email_code\",\"attempts\":5,"
         "\"expire_at\":1795459730540}"},
        {true,
         "email_code",
         {.state = VK_AUTH_V_VERIFIED, .tries = 3, .expire_ms = T1 + 1},
         "{\"object\":\"verification\",\"status\":\"verified\",\"strategy\":\"email_code\",\"attempts\":3,"
         "\"expire_at\":1795459730540}"},
        {true,
         "admin", /* by the Backend API: no code was sent */
         {0},
         "{\"object\":\"verification\",\"status\":\"verified\",\"strategy\":\"admin\",\"attempts\":null,"
         "\"expire_at\":null}"},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        claimed->verified = cases[i].verified;
        snprintf(claimed->strategy, sizeof claimed->strategy, "%s", cases[i].strategy);
        claimed->verification = cases[i].v;
        vk_jw w = vk_jw_on(&out);
        vk_auth_user_write(&w, &view, &both);
        json_t *got = json_loadb(out.p, out.n, JSON_REJECT_DUPLICATES, NULL);
        json_t *shown = json_array_get(json_object_get(got, "email_addresses"), 1);
        json_t *want = json_loads(cases[i].want, JSON_DECODE_ANY, NULL);
        assert_true(json_equal(json_object_get(shown, "verification"), want));
        assert_string_equal(json_string_value(json_object_get(shown, "email_address")), "second@example.com");
        assert_string_equal(json_string_value(json_object_get(got, "primary_email_address_id")), email.id);
        json_decref(want);
        json_decref(got);
        vk_buf_clear(&out);
        w = vk_jw_on(&out);
        vk_auth_sign_in_write(&w, &view, &t);
        assert_int_equal(memmem(out.p, out.n, "second@example.com", 18) != NULL, cases[i].verified);
        vk_buf_clear(&out);
    }

    /* By what somebody is known: never by what they only claim. */
    assert_true(vk_str_eqz(vk_auth_identifier(&both), "ada@example.com"));
    two[0].verified = false;
    assert_true(vk_str_eqz(vk_auth_identifier(&both), "second@example.com"));
    claimed->verified = false;
    assert_true(vk_str_eqz(vk_auth_identifier(&both), ""));
    const vk_auth_live live = {&session, &both, VK_SECRET_NONE};
    vk_jw w = vk_jw_on(&out);
    vk_auth_session_write(&w, &view, &live);
    json_t *got = json_loadb(out.p, out.n, JSON_REJECT_DUPLICATES, NULL);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(got, "public_user_data"), "identifier")), "");
    json_decref(got);
    vk_buf_clear(&out);

    w = vk_jw_on(&out);
    vk_auth_deleted_write(&w, "email_address", vk_str_z(claimed->id));
    assert_true(
        vk_str_eqz(vk_buf_view(&out),
                   "{\"object\":\"email_address\",\"id\":\"idn_000000000000000000000000000\",\"deleted\":"
                   "true}"));
}

/* A row of the list of somebody's devices: a session as the samples have it, without what is another
 * browser's to know. */
static void devices(void **state)
{
    VK_UNUSED(state);
    view.now_ms = T1;
    snprintf(session.agent, sizeof session.agent,
             "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) Version/26.0 Mobile/1 Safari/604.1");
    vk_jw w = vk_jw_on(&out);
    vk_auth_activity_write(&w, &view, &session, &person);
    json_t *got = json_loadb(out.p, out.n, JSON_REJECT_DUPLICATES, NULL), *v;
    json_t *like = part("fapi-session-touch.json", "response");
    const char *name;
    json_object_foreach(like, name, v) assert_non_null(json_object_get(got, name));
    json_decref(like);
    assert_true(json_is_null(json_object_get(got, "user")));
    assert_true(json_is_null(json_object_get(got, "last_active_token")));
    json_t *a = json_object_get(got, "latest_activity");
    assert_string_equal(json_string_value(json_object_get(a, "object")), "session_activity");
    assert_string_equal(json_string_value(json_object_get(a, "id")),
                        "sess_activity_mIIRR7QBPqxOQU4Hy2y7n65oliD");
    assert_string_equal(json_string_value(json_object_get(a, "browser_name")), "Safari");
    assert_string_equal(json_string_value(json_object_get(a, "browser_version")), "26");
    assert_string_equal(json_string_value(json_object_get(a, "device_type")), "iPhone");
    assert_true(json_is_true(json_object_get(a, "is_mobile")));
    json_decref(got);
    vk_buf_clear(&out);
    /* Who does not say is shown as such. */
    session.agent[0] = '\0';
    w = vk_jw_on(&out);
    vk_auth_activity_write(&w, &view, &session, &person);
    got = json_loadb(out.p, out.n, JSON_REJECT_DUPLICATES, NULL);
    a = json_object_get(got, "latest_activity");
    assert_true(json_is_null(json_object_get(a, "browser_name")));
    assert_true(json_is_false(json_object_get(a, "is_mobile")));
    json_decref(got);
}

/* The members are those of SessionVerificationJSON in @clerk/shared 4.41. */
static void proving_again(void **state)
{
    VK_UNUSED(state);
    vk_auth_attempt a = {.kind = VK_AUTH_A_REVERIFY, .strategy = "email_code", .created_ms = T0};
    vk_auth_again again = {.session = {&session, &person, vk_secret_of(VK_STR("<SESSION-JWT>"))}};
    static const struct {
        bool attempt;
        const char *strategy, *status, *verification;
    } cases[] = {
        {false, NULL, "needs_first_factor", NULL},
        {true, NULL, "needs_first_factor", "unverified"},
        {true, "email_code", "complete", "verified"},
        {false, "password", "complete", "verified"},
    };
    view.now_ms = T1;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        a.verification = (vk_auth_verification){
            .state = cases[i].strategy ? VK_AUTH_V_VERIFIED : VK_AUTH_V_SENT, .expire_ms = T1 + 1};
        again.attempt = cases[i].attempt ? &a : NULL;
        again.strategy = cases[i].strategy;
        vk_jw w = vk_jw_on(&out);
        vk_auth_again_write(&w, &view, &again);
        json_t *got = json_loadb(out.p, out.n, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(got);
        assert_int_equal(json_object_size(got), 8);
        assert_string_equal(json_string_value(json_object_get(got, "object")), "session_verification");
        assert_string_equal(json_string_value(json_object_get(got, "status")), cases[i].status);
        assert_string_equal(json_string_value(json_object_get(got, "level")), "first_factor");
        assert_int_equal(json_array_size(json_object_get(got, "supported_first_factors")), 2);
        assert_null(memmem(out.p, out.n, "reset_password", 14)); /* is no proof */
        json_t *v = json_object_get(got, "first_factor_verification");
        if (cases[i].verification) {
            assert_string_equal(json_string_value(json_object_get(v, "status")), cases[i].verification);
            assert_string_equal(json_string_value(json_object_get(v, "strategy")),
                                cases[i].strategy ? cases[i].strategy : "email_code");
        } else {
            assert_true(json_is_null(v));
        }
        json_t *token = json_object_get(json_object_get(got, "session"), "last_active_token");
        assert_string_equal(json_string_value(json_object_get(token, "jwt")), "<SESSION-JWT>");
        json_decref(got);
        vk_buf_clear(&out);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {T(users),      T(signed_in), T(signing_up),
                                       T(signing_in), T(errors),    T(environment),
                                       T(addresses),  T(devices),   T(proving_again)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
