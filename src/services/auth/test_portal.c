/* The portal's page, as a browser takes it apart, its headers over a real server, and the pictures. */
#include "http/test_rig.h"

#include "core/encode.h"
#include "core/json_read.h"
#include "crypto/digest.h"
#include "services/auth/picture.h"
#include "services/auth/portal.h"

#include <math.h>

static const vk_str origins[] = {{"http://localhost:3000", 21}, {"https://app.example", 19}};

static vk_auth_portal page_of(const char *redirect)
{
    return (vk_auth_portal){.build = VK_STR("demo"),
                            .gateway = VK_STR("http://127.0.0.1:4501"),
                            .publishable_key = VK_STR("pk_test_ZGVtby52a19hY2NvdW50cy5kZXYk"),
                            .redirect_url = vk_str_z(redirect),
                            .origins = origins,
                            .n_origins = VK_COUNT(origins)};
}

static char *written(const vk_auth_portal *p, vk_buf *html)
{
    vk_buf_init(html, 1 << 16);
    assert_int_equal(vk_auth_portal_write(p, html), VK_OK);
    vk_buf_ch(html, '\0');
    assert_int_equal(html->err, VK_OK);
    return html->p;
}

/* What is between the first `from` and the next `to`. */
static vk_str between(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    assert_non_null(at);
    at += strlen(from);
    const char *end = strstr(at, to);
    assert_non_null(end);
    return (vk_str){at, (size_t)(end - at)};
}

static size_t times(const char *text, const char *what)
{
    size_t n = 0;
    for (; (text = strstr(text, what)); text++)
        n++;
    return n;
}

static void setup_is(const char *html, const char *flow, const char *redirect)
{
    vk_arena *a = vk_arena_new(1 << 20);
    vk_json *j;
    vk_str text = between(html, "id=\"setup\">", "</script>");
    for (size_t i = 0; i < text.n; i++)
        assert_null(strchr("<>&", text.p[i]));
    assert_null(memmem(text.p, text.n, "\xe2\x80\xa8", 3));
    assert_null(memmem(text.p, text.n, "\xe2\x80\xa9", 3));
    assert_int_equal(vk_json_parse(a, text, &j, NULL, NULL), VK_OK);
    assert_true(vk_str_eqz(vk_json_str(vk_json_get(j, VK_STR("flow"))), flow));
    assert_true(vk_str_eqz(vk_json_str(vk_json_get(j, VK_STR("redirect"))), redirect));
    assert_true(vk_str_eqz(vk_json_str(vk_json_get(j, VK_STR("signIn"))),
                           "http://127.0.0.1:4501/b/demo/portal/sign-in"));
    assert_true(vk_str_eqz(vk_json_str(vk_json_get(j, VK_STR("signUp"))),
                           "http://127.0.0.1:4501/b/demo/portal/sign-up"));
    assert_int_equal(vk_json_get(j, VK_STR("origins"))->count, 2);
    vk_arena_free(a);
}

static void pages(void **state)
{
    VK_UNUSED(state);
    static const char *const redirects[] = {
        "http://localhost:3000/dashboard",
        "http://localhost:3000/?q=</script><script>alert(1)</script>",
        "https://app.example/a'b\"c&d<!--#x",
        "https://app.example",
    };
    for (size_t i = 0; i < VK_COUNT(redirects); i++) {
        vk_auth_portal p = page_of(redirects[i]);
        vk_buf html;
        p.sign_up = i % 2;
        char *text = written(&p, &html);
        setup_is(text, p.sign_up ? "sign-up" : "sign-in", redirects[i]);
        assert_int_equal(times(text, "<script"), 4); /* setup, ui, clerk-js, the page's own */
        assert_int_equal(times(text, "</script>"), 4);
        assert_non_null(strstr(text, p.sign_up ? "<title>Create an account<" : "<title>Sign in<"));
        assert_non_null(strstr(text, "src=\"http://127.0.0.1:4501/npm/@clerk/ui@1/dist/ui.browser.js\""));
        assert_non_null(strstr(text, "data-clerk-proxy-url=\"http://127.0.0.1:4501/b/demo\""));
        assert_non_null(strstr(text, "data-clerk-publishable-key=\"pk_test_ZGVtby52a19hY2NvdW50cy5kZXYk\""));
        assert_non_null(strstr(text, i < 2 ? "To continue to http://localhost:3000<"
                                           : "To continue to https://app.example<"));
        vk_buf_free(&html);
    }
    /* Nobody said where to: the first origin. */
    vk_auth_portal p = page_of("");
    vk_buf html;
    setup_is(written(&p, &html), "sign-in", "http://localhost:3000");
    vk_buf_free(&html);
    /* What does not come from outside is no markup either. */
    p = page_of("http://localhost:3000/");
    p.publishable_key = VK_STR("a\"><script>&'");
    char *text = written(&p, &html);
    assert_non_null(strstr(text, "data-clerk-publishable-key=\"a&quot;&gt;&lt;script&gt;&amp;&#39;\""));
    vk_buf_free(&html);
}

