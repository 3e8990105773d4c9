#include "http/cookie.h"

bool vk_cookie_next(vk_str *header, vk_str *name_r, vk_secret *value_r)
{
    while (header->n) {
        vk_str piece, name;
        if (!vk_str_cut(header, ';', &piece)) {
            piece = *header;
            header->n = 0;
        }
        if (!vk_str_cut(&piece, '=', &name))
            continue;
        *name_r = vk_str_trim(name);
        *value_r = vk_secret_of(vk_str_trim(piece));
        if (name_r->n)
            return true;
    }
    return false;
}

bool vk_cookie_get(vk_str header, vk_str name, vk_secret *value_r)
{
    vk_str this;
    vk_secret value;
    bool found = false;
    while (vk_cookie_next(&header, &this, &value)) {
        if (!vk_str_eq(this, name))
            continue;
        if (found && !vk_secret_eq(value, *value_r))
            return false;
        *value_r = value;
        found = true;
    }
    return found;
}
