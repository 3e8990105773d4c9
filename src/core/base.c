#include "core/base.h"

#include <errno.h>

static const struct {
    const char *name;
    int status;
} kinds[] = {
    [VK_OK] = {"ok", 200},
    [VK_AGAIN] = {"again", 503},
    [VK_E_INVALID] = {"invalid", 400},
    [VK_E_UNAUTHORIZED] = {"unauthorized", 401},
    [VK_E_EXPIRED] = {"expired", 401},
    [VK_E_FORBIDDEN] = {"forbidden", 403},
    [VK_E_NOT_FOUND] = {"not_found", 404},
    [VK_E_METHOD] = {"method_not_allowed", 405},
    [VK_E_CONFLICT] = {"conflict", 409},
    [VK_E_TOO_LARGE] = {"too_large", 413},
    [VK_E_MISDIRECTED] = {"misdirected", 421},
    [VK_E_UNPROCESSABLE] = {"unprocessable", 422},
    [VK_E_BUSY] = {"busy", 429},
    [VK_E_UNSUPPORTED] = {"unsupported", 501},
    [VK_E_UNAVAILABLE] = {"unavailable", 503},
    [VK_E_TIMEOUT] = {"timeout", 504},
    [VK_E_IO] = {"io", 500},
    [VK_E_FULL] = {"full", 507},
    [VK_E_NOMEM] = {"out_of_memory", 503},
    [VK_E_CORRUPT] = {"corrupt", 500},
    [VK_E_NEWER] = {"newer_data", 500},
    [VK_E_INTERNAL] = {"internal", 500},
};

int vk_err_status(vk_err e)
{
    return (size_t)e < VK_COUNT(kinds) ? kinds[e].status : 500;
}

const char *vk_err_name(vk_err e)
{
    return (size_t)e < VK_COUNT(kinds) ? kinds[e].name : "internal";
}

static unsigned char lower(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c | 0x20) : c;
}

bool vk_str_ieq(vk_str a, vk_str b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (a.p[i] != b.p[i] && lower((unsigned char)a.p[i]) != lower((unsigned char)b.p[i]))
            return false;
    return true;
}

vk_str vk_str_trim(vk_str s)
{
    while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = (vk_str){s.p + 1, s.n - 1};
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

bool vk_str_cut(vk_str *s, char sep, vk_str *head_r)
{
    const char *at = s->n ? memchr(s->p, sep, s->n) : NULL;
    if (!at)
        return false;
    *head_r = (vk_str){s->p, (size_t)(at - s->p)};
    s->n -= head_r->n + 1;
    s->p = at + 1;
    return true;
}

vk_err vk_str_to_i64(vk_str s, int64_t *out_r)
{
    bool neg = false;
    uint64_t v = 0;
    if (s.n && (s.p[0] == '-' || s.p[0] == '+')) {
        neg = s.p[0] == '-';
        s.p++;
        s.n--;
    }
    if (s.n == 0)
        return VK_E_INVALID;
    uint64_t limit = (uint64_t)INT64_MAX + (neg ? 1 : 0);
    for (size_t i = 0; i < s.n; i++) {
        unsigned d = (unsigned)(unsigned char)s.p[i] - '0';
        if (d > 9 || v > (limit - d) / 10)
            return VK_E_INVALID;
        v = v * 10 + d;
    }
    *out_r = neg ? (int64_t)(0 - v) : (int64_t)v;
    return VK_OK;
}

bool vk_str_eq_secret(vk_str a, vk_str b)
{
    if (a.n != b.n)
        return false;
    volatile uint64_t diff = 0; /* written at every step, so that no step can be left out */
    size_t i = 0;
    for (uint64_t x, y; i + sizeof x <= a.n; i += sizeof x) {
        memcpy(&x, a.p + i, sizeof x);
        memcpy(&y, b.p + i, sizeof y);
        diff = diff | (x ^ y);
    }
    for (; i < a.n; i++)
        diff = diff | (unsigned char)(a.p[i] ^ b.p[i]);
    return diff == 0;
}

/* The C library fills what is longer with "rep stosb", whose beginning alone costs more than such a piece. */
enum { WIPE_PIECE = 1024, WIPE_LONG = 16 * 1024 };

void vk_wipe(void *p, size_t n)
{
    char *at = p;
    while (n > WIPE_PIECE && n <= WIPE_LONG) {
        explicit_bzero(at, WIPE_PIECE);
        at += WIPE_PIECE;
        n -= WIPE_PIECE;
    }
    if (n)
        explicit_bzero(at, n);
}
