/* A fresh connection: the name's addresses, each in turn. */
#include "http/upconn.h"

#include "net/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <unistd.h>

enum {
    TRY_LEAST_MS = 250, /* for one of several addresses */
    AGAIN_MS = 5000,    /* until the resolver is asked again after it failed */
};

/* ---- the resolver, on a lane */

typedef struct vk_upresolve {
    vk_job job;
    vk_task task;
    vk_upstream *pool; /* of the loop's; NULL: nobody waits for it any more */
    vk_loop *loop;
    int code;
    uint8_t n;
    uint16_t port;
    vk_upaddr addr[VK_UPSTREAM_ADDRESSES];
    char host[VK_UPSTREAM_HOST_MAX + 1];
} vk_upresolve;

static void fail_waiting(vk_upstream *u, int code)
{
    char why[VK_UPSTREAM_WHY];
    snprintf(why, sizeof why, "The name %s cannot be resolved: %.100s", u->at.host, gai_strerror(code));
    for (size_t n = u->counts.waiting; n > 0 && !vk_list_empty(&u->waiting); n--)
        vk_upcall_finish(VK_CONTAINER(u->waiting.next, vk_upcall, node), false, VK_E_UNAVAILABLE, why);
}

static void on_resolved(vk_task *t)
{
    vk_upresolve *r = VK_CONTAINER(t, vk_upresolve, task);
    vk_upstream *u = r->pool;
    if (u) {
        int64_t now = vk_loop_now(u->loop);
        u->resolving = NULL;
        vk_upstream_kick(u); /* keeps it alive too */
        if (r->n) {
            memcpy(u->addr, r->addr, sizeof u->addr);
            u->n_addr = r->n;
            u->good = 0;
            u->resolved_ms = now;
        } else {
            u->refused_ms = now; /* what was known before goes on to be used */
            if (!u->n_addr)
                fail_waiting(u, r->code);
        }
    }
    free(r);
}

static void run_resolve(vk_job *j)
{
    vk_upresolve *r = VK_CONTAINER(j, vk_upresolve, job);
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG},
                    *all;
    r->code = getaddrinfo(r->host, NULL, &hints, &all);
    for (struct addrinfo *a = r->code == 0 ? all : NULL; a && r->n < VK_UPSTREAM_ADDRESSES; a = a->ai_next) {
        vk_upaddr *to = &r->addr[r->n];
        if ((a->ai_family != AF_INET && a->ai_family != AF_INET6) || a->ai_addrlen > sizeof *to)
            continue;
        memcpy(to, a->ai_addr, a->ai_addrlen);
        *(a->ai_family == AF_INET ? &to->v4.sin_port : &to->v6.sin6_port) = htons(r->port);
        r->n++;
    }
    if (r->code == 0)
        freeaddrinfo(all);
    else
        r->n = 0;
    if (r->code == 0 && r->n == 0)
        r->code = EAI_NONAME;
    vk_loop_post(r->loop, &r->task);
}

static vk_err resolve(vk_upstream *u)
{
    vk_upresolve *r = calloc(1, sizeof *r);
    if (!r)
        return VK_E_NOMEM;
    r->job.run = run_resolve;
    r->task.run = on_resolved;
    r->pool = u;
    r->loop = u->loop;
    r->port = u->at.port;
    memcpy(r->host, u->at.host, sizeof r->host);
    vk_err e = vk_lane_add(u->at.lane, &r->job);
    if (e == VK_OK)
        u->resolving = r;
    else
        free(r);
    return e;
}

void vk_updial_forget(vk_upstream *u)
{
    if (u->resolving)
        u->resolving->pool = NULL;
    u->resolving = NULL;
}

/* ---- addresses that need no resolver */

static bool add_address(vk_upstream *u, const char *text)
{
    vk_upaddr a = {.v4 = {.sin_family = AF_INET, .sin_port = htons(u->at.port)}};
    if (inet_pton(AF_INET, text, &a.v4.sin_addr) != 1) {
        a = (vk_upaddr){.v6 = {.sin6_family = AF_INET6, .sin6_port = htons(u->at.port)}};
        if (inet_pton(AF_INET6, text, &a.v6.sin6_addr) != 1)
            return false;
    }
    u->addr[u->n_addr++] = a;
    u->fixed = true;
    return true;
}

