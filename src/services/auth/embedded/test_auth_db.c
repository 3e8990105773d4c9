/* auth.db: what is written comes back, also by another process's eyes (after closing and opening); what is
 * there once is there once; lists. */
#include "services/auth/embedded/attempts.h"
#include "services/auth/embedded/clients.h"
#include "services/auth/embedded/inside.h"
#include "services/auth/embedded/kept.h"
#include "services/auth/embedded/schema.h"
#include "services/auth/embedded/users.h"

#include "core/test_folder.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>
#include <cmocka.h>

static char dir[] = "/tmp/vk-auth-db-XXXXXX", path[64];
static vk_auth_db *db;
static vk_arena *a;

static void outside(const char *text)
{
    sqlite3 *other;
    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(other);
}

static void again(void)
{
    vk_auth_db_close(db);
    assert_int_equal(vk_auth_db_open(path, "b1", &db), VK_OK);
}

static vk_auth_user user(const char *external_id)
{
    vk_auth_user u = {.external_id = vk_str_z(external_id),
                      .public_metadata = VK_STR("{}"),
                      .private_metadata = VK_STR("{\"a\":1}"),
                      .unsafe_metadata = VK_STR("{}"),
                      .created_ms = 1000,
                      .updated_ms = 1001};
    vk_auth_id_new(VK_AUTH_USER, u.id);
    return u;
}

static vk_auth_email_row email(const vk_auth_user *u, const char *address, bool primary)
{
    vk_auth_email_row e = {.primary = primary, .verified = true, .created_ms = 5, .updated_ms = 6};
    vk_auth_id_new(VK_AUTH_IDENTIFICATION, e.id);
    memcpy(e.user, u->id, sizeof e.user);
    snprintf(e.address, sizeof e.address, "%s", address);
    return e;
}

static void same_user(const vk_auth_user *x, const vk_auth_user *y)
{
    assert_string_equal(x->id, y->id);
    const vk_str *const xs[] = {&x->external_id,     &x->first_name,       &x->last_name,
                                &x->public_metadata, &x->private_metadata, &x->unsafe_metadata};
    const vk_str *const ys[] = {&y->external_id,     &y->first_name,       &y->last_name,
                                &y->public_metadata, &y->private_metadata, &y->unsafe_metadata};
    for (size_t i = 0; i < VK_COUNT(xs); i++)
        assert_true(vk_str_eq(*xs[i], *ys[i]) && !xs[i]->p == !ys[i]->p);
    assert_true(vk_secret_eq(x->digest, y->digest));
    if (x->digest.n)
        assert_int_equal(x->digest_kind, y->digest_kind);
    assert_int_equal(x->banned, y->banned);
    assert_int_equal(x->locked, y->locked);
    assert_int_equal(x->lockout.failures, y->lockout.failures);
    assert_int_equal(x->lockout.since_ms, y->lockout.since_ms);
    assert_int_equal(x->password_ms, y->password_ms);
    assert_int_equal(x->last_sign_in_ms, y->last_sign_in_ms);
    assert_int_equal(x->last_active_ms, y->last_active_ms);
    assert_int_equal(x->created_ms, y->created_ms);
    assert_int_equal(x->updated_ms, y->updated_ms);
}

static void users(void **state)
{
    VK_UNUSED(state);
    vk_auth_user u = user("e1"), got, other = user("e2"), none = user(NULL), none2 = user(NULL);
    assert_int_equal(vk_auth_db_begin(db), VK_OK);
    assert_int_equal(vk_auth_user_add(db, &u), VK_OK);
    assert_int_equal(vk_auth_user_add(db, &other), VK_OK);
    assert_int_equal(vk_auth_user_add(db, &none), VK_OK);
    assert_int_equal(vk_auth_user_add(db, &none2), VK_OK); /* no external id is no external id twice */
    assert_int_equal(vk_auth_db_end(db), VK_OK);
    again();
    assert_int_equal(vk_auth_user_get(db, a, vk_str_z(u.id), &got), VK_OK);
    same_user(&u, &got);
    u.first_name = VK_STR("J\xc3\xa4ne");
    u.last_name = VK_STR("");
    u.digest = vk_secret_of(VK_STR("$2b$04$x"));
    u.digest_kind = VK_PASSWORD_BCRYPT;
    u.banned = true;
    u.locked = true;
    u.lockout = (vk_auth_lockout){7, 70};
    u.password_ms = 2;
    u.last_sign_in_ms = 3;
    u.last_active_ms = 4;
    u.updated_ms = 9000000000000;
    assert_int_equal(vk_auth_user_put(db, &u), VK_OK);
    again();
    assert_int_equal(vk_auth_user_get(db, a, vk_str_z(u.id), &got), VK_OK);
    same_user(&u, &got);
    u.external_id = VK_STR("e2");
    assert_int_equal(vk_auth_user_put(db, &u), VK_E_CONFLICT);
    assert_int_equal(vk_auth_user_add(db, &other), VK_E_CONFLICT);
    vk_auth_user absent = user("e3");
    assert_int_equal(vk_auth_user_put(db, &absent), VK_E_NOT_FOUND);
    assert_int_equal(vk_auth_user_get(db, a, vk_str_z(absent.id), &got), VK_E_NOT_FOUND);
    assert_int_equal(vk_auth_user_drop(db, vk_str_z(absent.id)), VK_E_NOT_FOUND);
}

