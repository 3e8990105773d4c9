/* WebSocket frames (RFC 6455 §5), the server's side, as pure functions over bytes. Strict: a frame of a
 * client is masked, lengths are written in their shortest form, no extension was agreed on, so no reserved
 * bit is set. */
#ifndef VK_HTTP_WS_FRAME_H
#define VK_HTTP_WS_FRAME_H

#include "core/base.h"

enum {
    VK_WS_NORMAL = 1000, /* close codes, RFC 6455 §7.4.1 */
    VK_WS_AWAY = 1001,
    VK_WS_PROTOCOL = 1002,
    VK_WS_UNSUPPORTED = 1003,
    VK_WS_NO_CODE = 1005, /* never sent: the peer's close frame had none */
    VK_WS_INVALID = 1007,
    VK_WS_POLICY = 1008,
    VK_WS_TOO_LARGE = 1009,
    VK_WS_INTERNAL = 1011,
    VK_WS_RESTART = 1012,   /* IANA's registry of close codes, as 1013 */
    VK_WS_TRY_AGAIN = 1013, /* IANA's registry of close codes */
};

enum {
    VK_WS_CONTINUATION = 0x0,
    VK_WS_TEXT = 0x1,
    VK_WS_BINARY = 0x2,
    VK_WS_CLOSE = 0x8,
    VK_WS_PING = 0x9,
    VK_WS_PONG = 0xA,
};

enum {
    VK_WS_HEAD_MAX = 10,     /* of a frame of ours: it has no mask */
    VK_WS_CONTROL_MAX = 125, /* payload of a control frame */
    VK_WS_REASON_MAX = VK_WS_CONTROL_MAX - 2,
};

typedef enum vk_ws_event {
    VK_WS_MORE,    /* all input was taken */
    VK_WS_PART,    /* *data_r: payload of the message under way */
    VK_WS_MESSAGE, /* the message under way is complete; `text` says which kind it is */
    VK_WS_GOT_PING,
    VK_WS_GOT_PONG,
    VK_WS_GOT_CLOSE, /* *data_r: reason; `code` */
    VK_WS_BAD,       /* close with `code` and `why`; the decoder takes no more input */
} vk_ws_event;

/* Zero it and set `max` to start. */
typedef struct vk_ws_decoder {
    size_t max;     /* bytes of a message; past it VK_WS_TOO_LARGE. May be changed between two calls */
    size_t message; /* bytes of the message under way */
    uint64_t left;  /* payload of the frame under way still to come */
    uint8_t head[14], n_head, opcode, mask_at;
    bool fin, in_frame, in_message, text;
    uint8_t mask[4];
    char control[VK_WS_CONTROL_MAX];
    uint8_t n_control;
    uint16_t code;
    const char *why; /* static */
} vk_ws_decoder;

/* Takes bytes from the front of `p`, which it unmasks in place. *data_r is valid until `p` or the decoder is
 * used again; for a ping and a pong it is the payload. The UTF-8 of messages is the caller's to check, that
 * of a close reason is checked. */
VK_MUSTCHECK vk_ws_event vk_ws_decode(vk_ws_decoder *d, char *p, size_t n, size_t *used_r, vk_str *data_r);

/* Head of an unfragmented frame with `n` bytes of payload; how many bytes it has. */
VK_MUSTCHECK size_t vk_ws_frame_head(uint8_t out[VK_WS_HEAD_MAX], int opcode, uint64_t n);
/* Payload of a close frame: `code` and as much of `reason` as fits in whole characters. How many bytes it
 * has. */
VK_MUSTCHECK size_t vk_ws_close_payload(char out[VK_WS_CONTROL_MAX], int code, vk_str reason);
/* All of `s` is UTF-8. */
bool vk_ws_utf8(vk_str s);

#endif
