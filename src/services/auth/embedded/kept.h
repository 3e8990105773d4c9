/* The small things of a build's pool: the nonces of handshakes, the messages that would have been sent, the
 * sealed key of its tokens. */
#ifndef VK_AUTH_KEPT_H
#define VK_AUTH_KEPT_H

#include "core/secret.h"
#include "crypto/digest.h"
#include "services/auth/embedded/auth_db.h"

enum { VK_AUTH_NONCE_MS = 60000, VK_AUTH_OUTBOX_MAX = 200 };

/* Takes out those that are past their time, too. `payload` holds secrets; its page is overwritten when it
 * goes (secure_delete; the -wal keeps older ones until it is used again). VK_E_CONFLICT: there is one of that
 * hash. */
VK_MUSTCHECK vk_err vk_auth_nonce_put(vk_auth_db *db, const uint8_t hash[VK_SHA256], vk_secret payload,
                                      int64_t now_ms);
/* Takes it out: it is good once, in its time. VK_E_NOT_FOUND: unknown, used or too late. Inside of a
 * transaction; the answer waits for its end. */
VK_MUSTCHECK vk_err vk_auth_nonce_take(vk_auth_db *db, vk_arena *a, const uint8_t hash[VK_SHA256],
                                       int64_t now_ms, vk_secret *payload_r);

typedef struct vk_auth_message {
    int64_t n, at_ms;
    vk_str address, what, code; /* the code in clear: the outbox is the mail of a build without mail */
} vk_auth_message;

/* The oldest goes when there are more than VK_AUTH_OUTBOX_MAX. */
VK_MUSTCHECK vk_err vk_auth_outbox_add(vk_auth_db *db, const vk_auth_message *m);
/* Newest first; of one address, or VK_STR_NONE. */
VK_MUSTCHECK vk_err vk_auth_outbox(vk_auth_db *db, vk_arena *a, vk_str address, const vk_auth_message **out_r,
                                   size_t *n_r);

/* The sealed key (crypto/rsa.h). VK_E_CONFLICT: there is one of that id. */
VK_MUSTCHECK vk_err vk_auth_key_add(vk_auth_db *db, vk_str kid, vk_str sealed, int64_t now_ms);
VK_MUSTCHECK vk_err vk_auth_key_get(vk_auth_db *db, vk_arena *a, vk_str kid, vk_str *sealed_r);

#endif
