/* What commands about one build share. */
#ifndef VK_CLI_BUILD_H
#define VK_CLI_BUILD_H

#include "cli/api.h"
#include "store/store.h"

typedef struct vk_build_ask {
    const char *data, *method, *target;
    vk_str headers, body;
    bool slow; /* may take minutes */
} vk_build_ask;

/* "/api/v1/builds/<id><after>". A wrong id is told here, so that it never becomes a part of a path. */
VK_MUSTCHECK vk_err vk_build_target(const char *command, const char *id, const char *after, char *out,
                                    size_t room);
enum { VK_SERVICE_TARGET = 16 << 10 };
/* "/api/v1/builds/<id>/services/<service>/<call>", then "?name=value" for each pair of `query`
 * (NULL-terminated or NULL; a NULL value leaves the pair out), escaped. Answers an exit code; not VK_EXIT_OK:
 * it was told. */
VK_MUSTCHECK int vk_service_target(const char *command, const char *id, const char *service, const char *call,
                                   const char *const query[], char out[VK_SERVICE_TARGET]);
/* Opens, calls, closes. *ok_r: a 2xx, and the reply is the caller's. Otherwise everything was told; returns
 * the exit code. */
int vk_build_call(const vk_build_ask *q, vk_reply *out_r, bool *ok_r);
/* A whole command with one argument, ID, and the options --data and --json: the call, without a body, and its
 * answer told by `print` or as it came. Returns the exit code. */
int vk_build_command(int argc, char **argv, const char *method, const char *after,
                     void (*print)(const vk_reply *r, const char *id));
/* The reply's JSON as it came, with a newline. */
void vk_reply_print(const vk_reply *r);
/* "2026-12-24 16:00 UTC" out of the API's "2026-12-24T16:00:00.000Z". */
void vk_time_short(const char *iso, char out[32]);
/* False: one of the origins is too long for a request; told. */
bool vk_origins_short(const char *command, const char *const *v, size_t n);
/* A build for people. */
void vk_build_print(const vk_reply *r);

#endif
