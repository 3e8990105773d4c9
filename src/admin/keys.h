/* What calls about keys share with those about a build's own. */
#ifndef VK_ADMIN_KEYS_H
#define VK_ADMIN_KEYS_H

#include "admin/call.h"
#include "services/ask_keeper.h"
#include "keeper/org.h"

enum { VK_KEY_CALL_BODY = VK_SEALED_MAX + 8 * 1024 /* bytes of a request that has a sealed entry */ };

/* The body's {"sealed":…}. False: answered. */
VK_MUSTCHECK bool vk_keys_read_sealed(vk_call *c, vk_str *sealed_r);
/* Keeper's answer, read into the exchange's arena. False: it is an error, or there is none; answered. */
VK_MUSTCHECK bool vk_keys_answered(vk_call *c, vk_err e, const vk_response *r, vk_json **json_r);
/* The body of a call to keeper about one set of values; `sealed` p NULL: none. */
void vk_keys_write_body(vk_buf *out, const char *vendor, const char *build, vk_str sealed, bool replace);

#endif