static void refused(void **state)
{
    VK_UNUSED(state);
    static const char *const redirects[] = {
        "http://localhost:3001/",
        "http://localhost:3000.evil.example/",
        "http://localhost:3000@evil.example/",
        "https://app.example\\@evil.dev",
        "//localhost:3000/",
        "javascript:alert(1)",
        "/dashboard",
        "http://evil.example/?http://localhost:3000/",
        " http://localhost:3000/",
    };
    for (size_t i = 0; i < VK_COUNT(redirects); i++) {
        vk_auth_portal p = page_of(redirects[i]);
        vk_buf html;
        vk_buf_init(&html, 1 << 16);
        assert_int_equal(vk_auth_portal_write(&p, &html), VK_E_INVALID);
        assert_int_equal(html.n, 0);
        vk_auth_portal_refusal(&p, VK_E_INVALID, &html);
        vk_buf_ch(&html, '\0');
        assert_non_null(strstr(html.p, "does not lead back to the app"));
        assert_non_null(strstr(html.p, "valetkey build origins demo"));
        assert_null(strstr(html.p, "<script"));
        assert_null(strstr(html.p, "evil"));
        vk_buf_free(&html);
    }
    vk_auth_portal p = page_of("");
    p.n_origins = 0;
    vk_buf html;
    vk_buf_init(&html, 1 << 16);
    assert_int_equal(vk_auth_portal_write(&p, &html), VK_E_NOT_FOUND);
    vk_auth_portal_refusal(&p, VK_E_NOT_FOUND, &html);
    vk_buf_ch(&html, '\0');
    assert_non_null(strstr(html.p, "no address of the app is known"));
    vk_buf_free(&html);
    /* Too small for it: an error, no half page that is taken for one. */
    p = page_of("http://localhost:3000/");
    vk_buf_init(&html, 2000);
    assert_int_equal(vk_auth_portal_write(&p, &html), VK_OK);
    assert_int_equal(html.err, VK_E_TOO_LARGE);
    vk_buf_free(&html);
    bool up = false;
    assert_true(vk_auth_portal_match(VK_STR("/portal/sign-up"), &up) && up);
    assert_true(vk_auth_portal_match(VK_STR("/portal/sign-in"), &up) && !up);
    assert_false(vk_auth_portal_match(VK_STR("/portal/sign-in/"), &up));
    assert_false(vk_auth_portal_match(VK_STR("/portal"), &up));
}

static void policy(void **state)
{
    VK_UNUSED(state);
    vk_auth_portal p = page_of("http://localhost:3000/");
    vk_buf html, out, want;
    uint8_t sum[VK_SHA256];
    vk_buf_init(&out, 4096);
    vk_buf_init(&want, 4096);
    const char *text = written(&p, &html);
    vk_sha256(between(text, "<script>", "</script>"), sum);
    vk_buf_lit(&want, "script-src 'sha256-");
    vk_base64(&want, sum, sizeof sum, true);
    vk_buf_lit(&want, "' http://127.0.0.1:4501/npm/;");
    vk_buf_ch(&want, '\0');
    vk_auth_portal_policy(&p, &out);
    vk_buf_ch(&out, '\0');
    assert_non_null(strstr(out.p, want.p));
    assert_non_null(strstr(out.p, "connect-src http://127.0.0.1:4501/b/demo/;"));
    assert_non_null(strstr(out.p, "default-src 'none';"));
    assert_non_null(strstr(out.p, "frame-ancestors 'none'"));
    assert_null(strstr(strstr(out.p, "script-src"), "unsafe-eval"));
    assert_int_equal(times(out.p, "unsafe-inline"), 1); /* of styles */
    vk_buf_clear(&out);
    p.partitioned = true;
    p.gateway = VK_STR("https://a.example; script-src *\r\nX: y");
    vk_auth_portal_policy(&p, &out);
    vk_buf_ch(&out, '\0');
    assert_null(strstr(out.p, "frame-ancestors"));
    assert_null(strpbrk(out.p, "\r\n"));
    assert_null(strstr(out.p, " *"));
    assert_int_equal(times(out.p, "script-src "), 1);
    vk_buf_free(&html);
    vk_buf_free(&out);
    vk_buf_free(&want);
}

