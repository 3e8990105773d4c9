#include "http/cookie.h"

static vk_str trim(vk_str s)
{
    while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = (vk_str){s.p + 1, s.n - 1};
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

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
        *name_r = trim(name);
        *value_r = vk_secret_of(trim(piece));
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
