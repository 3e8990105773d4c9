/* When which build's events are sent: on loop 0, where courier is spoken to. A build that has something due
 * gets a turn (hooks_turn.c), which brings what is to be sent; an answer leads to its next turn. Attempts are
 * bounded, of a build and of all, and receivers that were slow have a share of them that leaves the others
 * room. */
#include "services/payments/hooks.h"

#include "core/clock.h"
#include "core/log.h"
#include "services/payments/hooks_inside.h"
#include "services/payments/wake.h"

enum {
    WAIT_MS = 5000,    /* a page waits for the app at most so long */
    SOON_MS = 1000,    /* courier is away; something is left that a turn could not take */
    LATER_MS = 5000,   /* the same, of slow receivers, which are told when there is room */
    BROKEN_MS = 10000, /* the database fails */
    BUSY_MS = 200,
    SWEEP_ROOM = 64,
    SWEEP_EACH_MS = 50, /* after a start, a build: so that opening them all takes nothing from others */
    LONGEST_MS = 60000, /* the timer looks at the clock so often, which somebody may set */
    HEARD = 256,
    BUILD_ARENA = 160 * 1024, /* a build, and how it has its services */
};

/* A build with something under way. */
typedef struct vk_pay_hooked {
    vk_map_node node;
    vk_list ready; /* in all.ready or all.slow */
    char build[VK_BUILD_ID_MAX + 1];
    bool turning, again, expire;
    bool waits_slow; /* is in all.slow */
    size_t n_flights, reserved, reserved_slow;
    vk_list flights, back;                  /* under way; what came back, to be written */
    int64_t not_before_ms, expire_after_ms; /* unix milliseconds */
} vk_pay_hooked;

/* A page that waits. */
typedef struct waiting {
    vk_task task;
    vk_list node;
    vk_exchange *ex;
    void (*then)(vk_exchange *ex);
    vk_str event;
    int64_t left, until_ms; /* until: loop time */
} waiting;

static struct {
    vk_runtime *rt;
    int index;
    bool started, stopped;
    vk_pay_wakes wakes;
    vk_map builds;
    vk_list ready, slow; /* slow: those whose deliveries wait for a place among the slow ones */
    size_t free, free_slow;
    vk_list waiting;
    uint64_t heard[HEARD]; /* events that were answered lately */
    size_t n_heard;
    vk_timer timer;
    struct {
        vk_job job;
        vk_task task;
        vk_timer timer;
        char names[SWEEP_ROOM][VK_BUILD_ID_MAX + 1], after[VK_BUILD_ID_MAX + 1];
        size_t n;
    } sweep;
    _Atomic uint64_t sent, delivered, failed, under_way;
} all;

static void pump(void);
static void set_timer(void);

/* ---- builds */

static vk_pay_hooked *hooked(const char *build)
{
    uint64_t hash = vk_hash_str(vk_str_z(build));
    vk_pay_hooked *b = NULL;
    for (vk_map_node *n = vk_map_find(&all.builds, hash); n; n = vk_map_find_next(n))
        if (strcmp((b = VK_CONTAINER(n, vk_pay_hooked, node))->build, build) == 0)
            return b;
    b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    vk_list_init(&b->ready);
    vk_list_init(&b->flights);
    vk_list_init(&b->back);
    snprintf(b->build, sizeof b->build, "%s", build);
    if (vk_map_add(&all.builds, &b->node, hash) == VK_OK)
        return b;
    free(b);
    return NULL;
}

static void forget_results(vk_pay_hooked *b)
{
    for (vk_list *n; (n = vk_list_shift(&b->back)) != NULL;)
        vk_pay_flight_free(VK_CONTAINER(n, vk_pay_flight, node));
}

/* Nothing of it is under way: it is read from its file again when it has something to do. */
static void settle(vk_pay_hooked *b)
{
    if (b->turning || b->n_flights || !vk_list_empty(&b->ready) || !vk_list_empty(&b->back))
        return;
    vk_map_remove(&all.builds, &b->node);
    free(b);
}

static void make_ready(vk_pay_hooked *b)
{
    if (b->turning) {
        b->again = true;
        return;
    }
    if (b->waits_slow)
        vk_list_remove(&b->ready);
    b->waits_slow = false;
    if (vk_list_empty(&b->ready))
        vk_list_push(&all.ready, &b->ready);
}

