#include "http/head.h"

#include "http/scan.h"

enum { METHOD_MAX = 32, PORT_DIGITS_MAX = 5, IPV6_CHARS_MAX = 45 };

/* What every step below answers. The other answers are the results of vk_head_request: 0 or minus a status.
 */
enum { GO_ON = 1 };

/* Fields with a meaning for the codec, as far as they were seen. */
enum {
    SEEN_HOST = 1,
    SEEN_AUTHORIZATION = 2,
    SEEN_CONTENT_TYPE = 4,
    SEEN_CONTENT_LENGTH = 8,
    SEEN_TRANSFER_ENCODING = 16,
    SEEN_OTHER_CODING = 32, /* Transfer-Encoding is not exactly "chunked" */
    SEEN_EXPECT = 64,
    SEEN_UPGRADE = 128,
    SEEN_CONN_CLOSE = 256,
    SEEN_CONN_KEEP_ALIVE = 512,
    SEEN_CONN_UPGRADE = 1024,
};

/* The parser goes once from left to right and decides at the first byte that decides, so the answer for a
 * longer input is never milder than the one for its beginning. `out` is scratch until the head is complete:
 * clearing its 3 KB, or copying them, would cost more than parsing. */
struct parse {
    const char *p, *end;
    int more; /* the answer when the input ends too early: 0, or -431 when the limit is what ended it */
    bool request;
    unsigned seen;
    vk_head *out;
};

static bool parse_begin(struct parse *s, const char *p, size_t n, bool request, vk_head *out)
{
    if (n == 0)
        return false;
    bool full = n >= VK_HEAD_MAX;
    *s = (struct parse){p, p + (full ? VK_HEAD_MAX : n), full ? -431 : 0, request, 0, out};
    return true;
}

/* Is `p` the lower-case text `lit`, in any case? For texts of letters, digits and '-' in which setting bit 5
 * changes the case of letters only; the bytes that would be confused with digits and '-' are control
 * characters, which neither names nor values hold. */
static inline __attribute__((always_inline)) bool is_lit(const char *p, const char *lit, size_t n)
{
    if (n >= 8) {
        for (size_t at = 0; at < n; at += 8) {
            size_t from = at + 8 <= n ? at : n - 8;
            if ((vk_scan_load(p + from) | VK_SCAN_EACH(0x20)) != vk_scan_load(lit + from))
                return false;
        }
        return true;
    }
    for (size_t i = 0; i < n; i++)
        if ((p[i] | 0x20) != lit[i])
            return false;
    return true;
}
#define IS(str, lit) ((str).n == sizeof(lit) - 1 && is_lit((str).p, "" lit, sizeof(lit) - 1))

static inline bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Bare CR and bare LF are refused, RFC 9112 §2.2. */
static inline int take_crlf(struct parse *s)
{
    if (s->p == s->end)
        return s->more;
    if (s->p[0] != '\r')
        return -400;
    if (s->end - s->p < 2)
        return s->more;
    if (s->p[1] != '\n')
        return -400;
    s->p += 2;
    return GO_ON;
}

static inline int take_char(struct parse *s, char c)
{
    if (s->p == s->end)
        return s->more;
    if (*s->p != c)
        return -400;
    s->p++;
    return GO_ON;
}

/* HTTP-version = "HTTP/" DIGIT "." DIGIT, RFC 9112 §2.3. *known_r is false for a version that is not ours;
 * the caller answers 505 once the line has proved to be one. */
static inline int take_version(struct parse *s, bool *known_r)
{
    static const char form[] = "HTTP/0.0";
    size_t have = (size_t)(s->end - s->p);
    for (size_t i = 0; i < sizeof form - 1; i++) {
        if (i == have)
            return s->more;
        char c = s->p[i];
        if (form[i] == '0' ? c < '0' || c > '9' : c != form[i])
            return -400;
    }
    s->out->minor = s->p[7] - '0';
    *known_r = s->p[5] == '1' && s->out->minor <= 1;
    s->p += sizeof form - 1;
    return GO_ON;
}

