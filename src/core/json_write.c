#include "core/json_write.h"

#include <float.h>
#include <math.h>

#include "core/text.h"

static inline void comma(vk_jw *w)
{
    if (w->need_comma)
        vk_buf_ch(w->out, ',');
    w->need_comma = true;
}

static void opening(vk_jw *w, char c)
{
    comma(w);
    vk_buf_ch(w->out, c);
    w->need_comma = false;
}

static void closing(vk_jw *w, char c)
{
    vk_buf_ch(w->out, c);
    w->need_comma = true;
}

void vk_jw_obj(vk_jw *w)
{
    opening(w, '{');
}

void vk_jw_obj_end(vk_jw *w)
{
    closing(w, '}');
}

void vk_jw_arr(vk_jw *w)
{
    opening(w, '[');
}

void vk_jw_arr_end(vk_jw *w)
{
    closing(w, ']');
}

void vk_jw_key(vk_jw *w, vk_str key)
{
    comma(w);
    vk_json_quote(w->out, key);
    vk_buf_ch(w->out, ':');
    w->need_comma = false;
}

void vk_jw_str(vk_jw *w, vk_str s)
{
    comma(w);
    vk_json_quote(w->out, s);
}

void vk_jw_i64(vk_jw *w, int64_t v)
{
    comma(w);
    vk_buf_i64(w->out, v);
}

void vk_jw_double(vk_jw *w, double v)
{
    comma(w);
    vk_json_double(w->out, v);
}

void vk_jw_bool(vk_jw *w, bool v)
{
    vk_jw_raw(w, v ? VK_STR("true") : VK_STR("false"));
}

void vk_jw_null(vk_jw *w)
{
    vk_jw_raw(w, VK_STR("null"));
}

void vk_jw_value(vk_jw *w, const vk_json *v)
{
    switch (v->type) {
    case VK_JSON_NULL:
        vk_jw_null(w);
        break;
    case VK_JSON_BOOL:
        vk_jw_bool(w, v->u.b);
        break;
    case VK_JSON_INT:
        vk_jw_i64(w, v->u.i);
        break;
    case VK_JSON_DOUBLE:
        vk_jw_double(w, v->u.d);
        break;
    case VK_JSON_STRING:
        vk_jw_str(w, v->u.s);
        break;
    case VK_JSON_ARRAY:
        vk_jw_arr(w);
        for (const vk_json *x = v->u.child; x; x = x->next)
            vk_jw_value(w, x);
        vk_jw_arr_end(w);
        break;
    case VK_JSON_OBJECT:
        vk_jw_obj(w);
        for (const vk_json *x = v->u.child; x; x = x->next) {
            vk_jw_key(w, x->key);
            vk_jw_value(w, x);
        }
        vk_jw_obj_end(w);
        break;
    }
}

void vk_jw_raw(vk_jw *w, vk_str json)
{
    comma(w);
    vk_buf_str(w->out, json);
}

void vk_jw_kstr(vk_jw *w, const char *key, vk_str s)
{
    vk_jw_key(w, vk_str_z(key));
    vk_jw_str(w, s);
}

void vk_jw_kstr_or_null(vk_jw *w, const char *key, vk_str s)
{
    vk_jw_key(w, vk_str_z(key));
    if (s.p)
        vk_jw_str(w, s);
    else
        vk_jw_null(w);
}

void vk_jw_ki64(vk_jw *w, const char *key, int64_t v)
{
    vk_jw_key(w, vk_str_z(key));
    vk_jw_i64(w, v);
}

void vk_jw_kbool(vk_jw *w, const char *key, bool v)
{
    vk_jw_key(w, vk_str_z(key));
    vk_jw_bool(w, v);
}

/* ---- strings ---- */

/* Past everything that may stand in a JSON string as it is, whole UTF-8 sequences included. *bad_r is how
 * many bytes at the place returned belong together: a broken sequence, or one character to escape. */
static const char *skip_clean(const char *p, const char *end, size_t *bad_r)
{
    for (;;) {
        p = vk_text_skip_plain(p, end);
        *bad_r = 1;
        if (p == end || (unsigned char)*p < 0x80)
            return p;
        size_t n = vk_utf8_seq(p, end, bad_r);
        if (n == 0)
            return p;
        p += n;
    }
}

static void escape(vk_buf *out, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";
    static const char shorts[256] = {
        ['"'] = '"', ['\\'] = '\\', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't', ['\b'] = 'b', ['\f'] = 'f'};
    if (c >= 0x80) {
        vk_buf_lit(out, "\xEF\xBF\xBD");
    } else if (shorts[c]) {
        const char text[2] = {'\\', shorts[c]};
        vk_buf_add(out, text, sizeof text);
    } else {
        const char text[6] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
        vk_buf_add(out, text, sizeof text);
    }
}

