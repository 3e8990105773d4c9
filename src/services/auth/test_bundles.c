/* Over a real server on loopback (http/test_rig.h), from a folder that the test writes. That what the tool
 * makes is read too is shown by tests/bundles. */
#include "http/test_rig.h"

#include "core/encode.h"
#include "crypto/digest.h"
#include "services/auth/bundles.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

static char share[64] = "/tmp/vk-bundles-XXXXXX";
static vk_auth_bundles *bundles; /* of the server */

/* ---- a folder */

static const struct made {
    const char *name, *kind, *content, *zipped; /* zipped: any bytes; NULL: none */
} made_files[] = {
    {"clerk.browser.js", "entry", "entry of five", "<zip 5>"},
    {"signin_clerk.browser_70f75e_5.1.0.js", "chunk", "sign in of five", NULL},
    {"clerk.browser.js", "entry", "entry of six, a little longer", "<zip six>"},
    {"10_clerk.browser_a68c22_6.4.0.js", "chunk", "ten of six", "<zip 10>"},
};
enum { OF_FIVE = 2 };

static void put(const char *name, vk_str content)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/clerk/%s", share, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content.p, content.n), (ssize_t)content.n);
    close(fd);
}

static void put_form(vk_buf *list, vk_buf *data, const char *content)
{
    uint8_t sum[VK_SHA256];
    char hex[2 * VK_SHA256 + 1];
    if (!content) {
        vk_buf_lit(list, " 0 0 -");
        return;
    }
    vk_sha256(vk_str_z(content), sum);
    vk_hex(hex, sum, sizeof sum);
    vk_buf_printf(list, " %zu %zu %s", data->n, strlen(content), hex);
    vk_buf_z(data, content);
}

static void write_lists(vk_buf *list, vk_buf *data)
{
    vk_buf_init(list, 1 << 20);
    vk_buf_init(data, 1 << 20);
    vk_buf_lit(list, "valetkey clerk bundles 1\n");
    for (size_t i = 0; i < VK_COUNT(made_files); i++) {
        if (i == 0)
            vk_buf_lit(list, "package clerk-js 5.1.0 sha512-made-up\n");
        if (i == OF_FIVE)
            vk_buf_lit(list, "package clerk-js 6.4.0 sha512-made-up\n");
        vk_buf_printf(list, "file %s %s", made_files[i].name, made_files[i].kind);
        put_form(list, data, made_files[i].content);
        put_form(list, data, made_files[i].zipped);
        vk_buf_ch(list, '\n');
    }
    vk_buf_printf(list, "end %zu %zu\n", VK_COUNT(made_files), data->n);
}

static void write_folder(void)
{
    vk_buf list, data;
    write_lists(&list, &data);
    put("bundles.list", vk_buf_view(&list));
    put("bundles.data", vk_buf_view(&data));
    vk_buf_free(&list);
    vk_buf_free(&data);
}

/* ---- the server */

static vk_err scripts_head(vk_exchange *ex)
{
    vk_str path = ex->path;
    if (path_is(ex, "/none/npm/@clerk/clerk-js@6/dist/clerk.browser.js"))
        vk_auth_bundles_answer(NULL, ex, (vk_str){path.p + 5, path.n - 5});
    else if (vk_auth_bundles_match(path))
        vk_auth_bundles_answer(bundles, ex, path);
    return VK_OK;
}

static void scripts_request(vk_exchange *ex)
{
    vk_respond_text(ex, 200, "text/plain", VK_STR("not ours"));
}

static const vk_handler scripts = {.head = scripts_head, .request = scripts_request};

static bool has(const struct answer *a, const char *line)
{
    return memmem(a->text.p, a->text.n, line, strlen(line)) != NULL;
}

static struct answer ask(const char *method, const char *path, const char *headers)
{
    char text[1024];
    struct client *c = dial();
    snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", method, path, headers);
    say(c, text);
    struct answer a = hear_to(c, method);
    hang_up(c);
    return a;
}

