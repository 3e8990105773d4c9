#include "crypto/sigv4_canon.h"

static const char upper_hex[] = "0123456789ABCDEF";

/* RFC 3986 §2.3, unreserved. */
static const uint8_t unreserved[256] = {
    ['-'] = 1, ['.'] = 1, ['_'] = 1, ['~'] = 1, ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1,
};

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* `text` decoded once and encoded anew at `out`, which has room for three times its length. NULL: a percent
 * sign without two digits. `keep` stands as it is (the slash of a path), `blank` means a blank (the plus of a
 * query); -1: none. */
static char *encode(char *out, vk_str text, int keep, int blank)
{
    if (text.n == 0)
        return out;
    const char *p = text.p, *end = p + text.n;
    while (p < end) {
        unsigned char c = (unsigned char)*p++;
        if (unreserved[c] || c == keep) {
            *out++ = (char)c;
            continue;
        }
        if (c == '%') {
            int hi = end - p >= 2 ? hex_digit(p[0]) : -1, lo = hi >= 0 ? hex_digit(p[1]) : -1;
            if (lo < 0)
                return NULL;
            c = (unsigned char)(hi * 16 + lo);
            p += 2;
            if (unreserved[c]) {
                *out++ = (char)c;
                continue;
            }
        } else if (c == blank) {
            c = ' ';
        }
        *out++ = '%';
        *out++ = upper_hex[c >> 4];
        *out++ = upper_hex[c & 15];
    }
    return out;
}

vk_sigv4_fail vk_sigv4_params_read(vk_arena *a, vk_str query, vk_sigv4_params *out_r)
{
    out_r->n = 0;
    if (query.n == 0)
        return VK_SIGV4_OK;
    char *at = vk_arena_alloc(a, 3 * query.n);
    if (!at)
        return VK_SIGV4_NO_MEMORY;
    while (query.n) {
        vk_str name, value = query;
        if (vk_str_cut(&query, '&', &value) == false)
            query = VK_STR_NONE;
        if (value.n == 0)
            continue;
        if (!vk_str_cut(&value, '=', &name)) {
            name = value;
            value = VK_STR_NONE;
        }
        if (out_r->n == VK_SIGV4_PARAMS_MAX)
            return VK_SIGV4_TOO_MANY;
        vk_sigv4_pair *p = &out_r->at[out_r->n++];
        char *middle = encode(at, name, -1, '+');
        char *end = middle ? encode(middle, value, -1, '+') : NULL;
        if (!end)
            return VK_SIGV4_BAD_TARGET;
        p->name = (vk_str){at, (size_t)(middle - at)};
        p->value = (vk_str){middle, (size_t)(end - middle)};
        at = end;
    }
    return VK_SIGV4_OK;
}

vk_str vk_sigv4_param_decode(vk_arena *a, vk_str encoded)
{
    char *out = vk_arena_alloc(a, encoded.n);
    size_t n = 0;
    if (!out)
        return VK_STR_NONE;
    for (size_t i = 0; i < encoded.n; i++) {
        if (encoded.p[i] == '%') {
            out[n++] = (char)(hex_digit(encoded.p[i + 1]) * 16 + hex_digit(encoded.p[i + 2]));
            i += 2;
        } else {
            out[n++] = encoded.p[i];
        }
    }
    return (vk_str){out, n};
}

static int compare(vk_str a, vk_str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int d = n ? memcmp(a.p, b.p, n) : 0;
    return d ? d : (a.n > b.n) - (a.n < b.n);
}

/* By name, then by value; not by the joined text, where the = would count. Insertion: few, and mostly in
 * order. */
static void sort(vk_sigv4_params *p)
{
    for (uint32_t i = 1; i < p->n; i++) {
        vk_sigv4_pair x = p->at[i];
        uint32_t k = i;
        for (; k; k--) {
            int d = compare(x.name, p->at[k - 1].name);
            if (d > 0 || (d == 0 && compare(x.value, p->at[k - 1].value) >= 0))
                break;
            p->at[k] = p->at[k - 1];
        }
        p->at[k] = x;
    }
}

static char *put(char *out, vk_str s)
{
    if (s.n)
        memcpy(out, s.p, s.n);
    return out + s.n;
}

static char *put_query(char *out, const vk_sigv4_params *p)
{
    bool first = true;
    for (uint32_t i = 0; i < p->n; i++) {
        if (vk_str_eq(p->at[i].name, VK_STR("X-Amz-Signature")))
            continue;
        if (!first)
            *out++ = '&';
        first = false;
        out = put(out, p->at[i].name);
        *out++ = '=';
        out = put(out, p->at[i].value);
    }
    return out;
}

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Without blanks at the ends, and with one for each run inside. */
static char *put_trimmed(char *out, vk_str v)
{
    if (v.n == 0)
        return out;
    const char *p = v.p, *end = p + v.n;
    while (p < end && blank(*p))
        p++;
    while (p < end && blank(end[-1]))
        end--;
    size_t n = (size_t)(end - p);
    if (n == 0 || (!memchr(p, ' ', n) && !memchr(p, '\t', n)))
        return put(out, (vk_str){p, n});
    while (p < end) {
        const char *run = p;
        while (p < end && !blank(*p))
            p++;
        out = put(out, (vk_str){run, (size_t)(p - run)});
        if (p < end)
            *out++ = ' ';
        while (p < end && blank(*p))
            p++;
    }
    return out;
}

