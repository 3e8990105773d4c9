#include "keeper/shape.h"

#include "core/encode.h"
#include "keeper/vendors.h"
#include "valet/valet.h"

#include <arpa/inet.h>

enum {
    VALET_TAIL = VK_VALET_BODY + 6,
    VALET_PREFIX_MAX = 16,
    HOST_MAX = 253,
    LABEL_MAX = 63,
};

static const char
    NOTHING[] = "Nothing was entered.",
    TOO_LONG[] = "That is longer than any value of this kind (2048 bytes).",
    BLANK[] = "There is a blank, a line break or an invisible character in it. Copy it again, as one piece.",
    FOREIGN_LETTER[] = "There is a character in it that no key has (not printable ASCII). Copy it again.",
    QUOTES[] = "There are quotes around it. Enter what stands between them.",
    LINE[] = "That is a whole line of an environment file. Enter only what stands behind the =.",
    SEALED[] = "That is an entry that was sealed already (by valetkey keys seal). Enter the value itself.",
    VALET[] = "This is a valet key: valetkey made it, it opens one build here and nothing at the vendor.";

/* What is known of other keys; the first that fits. */
static const vk_shape_other known[] = {
    {.prefix = "sk_org_",
     .why = "This is a key of a whole organization at Stripe: it opens all of its accounts."},
    {.prefix = "rk_org_",
     .why = "This is a key of a whole organization at Stripe: it opens all of its accounts."},
    {.prefix = "ek_test_", .why = "This is an ephemeral key of Stripe, made for one mobile device."},
    {.prefix = "ek_live_", .why = "This is an ephemeral key of Stripe, made for one mobile device."},
    {.prefix = "rk_test_", .why = "This is a restricted key of Stripe."},
    {.prefix = "rk_live_", .why = "This is a restricted key of Stripe, of live mode."},
    {.prefix = "sk_test_5", .why = "This is a secret key of Stripe."},
    {.prefix = "sk_live_5", .why = "This is a secret key of Stripe, of live mode."},
    {.prefix = "pk_test_5", .why = "This is a publishable key of Stripe."},
    {.prefix = "pk_live_5", .why = "This is a publishable key of Stripe, of live mode."},
    {.prefix = "sk_test_", .why = "This is a secret key of Clerk or Stripe."},
    {.prefix = "sk_live_", .why = "This is a secret key of Clerk or Stripe."},
    {.prefix = "pk_test_", .why = "This is a publishable key of Clerk or Stripe."},
    {.prefix = "pk_live_", .why = "This is a publishable key of Clerk or Stripe."},
    {.prefix = "whsec_", .why = "This is the signing secret of a webhook."},
    {.prefix = "we_", .why = "This is the id of a webhook at Stripe, not a key."},
    {.prefix = "acct_", .why = "This is the id of an account at Stripe, not a key."},
    {.prefix = "napi_", .why = "This is an API key of Neon."},
    {.prefix = "eyJ", .why = "This is a token (JWT), as Turso has them."},
    {.prefix = "libsql://", .why = "This is the address of a database, not a key."},
    {.prefix = "postgres://", .why = "This is the address of a database."},
    {.prefix = "postgresql://", .why = "This is the address of a database."},
    {.prefix = "https://", .why = "This is an address, not a key."},
    {.prefix = "http://", .why = "This is an address, not a key."},
    {.prefix = NULL},
};

static bool letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
static bool digit(char c)
{
    return c >= '0' && c <= '9';
}
static bool hex_digit(char c)
{
    return digit(c) || (c >= 'a' && c <= 'f');
}

static const char *other(vk_str v, const vk_shape_other *o)
{
    for (; o && o->prefix; o++)
        if (vk_str_starts(v, vk_str_z(o->prefix)) && (!o->n || v.n == o->n))
            return o->why;
    return NULL;
}

bool vk_shape_is_valet(vk_str v)
{
    char crc[6];
    if (v.n <= VALET_TAIL || v.n > VALET_TAIL + VALET_PREFIX_MAX)
        return false;
    for (size_t i = v.n - VALET_TAIL; i < v.n; i++)
        if (!letter(v.p[i]) && !digit(v.p[i]))
            return false;
    vk_base62_crc(crc, vk_crc32(v.p, v.n - sizeof crc));
    return memcmp(crc, v.p + v.n - sizeof crc, sizeof crc) == 0;
}

/* NAME=… with a name as environment files have them: upper case, with an underscore. Base64 that is padded
 * has a '=' too, at its end. */
static bool is_line(vk_str v)
{
    vk_str name;
    if (!vk_str_cut(&v, '=', &name) || !v.n || !name.n || digit(name.p[0]) || !memchr(name.p, '_', name.n))
        return false;
    for (size_t i = 0; i < name.n; i++)
        if (!(name.p[i] >= 'A' && name.p[i] <= 'Z') && !digit(name.p[i]) && name.p[i] != '_')
            return false;
    return true;
}

/* What no field takes; NULL: none of it. */
static const char *never(vk_str v)
{
    if (!v.n)
        return NOTHING;
    if (v.n > VK_VENDOR_VALUE_MAX)
        return TOO_LONG;
    for (size_t i = 0; i < v.n; i++) {
        unsigned char c = (unsigned char)v.p[i];
        if (c <= ' ' || c == 0x7f)
            return BLANK;
        if (c > 0x7f)
            return FOREIGN_LETTER;
    }
    char first = v.p[0];
    if ((first == '"' || first == '\'' || first == '`') && v.p[v.n - 1] == first)
        return QUOTES;
    if (vk_str_starts(v, VK_STR("sealed:")))
        return SEALED;
    if (vk_shape_is_valet(v))
        return VALET;
    return is_line(v) ? LINE : NULL;
}