static void body_is(const struct answer *a, const char *want)
{
    assert_int_equal(a->body.n, strlen(want));
    assert_memory_equal(a->body.p, want, strlen(want));
}

static void check_public(const struct answer *a)
{
    assert_true(has(a, "Access-Control-Allow-Origin: *\r\n"));
    assert_true(has(a, "X-Content-Type-Options: nosniff\r\n"));
    assert_true(has(a, "Cross-Origin-Resource-Policy: cross-origin\r\n"));
}

static void files(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *path, *body;
        bool entry;
    } cases[] = {
        {"/npm/@clerk/clerk-js@6/dist/clerk.browser.js", "entry of six, a little longer", true},
        {"/npm/@clerk/clerk-js@6.4.0/dist/clerk.browser.js", "entry of six, a little longer", true},
        {"/npm/@clerk/clerk-js@6.39.1-canary.v1/dist/clerk.browser.js", "entry of six, a little longer",
         true},
        {"/npm/@clerk/clerk-js@6.4.0/dist/10_clerk.browser_a68c22_6.4.0.js", "ten of six", false},
        {"/npm/@clerk/clerk-js@5/dist/clerk.browser.js", "entry of five", true},
        {"/npm/@clerk/clerk-js@5.0.9/dist/signin_clerk.browser_70f75e_5.1.0.js", "sign in of five", false},
        {"/npm/@clerk/clerk-js@5/dist/clerk.browser.js?x=1", "entry of five", true},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct answer a = ask("GET", cases[i].path, "");
        assert_int_equal(a.status, 200);
        body_is(&a, cases[i].body);
        check_public(&a);
        assert_true(has(&a, "Content-Type: text/javascript; charset=utf-8\r\n"));
        assert_true(has(&a, "Vary: Accept-Encoding\r\n"));
        assert_false(has(&a, "Content-Encoding"));
        assert_true(has(&a, cases[i].entry ? "Cache-Control: no-cache\r\n"
                                           : "Cache-Control: public, max-age=31536000, immutable\r\n"));
        forget(&a);
    }
}

static void codings(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *header;
        bool gzip;
    } cases[] = {
        {"Accept-Encoding: gzip, deflate, br, zstd\r\n", true},
        {"Accept-Encoding: br;q=1.0, GZIP;q=0.5\r\n", true},
        {"Accept-Encoding: gzip ; q=0.001\r\n", true},
        {"Accept-Encoding: gzip;q=0\r\n", false},
        {"Accept-Encoding: gzip; q=0.000\r\n", false},
        {"Accept-Encoding: br, identity\r\n", false},
        {"Accept-Encoding: notgzip\r\n", false},
        {"Accept-Encoding: \r\n", false},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct answer a = ask("GET", "/npm/@clerk/clerk-js@6/dist/clerk.browser.js", cases[i].header);
        assert_int_equal(a.status, 200);
        body_is(&a, cases[i].gzip ? "<zip six>" : "entry of six, a little longer");
        assert_int_equal(has(&a, "Content-Encoding: gzip\r\n"), cases[i].gzip);
        assert_true(has(&a, "Vary: Accept-Encoding\r\n"));
        forget(&a);
    }
    /* It has no zipped form. */
    struct answer a = ask("GET", "/npm/@clerk/clerk-js@5/dist/signin_clerk.browser_70f75e_5.1.0.js",
                          "Accept-Encoding: gzip\r\n");
    body_is(&a, "sign in of five");
    forget(&a);
}

static void etag_of(const struct answer *a, char out[64])
{
    const char *at = memmem(a->text.p, a->text.n, "ETag: ", 6);
    assert_non_null(at);
    size_t n = strcspn(at + 6, "\r");
    assert_true(n == 34);
    memcpy(out, at + 6, n);
    out[n] = '\0';
}

