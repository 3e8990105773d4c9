#include "net/loop.h"

#include "core/clock.h"
#include "net/tls.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void on_wake(uv_poll_t *p, int status, int events);

vk_err vk_loop_new(vk_loop **out_r)
{
    vk_loop *l = calloc(1, sizeof *l);
    if (!l)
        return VK_E_NOMEM;
    if (uv_loop_init(&l->uv) != 0) {
        free(l);
        return VK_E_IO;
    }
    /* Not a uv_async_t: under load its sender and its reader wait for each other in a busy loop. */
    l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->wake_fd < 0 || uv_poll_init(&l->uv, &l->wake, l->wake_fd) != 0) {
        if (l->wake_fd >= 0)
            close(l->wake_fd);
        uv_loop_close(&l->uv);
        free(l);
        return VK_E_IO;
    }
    uv_poll_start(&l->wake, UV_READABLE, on_wake);
    uv_timer_init(&l->uv, &l->tick);
    for (size_t i = 0; i < VK_WHEEL_SLOTS; i++)
        vk_list_init(&l->wheel[i]);
    *out_r = l;
    return VK_OK;
}

void vk_loop_free(vk_loop *l)
{
    if (!l)
        return;
    uv_close((uv_handle_t *)&l->wake, NULL);
    uv_close((uv_handle_t *)&l->tick, NULL);
    uv_run(&l->uv, UV_RUN_DEFAULT);
    uv_loop_close(&l->uv);
    close(l->wake_fd);
    if (l->spare_free)
        l->spare_free(l);
    while (l->n_spare_in)
        free(l->spare_in[--l->n_spare_in]);
    free(l);
}

void vk_loop_run(vk_loop *l)
{
    while (!atomic_load(&l->stopping))
        uv_run(&l->uv, UV_RUN_DEFAULT);
}

static void wake(vk_loop *l)
{
    eventfd_write(l->wake_fd, 1); /* fails only when it is readable as it is */
}

void vk_loop_stop(vk_loop *l)
{
    atomic_store(&l->stopping, true);
    wake(l);
}

void vk_loop_post(vk_loop *l, vk_task *t)
{
    vk_task *head = atomic_load_explicit(&l->posted, memory_order_relaxed);
    do
        t->next = head;
    while (!atomic_compare_exchange_weak_explicit(&l->posted, &head, t, memory_order_release,
                                                  memory_order_relaxed));
    if (!head) /* whoever found the list empty wakes the loop; the others ride along */
        wake(l);
}

static void on_wake(uv_poll_t *p, int status, int events)
{
    vk_loop *l = VK_CONTAINER(p, vk_loop, wake);
    eventfd_t n;
    VK_UNUSED(status);
    VK_UNUSED(events);
    eventfd_read(l->wake_fd, &n); /* before the list is taken: whoever adds to it from now on wakes again */
    vk_task *t = atomic_exchange_explicit(&l->posted, NULL, memory_order_acquire), *in_order = NULL;
    while (t) {
        vk_task *next = t->next;
        t->next = in_order;
        in_order = t;
        t = next;
    }
    while (in_order) {
        t = in_order;
        in_order = t->next;
        t->run(t);
    }
    if (atomic_load(&l->stopping))
        uv_stop(&l->uv);
}

int64_t vk_loop_now(vk_loop *l)
{
    return (int64_t)uv_now(&l->uv) + l->skew_ms;
}

