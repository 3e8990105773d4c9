#include "services/payments/html.h"

#include <stdarg.h>

void vk_html(vk_buf *out, vk_str text)
{
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c == '&')
            vk_buf_lit(out, "&amp;");
        else if (c == '<')
            vk_buf_lit(out, "&lt;");
        else if (c == '>')
            vk_buf_lit(out, "&gt;");
        else if (c == '"')
            vk_buf_lit(out, "&quot;");
        else if (c == '\'')
            vk_buf_lit(out, "&#39;");
        else
            vk_buf_ch(out, c);
    }
}

void vk_html_z(vk_buf *out, const char *text)
{
    vk_html(out, vk_str_z(text));
}

void vk_html_f(vk_buf *out, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    for (const char *p = fmt; *p; p++) {
        if (p[0] == '%' && p[1] == 's') {
            vk_html_z(out, va_arg(args, const char *));
            p++;
        } else {
            vk_buf_ch(out, *p);
        }
    }
    va_end(args);
}

void vk_html_amount(vk_buf *out, vk_arena *a, int64_t amount, vk_str currency)
{
    vk_html(out, vk_pay_amount(a, amount, currency));
}

void vk_html_begin(vk_buf *out, const char *title, const char *main_class)
{
    vk_html_f(out,
              "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
              "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
              "<meta name=\"color-scheme\" content=\"light dark\">\n<title>%s</title>\n"
              "<link rel=\"icon\" href=\"data:,\">\n<link rel=\"stylesheet\" href=\"/assets/pay.css\">\n"
              "<script src=\"/assets/pay.js\" defer></script>\n</head>\n<body>\n"
              "<header class=\"mode\"><b>TEST MODE</b> No real card is charged.</header>\n"
              "<main class=\"%s\">\n",
              title, main_class);
}

void vk_html_end(vk_buf *out)
{
    vk_buf_lit(out, "</main>\n<footer>Served by valetkey, offline. Test cards only.</footer>\n"
                    "</body>\n</html>\n");
}

void vk_html_who(vk_buf *out, const char *business)
{
    char first[2] = {business[0], '\0'};
    vk_html_f(out, "<p class=\"who\"><span aria-hidden=\"true\">%s</span>%s</p>\n", first, business);
}

void vk_html_note(vk_buf *out, const char *sign, const char *title, const char *text, vk_str link,
                  const char *link_text)
{
    vk_html_begin(out, title, "note");
    vk_html_f(out,
              "<div class=\"sheet\"><div class=\"sign %s\" aria-hidden=\"true\">%s</div>\n<h1>%s</h1>\n"
              "<p>%s</p>\n",
              sign,
              strcmp(sign, "good") == 0  ? "✓"
              : strcmp(sign, "bad") == 0 ? "!"
                                         : "…",
              title, text);
    if (link.n) {
        vk_buf_lit(out, "<p><a class=\"button main\" rel=\"noreferrer\" href=\"");
        vk_html(out, link);
        vk_html_f(out, "\">%s</a></p>\n", link_text);
    }
    vk_buf_lit(out, "</div>\n");
    vk_html_end(out);
}

void vk_html_fact(vk_buf *out, const char *what, const char *is)
{
    if (is && is[0])
        vk_html_f(out, "<div><dt>%s</dt><dd>%s</dd></div>\n", what, is);
}

void vk_html_choices(vk_buf *out)
{
    vk_buf_lit(out, "<form method=\"post\" class=\"choices\">\n"
                    "<button class=\"main\" id=\"test-source-authorize-3ds\" name=\"result\" "
                    "value=\"complete\">Complete authentication</button>\n"
                    "<button id=\"test-source-fail-3ds\" name=\"result\" value=\"fail\">Fail "
                    "authentication</button>\n</form>\n");
}
