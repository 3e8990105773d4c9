#include "http/ws_frame.h"

#include "core/text.h"

static vk_ws_event bad(vk_ws_decoder *d, int code, const char *why)
{
    d->code = (uint16_t)code;
    d->why = why;
    return VK_WS_BAD;
}

/* ---- texts ---- */

bool vk_ws_utf8(vk_str s)
{
    const char *p = s.p, *end = s.p + s.n;
    while (p < end) {
        if (end - p >= 8 && !(vk_load8(p) & VK_BYTES8(0x80))) {
            p += 8;
            continue;
        }
        size_t ignored, n = vk_utf8_seq(p, end, &ignored);
        if (n == 0)
            return false;
        p += n;
    }
    return true;
}

/* ---- heads ---- */

/* Bytes of the head, as far as the ones that are there tell. */
static size_t head_size(const vk_ws_decoder *d)
{
    if (d->n_head < 2)
        return 2;
    uint8_t n = d->head[1] & 0x7F;
    return 2U + (n == 126 ? 2 : n == 127 ? 8 : 0) + 4;
}

static bool is_control(uint8_t opcode)
{
    return opcode & 0x8;
}

/* What the first two bytes alone rule out. */
static const char *refused(const vk_ws_decoder *d)
{
    uint8_t opcode = d->head[0] & 0x0F, n = d->head[1] & 0x7F;
    bool fin = d->head[0] & 0x80;
    if (d->head[0] & 0x70)
        return "A reserved bit is set, but no extension was agreed on";
    if (!(d->head[1] & 0x80))
        return "A client's frame must be masked";
    switch (opcode) {
    case VK_WS_CONTINUATION:
        return d->in_message ? NULL : "A continuation frame without a message to continue";
    case VK_WS_TEXT:
    case VK_WS_BINARY:
        return d->in_message ? "A new message began inside of a fragmented one" : NULL;
    case VK_WS_CLOSE:
    case VK_WS_PING:
    case VK_WS_PONG:
        if (!fin)
            return "A control frame is fragmented";
        return n > VK_WS_CONTROL_MAX ? "A control frame is longer than 125 bytes" : NULL;
    default:
        return "The frame has an unknown opcode";
    }
}

static uint64_t big_endian(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    while (n--)
        v = v << 8 | *p++;
    return v;
}

/* The head is complete. VK_WS_MORE: it is fine. */
static vk_ws_event begin_frame(vk_ws_decoder *d)
{
    uint8_t n = d->head[1] & 0x7F;
    size_t extra = n == 126 ? 2 : n == 127 ? 8 : 0;
    d->left = extra ? big_endian(d->head + 2, extra) : n;
    if ((n == 126 && d->left < 126) || (n == 127 && (d->left < 65536 || d->left >> 63)))
        return bad(d, VK_WS_PROTOCOL, "A frame's length is not in its shortest form");
    memcpy(d->mask, d->head + 2 + extra, sizeof d->mask);
    d->opcode = d->head[0] & 0x0F;
    d->fin = d->head[0] & 0x80;
    d->mask_at = 0;
    d->n_head = 0;
    d->in_frame = true;
    if (is_control(d->opcode)) {
        d->n_control = 0;
        return VK_WS_MORE;
    }
    if (d->opcode != VK_WS_CONTINUATION) {
        d->in_message = true;
        d->text = d->opcode == VK_WS_TEXT;
        d->message = 0;
    }
    if (d->left > d->max || d->message > d->max - d->left)
        return bad(d, VK_WS_TOO_LARGE, "The message is larger than this connection takes");
    d->message += (size_t)d->left;
    return VK_WS_MORE;
}

/* ---- payload ---- */

static void unmask(vk_ws_decoder *d, char *p, size_t n)
{
    uint8_t at = d->mask_at, turned[8];
    for (uint8_t i = 0; i < sizeof turned; i++)
        turned[i] = d->mask[(at + i) & 3];
    size_t i = 0;
    for (; n - i >= 8; i += 8) {
        uint64_t x, m;
        memcpy(&x, p + i, 8);
        memcpy(&m, turned, 8);
        x ^= m;
        memcpy(p + i, &x, 8);
    }
    for (; i < n; i++)
        p[i] = (char)((uint8_t)p[i] ^ turned[i & 7]);
    d->mask_at = (uint8_t)((at + n) & 3);
}

