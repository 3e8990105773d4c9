/* What sign-ups and sign-ins share: finding one, storing it, its code, what its JSON shows of somebody.
 * Between attempt.c, sign_up.c, sign_in.c and ticket.c; what others need is in call.h. */
#ifndef VK_AUTH_ATTEMPT_H
#define VK_AUTH_ATTEMPT_H

#include "services/auth/call.h"

enum {
    VK_AUTH_IDENTIFIER_MAX = 320, /* bytes of what somebody typed for an address */
    VK_AUTH_CODE_TEXT_MAX = 64,
    VK_AUTH_TICKET_TEXT_MAX = 512,
};

/* The attempt that the path names. VK_AUTH_F_NO_ATTEMPT: none of this client, or past its time. One that is
 * complete is found. */
VK_MUSTCHECK vk_auth_fail vk_auth_attempt_here(vk_auth_call *c, vk_auth_attempt *out_r);
/* A new one with nothing in it; nothing is stored. */
vk_auth_attempt vk_auth_attempt_new(const vk_auth_call *c, vk_auth_akind kind);
/* Stores a new one, as the current one of its kind of the browser's client, which is made if there is none.
 */
VK_MUSTCHECK vk_auth_fail vk_auth_attempt_start(vk_auth_call *c, vk_auth_attempt *a);
/* Stores what has changed. */
VK_MUSTCHECK vk_auth_fail vk_auth_attempt_save(vk_auth_call *c, vk_auth_attempt *a);
/* The answer. */
VK_MUSTCHECK vk_auth_fail vk_auth_attempt_write(vk_auth_call *c, const vk_auth_attempt *a);

/* A parameter of the body that may be missing: VK_SECRET_NONE then. */
VK_MUSTCHECK vk_auth_fail vk_auth_may_secret(vk_auth_call *c, const char *name, size_t most,
                                             vk_secret *out_r);

/* The same work and the same answers as vk_auth_send_code and vk_auth_try_code, where there is nobody who
 * could be right: no code goes out, and `what` tells the outbox why; no code is right, 424242 neither. */
VK_MUSTCHECK vk_auth_fail vk_auth_send_nothing(vk_auth_call *c, vk_auth_verification *v, vk_str address,
                                               const char *what);
VK_MUSTCHECK vk_auth_fail vk_auth_try_nothing(vk_auth_call *c, vk_auth_verification *v, vk_str address,
                                              vk_secret code);

/* What a code is for: "<id>:<strategy>". Fits VK_AUTH_ABOUT_MAX. */
typedef struct vk_auth_code_about {
    char text[VK_AUTH_ID_MAX + 1 + VK_AUTH_STRATEGY_MAX + 1];
} vk_auth_code_about;
vk_auth_code_about vk_auth_about_code(const vk_auth_attempt *a, const char *strategy);

/* The id that stands for an address where it is not to be told whether somebody has it: always the same. */
void vk_auth_address_mask(const vk_auth_call *c, const char *address, char out[VK_AUTH_ID_MAX + 1]);

/* ---- ticket.c */

/* A ticket by its text. VK_AUTH_F_TICKET: none, which counts as a guess. */
VK_MUSTCHECK vk_auth_fail vk_auth_ticket_find(vk_auth_call *c, vk_secret text, vk_auth_ticket *out_r);
/* VK_AUTH_F_OK: it may still be used; else what became of it. */
VK_MUSTCHECK vk_auth_fail vk_auth_ticket_usable(const vk_auth_call *c, const vk_auth_ticket *t);
/* It has been used, by that user. */
VK_MUSTCHECK vk_auth_fail vk_auth_ticket_accept(vk_auth_call *c, vk_auth_ticket *t, const char *user);

#endif
