/* The bucket's CORS rules: one setting. */
#include "services/storage/embedded/inside.h"

static vk_ob_err set(vk_ob *s, vk_ob_turn *t, vk_ob_conn *c)
{
    VK_UNUSED(s);
    const vk_str *rules = t->arg;
    sqlite3_stmt *st = vk_ob_st(c, rules ? Q_SET : Q_UNSET);
    vk_ob_bind(st, 1, VK_STR("cors"));
    if (rules)
        vk_ob_bind(st, 2, *rules);
    return vk_ob_run(c, st);
}

vk_ob_err vk_ob_cors_set(vk_ob *s, vk_str rules)
{
    vk_ob_turn t = {.run = set, .arg = &rules};
    return rules.n > VK_OB_CORS_MAX ? VK_OB_INVALID : vk_ob_take_turn(s, &t);
}

vk_ob_err vk_ob_cors_delete(vk_ob *s)
{
    vk_ob_turn t = {.run = set};
    return vk_ob_take_turn(s, &t);
}

vk_ob_err vk_ob_cors_get(vk_ob *s, vk_arena *a, vk_str *rules_r)
{
    vk_ob_conn *c;
    vk_ob_err e = vk_ob_conn_get(s, &c);
    if (e != VK_OB_OK)
        return e;
    e = vk_ob_setting(c, "cors", a, rules_r);
    vk_ob_conn_put(s, c);
    return e == VK_OB_NO_SUCH_KEY ? VK_OB_NO_SUCH_CORS : e;
}
