/* Hosted pages: what people see. The endpoints are in resources/pages.c; each handler writes HTML into
 * ex->out, or sets c->to. A page whose form leads to the app in the end says so (c->leads_on): the browser
 * looks at each redirect behind a form, those of the app's own pages, too, which may lead to where people
 * sign in, or to another of its names; only the app knows them. */
#ifndef VK_PAY_PAGES_H
#define VK_PAY_PAGES_H

#include "services/payments/call.h"
#include "services/payments/resources/runs.h"

/* "Visa •••• 4242", as people know it; without `last4` the brand alone. In the arena, or static. */
const char *vk_pay_card_words(vk_pay_call *c, vk_str brand, vk_str last4);
/* The page that stands for the one of a card's bank. `currency` VK_STR_NONE: there is no amount; `why` NULL:
 * it is shown for the first time. */
void vk_pay_bank_page(vk_pay_call *c, int64_t amount, vk_str currency, const char *card, const char *why);

#endif
