#include "services/auth/embedded/tickets.h"

#include "services/auth/embedded/inside.h"

const char *vk_auth_tstatus_name(vk_auth_tstatus s)
{
    static const char *const names[VK_AUTH_T_STATUSES] = {
        [VK_AUTH_T_PENDING] = "pending",
        [VK_AUTH_T_ACCEPTED] = "accepted",
        [VK_AUTH_T_REVOKED] = "revoked",
        [VK_AUTH_T_EXPIRED] = "expired",
    };
    return names[s];
}

bool vk_auth_tstatus_of(vk_str name, vk_auth_tstatus *out_r)
{
    for (int i = 0; i < VK_AUTH_T_STATUSES; i++) {
        if (vk_str_eqz(name, vk_auth_tstatus_name((vk_auth_tstatus)i))) {
            *out_r = (vk_auth_tstatus)i;
            return true;
        }
    }
    return false;
}

vk_auth_tstatus vk_auth_ticket_status(const vk_auth_ticket *t, int64_t now_ms)
{
    return t->status == VK_AUTH_T_PENDING && now_ms >= t->expire_ms ? VK_AUTH_T_EXPIRED : t->status;
}

static vk_str or_null(const char *z)
{
    return z[0] ? vk_str_z(z) : VK_STR_NONE;
}

static vk_str bytes(const uint8_t hash[VK_SHA256])
{
    return (vk_str){(const char *)hash, VK_SHA256};
}

vk_err vk_auth_ticket_add(vk_auth_db *db, const vk_auth_ticket *t)
{
    if (t->status == VK_AUTH_T_EXPIRED)
        return VK_E_INVALID;
    return vk_auth_run(db,
                       vk_auth_st(db, VK_AUTH_Q_TICKET_ADD, "ziibssssiii", t->id, (int64_t)t->kind,
                                  (int64_t)t->status, bytes(t->hash), or_null(t->user), or_null(t->address),
                                  t->public_metadata, t->redirect_url, t->created_ms, t->updated_ms,
                                  t->expire_ms),
                       NULL);
}

vk_err vk_auth_ticket_put(vk_auth_db *db, const vk_auth_ticket *t)
{
    if (t->status == VK_AUTH_T_EXPIRED)
        return VK_E_INVALID;
    return vk_auth_run_one(db, vk_auth_st(db, VK_AUTH_Q_TICKET_PUT, "zisi", t->id, (int64_t)t->status,
                                          or_null(t->user), t->updated_ms));
}

static vk_err read_ticket(sqlite3_stmt *st, vk_arena *a, vk_auth_ticket *t)
{
    vk_err e = VK_OK;
    int kind = sqlite3_column_int(st, 1), status = sqlite3_column_int(st, 2);
    const void *hash = sqlite3_column_blob(st, 3);
    memset(t, 0, sizeof *t);
    if (!hash || sqlite3_column_bytes(st, 3) != VK_SHA256 || kind < 0 || kind > VK_AUTH_T_SIGN_IN ||
        status < 0 || status >= VK_AUTH_T_EXPIRED)
        return VK_E_CORRUPT;
    memcpy(t->hash, hash, VK_SHA256);
    t->kind = (vk_auth_tkind)kind;
    t->status = (vk_auth_tstatus)status;
    vk_auth_col_id(st, 0, t->id, sizeof t->id, &e);
    vk_auth_col_id(st, 4, t->user, sizeof t->user, &e);
    vk_auth_col_id(st, 5, t->address, sizeof t->address, &e);
    t->public_metadata = vk_auth_col(st, 6, a, &e);
    t->redirect_url = vk_auth_col(st, 7, a, &e);
    t->created_ms = sqlite3_column_int64(st, 8);
    t->updated_ms = sqlite3_column_int64(st, 9);
    t->expire_ms = sqlite3_column_int64(st, 10);
    return e;
}

static vk_err one_ticket(vk_auth_db *db, vk_arena *a, sqlite3_stmt *st, vk_auth_ticket *out_r)
{
    vk_auth_ticket t;
    vk_err e = vk_auth_row(db, st);
    if (e != VK_OK)
        return e;
    e = read_ticket(st, a, &t);
    vk_auth_done(st);
    if (e == VK_OK)
        *out_r = t;
    return e;
}

vk_err vk_auth_ticket_get(vk_auth_db *db, vk_arena *a, vk_str id, vk_auth_ticket *out_r)
{
    return one_ticket(db, a, vk_auth_st(db, VK_AUTH_Q_TICKET, "s", id), out_r);
}

vk_err vk_auth_ticket_by_hash(vk_auth_db *db, vk_arena *a, const uint8_t hash[VK_SHA256],
                              vk_auth_ticket *out_r)
{
    return one_ticket(db, a, vk_auth_st(db, VK_AUTH_Q_TICKET_BY_HASH, "b", bytes(hash)), out_r);
}

vk_err vk_auth_ticket_pending(vk_auth_db *db, vk_arena *a, vk_str address, int64_t now_ms,
                              vk_auth_ticket *out_r)
{
    return one_ticket(db, a, vk_auth_st(db, VK_AUTH_Q_TICKET_PENDING, "si", address, now_ms), out_r);
}

static vk_err count(vk_auth_db *db, const vk_auth_ticket_filter *f, int64_t *n_r)
{
    sqlite3_stmt *st = vk_auth_st(db, VK_AUTH_Q_TICKETS_COUNT, "iiis", (int64_t)f->kind, (int64_t)f->status,
                                  f->now_ms, f->query.n ? f->query : VK_STR_NONE);
    vk_err e = vk_auth_row(db, st);
    if (e != VK_OK)
        return e;
    *n_r = sqlite3_column_int64(st, 0);
    vk_auth_done(st);
    return VK_OK;
}

vk_err vk_auth_tickets(vk_auth_db *db, vk_arena *a, const vk_auth_ticket_filter *f,
                       const vk_auth_ticket **out_r, size_t *n_r, int64_t *total_r)
{
    size_t n = 0;
    int64_t total = 0;
    if (f->limit < 1 || f->limit > VK_AUTH_TICKETS_PAGE_MAX || f->offset < 0 ||
        f->status < VK_AUTH_T_NOT_REVOKED || f->status >= VK_AUTH_T_STATUSES)
        return VK_E_INVALID;
    vk_err e = count(db, f, &total);
    if (e != VK_OK)
        return e;
    int64_t rest = f->offset < total ? total - f->offset : 0;
    size_t room = (size_t)(rest < f->limit ? rest : f->limit);
    vk_auth_ticket *rows = vk_arena_alloc(a, sizeof *rows * room);
    if (!rows)
        return VK_E_NOMEM;
    sqlite3_stmt *st = vk_auth_st(db, VK_AUTH_Q_TICKETS, "iiisiii", (int64_t)f->kind, (int64_t)f->status,
                                  f->now_ms, f->query.n ? f->query : VK_STR_NONE,
                                  (int64_t)(f->oldest_first ? 1 : -1), (int64_t)room, f->offset);
    while (n < room && (e = vk_auth_row(db, st)) == VK_OK) {
        e = read_ticket(st, a, &rows[n++]);
        if (e != VK_OK)
            break;
    }
    vk_auth_done(st);
    if (e != VK_OK && e != VK_E_NOT_FOUND)
        return e;
    *out_r = rows;
    *n_r = n;
    *total_r = total;
    return VK_OK;
}
