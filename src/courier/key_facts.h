/* What keys say about themselves, without anybody being asked: the variables of a key check that are not
 * values somebody typed. The settings page of an app has the same in template/src/lib/key-facts.ts. */
#ifndef VK_COURIER_KEY_FACTS_H
#define VK_COURIER_KEY_FACTS_H

#include "courier/vars.h"

enum { VK_PROBE_HEX = 32 };

/* Sets the variables of `service` out of the typed values that `vars` has. `probe` is VK_PROBE_HEX random hex
 * digits: what is written for a check has them in its name. VK_E_NOMEM, VK_E_TOO_LARGE. */
VK_MUSTCHECK vk_err vk_key_facts(vk_arena *a, vk_str service, int64_t now_ms, vk_str probe, vk_vars *vars);

/* The value of a key in base64 or base64url as Node's Buffer reads it: padded or not, loose bits left out.
 * For text of these alphabets. {NULL,0}: no memory. */
VK_MUSTCHECK vk_str vk_base64_loose(vk_arena *a, vk_str text);

#endif