static void known_already(void **state)
{
    VK_UNUSED(state);
    static const char path[] = "/npm/@clerk/clerk-js@6/dist/clerk.browser.js";
    char plain[64], gzip[64], header[256];
    struct answer a = ask("GET", path, "");
    etag_of(&a, plain);
    forget(&a);
    a = ask("GET", path, "Accept-Encoding: gzip\r\n");
    etag_of(&a, gzip);
    forget(&a);
    assert_string_not_equal(plain, gzip);
    const struct {
        const char *form, *tag;
        int status;
    } cases[] = {{"If-None-Match: %s\r\n", plain, 304},
                 {"If-None-Match: W/%s\r\n", plain, 304},
                 {"If-None-Match: \"a\", %s\r\n", plain, 304},
                 {"If-None-Match: *%.0s\r\n", plain, 304},
                 {"If-None-Match: %s\r\n", gzip, 200},
                 {"If-None-Match: %s\r\nAccept-Encoding: gzip\r\n", gzip, 304},
                 {"If-None-Match: \"%.5s\"\r\n", plain, 200}};
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(header, sizeof header, cases[i].form, cases[i].tag);
#pragma GCC diagnostic pop
        a = ask("GET", path, header);
        assert_int_equal(a.status, cases[i].status);
        assert_true(has(&a, "ETag: ") && has(&a, "Cache-Control: no-cache\r\n"));
        assert_int_equal(a.body.n == 0, cases[i].status == 304);
        check_public(&a);
        forget(&a);
    }
}

static void heads(void **state)
{
    VK_UNUSED(state);
    struct answer a = ask("HEAD", "/npm/@clerk/clerk-js@5/dist/clerk.browser.js", "");
    assert_int_equal(a.status, 200);
    assert_true(has(&a, "Content-Length: 13\r\n"));
    assert_int_equal(a.body.n, 0);
    forget(&a);
    /* Two on one connection: the first answer ended where it said. */
    struct client *c = dial();
    say(c, "GET /npm/@clerk/clerk-js@5/dist/clerk.browser.js HTTP/1.1\r\nHost: localhost\r\n\r\n"
           "GET /npm/@clerk/clerk-js@6/dist/clerk.browser.js HTTP/1.1\r\nHost: localhost\r\n\r\n");
    a = hear(c);
    body_is(&a, "entry of five");
    forget(&a);
    a = hear(c);
    body_is(&a, "entry of six, a little longer");
    forget(&a);
    hang_up(c);
}

static void refusals(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *method, *path;
        int status;
        const char *says;
    } cases[] = {
        {"GET", "/npm/@clerk/clerk-js@7/dist/clerk.browser.js", 404,
         "no @clerk/clerk-js of the major version 7"},
        {"GET", "/npm/@clerk/clerk-js@60/dist/clerk.browser.js", 404, "major version 60"},
        {"GET", "/npm/@clerk/ui@1/dist/ui.browser.js", 404, "clerk-js 5.1.0, clerk-js 6.4.0"},
        {"GET", "/npm/@clerk/clerk-js@6/dist/clerk.legacy.browser.js", 404,
         "no such file in @clerk/clerk-js 6.4.0"},
        {"GET", "/npm/@clerk/clerk-js@6/dist/signin_clerk.browser_70f75e_5.1.0.js", 404, "no such file"},
        {"GET", "/npm/@clerk/clerk-js@latest/dist/clerk.browser.js", 404, "addresses like"},
        {"GET", "/npm/@clerk/clerk-js@6x/dist/clerk.browser.js", 404, "addresses like"},
        {"GET", "/npm/@clerk/clerk-js@/dist/clerk.browser.js", 404, "addresses like"},
        {"GET", "/npm/@clerk/clerk-js@6/dist/", 404, "addresses like"},
        {"GET", "/npm/@clerk/clerk-js@6/dist/..%2fbundles.list", 404, "addresses like"},
        {"GET", "/npm/@clerk/clerk-js@6/dist/a/clerk.browser.js", 404, "addresses like"},
        {"GET", "/npm/%40clerk/clerk-js@6/dist/clerk.browser.js", 404, "addresses like"},
        {"GET", "/npm/@clerk/clerk-js@6/src/clerk.browser.js", 404, "addresses like"},
        {"GET", "/npm/react@19/index.js", 404, "addresses like"},
        {"GET", "/none/npm/@clerk/clerk-js@6/dist/clerk.browser.js", 503, "tools/clerk-bundles.mjs"},
        {"PUT", "/npm/@clerk/clerk-js@6/dist/clerk.browser.js", 405, "with GET"},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct answer a = ask(cases[i].method, cases[i].path, "");
        assert_int_equal(a.status, cases[i].status);
        if (!memmem(a.body.p, a.body.n, cases[i].says, strlen(cases[i].says)))
            fail_msg("%s: %.*s", cases[i].path, (int)a.body.n, a.body.p);
        check_public(&a);
        assert_true(has(&a, "Cache-Control: no-store\r\n"));
        assert_true(has(&a, "Content-Type: text/plain; charset=utf-8\r\n"));
        assert_int_equal(has(&a, "Allow: GET, HEAD\r\n"), cases[i].status == 405);
        forget(&a);
    }
    struct answer a = ask("GET", "/npmx", "");
    body_is(&a, "not ours");
    forget(&a);
}

