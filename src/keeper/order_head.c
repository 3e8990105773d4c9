/* The pure part of an order: what front may say, and what the vendor hears. */
#include "keeper/order_in.h"

#include "core/encode.h"

/* Characters, by what they may be a part of. */
enum { TOKEN = 1, VISIBLE = 2, HOST = 4, VALUE = 8, SERVICE = 16 };

static const uint8_t classes[256] = {
    ['\t'] = VALUE,
    [' '] = VALUE,
    ['!'] = TOKEN | VISIBLE | VALUE,
    ['"'] = VISIBLE | VALUE,
    ['#'] = TOKEN | VALUE,
    ['$' ... '\''] = TOKEN | VISIBLE | VALUE,
    ['(' ... ')'] = VISIBLE | VALUE,
    ['*' ... '+'] = TOKEN | VISIBLE | VALUE,
    [','] = VISIBLE | VALUE,
    ['-' ... '.'] = TOKEN | VISIBLE | VALUE | HOST,
    ['/'] = VISIBLE | VALUE,
    ['0' ... '9'] = TOKEN | VISIBLE | VALUE | HOST | SERVICE,
    [':'] = VISIBLE | VALUE | HOST,
    [';' ... '@'] = VISIBLE | VALUE,
    ['A' ... 'Z'] = TOKEN | VISIBLE | VALUE | HOST,
    ['['] = VISIBLE | VALUE | HOST,
    ['\\'] = VISIBLE | VALUE,
    [']'] = VISIBLE | VALUE | HOST,
    ['^'] = TOKEN | VISIBLE | VALUE,
    ['_'] = TOKEN | VISIBLE | VALUE | HOST | SERVICE,
    ['`'] = TOKEN | VISIBLE | VALUE,
    ['a' ... 'z'] = TOKEN | VISIBLE | VALUE | HOST | SERVICE,
    ['{'] = VISIBLE | VALUE,
    ['|'] = TOKEN | VISIBLE | VALUE,
    ['}'] = VISIBLE | VALUE,
    ['~'] = TOKEN | VISIBLE | VALUE,
    [0x7f ... 0xff] = VALUE,
};

static bool all_are(vk_str s, unsigned class)
{
    unsigned all = class;
    for (size_t i = 0; i < s.n; i++)
        all &= classes[(unsigned char)s.p[i]];
    return all != 0;
}

/* Of digits of base 16, of which there are eight at least. */
static bool no_capitals(vk_str s)
{
    uint64_t w, found = 0;
    for (size_t i = 0; i < s.n; i += sizeof w) {
        memcpy(&w, s.p + (i + sizeof w <= s.n ? i : s.n - sizeof w), sizeof w);
        found |= w & ~(w << 1) & 0x4040404040404040U;
    }
    return !found;
}

vk_err vk_order_parse(vk_str value, vk_order_line *out_r)
{
    vk_str service, kind;
    *out_r = (vk_order_line){.kind = '\0'};
    if (!vk_str_cut(&value, ' ', &service) || !vk_str_cut(&value, ' ', &kind) || service.n == 0 ||
        service.n > VK_SERVICE_MAX || kind.n != 1 || kind.p[0] < 'a' || kind.p[0] > 'z' ||
        value.n != (size_t)2 * VK_HASH || !all_are(service, SERVICE) || !no_capitals(value))
        return VK_E_INVALID;
    memcpy(out_r->service, service.p, service.n);
    out_r->kind = kind.p[0];
    return vk_hex_decode(value, out_r->hash, VK_HASH);
}

vk_err vk_order_line_of(const vk_header *headers, size_t n, vk_str *out_r)
{
    size_t found = 0;
    for (size_t i = 0; i < n; i++)
        if (vk_str_ieq(headers[i].name, VK_STR("Valetkey-Order"))) {
            *out_r = headers[i].value;
            found++;
        }
    return found == 1 ? VK_OK : VK_E_INVALID;
}

/* ---- lines that travel */

#define TEXT(lit)                                                                                            \
    {                                                                                                        \
        "" lit, sizeof(lit) - 1                                                                              \
    }

