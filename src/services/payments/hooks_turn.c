/* On the strand of a build: writes what came of attempts, and finds the next ones. */
#include "services/payments/hooks_inside.h"

#include "core/clock.h"
#include "core/log.h"
#include "services/payments/hooks.h"
#include "services/payments/inside.h"

enum { TURN_ARENA = 16 << 20, DUE_ARENA = 48 << 20, OLD_ANSWER = 200, SLOTS = 4096 };

/* ---- who was slow */

static _Atomic uint32_t slow_marks[SLOTS];

static uint64_t mark_of(const char *build, vk_str endpoint)
{
    return vk_hash_str(vk_str_z(build)) * 31 + vk_hash_str(endpoint);
}

bool vk_pay_slow(const char *build, vk_str endpoint)
{
    uint64_t h = mark_of(build, endpoint);
    return atomic_load_explicit(&slow_marks[h % SLOTS], memory_order_relaxed) == ((uint32_t)(h >> 32) | 1);
}

void vk_pay_slow_set(const char *build, vk_str endpoint, bool slow)
{
    uint64_t h = mark_of(build, endpoint);
    if (slow || vk_pay_slow(build, endpoint))
        atomic_store_explicit(&slow_marks[h % SLOTS], slow ? (uint32_t)(h >> 32) | 1 : 0,
                              memory_order_relaxed);
}

/* ---- what came of them */

void vk_pay_flight_free(vk_pay_flight *f)
{
    free((char *)(uintptr_t)f->answer.p);
    free(f);
}

vk_str vk_pay_attempts_add(vk_arena *a, vk_str log, const vk_pay_flight *f)
{
    vk_pv *all = NULL;
    if (!log.n || vk_pv_parse(a, log, &all) != VK_OK || !vk_pv_is(all, VK_PV_ARR))
        all = vk_pv_arr(a);
    vk_pv *kept = vk_pv_arr(a), *one = vk_pv_obj(a);
    bool ok = kept != NULL;
    size_t skip = all && all->count >= VK_PAY_ATTEMPTS_KEPT ? all->count - VK_PAY_ATTEMPTS_KEPT + 1 : 0;
    VK_PV_EACH(old, all)
    {
        if (skip) {
            skip--;
            continue;
        }
        vk_str answer = vk_pv_text(old, "answer");
        if (answer.n > OLD_ANSWER) {
            while (answer.n > OLD_ANSWER || (answer.n && ((unsigned char)answer.p[answer.n] & 0xc0) == 0x80))
                answer.n--;
            ok = ok && vk_pv_put_str(a, old, "answer", answer);
        }
        ok = ok && vk_pv_add(a, kept, vk_pv_copy(a, old));
    }
    ok = ok && vk_pv_put_int(a, one, "at", f->at_ms) && vk_pv_put_int(a, one, "ms", f->took_ms) &&
         vk_pv_put_int(a, one, "status", f->status) &&
         vk_pv_put_str(a, one, f->status ? "answer" : "error", f->answer.p ? f->answer : VK_STR("")) &&
         vk_pv_add(a, kept, one);
    vk_buf b;
    vk_buf_init(&b, 256 * 1024);
    if (ok)
        vk_pv_write(&b, kept);
    vk_str out = ok && b.err == VK_OK ? vk_arena_dup(a, vk_buf_view(&b)) : VK_STR_NONE;
    vk_buf_free(&b);
    return out;
}

/* ---- what is next */

typedef struct place {
    vk_str id, url;
    bool off;
    bool first_taken, again_taken; /* one is under way */
} place;

typedef struct looking {
    vk_pay_turn *t;
    vk_arena *a;
    place places[VK_PAY_ENDPOINTS_MAX + 1];
    size_t n_places;
    place *at; /* whose deliveries are looked at */
    vk_err e;
} looking;

static bool one_endpoint(void *arg, const vk_pay_row *row)
{
    looking *l = arg;
    vk_str body = vk_arena_dup(l->a, row->body);
    vk_pv *doc;
    l->e = body.p ? vk_pv_parse(l->a, body, &doc) : VK_E_NOMEM;
    if (l->e != VK_OK)
        return false;
    l->places[l->n_places++] = (place){.id = vk_pv_text(doc, "id"),
                                       .url = vk_pv_text(doc, "url"),
                                       .off = vk_str_eqz(vk_pv_text(doc, "status"), "disabled")};
    return l->n_places < VK_COUNT(l->places);
}

