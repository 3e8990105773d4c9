/* Idempotent answers, settings, deliveries of events, what is due, and what goes after its time. */
#include "services/payments/embedded/inside.h"

/* ---- idempotent answers */

vk_err vk_pay_idem_get(vk_pay_db *db, vk_arena *a, vk_str key, int64_t now_ms, vk_pay_idem *out_r)
{
    vk_pay_idem x;
    sqlite3_stmt *st = vk_pay_st(db, VK_PAY_Q_IDEM, "s", key);
    vk_err e = vk_pay_next(db, st);
    if (e != VK_OK)
        return e;
    vk_str hash = vk_pay_view(st, 1);
    if (sqlite3_column_int64(st, 0) <= now_ms - VK_PAY_IDEMPOTENT_MS) {
        e = VK_E_NOT_FOUND;
    } else if (hash.n != sizeof x.hash) {
        e = VK_E_CORRUPT;
    } else {
        memcpy(x.hash, hash.p, sizeof x.hash);
        x.status = sqlite3_column_int(st, 2);
        x.request_id = vk_pay_col(st, 3, a, &e);
        x.body = vk_pay_col(st, 4, a, &e);
    }
    vk_pay_done(st);
    if (e == VK_OK)
        *out_r = x;
    return e;
}

vk_err vk_pay_idem_put(vk_pay_db *db, vk_str key, int64_t now_ms, const vk_pay_idem *v)
{
    if (v->body.n > VK_PAY_ANSWER_MAX)
        return VK_E_TOO_LARGE;
    vk_err e = vk_pay_room(db, v->body.n + key.n);
    if (e != VK_OK)
        return e;
    return vk_pay_change(db,
                         vk_pay_st(db, VK_PAY_Q_IDEM_PUT, "sibiss", key, now_ms,
                                   (vk_str){(const char *)v->hash, sizeof v->hash}, (int64_t)v->status,
                                   v->request_id, v->body),
                         NULL);
}

/* ---- deliveries */

vk_err vk_pay_delivery_add(vk_pay_db *db, const vk_pay_delivery *d, int64_t *id_r)
{
    if (d->body.n > VK_PAY_ANSWER_MAX)
        return VK_E_TOO_LARGE;
    vk_err e = vk_pay_room(db, d->body.n + d->url.n + d->note.n);
    if (e == VK_OK)
        e = vk_pay_change(db,
                          vk_pay_st(db, VK_PAY_Q_DELIVERY_ADD, "sssiiiiis", d->event, d->endpoint, d->url,
                                    d->created_ms, d->due_ms, (int64_t)d->tries, (int64_t)d->status,
                                    (int64_t)d->delivered, d->note),
                          NULL);
    int64_t id = sqlite3_last_insert_rowid(db->db);
    if (e == VK_OK && d->body.p)
        e = vk_pay_change(db, vk_pay_st(db, VK_PAY_Q_BODY_PUT, "ib", id, d->body), NULL);
    if (e == VK_OK)
        *id_r = id;
    return e;
}

vk_err vk_pay_delivery_set(vk_pay_db *db, const vk_pay_delivery *d)
{
    int64_t n = 0;
    if (d->body.n > VK_PAY_ANSWER_MAX)
        return VK_E_TOO_LARGE;
    vk_err e = vk_pay_room(db, d->body.n + d->note.n);
    if (e == VK_OK)
        e = vk_pay_change(db,
                          vk_pay_st(db, VK_PAY_Q_DELIVERY_SET, "iiiiis", d->id, d->due_ms, (int64_t)d->tries,
                                    (int64_t)d->status, (int64_t)d->delivered, d->note),
                          &n);
    if (e == VK_OK && n == 0)
        e = VK_E_NOT_FOUND;
    if (e == VK_OK && d->body.p)
        e = vk_pay_change(db, vk_pay_st(db, VK_PAY_Q_BODY_PUT, "ib", d->id, d->body), NULL);
    return e;
}

