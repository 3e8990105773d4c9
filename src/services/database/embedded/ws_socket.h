/* Hrana over WebSocket, inside the driver: one socket, its streams and the requests on them. Everything here
 * runs on the socket's loop; statements run as jobs of the driver (db.h), and what they end with is posted
 * back. */
#ifndef VK_DB_WS_SOCKET_H
#define VK_DB_WS_SOCKET_H

#include "http/ws.h"
#include "services/database/embedded/db.h"

enum {
    VK_SOCKET_STREAMS_MAX = 128,        /* open at once */
    VK_SOCKET_FAILED_MAX = 128,         /* ids whose opening was refused, until they are closed */
    VK_SOCKET_WAITING_MAX = 256,        /* requests that are not answered: past it nothing is read… */
    VK_SOCKET_WAITING_BYTES = 32 << 20, /* …and past so many bytes of them */
    VK_SOCKET_PIECE =
        256 << 10, /* a message that comes is counted as its buffer grows: this, doubled and doubled */
    VK_SOCKET_SMALL = 4096,     /* an answer that is sent all the same */
    VK_SOCKET_HELLO_MS = 10000, /* for the first message */
    VK_SOCKET_CHECK_MS = 400,   /* between two looks at the key of an idle socket */
};

/* A stream as its client knows it. */
typedef struct vk_socket_stream {
    vk_list node; /* in `streams`, or in `leaving` once close_stream has come: then its id is free again */
    int32_t id;
    vk_stream *s; /* NULL: it could not be opened */
    bool running; /* a job of it is under way */
    vk_list queue;
} vk_socket_stream;

typedef struct vk_socket {
    vk_ws *ws;
    vk_worker *worker;
    vk_loop *loop;
    vk_held_key key; /* tenant NULL: no hello yet */
    vk_dbt *t;
    vk_timer timer;
    int64_t opened_ms;
    vk_list streams, leaving;
    uint32_t n_streams, n_failed;
    vk_sql_text *texts; /* room for VK_HRANA_SOCKET_STORED_MAX once there is one */
    uint32_t n_texts;
    uint32_t waiting; /* requests that are not answered */
    size_t waiting_bytes;
    size_t counted;   /* of t->socket_bytes, ours */
    size_t coming;    /* of t->received: a message that is not complete */
    uint32_t working; /* jobs and messages that other threads have */
    bool parsing;
    bool throttled; /* its key or its build asks too often: not read from until the next look at the key */
    bool ending;    /* we have closed it: nothing new begins */
    bool over;      /* the connection has gone */
} vk_socket;

/* A message, and the request that it may be; lies in its own arena. */
typedef struct vk_socket_message {
    vk_socket *k;
    vk_arena *a;
    vk_buf text;
    vk_job parse; /* of a large one, on the lane */
    vk_task task; /* back on the loop */
    vk_message m;
    vk_str why;
    bool malformed;
    vk_err e;
    size_t came;    /* of t->received, until it is in a queue */
    size_t n_bytes; /* of the text and what it was taken apart into, once it is in a queue */
    vk_list node;   /* in its stream's queue */
    vk_socket_stream *stream;
    vk_dbjob job;
    vk_buf out;
} vk_socket_message;

/* ---- ws.c */
/* Ends the connection with a code and a reason for people. */
void vk_socket_fail(vk_socket *k, int code, vk_str reason);
void vk_socket_free_message(vk_socket_message *q);
/* The message is not one that is coming in any more: it is in a queue, counted there, or gone. */
void vk_socket_count_message(vk_socket_message *q);
/* A job or a message came back: reading goes on if it was held up, and the last one frees a socket that is
 * over. */
void vk_socket_came_back(vk_socket *k);

/* ---- ws_stream.c */
/* Serves a request; the message is its own from then on. */
void vk_socket_request(vk_socket_message *q);
/* The peer takes answers again. */
void vk_socket_go_on(vk_socket *k);
/* The connection has gone: what waits is dropped, what is open is rolled back, now or when its job has ended.
 */
void vk_socket_end_streams(vk_socket *k);
/* Tells the build how much of ours its peers have not taken. */
void vk_socket_account(vk_socket *k);
void vk_socket_free_texts(vk_socket *k);

#endif
