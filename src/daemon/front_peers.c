#include "daemon/front.h"

#include "keeper/keeper.h"

#include <unistd.h>

/* One connection; its client frees itself a turn after it ended, and then says so here. */
typedef struct peer_link {
    vk_front_peer *peer;
    vk_client *client;
} peer_link;

static void ping(vk_timer *t);
static void ask(vk_front *f);

static void wait_then(vk_front_peer *p, int64_t ms, void (*fire)(vk_timer *t))
{
    if (!p->front->stopping)
        vk_timer_set(p->front->rt.loops[0], &p->timer, ms, fire);
}

/* A role that died comes back with a fresh connection at once. One that lives but does not answer is ended by
 * the supervisor, and comes back. */
static void still_lost(vk_timer *t)
{
    vk_front_peer *p = VK_CONTAINER(t, vk_front_peer, timer);
    if (*p->slot)
        return;
    if (vk_note_send(p->front->child->control, VK_NOTE_LOST, p->role, "", -1) != VK_OK)
        vk_log(VK_WARN, "the supervisor could not be told that a role is lost",
               VK_F(which, vk_role_name(p->role)));
    wait_then(p, VK_LOST_MS, still_lost);
}

static void lost(void *arg)
{
    peer_link *l = arg;
    vk_front_peer *p = l->peer;
    if (*p->slot == l->client) { /* not replaced meanwhile */
        *p->slot = NULL;
        wait_then(p, VK_LOST_MS, still_lost);
    }
    free(l);
}

static void pinged(void *arg, vk_err e, const vk_response *r)
{
    vk_front_peer *p = arg;
    if (p->front->stopping)
        return;
    if (e == VK_OK && r->status == 200) {
        vk_front_tidy(p->front);
        wait_then(p, VK_PING_MS, ping);
        return;
    }
    if (e == VK_E_TIMEOUT)
        vk_log(VK_WARN, "a role did not answer in time", VK_F(which, vk_role_name(p->role)),
               VK_F(seconds, VK_PING_TIMEOUT_MS / 1000));
    else if (e == VK_OK) {
        vk_log(VK_WARN, "a role is not well", VK_F(which, vk_role_name(p->role)), VK_F(status, r->status));
        wait_then(p, VK_PING_MS, ping);
    } /* otherwise the connection is over: lost() follows */
}

static void ping(vk_timer *t)
{
    vk_front_peer *p = VK_CONTAINER(t, vk_front_peer, timer);
    const vk_request r = {.method = VK_STR("GET"),
                          .target = VK_STR("/healthz"),
                          .pass_fd = -1,
                          .body_max = 4096,
                          .timeout_ms = VK_PING_TIMEOUT_MS,
                          .done = pinged,
                          .arg = p};
    if (*p->slot && vk_client_send(*p->slot, &r) != VK_OK)
        wait_then(p, VK_PING_MS, ping);
}

/* ---- coming */

void vk_front_peer_came(void *front, vk_role role, int fd)
{
    vk_front *f = front;
    vk_front_peer *p = &f->peers[role];
    peer_link *l = p->slot && !f->stopping ? calloc(1, sizeof *l) : NULL;
    if (!l || vk_client_new(f->rt.loops[0], fd, lost, l, &l->client) != VK_OK) {
        free(l);
        close(fd);
        if (p->slot && !*p->slot) /* no memory or descriptor for it: another one is asked for */
            wait_then(p, VK_LOST_MS, still_lost);
        return;
    }
    vk_client *before = *p->slot;
    l->peer = p;
    *p->slot = l->client;
    vk_client_close(before);
    wait_then(p, VK_PING_MS, ping);
    if (role == VK_KEEPER && f->got_master)
        ask(f);
}

void vk_front_peers_init(vk_front *f)
{
    f->peers[VK_KEEPER] = (vk_front_peer){.front = f, .role = VK_KEEPER, .slot = &f->rt.keeper};
    f->peers[VK_COURIER] = (vk_front_peer){.front = f, .role = VK_COURIER, .slot = &f->rt.courier};
}

void vk_front_peers_end(vk_front *f)
{
    for (int r = 0; r < VK_ROLES; r++)
        if (f->peers[r].slot) {
            vk_client *c = *f->peers[r].slot;
            *f->peers[r].slot = NULL;
            vk_timer_clear(f->rt.loops[0], &f->peers[r].timer);
            vk_client_close(c);
        }
}

/* ---- the master */

static void answered(void *arg, vk_err e, const vk_response *r)
{
    vk_front *f = arg;
    if (f->stopping || !f->got_master || e == VK_E_UNAVAILABLE ||
        e == VK_E_TIMEOUT) /* asked again on the next connection */
        return;
    if (e != VK_OK || r->status != 200 || r->body.n != VK_MASTER_WIRE)
        vk_role_fail(f->child, "keeper's answer to the question for the master is not one (%s, %d).",
                     vk_err_name(e), r ? r->status : 0);
    const unsigned char *b = (const unsigned char *)r->body.p;
    uint32_t kid = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    void (*got)(vk_front *, uint32_t, const uint8_t *) = f->got_master;
    f->got_master = NULL;
    got(f, kid, b + 4);
}

static void ask(vk_front *f)
{
    const vk_request r = {.method = VK_STR("GET"),
                          .target = VK_STR("/v1/master"),
                          .pass_fd = -1,
                          .secret = true,
                          .body_max = VK_MASTER_WIRE,
                          .timeout_ms = VK_MASTER_TIMEOUT_MS,
                          .done = answered,
                          .arg = f};
    if (f->rt.keeper && vk_client_send(f->rt.keeper, &r) != VK_OK)
        vk_log(VK_WARN, "keeper could not be asked for the master; asking again on its next connection");
}

void vk_front_ask_master(vk_front *f, void (*got)(vk_front *f, uint32_t kid, const uint8_t key[VK_MASTER]))
{
    f->got_master = got;
    ask(f);
}
