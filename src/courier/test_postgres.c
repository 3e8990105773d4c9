/* libpq's conversation with a server of this test, over TLS on loopback; and that the guard stands before it.
 */
#include "courier/postgres.h"

#include "core/clock.h"
#include "courier/courier.h"
#include "courier/test_loopback.h"
#include "crypto/selfsign.h"

#include <openssl/ssl.h>
#include <signal.h>

static vk_pq pq;
static vk_outbound_answer answer;
static char ca_path[] = "/tmp/vk-test-pg-ca-XXXXXX";
static char other_path[] = "/tmp/vk-test-pg-other-XXXXXX";
static char service_path[] = "/tmp/vk-test-pg-service-XXXXXX";
static SSL_CTX *tls;
static struct vk_courier *courier;
static const char *const variables[][2] = {
    {"PGSERVICE", "made-up"},
    {"PGSERVICEFILE", NULL}, /* service_path */
    {"PGSYSCONFDIR", "/nonexistent"},
    {"PGHOST", "192.0.2.1"},
    {"PGHOSTADDR", "192.0.2.1"},
    {"PGPORT", "9"},
    {"PGUSER", "somebody"},
    {"PGPASSWORD", "of-the-environment"},
    {"PGDATABASE", "other"},
    {"PGSSLMODE", "disable"},
    {"PGSSLMAXPROTOCOLVERSION", "TLSv1"},
    {"PGREQUIREPEER", "somebody"},
    {"PGCHANNELBINDING", "require"},
    {"PGOPTIONS", "--made-up"},
    {"PGCLIENTENCODING", "made-up"},
};

/* ---- the server: one conversation */

typedef struct place {
    const char *no_tls;      /* the byte that it answers instead of 'S' */
    const char *login_error; /* SQLSTATE */
    const char *query_error; /* SQLSTATE of the second statement */
    bool silent;             /* after the login */
    bool hangs_up;           /* likewise */
    char seen[600];          /* the statements, each with a "|" */
    char password[64];
    loopback_server at;
} place;

static bool get(SSL *s, void *to, int n)
{
    for (int at = 0, r; at < n; at += r)
        if ((r = SSL_read(s, (char *)to + at, n - at)) <= 0)
            return false;
    return true;
}

static void put(SSL *s, const void *p, int n)
{
    if (SSL_write(s, p, n) <= 0)
        return; /* libpq has gone, which the test sees */
}

static void put_error(SSL *s, const char *state)
{
    char m[64] = "E";
    int n = snprintf(m + 5, sizeof m - 5, "SFATAL%cC%s%cMmade up%c", 0, state, 0, 0) + 1;
    m[4] = (char)(n + 4);
    put(s, m, n + 5);
}

static void talk_to(place *p, SSL *s)
{
    static const char ask_password[] = {'R', 0, 0, 0, 8, 0, 0, 0, 3}, ok[] = {'R', 0, 0, 0, 8, 0, 0, 0, 0},
                      done[] = {'C', 0, 0, 0, 6, 'O', 0}, ready[] = {'Z', 0, 0, 0, 5, 'I'};
    unsigned char head[5], body[512];
    if (!get(s, head, 4) || !get(s, body, head[2] * 256 + head[3] - 4))
        return;
    put(s, ask_password, sizeof ask_password);
    if (!get(s, head, 5) || head[0] != 'p' || !get(s, body, head[4] - 4))
        return;
    snprintf(p->password, sizeof p->password, "%.60s", (char *)body);
    if (p->login_error) {
        put_error(s, p->login_error);
        return;
    }
    put(s, ok, sizeof ok);
    put(s, ready, sizeof ready);
    for (int i = 0; !p->hangs_up && get(s, head, 5) && head[0] == 'Q'; i++) {
        if (!get(s, body, head[3] * 256 + head[4] - 4))
            return;
        size_t n = strlen(p->seen);
        snprintf(p->seen + n, sizeof p->seen - n, "%.60s|", (char *)body);
        while (p->silent && !p->at.over)
            poll(NULL, 0, 20);
        if (i == 1 && p->query_error)
            put_error(s, p->query_error);
        else
            put(s, done, sizeof done);
        put(s, ready, sizeof ready);
    }
}