static bool loopback(const vk_upaddr *a)
{
    return a->any.sa_family == AF_INET ? ntohl(a->v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET
                                       : IN6_IS_ADDR_LOOPBACK(&a->v6.sin6_addr);
}

/* Letters, digits, "-", "_" and dots between labels; the last label is no number, so that no spelling of an
 * address passes for a name. */
static bool is_name(const char *host)
{
    bool letter = false;
    size_t label = 0;
    for (const char *p = host; *p; p++) {
        char c = (char)(*p | 0x20);
        if (*p == '.') {
            if (label == 0)
                return false;
            label = 0;
            letter = false;
            continue;
        }
        letter |= c >= 'a' && c <= 'z';
        if (!(c >= 'a' && c <= 'z') && !(*p >= '0' && *p <= '9') && *p != '-' && *p != '_')
            return false;
        if (++label > 63)
            return false;
    }
    return label && letter;
}

vk_err vk_updial_prepare(vk_upstream *u)
{
    const char *host = u->at.host;
    if (!memchr(host, 0, sizeof u->at.host))
        return VK_E_INVALID;
    if (u->at.open)
        return VK_OK;
    if (u->at.port == 0)
        return VK_E_INVALID;
    if (strcmp(host, "localhost") == 0) { /* RFC 6761 §6.3 */
        bool both = add_address(u, "127.0.0.1") && add_address(u, "::1");
        return both ? VK_OK : VK_E_INTERNAL;
    }
    if (add_address(u, host))
        return u->at.trust || loopback(&u->addr[0]) ? VK_OK : VK_E_INVALID;
    return is_name(host) && u->at.trust && u->at.lane ? VK_OK : VK_E_INVALID;
}

/* ---- connecting */

/* `why`: what became of the last one. */
static void dial_from(vk_upstream *u, vk_upcall *c, unsigned addr, unsigned tries, int64_t until, int why)
{
    int yes = 1;
    for (; tries < u->n_addr; tries++, addr++) {
        const vk_upaddr *a = &u->addr[addr % u->n_addr];
        bool v4 = a->any.sa_family == AF_INET;
        int fd = socket(a->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0) {
            why = errno;
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        if (connect(fd, &a->any, v4 ? sizeof a->v4 : sizeof a->v6) != 0 && errno != EINPROGRESS) {
            why = errno;
            close(fd);
            continue;
        }
        vk_upconn *uc = vk_upconn_new(u, fd);
        if (!uc) {
            close(fd);
            vk_upcall_finish(c, false, VK_E_NOMEM, "Out of memory");
            return;
        }
        uc->addr = (uint8_t)(addr % u->n_addr);
        uc->tries = (uint8_t)(tries + 1);
        uc->until_ms = until;
        vk_upconn_attach(uc, c);
        int64_t share = (until - vk_loop_now(u->loop)) / (u->n_addr - tries);
        vk_upconn_arm(c, share > TRY_LEAST_MS ? share : TRY_LEAST_MS);
        vk_io_want(&uc->io, VK_WRITE);
        return;
    }
    u->resolved_ms = vk_loop_now(u->loop) - VK_UPSTREAM_RESOLVE_MS; /* it may have moved */
    vk_upcall_fail(c, VK_E_UNAVAILABLE, "%s cannot be reached: %.100s", u->at.host, strerrordesc_np(why));
}

static void dial_next(vk_upconn *uc, int why)
{
    vk_upcall *c = uc->call;
    unsigned addr = uc->addr + 1U, tries = uc->tries;
    int64_t until = uc->until_ms;
    uc->call = NULL;
    c->conn = NULL;
    vk_upconn_shut(uc);
    dial_from(c->pool, c, addr, tries, until, why);
}

static void opened(vk_upstream *u, vk_upcall *c)
{
    int fd = -1;
    vk_err e = u->at.open(u->at.arg, &fd);
    vk_upconn *uc = e == VK_OK ? vk_upconn_new(u, fd) : NULL;
    if (!uc) {
        if (e == VK_OK)
            close(fd);
        vk_upcall_finish(c, false, e == VK_OK ? VK_E_NOMEM : e, "There is no connection to be had");
        return;
    }
    vk_upconn_attach(uc, c);
    uc->state = UP_OPEN;
    u->counts.connects++;
    vk_upconn_start(uc);
}

bool vk_updial(vk_upstream *u, vk_upcall *c)
{
    int64_t now = vk_loop_now(u->loop);
    if (u->at.open) {
        opened(u, c);
        return true;
    }
    bool stale = !u->fixed && (u->n_addr == 0 || now - u->resolved_ms >= VK_UPSTREAM_RESOLVE_MS);
    if (stale && (u->n_addr == 0 || now - u->refused_ms >= AGAIN_MS)) {
        vk_err e = u->resolving ? VK_OK : resolve(u);
        if (e == VK_OK)
            return false;
        if (u->n_addr == 0) {
            vk_upcall_finish(c, false, e, "The resolver of names is busy");
            return true;
        }
    }
    dial_from(u, c, u->good, 0, now + VK_UPSTREAM_CONNECT_MS, EADDRNOTAVAIL);
    return true;
}

void vk_updial_ready(vk_upconn *uc)
{
    vk_upstream *u = uc->pool;
    int broke = 0;
    socklen_t n = sizeof broke;
    if (getsockopt(uc->io.fd, SOL_SOCKET, SO_ERROR, &broke, &n) != 0 || broke) {
        dial_next(uc, broke);
        return;
    }
    u->good = uc->addr;
    uc->born_ms = vk_loop_now(u->loop);
    uc->state = UP_OPEN;
    u->counts.connects++;
    if (u->at.trust) {
        vk_err e = vk_tls_trust_connect(u->at.trust, &uc->io, u->at.host, &u->memory);
        if (e != VK_OK) {
            vk_upcall_finish(uc->call, false, e, "TLS cannot be begun");
            return;
        }
        uc->state = UP_GREETING;
        vk_upconn_arm(uc->call, VK_UPSTREAM_CONNECT_MS);
    }
    vk_upconn_start(uc);
}

void vk_updial_late(vk_upconn *uc)
{
    vk_upstream *u = uc->pool;
    if (uc->tries < u->n_addr && vk_loop_now(u->loop) < uc->until_ms)
        dial_next(uc, ETIMEDOUT);
    else
        vk_upcall_finish(uc->call, false, VK_E_TIMEOUT, "The connection was not there in time");
}
