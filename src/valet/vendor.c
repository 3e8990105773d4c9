#include "valet/vendor.h"

#include "core/vendor.h"

/* {"alg":"EdDSA","typ":"JWT"} and {"a":"rw","iat":1764547200}: valid for ever, reads and writes. */
#define TOKEN "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJhIjoicnciLCJpYXQiOjE3NjQ1NDcyMDB9."

static const vk_vendor_form forms[] = {
    {"sk_test_", "sk_test_", 0, 42},
    {"sk_test_51", "sk_test_51", 15, 82},
    {"pk_test_51", "pk_test_51", 15, 82},
    {"whsec_", "whsec_", 0, 32},
    {"vk_b_", TOKEN, 0, 86},
};

const vk_vendor_form *vk_vendor_form_of(const vk_valet_form *f)
{
    for (size_t i = 0; vk_vendor_role && !f->hex && i < VK_COUNT(forms); i++)
        if (strcmp(forms[i].valet, f->prefix) == 0)
            return &forms[i];
    return NULL;
}
