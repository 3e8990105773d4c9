/* Any bytes as an app's form: what may go to Stripe names no other account, however it is read again, and
 * what is written is read as the same. */
#include "services/payments/form.h"
#include "services/payments/stripe/params.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x) ((x) ? (void)0 : abort())

static bool inside(vk_str s, const char *what)
{
    size_t n = strlen(what);
    for (size_t i = 0; i + n <= s.n; i++)
        if (memcmp(s.p + i, what, n) == 0)
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const methods[] = {"GET", "POST", "DELETE"};
    static const char *const paths[] = {"/v1/customers", "/v1/checkout/sessions", "/v1/products",
                                        "/v1/coupons/x"};
    if (size < 2 || size > 4096)
        return 0;
    vk_arena *a = vk_arena_new(16 << 20);
    vk_pv *v, *again;
    vk_stripe_found call;
    vk_stripe_need *needs;
    vk_stripe_refusal no;
    const char *why = NULL;
    vk_str param = VK_STR_NONE;
    vk_buf out;
    CHECK(a);
    vk_buf_init(&out, 8 << 20);
    if (!vk_stripe_find(vk_str_z(methods[data[0] % 3]), vk_str_z(paths[data[1] % 4]), &call) ||
        vk_pay_form(a, (vk_str){(const char *)data + 2, size - 2}, NULL, &v, &why, &param) != VK_OK)
        goto out;
    vk_err e = vk_stripe_params_check(a, v, true, &no);
    if (e != VK_OK) {
        CHECK(e == VK_E_INVALID && no.message.n && no.status >= 400);
        goto out;
    }
    CHECK(vk_stripe_params_needs(a, &call, v, &needs) == VK_OK);
    for (const vk_stripe_need *n = needs; n; n = n->next)
        CHECK(vk_stripe_need_refuse(a, n, &no) == VK_E_INVALID);
    vk_stripe_form_write(&out, v);
    CHECK(out.err == VK_OK);
    /* Names outside of metadata; a value that reads so has its brackets escaped. */
    if (!inside(vk_buf_view(&out), "metadata"))
        CHECK(!inside(vk_buf_view(&out), "[on_behalf_of]") && !inside(vk_buf_view(&out), "[transfer_data]"));
    if (out.n <= VK_PAY_FORM_MAX && !inside(vk_buf_view(&out), "metadata")) {
        e = vk_pay_form(a, vk_buf_view(&out), NULL, &again, &why, &param);
        CHECK(e == VK_OK || e == VK_E_TOO_LARGE);
        CHECK(e != VK_OK || vk_pv_equal(v, again));
    }
    CHECK(vk_stripe_params_tag(a, &call, v, VK_STR("shop.1")) == VK_OK);
out:
    vk_buf_free(&out);
    vk_arena_free(a);
    return 0;
}
