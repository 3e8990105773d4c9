/* For test_pipeline.c, test_streams.c and test_sockets.c: the database service behind a real listener on one
 * loop, with two builds. The client here is a blocking socket. */
#ifndef VK_DATABASE_TEST_RIG_H
#define VK_DATABASE_TEST_RIG_H

#include "core/clock.h"
#include "core/encode.h"
#include "core/random.h"
#include "core/test_folder.h"
#include "services/database/embedded/db.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/resource.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#pragma GCC diagnostic ignored "-Wunused-function" /* neither of the two uses all of it */

/* In place of libc's: the threads of long statements keep their priority. What is tested here is what they do
 * when they run, whoever else uses the processors. */
int sched_setscheduler(pid_t pid, int policy, const struct sched_param *param)
{
    VK_UNUSED(pid);
    VK_UNUSED(policy);
    VK_UNUSED(param);
    return 0;
}

int setpriority(__priority_which_t which, id_t who, int priority)
{
    VK_UNUSED(which);
    VK_UNUSED(who);
    VK_UNUSED(priority);
    return 0;
}

static vk_runtime rt;
static vk_worker worker;
static vk_server server;
static pthread_t loop_thread;
static int port;
static char root[64];
static char token_a[VK_VALET_MAX], token_b[VK_VALET_MAX];

static void tenant_free(vk_tenant *t)
{
    const vk_service *all[VK_SERVICES_MAX];
    size_t n = vk_services(all);
    for (size_t i = 0; i < n; i++)
        if (atomic_load(&t->service[i]))
            all[i]->free_tenant(t);
}

struct maker {
    vk_hmac_key *lookup;
    char *token;
};

static vk_err make_rows(void *arg, const vk_build *b, vk_valet_row *rows, size_t *n_r)
{
    struct maker *m = arg;
    static const vk_valet_form form = {.kind = 'b', .prefix = "vk_b_"};
    vk_valet_derive(rt.master, &form, vk_str_z(b->id), VK_STR("database"), b->generation, m->token);
    rows[0] = (vk_valet_row){.kind = 'b', .kid = 1, .generation = b->generation};
    memcpy(rows[0].build, b->id, sizeof rows[0].build);
    memcpy(rows[0].service, "database", sizeof "database");
    vk_valet_hash(m->lookup, vk_secret_of(vk_str_z(m->token)), rows[0].hash);
    *n_r = 1;
    return VK_OK;
}

static void create(const char *id, char token[VK_VALET_MAX])
{
    vk_arena *a = vk_arena_new(1 << 20);
    vk_build b = {.ttl_ms = 3600000, .created_ms = vk_clock_wall_ms()};
    uint8_t digest[VK_HASH] = {0};
    b.expires_ms = b.created_ms + b.ttl_ms;
    snprintf(b.id, sizeof b.id, "%s", id);
    snprintf(b.framework, sizeof b.framework, "next");
    struct maker m = {.token = token};
    assert_int_equal(vk_valet_lookup_key(rt.master, &m.lookup), VK_OK);
    assert_int_equal(
        rt.store->ops->build_create(rt.store, a, &b, NULL, 0, VK_STR_NONE, digest, make_rows, &m), VK_OK);
    vk_hmac_key_free(m.lookup);
    vk_arena_free(a);
}

static void *loop_main(void *arg)
{
    vk_loop_run(arg);
    return NULL;
}