/* ---- folders that are refused */

static vk_err open_with(vk_str list, vk_str data, char why[VK_AUTH_BUNDLES_WHY])
{
    vk_auth_bundles *b = NULL;
    put("bundles.list", list);
    put("bundles.data", data);
    vk_err e = vk_auth_bundles_open(share, &b, why);
    vk_auth_bundles_free(b);
    return e;
}

static void bad_folders(void **state)
{
    VK_UNUSED(state);
    char why[VK_AUTH_BUNDLES_WHY], text[4096];
    vk_buf list, data;
    write_lists(&list, &data);
    assert_int_equal(open_with(vk_buf_view(&list), vk_buf_view(&data), why), VK_OK);
    /* each byte of the data counts */
    for (size_t i = 0; i < data.n; i++) {
        data.p[i] ^= 1;
        assert_int_equal(open_with(vk_buf_view(&list), vk_buf_view(&data), why), VK_E_CORRUPT);
        assert_non_null(strstr(why, "damaged"));
        data.p[i] ^= 1;
    }
    assert_int_equal(open_with(vk_buf_view(&list), (vk_str){data.p, data.n - 1}, why), VK_E_INVALID);
    /* a list that ends early, at any byte */
    for (size_t n = 0; n < list.n; n++)
        assert_int_equal(open_with((vk_str){list.p, n}, vk_buf_view(&data), why), VK_E_INVALID);
    assert_non_null(strstr(why, "tools/clerk-bundles.mjs"));
    static const struct {
        const char *from, *to;
    } changes[] = {
        {"bundles 1\n", "bundles 2\n"},
        {"package clerk-js 6", "package clerk-js 5"}, /* two of one major */
        {"package clerk-js 6", "package ../-js 6"},
        {"package clerk-js 6.4.0", "package clerk-js x.4.0"},
        {"file 10_", "file ../"},
        {"file 10_", "file 1/_"},
        {" entry 0 ", " entri 0 "},
        {" entry 0 ", " entry -1 "},
        {" entry 0 ", " entry 99999999999999 "},
        {"\nend 4 ", "\nend 5 "},
        {"\nend 4 ", "\nfile end 4 "},
        {"package clerk-js 5.1.0 sha512-made-up\n", ""},
    };
    vk_buf_ch(&list, '\0');
    for (size_t i = 0; i < VK_COUNT(changes); i++) {
        const char *at = strstr(list.p, changes[i].from);
        assert_non_null(at);
        int n = snprintf(text, sizeof text, "%.*s%s%s", (int)(at - list.p), list.p, changes[i].to,
                         at + strlen(changes[i].from));
        assert_true(n > 0 && (size_t)n < sizeof text);
        if (open_with((vk_str){text, (size_t)n}, vk_buf_view(&data), why) != VK_E_INVALID)
            fail_msg("taken: %s -> %s", changes[i].from, changes[i].to);
    }
    vk_buf_free(&list);
    vk_buf_free(&data);
    write_folder();
}

