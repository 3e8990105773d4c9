/* What the handlers of the Backend API share (backend_*.c): pages, parameters that only they have, users by
 * their ids. On the strand, as all handlers. */
#ifndef VK_AUTH_BACKEND_H
#define VK_AUTH_BACKEND_H

#include "services/auth/call.h"

enum { VK_AUTH_PAGE = 10, VK_AUTH_PAGE_MAX = 500, VK_AUTH_OFFSET_MAX = 1000000000 };

/* ---- parameters: of a GET its query, else its body */

/* `limit` (VK_AUTH_PAGE unless it is given) and `offset`. */
VK_MUSTCHECK vk_auth_fail vk_auth_page(vk_auth_call *c, int64_t *limit_r, int64_t *offset_r);
/* Missing or null is `otherwise`. */
VK_MUSTCHECK vk_auth_fail vk_auth_may_bool(vk_auth_call *c, const char *name, bool otherwise, bool *out_r);
VK_MUSTCHECK vk_auth_fail vk_auth_may_int(vk_auth_call *c, const char *name, int64_t least, int64_t most,
                                          int64_t otherwise, int64_t *out_r);
/* A time that has passed, in RFC 3339's form; *ms_r stays as it is when there is none. */
VK_MUSTCHECK vk_auth_fail vk_auth_may_time(vk_auth_call *c, const char *name, int64_t *ms_r);
/* The texts of a list in the arena; NULL and 0 when there is none. VK_AUTH_F_PARAM_MANY. */
VK_MUSTCHECK vk_auth_fail vk_auth_may_list(vk_auth_call *c, const char *name, size_t most,
                                           const vk_str **out_r, size_t *n_r);
/* A metadata object as text; *there_r: it was given. Null is "{}". VK_AUTH_F_PARAM_LARGE. */
VK_MUSTCHECK vk_auth_fail vk_auth_may_metadata(vk_auth_call *c, const char *name, bool *there_r,
                                               vk_str *out_r);
/* `order_by`: a name of these (NULL ends), with '-' for the other way round, and '+' or nothing. Of several
 * the first counts. *at_r and *ascending_r stay as they are when there is none. */
VK_MUSTCHECK vk_auth_fail vk_auth_may_order(vk_auth_call *c, const char *const names[], size_t *at_r,
                                            bool *ascending_r);
/* `email_address`, in the form in which addresses are kept. VK_AUTH_F_EMAIL_FORMAT. */
VK_MUSTCHECK vk_auth_fail vk_auth_need_email(vk_auth_call *c, char out[VK_AUTH_EMAIL_MAX + 1]);

/* Date and time of RFC 3339 §5.6 as milliseconds since 1970, which it may not be before. VK_E_INVALID. */
VK_MUSTCHECK vk_err vk_auth_rfc3339(vk_str text, int64_t *ms_r);

/* ---- users */

/* VK_AUTH_F_NO_USER: none of that id, or it is none. */
VK_MUSTCHECK vk_auth_fail vk_auth_find_user(vk_auth_call *c, vk_str id, vk_auth_user *out_r);
/* Of the parameter `user_id`. */
VK_MUSTCHECK vk_auth_fail vk_auth_need_user(vk_auth_call *c, vk_auth_user *out_r);
/* Writes the row with a new updated_ms, and the user as the answer. */
VK_MUSTCHECK vk_auth_fail vk_auth_put_user(vk_auth_call *c, vk_auth_user *u);
/* Writes a user as the answer, with what is in the database now. */
VK_MUSTCHECK vk_auth_fail vk_auth_show_user(vk_auth_call *c, const vk_auth_user *u);
/* The address becomes its user's primary one, and is written. */
VK_MUSTCHECK vk_auth_fail vk_auth_make_primary(vk_auth_call *c, vk_auth_email_row *row);

/* ---- answers */

/* Begins and ends a list: an array, or {"data":[…],"total_count":n} when `paginated` is asked for, or always
 * is. VK_AUTH_F_PAGE: it does not fit into one answer. */
bool vk_auth_is_paginated(const vk_auth_call *c);
void vk_auth_list(vk_auth_call *c, bool paginated);
VK_MUSTCHECK vk_auth_fail vk_auth_list_end(vk_auth_call *c, bool paginated, int64_t total);
/* What a list that could not be read means: VK_AUTH_F_PAGE for want of room, else as vk_auth_broke. */
vk_auth_fail vk_auth_list_broke(const vk_auth_call *c, vk_err e);

#endif
