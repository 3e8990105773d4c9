/* Randomness, through a seam that tests replace. */
#ifndef VK_RANDOM_H
#define VK_RANDOM_H

#include "core/base.h"

/* Fills from getrandom(2). Ends the process when the kernel gives none: nothing here is safe without it. */
void vk_random(void *out, size_t n);
/* Tests only: a deterministic source; NULL restores the kernel's. */
void vk_random_source(void (*fill)(void *out, size_t n));

#endif