static void delivery_of(sqlite3_stmt *st, vk_pay_delivery *out_r)
{
    *out_r = (vk_pay_delivery){.id = sqlite3_column_int64(st, 0),
                               .event = vk_pay_view(st, 1),
                               .endpoint = vk_pay_view(st, 2),
                               .url = vk_pay_view(st, 3),
                               .created_ms = sqlite3_column_int64(st, 4),
                               .due_ms = sqlite3_column_int64(st, 5),
                               .tries = sqlite3_column_int(st, 6),
                               .status = sqlite3_column_int(st, 7),
                               .delivered = sqlite3_column_int(st, 8) != 0,
                               .note = vk_pay_view(st, 9),
                               .body = vk_pay_view(st, 10)};
}

vk_err vk_pay_delivery_get(vk_pay_db *db, vk_arena *a, int64_t id, vk_pay_delivery *out_r)
{
    vk_pay_delivery d;
    sqlite3_stmt *st = vk_pay_st(db, VK_PAY_Q_DELIVERY, "i", id);
    vk_err e = vk_pay_next(db, st);
    if (e != VK_OK)
        return e;
    delivery_of(st, &d);
    vk_str *const texts[] = {&d.event, &d.endpoint, &d.url, &d.note, &d.body};
    for (size_t i = 0; e == VK_OK && i < VK_COUNT(texts); i++)
        if (texts[i]->p) {
            *texts[i] = vk_arena_dup(a, *texts[i]);
            if (!texts[i]->p)
                e = VK_E_NOMEM;
        }
    vk_pay_done(st);
    if (e == VK_OK)
        *out_r = d;
    return e;
}

static vk_err show(vk_pay_db *db, sqlite3_stmt *st, bool (*one)(void *arg, const vk_pay_delivery *d),
                   void *arg)
{
    vk_pay_delivery d;
    vk_err e;
    while ((e = vk_pay_next(db, st)) == VK_OK) {
        delivery_of(st, &d);
        if (!one(arg, &d)) {
            vk_pay_done(st);
            return VK_OK;
        }
    }
    return e == VK_E_NOT_FOUND ? VK_OK : e;
}

vk_err vk_pay_delivery_due(vk_pay_db *db, vk_str endpoint, bool again, int64_t now_ms,
                           bool (*one)(void *arg, const vk_pay_delivery *d), void *arg)
{
    return show(
        db,
        vk_pay_st(db, again ? VK_PAY_Q_DELIVERIES_AGAIN : VK_PAY_Q_DELIVERIES_FIRST, "si", endpoint, now_ms),
        one, arg);
}

vk_err vk_pay_delivery_end(vk_pay_db *db, vk_str endpoint)
{
    return vk_pay_change(db, vk_pay_st(db, VK_PAY_Q_DELIVERIES_END, "s", endpoint), NULL);
}

vk_err vk_pay_delivery_list(vk_pay_db *db, vk_str event, bool (*one)(void *arg, const vk_pay_delivery *d),
                            void *arg)
{
    sqlite3_stmt *st =
        event.p ? vk_pay_st(db, VK_PAY_Q_DELIVERIES_OF, "s", event) : vk_pay_st(db, VK_PAY_Q_DELIVERIES, "");
    return show(db, st, one, arg);
}

/* The number in the only row of a statement that always has one. */
static vk_err number(vk_pay_db *db, sqlite3_stmt *st, int64_t *out_r)
{
    vk_err e = vk_pay_next(db, st);
    if (e == VK_OK)
        *out_r = sqlite3_column_int64(st, 0);
    vk_pay_done(st);
    return e;
}

vk_err vk_pay_delivery_pending(vk_pay_db *db, vk_str event, int64_t *out_r)
{
    return number(db, vk_pay_st(db, VK_PAY_Q_DELIVERIES_PENDING, "s", event), out_r);
}

/* ---- what is due */

vk_err vk_pay_next_due(vk_pay_db *db, int64_t *at_ms_r)
{
    return number(db, vk_pay_st(db, VK_PAY_Q_DUE_NEXT, ""), at_ms_r);
}

