#include "cli/api.h"

#include "cli/cli.h"
#include "cli/out.h"
#include "core/encode.h"
#include "core/disk.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { TOKEN_FILE_MAX = 256 };

const char *vk_data_dir(const char *data)
{
    const char *env = getenv("VALETKEY_DATA");
    if (data)
        return data;
    return env && env[0] ? env : "./.valetkey";
}

/* ---- one exchange */

struct wait {
    vk_loop *loop;
    vk_client *client;
    vk_err err;
    bool answered;
    vk_reply *reply;
    const uint8_t *pin; /* of the certificate; NULL: no TLS */
    void (*on_size)(void *arg, int64_t total);
    vk_err (*on_body)(void *arg, vk_str piece);
    ssize_t (*give)(void *arg, char *to, size_t room);
    void *arg;
};

static void gone(void *arg)
{
    struct wait *w = arg;
    w->client = NULL;
}

static void head_there(void *arg, const vk_head *h)
{
    struct wait *w = arg;
    if (w->on_size && h->status / 100 == 2)
        w->on_size(w->arg, h->framing == VK_FRAME_LENGTH ? (int64_t)h->content_length : -1);
}

static vk_err body_there(void *arg, vk_str piece)
{
    struct wait *w = arg;
    return w->on_body(w->arg, piece);
}

static ssize_t body_wanted(void *arg, char *to, size_t room)
{
    struct wait *w = arg;
    return w->give(w->arg, to, room);
}

static void answered(void *arg, vk_err e, const vk_response *r)
{
    struct wait *w = arg;
    w->err = e;
    w->answered = true;
    if (e == VK_OK) {
        w->reply->status = r->status;
        vk_buf_str(&w->reply->body, r->body);
        w->err = w->reply->body.err;
    }
    vk_loop_stop(w->loop);
}

/* Sends the request over `fd`, which is taken over, and waits. */
static vk_err exchange(int fd, vk_request *req, struct wait *w)
{
    vk_err e = vk_loop_new(&w->loop);
    if (e != VK_OK) {
        close(fd);
        return e;
    }
    e = vk_client_new(w->loop, fd, gone, w, &w->client);
    if (e != VK_OK)
        close(fd);
    else if (w->pin)
        e = vk_client_secure(w->client, w->pin);
    req->pass_fd = -1;
    req->secret = true;
    req->body_max = VK_REPLY_MAX;
    req->done = answered;
    req->on_head = head_there;
    req->on_body = w->on_body ? body_there : NULL;
    req->give = w->give ? body_wanted : NULL;
    req->arg = w;
    if (e == VK_OK)
        e = vk_client_send(w->client, req);
    if (e == VK_OK) {
        vk_loop_run(w->loop);
        e = w->err;
    }
    vk_client_close(w->client);
    vk_loop_free(w->loop);
    return e;
}

static void reply_init(vk_reply *r)
{
    *r = (vk_reply){0};
    vk_buf_init(&r->body, VK_REPLY_MAX);
}

static void parse_reply(vk_reply *r)
{
    r->arena = vk_arena_new((size_t)VK_REPLY_MAX * 8);
    if (!r->arena || vk_json_parse(r->arena, vk_buf_view(&r->body), &r->json, NULL, NULL) != VK_OK)
        r->json = NULL;
}

void vk_reply_free(vk_reply *r)
{
    vk_buf_free_secret(&r->body);
    vk_arena_free(r->arena);
    *r = (vk_reply){0};
}

const char *vk_reply_text(const vk_reply *r, const vk_json *o, const char *name)
{
    vk_str s = vk_json_str(vk_json_get(o, vk_str_z(name)));
    vk_str z = s.n ? vk_arena_dup(r->arena, s) : VK_STR_NONE;
    return z.p ? z.p : "";
}

int64_t vk_reply_number(const vk_json *o, const char *name, int64_t otherwise)
{
    int64_t n;
    vk_err e = vk_json_i64(vk_json_get(o, vk_str_z(name)), &n);
    return e == VK_OK ? n : otherwise;
}

const vk_json *vk_reply_items(const vk_json *array)
{
    return array && array->type == VK_JSON_ARRAY ? array->u.child : NULL;
}

bool vk_reply_ok(const vk_reply *r, int *exit_r)
{
    *exit_r = VK_EXIT_OK;
    if (r->status / 100 == 2)
        return true;
    const vk_json *error = vk_json_get(r->json, VK_STR("error"));
    const char *code = r->arena ? vk_reply_text(r, error, "code") : "";
    const char *text = r->arena ? vk_reply_text(r, error, "message") : "";
    if (text[0])
        vk_failed(code, "%s", text);
    else
        vk_failed("internal", "The daemon answered with status %d and no reason; its log may say more.",
                  r->status);
    *exit_r = strcmp(code, "invalid") == 0 ? VK_EXIT_USAGE : VK_EXIT_FAILED;
    return false;
}

