/* Tickets: what is written comes back, a text's hash is there once, a status is the one of its time, lists
 * and what is tidied up. */
#include "services/auth/embedded/clients.h"
#include "services/auth/embedded/inside.h"
#include "services/auth/embedded/tickets.h"

#include "core/test_folder.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>
#include <cmocka.h>

enum { LIFE = 1000 };

static char dir[] = "/tmp/vk-auth-tickets-XXXXXX", path[64];
static vk_auth_db *db;
static vk_arena *a;

static vk_auth_ticket ticket(vk_auth_tkind kind, const char *who, int64_t created_ms)
{
    vk_auth_ticket t = {
        .kind = kind, .created_ms = created_ms, .updated_ms = created_ms, .expire_ms = created_ms + LIFE};
    vk_auth_id_new(kind == VK_AUTH_T_INVITATION ? VK_AUTH_INVITATION : VK_AUTH_SIGN_IN_TOKEN, t.id);
    memcpy(t.hash, t.id, sizeof t.hash < strlen(t.id) ? sizeof t.hash : strlen(t.id));
    snprintf(kind == VK_AUTH_T_INVITATION ? t.address : t.user,
             kind == VK_AUTH_T_INVITATION ? sizeof t.address : sizeof t.user, "%s", who);
    return t;
}

static void same(const vk_auth_ticket *x, const vk_auth_ticket *y)
{
    assert_string_equal(x->id, y->id);
    assert_int_equal(x->kind, y->kind);
    assert_int_equal(x->status, y->status);
    assert_memory_equal(x->hash, y->hash, sizeof x->hash);
    assert_string_equal(x->user, y->user);
    assert_string_equal(x->address, y->address);
    assert_true(vk_str_eq(x->public_metadata, y->public_metadata));
    assert_int_equal(!x->public_metadata.p, !y->public_metadata.p);
    assert_true(vk_str_eq(x->redirect_url, y->redirect_url));
    assert_int_equal(!x->redirect_url.p, !y->redirect_url.p);
    assert_int_equal(x->created_ms, y->created_ms);
    assert_int_equal(x->updated_ms, y->updated_ms);
    assert_int_equal(x->expire_ms, y->expire_ms);
}

static void rows(void **state)
{
    VK_UNUSED(state);
    vk_auth_ticket t = ticket(VK_AUTH_T_INVITATION, "a@b.example", 10), got;
    vk_auth_ticket s = ticket(VK_AUTH_T_SIGN_IN, "user_1", 20);
    t.public_metadata = VK_STR("{\"a\":1}");
    t.redirect_url = VK_STR("http://localhost:3000/in");
    assert_int_equal(vk_auth_ticket_add(db, &t), VK_OK);
    assert_int_equal(vk_auth_ticket_add(db, &s), VK_OK);
    vk_auth_db_close(db);
    assert_int_equal(vk_auth_db_open(path, "b1", &db), VK_OK);
    assert_int_equal(vk_auth_ticket_get(db, a, vk_str_z(t.id), &got), VK_OK);
    same(&t, &got);
    assert_int_equal(vk_auth_ticket_by_hash(db, a, s.hash, &got), VK_OK);
    same(&s, &got);

    t.status = VK_AUTH_T_ACCEPTED;
    snprintf(t.user, sizeof t.user, "user_2");
    t.updated_ms = 11;
    assert_int_equal(vk_auth_ticket_put(db, &t), VK_OK);
    assert_int_equal(vk_auth_ticket_by_hash(db, a, t.hash, &got), VK_OK);
    same(&t, &got);

    got = s; /* left alone when nothing is found */
    uint8_t none[VK_SHA256] = {1};
    assert_int_equal(vk_auth_ticket_by_hash(db, a, none, &got), VK_E_NOT_FOUND);
    assert_int_equal(vk_auth_ticket_get(db, a, VK_STR("inv_x"), &got), VK_E_NOT_FOUND);
    same(&s, &got);
    vk_auth_ticket absent = ticket(VK_AUTH_T_SIGN_IN, "user_1", 20);
    assert_int_equal(vk_auth_ticket_put(db, &absent), VK_E_NOT_FOUND);

    memcpy(absent.hash, s.hash, sizeof absent.hash);
    assert_int_equal(vk_auth_ticket_add(db, &absent), VK_E_CONFLICT);
    assert_int_equal(vk_auth_ticket_add(db, &s), VK_E_CONFLICT);
    s.status = VK_AUTH_T_EXPIRED;
    assert_int_equal(vk_auth_ticket_put(db, &s), VK_E_INVALID);
    s = ticket(VK_AUTH_T_SIGN_IN, "user_1", 20);
    s.status = VK_AUTH_T_EXPIRED;
    assert_int_equal(vk_auth_ticket_add(db, &s), VK_E_INVALID);
}

