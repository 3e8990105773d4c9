/* The parameters of a request, whichever way they came: the form of the Frontend API
 * (application/x-www-form-urlencoded, snake_case, objects as JSON text in a value) or the JSON body and the
 * query of the Backend API. One shape for both, so that an endpoint reads a name and not a format.
 *
 * Unknown names are not looked at (the SDKs send more than any server needs). A single value that stands
 * twice is refused, so that what was checked is what is used. Values hold no NUL and are UTF-8. */
#ifndef VK_AUTH_PARAMS_H
#define VK_AUTH_PARAMS_H

#include "core/json_read.h"
#include "core/secret.h"

enum {
    VK_AUTH_PARAMS_MAX = 200,         /* pairs of a form, members of a body */
    VK_AUTH_TEXT_MAX = 256,           /* characters' bytes of a name and the like */
    VK_AUTH_METADATA_MAX = 64 * 1024, /* bytes of one metadata object as JSON */
    VK_AUTH_LIST_MAX = 100,           /* values of a list */
};

typedef struct vk_auth_param {
    vk_str name;
    vk_str text;         /* of a form */
    const vk_json *json; /* of a body; NULL: it is of a form */
} vk_auth_param;

typedef struct vk_auth_params {
    const vk_auth_param *at;
    size_t n;
} vk_auth_params;

/* A form's body or a query. VK_E_INVALID: a bad escape, a NUL, no UTF-8. VK_E_TOO_LARGE: too many. */
VK_MUSTCHECK vk_err vk_auth_params_form(vk_arena *a, vk_str body, vk_auth_params *out_r);
/* A JSON object; an empty body is one without members. Names that stand twice: VK_E_INVALID. */
VK_MUSTCHECK vk_err vk_auth_params_json(vk_arena *a, vk_str body, vk_auth_params *out_r);

/* Whether it stands there at all; JSON null counts (it is what clears a value). */
bool vk_auth_param_there(const vk_auth_params *p, vk_str name);
/* Whether it is JSON null, or the empty text of a form. */
bool vk_auth_param_is_null(const vk_auth_params *p, vk_str name);

/* Each of these: VK_E_NOT_FOUND: it is not there, or null. VK_E_INVALID: it has another type, or stands
 * twice. VK_E_TOO_LARGE. */
VK_MUSTCHECK vk_err vk_auth_param_text(const vk_auth_params *p, vk_str name, size_t most, vk_str *out_r);
VK_MUSTCHECK vk_err vk_auth_param_secret(const vk_auth_params *p, vk_str name, size_t most, vk_secret *out_r);
/* "true", "false", "1", "0" in a form. */
VK_MUSTCHECK vk_err vk_auth_param_bool(const vk_auth_params *p, vk_str name, bool *out_r);
/* least to most, both included; else VK_E_INVALID. */
VK_MUSTCHECK vk_err vk_auth_param_int(const vk_auth_params *p, vk_str name, int64_t least, int64_t most,
                                      int64_t *out_r);
/* A name that stands several times in a form or query (also as "name[]"), an array of texts or one text in a
 * body. At most VK_AUTH_LIST_MAX, each of at most `most` bytes, in the arena. */
VK_MUSTCHECK vk_err vk_auth_param_list(vk_arena *a, const vk_auth_params *p, vk_str name, size_t most,
                                       const vk_str **out_r, size_t *n_r);
/* A JSON object: metadata. VK_E_TOO_LARGE: more than VK_AUTH_METADATA_MAX in a form; a body has its own
 * limit. */
VK_MUSTCHECK vk_err vk_auth_param_object(vk_arena *a, const vk_auth_params *p, vk_str name,
                                         const vk_json **out_r);

#endif