static void quote_slow(vk_buf *out, const char *p, const char *end)
{
    while (p < end) {
        size_t bad;
        const char *next = skip_clean(p, end, &bad);
        vk_buf_add(out, p, (size_t)(next - p));
        if (next == end)
            return;
        escape(out, (unsigned char)*next);
        p = next + bad;
    }
}

void vk_json_quote(vk_buf *out, vk_str s)
{
    const char *p = s.n ? s.p : "", *end = p + s.n;
    size_t bad;
    const char *clean = skip_clean(p, end, &bad);
    size_t n = (size_t)(clean - p);
    char *to = vk_buf_room(out, n + 2);
    if (!to)
        return;
    to[0] = '"';
    memcpy(to + 1, p, n);
    to[n + 1] = '"';
    out->n += n + 2;
    if (VK_LIKELY(clean == end))
        return;
    out->n--;
    quote_slow(out, clean, end);
    vk_buf_ch(out, '"');
}

/* ---- numbers ---- */

/* `v` as an integer of at most 2^53 over a power of ten, both exact: reading that back is one correctly
 * rounded division, the one done here, so equality proves it. Digits of this size are farther apart than
 * doubles, so the fewest decimals that pass are the shortest form. False: v needs more digits, or an
 * exponent. */
static bool short_decimal(vk_buf *out, double v)
{
    static const double tens[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    const double most = 9007199254740992.0;
    double m = 0, size = fabs(v);
    size_t k;
    if (size < 1e-5)
        return false;
    for (k = 0; k < VK_COUNT(tens); k++) {
        m = rint(size * tens[k]);
        if (m > most)
            return false;
        if (m / tens[k] == size)
            break;
    }
    if (k == VK_COUNT(tens))
        return false;
    char text[40];
    size_t at = sizeof text;
    uint64_t digits = (uint64_t)m;
    for (size_t i = 0; digits || i <= k; i++) {
        if (i == k && k)
            text[--at] = '.';
        text[--at] = (char)('0' + digits % 10);
        digits /= 10;
    }
    if (v < 0)
        text[--at] = '-';
    vk_buf_add(out, text + at, sizeof text - at);
    return true;
}

/* A decimal as "d.ddde±xx" of printf holds it. */
struct decimal {
    char digits[20];
    int n, exponent; /* value = d.ddd × 10^exponent */
};

static void split(const char *text, struct decimal *out)
{
    out->n = 0;
    for (; *text != 'e'; text++)
        if (*text >= '0' && *text <= '9')
            out->digits[out->n++] = *text;
    while (out->n > 1 && out->digits[out->n - 1] == '0')
        out->n--;
    out->exponent = (int)strtol(text + 1, NULL, 10);
}

/* One more in the last of the digits in front of the exponent. False when that carries out of the first one.
 */
static bool round_up(char *text)
{
    for (char *at = strchr(text, 'e'); at && at > text;) {
        at--;
        if (*at >= '0' && *at <= '8') {
            ++*at;
            return true;
        }
        if (*at == '9')
            *at = '0';
    }
    return false;
}

/* The nearest decimal of that many digits, if it reads back as v. It does if any does, except below a power
 * of two, where doubles lie twice as close as above: there the next one up may be the only one. */
static bool try_digits(char text[40], int digits, double v)
{
    int exponent;
    snprintf(text, 40, "%.*e", digits - 1, v);
    if (strtod(text, NULL) == v)
        return true;
    return frexp(v, &exponent) == 0.5 && round_up(text) && strtod(text, NULL) == v;
}

static void long_double(vk_buf *out, double v)
{
    char text[40];
    struct decimal d;
    /* Every decimal of 15 digits survives in a normal double; one that lost bits may need fewer. */
    int digits = fabs(v) < DBL_MIN ? 1 : 15;
    while (!try_digits(text, digits, fabs(v)) && digits < 17)
        digits++;
    split(text, &d);
    if (v < 0)
        vk_buf_ch(out, '-');
    if (d.exponent < 0 && d.exponent >= -5) {
        vk_buf_add(out, "0.00000", (size_t)(1 - d.exponent));
        vk_buf_add(out, d.digits, (size_t)d.n);
        return;
    }
    int whole = d.exponent >= 0 && d.exponent < d.n ? d.exponent + 1 : 1;
    vk_buf_add(out, d.digits, (size_t)whole);
    if (d.n > whole) {
        vk_buf_ch(out, '.');
        vk_buf_add(out, d.digits + whole, (size_t)(d.n - whole));
    }
    if (d.exponent != whole - 1) {
        vk_buf_ch(out, 'e');
        vk_buf_i64(out, d.exponent);
    }
}

void vk_json_double(vk_buf *out, double v)
{
    if (isnan(v))
        vk_buf_lit(out, "null");
    else if (isinf(v))
        vk_buf_str(out, v > 0 ? VK_STR("1e999") : VK_STR("-1e999"));
    else if (v == 0)
        vk_buf_str(out, signbit(v) ? VK_STR("-0.0") : VK_STR("0"));
    else if (!short_decimal(out, v))
        long_double(out, v);
}