static void missing_folder(void **state)
{
    VK_UNUSED(state);
    char why[VK_AUTH_BUNDLES_WHY], path[PATH_MAX];
    vk_auth_bundles *b = NULL;
    assert_int_equal(vk_auth_bundles_open("/nowhere/at/all", &b, why), VK_E_NOT_FOUND);
    assert_non_null(strstr(why, "not installed"));
    assert_non_null(strstr(why, "tools/clerk-bundles.mjs"));
    snprintf(path, sizeof path, "%s/clerk/bundles.data", share);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(vk_auth_bundles_open(share, &b, why), VK_E_NOT_FOUND);
    assert_non_null(strstr(why, "bundles.data"));
    assert_null(b);
    write_folder();
}

/* The open one goes on when an installer has put another folder in its place. */
static void replaced_under_way(void **state)
{
    VK_UNUSED(state);
    char path[PATH_MAX], away[PATH_MAX];
    snprintf(path, sizeof path, "%s/clerk", share);
    snprintf(away, sizeof away, "%s/away", share);
    assert_int_equal(rename(path, away), 0);
    struct answer a = ask("GET", "/npm/@clerk/clerk-js@5/dist/clerk.browser.js", "");
    body_is(&a, "entry of five");
    forget(&a);
    assert_int_equal(rename(away, path), 0);
}

static void addresses(void **state)
{
    VK_UNUSED(state);
    vk_arena *a = vk_arena_new(4096);
    vk_str js, ui;
    assert_int_equal(vk_auth_bundles_urls(a, VK_STR("http://127.0.0.1:4501"), &js, &ui), VK_OK);
    assert_true(vk_str_eqz(js, "http://127.0.0.1:4501/npm/@clerk/clerk-js@6/dist/clerk.browser.js"));
    assert_true(vk_str_eqz(ui, "http://127.0.0.1:4501/npm/@clerk/ui@1/dist/ui.browser.js"));
    assert_int_equal(vk_auth_bundles_urls(a, VK_STR("HTTPS://auth.example"), &js, &ui), VK_OK);
    assert_null(js.p);
    assert_null(ui.p);
    vk_arena_free(a);
}

static int begin_all(void **state)
{
    char path[PATH_MAX], why[VK_AUTH_BUNDLES_WHY];
    if (vk_digest_init() != VK_OK || !mkdtemp(share))
        return -1;
    snprintf(path, sizeof path, "%s/clerk", share);
    if (mkdir(path, 0755) != 0)
        return -1;
    write_folder();
    if (vk_auth_bundles_open(share, &bundles, why) != VK_OK) {
        print_error("%s\n", why);
        return -1;
    }
    served_by = &scripts;
    return start(state);
}

static int end_all(void **state)
{
    static const char *const names[] = {"clerk/bundles.list", "clerk/bundles.data"};
    char path[PATH_MAX];
    int rc = loop ? finish(state) : -1;
    vk_auth_bundles_free(bundles);
    for (size_t i = 0; i < VK_COUNT(names); i++) {
        snprintf(path, sizeof path, "%s/%s", share, names[i]);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/clerk", share);
    rmdir(path);
    rmdir(share);
    return rc;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files),       cmocka_unit_test(codings),        cmocka_unit_test(known_already),
        cmocka_unit_test(heads),       cmocka_unit_test(refusals),       cmocka_unit_test(replaced_under_way),
        cmocka_unit_test(bad_folders), cmocka_unit_test(missing_folder), cmocka_unit_test(addresses),
    };
    return cmocka_run_group_tests(tests, begin_all, end_all);
}