static void addresses(void **state)
{
    VK_UNUSED(state);
    vk_auth_user u = user(NULL), other = user(NULL), got;
    vk_auth_email_row first = email(&u, "a@b.c", false), second = email(&u, "d@b.c", true);
    const vk_auth_email_row *rows;
    size_t n;
    assert_int_equal(vk_auth_user_add(db, &u), VK_OK);
    assert_int_equal(vk_auth_user_add(db, &other), VK_OK);
    assert_int_equal(vk_auth_email_add(db, &first), VK_OK);
    assert_int_equal(vk_auth_email_add(db, &second), VK_OK);
    vk_auth_email_row taken = email(&other, "a@b.c", true);
    assert_int_equal(vk_auth_email_add(db, &taken), VK_E_CONFLICT);
    again();
    assert_int_equal(vk_auth_emails_of(db, a, vk_str_z(u.id), &rows, &n), VK_OK);
    assert_int_equal(n, 2);
    assert_string_equal(rows[0].address, "d@b.c"); /* the primary one */
    assert_true(rows[0].primary && !rows[1].primary);
    assert_memory_equal(&rows[1], &first, sizeof first);
    assert_int_equal(vk_auth_user_by_email(db, a, VK_STR("a@b.c"), &got), VK_OK);
    assert_string_equal(got.id, u.id);
    assert_int_equal(vk_auth_user_by_email(db, a, VK_STR("A@b.c"), &got), VK_E_NOT_FOUND);
    assert_int_equal(vk_auth_emails_of(db, a, vk_str_z(other.id), &rows, &n), VK_OK);
    assert_int_equal(n, 0);
    assert_int_equal(vk_auth_user_drop(db, vk_str_z(u.id)), VK_OK); /* with its addresses */
    assert_int_equal(vk_auth_email_add(db, &taken), VK_OK);
}

static void nothing_of_what_is_undone(void **state)
{
    VK_UNUSED(state);
    vk_auth_user u = user(NULL), got;
    assert_int_equal(vk_auth_db_begin(db), VK_OK);
    assert_int_equal(vk_auth_user_add(db, &u), VK_OK);
    assert_int_equal(vk_auth_user_get(db, a, vk_str_z(u.id), &got), VK_OK);
    vk_auth_db_undo(db);
    assert_int_equal(vk_auth_user_get(db, a, vk_str_z(u.id), &got), VK_E_NOT_FOUND);
    vk_auth_db_undo(db); /* harmless */
    assert_int_equal(vk_auth_db_begin(db), VK_OK);
    assert_int_equal(vk_auth_user_add(db, &u), VK_OK);
    assert_int_equal(vk_auth_user_add(db, &u), VK_E_CONFLICT);
    again(); /* closed in the middle */
    assert_int_equal(vk_auth_user_get(db, a, vk_str_z(u.id), &got), VK_E_NOT_FOUND);
}

static void found(const vk_auth_user_filter *f, int want, const char *const *ids)
{
    const vk_auth_user *rows;
    size_t n;
    int64_t all;
    assert_int_equal(vk_auth_users(db, a, f, &rows, &n), VK_OK);
    assert_int_equal(n, want);
    for (size_t i = 0; i < n; i++)
        assert_string_equal(rows[i].id, ids[i]);
    assert_int_equal(vk_auth_users_count(db, a, f, &all), VK_OK);
    if (f->offset == 0 && f->limit > want)
        assert_int_equal(all, want);
}

static void lists_of_users(void **state)
{
    VK_UNUSED(state);
    vk_auth_user u[4];
    static const char *const addresses_[] = {"anne@x.y", "bob@x.y", "carl@z.y", "dora@z.y"};
    for (int i = 0; i < 4; i++) {
        char external[8];
        snprintf(external, sizeof external, "ext%d", i);
        u[i] = user(NULL);
        u[i].external_id = vk_arena_dup(a, vk_str_z(external));
        u[i].created_ms = 100 + i / 2; /* two at a time */
        u[i].updated_ms = 200 - i;
        u[i].first_name = i == 1 ? VK_STR("50%_Off") : VK_STR("Name");
        vk_auth_email_row e = email(&u[i], addresses_[i], true);
        assert_int_equal(vk_auth_user_add(db, &u[i]), VK_OK);
        assert_int_equal(vk_auth_email_add(db, &e), VK_OK);
    }
    vk_auth_user_filter f = {.limit = 10};
    found(&f, 4, (const char *const[]){u[3].id, u[2].id, u[1].id, u[0].id}); /* the newest first */
    f.ascending = true;
    found(&f, 4, (const char *const[]){u[0].id, u[1].id, u[2].id, u[3].id});
    f.order = VK_AUTH_BY_UPDATED;
    found(&f, 4, (const char *const[]){u[3].id, u[2].id, u[1].id, u[0].id});
    f = (vk_auth_user_filter){.limit = 2, .offset = 1};
    found(&f, 2, (const char *const[]){u[2].id, u[1].id});
    int64_t all;
    assert_int_equal(vk_auth_users_count(db, a, &f, &all), VK_OK);
    assert_int_equal(all, 4);

    const vk_str ids[] = {vk_str_z(u[0].id), vk_str_z(u[2].id), VK_STR("user_none")};
    f = (vk_auth_user_filter){.limit = 10, .ids = ids, .n_ids = 3};
    found(&f, 2, (const char *const[]){u[2].id, u[0].id});
    const vk_str emails[] = {VK_STR("anne@x.y"), VK_STR("bob@x.y"), VK_STR("\"]'--")};
    f.emails = emails;
    f.n_emails = 3;
    found(&f, 1, (const char *const[]){u[0].id}); /* both must hold */
    f = (vk_auth_user_filter){.limit = 10, .ids = ids, .n_ids = 0};
    found(&f, 0, NULL); /* none of nothing */
    const vk_str external = VK_STR("ext3");
    f = (vk_auth_user_filter){.limit = 10, .external_ids = &external, .n_external_ids = 1};
    found(&f, 1, (const char *const[]){u[3].id});
    f = (vk_auth_user_filter){.limit = 10, .query = VK_STR("Z.Y")};
    found(&f, 2, (const char *const[]){u[3].id, u[2].id});
    f.query = VK_STR("%_off"); /* no pattern */
    found(&f, 1, (const char *const[]){u[1].id});
    f.query = VK_STR("%");
    found(&f, 1, (const char *const[]){u[1].id});
    f.query = VK_STR("' OR 1=1 --");
    found(&f, 0, NULL);

    f = (vk_auth_user_filter){.limit = 10, .not_ids = ids, .n_not_ids = 3};
    found(&f, 2, (const char *const[]){u[3].id, u[1].id});
    f = (vk_auth_user_filter){.limit = 10, .not_external_ids = &external, .n_not_external_ids = 1};
    found(&f, 3, (const char *const[]){u[2].id, u[1].id, u[0].id});
    f = (vk_auth_user_filter){.limit = 10, .email_query = VK_STR("@X")};
    found(&f, 2, (const char *const[]){u[1].id, u[0].id});
    f = (vk_auth_user_filter){.limit = 10, .name_query = VK_STR("NAME ")};
    found(&f, 3, (const char *const[]){u[3].id, u[2].id, u[0].id});
    f.name_query = VK_STR("anne"); /* an address is no name */
    found(&f, 0, NULL);
    f = (vk_auth_user_filter){.limit = 10, .created_after = 100};
    found(&f, 2, (const char *const[]){u[3].id, u[2].id});
    f = (vk_auth_user_filter){.limit = 10, .created_before = 101};
    found(&f, 2, (const char *const[]){u[1].id, u[0].id});
    u[1].banned = true;
    u[1].last_sign_in_ms = 7;
    u[2].last_active_ms = 8;
    assert_int_equal(vk_auth_user_put(db, &u[1]), VK_OK);
    assert_int_equal(vk_auth_user_put(db, &u[2]), VK_OK);
    f = (vk_auth_user_filter){.limit = 10, .banned = VK_AUTH_YES};
    found(&f, 1, (const char *const[]){u[1].id});
    f.banned = VK_AUTH_NO;
    found(&f, 3, (const char *const[]){u[3].id, u[2].id, u[0].id});
    f = (vk_auth_user_filter){.limit = 10, .sign_in_before = 8};
    found(&f, 1, (const char *const[]){u[1].id}); /* who never signed in did not do so before */
    f.sign_in_after = 7;
    found(&f, 0, NULL);
    f = (vk_auth_user_filter){.limit = 10, .active_after = 7, .active_before = 9};
    found(&f, 1, (const char *const[]){u[2].id});
    const vk_auth_user *rows;
    size_t n;
    static const int64_t bad[][2] = {{0, 0}, {-1, 0}, {VK_AUTH_USERS_PAGE_MAX + 1, 0}, {1, -1}};
    for (size_t i = 0; i < VK_COUNT(bad); i++) {
        f = (vk_auth_user_filter){.limit = bad[i][0], .offset = bad[i][1]};
        assert_int_equal(vk_auth_users(db, a, &f, &rows, &n), VK_E_INVALID);
    }
}