/* Places among the slow ones are free: for those who wait for one. Who has something for it by now is seen in
 * its turn. */
static void open_slow(void)
{
    vk_list *n = NULL;
    for (size_t i = 0; i < all.free_slow && (n = vk_list_shift(&all.slow)) != NULL; i++)
        make_ready(VK_CONTAINER(n, vk_pay_hooked, ready));
}

/* What came back is written before anything else is begun, also when all places are taken. */
static void make_first(vk_pay_hooked *b)
{
    make_ready(b);
    if (b->turning)
        return;
    vk_list_remove(&b->ready);
    vk_list_unshift(&all.ready, &b->ready);
}

static void wake_at(const char *build, int64_t at_ms)
{
    if (vk_pay_wakes_set(&all.wakes, build, at_ms) != VK_OK)
        vk_log(VK_WARN, "no memory to keep a build's time: its events wait for its next call",
               VK_F(build, build));
}

/* Its turn is not now. */
static void later(vk_pay_hooked *b, int64_t ms)
{
    b->not_before_ms = vk_clock_wall_ms() + ms;
    wake_at(b->build, b->not_before_ms);
}

/* As the metadata has it now. VK_E_NOT_FOUND: it has ended, so no event of it is sent any more. */
static vk_err look_up(const char *build, vk_arena *a, vk_build *out_r)
{
    vk_store *reader = all.rt->workers[0][all.index]->reader;
    vk_err e = reader->ops->build_get(reader, a, vk_str_z(build), out_r);
    if (e != VK_OK)
        return e;
    return out_r->state == VK_BUILD_ACTIVE && out_r->expires_ms > vk_clock_wall_ms() ? VK_OK : VK_E_NOT_FOUND;
}

/* ---- pages that wait */

static void let_on(waiting *w)
{
    vk_list_remove(&w->node);
    vk_exchange_post(w->ex, w->then); /* `w` is in its arena */
}

static void heard(const vk_pay_flight *f)
{
    all.heard[all.n_heard++ % HEARD] = vk_hash_str(f->event);
    for (vk_list *n = all.waiting.next, *next; n != &all.waiting; n = next) {
        waiting *w = VK_CONTAINER(n, waiting, node);
        next = n->next;
        if (vk_str_eq(w->event, f->event) && --w->left <= 0)
            let_on(w);
    }
}

static void begin_waiting(vk_task *task)
{
    waiting *w = VK_CONTAINER(task, waiting, task);
    uint64_t hash = vk_hash_str(w->event);
    vk_list_push(&all.waiting, &w->node);
    w->until_ms = vk_loop_now(all.rt->loops[0]) + WAIT_MS;
    for (size_t i = 0; i < HEARD && i < all.n_heard; i++)
        w->left -= all.heard[i] == hash;
    if (w->left <= 0 || all.stopped)
        let_on(w);
    else
        set_timer();
}

bool vk_pay_hooks_wait(vk_pay_call *c, void (*then)(vk_exchange *ex))
{
    vk_str event;
    int64_t pending;
    waiting *w = all.started && vk_pay_told(c, &event, &pending) ? VK_NEW(c->arena, waiting) : NULL;
    if (!w)
        return false;
    *w = (waiting){.task.run = begin_waiting, .ex = c->ex, .then = then, .event = event, .left = pending};
    vk_list_init(&w->node);
    vk_loop_post(all.rt->loops[0], &w->task);
    return true;
}

/* ---- attempts */

static void flown(vk_pay_flight *f)
{
    vk_pay_hooked *b = f->of;
    vk_list_remove(&f->node);
    b->n_flights--;
    all.free++;
    all.free_slow += f->slow;
    atomic_fetch_sub(&all.under_way, 1);
    open_slow();
}

/* `text`: the answer's beginning, or why there is none. */
static void came_back(vk_pay_flight *f, int status, vk_str text)
{
    vk_pay_hooked *b = f->of;
    size_t n = text.n < VK_PAY_NOTE_MAX ? text.n : VK_PAY_NOTE_MAX;
    while (n < text.n && n && ((unsigned char)text.p[n] & 0xc0) == 0x80) /* no half a character */
        n--;
    char *copy = malloc(n + 1);
    if (copy) {
        if (n)
            memcpy(copy, text.p, n);
        copy[n] = '\0';
        f->answer = (vk_str){copy, n};
    }
    f->status = status;
    vk_count(status / 100 == 2 ? &all.delivered : &all.failed, 1);
    vk_pay_slow_set(b->build, f->endpoint, f->took_ms >= VK_PAY_SLOW_MS);
    if (f->tries == 0)
        heard(f);
    vk_list_push(&b->back, &f->node);
    make_first(b);
}

