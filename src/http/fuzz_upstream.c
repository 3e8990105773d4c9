/* The answers of a hostile peer: whatever comes, and however it is cut, each call ends once, in the same way
 * and with the same body, and nothing is kept that is not whole. The first byte seeds the cuts, the second
 * says which request is made; the peer ends the connection behind the rest. */
#include "core/buf.h"
#include "http/upstream.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHECK(x)                                                                                             \
    do {                                                                                                     \
        if (!(x))                                                                                            \
            abort();                                                                                         \
    } while (0)

enum { TURNS_MAX = 400, SIZE_MAX_IN = 65536 };
enum { HEAD = 1, UPGRADE = 2, ROOM = 4, RESET = 8, STREAM = 16, SECRET = 32, AGAIN = 64, ABORT = 128 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static vk_loop *loop;
static int peer = -1;

static vk_err open_pair(void *arg, int *fd_r)
{
    int pair[2];
    VK_UNUSED(arg);
    if (peer >= 0) /* once; a second try must not be answered otherwise */
        return VK_E_UNAVAILABLE;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
    peer = pair[1];
    *fd_r = pair[0];
    return VK_OK;
}

struct ask {
    vk_upcall call;
    char head[64];
    uint8_t how;
    uint32_t seed;
    bool no_room;
    int heads, dones, status, aborted;
    vk_err e;
    uint64_t given;
    vk_buf body;
};

static void head_came(vk_upcall *c, const vk_head *h)
{
    struct ask *a = c->arg;
    CHECK(a->heads++ == 0 && a->dones == 0 && h->n_headers <= VK_HEADERS_MAX);
    CHECK(h->status >= 200 || (h->status == 101 && (a->how & UPGRADE)));
    a->status = h->status;
    if ((a->how & ABORT) && h->n_headers > 1) {
        a->aborted = 1;
        vk_upcall_abort(c);
    }
}

static size_t body_came(vk_upcall *c, vk_str bytes)
{
    struct ask *a = c->arg;
    CHECK(bytes.n > 0 && a->heads == 1 && a->dones == 0 && !a->aborted && !a->no_room);
    size_t n = bytes.n;
    if (a->how & ROOM) {
        a->seed = a->seed * 1664525 + 1013904223;
        n = (a->seed >> 16) % (bytes.n + 1);
        a->no_room = n < bytes.n;
    }
    vk_buf_add(&a->body, bytes.p, n);
    return n;
}

static void lull(vk_upcall *c)
{
    struct ask *a = c->arg;
    CHECK(a->dones == 0 && !a->aborted && !a->no_room);
}

static void wants(vk_upcall *c)
{
    static const char text[] = "0123456789";
    struct ask *a = c->arg;
    CHECK(a->dones == 0 && !a->aborted);
    if (a->given < 50)
        a->given += vk_upcall_give(c, (vk_str){text, 10}, a->given == 40);
}

static void done(vk_upcall *c, vk_err e, const char *why)
{
    struct ask *a = c->arg;
    CHECK(a->dones++ == 0 && !a->aborted && (e == VK_OK) == (why[0] == 0) && (e != VK_OK || a->heads == 1));
    CHECK(e == VK_OK || e == VK_E_UNAVAILABLE || e == VK_E_INVALID);
    a->e = e;
}

static void turn(struct ask *a)
{
    char sink[4096];
    uv_run(&loop->uv, UV_RUN_NOWAIT);
    if (a->no_room) {
        a->no_room = false;
        vk_upcall_room(&a->call);
    }
    while (peer >= 0 && recv(peer, sink, sizeof sink, MSG_DONTWAIT) > 0)
        ;
}

static void tell(struct ask *a, const uint8_t *data, size_t size, uint32_t seed)
{
    while (size && !a->dones && !a->aborted) {
        size_t n = size;
        if (seed) {
            seed = seed * 1664525 + 1013904223;
            n = 1 + (seed >> 16) % (seed >> 28 & 1 ? 3 : 200);
            n = n < size ? n : size;
        }
        ssize_t sent = send(peer, data, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        data += sent > 0 ? sent : 0;
        size -= sent > 0 ? (size_t)sent : 0;
        for (int i = 0; i < 3; i++)
            turn(a);
    }
}

static void converse(struct ask *a, const uint8_t *data, size_t size, uint8_t how, uint32_t seed)
{
    vk_upstream *pool;
    vk_upstream_place at = {.host = "it", .open = open_pair};
    const char *method = how & HEAD ? "HEAD" : "POST";
    *a = (struct ask){.how = how, .seed = seed};
    vk_buf_init(&a->body, SIZE_MAX_IN);
    snprintf(a->head, sizeof a->head, "%s / HTTP/1.1\r\nHost: x\r\n\r\n", method);
    a->call = (vk_upcall){.head = vk_str_z(a->head),
                          .method = vk_str_z(method),
                          .body_n = how & STREAM ? -1 : 0,
                          .secret = how & SECRET,
                          .again = how & AGAIN,
                          .upgrade = how & UPGRADE,
                          .head_came = head_came,
                          .body_came = body_came,
                          .lull = lull,
                          .wants = wants,
                          .done = done,
                          .arg = a};
    peer = -1;
    CHECK(vk_upstream_new(loop, &at, &pool) == VK_OK && vk_upcall_begin(pool, &a->call) == VK_OK);
    for (int i = 0; i < 10 && peer < 0; i++)
        turn(a);
    CHECK(peer >= 0);
    for (int i = 0; i < 8; i++) /* the whole request is there before an answer */
        turn(a);
    tell(a, data, size, seed);
    shutdown(peer, how & RESET ? SHUT_RDWR : SHUT_WR);
    for (int i = 0; i < TURNS_MAX && !a->dones && !a->aborted; i++)
        turn(a);
    if ((how & ROOM) && !a->dones && !a->aborted) { /* it would take its time */
        a->how &= (uint8_t)~ROOM;
        for (int i = 0; i < TURNS_MAX && !a->dones; i++)
            turn(a);
    }
    CHECK(a->dones + a->aborted == 1);
    vk_upstream_counts n;
    vk_upstream_count(pool, &n);
    CHECK(n.open == n.idle && n.waiting == 0 && n.open <= 1);
    vk_upstream_free(pool);
    for (int i = 0; i < 8; i++)
        uv_run(&loop->uv, UV_RUN_NOWAIT);
    close(peer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ask once, cut;
    if (size < 3 || size > SIZE_MAX_IN)
        return 0;
    if (!loop)
        CHECK(vk_loop_new(&loop) == VK_OK);
    converse(&once, data + 2, size - 2, data[1], 0);
    converse(&cut, data + 2, size - 2, data[1], data[0] * 2654435761U | 1);
    CHECK(once.dones == cut.dones && once.e == cut.e && once.status == cut.status && once.heads == cut.heads);
    CHECK(once.e != VK_OK || vk_str_eq(vk_buf_view(&once.body), vk_buf_view(&cut.body)));
    vk_buf_free(&once.body);
    vk_buf_free(&cut.body);
    return 0;
}