static void browsers_and_clients(void **state)
{
    VK_UNUSED(state);
    uint8_t hash[VK_SHA256] = {1}, other[VK_SHA256] = {2};
    char client[VK_AUTH_ID_MAX + 1];
    int64_t used;
    vk_auth_client c = {.created_ms = 1, .updated_ms = 2, .used_ms = 3}, got;
    vk_auth_id_new(VK_AUTH_CLIENT, c.id);
    assert_int_equal(vk_auth_client_add(db, &c), VK_OK);
    assert_int_equal(vk_auth_browser_add(db, hash, VK_STR_NONE, 10), VK_OK);
    assert_int_equal(vk_auth_browser_add(db, hash, VK_STR_NONE, 10), VK_E_CONFLICT);
    assert_int_equal(vk_auth_browser_get(db, hash, client, &used), VK_OK);
    assert_string_equal(client, "");
    assert_int_equal(used, 10);
    assert_int_equal(vk_auth_browser_put(db, hash, vk_str_z(c.id), 20), VK_OK);
    assert_int_equal(vk_auth_browser_put(db, other, vk_str_z(c.id), 20), VK_E_NOT_FOUND);
    vk_auth_id_new(VK_AUTH_SESSION, c.last_session);
    vk_auth_id_new(VK_AUTH_SIGN_IN, c.sign_in);
    snprintf(c.last_strategy, sizeof c.last_strategy, "password");
    c.updated_ms = 30;
    assert_int_equal(vk_auth_client_put(db, &c), VK_OK);
    again();
    assert_int_equal(vk_auth_browser_get(db, hash, client, &used), VK_OK);
    assert_string_equal(client, c.id);
    assert_int_equal(used, 20);
    assert_int_equal(vk_auth_browser_get(db, other, client, &used), VK_E_NOT_FOUND);
    assert_int_equal(vk_auth_client_get(db, vk_str_z(c.id), &got), VK_OK);
    assert_memory_equal(&got, &c, sizeof c);
    assert_int_equal(vk_auth_client_get(db, VK_STR("client_x"), &got), VK_E_NOT_FOUND);
}

static vk_auth_session session(const char *user_, const char *client, int64_t at)
{
    vk_auth_session s = {.verified_ms = at,
                         .last_active_ms = at,
                         .expire_ms = at + 7,
                         .abandon_ms = at + 30,
                         .created_ms = at,
                         .updated_ms = at};
    vk_auth_id_new(VK_AUTH_SESSION, s.id);
    snprintf(s.user, sizeof s.user, "%s", user_);
    snprintf(s.client, sizeof s.client, "%s", client);
    return s;
}

static size_t count(vk_str client, vk_str user_, int status)
{
    const vk_auth_session *rows;
    size_t n;
    vk_auth_session_filter f = {.client = client, .user = user_, .status = status, .limit = 10};
    assert_int_equal(vk_auth_sessions(db, a, &f, &rows, &n), VK_OK);
    return n;
}

