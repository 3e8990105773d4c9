/* What the endpoints of resources/ do besides what their verb does: schema.h, call.h. */
#ifndef VK_PAY_RUNS_H
#define VK_PAY_RUNS_H

#include "services/payments/call.h"

/* account */
vk_err vk_pay_account_retrieve(vk_pay_call *c);

/* balance */
vk_err vk_pay_balance_retrieve(vk_pay_call *c);
vk_err vk_pay_balance_transaction_at(vk_pay_call *c, vk_pv *txn);

/* product */
vk_err vk_pay_product_create(vk_pay_call *c);
vk_err vk_pay_product_list(vk_pay_call *c);
vk_err vk_pay_product_update(vk_pay_call *c);
vk_err vk_pay_product_delete(vk_pay_call *c);

/* price */
vk_err vk_pay_price_create(vk_pay_call *c);
vk_err vk_pay_price_list(vk_pay_call *c);
vk_err vk_pay_price_update(vk_pay_call *c);

/* customer */
vk_err vk_pay_customer_create(vk_pay_call *c);
vk_err vk_pay_customer_update(vk_pay_call *c);
vk_err vk_pay_customer_delete(vk_pay_call *c);
vk_err vk_pay_customer_discount_delete(vk_pay_call *c);
vk_err vk_pay_customer_payment_methods(vk_pay_call *c);
vk_err vk_pay_customer_payment_method(vk_pay_call *c);

/* payment_method */
vk_err vk_pay_payment_method_create(vk_pay_call *c);
vk_err vk_pay_payment_method_update(vk_pay_call *c);
vk_err vk_pay_payment_method_attach(vk_pay_call *c);
vk_err vk_pay_payment_method_detach(vk_pay_call *c);

/* payment_intent */
vk_err vk_pay_payment_intent_create(vk_pay_call *c);
vk_err vk_pay_payment_intent_list(vk_pay_call *c);
vk_err vk_pay_payment_intent_retrieve(vk_pay_call *c);
vk_err vk_pay_payment_intent_update(vk_pay_call *c);
vk_err vk_pay_payment_intent_confirm(vk_pay_call *c);
vk_err vk_pay_payment_intent_capture(vk_pay_call *c);
vk_err vk_pay_payment_intent_cancel(vk_pay_call *c);

/* setup_intent */
vk_err vk_pay_setup_intent_create(vk_pay_call *c);
vk_err vk_pay_setup_intent_retrieve(vk_pay_call *c);
vk_err vk_pay_setup_intent_update(vk_pay_call *c);
vk_err vk_pay_setup_intent_confirm(vk_pay_call *c);
vk_err vk_pay_setup_intent_cancel(vk_pay_call *c);

/* charge */
vk_err vk_pay_charge_list(vk_pay_call *c);
vk_err vk_pay_charge_retrieve(vk_pay_call *c);
vk_err vk_pay_charge_update(vk_pay_call *c);
vk_err vk_pay_charge_capture(vk_pay_call *c);

/* refund */
vk_err vk_pay_refund_create(vk_pay_call *c);
vk_err vk_pay_refund_update(vk_pay_call *c);
vk_err vk_pay_charge_refunds(vk_pay_call *c);

/* coupon */
vk_err vk_pay_coupon_create(vk_pay_call *c);

/* promotion_code */
vk_err vk_pay_promotion_code_create(vk_pay_call *c);
vk_err vk_pay_promotion_code_list(vk_pay_call *c);
vk_err vk_pay_promotion_code_update(vk_pay_call *c);

/* session */
vk_err vk_pay_session_create(vk_pay_call *c);
vk_err vk_pay_session_list(vk_pay_call *c);
vk_err vk_pay_session_retrieve(vk_pay_call *c);
vk_err vk_pay_session_update(vk_pay_call *c);
vk_err vk_pay_session_expire(vk_pay_call *c);
vk_err vk_pay_session_line_items(vk_pay_call *c);

/* subscription */
vk_err vk_pay_subscription_create(vk_pay_call *c);
vk_err vk_pay_subscription_list(vk_pay_call *c);
vk_err vk_pay_subscription_retrieve(vk_pay_call *c);
vk_err vk_pay_subscription_update(vk_pay_call *c);
vk_err vk_pay_subscription_cancel(vk_pay_call *c);

/* subscription_item */
vk_err vk_pay_subscription_item_list(vk_pay_call *c);
vk_err vk_pay_subscription_item_retrieve(vk_pay_call *c);

/* invoice */
vk_err vk_pay_invoice_list(vk_pay_call *c);
vk_err vk_pay_invoice_lines(vk_pay_call *c);
vk_err vk_pay_invoice_pay(vk_pay_call *c);
vk_err vk_pay_invoice_void_asked(vk_pay_call *c);
vk_err vk_pay_invoice_finalize(vk_pay_call *c);

/* payment_link */
vk_err vk_pay_payment_link_create(vk_pay_call *c);
vk_err vk_pay_payment_link_update(vk_pay_call *c);
vk_err vk_pay_payment_link_line_items(vk_pay_call *c);

/* tax_rate */
vk_err vk_pay_tax_rate_create(vk_pay_call *c);

/* shipping_rate */
vk_err vk_pay_shipping_rate_create(vk_pay_call *c);
vk_err vk_pay_shipping_rate_update(vk_pay_call *c);

/* webhook_endpoint */
vk_err vk_pay_webhook_endpoint_create(vk_pay_call *c);
vk_err vk_pay_webhook_endpoint_update(vk_pay_call *c);
vk_err vk_pay_webhook_endpoint_delete(vk_pay_call *c);

/* event */
vk_err vk_pay_event_list(vk_pay_call *c);
vk_err vk_pay_event_retrieve(vk_pay_call *c);

/* pages */
vk_err vk_pay_page_checkout(vk_pay_call *c);
vk_err vk_pay_page_checkout_pay(vk_pay_call *c);
vk_err vk_pay_page_authenticate(vk_pay_call *c);
vk_err vk_pay_page_authenticate_done(vk_pay_call *c);
vk_err vk_pay_page_intent(vk_pay_call *c);
vk_err vk_pay_page_intent_done(vk_pay_call *c);
vk_err vk_pay_page_link(vk_pay_call *c);
vk_err vk_pay_page_receipt(vk_pay_call *c);
vk_err vk_pay_page_invoice(vk_pay_call *c);
vk_err vk_pay_page_invoice_pay(vk_pay_call *c);

#endif