/* Where events go now: a delivery that waits goes to where its endpoint is by then. */
static vk_err find_places(vk_pay_db *db, looking *l)
{
    vk_str where;
    vk_err e = vk_pay_setting(db, l->a, VK_PAY_WEBHOOK_SETTING, &where);
    if (e == VK_E_NOT_FOUND)
        where = VK_STR(VK_PAY_DEFAULT_PATH);
    else if (e != VK_OK)
        return e;
    place *p = &l->places[l->n_places++];
    *p = (place){.id = VK_STR(VK_PAY_DEFAULT_ENDPOINT), .url = where, .off = vk_str_eqz(where, "off")};
    if (vk_str_starts(where, VK_STR("/")))
        p->url = vk_arena_printf(l->a, "%s" VK_STR_FMT, l->t->origin, VK_STR_ARG(where));
    if (!p->url.p)
        return VK_E_NOMEM;
    const vk_pay_ask ask = {
        .kind = vk_pay_r_webhook_endpoint.object, .created_to = INT64_MAX, .oldest_first = true};
    e = vk_pay_doc_list(db, &ask, one_endpoint, l);
    return e == VK_OK ? l->e : e;
}

static vk_str put(char **at, vk_str s)
{
    char *p = *at;
    if (s.n)
        memcpy(p, s.p, s.n);
    *at += s.n;
    return (vk_str){p, s.n};
}

static vk_err take(looking *l, const vk_pay_delivery *d, vk_str url, bool slow)
{
    vk_pay_turn *t = l->t;
    size_t bytes = d->event.n + d->endpoint.n + url.n + d->body.n + d->note.n;
    vk_pay_flight *f = calloc(1, sizeof *f + bytes);
    if (!f)
        return VK_E_NOMEM;
    char *at = (char *)(f + 1);
    vk_list_init(&f->node);
    f->of = t->of;
    f->id = d->id;
    f->created_ms = d->created_ms;
    f->generation = t->generation;
    f->tries = d->tries;
    f->slow = slow;
    f->event = put(&at, d->event);
    f->endpoint = put(&at, d->endpoint);
    f->url = put(&at, url);
    f->body = put(&at, d->body);
    f->log = put(&at, d->note);
    vk_list_push(&t->flights, &f->node);
    t->n++;
    t->n_slow += slow;
    return VK_OK;
}

/* The first one that is not under way. */
static bool one_due(void *arg, const vk_pay_delivery *d)
{
    looking *l = arg;
    vk_pay_turn *t = l->t;
    for (size_t i = 0; i < t->n_busy; i++)
        if (t->busy[i].id == d->id)
            return true;
    bool slow = vk_pay_slow(t->build, d->endpoint);
    if (t->n == t->room)
        t->more = true;
    else if (slow && t->n_slow == t->room_slow)
        t->more_slow = true;
    else
        l->e = take(l, d, l->at->url, slow);
    return false;
}

/* Of each endpoint the oldest that was never tried, so that these arrive in order; and beside it one that is
 * tried again, which so holds up nobody. Those that are not slow come first. */
static vk_err look(vk_pay_db *db, looking *l)
{
    vk_pay_turn *t = l->t;
    int64_t now_ms = vk_clock_wall_ms();
    vk_err e = VK_OK;
    for (size_t i = 0; i < 2 * l->n_places && e == VK_OK; i++) {
        place *p = l->at = &l->places[i % l->n_places];
        if (p->off || vk_pay_slow(t->build, p->id) != (i >= l->n_places))
            continue;
        for (size_t k = 0; k < t->n_busy; k++)
            if (vk_hash_str(p->id) == t->busy[k].endpoint)
                *(t->busy[k].first ? &p->first_taken : &p->again_taken) = true;
        if (!p->first_taken)
            e = vk_pay_delivery_due(db, p->id, false, now_ms, one_due, l);
        if (e == VK_OK && l->e == VK_OK && !p->again_taken)
            e = vk_pay_delivery_due(db, p->id, true, now_ms, one_due, l);
        if (e == VK_OK)
            e = l->e;
    }
    return e;
}

