#include "core/json_read.h"

#include <math.h>

#include "core/text.h"

enum { NODES = 16, NUMBER_COPY = 64, EXACT_DIGITS = 18 };

struct level {
    vk_json *node; /* the open array or object; NULL at the bottom */
    vk_json **tail;
};

struct reader {
    vk_arena *a;
    const char *p, *end, *start;
    const char *error;
    vk_json *node, *node_end; /* nodes of the current block that are still free */
    vk_str key;               /* of the value that comes next */
    vk_json *root;
    unsigned depth;
    bool opened; /* the last value was the opening of an array or object */
    struct level levels[VK_JSON_DEPTH_MAX + 1];
};

static vk_err refuse(struct reader *r, const char *error)
{
    r->error = error;
    return VK_E_INVALID;
}

/* The next byte that is no white space, not consumed; -1 at the end. */
static inline int peek(struct reader *r)
{
    while (r->p < r->end) {
        unsigned char c = (unsigned char)*r->p;
        if (VK_LIKELY(c > ' '))
            return c;
        if (c != ' ' && c != '\n' && c != '\r' && c != '\t')
            return c;
        r->p++;
    }
    return -1;
}

static vk_json *node_new(struct reader *r)
{
    if (r->node == r->node_end) {
        vk_json *block = vk_arena_alloc(r->a, NODES * sizeof *block);
        if (!block)
            return NULL;
        r->node = block;
        r->node_end = block + NODES;
    }
    return r->node++;
}

/* ---- strings ---- */

static int hex4(const char *p)
{
    unsigned v = 0;
    for (int i = 0; i < 4; i++) {
        unsigned char c = (unsigned char)p[i];
        unsigned d = c - '0';
        if (d > 9) {
            d = (c | 0x20u) - 'a';
            if (d > 5)
                return -1;
            d += 10;
        }
        v = v << 4 | d;
    }
    return (int)v;
}