static void sessions(void **state)
{
    VK_UNUSED(state);
    vk_auth_session s[] = {session("user_a", "client_1", 1), session("user_a", "client_2", 2),
                           session("user_b", "client_1", 3), session("user_b", "", 4)};
    vk_auth_session got;
    const vk_auth_session *rows;
    size_t n;
    int64_t ended;
    for (size_t i = 0; i < VK_COUNT(s); i++)
        assert_int_equal(vk_auth_session_add(db, &s[i]), VK_OK);
    assert_int_equal(vk_auth_session_add(db, &s[0]), VK_E_CONFLICT);
    again();
    assert_int_equal(vk_auth_session_get(db, vk_str_z(s[3].id), &got), VK_OK);
    assert_memory_equal(&got, &s[3], sizeof got);
    assert_int_equal(vk_auth_session_get(db, VK_STR("sess_x"), &got), VK_E_NOT_FOUND);
    assert_int_equal(count(VK_STR("client_1"), VK_STR_NONE, VK_AUTH_ACTIVE), 2);
    assert_int_equal(count(VK_STR_NONE, VK_STR("user_a"), -1), 2);
    assert_int_equal(count(VK_STR("client_1"), VK_STR("user_a"), -1), 1);
    assert_int_equal(count(VK_STR_NONE, VK_STR_NONE, -1), 4);
    vk_auth_session_filter f = {.client = VK_STR_NONE,
                                .user = VK_STR_NONE,
                                .status = -1,
                                .newest_first = true,
                                .limit = 2,
                                .offset = 1};
    assert_int_equal(vk_auth_sessions(db, a, &f, &rows, &n), VK_OK);
    assert_int_equal(n, 2);
    assert_string_equal(rows[0].id, s[2].id);
    assert_string_equal(rows[1].id, s[1].id);
    assert_int_equal(vk_auth_sessions_end(db, VK_STR("client_1"), VK_STR_NONE, vk_str_z(s[0].id),
                                          VK_AUTH_REPLACED, 50, &ended),
                     VK_OK);
    assert_int_equal(ended, 1);
    assert_int_equal(vk_auth_session_get(db, vk_str_z(s[2].id), &got), VK_OK);
    assert_int_equal(got.status, VK_AUTH_REPLACED);
    assert_int_equal(got.updated_ms, 50);
    assert_int_equal(
        vk_auth_sessions_end(db, VK_STR_NONE, VK_STR("user_b"), VK_STR_NONE, VK_AUTH_REMOVED, 60, &ended),
        VK_OK);
    assert_int_equal(ended, 1); /* what has ended stays what it was */
    assert_int_equal(vk_auth_session_get(db, vk_str_z(s[2].id), &got), VK_OK);
    assert_int_equal(got.status, VK_AUTH_REPLACED);
    assert_int_equal(
        vk_auth_sessions_end(db, VK_STR_NONE, VK_STR_NONE, VK_STR_NONE, VK_AUTH_REMOVED, 60, &ended),
        VK_E_INVALID); /* never those of everybody */
    assert_int_equal(count(VK_STR_NONE, VK_STR_NONE, VK_AUTH_ACTIVE), 2);
    s[0].status = VK_AUTH_ENDED;
    assert_int_equal(vk_auth_session_put(db, &s[0]), VK_OK);
    assert_int_equal(count(VK_STR_NONE, VK_STR_NONE, VK_AUTH_ACTIVE), 1);
    /* By itself. */
    assert_int_equal(vk_auth_session_status(&s[1], 8), VK_AUTH_ACTIVE);
    assert_int_equal(vk_auth_session_status(&s[1], 9), VK_AUTH_EXPIRED);
    assert_int_equal(vk_auth_session_status(&s[1], 32), VK_AUTH_ABANDONED);
    assert_int_equal(vk_auth_session_status(&s[0], 9), VK_AUTH_ENDED);
    vk_auth_status status;
    for (int i = 0; i < VK_AUTH_STATUSES; i++) {
        assert_true(vk_auth_status_of(vk_str_z(vk_auth_status_name((vk_auth_status)i)), &status));
        assert_int_equal(status, i);
    }
    assert_false(vk_auth_status_of(VK_STR("pending"), &status));
    /* So do those that are listed for a time: of the stored ones s[1] alone is active. */
    static const struct {
        int64_t now_ms, n;
        int status;
    } at[] = {{8, 1, VK_AUTH_ACTIVE},   {9, 0, VK_AUTH_ACTIVE},     {9, 1, VK_AUTH_EXPIRED},
              {32, 0, VK_AUTH_EXPIRED}, {32, 1, VK_AUTH_ABANDONED}, {32, 1, VK_AUTH_ENDED},
              {0, 1, VK_AUTH_ACTIVE},   {0, 0, VK_AUTH_EXPIRED},    {32, 4, -1}};
    for (size_t i = 0; i < VK_COUNT(at); i++) {
        int64_t all;
        f = (vk_auth_session_filter){.status = at[i].status, .now_ms = at[i].now_ms, .limit = 10};
        assert_int_equal(vk_auth_sessions_count(db, &f, &all), VK_OK);
        assert_int_equal(vk_auth_sessions(db, a, &f, &rows, &n), VK_OK);
        assert_int_equal(all, at[i].n);
        assert_int_equal(n, at[i].n);
    }
    f = (vk_auth_session_filter){
        .status = VK_AUTH_ABANDONED, .now_ms = 32, .user = VK_STR("user_a"), .limit = 10};
    int64_t all;
    assert_int_equal(vk_auth_sessions_count(db, &f, &all), VK_OK);
    assert_int_equal(all, 1);
    f.client = VK_STR("client_1");
    assert_int_equal(vk_auth_sessions_count(db, &f, &all), VK_OK);
    assert_int_equal(all, 0);
}

