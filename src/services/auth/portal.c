#include "services/auth/portal.h"

#include "core/encode.h"
#include "core/json_write.h"
#include "crypto/digest.h"
#include "services/auth/redirect.h"

/* ---- fixed parts */

/* What the page does. It is the same text for everybody, and the policy names its digest; so it must not be
 * put together from anything.
 *
 * Whoever has signed in comes back to this page first, which then sends them to the app: Clerk's components
 * make the address of an app, with the browser's id in it, before the sign-in gives the browser a new one. */
static const char script[] =
    "\"use strict\";\n"
    "(async () => {\n"
    "  const setup = JSON.parse(document.getElementById(\"setup\").textContent);\n"
    "  const status = document.getElementById(\"status\");\n"
    "  const say = (text) => { status.textContent = text; status.hidden = false; };\n"
    "  const there = \"?redirect_url=\" + encodeURIComponent(setup.redirect);\n"
    "  if (!window.Clerk || !window.__internal_ClerkUICtor) {\n"
    "    say(\"The scripts of this page could not be loaded. Reload it; if that does not help, `valetkey "
    "doctor` "
    "says what is missing.\");\n"
    "    return;\n"
    "  }\n"
    "  const dark = matchMedia(\"(prefers-color-scheme: dark)\").matches;\n"
    "  try {\n"
    "    await Clerk.load({\n"
    "      ui: { ClerkUI: window.__internal_ClerkUICtor },\n"
    "      signInUrl: setup.signIn + there,\n"
    "      signUpUrl: setup.signUp + there,\n"
    "      allowedRedirectOrigins: setup.origins,\n"
    "      telemetry: false,\n"
    "      appearance: dark ? { variables: { colorBackground: \"#1f1f23\", colorForeground: \"#f4f4f5\", "
    "colorMutedForeground: \"#b4b4bd\",\n"
    "        colorMuted: \"#27272c\", colorNeutral: \"#ffffff\", colorInput: \"#2a2a30\", "
    "colorInputForeground: "
    "\"#f4f4f5\",\n"
    "        colorPrimary: \"#f4f4f5\", colorPrimaryForeground: \"#18181b\" } } : {},\n"
    "    });\n"
    "    if (Clerk.session) {\n"
    "      location.replace(Clerk.buildUrlWithAuth(setup.redirect));\n"
    "      return;\n"
    "    }\n"
    "    const back = location.pathname + there + \"&signed_in=1\";\n"
    "    const options = { routing: \"hash\", fallbackRedirectUrl: back, signInFallbackRedirectUrl: back, "
    "signUpFallbackRedirectUrl: back };\n"
    "    const place = document.getElementById(\"form\");\n"
    "    if (setup.flow === \"sign-up\") Clerk.mountSignUp(place, options);\n"
    "    else Clerk.mountSignIn(place, options);\n"
    "    status.hidden = true;\n"
    "  } catch (error) {\n"
    "    console.error(error);\n"
    "    say(\"This page could not reach the sign-in service. Is valetkey running? Reload the page to try "
    "again.\");\n"
    "  }\n"
    "})();\n";

static const char head[] =
    "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"robots\" content=\"noindex\">\n"
    "<link rel=\"icon\" href=\"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 "
    "16'%3E%3Crect width='16' height='16' rx='4' fill='%234f46e5'/%3E%3Ccircle cx='6' cy='6' r='2.5' "
    "fill='none' "
    "stroke='%23fff' stroke-width='1.5'/%3E%3Cpath d='M8 8l4.5 4.5M10.5 10.5l1.5-1.5' fill='none' "
    "stroke='%23fff' "
    "stroke-width='1.5' stroke-linecap='round'/%3E%3C/svg%3E\">\n"
    "<style>\n"
    ":root { color-scheme: light dark; }\n"
    "body { margin: 0; min-height: 100vh; display: flex; align-items: center; justify-content: center;\n"
    "  font: 15px/1.5 system-ui, sans-serif; color: #18181b; background: #f4f4f5; }\n"
    "main { width: 100%; max-width: 26rem; box-sizing: border-box; padding: 1.5rem 1rem; }\n"
    "h1 { font-size: 1.25rem; line-height: 1.3; text-align: center; text-wrap: balance; }\n"
    "p { overflow-wrap: anywhere; }\n"
    "#form { display: flex; justify-content: center; }\n"
    ".note, #status { text-align: center; color: #52525b; }\n"
    ".note { font-size: 0.875rem; }\n"
    "code { font-size: 0.9em; }\n"
    "@media (prefers-color-scheme: dark) {\n"
    "  body { color: #f4f4f5; background: #131316; }\n"
    "  .note, #status { color: #b4b4bd; }\n"
    "}\n"
    "</style>\n";

/* ---- escaping */

