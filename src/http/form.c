#include "http/form.h"

#include "http/uri.h"

/* The next pair that is not empty; false at the end. */
static bool next(vk_str *rest, vk_str *name_r, vk_str *value_r)
{
    vk_str pair = VK_STR_NONE;
    while (rest->n && pair.n == 0) {
        if (!vk_str_cut(rest, '&', &pair)) {
            pair = *rest;
            rest->n = 0;
        }
    }
    if (pair.n == 0)
        return false;
    *value_r = pair;
    if (!vk_str_cut(value_r, '=', name_r)) {
        *name_r = pair;
        *value_r = (vk_str){pair.p + pair.n, 0};
    }
    return true;
}

vk_err vk_form_parse(vk_arena *a, vk_str body, const vk_pair **out_r, size_t *n_r)
{
    vk_str rest = body, name, value;
    size_t n = 0;
    while (next(&rest, &name, &value))
        if (++n > VK_FORM_PAIRS_MAX)
            return VK_E_TOO_LARGE;
    vk_pair *pairs = vk_arena_alloc(a, sizeof *pairs * (n ? n : 1));
    if (!pairs)
        return VK_E_NOMEM;
    rest = body;
    for (size_t i = 0; next(&rest, &name, &value); i++) {
        vk_err e = vk_form_decode(a, name, &pairs[i].name);
        if (e == VK_OK)
            e = vk_form_decode(a, value, &pairs[i].value);
        if (e != VK_OK)
            return e;
    }
    *out_r = pairs;
    *n_r = n;
    return VK_OK;
}
