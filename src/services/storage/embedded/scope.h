/* From the keys and prefixes that a client sends to those that are stored, and back. Pure; used by every
 * operation on every key that enters: paths, copy sources, POST keys after substitution, each key of
 * DeleteObjects, prefixes, markers. Keys come here after exactly one percent-decoding.
 *
 * A build has an index of its own, so no stored key can reach another build. What is left to decide is what
 * the client sees, and it is this: a client may write the build's prefix "builds/<id>/" (R2_PREFIX) in front
 * of every key or of none. Both are the same object: "builds/<id>/a" and "a" are stored as "a", and an answer
 * names keys in the form of the request. So an app that respects R2_PREFIX and one that ignores it see the
 * bucket of their own that they expect, also when its server and its browser code differ in this, and what
 * moves to the owner's bucket later has no name of ours in it unless the app's own has.
 *
 * Everything else that begins with "builds/" is refused, whether it exists or not: it is the space of other
 * builds in a shared (brokered) bucket, and must behave alike here. A key whose rest begins with the build's
 * own prefix once more is refused too, because its plain form would mean another object. The prefix alone, a
 * folder marker that some tools write, is stored as "" and shown in the prefixed form only. */
#ifndef VK_STORAGE_SCOPE_H
#define VK_STORAGE_SCOPE_H

#include "services/storage/embedded/objects.h"

typedef struct vk_ob_scoped {
    bool prefixed; /* the client writes "builds/<id>/" */
    vk_str key;    /* as it is stored; a part of what was given */
} vk_ob_scoped;

enum { VK_OB_SCOPE_MAX = 64 };

/* 1 to 1,024 bytes of UTF-8 without NUL, no segment "." or ".." between slashes. VK_OB_KEY_TOO_LONG,
 * VK_OB_BAD_KEY, VK_OB_OUTSIDE. `build` is a valid build id. */
VK_MUSTCHECK vk_ob_err vk_ob_scope(const char *build, vk_str key, vk_ob_scoped *out_r);

/* What a listing asks for, and how its answer is written. */
typedef struct vk_ob_scoped_list {
    bool prefixed;        /* keys of the answer get the build's prefix in front */
    vk_str prefix, after; /* as stored */
    bool nothing;         /* the marker is behind all there is */
    bool skip_empty;      /* for vk_ob_list: the key "" is not shown */
    vk_str folder; /* not empty: the delimiter cuts within the build's own prefix, so the answer is this one
                    * common prefix if there is any key at all, and it is > the marker; in `room` */
    char room[VK_OB_SCOPE_MAX];
} vk_ob_scoped_list;

/* `prefix`, `delimiter` and `after` (marker, start-after, or what a token holds; in the client's form) may be
 * empty. "builds/" and what else begins so and is a beginning of the build's own prefix lists the build. */
VK_MUSTCHECK vk_ob_err vk_ob_scope_list(const char *build, vk_str prefix, vk_str delimiter, vk_str after,
                                        vk_ob_scoped_list *out_r);

#endif
