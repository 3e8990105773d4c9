/* Any bytes as a form and as a JSON body: each name that is there is asked for in every way. And any bytes as
 * an e-mail address: what is kept is kept again as it is. */
#include "services/auth/email.h"
#include "services/auth/params.h"

#define CHECK(x)                                                                                             \
    do {                                                                                                     \
        if (!(x))                                                                                            \
            abort();                                                                                         \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(vk_arena *a, const vk_auth_params *p)
{
    CHECK(p->n <= VK_AUTH_PARAMS_MAX);
    for (size_t i = 0; i < p->n; i++) {
        vk_str name = p->at[i].name, s = VK_STR_NONE;
        const vk_json *o;
        const vk_str *list;
        size_t n;
        bool b;
        int64_t v;
        CHECK(vk_auth_param_there(p, name));
        if (vk_auth_param_text(p, name, 20, &s) == VK_OK)
            CHECK(s.n <= 20 && (s.n == 0 || !memchr(s.p, '\0', s.n)) && !vk_auth_param_is_null(p, name));
        if (vk_auth_param_int(p, name, -5, 5, &v) == VK_OK)
            CHECK(v >= -5 && v <= 5);
        if (vk_auth_param_object(a, p, name, &o) == VK_OK)
            CHECK(o->type == VK_JSON_OBJECT);
        if (vk_auth_param_list(a, p, name, 20, &list, &n) == VK_OK) {
            CHECK(n > 0 && n <= VK_AUTH_LIST_MAX);
            for (size_t k = 0; k < n; k++)
                CHECK(list[k].n <= 20);
        }
        (void)!vk_auth_param_bool(p, name, &b);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vk_str body = {(const char *)data, size};
    vk_arena *a = vk_arena_new(16 << 20);
    vk_auth_params p;
    char email[VK_AUTH_EMAIL_MAX + 1], again[VK_AUTH_EMAIL_MAX + 1];
    CHECK(a);
    if (size <= 2048 && vk_auth_params_form(a, body, &p) == VK_OK)
        ask(a, &p);
    if (size <= 2048 && vk_auth_params_json(a, body, &p) == VK_OK)
        ask(a, &p);
    if (vk_auth_email(body, email) == VK_OK) {
        CHECK(vk_auth_email(vk_str_z(email), again) == VK_OK && strcmp(email, again) == 0);
        for (const char *c = email; *c; c++)
            CHECK(*c > ' ' && *c <= '~' && !(*c >= 'A' && *c <= 'Z') && !strchr("<>(),;:\"\\[]", *c));
    }
    vk_arena_free(a);
    return 0;
}