/* request-line = method SP request-target SP HTTP-version, RFC 9112 §3. The splitting on any white space that
 * §3 allows is not done. */
static inline int take_request_line(struct parse *s)
{
    const char *from = s->p;
    s->p = vk_scan_token(from, s->end);
    s->out->method = (vk_str){from, (size_t)(s->p - from)};
    if (s->out->method.n > METHOD_MAX || (s->p < s->end && s->out->method.n == 0))
        return -400;
    int r = take_char(s, ' ');
    if (r != GO_ON)
        return r;

    from = s->p;
    if (from == s->end)
        return s->more;
    if (*from == '*') {
        if (!vk_str_eq(s->out->method, VK_STR("OPTIONS")))
            return -400;
        s->p++;
    } else {
        if (*from != '/' || vk_str_eq(s->out->method, VK_STR("CONNECT")))
            return -400;
        s->p = vk_scan_target(from, s->end);
    }
    s->out->target = (vk_str){from, (size_t)(s->p - from)};
    if ((r = take_char(s, ' ')) != GO_ON)
        return r;

    bool known;
    if ((r = take_version(s, &known)) != GO_ON || (r = take_crlf(s)) != GO_ON)
        return r;
    return known ? GO_ON : -505;
}

/* status-line = HTTP-version SP status-code SP [ reason-phrase ], RFC 9112 §4. Servers that have no reason
 * often leave out the blank before it too; nothing else can be meant, so this is taken. */
static inline int take_status_line(struct parse *s)
{
    bool known;
    int r = take_version(s, &known);
    if (r != GO_ON || (r = take_char(s, ' ')) != GO_ON)
        return r;
    if (!known)
        return -505;
    int status = 0;
    for (int i = 0; i < 3; i++, s->p++) {
        if (s->p == s->end)
            return s->more;
        char c = *s->p;
        if (c < (i == 0 ? '1' : '0') || c > (i == 0 ? '5' : '9'))
            return -400;
        status = status * 10 + (c - '0');
    }
    s->out->status = status;
    const char *from = s->p;
    if (from < s->end && *from == ' ')
        s->p = vk_scan_text(++from, s->end);
    s->out->reason = (vk_str){from, (size_t)(s->p - from)};
    return take_crlf(s);
}

/* uri-host [ ":" port ], RFC 9110 §7.2, without an empty host, an empty port or an IPvFuture. */
static bool host_is_plausible(vk_str v)
{
    const char *p = v.p, *end = v.p + v.n;
    if (p < end && *p == '[') {
        const char *from = ++p;
        while (p < end && vk_scan_is(*p, VK_SCAN_IPV6))
            p++;
        if (p == end || *p != ']' || p - from < 2 || p - from > IPV6_CHARS_MAX)
            return false;
        p++;
    } else {
        for (; p < end && *p != ':'; p++) {
            if (vk_scan_is(*p, VK_SCAN_HOST))
                continue;
            if (*p != '%' || end - p < 3 || vk_scan_hex(p[1]) < 0 || vk_scan_hex(p[2]) < 0)
                return false;
            p += 2;
        }
        if (p == v.p)
            return false;
    }
    if (p == end)
        return true;
    if (*p++ != ':' || p == end || end - p > PORT_DIGITS_MAX)
        return false;
    unsigned port = 0;
    for (; p < end; p++) {
        if (*p < '0' || *p > '9')
            return false;
        port = port * 10 + (unsigned)(*p - '0');
    }
    return port <= UINT16_MAX;
}

static bool content_length(vk_str v, uint64_t *out_r)
{
    uint64_t n = 0;
    if (v.n == 0)
        return false;
    for (size_t i = 0; i < v.n; i++) {
        unsigned d = (unsigned)(unsigned char)v.p[i] - '0';
        if (d > 9 || n > ((uint64_t)INT64_MAX - d) / 10)
            return false;
        n = n * 10 + d;
    }
    *out_r = n;
    return true;
}

