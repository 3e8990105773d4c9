/* Settings of a build. Every call asks for one or two, so they are kept in memory. What is kept is what the
 * connection sees: it alone has the file open, and a name is forgotten when it is set, all of them when
 * something is undone. */
#include "services/payments/embedded/inside.h"

void vk_pay_settings_forget(vk_pay_db *db)
{
    for (size_t i = 0; i < db->n_kept; i++)
        free(db->kept[i].value);
    db->n_kept = 0;
}

static vk_pay_kept *kept(vk_pay_db *db, const char *name)
{
    for (size_t i = 0; i < db->n_kept; i++)
        if (strcmp(db->kept[i].name, name) == 0)
            return &db->kept[i];
    return NULL;
}

static void forget(vk_pay_db *db, vk_pay_kept *k)
{
    if (!k)
        return;
    free(k->value);
    *k = db->kept[--db->n_kept];
}

/* VK_STR_NONE: there is none. Without room or memory it is read again the next time. */
static void keep(vk_pay_db *db, const char *name, vk_str value)
{
    if (db->n_kept == VK_PAY_SETTINGS_KEPT || value.n > VK_PAY_SETTING_KEPT_MAX)
        return;
    vk_pay_kept *k = &db->kept[db->n_kept];
    if ((size_t)snprintf(k->name, sizeof k->name, "%s", name) >= sizeof k->name)
        return;
    k->n = value.n;
    k->value = value.p ? malloc(value.n + 1) : NULL;
    if (value.p && !k->value)
        return;
    if (value.n)
        memcpy(k->value, value.p, value.n);
    db->n_kept++;
}

vk_err vk_pay_set(vk_pay_db *db, const char *name, vk_str value)
{
    vk_err e = vk_pay_room(db, value.n);
    forget(db, kept(db, name));
    return e == VK_OK ? vk_pay_change(db, vk_pay_st(db, VK_PAY_Q_SET, "zs", name, value), NULL) : e;
}

vk_err vk_pay_setting(vk_pay_db *db, vk_arena *a, const char *name, vk_str *out_r)
{
    const vk_pay_kept *k = kept(db, name);
    if (k && !k->value)
        return VK_E_NOT_FOUND;
    if (k) {
        *out_r = vk_arena_dup(a, (vk_str){k->value, k->n});
        return out_r->p ? VK_OK : VK_E_NOMEM;
    }
    sqlite3_stmt *st = vk_pay_st(db, VK_PAY_Q_SETTING, "z", name);
    vk_err e = vk_pay_next(db, st);
    if (e == VK_E_NOT_FOUND)
        keep(db, name, VK_STR_NONE);
    if (e != VK_OK)
        return e;
    vk_str value = vk_pay_col(st, 0, a, &e);
    if (e == VK_OK)
        keep(db, name, value);
    vk_pay_done(st);
    if (e == VK_OK)
        *out_r = value;
    return e;
}
