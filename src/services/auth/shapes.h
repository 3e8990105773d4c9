/* Clerk's objects as JSON: what the rows of auth.db look like to the SDKs. Each shape is a table of the
 * members that never change and code for those that do; tests hold them against the samples, member by
 * member. */
#ifndef VK_AUTH_SHAPES_H
#define VK_AUTH_SHAPES_H

#include "core/json_write.h"
#include "services/auth/embedded/attempts.h"
#include "services/auth/embedded/clients.h"
#include "services/auth/embedded/users.h"

/* What every shape of one answer shares. */
typedef struct vk_auth_view {
    vk_str gateway; /* the build's address as browsers see it: pictures are below it */
    int64_t now_ms;
    bool backend; /* the Backend API: private_metadata and its own form of sessions */
} vk_auth_view;

typedef struct vk_auth_person {
    const vk_auth_user *user;
    const vk_auth_email_row *emails; /* the primary one first */
    size_t n_emails;
} vk_auth_person;

typedef struct vk_auth_live {
    const vk_auth_session *session;
    const vk_auth_person *person; /* not looked at for the Backend API */
    vk_secret token;              /* VK_SECRET_NONE: null. The buffer then holds a secret */
} vk_auth_live;

/* Of somebody who is signed in and proves again who they are. */
typedef struct vk_auth_again {
    const vk_auth_attempt *attempt; /* of kind VK_AUTH_A_REVERIFY; NULL: no code was asked for */
    const char *strategy; /* what it was done with, "password" or "email_code"; NULL: it is not yet */
    vk_auth_live session;
} vk_auth_again;

/* A sign-in or sign-up; `person` NULL: nobody is known (a sign-in without an identifier). */
typedef struct vk_auth_try_view {
    const vk_auth_attempt *attempt; /* NULL: null is written */
    const vk_auth_person *person;
} vk_auth_try_view;

/* The address by which somebody is known: their primary one, if it is verified, else the first that is; "".
 */
vk_str vk_auth_identifier(const vk_auth_person *p);
void vk_auth_email_write(vk_jw *w, const vk_auth_view *v, const vk_auth_email_row *e);
void vk_auth_token_write(vk_jw *w, vk_secret jwt);
/* `object`: "user", "email_address". */
void vk_auth_deleted_write(vk_jw *w, const char *object, vk_str id);
void vk_auth_user_write(vk_jw *w, const vk_auth_view *v, const vk_auth_person *p);
void vk_auth_session_write(vk_jw *w, const vk_auth_view *v, const vk_auth_live *s);
/* One of the list of a user's devices: without the user, and never with a token, which is another browser's.
 */
void vk_auth_activity_write(vk_jw *w, const vk_auth_view *v, const vk_auth_session *s,
                            const vk_auth_person *p);
void vk_auth_again_write(vk_jw *w, const vk_auth_view *v, const vk_auth_again *a);
void vk_auth_sign_up_write(vk_jw *w, const vk_auth_view *v, const vk_auth_try_view *t);
void vk_auth_sign_in_write(vk_jw *w, const vk_auth_view *v, const vk_auth_try_view *t);
/* `live`: its active sessions. Attempts that are not open are the caller's to leave out. */
void vk_auth_client_write(vk_jw *w, const vk_auth_view *v, const vk_auth_client *c, const vk_auth_live *live,
                          size_t n, const vk_auth_try_view *sign_in, const vk_auth_try_view *sign_up);

#endif
