/* Drivers as people choose them: for all new builds (`serve --driver`), for a new one, for one that is there.
 * What a build has at the vendor comes with the choice: names and texts, those of keeper/vendors.h's `own`
 * that are no secret. */
#ifndef VK_ADMIN_DRIVERS_H
#define VK_ADMIN_DRIVERS_H

#include "core/json_write.h"
#include "valetkey/service.h"

enum { VK_RESOURCE_VALUES = 8 /* names in a binding's resource that people may give */ };

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

/* Whether a build that is bound so needs secret values of its own there, which are entered for a build that
 * is there already: optional ones where it names something that it has alone (an application at Clerk). */
bool vk_driver_needs_secrets(const vk_binding *b);

/* The name of the value of `b` that names what is one build's alone (keeper/vendors.h), and the value, a
 * view. NULL: there is none. */
const char *vk_driver_alone(const vk_binding *b, vk_str *value_r);
bool vk_driver_says_shared(const vk_binding *b);

/* ---- what keeper makes at the vendor (keeper/provision.h) for a build that brings no values. `delivery`
 * (gateway, or direct where vendor and driver have that) is a value of such a binding */

/* Whether something is to be made, or was: the vendor has a provisioner, and no value that is the build's own
 * is in the binding. Pure, as all of these. */
bool vk_driver_makes(const vk_binding *b);
/* Whether the binding is of no use as it is. */
bool vk_driver_lacks(const vk_service *s, const vk_binding *b);
/* Vendors, "turso+neon", at which the build has something from when it was bound to them: a change of the
 * driver keeps it. VK_STR_NONE: none. */
vk_str vk_driver_kept(const vk_binding *b);
/* Whether keeper must be asked before the build may go. */
bool vk_driver_may_have(const vk_binding *b);
/* The binding with `values` (an object of texts) over its own; the resource in `a`. VK_E_INVALID,
 * VK_E_TOO_LARGE, VK_E_NOMEM. */
VK_MUSTCHECK vk_err vk_driver_fill(vk_arena *a, const vk_binding *b, const vk_json *values,
                                   vk_binding *out_r);
/* Notes in `b` what is kept of how it was before. Errors as of vk_driver_fill. */
VK_MUSTCHECK vk_err vk_driver_keep(vk_arena *a, const vk_binding *before, vk_binding *b);
/* Whether a build that is bound like `had` is what was asked for. */
bool vk_driver_same(const vk_binding *want, const vk_binding *had);

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
