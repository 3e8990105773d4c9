#include "services/payments/assets.h"

/* Good in both schemes, on a phone and without scripts. */
static const char css[] =
    ":root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--text:#1a1f36;--soft:#5b6378;--line:#d8dce6;"
    "--accent:#4f46e5;--on:#fff;--bad:#b3093c;--bad-bg:#fdeef1;--good:#0e6245}\n"
    "@media (prefers-color-scheme:dark){:root{--bg:#16181d;--card:#1f2229;--text:#eef0f6;--soft:#a9b0c3;"
    "--line:#3b404d;--accent:#8b84ff;--on:#14141c;--bad:#ff9db2;--bad-bg:#3a1f28;--good:#7fe0b5}}\n"
    "*{box-sizing:border-box}\n"
    "[hidden]{display:none!important}\n"
    "body{margin:0;min-height:100vh;display:flex;flex-direction:column;background:var(--bg);color:var(--text)"
    ";"
    "font:16px/1.5 system-ui,-apple-system,\"Segoe UI\",sans-serif}\n"
    ".mode{margin:0;padding:.35rem "
    "1rem;text-align:center;font-size:.8125rem;background:#ffde92;color:#4a3302}\n"
    "main{width:100%;max-width:62rem;margin:0 auto;padding:1.5rem 1rem 3rem;flex:1}\n"
    "main.two{display:grid;gap:2rem}\n"
    "@media (min-width:50rem){main.two{grid-template-columns:1fr 1fr;gap:4rem;padding-top:3rem}}\n"
    "main.note{max-width:30rem;text-align:center;padding-top:4rem}\n"
    "main.paper{max-width:40rem}\n"
    "h1{font-size:1.25rem;line-height:1.3;margin:0 0 .75rem;overflow-wrap:anywhere}\n"
    "h2{font-size:1rem;margin:1.5rem 0 .5rem}\n"
    ".price{font-size:2.25rem;font-weight:650;line-height:1.2;margin:0}\n"
    ".soft{color:var(--soft);margin:.25rem 0;overflow-wrap:anywhere}\n"
    "a{color:var(--accent)}\n"
    ".back{display:inline-block;margin-bottom:1.25rem;text-decoration:none}\n"
    "table{width:100%;border-collapse:collapse;margin:1.25rem 0}\n"
    "th,td{padding:.5rem 0;text-align:left;vertical-align:top;font-weight:400;overflow-wrap:anywhere}\n"
    "td:last-child{text-align:right;white-space:nowrap;padding-left:1rem}\n"
    "tfoot tr:first-child>*{border-top:1px solid var(--line)}\n"
    "tr.total>*{font-weight:650;border-top:1px solid var(--line)}\n"
    "tr.off td{color:var(--good)}\n"
    "form.pay,.sheet{background:var(--card);border:1px solid "
    "var(--line);border-radius:12px;padding:1.25rem}\n"
    "fieldset{border:0;margin:0 0 1rem;padding:0}\n"
    "legend{font-weight:600;padding:0;margin-bottom:.5rem}\n"
    "label{display:block;font-size:.875rem;font-weight:550;margin:.75rem 0 .25rem}\n"
    "input,select,button{font:inherit}\n"
    "input[type=text],input[type=email],input[type=tel],input[type=number],select{width:100%;min-height:2."
    "75rem;"
    "padding:.5rem .75rem;color:inherit;background:var(--card);border:1px solid "
    "var(--line);border-radius:8px}\n"
    "input:focus-visible,select:focus-visible,button:focus-visible,a:focus-visible,summary:focus-visible{"
    "outline:"
    "3px solid var(--accent);outline-offset:1px}\n"
    "[aria-invalid=true]{border-color:var(--bad)!important}\n"
    ".row{display:grid;grid-template-columns:1fr 1fr;gap:0 .75rem}\n"
    ".side{display:flex;gap:.5rem;align-items:end}.side>div{flex:1}\n"
    ".check{display:flex;gap:.6rem;align-items:start;font-weight:400}.check input{margin-top:.3rem}\n"
    "button,.button{display:inline-block;min-height:2.75rem;padding:.5rem 1rem;border:1px solid var(--line);"
    "border-radius:8px;background:var(--card);color:inherit;cursor:pointer;text-decoration:none}\n"
    "button.main{width:100%;margin-top:1.25rem;border:0;background:var(--accent);color:var(--on);font-weight:"
    "600;"
    "min-height:3rem}\n"
    "button.main[aria-disabled=true]{opacity:.6;cursor:progress}\n"
    ".alert{margin:0 0 1rem;padding:.75rem "
    "1rem;border-radius:8px;background:var(--bad-bg);color:var(--bad)}\n"
    "details{margin-top:1rem;font-size:.875rem}summary{cursor:pointer}\n"
    "code{font-size:.95em;user-select:all;white-space:nowrap}\n"
    ".choices{display:grid;gap:.75rem;margin-top:1.5rem}\n"
    "footer{padding:1rem;text-align:center;font-size:.8125rem;color:var(--soft)}\n";