/* Most are done with at their first character. */
static inline bool begins_unlike(vk_str name, const char *z)
{
    return name.n && ((name.p[0] ^ z[0]) & ~0x20) != 0;
}

/* In a vendor's list: a '*' at the end of one stands for anything. */
static bool listed(const char *const *list, vk_str name)
{
    for (; list && *list; list++) {
        const char *z = *list;
        if (z[0] != '*' && begins_unlike(name, z))
            continue;
        size_t n = strlen(z);
        if (n && z[n - 1] == '*' ? name.n >= n - 1 && vk_str_ieq((vk_str){name.p, n - 1}, (vk_str){z, n - 1})
                                 : vk_str_ieq(name, (vk_str){z, n}))
            return true;
    }
    return false;
}

static bool is_any(vk_str name, const vk_str *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (name.n == names[i].n && !begins_unlike(name, names[i].p) && vk_str_ieq(name, names[i]))
            return true;
    return false;
}

/* What frames the message and where it goes is written here and nowhere else. */
static bool ours(vk_str name)
{
    static const vk_str names[] = {TEXT("host"),       TEXT("content-length"), TEXT("transfer-encoding"),
                                   TEXT("connection"), TEXT("content-type"),   TEXT("te"),
                                   TEXT("trailer"),    TEXT("expect"),         TEXT("keep-alive")};
    return is_any(name, names, VK_COUNT(names));
}

/* Whatever a list says: who asks, and what keeper or the vendor's file alone may say. */
static bool stays(vk_str name)
{
    static const vk_str never[] = {TEXT("authorization"),        TEXT("cookie"),
                                   TEXT("proxy-authorization"),  TEXT("forwarded"),
                                   TEXT("stripe-account"),       TEXT("stripe-context"),
                                   TEXT("x-amz-security-token"), TEXT("valetkey-order"),
                                   TEXT("accept-encoding"),      TEXT("upgrade"),
                                   TEXT("x-forwarded-for"),      TEXT("x-forwarded-host"),
                                   TEXT("x-forwarded-proto")};
    return is_any(name, never, VK_COUNT(never));
}

static bool visible(vk_str s)
{
    return all_are(s, VISIBLE);
}

vk_err vk_order_travel(vk_order *o, const vk_header *headers, size_t n, const char **why_r)
{
    vk_header *all = vk_arena_alloc(o->arena, n * sizeof *all);
    if (!all)
        return VK_E_NOMEM;
    o->headers = all;
    o->n_headers = 0;
    if (!visible(o->query)) {
        *why_r = "The query holds characters that must be escaped";
        return VK_E_INVALID;
    }
    for (size_t i = 0; i < n; i++) {
        if (!listed(o->vendor->travel, headers[i].name) || stays(headers[i].name) || ours(headers[i].name))
            continue;
        for (size_t k = 0; k < o->n_headers; k++)
            if (vk_str_ieq(all[k].name, headers[i].name)) {
                *why_r = "A header line stands twice, so that it could be read in two ways";
                return VK_E_INVALID;
            }
        all[o->n_headers++] = headers[i];
    }
    return VK_OK;
}

/* ---- the head */

/* Eight characters at a time; what has a control character is looked at again. */
static bool value_ok(vk_str s)
{
    const uint64_t ones = 0x0101010101010101U, tops = 0x80 * ones;
    uint64_t w, control = 0;
    size_t i = 0;
    for (; i + sizeof w <= s.n; i += sizeof w) {
        memcpy(&w, s.p + i, sizeof w);
        control |= (w - ' ' * ones) & ~w & tops;
    }
    return all_are(control ? s : (vk_str){s.p + i, s.n - i}, VALUE);
}

/* The next line of `rest`, without its end; false: it is none. */
static bool next_line(vk_str *rest, vk_str *name_r, vk_str *value_r)
{
    vk_str line;
    if (!vk_str_cut(rest, '\n', &line) || line.n < 2 || line.p[line.n - 1] != '\r')
        return false;
    line.n--;
    *value_r = line;
    return vk_str_cut(value_r, ':', name_r) && name_r->n != 0 && all_are(*name_r, TOKEN) &&
           value_ok(*value_r);
}

