/* keeper's calls about keys (keeper/keeper.h has their shapes). */
#ifndef VK_KEEPER_KEYS_CALLS_H
#define VK_KEEPER_KEYS_CALLS_H

#include "keeper/keeper.h"

/* The head of a POST: sets the body's limit. False: there is no such call. */
bool vk_keys_head(vk_exchange *ex);
/* Answers, or will. False: there is no such call. */
bool vk_keys_request(vk_exchange *ex);
/* One set, as /v1/keys has it. No value of a secret is in it, but its last four characters. */
void vk_keys_facts(vk_buf *out, const vk_org *g);

#endif
