#include "services/payments/embedded/inside.h"

vk_err vk_pay_owned(vk_pay_db *db, vk_str key, bool *has_r)
{
    sqlite3_stmt *st = vk_pay_st(db, VK_PAY_Q_OWNED, "s", key);
    vk_err e = vk_pay_next(db, st);
    if (e != VK_OK && e != VK_E_NOT_FOUND)
        return e;
    *has_r = e == VK_OK;
    vk_pay_done(st);
    return VK_OK;
}

vk_err vk_pay_owned_put(vk_pay_db *db, vk_str key, int64_t now_ms)
{
    bool has = false;
    vk_err e = vk_pay_owned(db, key, &has);
    if (e != VK_OK || has)
        return e;
    e = vk_pay_room(db, key.n);
    return e == VK_OK ? vk_pay_change(db, vk_pay_st(db, VK_PAY_Q_OWNED_PUT, "si", key, now_ms), NULL) : e;
}
