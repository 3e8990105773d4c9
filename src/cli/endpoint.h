/* A build's database as its app reaches it: Hrana over HTTP on the database port, with the build's own key.
 */
#ifndef VK_CLI_ENDPOINT_H
#define VK_CLI_ENDPOINT_H

#include "cli/api.h"

typedef struct vk_endpoint {
    vk_port at;
    vk_buf token;
    vk_buf baton; /* of the stream that is open; empty: none */
} vk_endpoint;

/* VK_EXIT_OK, or the exit code after the sentence was printed. Then vk_endpoint_close. */
int vk_endpoint_open(const char *command, const char *data, const char *id, vk_endpoint *e);
/* Forgets the key; the daemon ends a stream that is left open by itself. */
void vk_endpoint_close(vk_endpoint *e);

/* A pipeline: {"baton":…,"requests":[ to be filled; vk_pipeline_send ends it. */
vk_jw vk_pipeline_begin(const vk_endpoint *e, vk_buf *body);
/* {"type":"execute"} without arguments. */
void vk_pipeline_execute(vk_jw *w, vk_str sql, bool want_rows);
void vk_pipeline_close(vk_jw *w);
/* Sends it and keeps the baton. VK_OK: an answer of status 200, the caller's; else VK_E_BUSY (try again, and
 * nothing was done) or another error, with what was said in code and text (of at most `room` bytes). */
VK_MUSTCHECK vk_err vk_pipeline_send(vk_endpoint *e, vk_jw *w, vk_reply *out_r, char *code, char *text,
                                     size_t room);
/* The i-th result's "response", or NULL: then *error_r is its "error" (both NULL: there is no such result).
 */
const vk_json *vk_pipeline_result(const vk_reply *r, size_t i, const vk_json **error_r);

#endif
