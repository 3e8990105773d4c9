/* The table of key checks: template/src/lib/key-rules.json, which the settings page of an app and this
 * program share. Its notation is described in template/src/lib/key-rules.ts. */
#ifndef VK_COURIER_RULES_H
#define VK_COURIER_RULES_H

#include "core/json_read.h"

enum {
    VK_RULES_ARENA = 2 * 1024 * 1024, /* what the table needs, and the values */
    VK_KEY_VALUE_MAX = 4096,          /* bytes of one value that somebody typed */
    VK_KEY_NAMES_MAX = 96,            /* environment names that the table has */
};

/* The table as it was when the program was built. */
extern const vk_str vk_rules_text;

/* Parses it. VK_E_NOMEM; VK_E_INTERNAL: it is damaged. */
VK_MUSTCHECK vk_err vk_rules_read(vk_arena *a, const vk_json **out_r);
/* The service of that id; NULL: there is none. */
const vk_json *vk_rules_service(const vk_json *rules, vk_str id);
/* The services in the order of the table: the first, then by `next`; each one's key is its id. */
const vk_json *vk_rules_services(const vk_json *rules);
/* The fields of a service: the first, then by `next`. */
const vk_json *vk_rules_fields(const vk_json *service);
/* The field whose value that environment variable has: its own name, or one of those that are written with
 * it. NULL: none. */
const vk_json *vk_rules_field(const vk_json *service, vk_str name);

#endif
