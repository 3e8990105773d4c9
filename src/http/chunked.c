/* Chunked transfer coding, RFC 9112 §7.1. */
#include "http/head.h"

#include "http/scan.h"

enum { DIGITS_MAX = 15 }; /* 60 bits: a size can be added to another one without care */

/* A size line goes SIZE [EXT_BLANK] [EXT] SIZE_LF; a trailer line goes LINE NAME VALUE LINE_LF. */
enum {
    SIZE, /* 0: where a zeroed decoder starts */
    EXT_BLANK,
    EXT,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    LINE,
    NAME,
    VALUE,
    LINE_LF,
    END_LF,
    DONE,
    BAD,
};

static int after_digit(vk_chunked *c, char ch)
{
    int digit = vk_scan_hex(ch);
    if (digit >= 0) {
        if (c->digits == DIGITS_MAX)
            return BAD;
        c->digits++;
        c->left = c->left << 4 | (unsigned)digit;
        return SIZE;
    }
    if (c->digits == 0)
        return BAD;
    if (ch == '\r')
        return SIZE_LF;
    c->overhead = 1;
    return ch == ';' ? EXT : ch == ' ' || ch == '\t' ? EXT_BLANK : BAD;
}

/* The state after one byte that is not payload. */
static int step(vk_chunked *c, char ch)
{
    switch (c->state) {
    case SIZE:
        return after_digit(c, ch);
    case EXT_BLANK: /* §7.1.1 has blanks before the ';' only, not at the end of the line */
        if (++c->overhead > VK_TRAILERS_MAX)
            return BAD;
        return ch == ';' ? EXT : ch == ' ' || ch == '\t' ? EXT_BLANK : BAD;
    case EXT:
        if (ch == '\r')
            return SIZE_LF;
        return vk_scan_is(ch, VK_SCAN_TEXT) && ++c->overhead <= VK_TRAILERS_MAX ? EXT : BAD;
    case SIZE_LF:
        c->digits = 0;
        c->overhead = 0;
        return ch != '\n' ? BAD : c->left ? DATA : LINE;
    case DATA_CR:
        return ch == '\r' ? DATA_LF : BAD;
    case DATA_LF:
        return ch == '\n' ? SIZE : BAD;
    case LINE:
        if (ch == '\r')
            return END_LF;
        return vk_scan_is(ch, VK_SCAN_TOKEN) && ++c->overhead <= VK_TRAILERS_MAX ? NAME : BAD;
    case NAME:
        if (++c->overhead > VK_TRAILERS_MAX)
            return BAD;
        return ch == ':' ? VALUE : vk_scan_is(ch, VK_SCAN_TOKEN) ? NAME : BAD;
    case VALUE:
        if (++c->overhead > VK_TRAILERS_MAX)
            return BAD;
        return ch == '\r' ? LINE_LF : vk_scan_is(ch, VK_SCAN_TEXT) ? VALUE : BAD;
    case LINE_LF:
        return ch == '\n' && ++c->overhead <= VK_TRAILERS_MAX ? LINE : BAD;
    case END_LF:
        return ch == '\n' ? DONE : BAD;
    default:
        return BAD;
    }
}

vk_chunk vk_chunked_next(vk_chunked *c, vk_str *in, vk_str *data_r)
{
    while (c->state < DONE && in->n > 0) {
        if (c->state == DATA) {
            size_t n = in->n < c->left ? in->n : (size_t)c->left;
            *data_r = (vk_str){in->p, n};
            in->p += n;
            in->n -= n;
            c->left -= n;
            if (c->left == 0)
                c->state = DATA_CR;
            return VK_CHUNK_DATA;
        }
        c->state = (uint8_t)step(c, *in->p);
        in->p++;
        in->n--;
    }
    return c->state == DONE ? VK_CHUNK_END : c->state == BAD ? VK_CHUNK_BAD : VK_CHUNK_MORE;
}
