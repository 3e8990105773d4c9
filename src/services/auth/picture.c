#include "services/auth/picture.h"

#include "core/text.h"

enum { DIGITS_MAX = 6, CODE_MAX = 0x2FFFF };

/* White on each has a contrast of at least 4.5. */
static const char *const colours[VK_AUTH_PICTURE_COLOURS] = {
    "#b91c1c", "#c2410c", "#a16207", "#4d7c0f", "#15803d", "#0f766e",
    "#0e7490", "#1d4ed8", "#4338ca", "#7e22ce", "#a21caf", "#be185d",
};

/* Letters and digits of ASCII, and what is above Latin-1's signs, but for what is no character of its own:
 * marks that combine, spaces, what changes the direction of writing, private and unassigned areas. */
static bool drawable(uint32_t c)
{
    if (c < 0x80)
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (c < 0xC0 || c == 0xD7 || c == 0xF7 || c > CODE_MAX)
        return false;
    return !((c >= 0x300 && c <= 0x36F) || (c >= 0x2000 && c <= 0x2BFF) || c == 0x3000 ||
             (c >= 0xD800 && c <= 0xF8FF) || (c >= 0xFE00 && c <= 0xFE2F) || c == 0xFEFF ||
             (c >= 0xFFF0 && c <= 0xFFFF) || c == 0x1FFFE || c == 0x1FFFF || c >= 0x2FFFE);
}

/* The first character of the text that can be drawn. */
static bool initial(vk_str s, uint32_t *out_r)
{
    for (const char *p = s.p, *end = p ? p + s.n : p; p < end;) {
        size_t bad, n = vk_utf8_seq(p, end, &bad);
        if (n == 0) {
            p += bad;
            continue;
        }
        uint32_t c = (unsigned char)p[0];
        if (n > 1)
            c &= 0x7Fu >> n;
        for (size_t i = 1; i < n; i++)
            c = c << 6 | ((unsigned char)p[i] & 0x3F);
        if (drawable(c)) {
            *out_r = c >= 'a' && c <= 'z' ? c - 0x20 : c;
            return true;
        }
        p += n;
    }
    return false;
}

vk_auth_picture vk_auth_picture_of(vk_str id, vk_str first_name, vk_str last_name, vk_str email)
{
    vk_auth_picture p = {0};
    uint32_t sum = 2166136261u; /* FNV-1a: the same colour after every restart */
    for (size_t i = 0; i < id.n; i++)
        sum = (sum ^ (unsigned char)id.p[i]) * 16777619u;
    p.colour = (sum ^ sum >> 16) % VK_AUTH_PICTURE_COLOURS;
    if (initial(first_name, &p.chars[p.n]))
        p.n++;
    if (initial(last_name, &p.chars[p.n]))
        p.n++;
    if (p.n == 0 && initial(email, &p.chars[0]))
        p.n = 1;
    return p;
}

void vk_auth_picture_url(const vk_auth_picture *p, vk_str base, vk_buf *out)
{
    vk_buf_str(out, base);
    vk_buf_printf(out, "/picture/%u", p->colour);
    for (size_t i = 0; i < p->n; i++)
        vk_buf_printf(out, "-%x", (unsigned)p->chars[i]);
    vk_buf_lit(out, ".svg");
}

static bool read_hex(vk_str s, uint32_t *out_r)
{
    uint32_t v = 0;
    if (s.n == 0 || s.n > DIGITS_MAX || s.p[0] == '0')
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
        v = v << 4 | (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    *out_r = v;
    return true;
}

bool vk_auth_picture_match(vk_str path, vk_auth_picture *out_r)
{
    static const vk_str before = {"/picture/", 9}, behind = {".svg", 4};
    vk_auth_picture p = {0};
    vk_str one;
    int64_t colour;
    if (!vk_str_starts(path, before) || path.n < before.n + behind.n ||
        memcmp(path.p + path.n - behind.n, behind.p, behind.n) != 0)
        return false;
    path = (vk_str){path.p + before.n, path.n - before.n - behind.n};
    bool more = vk_str_cut(&path, '-', &one);
    one = more ? one : path;
    if (one.n > 2 || one.n == 0 || (one.p[0] == '0' && one.n > 1) || one.p[0] < '0' || one.p[0] > '9' ||
        vk_str_to_i64(one, &colour) != VK_OK || colour >= VK_AUTH_PICTURE_COLOURS)
        return false;
    p.colour = (unsigned)colour;
    while (more) {
        more = vk_str_cut(&path, '-', &one);
        one = more ? one : path;
        if (p.n == VK_AUTH_PICTURE_CHARS || !read_hex(one, &p.chars[p.n]) || !drawable(p.chars[p.n]))
            return false;
        p.n++;
    }
    *out_r = p;
    return true;
}

void vk_auth_picture_write(const vk_auth_picture *p, vk_buf *out)
{
    vk_buf_printf(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 64 64\" width=\"64\" height=\"64\">"
        "<rect width=\"64\" height=\"64\" fill=\"%s\"/>",
        colours[p->colour % VK_AUTH_PICTURE_COLOURS]);
    if (p->n == 0)
        vk_buf_lit(
            out,
            "<circle cx=\"32\" cy=\"25\" r=\"10\" fill=\"#fff\"/><path d=\"M12 56c2-13 10-18 20-18s18 5 20 "
            "18z\" fill=\"#fff\"/>");
    else
        vk_buf_printf(
            out,
            "<text x=\"32\" y=\"33\" fill=\"#fff\" font-family=\"system-ui,sans-serif\" font-size=\"%d\" "
            "font-weight=\"600\" text-anchor=\"middle\" dominant-baseline=\"central\">",
            p->n == 1 ? 32 : 26);
    for (size_t i = 0; i < p->n; i++)
        vk_buf_printf(out, "&#x%x;", (unsigned)p->chars[i]);
    vk_buf_z(out, p->n ? "</text></svg>" : "</svg>");
}

#define HARMLESS                                                                                             \
    "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\nX-Content-Type-Options: "     \
    "nosniff\r\nCross-Origin-Resource-Policy: cross-origin\r\nAccess-Control-Allow-Origin: *\r\n"

void vk_auth_picture_answer(const vk_auth_picture *p, vk_exchange *ex)
{
    if (!vk_str_eqz(ex->method, "GET") && !vk_str_eqz(ex->method, "HEAD")) {
        vk_header_lines(ex, HARMLESS "Cache-Control: no-store\r\nAllow: GET, HEAD\r\n");
        vk_respond_text(ex, 405, "text/plain; charset=utf-8", VK_STR("A picture is read with GET.\n"));
        return;
    }
    vk_header_lines(ex, HARMLESS "Cache-Control: public, max-age=604800\r\n");
    vk_auth_picture_write(p, &ex->out);
    vk_respond(ex, 200, "image/svg+xml");
}