static void statuses(void **state)
{
    VK_UNUSED(state);
    vk_auth_ticket t = ticket(VK_AUTH_T_SIGN_IN, "user_1", 0);
    vk_auth_tstatus s;
    assert_int_equal(vk_auth_ticket_status(&t, LIFE - 1), VK_AUTH_T_PENDING);
    assert_int_equal(vk_auth_ticket_status(&t, LIFE), VK_AUTH_T_EXPIRED);
    t.status = VK_AUTH_T_ACCEPTED; /* for good */
    assert_int_equal(vk_auth_ticket_status(&t, LIFE), VK_AUTH_T_ACCEPTED);
    t.status = VK_AUTH_T_REVOKED;
    assert_int_equal(vk_auth_ticket_status(&t, LIFE), VK_AUTH_T_REVOKED);
    for (int i = 0; i < VK_AUTH_T_STATUSES; i++) {
        assert_true(vk_auth_tstatus_of(vk_str_z(vk_auth_tstatus_name((vk_auth_tstatus)i)), &s));
        assert_int_equal(s, i);
    }
    assert_string_equal(vk_auth_tstatus_name(VK_AUTH_T_EXPIRED), "expired");
    assert_false(vk_auth_tstatus_of(VK_STR("Pending"), &s));
    assert_false(vk_auth_tstatus_of(VK_STR(""), &s));
}

static void invitations_of_an_address(void **state)
{
    VK_UNUSED(state);
    vk_auth_ticket first = ticket(VK_AUTH_T_INVITATION, "a@b.example", 0), got;
    vk_auth_ticket second = ticket(VK_AUTH_T_INVITATION, "a@b.example", 0);
    vk_auth_ticket other = ticket(VK_AUTH_T_INVITATION, "b@b.example", 0);
    assert_int_equal(vk_auth_ticket_add(db, &first), VK_OK);
    assert_int_equal(vk_auth_ticket_add(db, &second), VK_OK);
    assert_int_equal(vk_auth_ticket_add(db, &other), VK_OK);
    assert_int_equal(vk_auth_ticket_pending(db, a, VK_STR("a@b.example"), LIFE - 1, &got), VK_OK);
    same(&second, &got);
    second.status = VK_AUTH_T_REVOKED;
    assert_int_equal(vk_auth_ticket_put(db, &second), VK_OK);
    assert_int_equal(vk_auth_ticket_pending(db, a, VK_STR("a@b.example"), LIFE - 1, &got), VK_OK);
    same(&first, &got);
    assert_int_equal(vk_auth_ticket_pending(db, a, VK_STR("a@b.example"), LIFE, &got), VK_E_NOT_FOUND);
    first.status = VK_AUTH_T_ACCEPTED;
    assert_int_equal(vk_auth_ticket_put(db, &first), VK_OK);
    assert_int_equal(vk_auth_ticket_pending(db, a, VK_STR("a@b.example"), 0, &got), VK_E_NOT_FOUND);
    assert_int_equal(vk_auth_ticket_pending(db, a, VK_STR(""), 0, &got), VK_E_NOT_FOUND);
}