enum { MADE_MAX = 32 }; /* lines of one vendor's */

/* The names of what the vendor made, looked at once. False: these are no lines, or not his to make. */
static bool names_of(vk_str lines, vk_str names[MADE_MAX], size_t *n_r)
{
    vk_str value;
    size_t n = 0;
    while (lines.n) {
        if (n == MADE_MAX || !next_line(&lines, &names[n], &value) || ours(names[n]))
            return false;
        n++;
    }
    *n_r = n;
    return true;
}

static bool made(const vk_str *names, size_t n, vk_str wanted)
{
    for (size_t i = 0; i < n; i++)
        if (names[i].n == wanted.n && vk_str_ieq(names[i], wanted))
            return true;
    return false;
}

static void add_line(vk_buf *out, vk_str name, vk_str value)
{
    vk_buf_str(out, name);
    vk_buf_lit(out, ": ");
    vk_buf_str(out, value);
    vk_buf_lit(out, "\r\n");
}

static bool host_ok(vk_str host)
{
    return host.n > 0 && host.n < 300 && all_are(host, HOST);
}

static bool path_ok(const vk_order *o)
{
    bool seen = o->path_seen && o->to_path.p == o->path.p && o->to_path.n == o->path.n;
    return seen || vk_vendor_path_ok(o->to_path, o->vendor->raw_path);
}

vk_err vk_order_compose(const vk_order *o, vk_buf *out)
{
    vk_str lines = vk_buf_view(o->lines), names[MADE_MAX];
    size_t n = 0;
    if (o->lines->err)
        return o->lines->err;
    if (!host_ok(o->to_host) || !path_ok(o) || !visible(o->to_query) || !names_of(lines, names, &n))
        return VK_E_INTERNAL;
    vk_buf_str(out, o->method);
    vk_buf_ch(out, ' ');
    vk_buf_str(out, o->to_path);
    if (o->to_query.n) {
        vk_buf_ch(out, '?');
        vk_buf_str(out, o->to_query);
    }
    vk_buf_lit(out, " HTTP/1.1\r\n");
    add_line(out, VK_STR("Host"), o->to_host);
    vk_buf_str(out, lines);
    for (size_t i = 0; i < o->n_headers; i++)
        if (!made(names, n, o->headers[i].name))
            add_line(out, o->headers[i].name, o->headers[i].value);
    if (o->vendor->scrub && !made(names, n, VK_STR("Accept-Encoding")))
        vk_buf_lit(out, "Accept-Encoding: identity\r\n");
    if (o->content_type.n)
        add_line(out, VK_STR("Content-Type"), o->content_type);
    if (o->body_n < 0) {
        vk_buf_lit(out, "Transfer-Encoding: chunked\r\n");
    } else if (o->body_n > 0 || (!vk_str_eqz(o->method, "GET") && !vk_str_eqz(o->method, "HEAD"))) {
        vk_buf_lit(out, "Content-Length: ");
        vk_buf_i64(out, o->body_n);
        vk_buf_lit(out, "\r\n");
    }
    vk_buf_lit(out, "\r\n");
    return out->err;
}

/* ---- the answer's lines */

bool vk_order_returns(const vk_vendor *v, vk_str name)
{
    static const vk_str never[] = {
        TEXT("set-cookie"), TEXT("content-length"), TEXT("content-type"), TEXT("transfer-encoding"),
        TEXT("connection"), TEXT("keep-alive"),     TEXT("trailer"),      TEXT("te"),
        TEXT("upgrade"),    TEXT("date"),           TEXT("x-request-id"), TEXT("www-authenticate")};
    if (is_any(name, never, VK_COUNT(never)))
        return false;
    if ((name.n >= 9 && vk_str_ieq((vk_str){name.p, 9}, VK_STR("valetkey-"))) ||
        (v->scrub && vk_str_ieq(name, VK_STR("content-encoding"))))
        return false;
    return listed(v->returns, name);
}

bool vk_order_location_ok(vk_str value)
{
    return value.n > 0 && value.p[0] == '/' && (value.n == 1 || (value.p[1] != '/' && value.p[1] != '\\')) &&
           visible(value);
}