static void attempts(void **state)
{
    VK_UNUSED(state);
    vk_auth_attempt up = {.kind = VK_AUTH_A_SIGN_UP,
                          .created_ms = 1,
                          .updated_ms = 2,
                          .abandon_ms = 1 + VK_AUTH_ATTEMPT_MS},
                    got;
    char code[VK_AUTH_CODE + 1];
    vk_secret key = vk_secret_of(VK_STR("k"));
    vk_auth_id_new(VK_AUTH_SIGN_UP, up.id);
    vk_auth_id_new(VK_AUTH_CLIENT, up.client);
    assert_int_equal(vk_auth_attempt_add(db, &up), VK_OK);
    again();
    assert_int_equal(vk_auth_attempt_get(db, a, vk_str_z(up.id), vk_str_z(up.client), &got), VK_OK);
    assert_true(!got.first_name.p && !got.unsafe_metadata.p && !got.digest.n && got.strategy[0] == 0);
    vk_auth_missing m = vk_auth_sign_up_missing(&got);
    assert_true(m.address && m.password && !m.verification);
    assert_int_equal(vk_auth_attempt_get(db, a, vk_str_z(up.id), VK_STR("client_other"), &got),
                     VK_E_NOT_FOUND);

    snprintf(up.address, sizeof up.address, "a@b.c");
    snprintf(up.strategy, sizeof up.strategy, "email_code");
    snprintf(up.via, sizeof up.via, "inv_1");
    up.first_name = VK_STR("");
    up.unsafe_metadata = VK_STR("{\"x\":1}");
    up.digest = vk_secret_of(VK_STR("$argon2id$x"));
    assert_int_equal(vk_auth_verification_prepare(&up.verification, key, vk_str_z(up.id), 5, code), VK_OK);
    assert_int_equal(vk_auth_attempt_put(db, &up), VK_OK);
    again();
    assert_int_equal(vk_auth_attempt_get(db, a, vk_str_z(up.id), vk_str_z(up.client), &got), VK_OK);
    assert_string_equal(got.address, "a@b.c");
    assert_string_equal(got.strategy, "email_code");
    assert_string_equal(got.via, "inv_1");
    assert_true(got.first_name.p && got.first_name.n == 0 && !got.last_name.p);
    assert_true(vk_str_eq(got.unsafe_metadata, up.unsafe_metadata) && vk_secret_eq(got.digest, up.digest));
    m = vk_auth_sign_up_missing(&got);
    assert_true(!m.address && !m.password && m.verification);
    /* The code is right for what came back, too. */
    assert_int_equal(vk_auth_verification_attempt(&got.verification, key, vk_str_z(got.id),
                                                  vk_secret_of(VK_STR("x")), false, 6),
                     VK_AUTH_TRY_WRONG);
    assert_int_equal(vk_auth_attempt_put(db, &got), VK_OK);
    assert_int_equal(vk_auth_attempt_get(db, a, vk_str_z(up.id), vk_str_z(up.client), &got), VK_OK);
    assert_int_equal(got.verification.tries, 1);
    assert_int_equal(got.verification.expire_ms, 5 + VK_AUTH_CODE_MS);
    assert_int_equal(vk_auth_verification_attempt(&got.verification, key, vk_str_z(got.id),
                                                  vk_secret_of(vk_str_z(code)), false, 6),
                     VK_AUTH_TRY_RIGHT);
    got.status = VK_AUTH_A_COMPLETE;
    vk_auth_id_new(VK_AUTH_USER, got.user);
    vk_auth_id_new(VK_AUTH_SESSION, got.session);
    assert_true(vk_auth_attempt_is_open(&up, VK_AUTH_ATTEMPT_MS));
    assert_false(vk_auth_attempt_is_open(&up, VK_AUTH_ATTEMPT_MS + 1));
    assert_false(vk_auth_attempt_is_open(&got, 5));
    assert_int_equal(vk_auth_attempt_put(db, &got), VK_OK);
    vk_auth_attempt back;
    assert_int_equal(vk_auth_attempt_get(db, a, vk_str_z(up.id), vk_str_z(up.client), &back), VK_OK);
    assert_string_equal(back.user, got.user);
    assert_string_equal(back.session, got.session);
    assert_int_equal(back.status, VK_AUTH_A_COMPLETE);
    assert_int_equal(back.verification.state, VK_AUTH_V_VERIFIED);
    m = vk_auth_sign_up_missing(&back);
    assert_true(!m.address && !m.password && !m.verification);
    snprintf(got.client, sizeof got.client, "client_other"); /* it does not change hands */
    assert_int_equal(vk_auth_attempt_put(db, &got), VK_E_NOT_FOUND);
    bool more;
    assert_int_equal(vk_auth_tidy(db, 1 + VK_AUTH_ATTEMPT_MS, &more), VK_OK);
    assert_int_equal(vk_auth_attempt_get(db, a, vk_str_z(up.id), vk_str_z(up.client), &back), VK_OK);
    assert_int_equal(vk_auth_tidy(db, 2 + VK_AUTH_ATTEMPT_MS, &more), VK_OK);
    assert_int_equal(vk_auth_attempt_get(db, a, vk_str_z(up.id), vk_str_z(up.client), &back), VK_E_NOT_FOUND);
}

