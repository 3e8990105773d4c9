/* What takes too long, and who goes when there are too many. One timer a connection, on the loop's wheel;
 * nothing here is done with every byte. */
#include "http/conn.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

enum {
    FRESH_MS = 1000, /* that long a connection may be without a request before it is worth less than others */
    SHED_LOOKS = 64, /* connections that are looked at for one that may go */
};

uint64_t vk_conn_untaken(const vk_conn *c)
{
    int bytes = 0;
    return ioctl(c->io.fd, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? (uint64_t)bytes : 0;
}

static uint64_t progress(const vk_conn *c)
{
    return c->moved - (c->watch == W_ANSWER ? vk_conn_untaken(c) : 0);
}

static bool too_slow(vk_conn *c)
{
    const int64_t *limit = c->server->limits->of;
    uint64_t now = progress(c),
             least = (uint64_t)(limit[VK_LIMIT_SLOW_RATE] * limit[VK_LIMIT_SLOW_TIME] / 1000);
    bool slow = now - c->mark < least;
    enum watch what = c->watch;
    c->watch = W_TIME; /* the timer has fired: a watch begins anew */
    if (!slow)
        vk_conn_watch(c, what);
    return slow;
}

static void on_body_time(vk_conn *c)
{
    const int64_t *limit = c->server->limits->of;
    if (c->ex
            ->answered) { /* refused long ago; what is left of its body is read no more than that of others */
        c->discard = false;
        c->unread_body = c->ex->close = true;
        vk_conn_advance(c);
        return;
    }
    if (!too_slow(c))
        return;
    vk_count(&c->server->traffic.slow, 1);
    vk_conn_refuse(c, 408, VK_E_TIMEOUT,
                   "The request body came at less than %lld bytes a second for %lld s (limits slow_rate and "
                   "slow_time); send it faster.",
                   (long long)limit[VK_LIMIT_SLOW_RATE], (long long)limit[VK_LIMIT_SLOW_TIME] / 1000);
}

void vk_conn_tell_gone(vk_conn *c)
{
    void (*gone)(vk_exchange *) = c->ex->gone;
    c->ex->gone = NULL;
    if (gone)
        gone(c->ex);
}

static void on_time(vk_timer *t)
{
    vk_conn *c = VK_CONTAINER(t, vk_conn, timer);
    switch (c->state) {
    case S_WAIT: /* a handler takes the time that it takes */
    case S_HELD:
        c->watch = W_TIME;
        if (c->ended && c->ex && !c->ex->answered)
            vk_conn_tell_gone(c);
        return;
    case S_BODY:
        on_body_time(c);
        return;
    case S_DELAY:
        vk_conn_end_delay(c);
        return;
    case S_SEND:
        if (c->starved) /* its client has ended its half, and the source has nothing to say */
            break;
        if (!too_slow(c))
            return;
        vk_count(&c->server->traffic.slow, 1);
        break;
    case S_HEAD:
        if (!c->head_begun)
            break;
        vk_count(&c->server->traffic.slow, 1);
        if (c->over)
            break;
        c->head_begun = false;
        vk_conn_refuse(
            c, 408, VK_E_TIMEOUT,
            "The request head was not complete %lld s after its first byte (limit head_time); send "
            "it at once.",
            (long long)c->server->limits->of[VK_LIMIT_HEAD_TIME] / 1000);
        return;
    default:
        break;
    }
    vk_conn_shut(c);
}

void vk_conn_arm(vk_conn *c, int64_t ms)
{
    c->watch = W_TIME;
    vk_timer_set(c->io.loop, &c->timer, ms, on_time);
}

void vk_conn_disarm(vk_conn *c)
{
    c->watch = W_TIME;
    vk_timer_clear(c->io.loop, &c->timer);
}

void vk_conn_watch(vk_conn *c, enum watch what)
{
    if (c->watch == what)
        return;
    vk_conn_arm(c, what == W_DISCARD ? VK_LINGER_MS : c->server->limits->of[VK_LIMIT_SLOW_TIME]);
    c->watch = (uint8_t)what;
    c->mark = progress(c);
}

void vk_conn_begin_answer(vk_conn *c)
{
    vk_server *s = c->server;
    c->state = S_SEND;
    if (VK_LIKELY(c->ex->delay_ms == 0))
        return;
    if (s->closing || s->n_delayed >= VK_DELAYED_MAX) {
        c->ex->close = true;
        return;
    }
    c->state = S_DELAY;
    s->n_delayed++;
    vk_io_want(&c->io, 0);
    vk_conn_arm(c, c->ex->delay_ms);
}

void vk_conn_end_delay(vk_conn *c)
{
    c->server->n_delayed--;
    c->state = S_SEND;
    vk_conn_advance(c);
}

/* The first of the list that waits for a request. What does not is moved to the end, so that the next call
 * does not meet it again. */
static vk_conn *first_waiting(vk_list *all)
{
    for (int i = 0; i < SHED_LOOKS && !vk_list_empty(all); i++) {
        vk_conn *c = VK_CONTAINER(all->next, vk_conn, node);
        if (c->state == S_HEAD && !c->in_advance && !c->lasting)
            return c;
        vk_list_remove(&c->node);
        vk_list_push(all, &c->node);
    }
    return NULL;
}

bool vk_conns_shed(vk_server *s)
{
    /* Who has never asked for anything in a second is worth less than a client that has. */
    vk_conn *fresh = first_waiting(&s->fresh), *c = fresh;
    if (!fresh || vk_loop_now(s->loop) - fresh->since_ms < FRESH_MS)
        c = first_waiting(&s->conns);
    if (!c)
        c = fresh;
    if (!c)
        return false;
    vk_count(&s->traffic.shed, 1);
    vk_conn_shut(c);
    return true;
}
