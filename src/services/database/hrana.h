/* Hrana over HTTP, JSON encoding: requests as trees, and the texts of the protocol. Sources: HRANA_3_SPEC and
 * HTTP_V2_SPEC of tursodatabase/libsql; where sqld differs from its spec, sqld counts, because the clients
 * were built against it. */
#ifndef VK_HRANA_H
#define VK_HRANA_H

#include "core/arena.h"
#include "core/json_read.h"

enum {
    VK_HRANA_BODY_MAX = 32 * 1024 * 1024,
    VK_HRANA_INLINE_BODY = 16 * 1024, /* larger bodies are parsed in the pool, not on the loop */
    VK_HRANA_REQUESTS_MAX = 4096,     /* in one pipeline */
    VK_HRANA_STEPS_MAX = 16384,       /* in one batch */
    VK_HRANA_RESPONSE_MAX = 10 * 1024 * 1024,
    VK_HRANA_STORED_MAX = 50,         /* SQL texts a stream */
    VK_HRANA_SOCKET_STORED_MAX = 150, /* and a WebSocket */
    VK_HRANA_STORED_TEXT = 5000,      /* bytes of one */
};

typedef enum vk_hrana_type { VK_H_NULL, VK_H_INTEGER, VK_H_FLOAT, VK_H_TEXT, VK_H_BLOB } vk_hrana_type;

typedef struct vk_hrana_value {
    vk_hrana_type type;
    union {
        int64_t i;
        double d;
        vk_str s; /* text or decoded blob */
    } u;
    vk_str name; /* of a named argument */
} vk_hrana_value;

typedef struct vk_hrana_stmt {
    vk_str sql;     /* p NULL: by id */
    int32_t sql_id; /* when sql.p is NULL */
    bool want_rows;
    vk_hrana_value *args, *named;
    uint32_t n_args, n_named;
} vk_hrana_stmt;

typedef enum vk_cond_type {
    VK_COND_OK,
    VK_COND_ERROR,
    VK_COND_NOT,
    VK_COND_AND,
    VK_COND_OR,
    VK_COND_AUTOCOMMIT
} vk_cond_type;

typedef struct vk_hrana_cond {
    vk_cond_type type;
    uint32_t step, n; /* OK, ERROR: step. NOT, AND, OR: n parts */
    struct vk_hrana_cond *parts;
} vk_hrana_cond;

typedef struct vk_hrana_step {
    const vk_hrana_cond *cond; /* NULL: always */
    vk_hrana_stmt stmt;
} vk_hrana_step;

typedef enum vk_request_type {
    VK_R_CLOSE,
    VK_R_EXECUTE,
    VK_R_BATCH,
    VK_R_SEQUENCE,
    VK_R_DESCRIBE,
    VK_R_STORE_SQL,
    VK_R_CLOSE_SQL,
    VK_R_GET_AUTOCOMMIT,
} vk_request_type;

/* The `type` of the request and of its response. */
const char *vk_hrana_type_name(vk_request_type t);

typedef struct vk_hrana_request {
    vk_request_type type;
    vk_hrana_stmt stmt; /* EXECUTE; SEQUENCE, DESCRIBE, STORE_SQL and CLOSE_SQL use sql and sql_id */
    vk_hrana_step *steps;
    uint32_t n_steps;
} vk_hrana_request;

typedef struct vk_pipeline {
    vk_str baton; /* p NULL: a new stream */
    vk_hrana_request *requests;
    uint32_t n;
    bool closes; /* one of them is `close` */
} vk_pipeline;

/* The whole body is checked before anything of it runs. VK_E_INVALID: a protocol error, its text in *why_r
 * (in the arena or static). VK_E_NOMEM. Strings are views into `body` where possible. */
VK_MUSTCHECK vk_err vk_hrana_parse(vk_arena *a, vk_str body, vk_pipeline *out_r, vk_str *why_r);
/* {"baton":…,"batch":…} of POST /v3/cursor, as a pipeline with that one batch which does not close. */
VK_MUSTCHECK vk_err vk_hrana_parse_cursor(vk_arena *a, vk_str body, vk_pipeline *out_r, vk_str *why_r);

/* One request of a stream; the errors are those of vk_hrana_parse. */
VK_MUSTCHECK vk_err vk_hrana_parse_request(vk_arena *a, const vk_json *o, vk_hrana_request *out_r,
                                           vk_str *why_r);

/* A client's message on a WebSocket (hrana1 and hrana2). */
typedef enum vk_message_type {
    VK_M_HELLO,
    VK_M_OPEN_STREAM,
    VK_M_CLOSE_STREAM,
    VK_M_STREAM,    /* `request`, on a stream */
    VK_M_STORE_SQL, /* request.stmt; of the connection */
    VK_M_CLOSE_SQL,
} vk_message_type;

typedef struct vk_message {
    vk_message_type type;
    vk_str jwt; /* HELLO; p NULL: none */
    int32_t request_id, stream_id;
    vk_hrana_request request;
} vk_message;

/* VK_E_INVALID: a protocol error; *malformed_r: the text is no JSON of the expected shape. VK_E_NOMEM. */
VK_MUSTCHECK vk_err vk_hrana_parse_message(vk_arena *a, vk_str text, vk_message *out_r, vk_str *why_r,
                                           bool *malformed_r);

#endif