/* Whether an endpoint is still one, and takes something. */
static bool is_on(const looking *l, vk_str endpoint)
{
    for (size_t i = 0; i < l->n_places; i++)
        if (vk_str_eq(l->places[i].id, endpoint))
            return !l->places[i].off;
    return false;
}

/* What came of an attempt. Who has no room left keeps no log of it: it counts all the same. */
static vk_err settle(vk_pay_db *db, const looking *l, const vk_pay_flight *f)
{
    bool good = f->status / 100 == 2, more = !good && is_on(l, f->endpoint);
    int64_t now_ms = f->at_ms + f->took_ms;
    vk_pay_delivery d = {.id = f->id,
                         .due_ms = more ? vk_pay_hook_again(f->tries + 1, f->created_ms, now_ms) : 0,
                         .tries = f->tries + 1,
                         .status = f->status,
                         .note = vk_pay_attempts_add(l->a, f->log, f),
                         .delivered = good};
    if (!d.note.p)
        return VK_E_NOMEM;
    vk_err e = vk_pay_delivery_set(db, &d);
    if (e == VK_E_FULL) {
        d.note = VK_STR_NONE;
        e = vk_pay_delivery_set(db, &d);
    }
    return e == VK_E_NOT_FOUND ? VK_OK : e; /* the event was past its time */
}

static bool one_expired(void *arg, vk_str id)
{
    bool *any = arg;
    VK_UNUSED(id);
    *any = true;
    return false;
}

static vk_err expire(vk_pay_turn *t, vk_arena *a)
{
    vk_pay_call c;
    vk_pay_call_init(&c, NULL, a, t->pool);
    vk_err e = vk_pay_begin(&c);
    return e == VK_OK ? vk_pay_due(&c) : e;
}

static vk_err work(vk_pay_turn *t, vk_arena *a)
{
    vk_pay_db *db;
    t->next_ms = INT64_MAX;
    vk_err e = vk_pay_pool_db(t->pool, &db);
    if (e == VK_E_NOT_FOUND) /* nothing was ever done */
        return VK_OK;
    if (e == VK_OK && t->expire)
        return t->away ? VK_OK : expire(t, a);
    looking l = {.t = t, .a = a};
    if (e == VK_OK)
        e = find_places(db, &l);
    for (vk_list *n = t->settle.next; n != &t->settle && e == VK_OK; n = n->next)
        e = settle(db, &l, VK_CONTAINER(n, vk_pay_flight, node));
    if (e == VK_OK)
        e = look(db, &l);
    if (e == VK_OK && !t->away)
        e = vk_pay_due_list(db, vk_clock_wall_ms(), one_expired, &t->expired);
    if (e == VK_OK)
        e = t->away ? vk_pay_next_delivery(db, &t->next_ms) : vk_pay_next_due(db, &t->next_ms);
    return e;
}

vk_err vk_pay_turn_run(vk_pay_job *j)
{
    vk_pay_turn *t = VK_CONTAINER(j, vk_pay_turn, job);
    vk_arena *a = vk_arena_new(t->expire ? DUE_ARENA : TURN_ARENA);
    if (vk_pay_pool_closing(t->pool)) {
        vk_arena_free(a);
        return VK_E_CONFLICT;
    }
    vk_err e = a ? work(t, a) : VK_E_NOMEM;
    vk_arena_free(a);
    return e;
}

void vk_pay_turn_done(vk_pay_job *j, vk_err e)
{
    vk_pay_turn *t = VK_CONTAINER(j, vk_pay_turn, job);
    vk_pay_pool *pool = t->pool;
    if (e != VK_OK && e != VK_E_CONFLICT && e != VK_E_BUSY)
        vk_log(VK_WARN, "a build's events cannot be looked at", VK_F(build, t->build),
               VK_F(error, vk_err_name(e)));
    t->told(t, e); /* it may be gone */
    vk_pay_pool_let_go(pool);
}