/* Text or the value of an attribute in double quotes. */
static void put_html(vk_buf *out, vk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        switch (s.p[i]) {
        case '&':
            vk_buf_lit(out, "&amp;");
            break;
        case '<':
            vk_buf_lit(out, "&lt;");
            break;
        case '>':
            vk_buf_lit(out, "&gt;");
            break;
        case '"':
            vk_buf_lit(out, "&quot;");
            break;
        case '\'':
            vk_buf_lit(out, "&#39;");
            break;
        default:
            vk_buf_ch(out, s.p[i]);
        }
}

/* JSON that may stand in a <script>: nothing in it can end the element or begin a comment, and no character
 * of it ends a line for a reader of script. */
static void put_json(vk_buf *out, vk_str json)
{
    for (size_t i = 0; i < json.n; i++) {
        unsigned char c = (unsigned char)json.p[i];
        bool line = json.n - i >= 3 && c == 0xE2 && (unsigned char)json.p[i + 1] == 0x80 &&
                    ((unsigned char)json.p[i + 2] | 1) == 0xA9;
        if (c == '<' || c == '>' || c == '&') {
            vk_buf_printf(out, "\\u%04x", c);
        } else if (line) {
            vk_buf_printf(out, "\\u20%02x", (unsigned)(json.p[i + 2] & 0x3F));
            i += 2;
        } else {
            vk_buf_ch(out, json.p[i]);
        }
    }
}

/* ---- the page */

bool vk_auth_portal_match(vk_str path, bool *sign_up_r)
{
    bool up = vk_str_eqz(path, "/portal/sign-up");
    if (!up && !vk_str_eqz(path, "/portal/sign-in"))
        return false;
    *sign_up_r = up;
    return true;
}

static void put_flow(vk_jw *w, const char *key, const vk_auth_portal *p, const char *flow)
{
    char url[1024];
    int n = snprintf(url, sizeof url, VK_STR_FMT "/b/" VK_STR_FMT "/portal/%s", VK_STR_ARG(p->gateway),
                     VK_STR_ARG(p->build), flow);
    if (n < 0 || (size_t)n >= sizeof url)
        w->out->err = VK_E_TOO_LARGE;
    else
        vk_jw_kstr(w, key, (vk_str){url, (size_t)n});
}

static void put_setup(vk_buf *html, const vk_auth_portal *p, vk_str redirect)
{
    vk_buf json;
    vk_buf_init(&json, 64 * 1024);
    vk_jw w = vk_jw_on(&json);
    vk_jw_obj(&w);
    vk_jw_kstr(&w, "flow", p->sign_up ? VK_STR("sign-up") : VK_STR("sign-in"));
    vk_jw_kstr(&w, "redirect", redirect);
    put_flow(&w, "signIn", p, "sign-in");
    put_flow(&w, "signUp", p, "sign-up");
    vk_jw_key(&w, VK_STR("origins"));
    vk_jw_arr(&w);
    for (size_t i = 0; i < p->n_origins; i++)
        vk_jw_str(&w, p->origins[i]);
    vk_jw_arr_end(&w);
    vk_jw_obj_end(&w);
    if (json.err)
        html->err = json.err;
    put_json(html, vk_buf_view(&json));
    vk_buf_free_secret(&json); /* the URL that somebody comes from may hold anything */
}

static void put_scripts(vk_buf *html, const vk_auth_portal *p)
{
    vk_buf_lit(html, "<script crossorigin=\"anonymous\" src=\"");
    put_html(html, p->gateway);
    vk_buf_lit(html, "/npm/@clerk/ui@1/dist/ui.browser.js\"></script>\n"
                     "<script crossorigin=\"anonymous\" src=\"");
    put_html(html, p->gateway);
    vk_buf_lit(html, "/npm/@clerk/clerk-js@6/dist/clerk.browser.js\" data-clerk-publishable-key=\"");
    put_html(html, p->publishable_key);
    vk_buf_lit(html, "\" data-clerk-proxy-url=\"");
    put_html(html, p->gateway);
    vk_buf_lit(html, "/b/");
    put_html(html, p->build);
    vk_buf_lit(html, "\"></script>\n<script>");
    vk_buf_z(html, script);
    vk_buf_lit(html, "</script>\n");
}

