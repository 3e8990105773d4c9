/* Any bytes as a query on any resource, and of some documents: what matches is not passed by, a query that
 * is read has its clauses, and a refusal has its sentence. */
#include "services/payments/search.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x) ((x) ? (void)0 : abort())

static const char *const objects[] = {"charge", "customer", "invoice",      "payment_intent",
                                      "price",  "product",  "subscription", "coupon"};
static const char *const documents[] = {
    "{\"email\":\"anne@x.y\",\"name\":\"J\xc3\xa4ne\",\"phone\":null,\"created\":5,\"metadata\":{\"k\":\"v\"}"
    "}",
    "{\"amount\":2000,\"total\":-1,\"status\":\"open\",\"active\":true,\"currency\":\"usd\",\"canceled_at\":"
    "7,"
    "\"metadata\":{},\"payment_method_details\":{\"card\":{\"exp_month\":4,\"last4\":\"4242\"}}}",
    "{}",
    "{\"metadata\":[1,{\"k\":2}],\"email\":{\"a\":[]},\"created\":\"x\",\"status\":[],\"parent\":3}",
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *why = NULL;
    const vk_pay_query *q;
    if (size == 0)
        return 0;
    vk_arena *a = vk_arena_new(1 << 20);
    if (!a)
        return 0;
    vk_str text = {(const char *)data + 1, size - 1};
    vk_err e = vk_pay_search_parse(a, vk_str_z(objects[data[0] % VK_COUNT(objects)]), text, &q, &why);
    CHECK(e == VK_OK || e == VK_E_INVALID || e == VK_E_UNSUPPORTED || e == VK_E_NOMEM);
    CHECK(e != VK_E_INVALID || (why && why[0]));
    for (size_t i = 0; e == VK_OK && i < VK_COUNT(documents); i++) {
        vk_pv *doc;
        if (vk_pv_parse(a, vk_str_z(documents[i]), &doc) != VK_OK)
            break;
        if (vk_pay_search_match(q, doc))
            CHECK(vk_pay_search_may(q, vk_str_z(documents[i])));
    }
    vk_arena_free(a);
    return 0;
}
