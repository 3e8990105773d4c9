/* Deleting: rows in one transaction, then what they named. */
#include "services/storage/embedded/inside.h"

struct batch {
    vk_ob_delete *keys;
    size_t n;
};

static vk_ob_err one_key(vk_ob *s, vk_ob_turn *t, vk_ob_conn *c, vk_ob_delete *d)
{
    vk_ob_row row;
    vk_ob_err e = vk_ob_find(c, d->key, &row);
    d->was_there = e == VK_OB_OK;
    d->result = VK_OB_OK;
    if (e == VK_OB_NO_SUCH_KEY) {
        d->result = d->if_match.n ? VK_OB_NO_SUCH_KEY : VK_OB_OK;
        return VK_OB_OK;
    }
    if (e == VK_OB_OK && d->if_match.n && !vk_ob_etag_matches(d->if_match, vk_str_z(row.o.etag))) {
        d->result = VK_OB_PRECONDITION;
        return VK_OB_OK;
    }
    if (e == VK_OB_OK)
        e = vk_ob_discard(t, c, &row);
    return e == VK_OB_OK ? vk_ob_drop_row(s, c, d->key) : e;
}

static vk_ob_err all_keys(vk_ob *s, vk_ob_turn *t, vk_ob_conn *c)
{
    struct batch *b = t->arg;
    vk_ob_err e = VK_OB_OK;
    for (size_t i = 0; e == VK_OB_OK && i < b->n; i++)
        e = one_key(s, t, c, &b->keys[i]);
    return e;
}

vk_ob_err vk_ob_delete_keys(vk_ob *s, vk_ob_delete *keys, size_t n)
{
    if (n > VK_OB_DELETE_MAX)
        return VK_OB_INVALID;
    struct batch b = {keys, n};
    vk_ob_turn t = {.run = all_keys, .arg = &b};
    return vk_ob_take_turn(s, &t);
}