/* ---- over HTTP */

static vk_err pages_head(vk_exchange *ex)
{
    vk_auth_picture picture;
    bool up;
    if (vk_auth_picture_match(ex->path, &picture)) {
        vk_auth_picture_answer(&picture, ex);
    } else if (vk_auth_portal_match(ex->path, &up)) {
        vk_auth_portal p = page_of("");
        p.redirect_url = ex->query;
        p.sign_up = up;
        vk_auth_portal_answer(&p, ex);
    } else {
        vk_respond_text(ex, 404, "text/plain", VK_STR("no"));
    }
    return VK_OK;
}

static const vk_handler pages_handler = {.head = pages_head};

static struct answer ask(const char *line)
{
    char text[1024];
    struct client *c = dial();
    snprintf(text, sizeof text, "%s HTTP/1.1\r\nHost: localhost\r\n\r\n", line);
    say(c, text);
    struct answer a = hear_to(c, line[0] == 'H' ? "HEAD" : "GET");
    hang_up(c);
    return a;
}

static bool has(const struct answer *a, const char *line)
{
    return memmem(a->text.p, a->text.n, line, strlen(line)) != NULL;
}

static void headers(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *line;
        int status;
    } cases[] = {{"GET /portal/sign-in?http://localhost:3000/x", 200},
                 {"HEAD /portal/sign-up?http://localhost:3000/x", 200},
                 {"GET /portal/sign-in?http://evil.example/", 400},
                 {"POST /portal/sign-in?http://localhost:3000/x", 405}};
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct answer a = ask(cases[i].line);
        assert_int_equal(a.status, cases[i].status);
        assert_true(has(&a, "Cache-Control: no-store\r\n"));
        assert_true(has(&a, "Referrer-Policy: no-referrer\r\n"));
        assert_true(has(&a, "X-Content-Type-Options: nosniff\r\n"));
        assert_int_equal(has(&a, "Content-Security-Policy: default-src 'none'; script-src 'sha256-"),
                         cases[i].status == 200);
        assert_int_equal(has(&a, "Content-Security-Policy: default-src 'none'; style-src"),
                         cases[i].status == 400);
        assert_int_equal(has(&a, "Content-Type: text/html; charset=utf-8\r\n"), cases[i].status != 405);
        assert_int_equal(a.body.n > 0, cases[i].line[0] != 'H');
        forget(&a);
    }
    struct answer a = ask("GET /picture/7-41-4c.svg");
    assert_int_equal(a.status, 200);
    assert_true(has(&a, "Content-Type: image/svg+xml\r\n"));
    assert_true(has(&a, "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n"));
    assert_true(has(&a, "X-Content-Type-Options: nosniff\r\n"));
    assert_true(has(&a, "Cross-Origin-Resource-Policy: cross-origin\r\n"));
    assert_true(has(&a, "Cache-Control: public, max-age="));
    assert_non_null(memmem(a.body.p, a.body.n, ">&#x41;&#x4c;</text>", 20));
    forget(&a);
    a = ask("DELETE /picture/7-41-4c.svg");
    assert_int_equal(a.status, 405);
    forget(&a);
}

/* ---- pictures */

