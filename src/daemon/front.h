/* The front process, between its own files. Everything here runs on loop 0, on front's first thread, except
 * what says otherwise.
 *
 * Birth: loops → master from keeper → metadata → services → servers → other loops' threads → ready.
 * End:   servers stop accepting, exchanges finish (at most VK_FRONT_DRAIN_MS; after VK_FRONT_HURRY_MS they
 * are interrupted), services stop, the lane runs dry, exit. */
#ifndef VK_DAEMON_FRONT_H
#define VK_DAEMON_FRONT_H

#include "daemon/role.h"
#include "http/client.h"

enum {
    VK_FRONT_DRAIN_MS = 10000,
    VK_FRONT_HURRY_MS = 9000, /* then what is still under way is interrupted */
    VK_META_QUEUE = 1024,     /* jobs that may wait for the metadata lane */
    VK_PING_MS = 2000,        /* between health questions to keeper and courier */
    VK_PING_TIMEOUT_MS = 5000,
    VK_LOST_MS = 1000,             /* without a connection for that long: the supervisor is told */
    VK_FRONT_NAMES = 32,           /* Host names of one listener, the end included */
    VK_CERTIFICATE_SOON_DAYS = 21, /* before its end the log speaks of it every day */
    VK_MASTER_TIMEOUT_MS = 10000,
    VK_YIELD_PATIENCE_MS = 9000, /* a restart waits so long for what clients have open… */
    VK_YIELD_PROBE_MS = 100,     /* …and stops everything for so long to see whether it comes to rest */
};

/* One loop with what its handlers use. Workers and servers by service index; the console's are at
 * [n_services]. */
typedef struct vk_front_loop {
    struct vk_front *front;
    vk_loop *loop;
    pthread_t thread; /* of loops 1 … */
    bool threaded;
    vk_store *reader;
    vk_hmac_key *lookup;
    vk_worker workers[VK_SERVICES_MAX + 1];
    vk_server servers[VK_SERVICES_MAX + 1];
    vk_server admin;     /* admin.sock, loop 0 only */
    vk_task close, home; /* to this loop, and back to loop 0 when its servers are empty */
    vk_task step;        /* of a restart, to this loop */
    size_t open_servers; /* while closing */
} vk_front_loop;

/* The connection to keeper or courier. */
typedef struct vk_front_peer {
    struct vk_front *front;
    vk_role role;
    vk_client **slot; /* &rt.keeper or &rt.courier */
    vk_timer timer;
} vk_front_peer;

typedef struct vk_front {
    const vk_child *child;
    vk_runtime rt;
    const vk_service *services[VK_SERVICES_MAX];
    size_t n_services, n_started;
    vk_front_loop *loops[VK_LOOPS_MAX];
    vk_str names[VK_SERVICES_MAX + 1][VK_FRONT_NAMES]; /* by listener; the console's are at [n_services] */
    vk_gate gates[VK_SERVICES_MAX + 1];                /* likewise */
    vk_gate_room room;                                 /* of the services' */
    size_t next_loop;                                  /* for the next accepted connection */
    vk_job trim;                                       /* malloc_trim, on the lane; one at a time */
    _Atomic bool trimming;
    vk_role_link link;
    vk_front_peer peers[VK_ROLES];
    bool up, stopping;
    vk_timer drain, certificate;
    int next_cert; /* a certificate whose key has not come yet, or -1 */
    size_t loops_closed;
    void (*closed)(struct vk_front *f); /* when all are */
    void (*got_master)(struct vk_front *f, uint32_t kid,
                       const uint8_t key[VK_MASTER]); /* NULL: not asked for, or here */
} vk_front;

/* front_listen.c: the servers of every loop, on the supervisor's listeners. */
VK_MUSTCHECK vk_err vk_front_listen(vk_front *f);
/* On loop 0: the next loop in turn. */
vk_front_loop *vk_front_next_loop(vk_front *f);
/* The server of listener `i` on that loop: a service's, the console's at [n_services], behind it admin.sock's
 * (loop 0 only). NULL: there is none. */
vk_server *vk_front_server(vk_front_loop *l, size_t i);
/* Closes every server of every loop; `done` on loop 0 when the last connection has gone. */
/* Now and then: after a crowd has gone, its memory goes back to the system. */
/* Connections to all listeners, now. Any thread. */
size_t vk_front_clients(void);
void vk_front_tidy(vk_front *f);
void vk_front_close(vk_front *f, void (*done)(vk_front *f));

/* front_tls.c: reads the certificate and key that the supervisor has opened; the process ends with a sentence
 * when they cannot be used. */
void vk_front_tls_start(vk_front *f);
/* A certificate or a key from the supervisor; takes over the fd. */
void vk_front_tls_file(void *front, vk_note_kind kind, int fd);

/* front_peers.c: connections to the other roles. */
void vk_front_peers_init(vk_front *f);
/* A connection from the supervisor; takes over the fd. */
void vk_front_peer_came(void *front, vk_role role, int fd);
/* Asks keeper for the master and calls `got` once with it, however often keeper has to be started for that.
 */
void vk_front_ask_master(vk_front *f, void (*got)(vk_front *f, uint32_t kid, const uint8_t key[VK_MASTER]));
void vk_front_peers_end(vk_front *f);

/* Services stop and all data is closed: it is nobody's. No exchange is under way. */
void vk_front_let_go(vk_front *f);

/* front_yield.c: the front of before a restart. Comes to rest when nothing of a client is open, or when its
 * patience is over; lets go of the data; tells the supervisor. */
void vk_front_yield(vk_front *f);
/* All goes on as if nothing had been said. False: it has yielded, there is no way back. */
bool vk_front_keep(vk_front *f);
/* The connections that wait go to whoever reads the other end of `to`; then, when relays have ended too, the
 * process ends. False: it has not yielded, and the fd stays the caller's. */
bool vk_front_give(vk_front *f, int to);

/* front_take.c: the front of after it. Serves the connections that come from there; false: it cannot, and the
 * fd stays the caller's. */
bool vk_front_take(vk_front *f, int from);

/* front_recover.c: queues the work that an earlier process began and did not finish. */
void vk_front_recover(vk_front *f);

#endif