const char *vk_loop_date(vk_loop *l)
{
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    int64_t s = vk_clock_wall_ms() / 1000;
    if (s != l->date_at) {
        struct tm tm;
        time_t t = (time_t)s;
        gmtime_r(&t, &tm);
        snprintf(l->date, sizeof l->date, "%s, %02u %s %04u %02u:%02u:%02u GMT", days[tm.tm_wday % 7],
                 (unsigned)tm.tm_mday % 100, months[tm.tm_mon % 12], (unsigned)(tm.tm_year + 1900) % 10000,
                 (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
        l->date_at = s;
    }
    return l->date;
}

/* ---- sockets ---- */

static void on_poll(uv_poll_t *p, int status, int events)
{
    vk_io *io = VK_CONTAINER(p, vk_io, poll);
    if (status < 0) {
        /* An error on the descriptor shows at the next recv or send, with its errno. libuv has stopped the
         * handle, but there may be bytes to read in front of the error. */
        int mask = io->mask;
        io->mask = 0;
        vk_io_want(io, mask);
        events = VK_READ | VK_WRITE | VK_HANGUP;
    }
    if (VK_UNLIKELY(io->tls != NULL) && (events = vk_tls_events(io, events)) == 0)
        return;
    io->ready(io, events);
}

vk_err vk_io_open(vk_loop *l, vk_io *io, int fd, void (*ready)(vk_io *io, int events))
{
    *io = (vk_io){.loop = l, .fd = fd, .ready = ready};
    return uv_poll_init(&l->uv, &io->poll, fd) == 0 ? VK_OK : VK_E_IO;
}

void vk_io_want(vk_io *io, int mask)
{
    if (VK_UNLIKELY(io->tls != NULL))
        mask = vk_tls_mask(io, mask);
    if (mask == io->mask || io->fd < 0)
        return;
    io->mask = mask;
    if (mask)
        uv_poll_start(&io->poll, mask, on_poll);
    else
        uv_poll_stop(&io->poll);
}

static void on_closed(uv_handle_t *h)
{
    vk_io *io = VK_CONTAINER((uv_poll_t *)h, vk_io, poll);
    if (io->closed)
        io->closed(io);
}

void vk_io_close(vk_io *io, void (*closed)(vk_io *io))
{
    if (uv_is_closing((uv_handle_t *)&io->poll))
        return;
    io->closed = closed;
    if (io->tls)
        vk_tls_close(io);
    uv_poll_stop(&io->poll);
    uv_close((uv_handle_t *)&io->poll, on_closed);
    close(io->fd);
    io->fd = -1;
}

/* ---- timers ---- */

static void on_tick(uv_timer_t *u)
{
    vk_loop *l = VK_CONTAINER(u, vk_loop, tick);
    int64_t now = vk_loop_now(l), tick = now / VK_TICK_MS;
    /* After a long stall one turn of the wheel reaches every slot. */
    if (tick - l->wheel_at > VK_WHEEL_SLOTS)
        l->wheel_at = tick - VK_WHEEL_SLOTS;
    while (l->wheel_at < tick) {
        l->wheel_at++;
        vk_list due;
        vk_list_init(&due);
        vk_list_splice(&due, &l->wheel[l->wheel_at % VK_WHEEL_SLOTS]);
        for (vk_list *n; (n = vk_list_shift(&due));) {
            vk_timer *t = VK_CONTAINER(n, vk_timer, node);
            if (t->due_ms > now) { /* moved later since it was filed, or more than one turn away */
                int64_t slot = (t->due_ms + VK_TICK_MS - 1) / VK_TICK_MS;
                if (slot <= l->wheel_at)
                    slot = l->wheel_at + 1;
                if (slot > l->wheel_at + VK_WHEEL_SLOTS - 1)
                    slot = l->wheel_at + VK_WHEEL_SLOTS - 1;
                vk_list_push(&l->wheel[slot % VK_WHEEL_SLOTS], &t->node);
                continue;
            }
            t->due_ms = 0;
            l->n_timers--;
            t->fire(t);
        }
    }
    if (l->n_timers == 0)
        uv_timer_stop(&l->tick);
}

void vk_timer_set(vk_loop *l, vk_timer *t, int64_t ms, void (*fire)(vk_timer *t))
{
    int64_t now = vk_loop_now(l), due = now + (ms > 0 ? ms : 1);
    t->fire = fire;
    if (t->due_ms) {
        bool later = due >= t->due_ms;
        t->due_ms = due;
        if (later) /* stays in its slot; the tick files it anew */
            return;
        vk_list_remove(&t->node);
    } else {
        t->due_ms = due;
        if (l->n_timers++ == 0) {
            l->wheel_at = now / VK_TICK_MS;
            uv_timer_start(&l->tick, on_tick, VK_TICK_MS, VK_TICK_MS);
        }
    }
    int64_t slot = (due + VK_TICK_MS - 1) / VK_TICK_MS;
    if (slot <= l->wheel_at)
        slot = l->wheel_at + 1;
    if (slot > l->wheel_at + VK_WHEEL_SLOTS - 1)
        slot = l->wheel_at + VK_WHEEL_SLOTS - 1;
    vk_list_push(&l->wheel[slot % VK_WHEEL_SLOTS], &t->node);
}

void vk_timer_clear(vk_loop *l, vk_timer *t)
{
    if (!t->due_ms)
        return;
    vk_list_remove(&t->node);
    t->due_ms = 0;
    l->n_timers--;
}

/* ---- buffers ---- */

char *vk_loop_in_get(vk_loop *l)
{
    return l->n_spare_in ? l->spare_in[--l->n_spare_in] : malloc(VK_IN_SIZE);
}

void vk_loop_in_put(vk_loop *l, char *p, size_t wipe)
{
    vk_wipe(p, wipe);
    if (l->n_spare_in < VK_IN_KEEP)
        l->spare_in[l->n_spare_in++] = p;
    else
        free(p);
}