static void answered(vk_reach *r)
{
    vk_pay_flight *f = VK_CONTAINER(r, vk_pay_flight, reach);
    vk_pay_hooked *b = f->of;
    flown(f);
    f->took_ms = vk_clock_wall_ms() - f->at_ms;
    f->took_ms = f->took_ms > 0 ? f->took_ms : 0; /* somebody may have set the clock */
    if (all.stopped) {
        vk_pay_flight_free(f); /* it is sent again after the start */
        return;
    }
    if (r->untried) {
        vk_pay_flight_free(f);
        later(b, SOON_MS);
        settle(b);
    } else {
        came_back(f, r->status, r->status ? r->answer : vk_str_z(r->why));
    }
    pump();
}

/* The secret that the app has for that endpoint. */
static bool secret_of(const vk_pay_flight *f, const char *build, char out[VK_VALET_MAX])
{
    if (!vk_str_eqz(f->endpoint, VK_PAY_DEFAULT_ENDPOINT)) {
        vk_pay_endpoint_secret(all.rt->master, build, f->endpoint, out);
        return true;
    }
    const vk_service *service = all.rt->workers[0][all.index]->service;
    for (const vk_valet_kind *k = service->kinds; k->kind; k++)
        if (k->kind == 'w') {
            vk_valet_derive(all.rt->master, k, vk_str_z(build), vk_str_z(service->name), f->generation, out);
            return true;
        }
    return false;
}

static void launch(vk_pay_flight *f, const vk_pay_origins *origins)
{
    vk_pay_hooked *b = f->of;
    char secret[VK_VALET_MAX];
    int64_t now_ms = vk_clock_wall_ms();
    f->at_ms = now_ms;
    if (!vk_pay_origin_allowed(origins, f->url) || vk_pay_origin_of(f->url, f->origin) != VK_OK) {
        flown(f);
        came_back(f, 0, VK_STR("The address is on none of the build's origins"));
        return;
    }
    if (!secret_of(f, b->build, secret)) {
        flown(f);
        came_back(f, 0, VK_STR("There is no secret to sign with"));
        return;
    }
    vk_pay_hook_sign(vk_secret_of(vk_str_z(secret)), now_ms / 1000, f->body, f->signature);
    vk_wipe(secret, sizeof secret);
    f->headers[0] = (vk_reach_header){VK_STR("Stripe-Signature"), vk_str_z(f->signature)};
    f->headers[1] =
        (vk_reach_header){VK_STR("User-Agent"), VK_STR("Stripe/1.0 (+https://stripe.com/docs/webhooks)")};
    f->reach = (vk_reach){.rt = all.rt,
                          .method = VK_STR("POST"),
                          .url = f->url,
                          .origin = vk_str_z(f->origin),
                          .content_type = VK_STR("application/json; charset=utf-8"),
                          .body = f->body,
                          .headers = f->headers,
                          .n_headers = VK_COUNT(f->headers),
                          .keep = VK_PAY_NOTE_MAX,
                          .done = answered};
    vk_count(&all.sent, 1);
    vk_reach_ask(&f->reach);
}

/* ---- turns */

static void turn_back(vk_task *task);

static void told(vk_pay_turn *t, vk_err e)
{
    t->e = e;
    t->task.run = turn_back;
    vk_loop_post(all.rt->loops[0], &t->task);
}