vk_err vk_pay_next_delivery(vk_pay_db *db, int64_t *at_ms_r)
{
    return number(db, vk_pay_st(db, VK_PAY_Q_DELIVERY_NEXT, ""), at_ms_r);
}

vk_err vk_pay_due_put(vk_pay_db *db, vk_str id, int64_t at_ms)
{
    vk_err e = at_ms ? vk_pay_room(db, id.n) : vk_pay_sound(db);
    if (e != VK_OK)
        return e;
    return vk_pay_change(db,
                         at_ms ? vk_pay_st(db, VK_PAY_Q_DUE_PUT, "si", id, at_ms)
                               : vk_pay_st(db, VK_PAY_Q_DUE_DROP, "s", id),
                         NULL);
}

vk_err vk_pay_due_list(vk_pay_db *db, int64_t now_ms, bool (*one)(void *arg, vk_str id), void *arg)
{
    sqlite3_stmt *st = vk_pay_st(db, VK_PAY_Q_DUE, "i", now_ms);
    vk_err e;
    while ((e = vk_pay_next(db, st)) == VK_OK)
        if (!one(arg, vk_pay_view(st, 0))) {
            vk_pay_done(st);
            return VK_OK;
        }
    return e == VK_E_NOT_FOUND ? VK_OK : e;
}

/* ---- what goes */

enum { DAY_S = 24 * 3600 };

/* One event with its deliveries. VK_E_NOT_FOUND: none is that old. */
static vk_err drop_event(vk_pay_db *db, int64_t until)
{
    char room[VK_PAY_KEY_VALUE_MAX];
    sqlite3_stmt *st = vk_pay_st(db, VK_PAY_Q_TIDY_EVENTS, "i", until);
    vk_err e = vk_pay_next(db, st);
    if (e != VK_OK)
        return e;
    vk_str id = vk_pay_view(st, 0);
    if (id.n > sizeof room)
        e = VK_E_CORRUPT;
    else
        memcpy(room, id.p, id.n);
    vk_pay_done(st);
    id.p = room;
    if (e == VK_OK)
        e = vk_pay_change(db, vk_pay_st(db, VK_PAY_Q_TIDY_BODIES_OF, "s", id), NULL);
    if (e == VK_OK)
        e = vk_pay_change(db, vk_pay_st(db, VK_PAY_Q_TIDY_DELIVERIES_OF, "s", id), NULL);
    if (e == VK_OK)
        e = vk_pay_doc_del(db, id);
    return e == VK_E_NOT_FOUND ? VK_E_CORRUPT : e;
}

vk_err vk_pay_tidy(vk_pay_db *db, int64_t now_ms, bool *more_r)
{
    int64_t answers = 0, bodies = 0, events = 0;
    vk_err e = vk_pay_sound(db);
    if (e == VK_OK)
        e = vk_pay_change(db,
                          vk_pay_st(db, VK_PAY_Q_TIDY_IDEM, "iii", now_ms, (int64_t)VK_PAY_TIDY_STEP,
                                    (int64_t)VK_PAY_IDEMPOTENT_MS),
                          &answers);
    if (e == VK_OK)
        e = vk_pay_change(db,
                          vk_pay_st(db, VK_PAY_Q_TIDY_BODIES, "ii",
                                    now_ms - (int64_t)VK_PAY_BODIES_DAYS * DAY_S * 1000,
                                    (int64_t)VK_PAY_TIDY_STEP),
                          &bodies);
    while (e == VK_OK && events < VK_PAY_TIDY_STEP &&
           (e = drop_event(db, now_ms / 1000 - (int64_t)VK_PAY_EVENTS_DAYS * DAY_S)) == VK_OK)
        events++;
    if (e == VK_E_NOT_FOUND)
        e = VK_OK;
    if (e == VK_OK)
        *more_r = answers == VK_PAY_TIDY_STEP || bodies == VK_PAY_TIDY_STEP || events == VK_PAY_TIDY_STEP;
    return e;
}