bool vk_shape_plain_ok(vk_str v, const char **why_r)
{
    const char *why = never(v);
    if (why)
        *why_r = why;
    return !why;
}

/* Has one of the beginnings that it must have. */
static bool begins(vk_str v, const vk_shape *s)
{
    for (const char *const *p = s->prefixes; p && *p; p++)
        if (vk_str_starts(v, vk_str_z(*p)))
            return true;
    return false;
}

static bool fits(vk_str v, const vk_shape *s)
{
    if (v.n < s->least || v.n > s->most)
        return false;
    for (size_t i = 0; i < v.n; i++)
        if (s->hex ? !hex_digit(v.p[i])
                   : !letter(v.p[i]) && !digit(v.p[i]) && !(s->also && strchr(s->also, v.p[i])))
            return false;
    return true;
}

bool vk_shape_ok(vk_str v, const vk_shape *s, const char **why_r)
{
    const char *why = never(v);
    if (!why)
        why = other(v, s->others);
    bool begun = begins(v, s);
    if (!why && !begun) /* what has the field's own beginning is nothing else */
        why = other(v, known);
    if (!why && (begun || !s->prefixes) && fits(v, s))
        return true;
    *why_r = why ? why : s->why;
    return false;
}

/* ---- hosts */

static bool name_ok(vk_str host)
{
    size_t label = 0;
    if (!host.n || host.n > HOST_MAX)
        return false;
    for (size_t i = 0; i < host.n; i++) {
        char c = host.p[i];
        if (c == '.') {
            if (!label || host.p[i - 1] == '-')
                return false;
            label = 0;
        } else if (!(letter(c) || digit(c) || (c == '-' && label)) || ++label > LABEL_MAX)
            return false;
    }
    return label && host.p[host.n - 1] != '-';
}

/* A last label that begins with a digit is read as an address by some and as a name by others. */
static bool numeric(vk_str host)
{
    size_t at = host.n;
    while (at && host.p[at - 1] != '.')
        at--;
    return at < host.n && digit(host.p[at]);
}

static bool address_ok(int family, vk_str host, bool *loopback_r)
{
    char text[INET6_ADDRSTRLEN];
    unsigned char bytes[sizeof(struct in6_addr)];
    if (!host.n || host.n >= sizeof text)
        return false;
    memcpy(text, host.p, host.n);
    text[host.n] = '\0';
    if (inet_pton(family, text, bytes) != 1)
        return false;
    *loopback_r = family == AF_INET ? bytes[0] == 127 : memcmp(bytes, &in6addr_loopback, sizeof bytes) == 0;
    return true;
}

static bool port_ok(vk_str port)
{
    int64_t n = 0;
    for (size_t i = 0; i < port.n; i++)
        if (!digit(port.p[i]))
            return false;
    return port.n && port.n <= 5 && vk_str_to_i64(port, &n) == VK_OK && n >= 1 && n <= 65535;
}

bool vk_shape_host_ok(vk_str text, bool *loopback_r)
{
    vk_str host = text, port = VK_STR_NONE;
    bool loopback = false, ok, ported = false;
    if (text.n && text.p[0] == '[') {
        const char *end = memchr(text.p, ']', text.n);
        if (!end)
            return false;
        host = (vk_str){text.p + 1, (size_t)(end - text.p) - 1};
        port = (vk_str){end + 1, (size_t)(text.p + text.n - end) - 1};
        ported = port.n > 0;
        if (ported && *port.p != ':')
            return false;
        if (ported)
            port = (vk_str){port.p + 1, port.n - 1};
        ok = address_ok(AF_INET6, host, &loopback);
    } else {
        const char *colon = text.n ? memchr(text.p, ':', text.n) : NULL;
        ported = colon != NULL;
        if (ported) {
            host.n = (size_t)(colon - text.p);
            port = (vk_str){colon + 1, text.n - host.n - 1};
        }
        ok = numeric(host) ? address_ok(AF_INET, host, &loopback) : name_ok(host);
        loopback = loopback || vk_str_ieq(host, VK_STR("localhost"));
    }
    if (!ok || (ported && !port_ok(port)))
        return false;
    *loopback_r = loopback;
    return true;
}

bool vk_shape_bucket_ok(vk_str v, const char **why_r)
{
    bool ok = vk_shape_plain_ok(v, why_r);
    if (!ok)
        return false;
    ok =
        v.n >= 3 && v.n <= 63 && v.p[0] != '.' && v.p[0] != '-' && v.p[v.n - 1] != '.' && v.p[v.n - 1] != '-';
    for (size_t i = 0; ok && i < v.n; i++)
        ok = digit(v.p[i]) || (v.p[i] >= 'a' && v.p[i] <= 'z') || v.p[i] == '-' ||
             (v.p[i] == '.' && v.p[i - 1] != '.');
    if (!ok)
        *why_r = "The name of a bucket has 3 to 63 small letters, digits, - and . and nothing else.";
    return ok;
}