static size_t utf8_put(char *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xC0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xE0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3F));
        out[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3F));
    out[2] = (char)(0x80 | (c >> 6 & 0x3F));
    out[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

/* `p` is behind "\u". Writes the character, with its second half when it is a surrogate pair; NULL when
 * wrong. */
static const char *unescape_u(const char *p, const char *end, char **out)
{
    int hi = end - p >= 4 ? hex4(p) : -1;
    if (hi < 0 || (hi >= 0xDC00 && hi <= 0xDFFF))
        return NULL;
    p += 4;
    uint32_t c = (uint32_t)hi;
    if (hi >= 0xD800 && hi <= 0xDBFF) {
        int lo = end - p >= 6 && p[0] == '\\' && p[1] == 'u' ? hex4(p + 2) : -1;
        if (lo < 0xDC00 || lo > 0xDFFF)
            return NULL;
        p += 6;
        c = 0x10000 + ((c - 0xD800) << 10) + ((uint32_t)lo - 0xDC00);
    }
    *out += utf8_put(*out, c);
    return p;
}

static char escaped(char c)
{
    switch (c) {
    case '"':
    case '\\':
    case '/':
        return c;
    case 'n':
        return '\n';
    case 't':
        return '\t';
    case 'r':
        return '\r';
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    default:
        return '\0';
    }
}

/* Copies until the next backslash. Whole words are stored and only the clean part is kept: what was written
 * never is longer than what was read, so a store of eight stays inside `out` as long as eight are left to
 * read. */
static const char *copy_run(const char *p, const char *end, char **out)
{
    while (end - p >= 8) {
        uint64_t slash = vk_load8(p) ^ VK_BYTES8('\\');
        uint64_t hit = (slash - VK_BYTES8(1)) & ~slash & VK_BYTES8(0x80);
        size_t n = hit ? vk_first8(hit) : 8;
        memcpy(*out, p, 8);
        *out += n;
        p += n;
        if (hit)
            return p;
    }
    while (p < end && *p != '\\')
        *(*out)++ = *p++;
    return p;
}

static vk_err unescape(struct reader *r, const char *p, const char *end, vk_str *out_r)
{
    char *copy = vk_arena_alloc(r->a, (size_t)(end - p)), *out = copy;
    if (!copy)
        return VK_E_NOMEM;
    while ((p = copy_run(p, end, &out)) < end) {
        const char *at = p;
        if (p[1] == 'u') {
            p = unescape_u(p + 2, end, &out);
        } else {
            *out = escaped(p[1]);
            p = *out++ ? p + 2 : NULL;
        }
        if (!p) {
            r->p = at;
            return refuse(r, "a string has an escape that is not valid");
        }
    }
    *out_r = (vk_str){copy, (size_t)(out - copy)};
    return VK_OK;
}

/* r->p is behind the opening quote. */
static vk_err string(struct reader *r, vk_str *out_r)
{
    const char *start = r->p, *p = start;
    bool escapes = false;
    for (;;) {
        p = vk_text_skip_plain(p, r->end);
        if (VK_UNLIKELY(p == r->end)) {
            r->p = p;
            return refuse(r, "the text ends inside a string");
        }
        if (VK_LIKELY(*p == '"'))
            break;
        if (*p == '\\') {
            escapes = true;
            p += r->end - p >= 2 ? 2 : 1;
            continue;
        }
        size_t bad, n = (unsigned char)*p < 0x20 ? 0 : vk_utf8_seq(p, r->end, &bad);
        if (n == 0) {
            r->p = p;
            return refuse(r, (unsigned char)*p < 0x20 ? "a string has a control character that is not escaped"
                                                      : "a string is not valid UTF-8");
        }
        p += n;
    }
    r->p = p + 1;
    if (escapes)
        return unescape(r, start, p, out_r);
    *out_r = (vk_str){start, (size_t)(p - start)};
    return VK_OK;
}

/* ---- numbers ---- */

struct number {
    const char *start, *end;
    uint64_t
        digits; /* all digits before the exponent as one integer; only of use when n_digits <= EXACT_DIGITS */
    size_t n_digits;      /* without leading zeros */
    size_t decimals;      /* digits behind the point */
    bool negative, plain; /* plain: neither fraction nor exponent */
};

static const char *digits(const char *p, const char *end, struct number *n)
{
    unsigned d;
    while (p < end && (d = (unsigned)(unsigned char)*p - '0') <= 9) {
        n->digits = n->digits * 10 + d;
        if (n->n_digits || d)
            n->n_digits++;
        p++;
    }
    return p;
}

static double slow_double(const struct number *n, vk_err *e)
{
    char small[NUMBER_COPY];
    size_t len = (size_t)(n->end - n->start);
    char *copy = len < sizeof small ? small : malloc(len + 1);
    if (!copy) {
        *e = VK_E_NOMEM;
        return 0;
    }
    memcpy(copy, n->start, len);
    copy[len] = '\0';
    double d = strtod(copy, NULL);
    if (copy != small)
        free(copy);
    return d;
}

/* Digits and power of ten that are both exact as doubles need one correctly rounded operation (W. D. Clinger,
 * "How to read floating point numbers accurately", 1990). */
static bool fast_double(const struct number *n, int64_t exponent, double *out)
{
    static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                  1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (n->n_digits > EXACT_DIGITS || n->digits > UINT64_C(1) << 53 || n->decimals > 1000)
        return false;
    exponent -= (int64_t)n->decimals;
    if (exponent < -22 || exponent > 22)
        return false;
    double d = (double)n->digits;
    d = exponent < 0 ? d / tens[-exponent] : d * tens[exponent];
    *out = n->negative ? -d : d;
    return true;
}

/* r->p is behind 'e'. The exponent's value is held at ±100000, far outside of what a double has. */
static vk_err read_exponent(struct reader *r, int64_t *out)
{
    bool negative = false;
    if (r->p < r->end && (*r->p == '+' || *r->p == '-'))
        negative = *r->p++ == '-';
    const char *first = r->p;
    int64_t v = 0;
    for (; r->p < r->end && *r->p >= '0' && *r->p <= '9'; r->p++)
        v = v < 100000 ? v * 10 + (*r->p - '0') : 100000;
    if (r->p == first)
        return refuse(r, "a number has no digits in its exponent");
    *out = negative ? -v : v;
    return VK_OK;
}

static vk_err read_tail(struct reader *r, struct number *n, int64_t *exponent)
{
    if (*r->p == '.') {
        const char *first = ++r->p;
        r->p = digits(r->p, r->end, n);
        n->decimals = (size_t)(r->p - first);
        n->plain = false;
        if (r->p == first)
            return refuse(r, "a number has no digits behind its point");
    }
    if (r->p < r->end && (*r->p | 0x20) == 'e') {
        r->p++;
        n->plain = false;
        return read_exponent(r, exponent);
    }
    return VK_OK;
}

static vk_err number(struct reader *r, vk_json *v)
{
    struct number n = {.start = r->p, .plain = true};
    int64_t exponent = 0;
    vk_err e = VK_OK;
    if (*r->p == '-') {
        n.negative = true;
        r->p++;
    }
    const char *first = r->p;
    r->p = digits(first, r->end, &n);
    if (r->p == first)
        return refuse(r, "a sign without a number");
    if (*first == '0' && r->p - first > 1) {
        r->p = first;
        return refuse(r, "a number begins with 0");
    }
    if (r->p < r->end && (*r->p == '.' || (*r->p | 0x20) == 'e') &&
        (e = read_tail(r, &n, &exponent)) != VK_OK)
        return e;
    n.end = r->p;
    if (VK_LIKELY(n.plain && n.n_digits <= EXACT_DIGITS && (n.digits || !n.negative))) {
        v->type = VK_JSON_INT;
        v->u.i = n.negative ? -(int64_t)n.digits : (int64_t)n.digits;
        return VK_OK;
    }
    v->type = VK_JSON_DOUBLE;
    if (!fast_double(&n, exponent, &v->u.d))
        v->u.d = slow_double(&n, &e);
    return e;
}

/* ---- values ---- */

static vk_err word(struct reader *r, vk_json *v)
{
    static const struct {
        vk_str text;
        vk_json_type type;
        bool b;
    } words[] = {{{"true", 4}, VK_JSON_BOOL, true},
                 {{"false", 5}, VK_JSON_BOOL, false},
                 {{"null", 4}, VK_JSON_NULL, false}};
    for (size_t i = 0; i < VK_COUNT(words); i++) {
        if (!vk_str_starts((vk_str){r->p, (size_t)(r->end - r->p)}, words[i].text))
            continue;
        r->p += words[i].text.n;
        v->type = words[i].type;
        v->u.b = words[i].b;
        return VK_OK;
    }
    return refuse(r, "expected a value");
}

static vk_err open_level(struct reader *r, vk_json *v)
{
    if (r->depth == VK_JSON_DEPTH_MAX)
        return refuse(r, "nested too deeply");
    v->type = *r->p++ == '{' ? VK_JSON_OBJECT : VK_JSON_ARRAY;
    v->u.child = NULL;
    r->levels[++r->depth] = (struct level){v, &v->u.child};
    r->opened = true;
    return VK_OK;
}

static vk_err value(struct reader *r)
{
    int c = peek(r);
    if (c < 0)
        return refuse(r, "the text ends where a value is expected");
    vk_json *v = node_new(r);
    if (!v)
        return VK_E_NOMEM;
    struct level *in = &r->levels[r->depth];
    *in->tail = v;
    in->tail = &v->next;
    if (in->node)
        in->node->count++;
    v->next = NULL;
    v->key = r->key;
    v->count = 0;
    r->opened = false;
    if (c == '"') {
        r->p++;
        v->type = VK_JSON_STRING;
        return string(r, &v->u.s);
    }
    if (c == '{' || c == '[')
        return open_level(r, v);
    if (c == '-' || (c >= '0' && c <= '9'))
        return number(r, v);
    return word(r, v);
}

static vk_err member_key(struct reader *r)
{
    if (peek(r) != '"')
        return refuse(r, "expected a member's name in quotes");
    r->p++;
    vk_err e = string(r, &r->key);
    if (e != VK_OK)
        return e;
    if (peek(r) != ':')
        return refuse(r, "expected a colon behind a member's name");
    r->p++;
    return VK_OK;
}

/* From behind a value to where the next one begins: closes what ends here, takes the comma and the name.
 * *more_r is false when the outermost value is complete. */
static vk_err advance(struct reader *r, bool *more_r)
{
    bool first = r->opened;
    while (r->depth) {
        bool object = r->levels[r->depth].node->type == VK_JSON_OBJECT;
        int c = peek(r);
        if (c == (object ? '}' : ']')) {
            r->p++;
            r->depth--;
            first = false;
            continue;
        }
        if (!first && c != ',')
            return refuse(r, c < 0    ? "the text ends inside an array or object"
                             : object ? "expected a comma or } behind a member"
                                      : "expected a comma or ] behind an element");
        if (!first)
            r->p++;
        r->key = VK_STR_NONE;
        *more_r = true;
        return object ? member_key(r) : VK_OK;
    }
    *more_r = false;
    return VK_OK;
}

static vk_err document(struct reader *r)
{
    bool more = true;
    while (more) {
        vk_err e = value(r);
        if (e == VK_OK)
            e = advance(r, &more);
        if (e != VK_OK)
            return e;
    }
    return peek(r) < 0 ? VK_OK : refuse(r, "there is text behind the value");
}

vk_err vk_json_parse(vk_arena *a, vk_str text, vk_json **out_r, const char **error_r, size_t *at_r)
{
    struct reader r;
    r.a = a;
    r.p = r.start = text.n ? text.p : "";
    r.end = r.start + text.n;
    r.error = "out of memory";
    r.node = r.node_end = r.root = NULL;
    r.key = VK_STR_NONE;
    r.depth = 0;
    r.opened = false;
    r.levels[0] = (struct level){NULL, &r.root};
    vk_err e = document(&r);
    if (e == VK_OK) {
        *out_r = r.root;
        return VK_OK;
    }
    if (error_r)
        *error_r = r.error;
    if (at_r)
        *at_r = (size_t)(r.p - r.start);
    return e;
}

const vk_json *vk_json_get(const vk_json *o, vk_str key)
{
    const vk_json *found = NULL;
    if (!o || o->type != VK_JSON_OBJECT)
        return NULL;
    for (const vk_json *v = o->u.child; v; v = v->next)
        if (vk_str_eq(v->key, key))
            found = v;
    return found;
}

const vk_json *vk_json_opt(const vk_json *o, vk_str key)
{
    const vk_json *v = vk_json_get(o, key);
    return v && v->type != VK_JSON_NULL ? v : NULL;
}

vk_str vk_json_str(const vk_json *v)
{
    return v && v->type == VK_JSON_STRING ? v->u.s : VK_STR_NONE;
}

vk_err vk_json_i64(const vk_json *v, int64_t *out_r)
{
    if (v && v->type == VK_JSON_INT) {
        *out_r = v->u.i;
        return VK_OK;
    }
    const double most = 9007199254740992.0;
    if (!v || v->type != VK_JSON_DOUBLE || !(v->u.d >= -most && v->u.d <= most) || v->u.d != trunc(v->u.d))
        return VK_E_INVALID;
    *out_r = (int64_t)v->u.d;
    return VK_OK;
}