static void initials(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *first, *last, *email, *want; /* behind the colour */
    } cases[] = {
        {"ada", "Lovelace", "x@y.example", "-41-4c.svg"},
        {"", "", "zoe@y.example", "-5a.svg"},
        {"<script>", "&", "", "-53.svg"},
        {"", "", "", ".svg"},
        {"\xc3\x89mile", "\xe6\x9d\x8e", "", "-c9-674e.svg"},
        {"\xf0\x9f\x98\x80", "", "", "-1f600.svg"},
        {"\xe2\x80\xae\xcc\x81"
         "b",
         "", "", "-42.svg"},
        {"\xff\xc3",
         "\xed\xa0\x80"
         "c",
         "", "-43.svg"},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_buf url;
        vk_auth_picture p = vk_auth_picture_of(VK_STR("user_1"), vk_str_z(cases[i].first),
                                               vk_str_z(cases[i].last), vk_str_z(cases[i].email)),
                        again;
        vk_buf_init(&url, 256);
        vk_auth_picture_url(&p, VK_STR(""), &url);
        vk_str text = vk_buf_view(&url);
        assert_true(text.n > strlen(cases[i].want));
        vk_buf_ch(&url, '\0');
        if (strcmp(url.p + text.n - strlen(cases[i].want), cases[i].want) != 0)
            fail_msg("%s, not %s", url.p, cases[i].want);
        assert_true(vk_auth_picture_match((vk_str){url.p, text.n}, &again));
        assert_memory_equal(&p, &again, sizeof p);
        vk_buf_free(&url);
    }
    size_t colours[VK_AUTH_PICTURE_COLOURS] = {0};
    for (int i = 0; i < 600; i++) {
        char id[16];
        snprintf(id, sizeof id, "user_%d", i);
        colours[vk_auth_picture_of(vk_str_z(id), VK_STR_NONE, VK_STR_NONE, VK_STR_NONE).colour]++;
    }
    for (size_t i = 0; i < VK_COUNT(colours); i++)
        assert_true(colours[i] > 10);
}

static void picture_paths(void **state)
{
    VK_UNUSED(state);
    static const char *const bad[] = {
        "/picture/12-41.svg",    "/picture/-1.svg",     "/picture/+1.svg",       "/picture/07.svg",
        "/picture/.svg",         "/picture/1-.svg",     "/picture/1-41-.svg",    "/picture/1-41-42-43.svg",
        "/picture/1-3c.svg",     "/picture/1-26.svg",   "/picture/1-041.svg",    "/picture/1-4G.svg",
        "/picture/1-202e.svg",   "/picture/1-d800.svg", "/picture/1-ffffff.svg", "/picture/1-41.png",
        "/picture/1-110000.svg", "/picture/1",          "/pictures/1.svg",       "/picture/1-300.svg",
    };
    vk_auth_picture p;
    for (size_t i = 0; i < VK_COUNT(bad); i++)
        if (vk_auth_picture_match(vk_str_z(bad[i]), &p))
            fail_msg("taken: %s", bad[i]);
    assert_true(vk_auth_picture_match(VK_STR("/picture/11.svg"), &p) && p.n == 0 && p.colour == 11);
}

static double light(const char *hex)
{
    double sum = 0;
    static const double weights[] = {0.2126, 0.7152, 0.0722};
    for (int i = 0; i < 3; i++) {
        char two[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        double v = (double)strtol(two, NULL, 16) / 255;
        sum += weights[i] * (v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4));
    }
    return sum;
}

/* WCAG 2.2, contrast of white letters on each colour. */
static void legible(void **state)
{
    VK_UNUSED(state);
    for (unsigned c = 0; c < VK_AUTH_PICTURE_COLOURS; c++) {
        vk_buf out;
        vk_auth_picture p = {.colour = c, .chars = {'A'}, .n = 1};
        vk_buf_init(&out, 4096);
        vk_auth_picture_write(&p, &out);
        vk_buf_ch(&out, '\0');
        vk_str colour = between(out.p, "fill=\"#", "\"");
        assert_int_equal(colour.n, 6);
        assert_true(1.05 / (light(colour.p) + 0.05) >= 4.5);
        vk_buf_free(&out);
    }
}

static int begin_all(void **state)
{
    if (vk_digest_init() != VK_OK)
        return -1;
    served_by = &pages_handler;
    return start(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages),   cmocka_unit_test(refused),  cmocka_unit_test(policy),
        cmocka_unit_test(headers), cmocka_unit_test(initials), cmocka_unit_test(picture_paths),
        cmocka_unit_test(legible),
    };
    return cmocka_run_group_tests(tests, begin_all, finish);
}
