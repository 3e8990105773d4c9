/* The hosted pages, below /b/<build>/. */
#include "services/payments/resources/rows.h"
#include "services/payments/resources/runs.h"

#define PAGE(m, p, f)                                                                                        \
    {                                                                                                        \
        .method = m, .path = p, .verb = VK_PAY_PAGE, .run = f                                                \
    }

const vk_pay_endpoint vk_pay_pages[] = {
    PAGE("GET", "/c/pay/:id", vk_pay_page_checkout),
    PAGE("POST", "/c/pay/:id", vk_pay_page_checkout_pay),
    PAGE("GET", "/c/pay/:id/authenticate", vk_pay_page_authenticate),
    PAGE("POST", "/c/pay/:id/authenticate", vk_pay_page_authenticate_done),
    PAGE("GET", "/authenticate/:id", vk_pay_page_intent),
    PAGE("POST", "/authenticate/:id", vk_pay_page_intent_done),
    PAGE("GET", "/pay/:id", vk_pay_page_link),
    PAGE("GET", "/receipts/:id", vk_pay_page_receipt),
    PAGE("GET", "/i/:id", vk_pay_page_invoice),
    PAGE("POST", "/i/:id", vk_pay_page_invoice_pay),
    {0},
};
