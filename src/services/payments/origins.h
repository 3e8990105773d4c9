/* The origins of a build's apps: where events may go. */
#ifndef VK_PAY_ORIGINS_H
#define VK_PAY_ORIGINS_H

#include "core/arena.h"
#include "store/store.h"

enum { VK_PAY_ORIGIN_MAX = 300 };

typedef struct vk_pay_origins {
    const vk_str *at; /* "http://localhost:3000" */
    size_t n;
    bool usual; /* the build has none registered: these are where frameworks serve an app on a developer's
                 * machine. The first is http://localhost:3000 */
} vk_pay_origins;

/* Of what the metadata has of a build; views into it. */
vk_pay_origins vk_pay_origins_of(const vk_build *b);
/* Scheme, host and port of an http or https URL: lower case, without the scheme's own port, as builds
 * register them. VK_E_INVALID: it has another form, or a user, or characters that courier takes in no URL. */
VK_MUSTCHECK vk_err vk_pay_origin_of(vk_str url, char out[VK_PAY_ORIGIN_MAX + 1]);
/* Whether the URL's origin is one of them. */
bool vk_pay_origin_allowed(const vk_pay_origins *o, vk_str url);

#endif