static void nonces(void **state)
{
    VK_UNUSED(state);
    uint8_t hash[VK_SHA256] = {1}, late[VK_SHA256] = {2}, absent[VK_SHA256] = {3};
    vk_secret payload;
    assert_int_equal(vk_auth_nonce_put(db, hash, vk_secret_of(VK_STR("[\"d\"]")), 1000), VK_OK);
    assert_int_equal(vk_auth_nonce_put(db, hash, vk_secret_of(VK_STR("x")), 1000), VK_E_CONFLICT);
    assert_int_equal(vk_auth_nonce_put(db, late, vk_secret_of(VK_STR("x")), 1000), VK_OK);
    again();
    assert_int_equal(vk_auth_nonce_take(db, a, hash, 1000 + VK_AUTH_NONCE_MS - 1, &payload), VK_OK);
    assert_true(vk_secret_eq(payload, vk_secret_of(VK_STR("[\"d\"]"))));
    assert_int_equal(vk_auth_nonce_take(db, a, hash, 1001, &payload), VK_E_NOT_FOUND); /* once */
    again();
    assert_int_equal(vk_auth_nonce_take(db, a, hash, 1001, &payload), VK_E_NOT_FOUND);
    assert_int_equal(vk_auth_nonce_take(db, a, late, 1000 + VK_AUTH_NONCE_MS, &payload), VK_E_NOT_FOUND);
    assert_int_equal(vk_auth_nonce_take(db, a, late, 1001, &payload), VK_E_NOT_FOUND); /* and it is gone */
    assert_int_equal(vk_auth_nonce_take(db, a, absent, 1001, &payload), VK_E_NOT_FOUND);
}

static void outbox(void **state)
{
    VK_UNUSED(state);
    const vk_auth_message *rows;
    size_t n;
    for (int i = 0; i < VK_AUTH_OUTBOX_MAX + 3; i++) {
        vk_auth_message m = {.at_ms = i,
                             .address = i % 100 == 0 ? VK_STR("rare@x.y") : VK_STR("a@x.y"),
                             .what = VK_STR("verification_code"),
                             .code = vk_arena_printf(a, "%06d", i)};
        assert_int_equal(vk_auth_outbox_add(db, &m), VK_OK);
    }
    assert_int_equal(vk_auth_outbox(db, a, VK_STR_NONE, &rows, &n), VK_OK);
    assert_int_equal(n, VK_AUTH_OUTBOX_MAX);
    assert_int_equal(rows[0].at_ms, VK_AUTH_OUTBOX_MAX + 2);
    assert_true(vk_str_eqz(rows[0].code, "000202"));
    assert_int_equal(rows[n - 1].at_ms, 3);
    assert_int_equal(vk_auth_outbox(db, a, VK_STR("rare@x.y"), &rows, &n), VK_OK);
    assert_int_equal(n, 2);
    assert_int_equal(rows[1].at_ms, 100);
}

static void keys(void **state)
{
    VK_UNUSED(state);
    vk_str sealed;
    assert_int_equal(vk_auth_key_get(db, a, VK_STR("ins_b1"), &sealed), VK_E_NOT_FOUND);
    assert_int_equal(vk_auth_key_add(db, VK_STR("ins_b1"), VK_STR("\0sealed\0"), 1), VK_OK);
    assert_int_equal(vk_auth_key_add(db, VK_STR("ins_b1"), VK_STR("other"), 1), VK_E_CONFLICT);
    again();
    assert_int_equal(vk_auth_key_get(db, a, VK_STR("ins_b1"), &sealed), VK_OK);
    assert_true(vk_str_eq(sealed, VK_STR("\0sealed\0")));
}

static void tidies(void **state)
{
    VK_UNUSED(state);
    const int64_t day = 86400000, now = 100 * day;
    uint8_t old[VK_SHA256] = {1}, fresh[VK_SHA256] = {2};
    vk_auth_client c = {.used_ms = now - 31 * day}, kept = {.used_ms = now - 29 * day}, got;
    vk_auth_session gone = session("user_a", "", 0), here = session("user_a", "", now);
    char client[VK_AUTH_ID_MAX + 1];
    int64_t used;
    vk_secret payload;
    vk_auth_id_new(VK_AUTH_CLIENT, c.id);
    bool more;
    vk_auth_id_new(VK_AUTH_CLIENT, kept.id);
    snprintf(kept.last_session, sizeof kept.last_session, "sess_1");
    snprintf(c.last_session, sizeof c.last_session, "sess_2");
    assert_int_equal(vk_auth_client_add(db, &c), VK_OK);
    assert_int_equal(vk_auth_client_add(db, &kept), VK_OK);
    assert_int_equal(vk_auth_browser_add(db, old, vk_str_z(kept.id), now - 31 * day), VK_OK);
    assert_int_equal(vk_auth_browser_add(db, fresh, vk_str_z(c.id), now), VK_OK);
    assert_int_equal(vk_auth_session_add(db, &gone), VK_OK);
    assert_int_equal(vk_auth_session_add(db, &here), VK_OK);
    assert_int_equal(vk_auth_nonce_put(db, old, vk_secret_of(VK_STR("x")), now - VK_AUTH_NONCE_MS), VK_OK);
    assert_int_equal(vk_auth_nonce_put(db, fresh, vk_secret_of(VK_STR("x")), now), VK_OK);
    assert_int_equal(vk_auth_tidy(db, now, &more), VK_OK);
    assert_int_equal(vk_auth_client_get(db, vk_str_z(c.id), &got), VK_E_NOT_FOUND);
    assert_int_equal(vk_auth_client_get(db, vk_str_z(kept.id), &got), VK_OK);
    assert_int_equal(vk_auth_browser_get(db, old, client, &used), VK_E_NOT_FOUND);
    assert_int_equal(vk_auth_browser_get(db, fresh, client, &used), VK_OK);
    assert_string_equal(client, ""); /* its client went */
    assert_int_equal(count(VK_STR_NONE, VK_STR_NONE, -1), 1);
    assert_int_equal(vk_auth_nonce_take(db, a, fresh, now, &payload), VK_OK);
    assert_int_equal(vk_auth_nonce_take(db, a, old, now - VK_AUTH_NONCE_MS, &payload), VK_E_NOT_FOUND);
}