/* Sends what a turn has brought. The build is looked at again: it may have ended meanwhile. */
static void launch_all(vk_pay_hooked *b, vk_pay_turn *t)
{
    vk_arena *a = vk_arena_new(BUILD_ARENA);
    vk_build build;
    bool good =
        t->e == VK_OK && a && look_up(b->build, a, &build) == VK_OK && build.generation == t->generation;
    all.free += b->reserved - (good ? t->n : 0);
    all.free_slow += b->reserved_slow - (good ? t->n_slow : 0);
    b->reserved = b->reserved_slow = 0;
    open_slow();
    vk_pay_origins origins = {0};
    if (good)
        origins = vk_pay_origins_of(&build);
    for (vk_list *n; (n = vk_list_shift(&t->flights)) != NULL;) {
        vk_pay_flight *f = VK_CONTAINER(n, vk_pay_flight, node);
        if (!good) {
            vk_pay_flight_free(f);
            continue;
        }
        vk_list_push(&b->flights, &f->node);
        b->n_flights++;
        atomic_fetch_add(&all.under_way, 1);
        launch(f, &origins);
    }
    vk_arena_free(a);
}

static void after_turn(vk_pay_hooked *b, const vk_pay_turn *t)
{
    int64_t now_ms = vk_clock_wall_ms();
    if (t->e == VK_E_CONFLICT) { /* it ends */
        forget_results(b);
    } else if (t->e != VK_OK) {
        later(b, t->e == VK_E_BUSY ? SOON_MS : BROKEN_MS);
        b->expire_after_ms = t->expire ? now_ms + LONGEST_MS : b->expire_after_ms;
    } else if (t->expire) {
        b->expire_after_ms = now_ms + SOON_MS; /* what it left is not asked for in a circle */
        make_ready(b);
    } else {
        if (t->more || !vk_list_empty(&b->back))
            make_ready(b);
        else if (t->more_slow && vk_list_empty(&b->ready)) {
            vk_list_push(&all.slow, &b->ready);
            b->waits_slow = true;
        }
        if (t->expired && now_ms >= b->expire_after_ms) {
            b->expire = true;
            make_ready(b);
        }
        if (t->next_ms != INT64_MAX)
            wake_at(b->build,
                    t->next_ms > now_ms ? t->next_ms : now_ms + (b->waits_slow ? LATER_MS : SOON_MS));
    }
}

static void turn_back(vk_task *task)
{
    vk_pay_turn *t = VK_CONTAINER(task, vk_pay_turn, task);
    vk_pay_hooked *b = t->of;
    if (all.stopped)
        return; /* what it brought stays where `all` leads to */
    b->turning = false;
    if (t->e == VK_OK)
        for (vk_list *n; (n = vk_list_shift(&t->settle)) != NULL;)
            vk_pay_flight_free(VK_CONTAINER(n, vk_pay_flight, node));
    else
        vk_list_splice(&b->back, &t->settle);
    launch_all(b, t);
    after_turn(b, t);
    if (b->again) {
        b->again = false;
        make_ready(b);
    }
    free(t);
    settle(b);
    pump();
}

/* What came back of an earlier build of that name is nobody's. */
static void take_results(vk_pay_hooked *b, vk_pay_turn *t)
{
    for (vk_list *n; (n = vk_list_shift(&b->back)) != NULL;) {
        vk_pay_flight *f = VK_CONTAINER(n, vk_pay_flight, node);
        if (f->generation == t->generation)
            vk_list_push(&t->settle, n);
        else
            vk_pay_flight_free(f);
    }
}

static void take_busy(const vk_pay_hooked *b, vk_pay_turn *t)
{
    for (vk_list *n = b->flights.next; n != &b->flights && t->n_busy < VK_COUNT(t->busy); n = n->next) {
        const vk_pay_flight *f = VK_CONTAINER(n, vk_pay_flight, node);
        if (f->generation != t->generation)
            continue;
        t->busy[t->n_busy].id = f->id;
        t->busy[t->n_busy].endpoint = vk_hash_str(f->endpoint);
        t->busy[t->n_busy++].first = f->tries == 0;
    }
}

/* VK_E_NOT_FOUND: it has ended. */
static vk_err prepare(vk_pay_hooked *b, vk_pay_turn *t)
{
    vk_arena *a = vk_arena_new(BUILD_ARENA);
    vk_build build;
    t->pool = vk_pay_pool_hold_id(b->build); /* before it is looked up, so that a deletion waits for it */
    vk_err e = !a ? VK_E_NOMEM : !t->pool ? VK_E_CONFLICT : look_up(b->build, a, &build);
    if (e == VK_OK) {
        const char *why;
        e = vk_service_here(all.rt->workers[0][all.index]->reader, a, "payments", vk_str_z(b->build), &why);
        t->away = e == VK_E_CONFLICT;
        e = t->away ? VK_OK : e;
    }
    if (e == VK_OK) {
        t->generation = build.generation;
        vk_pay_origins o = vk_pay_origins_of(&build);
        snprintf(t->origin, sizeof t->origin, VK_STR_FMT, VK_STR_ARG(o.at[0]));
    } else if (t->pool) {
        vk_pay_pool_let_go(t->pool);
    }
    vk_arena_free(a);
    return e;
}