/* RFC 6455 §7.4: what may stand in a close frame. */
static bool code_allowed(int code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

static vk_ws_event end_control(vk_ws_decoder *d, vk_str *data_r)
{
    *data_r = (vk_str){d->control, d->n_control};
    if (d->opcode == VK_WS_PING)
        return VK_WS_GOT_PING;
    if (d->opcode == VK_WS_PONG)
        return VK_WS_GOT_PONG;
    if (d->n_control == 1)
        return bad(d, VK_WS_PROTOCOL, "The close frame has half a code");
    d->code = VK_WS_NO_CODE;
    if (d->n_control == 0)
        return VK_WS_GOT_CLOSE;
    d->code = (uint16_t)big_endian((const uint8_t *)d->control, 2);
    *data_r = (vk_str){d->control + 2, (size_t)d->n_control - 2};
    if (!code_allowed(d->code))
        return bad(d, VK_WS_PROTOCOL, "The close frame has a code that is not allowed there");
    if (!vk_ws_utf8(*data_r))
        return bad(d, VK_WS_INVALID, "The reason in the close frame is not UTF-8");
    return VK_WS_GOT_CLOSE;
}

/* The frame's payload is complete. */
static vk_ws_event end_frame(vk_ws_decoder *d, vk_str *data_r)
{
    d->in_frame = false;
    if (is_control(d->opcode))
        return end_control(d, data_r);
    if (!d->fin)
        return VK_WS_MORE;
    d->in_message = false;
    d->message = 0;
    return VK_WS_MESSAGE;
}

vk_ws_event vk_ws_decode(vk_ws_decoder *d, char *p, size_t n, size_t *used_r, vk_str *data_r)
{
    size_t at = 0;
    vk_ws_event e = VK_WS_MORE;
    *data_r = VK_STR_NONE;
    *used_r = 0;
    if (d->why)
        return VK_WS_BAD;
    while (e == VK_WS_MORE) {
        if (d->in_frame && d->left == 0) {
            e = end_frame(d, data_r);
            continue;
        }
        if (at == n)
            break;
        if (!d->in_frame) {
            d->head[d->n_head++] = (uint8_t)p[at++];
            const char *why = d->n_head == 2 ? refused(d) : NULL;
            if (why)
                e = bad(d, VK_WS_PROTOCOL, why);
            else if (d->n_head >= 2 && d->n_head == head_size(d))
                e = begin_frame(d);
            continue;
        }
        size_t take = n - at < d->left ? n - at : (size_t)d->left;
        unmask(d, p + at, take);
        if (is_control(d->opcode)) {
            memcpy(d->control + d->n_control, p + at, take);
            d->n_control = (uint8_t)(d->n_control + take);
        } else {
            *data_r = (vk_str){p + at, take};
            e = VK_WS_PART;
        }
        d->left -= take;
        at += take;
    }
    *used_r = at;
    return e;
}

/* ---- ours ---- */

size_t vk_ws_frame_head(uint8_t out[VK_WS_HEAD_MAX], int opcode, uint64_t n)
{
    size_t extra = n < 126 ? 0 : n < 65536 ? 2 : 8;
    out[0] = (uint8_t)(0x80 | opcode);
    out[1] = (uint8_t)(extra == 0 ? n : extra == 2 ? 126 : 127);
    for (size_t i = 0; i < extra; i++)
        out[2 + i] = (uint8_t)(n >> (8 * (extra - 1 - i)));
    return 2 + extra;
}

size_t vk_ws_close_payload(char out[VK_WS_CONTROL_MAX], int code, vk_str reason)
{
    size_t n = reason.n < VK_WS_REASON_MAX ? reason.n : VK_WS_REASON_MAX;
    if (n < reason.n) /* not in the middle of a character */
        while (n && ((uint8_t)reason.p[n] & 0xC0) == 0x80)
            n--;
    out[0] = (char)(code >> 8);
    out[1] = (char)(code & 0xFF);
    if (n)
        memcpy(out + 2, reason.p, n);
    return 2 + n;
}
