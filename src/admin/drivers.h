/* Drivers as people choose them: for all new builds (`serve --driver`), for a new one, for one that is there.
 * What a build has at the vendor comes with the choice: names and texts, those of keeper/vendors.h's `own`
 * that are no secret. */
#ifndef VK_ADMIN_DRIVERS_H
#define VK_ADMIN_DRIVERS_H

#include "core/json_write.h"
#include "valetkey/service.h"

enum { VK_RESOURCE_VALUES = 8 /* names in a binding's resource */ };

/* NULL: the service has no such driver, or it is "embedded". */
const vk_driver *vk_driver_find(const vk_service *s, vk_str name);

/* `values`: an object of names and texts; NULL: none. Fills service, driver and resource, whose names stand
 * in order, so that the same choice is the same text; in `a`. VK_E_INVALID: *why_r says what is wrong, with
 * no value in it. Pure. */
VK_MUSTCHECK vk_err vk_driver_choose(vk_arena *a, const vk_service *s, vk_str driver, const vk_json *values,
                                     vk_binding *out_r, const char **why_r);
/* The same out of one text: "stripe", "stripe,account=acct_…" (commas or blanks between). */
VK_MUSTCHECK vk_err vk_driver_parse(vk_arena *a, const vk_service *s, vk_str text, vk_binding *out_r,
                                    const char **why_r);

/* Whether a build needs secret values of its own there, which are entered for a build that is there already.
 */
bool vk_driver_needs_secrets(const char *driver);

/* The name of the value of `b` that names what is one build's alone (keeper/vendors.h), and the value, a
 * view. NULL: there is none. */
const char *vk_driver_alone(const vk_binding *b, vk_str *value_r);
bool vk_driver_says_shared(const vk_binding *b);

/* What keeps builds apart there, for people. NULL: nothing is to be said, the build has its own files. */
const char *vk_driver_isolation(const vk_service *s, const vk_binding *b);
/* The vendor keeps them apart by nothing of its own. */
bool vk_driver_shared(const vk_service *s, const vk_binding *b);

/* The value of the next key: {"<service>":{"driver":…},…}, of registered services, in their order. What a
 * build is not bound to yet is left out. */
void vk_drivers_write(vk_jw *w, const vk_binding *b, size_t n);
/* Members of one binding into an open object. */
void vk_driver_members(vk_jw *w, const vk_service *s, const vk_binding *b);

#endif