static void serve(loopback_server *l, int c)
{
    place *p = VK_CONTAINER(l, place, at);
    char ask[8];
    SSL *s = SSL_new(tls);
    if (recv(c, ask, sizeof ask, MSG_WAITALL) == sizeof ask &&
        send(c, p->no_tls ? p->no_tls : "S", 1, MSG_NOSIGNAL) == 1 && !p->no_tls && SSL_set_fd(s, c) &&
        SSL_accept(s) == 1)
        talk_to(p, s);
    SSL_free(s);
}

/* ---- */

static void to_file(char *path, vk_str text)
{
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text.p, text.n), text.n);
    close(fd);
}

static void make_authority(char *path, bool serve_with)
{
    vk_selfsign_names names = {0};
    vk_buf cert, key;
    vk_buf_init(&cert, 65536);
    vk_buf_init(&key, 65536);
    assert_int_equal(vk_selfsign_name(&names, VK_STR("db.example.com")), VK_OK);
    assert_int_equal(vk_selfsign(&names, &cert, &key), VK_OK);
    to_file(path, vk_buf_view(&cert));
    if (serve_with) {
        char key_path[] = "/tmp/vk-test-pg-key-XXXXXX";
        to_file(key_path, vk_buf_view(&key));
        assert_int_equal(SSL_CTX_use_certificate_file(tls, path, SSL_FILETYPE_PEM), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey_file(tls, key_path, SSL_FILETYPE_PEM), 1);
        unlink(key_path);
    }
    vk_buf_free(&cert);
    vk_buf_free_secret(&key);
}

static int set_up(void **state)
{
    VK_UNUSED(state);
    signal(SIGPIPE, SIG_IGN); /* of the server here; libpq sees to its own */
    tls = SSL_CTX_new(TLS_server_method());
    if (!tls || vk_pq_load(&pq) != VK_OK)
        return -1;
    make_authority(ca_path, true);
    make_authority(other_path, false);
    vk_buf_init(&answer.body, 1000);
    /* What the environment says must not matter. */
    to_file(service_path, VK_STR("[made-up]\nhost=127.0.0.1\nsslmode=disable\n"));
    for (size_t i = 0; i < VK_COUNT(variables); i++)
        setenv(variables[i][0], variables[i][1] ? variables[i][1] : service_path, 1);
    setenv("NOPG", "stays", 1);
    const vk_egress egress = {0};
    return vk_courier_new(&egress, NULL, &courier) == VK_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    VK_UNUSED(state);
    unlink(ca_path);
    unlink(other_path);
    unlink(service_path);
    vk_buf_free(&answer.body);
    SSL_CTX_free(tls);
    return 0;
}

static vk_err probe(const place *p, const char *host, const char *ca, const char *password, int64_t ms)
{
    char port[8];
    snprintf(port, sizeof port, "%d", p->at.port);
    const vk_postgres_at at = {.host = host,
                               .addresses = "127.0.0.1",
                               .port = port,
                               .user = "made-up",
                               .password = password,
                               .database = "app",
                               .ca_file = ca,
                               .until_ms = vk_clock_mono_ms() + ms};
    vk_buf_clear(&answer.body);
    answer.lack = VK_LACK_NOTHING;
    return vk_postgres_probe(&pq, &at, "CREATE TABLE a (b int)", &answer);
}

static void environment(void **state)
{
    VK_UNUSED(state);
    for (char **e = environ; *e; e++)
        if (strncmp(*e, "PG", 2) == 0)
            fail_msg("%s", *e);
    assert_string_equal(getenv("NOPG"), "stays");
    assert_non_null(getenv("PATH"));
}

