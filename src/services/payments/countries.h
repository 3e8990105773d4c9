/* Countries, for addresses: ISO 3166-1 alpha-2 codes with the names that people know. */
#ifndef VK_PAY_COUNTRIES_H
#define VK_PAY_COUNTRIES_H

#include "core/base.h"

typedef struct vk_pay_country {
    char code[3];
    const char *name;
} vk_pay_country;

/* All of them, by name. */
const vk_pay_country *vk_pay_countries(size_t *n_r);
/* NULL: there is no such code (two upper-case letters). */
const char *vk_pay_country_name(vk_str code);

#endif