static void lists(void **state)
{
    VK_UNUSED(state);
    char ids[6][VK_AUTH_ID_MAX + 1];
    const vk_auth_ticket *list;
    size_t n;
    int64_t total;
    for (int i = 0; i < 6; i++) {
        /* one after the other; the fourth is revoked, the last is of the other kind */
        vk_auth_ticket t = ticket(i == 5 ? VK_AUTH_T_SIGN_IN : VK_AUTH_T_INVITATION, "x", i * LIFE / 2);
        if (i == 3)
            t.status = VK_AUTH_T_REVOKED;
        memcpy(ids[i], t.id, sizeof ids[i]);
        assert_int_equal(vk_auth_ticket_add(db, &t), VK_OK);
    }
    static const struct {
        int status;
        int64_t now_ms, limit, offset;
        int64_t total;
        const char *found; /* places, in order */
    } cases[] = {
        {-1, 0, 500, 0, 5, "43210"},
        {-1, 0, 2, 0, 5, "43"},
        {-1, 0, 2, 3, 5, "10"},
        {-1, 0, 2, 4, 5, "0"},
        {-1, 0, 2, 5, 5, ""},
        {-1, 0, 2, INT64_MAX, 5, ""},
        {VK_AUTH_T_PENDING, 0, 10, 0, 4, "4210"},
        {VK_AUTH_T_PENDING, LIFE, 10, 0, 3, "421"},
        {VK_AUTH_T_EXPIRED, 0, 10, 0, 0, ""},
        {VK_AUTH_T_EXPIRED, LIFE, 10, 0, 1, "0"},
        {VK_AUTH_T_EXPIRED, 100 * LIFE, 2, 1, 4, "21"},
        {VK_AUTH_T_REVOKED, 100 * LIFE, 10, 0, 1, "3"},
        {VK_AUTH_T_ACCEPTED, 0, 10, 0, 0, ""},
        {VK_AUTH_T_NOT_REVOKED, 0, 10, 0, 4, "4210"},
        {VK_AUTH_T_NOT_REVOKED, 100 * LIFE, 10, 1, 4, "210"},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_auth_ticket_filter f = {.status = cases[i].status,
                                   .now_ms = cases[i].now_ms,
                                   .limit = cases[i].limit,
                                   .offset = cases[i].offset};
        assert_int_equal(vk_auth_tickets(db, a, &f, &list, &n, &total), VK_OK);
        assert_int_equal(total, cases[i].total);
        assert_int_equal(n, strlen(cases[i].found));
        for (size_t j = 0; j < n; j++)
            assert_string_equal(list[j].id, ids[cases[i].found[j] - '0']);
    }
    vk_auth_ticket_filter f = {.kind = VK_AUTH_T_SIGN_IN, .status = VK_AUTH_T_ANY, .limit = 10};
    assert_int_equal(vk_auth_tickets(db, a, &f, &list, &n, &total), VK_OK);
    assert_true(n == 1 && total == 1 && strcmp(list[0].id, ids[5]) == 0);
    f.kind = VK_AUTH_T_INVITATION;
    f.oldest_first = true;
    f.query = VK_STR("x"); /* the address of each */
    assert_int_equal(vk_auth_tickets(db, a, &f, &list, &n, &total), VK_OK);
    assert_true(n == 5 && total == 5 && strcmp(list[0].id, ids[0]) == 0);
    char part[VK_AUTH_ID_MAX + 1];
    for (size_t i = 0; i <= strlen(ids[2]); i++)
        part[i] = ids[2][i] >= 'A' && ids[2][i] <= 'Z' ? (char)(ids[2][i] | 0x20) : ids[2][i];
    f.query = (vk_str){part + 4, 20};
    assert_int_equal(vk_auth_tickets(db, a, &f, &list, &n, &total), VK_OK);
    assert_true(n == 1 && total == 1 && strcmp(list[0].id, ids[2]) == 0);
    f.query = VK_STR("%");
    assert_int_equal(vk_auth_tickets(db, a, &f, &list, &n, &total), VK_OK);
    assert_true(n == 0 && total == 0);
    static const vk_auth_ticket_filter wrong[] = {{.status = -1},
                                                  {.status = -1, .limit = VK_AUTH_TICKETS_PAGE_MAX + 1},
                                                  {.status = -1, .limit = 1, .offset = -1},
                                                  {.status = -3, .limit = 1},
                                                  {.status = VK_AUTH_T_STATUSES, .limit = 1}};
    for (size_t i = 0; i < VK_COUNT(wrong); i++)
        assert_int_equal(vk_auth_tickets(db, a, &wrong[i], &list, &n, &total), VK_E_INVALID);
}

