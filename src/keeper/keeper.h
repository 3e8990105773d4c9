/* What keeper answers on the socketpair. It has no other way in.
 *   GET /healthz    200, JSON {"status":"ok","role":"keeper"}
 *   GET /v1/status  200, JSON {"key_source":…,"beside_data":…}: where the key-encryption key comes from
 *   GET /v1/master  200, application/octet-stream: kid as u32 big-endian, then the 32 bytes of the master.
 * For front, once at its start; both sides wipe their buffers. Anything else is 404; a body is refused. */
#ifndef VK_KEEPER_H
#define VK_KEEPER_H

#include "http/server.h"
#include "keeper/vault.h"

enum { VK_MASTER_WIRE = 4 + VK_MASTER };

/* The server's ctx is a vk_vault. */
extern const vk_handler vk_keeper_handler;

#endif
