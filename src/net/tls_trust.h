/* Clients under TLS that believe certificate authorities: whom a process trusts when it connects to others.
 * The peer must have a certificate for the name that was meant (RFC 9525: subjectAltName only, a wildcard is
 * a whole left-most label), issued by an authority that is trusted; TLS 1.3 or 1.2 with ECDHE and an AEAD,
 * ALPN "http/1.1", no renegotiation, no compression, no early data. Nobody is asked whether a certificate was
 * revoked.
 *
 * A trust is made once in a process, before it is fenced: all certificates are read then. It is thread-safe
 * and is shared; a connection belongs to its loop, as does a memory. */
#ifndef VK_NET_TLS_TRUST_H
#define VK_NET_TLS_TRUST_H

#include "net/tls.h"

enum { VK_TLS_MEMORY_MS = 60 * 60 * 1000 }; /* a session is resumed for that long */

typedef struct vk_tls_trust vk_tls_trust;

/* The session to go on with, of one place: its owner zeroes it, and forgets it in the end. It must live as
 * long as the connections that were made with it, and be asked for one host only: who was believed once is
 * not checked again. */
typedef struct vk_tls_memory {
    void *session;
    int64_t born_ms;
} vk_tls_memory;

/* Who is in `ca_file` (PEM); NULL: the system's authorities. VK_E_INVALID: the file cannot be read or has no
 * certificate, `why` is the sentence. A system without authorities: VK_OK with a sentence in `why`, which is
 * empty otherwise, and nobody is believed. VK_E_NOMEM. */
VK_MUSTCHECK vk_err vk_tls_trust_new(const char *ca_file, vk_tls_trust **out_r, char why[VK_TLS_WHY_MAX]);
void vk_tls_trust_free(vk_tls_trust *t);
/* `io`, which is open, is a client's that talks to the holder of a certificate for `host`, a name or an
 * address without brackets, and to nobody else. `m` may be NULL. VK_E_INVALID: the host; VK_E_NOMEM. */
VK_MUSTCHECK vk_err vk_tls_trust_connect(vk_tls_trust *t, vk_io *io, const char *host, vk_tls_memory *m);
void vk_tls_forget(vk_tls_memory *m);

#endif
