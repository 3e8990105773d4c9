/* What the tables of resources/ share. */
#ifndef VK_PAY_ROWS_H
#define VK_PAY_ROWS_H

#include "services/payments/schema.h"

/* A row names what it has; the rest is 0. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define VK_PAY_CALL(m, p, v, r, ps, f)                                                                       \
    {                                                                                                        \
        .method = m, .path = p, .verb = VK_PAY_##v, .resource = &vk_pay_r_##r, .params = ps, .run = f        \
    }
#define VK_PAY_CALL_PUBLIC(m, p, v, r, ps, f)                                                                \
    {                                                                                                        \
        .method = m, .path = p, .verb = VK_PAY_##v, .resource = &vk_pay_r_##r, .params = ps, .run = f,       \
        .publishable = true                                                                                  \
    }

/* The ways to pay that are no cards: accepted without effect, where options or data of a method are given. */
/* clang-format off */
#define VK_PAY_OTHER_METHODS(of) \
    {of "[acss_debit]", "any", "!"}, \
    {of "[affirm]", "any", "!"}, \
    {of "[afterpay_clearpay]", "any", "!"}, \
    {of "[alipay]", "any", "!"}, \
    {of "[alma]", "any", "!"}, \
    {of "[amazon_pay]", "any", "!"}, \
    {of "[au_becs_debit]", "any", "!"}, \
    {of "[bacs_debit]", "any", "!"}, \
    {of "[bancontact]", "any", "!"}, \
    {of "[billie]", "any", "!"}, \
    {of "[bizum]", "any", "!"}, \
    {of "[blik]", "any", "!"}, \
    {of "[boleto]", "any", "!"}, \
    {of "[card_present]", "any", "!"}, \
    {of "[cashapp]", "any", "!"}, \
    {of "[crypto]", "any", "!"}, \
    {of "[customer_balance]", "any", "!"}, \
    {of "[demo_pay]", "any", "!"}, \
    {of "[eps]", "any", "!"}, \
    {of "[fpx]", "any", "!"}, \
    {of "[giropay]", "any", "!"}, \
    {of "[grabpay]", "any", "!"}, \
    {of "[ideal]", "any", "!"}, \
    {of "[interac_present]", "any", "!"}, \
    {of "[kakao_pay]", "any", "!"}, \
    {of "[klarna]", "any", "!"}, \
    {of "[konbini]", "any", "!"}, \
    {of "[kr_card]", "any", "!"}, \
    {of "[link]", "any", "!"}, \
    {of "[mb_way]", "any", "!"}, \
    {of "[mobilepay]", "any", "!"}, \
    {of "[multibanco]", "any", "!"}, \
    {of "[naver_pay]", "any", "!"}, \
    {of "[nz_bank_account]", "any", "!"}, \
    {of "[oxxo]", "any", "!"}, \
    {of "[p24]", "any", "!"}, \
    {of "[pay_by_bank]", "any", "!"}, \
    {of "[payco]", "any", "!"}, \
    {of "[paynow]", "any", "!"}, \
    {of "[paypal]", "any", "!"}, \
    {of "[paypay]", "any", "!"}, \
    {of "[payto]", "any", "!"}, \
    {of "[pix]", "any", "!"}, \
    {of "[promptpay]", "any", "!"}, \
    {of "[revolut_pay]", "any", "!"}, \
    {of "[samsung_pay]", "any", "!"}, \
    {of "[satispay]", "any", "!"}, \
    {of "[scalapay]", "any", "!"}, \
    {of "[sepa_debit]", "any", "!"}, \
    {of "[sequra]", "any", "!"}, \
    {of "[sofort]", "any", "!"}, \
    {of "[sunbit]", "any", "!"}, \
    {of "[swish]", "any", "!"}, \
    {of "[twint]", "any", "!"}, \
    {of "[upi]", "any", "!"}, \
    {of "[us_bank_account]", "any", "!"}, \
    {of "[wechat_pay]", "any", "!"}, \
    {of "[zip]", "any", "!"}
/* clang-format on */

/* A card's data, where a call makes a method on the way. */
#define VK_PAY_CARD_DATA(of)                                                                                 \
    {of "[card]", "object"}, {of "[card][cvc]", "string"}, {of "[card][exp_month]", "int"},                  \
        {of "[card][exp_year]", "int"}, {of "[card][networks]", "any", "!"},                                 \
        {of "[card][number]", "string"},                                                                     \
    {                                                                                                        \
        of "[card][token]", "string"                                                                         \
    }

/* What may be said of a card in payment_method_options. */
#define VK_PAY_CARD_OPTIONS(of)                                                                              \
    {of "[card]", "object"}, {of "[card][request_three_d_secure]", "=any|automatic|challenge"},              \
        {of "[card][cvc_token]", "any", "!"}, {of "[card][installments]", "any", "!"},                       \
        {of "[card][mandate_options]", "any", "!"}, {of "[card][moto]", "any", "!"},                         \
        {of "[card][network]", "any", "!"}, {of "[card][request_extended_authorization]", "any", "!"},       \
        {of "[card][request_incremental_authorization]", "any", "!"},                                        \
        {of "[card][request_multicapture]", "any", "!"}, {of "[card][request_overcapture]", "any", "!"},     \
        {of "[card][require_cvc_recollection]", "any", "!"},                                                 \
        {of "[card][setup_credential_usage]", "any", "!"},                                                   \
        {of "[card][statement_descriptor_suffix_kana]", "any", "!"},                                         \
        {of "[card][statement_descriptor_suffix_kanji]", "any", "!"},                                        \
        {of "[card][stored_credential_usage]", "any", "!"},                                                  \
    {                                                                                                        \
        of "[card][three_d_secure]", "any", "!"                                                              \
    }

/* What the way to the buyer costs, with its taxes; in objects. */
#define VK_PAY_SHIPPING_COST                                                                                 \
    {"shipping_cost", "object?"}, {"shipping_cost.amount_subtotal", "int"},                                  \
        {"shipping_cost.amount_tax", "int"}, {"shipping_cost.amount_total", "int"},                          \
        {"shipping_cost.shipping_rate", "@shipping_rate?"}, {"shipping_cost.taxes?", "[]"},                  \
        {"shipping_cost.taxes[].amount", "int"}, {"shipping_cost.taxes[].rate", "{tax_rate}"},               \
        {"shipping_cost.taxes[].taxability_reason", "string?", NULL, 0, 0, "-"},                             \
    {                                                                                                        \
        "shipping_cost.taxes[].taxable_amount", "int?"                                                       \
    }

#endif