/* ---- admin.sock */

/* Says what is wrong unless the caller does. */
#define TELL(api, ...)                                                                                       \
    do {                                                                                                     \
        if (!(api)->quiet)                                                                                   \
            vk_failed(__VA_ARGS__);                                                                          \
    } while (0)

static vk_err tell_open(const vk_api *api, int err)
{
    const char *data = api->data;
    if (err == ENOENT)
        TELL(api, "not_found",
             "There is no data folder %s. Start `valetkey serve`, which makes one, or say where yours "
             "is with --data "
             "DIR or VALETKEY_DATA.",
             data);
    else if (err == EACCES || err == EPERM)
        TELL(api, "forbidden",
             "The data folder %s belongs to another user. Run this as that user, or as root.", data);
    else
        TELL(api, "io", "The data folder %s cannot be opened (%s).", data,
             err == ENOTDIR ? "not a folder" : "input/output error");
    return VK_E_UNAVAILABLE;
}

static void trim(vk_buf *b)
{
    while (b->n && (b->p[b->n - 1] == '\n' || b->p[b->n - 1] == '\r' || b->p[b->n - 1] == ' '))
        b->n--;
}

static vk_err open_api(vk_api *api, const char *data, bool quiet)
{
    const char *dir = vk_data_dir(data);
    *api = (vk_api){.data_fd = -1, .quiet = quiet};
    vk_buf_init(&api->token, TOKEN_FILE_MAX);
    if (strlen(dir) >= sizeof api->data) {
        TELL(api, "usage", "The path of the data folder is longer than %d bytes.", PATH_MAX - 1);
        return VK_E_INVALID;
    }
    memcpy(api->data, dir, strlen(dir) + 1);
    api->data_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (api->data_fd < 0)
        return tell_open(api, errno);
    vk_err e = vk_disk_read(api->data_fd, "admin.token", TOKEN_FILE_MAX, &api->token);
    trim(&api->token);
    if (e == VK_OK && api->token.n)
        return VK_OK;
    if (e == VK_E_FORBIDDEN)
        tell_open(api, EACCES);
    else if (e == VK_E_NOT_FOUND)
        TELL(api, "not_found",
             "%s has no admin.token, so it is no data folder of valetkey yet. Start `valetkey serve "
             "--data %s`, "
             "which makes one.",
             dir, dir);
    else
        TELL(
            api, "io",
            "%s/admin.token cannot be read; restart `valetkey serve` to make a new one after moving it away.",
            dir);
    vk_api_close(api);
    return VK_E_UNAVAILABLE;
}

vk_err vk_api_open(vk_api *api, const char *data)
{
    return open_api(api, data, false);
}

vk_err vk_api_open_quiet(vk_api *api, const char *data)
{
    return open_api(api, data, true);
}

void vk_api_close(vk_api *api)
{
    vk_buf_free_secret(&api->token);
    if (api->data_fd >= 0)
        close(api->data_fd);
    api->data_fd = -1;
}

/* The socket's path may be longer than an address holds (108 bytes); through the open folder it is short. */
static int connect_unix(int data_fd)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path, sizeof a.sun_path, "/proc/self/fd/%d/admin.sock", data_fd);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (connect(fd, (struct sockaddr *)&a, sizeof a) != 0 || fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
        int err = errno;
        close(fd);
        errno = err;
        return -1;
    }
    return fd;
}

static vk_err tell_no_answer(const vk_api *api, vk_err e)
{
    switch (e) {
    case VK_E_TIMEOUT:
        TELL(api, "timeout", "The daemon did not answer in time. `valetkey doctor --data %s` looks into it.",
             api->data);
        break;
    case VK_E_TOO_LARGE:
        TELL(api, "too_large", "The daemon's answer is larger than this command takes.");
        break;
    case VK_E_NOMEM:
        TELL(api, "nomem", "Out of memory.");
        break;
    default:
        TELL(api, "unavailable",
             "The connection to the daemon broke off before its answer. Try again; if it stays so, "
             "look at the log of `valetkey serve`.");
    }
    return e;
}

static vk_err call(vk_api *api, vk_request *req, struct wait *w, vk_reply *out_r)
{
    reply_init(out_r);
    w->reply = out_r;
    int fd = connect_unix(api->data_fd);
    if (fd < 0) {
        if (errno == EACCES || errno == EPERM)
            tell_open(api, EACCES);
        else
            TELL(api, "unavailable",
                 "valetkey is not running on the data folder %s. Start it with `valetkey serve --data %s`.",
                 api->data, api->data);
        return VK_E_UNAVAILABLE;
    }
    req->bearer = vk_buf_view(&api->token);
    vk_err e = exchange(fd, req, w);
    if (e == VK_OK) {
        parse_reply(out_r);
        return VK_OK;
    }
    vk_reply_free(out_r);
    /* Whoever takes the body piece by piece tells its own errors. */
    return (w->on_body || w->give) && e != VK_E_TIMEOUT && e != VK_E_UNAVAILABLE ? e : tell_no_answer(api, e);
}

