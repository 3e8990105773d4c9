/* The admin API from the command line: blocking calls over <data>/admin.sock with the token of
 * <data>/admin.token. */
#ifndef VK_CLI_API_H
#define VK_CLI_API_H

#include "core/json_read.h"
#include "core/json_write.h"
#include "http/client.h"

enum { VK_REPLY_MAX = 16 * 1024 * 1024, VK_DOWNLOAD_TIMEOUT_MS = 600 * 1000 };

typedef struct vk_api {
    char data[PATH_MAX]; /* as given, for sentences */
    int data_fd;
    vk_buf token;
    bool quiet;         /* says nothing itself */
    int64_t timeout_ms; /* of calls, without a byte of the answer; 0: as vk_client has it */
} vk_api;

typedef struct vk_reply {
    int status;
    vk_buf body; /* may hold secrets */
    vk_arena *arena;
    vk_json *json; /* NULL: the body is no JSON */
} vk_reply;

/* The data folder: `data` (of --data), else VALETKEY_DATA, else ./.valetkey. */
const char *vk_data_dir(const char *data);
/* Opens the folder and reads the token. On failure the sentence was printed. */
VK_MUSTCHECK vk_err vk_api_open(vk_api *api, const char *data);
/* As above, for callers that find their own words; every later failure of a call on it is silent too. */
VK_MUSTCHECK vk_err vk_api_open_quiet(vk_api *api, const char *data);
void vk_api_close(vk_api *api);
/* One call. On failure (no daemon, no answer) the sentence was printed; an answer of any status is VK_OK.
 * `headers`: further lines, each with CRLF; may be empty. The reply is the caller's: vk_reply_free. */
VK_MUSTCHECK vk_err vk_api_call(vk_api *api, const char *method, const char *target, vk_str headers,
                                vk_str body, vk_reply *out_r);
/* As above with GET; the body of a 2xx answer goes to on_body, `total` of on_size is its length or -1. */
VK_MUSTCHECK vk_err vk_api_download(vk_api *api, const char *target,
                                    void (*on_size)(void *arg, int64_t total),
                                    vk_err (*on_body)(void *arg, vk_str piece), void *arg, vk_reply *out_r);
/* As vk_api_call with PUT and a body of `n` bytes (-1: not known) that `give` gives as read(2) does. When it
 * fails, VK_E_INVALID is returned and nothing was printed. `content_type` may be NULL. */
VK_MUSTCHECK vk_err vk_api_upload(vk_api *api, const char *target, const char *content_type, int64_t n,
                                  ssize_t (*give)(void *arg, char *to, size_t room), void *arg,
                                  vk_reply *out_r);
/* True: a 2xx. Otherwise the server's sentence was printed; *exit_r is the exit code. */
bool vk_reply_ok(const vk_reply *r, int *exit_r);
void vk_reply_free(vk_reply *r);
/* A text member of an object; "" when it is not there. NUL-terminated in the reply's arena. */
const char *vk_reply_text(const vk_reply *r, const vk_json *o, const char *name);
/* A whole number of an object; `otherwise` when it is not there. */
int64_t vk_reply_number(const vk_json *o, const char *name, int64_t otherwise);
/* The first element of an array, the others by `next`; NULL: it is empty, or no array. */
const vk_json *vk_reply_items(const vk_json *array);

/* A listener of ours, as the daemon describes it over admin.sock. Under TLS it must show the certificate that
 * the daemon says it has, whatever its names are. */
typedef struct vk_port {
    char host[46]; /* an address of this machine */
    int port;
    bool tls, network; /* `network`: others than this machine reach it */
    uint8_t sha256[VK_TLS_SHA256];
} vk_port;

/* Out of the answer of GET /api/v1/status. False: it has no such listener. */
bool vk_port_find(const vk_reply *status, const char *listener, vk_port *out_r);
/* One call. VK_E_UNAVAILABLE: nothing listens, or it is not ours. Says nothing. */
VK_MUSTCHECK vk_err vk_port_call(const vk_port *at, const char *method, const char *target, vk_str bearer,
                                 vk_str body, vk_reply *out_r);

#endif