static int64_t number(const char *text)
{
    sqlite3_stmt *st;
    assert_int_equal(sqlite3_prepare_v2(db->db, text, -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return n;
}

/* So many rounds that there is nothing more to do. */
static void tidy_all(int64_t now)
{
    bool more = true;
    for (int i = 0; more && i < 20; i++) {
        assert_int_equal(vk_auth_db_begin(db), VK_OK);
        assert_int_equal(vk_auth_tidy(db, now, &more), VK_OK);
        assert_int_equal(vk_auth_db_end(db), VK_OK);
    }
    assert_false(more);
}

static void what_nobody_signed_in_with_goes_sooner(void **state)
{
    VK_UNUSED(state);
    const int64_t day = 86400000, now = 100 * day, then = now - 8 * day;
    uint8_t idle[VK_SHA256] = {1}, fresh[VK_SHA256] = {2}, used[VK_SHA256] = {3};
    vk_auth_client without = {.used_ms = then}, with = {.used_ms = then, .last_session = "sess_1"}, got;
    char client[VK_AUTH_ID_MAX + 1];
    int64_t at;
    vk_auth_id_new(VK_AUTH_CLIENT, without.id);
    vk_auth_id_new(VK_AUTH_CLIENT, with.id);
    assert_int_equal(vk_auth_client_add(db, &without), VK_OK);
    assert_int_equal(vk_auth_client_add(db, &with), VK_OK);
    assert_int_equal(vk_auth_browser_add(db, idle, VK_STR_NONE, then), VK_OK);
    assert_int_equal(vk_auth_browser_add(db, fresh, VK_STR_NONE, now), VK_OK);
    assert_int_equal(vk_auth_browser_add(db, used, vk_str_z(with.id), then), VK_OK);
    tidy_all(now);
    assert_int_equal(vk_auth_client_get(db, vk_str_z(without.id), &got), VK_E_NOT_FOUND);
    assert_int_equal(vk_auth_client_get(db, vk_str_z(with.id), &got), VK_OK);
    assert_int_equal(vk_auth_browser_get(db, idle, client, &at), VK_E_NOT_FOUND);
    assert_int_equal(vk_auth_browser_get(db, fresh, client, &at), VK_OK);
    assert_int_equal(vk_auth_browser_get(db, used, client, &at), VK_OK);
}

/* Whoever asks makes as many as they like: the newest stay, and nobody who is signed in goes for it. */
static void floods(void **state)
{
    VK_UNUSED(state);
    enum { MORE = 6000 };
    const int64_t now = 100 * (int64_t)86400000;
    uint8_t hash[VK_SHA256] = {0};
    vk_auth_client here = {.used_ms = now - 1, .last_session = "sess_1"}, got;
    char client[VK_AUTH_ID_MAX + 1];
    int64_t at;
    vk_auth_id_new(VK_AUTH_CLIENT, here.id);
    assert_int_equal(vk_auth_db_begin(db), VK_OK);
    assert_int_equal(vk_auth_client_add(db, &here), VK_OK);
    assert_int_equal(vk_auth_browser_add(db, hash, vk_str_z(here.id), now - 1), VK_OK);
    for (int i = 1; i <= VK_AUTH_IDLE_MAX + MORE; i++) {
        memcpy(hash, &i, sizeof i);
        vk_auth_client c = {.used_ms = now + i};
        vk_auth_id_new(VK_AUTH_CLIENT, c.id);
        assert_int_equal(vk_auth_browser_add(db, hash, VK_STR_NONE, now + i), VK_OK);
        assert_int_equal(vk_auth_client_add(db, &c), VK_OK);
        assert_int_equal(vk_auth_tidy_due(db), db->added >= VK_AUTH_TIDY_EACH);
        if (i > VK_AUTH_ATTEMPTS_MAX + MORE)
            continue;
        vk_auth_attempt x = {.kind = VK_AUTH_A_SIGN_UP, .abandon_ms = now + VK_AUTH_ATTEMPT_MS + i};
        vk_auth_id_new(VK_AUTH_SIGN_UP, x.id);
        assert_int_equal(vk_auth_attempt_add(db, &x), VK_OK);
    }
    assert_int_equal(vk_auth_db_end(db), VK_OK);
    assert_true(vk_auth_tidy_due(db));
    tidy_all(now);
    assert_false(vk_auth_tidy_due(db));
    assert_int_equal(number("SELECT count(*) FROM dev_browsers WHERE client IS NULL"), VK_AUTH_IDLE_MAX);
    assert_int_equal(number("SELECT count(*) FROM clients WHERE last_session IS NULL"), VK_AUTH_IDLE_MAX);
    assert_int_equal(number("SELECT count(*) FROM attempts"), VK_AUTH_ATTEMPTS_MAX);
    assert_int_equal(number("SELECT min(abandon_at) FROM attempts"), now + VK_AUTH_ATTEMPT_MS + MORE + 1);
    assert_int_equal(vk_auth_browser_get(db, hash, client, &at), VK_OK); /* the newest */
    memset(hash, 0, sizeof hash);
    assert_int_equal(vk_auth_browser_get(db, hash, client, &at), VK_OK); /* and who is signed in */
    assert_int_equal(vk_auth_client_get(db, vk_str_z(here.id), &got), VK_OK);
}

static void one_user_has_so_many_sessions(void **state)
{
    VK_UNUSED(state);
    const int more = 20;
    vk_auth_session active = session("user_a", "", 1), other = session("user_b", "", 1), got;
    assert_int_equal(vk_auth_db_begin(db), VK_OK);
    assert_int_equal(vk_auth_session_add(db, &active), VK_OK);
    assert_int_equal(vk_auth_session_add(db, &other), VK_OK);
    vk_auth_session first, last;
    for (int i = 0; i < VK_AUTH_USER_SESSIONS_MAX + more; i++) {
        vk_auth_session s = session("user_a", "", 2 + i);
        s.status = VK_AUTH_REPLACED;
        assert_int_equal(vk_auth_session_add(db, &s), VK_OK);
        if (i == 0)
            first = s;
        last = s;
    }
    assert_int_equal(vk_auth_db_end(db), VK_OK);
    assert_int_equal(number("SELECT count(*) FROM sessions WHERE user = 'user_a'"),
                     VK_AUTH_USER_SESSIONS_MAX);
    assert_int_equal(vk_auth_session_get(db, vk_str_z(active.id), &got), VK_OK); /* before those that ended */
    assert_int_equal(vk_auth_session_get(db, vk_str_z(last.id), &got), VK_OK);
    assert_int_equal(vk_auth_session_get(db, vk_str_z(first.id), &got), VK_E_NOT_FOUND);
    assert_int_equal(vk_auth_session_get(db, vk_str_z(other.id), &got), VK_OK);
}

static void pages(int n)
{
    char text[64];
    snprintf(text, sizeof text, "PRAGMA max_page_count = %d", n);
    assert_int_equal(sqlite3_exec(db->db, text, NULL, NULL, NULL), SQLITE_OK);
}

static void a_full_disk(void **state)
{
    VK_UNUSED(state);
    char large[20000];
    vk_auth_user u = user(NULL), small = user(NULL), got;
    memset(large, ' ', sizeof large);
    large[0] = '{';
    large[sizeof large - 1] = '}';
    assert_int_equal(vk_auth_user_add(db, &small), VK_OK);
    pages(1); /* no more than there are */
    u.public_metadata = (vk_str){large, sizeof large};
    assert_int_equal(vk_auth_db_begin(db), VK_OK);
    assert_int_equal(vk_auth_user_add(db, &u), VK_E_FULL);
    vk_auth_db_undo(db);
    assert_int_equal(vk_auth_user_get(db, a, vk_str_z(small.id), &got), VK_OK); /* reading goes on */
    assert_int_equal(vk_auth_user_get(db, a, vk_str_z(u.id), &got), VK_E_NOT_FOUND);
    pages(100000);
    assert_int_equal(vk_auth_db_begin(db), VK_OK);
    assert_int_equal(vk_auth_user_add(db, &u), VK_OK);
    assert_int_equal(vk_auth_db_end(db), VK_OK);
    again();
    assert_int_equal(vk_auth_user_get(db, a, vk_str_z(u.id), &got), VK_OK);
    same_user(&u, &got);
}

static void little_memory(void **state)
{
    VK_UNUSED(state);
    vk_auth_user u = user("e1"), got;
    vk_auth_email_row e = email(&u, "a@b.c", true);
    const vk_auth_email_row *rows;
    const vk_auth_user *list;
    size_t n;
    char large[9000];
    memset(large, ' ', sizeof large);
    large[0] = '{';
    large[sizeof large - 1] = '}';
    u.private_metadata = (vk_str){large, sizeof large};
    assert_int_equal(vk_auth_user_add(db, &u), VK_OK);
    assert_int_equal(vk_auth_email_add(db, &e), VK_OK);
    vk_arena *tight = vk_arena_new(4096);
    assert_non_null(tight);
    assert_int_equal(vk_auth_user_get(db, tight, vk_str_z(u.id), &got), VK_E_NOMEM);
    vk_arena_reset(tight);
    assert_non_null(vk_arena_alloc(tight, 3900));
    assert_int_equal(vk_auth_emails_of(db, tight, vk_str_z(u.id), &rows, &n), VK_E_NOMEM);
    vk_auth_user_filter f = {.limit = VK_AUTH_USERS_PAGE_MAX};
    assert_int_equal(vk_auth_users(db, tight, &f, &list, &n), VK_E_NOMEM);
    vk_arena_free(tight);
    assert_int_equal(vk_auth_user_get(db, a, vk_str_z(u.id), &got), VK_OK); /* the statement is free again */
}

static void versions(void **state)
{
    VK_UNUSED(state);
    vk_auth_db *other;
    char text[64];
    outside("PRAGMA user_version"); /* it can be read from outside: nobody holds it */
    vk_auth_db_close(db);
    db = NULL;
    snprintf(text, sizeof text, "PRAGMA user_version = %d", VK_AUTH_SCHEMA + 1);
    outside(text);
    assert_int_equal(vk_auth_db_open(path, "b1", &other), VK_E_NEWER);
    outside("PRAGMA user_version = -1");
    assert_int_equal(vk_auth_db_open(path, "b1", &other), VK_E_CORRUPT);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    for (int i = 0; i < 500; i++)
        fputs("this is no database ", f);
    fclose(f);
    assert_int_equal(vk_auth_db_open(path, "b1", &other), VK_E_CORRUPT);
    assert_int_not_equal(vk_auth_db_open("/nowhere/auth.db", "b1", &other), VK_OK);
}

static int begin(void **state)
{
    VK_UNUSED(state);
    if (!folder_make(dir))
        return -1;
    snprintf(path, sizeof path, "%s/auth.db", dir);
    a = vk_arena_new(8 << 20);
    return a && vk_auth_db_open(path, "b1", &db) == VK_OK ? 0 : -1;
}

static int end(void **state)
{
    VK_UNUSED(state);
    vk_auth_db_close(db);
    db = NULL;
    vk_arena_free(a);
    return folder_remove(dir);
}

static int init(void **state)
{
    VK_UNUSED(state);
    return vk_digest_init() == VK_OK && vk_sqlite_init() == VK_OK ? 0 : -1;
}

#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(users),
        T(addresses),
        T(nothing_of_what_is_undone),
        T(lists_of_users),
        T(browsers_and_clients),
        T(sessions),
        T(attempts),
        T(nonces),
        T(outbox),
        T(keys),
        T(tidies),
        T(what_nobody_signed_in_with_goes_sooner),
        T(floods),
        T(one_user_has_so_many_sessions),
        T(a_full_disk),
        T(little_memory),
        T(versions),
    };
    return cmocka_run_group_tests(tests, init, NULL);
}