/* A list of tokens, RFC 9110 §7.6.1; empty elements are allowed, §5.6.1.2. Whoever forwards strips the fields
 * that are named here, so a list that cannot be read is not passed over. */
static bool connection(vk_str v, unsigned *seen)
{
    const char *p = v.p, *end = v.p + v.n;
    for (;;) {
        while (p < end && is_blank(*p))
            p++;
        vk_str option = {p, 0};
        p = vk_scan_token(p, end);
        option.n = (size_t)(p - option.p);
        if (IS(option, "keep-alive"))
            *seen |= SEEN_CONN_KEEP_ALIVE;
        else if (IS(option, "close"))
            *seen |= SEEN_CONN_CLOSE;
        else if (IS(option, "upgrade"))
            *seen |= SEEN_CONN_UPGRADE;
        while (p < end && is_blank(*p))
            p++;
        if (p == end)
            return true;
        if (*p++ != ',')
            return false;
    }
}

static inline bool first(struct parse *s, unsigned bit)
{
    bool is = (s->seen & bit) == 0;
    s->seen |= bit;
    return is;
}

/* Looks at the fields that decide about framing, routing and credentials. A second Host, Content-Length or
 * Authorization is where two readers come to differ, so none is passed over even when both say the same. */
static inline int note_field(struct parse *s, vk_str name, vk_str value)
{
    vk_head *out = s->out;
    bool good = true;
    switch (name.n) {
    case 4:
        if (s->request && IS(name, "host")) {
            good = first(s, SEEN_HOST) && host_is_plausible(value);
            out->host = value;
        }
        break;
    case 6:
        if (s->request && IS(name, "expect"))
            good = first(s, SEEN_EXPECT) && IS(value, "100-continue");
        break;
    case 7:
        if (IS(name, "upgrade"))
            s->seen |= SEEN_UPGRADE;
        break;
    case 10:
        if (IS(name, "connection"))
            good = connection(value, &s->seen);
        break;
    case 12:
        if (IS(name, "content-type")) {
            good = first(s, SEEN_CONTENT_TYPE);
            out->content_type = value;
        } else if (IS(name, "x-request-id")) {
            out->request_id = value;
        }
        break;
    case 13:
        if (s->request && IS(name, "authorization")) {
            good = first(s, SEEN_AUTHORIZATION);
            out->authorization = value;
        }
        break;
    case 14:
        if (IS(name, "content-length"))
            good = first(s, SEEN_CONTENT_LENGTH) && content_length(value, &out->content_length);
        break;
    case 17:
        if (IS(name, "transfer-encoding")) {
            good = first(s, SEEN_TRANSFER_ENCODING) && value.n > 0;
            if (!IS(value, "chunked"))
                s->seen |= SEEN_OTHER_CODING;
        }
        break;
    default:
        break;
    }
    return good ? GO_ON : -400;
}

/* field-line = field-name ":" OWS field-value OWS, RFC 9112 §5. A blank before the colon (§5.1) and a folded
 * line (§5.2) fail as names that are no tokens. */
static inline int take_fields(struct parse *s)
{
    vk_head *out = s->out;
    const char *end = s->end;
    uint32_t count = 0;
    for (;;) {
        const char *p = s->p;
        if (p == end)
            return s->more;
        if (*p == '\r') {
            out->n_headers = count;
            return take_crlf(s);
        }
        if (count == VK_HEADERS_MAX)
            return -431;
        vk_str name = {p, 0}, value;
        p = vk_scan_token(p, end);
        name.n = (size_t)(p - name.p);
        if (p == end)
            return s->more;
        if (*p != ':' || name.n == 0)
            return -400;
        do
            p++;
        while (p < end && is_blank(*p));
        value.p = p;
        s->p = p = vk_scan_text(p, end);
        int r = take_crlf(s);
        if (r != GO_ON)
            return r;
        while (p > value.p && is_blank(p[-1]))
            p--;
        value.n = (size_t)(p - value.p);
        if ((r = note_field(s, name, value)) != GO_ON)
            return r;
        out->headers[count++] = (vk_header){name, value};
    }
}