vk_err vk_auth_portal_write(const vk_auth_portal *p, vk_buf *html)
{
    char origin[VK_AUTH_ORIGIN_MAX + 1];
    if (p->redirect_url.n == 0 && p->n_origins == 0)
        return VK_E_NOT_FOUND;
    vk_str redirect = p->redirect_url.n ? p->redirect_url : p->origins[0];
    if (!vk_auth_origin_allowed(redirect, p->origins, p->n_origins) ||
        vk_auth_origin_of(redirect, origin) != VK_OK)
        return VK_E_INVALID;
    const char *title = p->sign_up ? "Create an account" : "Sign in";
    vk_buf_z(html, head);
    vk_buf_printf(html, "<title>%s</title>\n</head>\n<body>\n<main aria-label=\"%s\">\n", title, title);
    vk_buf_lit(html, "<div id=\"form\"></div>\n<p id=\"status\" role=\"status\">One moment …</p>\n"
                     "<noscript><p class=\"note\">This page needs JavaScript.</p></noscript>\n<p "
                     "class=\"note\">To continue to ");
    put_html(html, vk_str_z(origin));
    vk_buf_lit(html, "</p>\n</main>\n<script type=\"application/json\" id=\"setup\">");
    put_setup(html, p, redirect);
    vk_buf_lit(html, "</script>\n");
    put_scripts(html, p);
    vk_buf_lit(html, "</body>\n</html>\n");
    return VK_OK;
}

void vk_auth_portal_refusal(const vk_auth_portal *p, vk_err e, vk_buf *html)
{
    vk_buf_z(html, head);
    vk_buf_lit(html, "<title>This link does not lead to the app</title>\n</head>\n<body>\n<main>\n"
                     "<h1>This sign-in link does not lead back to the app</h1>\n<p>");
    if (e == VK_E_NOT_FOUND)
        vk_buf_lit(html,
                   "It does not say where to go after signing in, and no address of the app is known here.");
    else
        vk_buf_lit(html,
                   "The address to go to after signing in is none of the app's. Going there would hand your "
                   "account to somebody else, so nothing was done.");
    vk_buf_lit(html,
               "</p>\n<p>Go back to the app and sign in from there. If you run the app: <code>valetkey build "
               "origins ");
    put_html(html, p->build);
    vk_buf_lit(html,
               "</code> lists the addresses that are its own, and sets them: <code>valetkey build origins ");
    put_html(html, p->build);
    vk_buf_lit(html, " http://localhost:3000</code>.</p>\n</main>\n</body>\n</html>\n");
}

/* ---- its headers */

/* For a policy a host is words: what would end one is in no checked address, and is left out if it were. */
static void put_source(vk_buf *out, vk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] > ' ' && s.p[i] < 127 && s.p[i] != ';' && s.p[i] != ',' && s.p[i] != '\'')
            vk_buf_ch(out, s.p[i]);
}

static void put_build(vk_buf *out, const vk_auth_portal *p)
{
    put_source(out, p->gateway);
    vk_buf_lit(out, "/b/");
    put_source(out, p->build);
    vk_buf_ch(out, '/');
}

void vk_auth_portal_policy(const vk_auth_portal *p, vk_buf *out)
{
    uint8_t sum[VK_SHA256];
    vk_sha256((vk_str){script, sizeof script - 1}, sum);
    vk_buf_lit(out, "default-src 'none'; script-src 'sha256-");
    vk_base64(out, sum, sizeof sum, true);
    vk_buf_lit(out, "' ");
    put_source(out, p->gateway);
    vk_buf_lit(out, "/npm/; style-src 'unsafe-inline'; img-src data: ");
    put_build(out, p);
    vk_buf_lit(out, "; connect-src ");
    put_build(out, p);
    vk_buf_lit(out, "; worker-src blob:; base-uri 'none'; form-action 'none'");
    if (!p->partitioned)
        vk_buf_lit(out, "; frame-ancestors 'none'");
}

static const char closed_policy[] =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'";

#define PRIVATE                                                                                              \
    "Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\n"

void vk_auth_portal_answer(const vk_auth_portal *p, vk_exchange *ex)
{
    vk_buf policy;
    vk_header_lines(ex, PRIVATE);
    if (!vk_str_eqz(ex->method, "GET") && !vk_str_eqz(ex->method, "HEAD")) {
        vk_header_lines(ex, PRIVATE "Allow: GET, HEAD\r\n");
        vk_respond_text(ex, 405, "text/plain; charset=utf-8", VK_STR("This page is read with GET.\n"));
        return;
    }
    vk_buf_init(&policy, 4096);
    ex->secret = true; /* where somebody comes from may be a secret of the app's */
    vk_err e = vk_auth_portal_write(p, &ex->out);
    if (e == VK_OK) {
        vk_auth_portal_policy(p, &policy);
    } else {
        vk_auth_portal_refusal(p, e, &ex->out);
        vk_buf_z(&policy, closed_policy);
    }
    vk_err said =
        policy.err ? policy.err : vk_header_add(ex, "Content-Security-Policy", vk_buf_view(&policy));
    vk_buf_free(&policy);
    if (said != VK_OK) { /* no page without its policy */
        vk_buf_clear(&ex->out);
        vk_respond(ex, 503, NULL);
        return;
    }
    vk_respond(ex, e == VK_OK ? 200 : 400, "text/html; charset=utf-8");
}
