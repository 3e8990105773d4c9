#include "services/auth/embedded/kept.h"

#include "services/auth/embedded/inside.h"

static vk_str bytes(const uint8_t hash[VK_SHA256])
{
    return (vk_str){(const char *)hash, VK_SHA256};
}

vk_err vk_auth_nonce_put(vk_auth_db *db, const uint8_t hash[VK_SHA256], vk_secret payload, int64_t now_ms)
{
    vk_err e = vk_auth_run(db, vk_auth_st(db, VK_AUTH_Q_TIDY_NONCES, "i", now_ms), NULL);
    if (e != VK_OK)
        return e;
    return vk_auth_run(db,
                       vk_auth_st(db, VK_AUTH_Q_NONCE_ADD, "bsi", bytes(hash), vk_secret_bytes(payload),
                                  now_ms + VK_AUTH_NONCE_MS),
                       NULL);
}

vk_err vk_auth_nonce_take(vk_auth_db *db, vk_arena *a, const uint8_t hash[VK_SHA256], int64_t now_ms,
                          vk_secret *payload_r)
{
    sqlite3_stmt *st = vk_auth_st(db, VK_AUTH_Q_NONCE_TAKE, "b", bytes(hash));
    vk_err e = vk_auth_row(db, st);
    if (e != VK_OK)
        return e;
    vk_secret payload = vk_secret_of(vk_auth_col(st, 0, a, &e));
    bool in_time = now_ms < sqlite3_column_int64(st, 1);
    if (e != VK_OK || (e = vk_auth_row(db, st)) != VK_E_NOT_FOUND) { /* to its end: it is a change, too */
        vk_auth_done(st);
        return e != VK_OK ? e : VK_E_CORRUPT;
    }
    e = VK_OK;
    if (!in_time)
        e = VK_E_NOT_FOUND;
    if (e == VK_OK)
        *payload_r = payload;
    return e;
}

vk_err vk_auth_outbox_add(vk_auth_db *db, const vk_auth_message *m)
{
    vk_err e = vk_auth_run(
        db, vk_auth_st(db, VK_AUTH_Q_OUTBOX_ADD, "sssi", m->address, m->what, m->code, m->at_ms), NULL);
    return e == VK_OK ? vk_auth_run(
                            db, vk_auth_st(db, VK_AUTH_Q_OUTBOX_TRIM, "i", (int64_t)VK_AUTH_OUTBOX_MAX), NULL)
                      : e;
}

vk_err vk_auth_outbox(vk_auth_db *db, vk_arena *a, vk_str address, const vk_auth_message **out_r, size_t *n_r)
{
    size_t n = 0;
    vk_err e;
    vk_auth_message *rows = vk_arena_alloc(a, sizeof *rows * VK_AUTH_OUTBOX_MAX);
    if (!rows)
        return VK_E_NOMEM;
    sqlite3_stmt *st = vk_auth_st(db, VK_AUTH_Q_OUTBOX, "si", address, (int64_t)VK_AUTH_OUTBOX_MAX);
    while ((e = vk_auth_row(db, st)) == VK_OK) {
        vk_auth_message *m = &rows[n++];
        m->n = sqlite3_column_int64(st, 0);
        m->address = vk_auth_col(st, 1, a, &e);
        m->what = vk_auth_col(st, 2, a, &e);
        m->code = vk_auth_col(st, 3, a, &e);
        m->at_ms = sqlite3_column_int64(st, 4);
        if (e != VK_OK) {
            vk_auth_done(st);
            return e;
        }
    }
    if (e != VK_E_NOT_FOUND)
        return e;
    *out_r = rows;
    *n_r = n;
    return VK_OK;
}

vk_err vk_auth_key_add(vk_auth_db *db, vk_str kid, vk_str sealed, int64_t now_ms)
{
    return vk_auth_run(db, vk_auth_st(db, VK_AUTH_Q_KEY_ADD, "sbi", kid, sealed, now_ms), NULL);
}

vk_err vk_auth_key_get(vk_auth_db *db, vk_arena *a, vk_str kid, vk_str *sealed_r)
{
    sqlite3_stmt *st = vk_auth_st(db, VK_AUTH_Q_KEY, "s", kid);
    vk_err e = vk_auth_row(db, st);
    if (e != VK_OK)
        return e;
    *sealed_r = vk_auth_col(st, 0, a, &e);
    vk_auth_done(st);
    return e;
}
