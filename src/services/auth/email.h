/* E-mail addresses of users: what is taken for one, and the one form by which they are kept and compared.
 * ASCII only: two addresses that look the same must be the same, and we have no rules to fold other letters
 * by. A domain of other letters can be given in its xn-- form. */
#ifndef VK_AUTH_EMAIL_H
#define VK_AUTH_EMAIL_H

#include "core/base.h"

enum { VK_AUTH_EMAIL_MAX = 254, VK_AUTH_LOCAL_MAX = 64 }; /* RFC 5321 §4.5.3.1 */

/* The address in lower case, without blanks around it; with NUL. Its local part is a dot-atom (RFC 5322
 * §3.2.3; no quoted ones), its domain has two labels or more and is no number. VK_E_INVALID. */
VK_MUSTCHECK vk_err vk_auth_email(vk_str text, char out[VK_AUTH_EMAIL_MAX + 1]);
/* An address of Clerk's for tests, "anything+clerk_test@anything": the fixed code is good for it. */
bool vk_auth_email_is_test(vk_str email);

#endif