static void conversations(void **state)
{
    VK_UNUSED(state);
    const struct {
        place p;
        const char *host, *ca, *password;
        int64_t ms;
        vk_err e;
        int status;
        vk_outbound_lack lack;
        const char *sqlstate, *seen;
    } cases[] = {
        {{0},
         "db.example.com",
         ca_path,
         "pa:ss",
         30000,
         VK_OK,
         200,
         0,
         "",
         "BEGIN|CREATE TABLE a (b int)|ROLLBACK|"},
        {{.login_error = "28P01"}, "db.example.com", ca_path, "x", 30000, VK_OK, 400, 0, "28P01", ""},
        {{.login_error = "3D000"}, "db.example.com", ca_path, "x", 30000, VK_OK, 400, 0, "3D000", ""},
        {{0}, "db.example.com", ca_path, "", 30000, VK_OK, 400, 0, "28P01", ""},
        {{.query_error = "42501"},
         "db.example.com",
         ca_path,
         "x",
         30000,
         VK_OK,
         400,
         0,
         "42501",
         "BEGIN|CREATE TABLE a (b int)|"},
        {{.no_tls = "N"}, "db.example.com", ca_path, "x", 30000, VK_E_UNAVAILABLE, 0, VK_LACK_TLS, "", ""},
        {{0}, "db.example.com", other_path, "x", 30000, VK_E_UNAVAILABLE, 0, VK_LACK_TLS, "", ""},
        {{0}, "other.example.com", ca_path, "x", 30000, VK_E_UNAVAILABLE, 0, VK_LACK_TLS, "", ""},
        {{.silent = true}, "db.example.com", ca_path, "x", 1000, VK_E_TIMEOUT, 0, VK_LACK_TIME, "", "BEGIN|"},
        {{.hangs_up = true},
         "db.example.com",
         ca_path,
         "x",
         30000,
         VK_E_UNAVAILABLE,
         0,
         VK_LACK_REACH,
         "",
         ""},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        place p = cases[i].p;
        loopback_start(&p.at, serve);
        vk_err e = probe(&p, cases[i].host, cases[i].ca, cases[i].password, cases[i].ms);
        loopback_end(&p.at);
        if (e != cases[i].e || answer.status != cases[i].status || answer.lack != cases[i].lack)
            fail_msg("%zu: %s, status %d, lack %d", i, vk_err_name(e), answer.status, answer.lack);
        assert_true(vk_str_eqz(vk_buf_view(&answer.body), cases[i].sqlstate));
        assert_string_equal(p.seen, cases[i].seen);
        if (i == 0)
            assert_string_equal(p.password, "pa:ss");
    }
    place gone = {0};
    loopback_start(&gone.at, serve);
    loopback_end(&gone.at);
    assert_int_equal(probe(&gone, "db.example.com", ca_path, "x", 30000), VK_E_UNAVAILABLE);
    assert_int_equal(answer.lack, VK_LACK_REACH);
}

/* Nothing is dialled: each of these ends before it. */
static void guarded(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *url;
        vk_outbound_lack lack;
    } cases[] = {
        {"postgres://a:b@127.0.0.1/x", VK_LACK_GUARD},
        {"postgres://a:b@localhost/x", VK_LACK_GUARD},
        {"postgres://a:b@10.0.0.1:5432/x", VK_LACK_GUARD},
        {"postgresql://a:b@169.254.169.254/x", VK_LACK_GUARD},
        {"postgres://a:b@192.0.2.1:443/x", VK_LACK_GUARD},
        {"postgres://a:b@192.0.2.1:6543/x", VK_LACK_GUARD},
        {"postgres://a:b@0x7f.1/x", VK_LACK_INVALID},
        {"postgres://a:b%zz@db.example.com/x", VK_LACK_INVALID},
        {"postgres://a:b%00@db.example.com/x", VK_LACK_INVALID},
        {"postgres://a:b@db.example.com", VK_LACK_INVALID},
        {"postgres://a:b@db.example.com:0/x", VK_LACK_INVALID},
        {"https://db.example.com/x", VK_LACK_INVALID},
    };
    const vk_outbound o = {.egress = {.own_port = 4500, .own_ports = 5}};
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        const vk_outbound_ask ask = {.url = vk_str_z(cases[i].url), .body = VK_STR("SELECT 1")};
        vk_err e = vk_postgres_ask(&o, &pq, &ask, &answer);
        if (e == VK_OK || answer.lack != cases[i].lack || answer.status)
            fail_msg("%s: %s, lack %d", cases[i].url, vk_err_name(e), answer.lack);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(environment), cmocka_unit_test(conversations),
                                       cmocka_unit_test(guarded)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