static void start_turn(vk_pay_hooked *b, size_t room, size_t room_slow)
{
    vk_pay_turn *t = calloc(1, sizeof *t);
    if (!t) {
        later(b, SOON_MS);
        settle(b);
        return;
    }
    *t = (vk_pay_turn){.job = {.run = vk_pay_turn_run, .done = vk_pay_turn_done},
                       .of = b,
                       .told = told,
                       .expire = b->expire,
                       .room = b->expire ? 0 : room,
                       .room_slow = b->expire ? 0 : room_slow};
    vk_list_init(&t->settle);
    vk_list_init(&t->flights);
    snprintf(t->build, sizeof t->build, "%s", b->build);
    vk_err e = prepare(b, t);
    if (e != VK_OK) {
        free(t);
        if (e == VK_E_NOT_FOUND)
            forget_results(b);
        else
            later(b, SOON_MS); /* what came back is kept until then */
        settle(b);
        return;
    }
    if (!t->expire)
        take_results(b, t);
    take_busy(b, t);
    b->turning = true;
    b->expire = false;
    b->reserved = t->room;
    b->reserved_slow = t->room_slow;
    all.free -= t->room;
    all.free_slow -= t->room_slow;
    if (vk_pay_pool_submit(t->pool, &t->job, false) == VK_OK)
        return;
    b->turning = false;
    b->expire = t->expire;
    all.free += b->reserved;
    all.free_slow += b->reserved_slow;
    b->reserved = b->reserved_slow = 0;
    vk_list_splice(&b->back, &t->settle);
    vk_pay_pool_let_go(t->pool);
    free(t);
    later(b, BUSY_MS);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void pump(void)
{
    for (vk_list *n; !all.stopped && (n = all.ready.next) != &all.ready;) {
        vk_pay_hooked *b = VK_CONTAINER(n, vk_pay_hooked, ready);
        size_t room = least(VK_PAY_FLIGHTS_BUILD - b->n_flights, all.free);
        if (room == 0 && b->n_flights < VK_PAY_FLIGHTS_BUILD && vk_list_empty(&b->back))
            break; /* all are under way: an answer comes back here */
        vk_list_remove(n);
        if (!vk_list_empty(&all.ready) && all.free < VK_PAY_FLIGHTS_BUILD && !vk_list_empty(&b->back))
            room = 0; /* others wait: what came back is written, and then it stands behind them */
        if (vk_clock_wall_ms() < b->not_before_ms)
            wake_at(b->build, b->not_before_ms);
        else if (room || !vk_list_empty(&b->back) || b->expire)
            start_turn(b, room, least(room, all.free_slow));
    }
    set_timer();
}

/* ---- time */

static void on_time(vk_timer *timer)
{
    char build[VK_BUILD_ID_MAX + 1];
    int64_t now = vk_loop_now(all.rt->loops[0]);
    VK_UNUSED(timer);
    for (vk_list *n = all.waiting.next, *next; n != &all.waiting; n = next) {
        waiting *w = VK_CONTAINER(n, waiting, node);
        next = n->next;
        if (w->until_ms <= now)
            let_on(w);
    }
    while (vk_pay_wakes_take(&all.wakes, vk_clock_wall_ms(), build)) {
        vk_pay_hooked *b = hooked(build);
        if (b)
            make_ready(b);
    }
    pump();
}

static void set_timer(void)
{
    vk_loop *loop = all.rt->loops[0];
    int64_t first = vk_pay_wakes_first(&all.wakes), wait = LONGEST_MS;
    if (all.stopped)
        return;
    if (first != INT64_MAX && first - vk_clock_wall_ms() < wait)
        wait = first - vk_clock_wall_ms();
    if (!vk_list_empty(&all.waiting)) {
        int64_t until = VK_CONTAINER(all.waiting.next, waiting, node)->until_ms - vk_loop_now(loop);
        wait = until < wait ? until : wait;
    }
    vk_timer_set(loop, &all.timer, wait > 0 ? wait : 0, on_time);
}

typedef struct notice {
    vk_task task;
    int64_t at_ms;
    char build[VK_BUILD_ID_MAX + 1];
} notice;

static void noticed(vk_task *task)
{
    notice *x = VK_CONTAINER(task, notice, task);
    vk_pay_hooked *b = NULL;
    if (all.stopped) {
        free(x);
        return;
    }
    if (x->at_ms > vk_clock_wall_ms())
        wake_at(x->build, x->at_ms);
    else if ((b = hooked(x->build)) != NULL)
        make_ready(b);
    free(x);
    pump();
}

void vk_pay_hooks_committed(const vk_pay_call *c)
{
    notice *x = c->wake_ms && all.started ? malloc(sizeof *x) : NULL;
    if (!x)
        return; /* without memory: it is on disk, and the build's next call brings it up */
    *x = (notice){.task.run = noticed, .at_ms = c->wake_ms};
    snprintf(x->build, sizeof x->build, "%s", c->about->build);
    vk_loop_post(all.rt->loops[0], &x->task);
}

/* ---- after a start: what was left */

static void sweep_more(vk_timer *timer);

static void swept(vk_task *task)
{
    int64_t now_ms = vk_clock_wall_ms();
    VK_UNUSED(task);
    if (all.stopped || all.sweep.n == 0)
        return;
    for (size_t i = 0; i < all.sweep.n; i++)
        wake_at(all.sweep.names[i], now_ms + (int64_t)i * SWEEP_EACH_MS);
    snprintf(all.sweep.after, sizeof all.sweep.after, "%s", all.sweep.names[all.sweep.n - 1]);
    vk_timer_set(all.rt->loops[0], &all.sweep.timer, (int64_t)all.sweep.n * SWEEP_EACH_MS, sweep_more);
    set_timer();
}

static void sweep(vk_job *job)
{
    VK_UNUSED(job);
    all.sweep.n = vk_pay_builds_with_data(all.sweep.after, all.sweep.names, SWEEP_ROOM);
    all.sweep.task.run = swept;
    vk_loop_post(all.rt->loops[0], &all.sweep.task);
}

static void sweep_more(vk_timer *timer)
{
    all.sweep.job.run = sweep;
    if (vk_lane_add(all.rt->files, &all.sweep.job) != VK_OK)
        vk_timer_set(all.rt->loops[0], timer, SOON_MS, sweep_more);
}

/* ---- start and stop */

vk_err vk_pay_hooks_start(vk_runtime *rt, int index)
{
    all.rt = rt;
    all.index = index;
    all.free = VK_PAY_FLIGHTS;
    all.free_slow = VK_PAY_FLIGHTS_SLOW;
    vk_pay_wakes_init(&all.wakes);
    vk_map_init(&all.builds);
    vk_list_init(&all.ready);
    vk_list_init(&all.slow);
    vk_list_init(&all.waiting);
    all.started = true;
    vk_timer_set(rt->loops[0], &all.sweep.timer, SOON_MS, sweep_more);
    return VK_OK;
}

/* What has come back and is not written yet is written now; what is under way is sent once more after the
 * start. */
void vk_pay_hooks_stop(void)
{
    if (!all.started)
        return;
    vk_timer_clear(all.rt->loops[0], &all.timer);
    vk_timer_clear(all.rt->loops[0], &all.sweep.timer);
    for (vk_map_node *n = vk_map_walk(&all.builds, NULL), *next; n; n = next) {
        vk_pay_hooked *b = VK_CONTAINER(n, vk_pay_hooked, node);
        next = vk_map_walk(&all.builds, n);
        if (!b->turning && !vk_list_empty(&b->back))
            start_turn(b, 0, 0);
    }
    all.stopped = true;
}

void vk_pay_hooks_count(vk_pay_hook_counts *out_r)
{
    *out_r = (vk_pay_hook_counts){atomic_load_explicit(&all.sent, memory_order_relaxed),
                                  atomic_load_explicit(&all.delivered, memory_order_relaxed),
                                  atomic_load_explicit(&all.failed, memory_order_relaxed),
                                  atomic_load_explicit(&all.under_way, memory_order_relaxed)};
}