/* The message body length, RFC 9112 §6.3, as far as requests and responses share it. */
static int frame(struct parse *s, vk_framing otherwise)
{
    vk_head *out = s->out;
    bool sized = s->seen & SEEN_CONTENT_LENGTH;
    out->framing = sized ? VK_FRAME_LENGTH : otherwise;
    if (s->seen & SEEN_TRANSFER_ENCODING) {
        /* §6.1: both fields together are an attempt at smuggling; a coding in HTTP/1.0 is faulty framing. */
        if (sized || out->minor == 0)
            return -400;
        if (s->seen & SEEN_OTHER_CODING)
            return -501;
        out->framing = VK_FRAME_CHUNKED;
    }
    return GO_ON;
}

static inline void clear(vk_head *out)
{
    out->method = out->target = out->reason = VK_STR_NONE;
    out->host = out->authorization = out->content_type = out->request_id = VK_STR_NONE;
    out->status = 0;
    out->content_length = 0;
    out->expect_continue = false;
}

/* RFC 9112 §9.3. Upgrade does not exist in HTTP/1.0: RFC 9110 §7.8. */
static inline void persist(struct parse *s)
{
    vk_head *out = s->out;
    bool lasting = out->minor == 1 || (s->seen & SEEN_CONN_KEEP_ALIVE);
    out->keep_alive = lasting && !(s->seen & SEEN_CONN_CLOSE);
    out->upgrade = out->minor == 1 && (s->seen & SEEN_CONN_UPGRADE) && (s->seen & SEEN_UPGRADE);
}

int vk_head_request(const char *p, size_t n, vk_head *out_r)
{
    struct parse s;
    if (!parse_begin(&s, p, n, true, out_r))
        return 0;
    clear(out_r);
    int r = take_request_line(&s);
    if (r != GO_ON || (r = take_fields(&s)) != GO_ON)
        return r;
    if (out_r->minor == 1 && !(s.seen & SEEN_HOST)) /* RFC 9112 §3.2 */
        return -400;
    if ((r = frame(&s, VK_FRAME_NONE)) != GO_ON)
        return r;
    persist(&s);
    /* In HTTP/1.0 it is ignored: RFC 9110 §10.1.1. */
    out_r->expect_continue = out_r->minor == 1 && (s.seen & SEEN_EXPECT);
    return (int)(s.p - p);
}

int vk_head_response(const char *p, size_t n, vk_str method, vk_head *out_r)
{
    struct parse s;
    if (!parse_begin(&s, p, n, false, out_r))
        return 0;
    clear(out_r);
    int r = take_status_line(&s);
    if (r != GO_ON || (r = take_fields(&s)) != GO_ON || (r = frame(&s, VK_FRAME_EOF)) != GO_ON)
        return r;
    persist(&s);

    int status = out_r->status;
    bool never = status < 200 || status == 204;
    if (never || status == 304 || vk_str_eq(method, VK_STR("HEAD"))) {
        /* RFC 9110 §8.6 and RFC 9112 §6.1 forbid 1xx and 204 to announce a body. A peer that does may send it
         * too, and it would be read as the next response. */
        if (never && (out_r->content_length > 0 || out_r->framing == VK_FRAME_CHUNKED))
            out_r->keep_alive = false;
        out_r->framing = VK_FRAME_NONE;
        out_r->content_length = 0; /* what it would have been stands in the field */
    }
    if (out_r->framing == VK_FRAME_EOF)
        out_r->keep_alive = false;
    return (int)(s.p - p);
}

vk_str vk_head_get(const vk_head *h, vk_str name)
{
    for (uint32_t i = 0; i < h->n_headers; i++)
        if (h->headers[i].name.n == name.n && vk_str_ieq(h->headers[i].name, name))
            return h->headers[i].value;
    return VK_STR_NONE;
}
