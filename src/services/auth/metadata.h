/* Metadata of users: JSON objects that are kept as text. A change is merged the way of Clerk's
 * PATCH /users/{id}/metadata, which is that of JSON Merge Patch (RFC 7396): objects are merged into objects
 * at every level, null takes a member out, everything else replaces what was there, arrays as a whole. Pure.
 *
 * The order of members is kept, new ones come last. Of members of one name the last one counts, as in
 * JavaScript. As deep as its parts at most, so what the JSON reader took (VK_JSON_DEPTH_MAX) it takes again.
 */
#ifndef VK_AUTH_METADATA_H
#define VK_AUTH_METADATA_H

#include "services/auth/params.h"

/* An object as text, in the arena; `o` NULL: "{}". VK_E_TOO_LARGE: more than VK_AUTH_METADATA_MAX.
 * VK_E_NOMEM. */
VK_MUSTCHECK vk_err vk_auth_metadata_text(vk_arena *a, const vk_json *o, vk_str *out_r);
/* `base` (an object as text) with the object `change` merged into it. VK_E_CORRUPT: `base` is none. Others as
 * above. */
VK_MUSTCHECK vk_err vk_auth_metadata_merge(vk_arena *a, vk_str base, const vk_json *change, vk_str *out_r);

#endif
