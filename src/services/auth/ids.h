/* The ids of Clerk's objects: a prefix and 27 base62 characters, some 160 bits. A dev browser's id is a
 * credential besides: whoever has it holds its sessions, and it travels in query strings. */
#ifndef VK_AUTH_IDS_H
#define VK_AUTH_IDS_H

#include "core/secret.h"

enum {
    VK_AUTH_ID_BODY = 27,
    VK_AUTH_ID_MAX = 14 + VK_AUTH_ID_BODY, /* bytes of the longest, without NUL */
    VK_AUTH_NONCE = 32,                    /* base62 characters of a handshake's nonce: 190 bits */
    VK_AUTH_SLUG_MAX = 63,                 /* of a build's id, a DNS label */
};

typedef enum vk_auth_kind {
    VK_AUTH_USER,             /* user_ */
    VK_AUTH_SESSION,          /* sess_ */
    VK_AUTH_CLIENT,           /* client_ */
    VK_AUTH_SIGN_UP,          /* sua_ */
    VK_AUTH_SIGN_IN,          /* sia_ */
    VK_AUTH_IDENTIFICATION,   /* idn_: an e-mail address */
    VK_AUTH_DEV_BROWSER,      /* dvb_ */
    VK_AUTH_INVITATION,       /* inv_ */
    VK_AUTH_SIGN_IN_TOKEN,    /* sit_ */
    VK_AUTH_SESSION_ACTIVITY, /* sess_activity_ */
    VK_AUTH_DOMAIN,           /* dmn_ */
    VK_AUTH_MESSAGE,          /* msg_: of a webhook */
    VK_AUTH_KINDS
} vk_auth_kind;

/* A new one, with NUL. */
void vk_auth_id_new(vk_auth_kind kind, char out[VK_AUTH_ID_MAX + 1]);
/* One that follows from 32 bytes that look random (a HMAC), with NUL: the same for the same bytes. */
void vk_auth_id_of(vk_auth_kind kind, const uint8_t bytes[32], char out[VK_AUTH_ID_MAX + 1]);
/* Whether the text could be one: asked before any look-up. */
bool vk_auth_id_is(vk_auth_kind kind, vk_str text);
/* A handshake's nonce, with NUL. */
void vk_auth_nonce_new(char out[VK_AUTH_NONCE + 1]);
bool vk_auth_nonce_is(vk_secret text);
/* "ins_" and the build's id, which is the key id of its tokens too. With NUL. VK_E_INVALID: no build's id. */
VK_MUSTCHECK vk_err vk_auth_instance_id(vk_str build, char out[VK_AUTH_SLUG_MAX + 5]);
/* [a-z0-9]([a-z0-9-]{0,61}[a-z0-9])? */
bool vk_auth_slug_is(vk_str text);

#endif