static int set_up(void **state)
{
    static const uint8_t key[VK_MASTER] = {1, 2, 3}, seed[16] = {4};
    const char *why;
    VK_UNUSED(state);
    snprintf(root, sizeof root, "/tmp/vk-pipeline-XXXXXX");
    assert_true(folder_make(root));
    vk_hash_seed(seed);
    assert_int_equal(vk_digest_init(), VK_OK);
    assert_int_equal(vk_sqlite_init(), VK_OK);
    snprintf(rt.data_dir, sizeof rt.data_dir, "%s", root);
    rt.data_fd = open(root, O_RDONLY | O_DIRECTORY);
    assert_int_equal(vk_master_new(1, key, &rt.master), VK_OK);
    assert_int_equal(vk_store_sqlite_open(rt.data_fd, root, true, &rt.store, &why), VK_OK);
    assert_int_equal(vk_registry_init(&rt.registry, tenant_free), VK_OK);
    assert_int_equal(vk_lane_new("meta", 100, &rt.meta), VK_OK);
    assert_int_equal(vk_loop_new(&rt.loops[0]), VK_OK);
    rt.n_loops = 1;
    int index = vk_service_index(VK_STR("database"));
    const vk_service *all[VK_SERVICES_MAX];
    vk_services(all);
    worker = (vk_worker){.rt = &rt, .service = all[index], .index = index, .loop = rt.loops[0]};
    assert_int_equal(vk_store_sqlite_open(rt.data_fd, root, false, &worker.reader, &why), VK_OK);
    assert_int_equal(vk_valet_lookup_key(rt.master, &worker.lookup), VK_OK);
    assert_int_equal(all[index]->start(&rt, index), VK_OK);
    static const vk_str names[] = {VK_STR("127.0.0.1"), VK_STR_NONE};
    vk_server_init(&server, rt.loops[0], all[index]->handler, &worker);
    server.names = names;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    port = ntohs(at.sin_port);
    assert_int_equal(vk_server_listen(&server, fd), VK_OK);
    assert_int_equal(pthread_create(&loop_thread, NULL, loop_main, rt.loops[0]), 0);
    create("build-a", token_a);
    create("build-b", token_b);
    return 0;
}

static void server_gone(vk_server *s)
{
    vk_loop_stop(s->loop);
}

static void close_server(vk_task *t)
{
    VK_UNUSED(t);
    vk_server_close(&server, server_gone);
}

/* As the daemon stops: connections that are open are brought to their end. */
static int tear_down(void **state)
{
    static vk_task task = {.run = close_server};
    VK_UNUSED(state);
    vk_loop_post(rt.loops[0], &task);
    pthread_join(loop_thread, NULL);
    vk_db_stop();
    vk_lane_free(rt.meta);
    vk_registry_free(&rt.registry);
    worker.reader->ops->close(worker.reader);
    rt.store->ops->close(rt.store);
    return folder_remove(root);
}

/* ------------------------------------------------------------------------------------------------- the
 * client */

static char answer[4 << 20];
static char *body;

static int post_with(const char *token, const char *json)
{
    char head[512];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
    struct timeval limit = {.tv_sec = 40};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    int n = snprintf(head, sizeof head,
                     "POST /v2/pipeline HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: "
                     "%zu\r\n%s%s%s\r\n",
                     strlen(json), token ? "Authorization: Bearer " : "", token ? token : "",
                     token ? "\r\n" : "");
    assert_int_equal(send(fd, head, (size_t)n, 0), n);
    for (size_t sent = 0; sent < strlen(json);) {
        ssize_t m = send(fd, json + sent, strlen(json) - sent, MSG_NOSIGNAL);
        if (m <= 0)
            break;
        sent += (size_t)m;
    }
    size_t got = 0;
    for (ssize_t m; got < sizeof answer - 1 && (m = recv(fd, answer + got, sizeof answer - 1 - got, 0)) > 0;)
        got += (size_t)m;
    answer[got] = '\0';
    close(fd);
    body = strstr(answer, "\r\n\r\n");
    assert_non_null(body);
    body += 4;
    return (int)strtol(answer + 9, NULL, 10);
}

static int execute(const char *token, const char *sql)
{
    static char json[1 << 20];
    snprintf(json, sizeof json,
             "{\"requests\":[{\"type\":\"execute\",\"stmt\":{\"sql\":\"%s\"}},{\"type\":\"close\"}]}", sql);
    return post_with(token, json);
}

#define assert_has(text)                                                                                     \
    do {                                                                                                     \
        if (!strstr(body, text))                                                                             \
            fail_msg("not there: %s\nin: %.600s", text, body);                                               \
    } while (0)

static void baton_of(char out[64])
{
    const char *p = strstr(body, "\"baton\":\"");
    assert_non_null(p);
    snprintf(out, 64, "%.48s", p + 9);
}

#endif