static void old_ones_go(void **state)
{
    VK_UNUSED(state);
    const int64_t days = (int64_t)VK_AUTH_ABANDON_DAYS * 86400000;
    vk_auth_ticket early = ticket(VK_AUTH_T_INVITATION, "a@b.example", 0), got;
    vk_auth_ticket late = ticket(VK_AUTH_T_SIGN_IN, "user_1", 1);
    bool more;
    early.status = VK_AUTH_T_ACCEPTED;
    assert_int_equal(vk_auth_ticket_add(db, &early), VK_OK);
    assert_int_equal(vk_auth_ticket_add(db, &late), VK_OK);
    assert_int_equal(vk_auth_tidy(db, LIFE + days, &more), VK_OK);
    assert_int_equal(vk_auth_ticket_get(db, a, vk_str_z(early.id), &got), VK_OK);
    assert_int_equal(vk_auth_tidy(db, LIFE + days + 1, &more), VK_OK);
    assert_int_equal(vk_auth_ticket_get(db, a, vk_str_z(early.id), &got), VK_E_NOT_FOUND);
    assert_int_equal(vk_auth_ticket_get(db, a, vk_str_z(late.id), &got), VK_OK);
}

static void broken_rows(void **state)
{
    VK_UNUSED(state);
    static const char *const changes[] = {
        "UPDATE tickets SET kind = 7",
        "UPDATE tickets SET kind = -1",
        "UPDATE tickets SET status = 3", /* what is never stored */
        "UPDATE tickets SET status = -1",
        "UPDATE tickets SET hash = x'00'",
        "UPDATE tickets SET user = printf('%.*c', 300, 'u')",
    };
    for (size_t i = 0; i < VK_COUNT(changes); i++) {
        vk_auth_ticket t = ticket(VK_AUTH_T_SIGN_IN, "user_1", 0), got;
        const vk_auth_ticket *list;
        size_t n;
        int64_t total;
        const vk_auth_ticket_filter f = {.kind = VK_AUTH_T_SIGN_IN, .status = VK_AUTH_T_ANY, .limit = 10};
        assert_int_equal(sqlite3_exec(db->db, "DELETE FROM tickets", NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(vk_auth_ticket_add(db, &t), VK_OK);
        assert_int_equal(sqlite3_exec(db->db, changes[i], NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(vk_auth_ticket_get(db, a, vk_str_z(t.id), &got), VK_E_CORRUPT);
        if (!strstr(changes[i], "kind"))
            assert_int_equal(vk_auth_tickets(db, a, &f, &list, &n, &total), VK_E_CORRUPT);
    }
}

static void little_memory(void **state)
{
    VK_UNUSED(state);
    static char large[9000];
    vk_auth_ticket t = ticket(VK_AUTH_T_INVITATION, "a@b.example", 0), got;
    const vk_auth_ticket *list;
    size_t n;
    int64_t total;
    memset(large, ' ', sizeof large);
    t.public_metadata = (vk_str){large, sizeof large};
    assert_int_equal(vk_auth_ticket_add(db, &t), VK_OK);
    vk_arena *tight = vk_arena_new(4096);
    assert_non_null(tight);
    assert_int_equal(vk_auth_ticket_get(db, tight, vk_str_z(t.id), &got), VK_E_NOMEM);
    const vk_auth_ticket_filter f = {.status = VK_AUTH_T_ANY, .limit = 1};
    assert_int_equal(vk_auth_tickets(db, tight, &f, &list, &n, &total), VK_E_NOMEM);
    vk_arena_free(tight);
    assert_int_equal(vk_auth_ticket_get(db, a, vk_str_z(t.id), &got), VK_OK);
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
        T(rows),        T(statuses),      T(invitations_of_an_address), T(lists), T(old_ones_go),
        T(broken_rows), T(little_memory),
    };
    return cmocka_run_group_tests(tests, init, NULL);
}