vk_err vk_api_call(vk_api *api, const char *method, const char *target, vk_str headers, vk_str body,
                   vk_reply *out_r)
{
    vk_request req = {.method = vk_str_z(method),
                      .target = vk_str_z(target),
                      .headers = headers,
                      .body = body,
                      .timeout_ms = api->timeout_ms};
    if (body.n)
        req.content_type = VK_STR("application/json");
    struct wait w = {0};
    return call(api, &req, &w, out_r);
}

vk_err vk_api_download(vk_api *api, const char *target, void (*on_size)(void *arg, int64_t total),
                       vk_err (*on_body)(void *arg, vk_str piece), void *arg, vk_reply *out_r)
{
    vk_request req = {
        .method = VK_STR("GET"), .target = vk_str_z(target), .timeout_ms = VK_DOWNLOAD_TIMEOUT_MS};
    struct wait w = {.on_size = on_size, .on_body = on_body, .arg = arg};
    return call(api, &req, &w, out_r);
}

vk_err vk_api_upload(vk_api *api, const char *target, const char *content_type, int64_t n,
                     ssize_t (*give)(void *arg, char *to, size_t room), void *arg, vk_reply *out_r)
{
    vk_request req = {.method = VK_STR("PUT"),
                      .target = vk_str_z(target),
                      .content_type = content_type ? vk_str_z(content_type) : VK_STR_NONE,
                      .body_n = n,
                      .timeout_ms = VK_DOWNLOAD_TIMEOUT_MS};
    struct wait w = {.give = give, .arg = arg};
    return call(api, &req, &w, out_r);
}

/* ---- listeners */

bool vk_port_find(const vk_reply *status, const char *listener, vk_port *out_r)
{
    const vk_json *all = vk_json_get(status->json, VK_STR("listeners"));
    vk_str pin = vk_json_str(vk_json_get(vk_json_get(status->json, VK_STR("certificate")), VK_STR("sha256")));
    for (const vk_json *x = vk_reply_items(all); x; x = x->next) {
        int64_t port;
        const vk_json *tls = vk_json_get(x, VK_STR("tls"));
        vk_str host = vk_json_str(vk_json_get(x, VK_STR("address")));
        if (!vk_str_eqz(vk_json_str(vk_json_get(x, VK_STR("name"))), listener) ||
            vk_json_i64(vk_json_get(x, VK_STR("port")), &port) != VK_OK || port < 1 || port > 65535)
            continue;
        *out_r = (vk_port){.port = (int)port,
                           .tls = tls && tls->type == VK_JSON_BOOL && tls->u.b,
                           .network = !vk_str_starts(host, VK_STR("127.")) && !vk_str_eqz(host, "::1")};
        if (vk_str_eqz(host, "0.0.0.0")) /* every address; this is one of them */
            host = VK_STR("127.0.0.1");
        else if (vk_str_eqz(host, "::"))
            host = VK_STR("::1");
        snprintf(out_r->host, sizeof out_r->host, VK_STR_FMT, VK_STR_ARG(host));
        return !out_r->tls || vk_hex_decode(pin, out_r->sha256, sizeof out_r->sha256) == VK_OK;
    }
    return false;
}

static int connect_port(const vk_port *at)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)at->port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)at->port)};
    bool six = inet_pton(AF_INET6, at->host, &v6.sin6_addr) == 1;
    if (!six && inet_pton(AF_INET, at->host, &v4.sin_addr) != 1)
        return -1;
    int fd = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const void *to = six ? (const void *)&v6 : &v4;
    if (fd >= 0 && (connect(fd, (const struct sockaddr *)to, six ? sizeof v6 : sizeof v4) != 0 ||
                    fcntl(fd, F_SETFL, O_NONBLOCK) != 0)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

vk_err vk_port_call(const vk_port *at, const char *method, const char *target, vk_str bearer, vk_str body,
                    vk_reply *out_r)
{
    char host[32];
    reply_init(out_r);
    int fd = connect_port(at);
    if (fd < 0)
        return VK_E_UNAVAILABLE;
    snprintf(host, sizeof host, "127.0.0.1:%d", at->port); /* a name of every listener */
    vk_request req = {.method = vk_str_z(method),
                      .target = vk_str_z(target),
                      .host = vk_str_z(host),
                      .bearer = bearer,
                      .body = body,
                      .content_type = body.n ? VK_STR("application/json") : VK_STR_NONE,
                      .timeout_ms = VK_DOWNLOAD_TIMEOUT_MS};
    struct wait w = {.reply = out_r, .pin = at->tls ? at->sha256 : NULL};
    vk_err e = exchange(fd, &req, &w);
    if (e == VK_OK)
        parse_reply(out_r);
    else
        vk_reply_free(out_r);
    return e;
}