/* A token of RFC 9110 §5.6.2, without upper case. */
static const uint8_t name_char[256] = {
    ['0' ... '9'] = 1, ['a' ... 'z'] = 1, ['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1,
    ['&'] = 1,         ['\''] = 1,        ['*'] = 1, ['+'] = 1, ['-'] = 1, ['.'] = 1,
    ['^'] = 1,         ['_'] = 1,         ['`'] = 1, ['|'] = 1, ['~'] = 1,
};

bool vk_sigv4_signed_headers_ok(vk_str list)
{
    vk_str last = VK_STR_NONE;
    for (bool more = list.n > 0; more;) {
        vk_str name;
        more = vk_str_cut(&list, ';', &name);
        if (!more)
            name = list;
        for (size_t i = 0; i < name.n; i++)
            if (!name_char[(unsigned char)name.p[i]])
                return false;
        if (name.n == 0 || compare(name, last) <= 0)
            return false;
        last = name;
    }
    return last.n > 0;
}

static bool begins_x_amz(vk_str name)
{
    return name.n >= 6 && name.p[1] == '-' && vk_str_ieq((vk_str){name.p, 6}, VK_STR("x-amz-"));
}

/* Every header that the list names, in its order, with a mark in `is_signed`; then those that had to be in
 * it. */
static vk_sigv4_fail put_headers(char **out, const vk_sigv4_request *r, vk_str list)
{
    bool is_signed[VK_SIGV4_HEADERS_MAX] = {false}, host = false;
    char *at = *out;
    vk_str names = list;
    for (bool more = true; more;) {
        vk_str name;
        more = vk_str_cut(&names, ';', &name);
        if (!more)
            name = names;
        host |= vk_str_eq(name, VK_STR("host"));
        at = put(at, name);
        *at++ = ':';
        bool found = false;
        for (size_t i = 0; i < r->n_headers; i++) {
            vk_str h = r->headers[i].name;
            if (h.n != name.n || ((h.p[0] ^ name.p[0]) & 0x5f) || ((h.p[h.n - 1] ^ name.p[h.n - 1]) & 0x5f) ||
                !vk_sigv4_name_is(h, name))
                continue;
            if (found)
                *at++ = ',';
            found = is_signed[i] = true;
            at = put_trimmed(at, r->headers[i].value);
        }
        if (!found) /* at once: a long list of invented names must not cost each of them a search */
            return VK_SIGV4_ABSENT_HEADER;
        *at++ = '\n';
    }
    for (size_t i = 0; i < r->n_headers; i++)
        if (!is_signed[i] && begins_x_amz(r->headers[i].name))
            return VK_SIGV4_UNSIGNED_HEADERS;
    *out = at;
    return host ? VK_SIGV4_OK : VK_SIGV4_UNSIGNED_HEADERS;
}

vk_sigv4_fail vk_sigv4_canonical(vk_arena *a, const vk_sigv4_request *r, vk_sigv4_params *p,
                                 vk_str signed_headers, vk_str payload, vk_str *out_r)
{
    if (r->path.n == 0 || r->path.p[0] != '/')
        return VK_SIGV4_BAD_TARGET;
    if (r->n_headers > VK_SIGV4_HEADERS_MAX)
        return VK_SIGV4_TOO_MANY;
    size_t room = r->method.n + 3 * r->path.n + payload.n + 8 + 3 * signed_headers.n;
    for (uint32_t i = 0; i < p->n; i++)
        room += p->at[i].name.n + p->at[i].value.n + 2;
    for (size_t i = 0; i < r->n_headers; i++)
        room += r->headers[i].value.n + 1;
    char *text = vk_arena_alloc(a, room), *at = text;
    if (!text)
        return VK_SIGV4_NO_MEMORY;
    at = put(at, r->method);
    *at++ = '\n';
    at = encode(at, r->path, '/', -1);
    if (!at)
        return VK_SIGV4_BAD_TARGET;
    *at++ = '\n';
    sort(p);
    at = put_query(at, p);
    *at++ = '\n';
    vk_sigv4_fail fail = put_headers(&at, r, signed_headers);
    *at++ = '\n';
    at = put(at, signed_headers);
    *at++ = '\n';
    at = put(at, payload);
    *out_r = (vk_str){text, (size_t)(at - text)};
    return fail;
}
