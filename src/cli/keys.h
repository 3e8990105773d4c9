/* What the commands about an organisation's keys share: values that are entered, and the entries that they
 * travel in, sealed to keeper. No value comes from the command line's arguments. */
#ifndef VK_CLI_KEYS_H
#define VK_CLI_KEYS_H

#include "cli/api.h"
#include "keeper/entry.h"

/* Values that were entered, in memory that is locked and wiped. */
typedef struct vk_entered {
    const vk_vendor *vendor;
    size_t n;
    vk_entry_field fields[VK_VENDOR_FIELDS_MAX];
    char *room; /* VK_ENTERED_ROOM bytes */
    size_t at;
} vk_entered;

enum { VK_ENTERED_ROOM = 48 * 1024 };

/* NULL: there is no such vendor; told. */
const vk_vendor *vk_keys_vendor(const char *command, const char *name);

/* Asks for the fields of `of` (the vendor's, or its `own`; those that are no secret are left out with
 * `secrets`): on a terminal one after the other, secrets unseen; an empty line leaves a field out. Otherwise
 * from standard input, as lines "name=value" or one JSON object of names and texts. `more`: fields that may
 * be left out though they must be there in the end, since they may be there already. Answers an exit code;
 * not VK_EXIT_OK: told. The caller ends it by vk_entered_free in any case. */
VK_MUSTCHECK int vk_keys_enter(const vk_vendor *v, const vk_vendor_field *of, bool secrets, bool more,
                               vk_entered *out_r);
void vk_entered_free(vk_entered *e);

/* Keeper's public key, asked of the daemon, and `expected` of --fingerprint compared with it (NULL: not
 * named). Answers an exit code. */
VK_MUSTCHECK int vk_keys_box(vk_api *api, const char *expected, uint8_t key_r[VK_BOX_PUBLIC]);
/* The base64 of the entry with these values, appended to `out`. Answers an exit code. */
VK_MUSTCHECK int vk_keys_seal(const uint8_t key[VK_BOX_PUBLIC], const vk_entered *e, const char *build,
                              vk_buf *out);
/* {"sealed":"…"} */
void vk_keys_body(vk_buf *out, vk_str sealed);

/* What a check at the vendor found, for people. True: the keys do. */
bool vk_keys_check_print(const vk_reply *r, const vk_json *check);

#endif
