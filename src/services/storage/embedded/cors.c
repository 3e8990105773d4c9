/* The bucket's CORS rules: one setting. */
#include "services/storage/embedded/inside.h"

struct change {
    const vk_str *rules; /* NULL: none any more */
    uint64_t order;
};

static vk_ob_err set(vk_ob *s, vk_ob_turn *t, vk_ob_conn *c)
{
    struct change *k = t->arg;
    sqlite3_stmt *st = vk_ob_st(c, k->rules ? Q_SET : Q_UNSET);
    k->order = ++s->cors_changes;
    vk_ob_bind(st, 1, VK_STR("cors"));
    if (k->rules)
        vk_ob_bind(st, 2, *k->rules);
    return vk_ob_run(c, st);
}

static vk_ob_err change(vk_ob *s, const vk_str *rules, uint64_t *order_r)
{
    struct change k = {.rules = rules};
    vk_ob_turn t = {.run = set, .arg = &k};
    vk_ob_err e = vk_ob_take_turn(s, &t);
    if (e == VK_OB_OK)
        *order_r = k.order;
    return e;
}

vk_ob_err vk_ob_cors_set(vk_ob *s, vk_str rules, uint64_t *order_r)
{
    return rules.n > VK_OB_CORS_MAX ? VK_OB_INVALID : change(s, &rules, order_r);
}

vk_ob_err vk_ob_cors_delete(vk_ob *s, uint64_t *order_r)
{
    return change(s, NULL, order_r);
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
