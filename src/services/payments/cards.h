/* The cards that payments take: Stripe's published test cards and nothing else, so that no real number is
 * ever accepted. What is kept of a card is a row's name; its number stands in this table only. Pure.
 *
 * Source: Stripe's pages "Testing" and "Test 3D Secure authentication". */
#ifndef VK_PAY_CARDS_H
#define VK_PAY_CARDS_H

#include "core/base.h"

/* When the card's bank wants to see its owner. */
typedef enum vk_pay_3ds {
    VK_PAY_3DS_NO,         /* never: not enrolled */
    VK_PAY_3DS_ASKED,      /* when the caller asks for it (request_three_d_secure) */
    VK_PAY_3DS_UNLESS_SET, /* always, but off session no more once it was set up with the owner there */
    VK_PAY_3DS_PRESENT,    /* always, but never off session */
    VK_PAY_3DS_ALWAYS,
} vk_pay_3ds;

typedef enum vk_pay_declines {
    VK_PAY_DECLINES_NOT,
    VK_PAY_DECLINES,          /* every charge, and being saved */
    VK_PAY_DECLINES_CHARGES,  /* can be saved; every charge after that is declined */
    VK_PAY_DECLINES_WITH_CVC, /* when a security code was given: the check of it fails */
} vk_pay_declines;

enum { /* what else there is about a card */
       VK_PAY_CARD_LINE1_FAILS = 1,
       VK_PAY_CARD_POSTAL_FAILS = 2,
       VK_PAY_CARD_AT_ONCE = 4, /* its money is available, not pending */
};

typedef struct vk_pay_card {
    const char *name;   /* what is kept of it, and behind "pm_card_" and "tok_" */
    const char *number; /* digits */
    const char *brand, *funding, *country;
    vk_pay_3ds secure;
    vk_pay_declines declines; /* after 3-D Secure when that was wanted */
    unsigned flags;
    const char *code, *decline_code, *message, *param; /* of the decline; NULL: none */
} vk_pay_card;

/* Why what was typed is no card: Stripe's code, the parameter, the sentence. Static texts. */
typedef struct vk_pay_card_fault {
    const char *code, *param, *message;
} vk_pay_card_fault;

enum { VK_PAY_FINGERPRINT = 16 };

/* All of them, for pages and tests. */
extern const vk_pay_card vk_pay_cards[];
extern const size_t vk_pay_n_cards;

/* By what is kept. NULL: unknown. */
const vk_pay_card *vk_pay_card_named(vk_str name);
/* By "pm_card_visa", "tok_visa", "pm_card_visa_chargeDeclined". NULL: no such token. */
const vk_pay_card *vk_pay_card_token(vk_str token);
/* What somebody typed: number with or without blanks and hyphens; month; year with two or four digits; cvc,
 * which may be VK_STR_NONE or empty (not given). `now` in unix seconds: a card is good to the end of its
 * month (UTC). VK_E_INVALID: *fault_r says why. *year_r has four digits. Nothing of the number stays in
 * memory of this unit. */
VK_MUSTCHECK vk_err vk_pay_card_check(vk_str number, int64_t month, int64_t year, vk_str cvc, int64_t now,
                                      const vk_pay_card **card_r, int64_t *year_r,
                                      vk_pay_card_fault *fault_r);
/* The month and year alone, as an update of a card has them; 0 for what is not given. */
VK_MUSTCHECK vk_err vk_pay_card_expiry(int64_t month, int64_t year, int64_t now, int64_t *year_r,
                                       vk_pay_card_fault *fault_r);
/* The same 16 characters for a number whenever it is used in `build`, others in another build: nobody can
 * find the number from them without the key. */
void vk_pay_card_fingerprint(const vk_pay_card *card, const uint8_t key[32], vk_str build,
                             char out[VK_PAY_FINGERPRINT + 1]);
vk_str vk_pay_card_last4(const vk_pay_card *card);
/* Digits that satisfy Luhn's sum. */
bool vk_pay_luhn(vk_str digits);

#endif
