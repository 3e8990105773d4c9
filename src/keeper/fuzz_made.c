/* What a record's field `made` holds: any bytes. What was read is written, and reads as the same again. */
#include "keeper/provision_in.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static vk_made a, b;
    vk_str text = {(const char *)data, n};
    (void)vk_prov_retry_after(text, 0);
    if (vk_made_read(text, &a) != VK_OK)
        return 0;
    vk_buf out;
    vk_buf_init(&out, 2 * VK_VENDOR_VALUE_MAX);
    vk_err e = vk_made_write(&a, &out);
    if (e == VK_OK) {
        for (size_t i = 0; i < out.n; i++)
            if (out.p[i] <= ' ' || out.p[i] >= 0x7f)
                abort();
        if (out.n > VK_VENDOR_VALUE_MAX || vk_made_read(vk_buf_view(&out), &b) != VK_OK ||
            b.state != a.state || b.list != a.list || b.step != a.step || b.generation != a.generation ||
            b.n != a.n || b.fails != a.fails || b.late != a.late ||
            memcmp(a.notes, b.notes, a.n * sizeof *a.notes) != 0)
            abort();
    } else if (e != VK_E_TOO_LARGE && e != VK_E_NOMEM)
        abort();
    vk_buf_free(&out);
    return 0;
}