/* Comfort only: groups of four digits, one click a payment. Every page works without it. */
static const char js[] =
    "\"use strict\";\n"
    "const digits = (v, most) => v.replace(/\\D/g, \"\").slice(0, most);\n"
    "const on = (id, f) => { const e = document.getElementById(id); if (e) e.addEventListener(\"input\", () "
    "=> {\n"
    "  if (e.selectionStart !== e.value.length) return;\n"
    "  const v = f(e.value); if (v !== e.value) e.value = v; }); };\n"
    "on(\"cardNumber\", (v) => { const d = digits(v, 19);\n"
    "  return /^3[47]/.test(d) ? d.replace(/^(.{4})(.{1,6})?(.{1,5})?.*$/, (_, ...p) => p.slice(0, "
    "3).filter(Boolean)"
    ".join(\" \")) : d.replace(/(.{4})(?=.)/g, \"$1 \"); });\n"
    "on(\"cardExpiry\", (v) => { const d = digits(v, 4);\n"
    "  return d.length > 2 ? d.slice(0, 2) + \" / \" + d.slice(2) : d; });\n"
    "on(\"cardCvc\", (v) => digits(v, 4));\n"
    "const code = document.getElementById(\"promotionCode\");\n"
    "if (code) code.addEventListener(\"keydown\", (e) => { if (e.key === \"Enter\") { e.preventDefault();\n"
    "  document.getElementById(\"applyCode\").click(); } });\n"
    "let sent = false;\n"
    "for (const form of document.forms) form.addEventListener(\"submit\", (e) => {\n"
    "  if (sent) { e.preventDefault(); return; }\n"
    "  sent = true;\n"
    "  const b = form.querySelector(\"button.main\");\n"
    "  if (b && e.submitter === b) { b.setAttribute(\"aria-disabled\", \"true\"); b.textContent = "
    "b.dataset.busy || "
    "b.textContent; }\n"
    "});\n"
    "addEventListener(\"pageshow\", (e) => { if (e.persisted) location.reload(); });\n"
    "for (const e of document.querySelectorAll(\"[data-apply]\")) e.addEventListener(\"change\", () => {\n"
    "  const b = document.getElementById(\"applyChanges\"); if (b && !sent) e.form.requestSubmit(b); });\n";

#define HEADERS                                                                                              \
    "Valetkey-Served-By: embedded\r\nX-Content-Type-Options: nosniff\r\nCache-Control: no-cache\r\n"         \
    "Cross-Origin-Resource-Policy: same-origin\r\n"

bool vk_pay_asset(vk_exchange *ex)
{
    static const struct {
        const char *path, *type;
        vk_str text;
    } all[] = {
        {"/assets/pay.css", "text/css; charset=utf-8", {css, sizeof css - 1}},
        {"/assets/pay.js", "text/javascript; charset=utf-8", {js, sizeof js - 1}},
    };
    bool get = vk_str_eqz(ex->method, "GET") || vk_str_eqz(ex->method, "HEAD");
    for (size_t i = 0; get && i < VK_COUNT(all); i++)
        if (vk_str_eqz(ex->path, all[i].path)) {
            vk_header_lines(ex, HEADERS);
            vk_respond_text(ex, 200, all[i].type, all[i].text);
            return true;
        }
    return false;
}
