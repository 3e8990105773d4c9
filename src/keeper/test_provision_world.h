/* For tests of the engine: a vendor that is scripted here, and keeper, in a process that may be killed. What
 * the vendor has outlives it, in memory that is shared. */
#ifndef VK_TEST_PROVISION_WORLD_H
#define VK_TEST_PROVISION_WORLD_H

#include "core/random.h"
#include "keeper/keeper.h"
#include "keeper/provision_in.h"
#include "keeper/test_orgs.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { THINGS = 256, TTL = 3600 * 1000, BUILDS = 24 };

/* ---- what the vendor has */

enum fault { NONE, DIE_BEFORE, DIE_AFTER, TOO_MANY, BROKEN_BEFORE, BROKEN_AFTER, NO_JSON, REFUSED };

static struct world {
    struct thing {
        char name[80];
        bool there;
        int keys;
    } things[THINGS];
    int n_things, requests, twice;
    /* The fault of the request with that number; so many times. */
    int at, times;
    enum fault fault;
    int64_t key_life_ms;
    bool stubborn; /* what is deleted stays, and who looks is told to look again at once */
} * world;

static int vendor_fd;
static uint16_t vendor_port;

static inline struct thing *thing_of(vk_str name)
{
    for (int i = 0; i < world->n_things; i++)
        if (vk_str_eqz(name, world->things[i].name))
            return &world->things[i];
    return NULL;
}

static inline int alive(void)
{
    int n = 0;
    for (int i = 0; i < world->n_things; i++)
        n += world->things[i].there;
    return n;
}

/* ---- its API, on the loop of who asks */

static inline const vk_vendor *turso(void)
{
    return vk_vendor_of(VK_STR("turso"));
}

static inline void say_things(vk_exchange *ex)
{
    vk_buf_lit(&ex->out, "[");
    for (int i = 0, n = 0; i < world->n_things; i++)
        if (world->things[i].there)
            vk_buf_printf(&ex->out, "%s{\"name\":\"%s\",\"id\":\"t%d\"}", n++ ? "," : "",
                          world->things[i].name, i);
    vk_buf_lit(&ex->out, "]");
    vk_respond(ex, 200, "application/json");
}

static inline int effect(vk_exchange *ex, vk_str name, bool keys)
{
    struct thing *t = thing_of(name);
    bool post = vk_str_eqz(ex->method, "POST");
    if (post && !keys) {
        if (t && t->there) {
            world->twice++;
            return 409;
        }
        if (t) /* names are never used twice */
            return 500;
        assert_true(world->n_things < THINGS);
        t = &world->things[world->n_things++];
        snprintf(t->name, sizeof t->name, VK_STR_FMT, VK_STR_ARG(name));
        t->there = true;
        return 201;
    }
    if (!t || !t->there)
        return 404;
    if (post)
        t->keys++;
    else if (vk_str_eqz(ex->method, "DELETE") && keys)
        t->keys = 0;
    else if (vk_str_eqz(ex->method, "DELETE"))
        t->there = world->stubborn;
    return 200;
}

static inline void vendor_request(vk_exchange *ex)
{
    if (!vk_str_eqz(vk_secret_bytes(ex->authorization), "Bearer " TOKEN_A)) {
        vk_respond_text(ex, 401, "application/json", VK_STR("{}"));
        return;
    }
    int n = ++world->requests;
    bool mine = n >= world->at && n < world->at + world->times;
    enum fault fault = mine ? world->fault : NONE;
    vk_str name = ex->path, part;
    if (fault == DIE_BEFORE)
        raise(SIGKILL);
    if (fault == TOO_MANY || fault == BROKEN_BEFORE || fault == REFUSED) {
        ex->retry_s = fault == TOO_MANY ? 1 : 0;
        vk_respond_text(ex,
                        fault == TOO_MANY  ? 429
                        : fault == REFUSED ? 403
                                           : 503,
                        "application/json", VK_STR("{\"error\":\"no more of " TOKEN_A " today\"}"));
        return;
    }
    if (vk_str_eqz(name, "/things")) {
        say_things(ex);
        return;
    }
    name = (vk_str){name.p + 8, name.n - 8};
    bool keys = vk_str_cut(&name, '/', &part);
    name = keys ? part : name;
    int status = effect(ex, name, keys);
    if (fault == DIE_AFTER)
        raise(SIGKILL);
    if (fault == BROKEN_AFTER)
        vk_respond_text(ex, 500, "text/plain", VK_STR("oh"));
    else if (fault == NO_JSON)
        vk_respond_text(ex, 200, "text/html", VK_STR("<html>"));
    else {
        vk_buf_printf(&ex->out, "{\"id\":\"t\",\"key\":\"" TOKEN_B "\",\"bytes\":%d}", 4096);
        vk_respond(ex, status, "application/json");
    }
}

static inline vk_err vendor_head(vk_exchange *ex)
{
    ex->body_max = 4096;
    return VK_OK;
}

static const vk_handler vendor_handler = {.head = vendor_head, .request = vendor_request};

/* ---- its driver */

static inline vk_err ask(vk_prov *p, vk_prov_request *r, const char *method, const char *behind)
{
    r->method = method;
    r->path = vk_arena_printf(p->arena, "/things/%s%s", p->name, behind);
    return r->path.p ? VK_OK : VK_E_NOMEM;
}

static inline vk_err ask_create(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    VK_UNUSED(why_r);
    r->content_type = VK_STR("application/json");
    r->body = VK_STR("{}");
    return ask(p, r, "POST", "");
}

static inline vk_err took_create(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    if (status != 201 && !(status == 409 && p->tried)) {
        *why_r = vk_prov_said(p, "The thing could not be made", status, body, "error");
        return status == 409 ? VK_E_CONFLICT : VK_E_FORBIDDEN;
    }
    return vk_prov_note(p, "id", vk_json_str(vk_json_get(body, VK_STR("id"))));
}

static inline vk_err ask_key(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    VK_UNUSED(why_r);
    assert_true(vk_str_eqz(vk_prov_noted(p, "id"), "t"));
    return ask(p, r, "POST", "/keys");
}

static inline vk_err took_key(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    if (status != 200 || !body) {
        *why_r = vk_prov_said(p, "The key could not be made", status, body, "error");
        return VK_E_INVALID;
    }
    vk_str expires = vk_arena_printf(p->arena, "%lld", (long long)(p->now_ms + world->key_life_ms));
    vk_err e = vk_prov_set(p, "database_token", vk_secret_of(vk_json_str(vk_json_get(body, VK_STR("key")))));
    if (e == VK_OK)
        e = vk_prov_set(p, "hostname", vk_secret_of(VK_STR("127.0.0.1")));
    if (e == VK_OK && world->key_life_ms)
        e = vk_prov_note(p, "expires", expires);
    return e;
}

static inline vk_err ask_unkey(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    VK_UNUSED(why_r);
    return ask(p, r, "DELETE", "/keys");
}

static inline vk_err ask_delete(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    VK_UNUSED(why_r);
    return ask(p, r, "DELETE", "");
}

static inline vk_err ask_get(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    VK_UNUSED(why_r);
    return ask(p, r, "GET", "");
}

static inline vk_err took_gone(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    if (status == 200 || status == 404)
        return VK_OK;
    *why_r = vk_prov_said(p, "It could not be deleted", status, body, "error");
    return VK_E_FORBIDDEN;
}

static inline vk_err took_proof(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    *why_r = vk_prov_said(p, "It is still there", status, body, NULL);
    p->soon = world->stubborn;
    return status == 404 ? VK_OK : VK_AGAIN;
}

static inline vk_err took_usage(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    int64_t n = 0;
    *why_r = "no number";
    vk_err e = status == 200 ? vk_json_i64(vk_json_get(body, VK_STR("bytes")), &n) : VK_E_NOT_FOUND;
    vk_prov_use(p, "storage_bytes", n);
    return e;
}

static inline vk_err ask_list(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    VK_UNUSED(p);
    VK_UNUSED(why_r);
    r->method = "GET";
    r->path = VK_STR("/things");
    return VK_OK;
}

static inline vk_err took_list(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    VK_UNUSED(status);
    VK_UNUSED(why_r);
    vk_err e = VK_OK;
    for (const vk_json *x = body ? body->u.child : NULL; x && e == VK_OK; x = x->next)
        e = vk_prov_found(p, vk_json_str(vk_json_get(x, VK_STR("name"))),
                          vk_json_str(vk_json_get(x, VK_STR("id"))), VK_STR(""));
    return e;
}

static const vk_prov_step make_steps[] = {
    {.what = "create the thing", .op = "things.create", .ask = ask_create, .took = took_create},
    {.what = "make its key", .op = "keys.create", .ask = ask_key, .took = took_key},
    {.what = NULL},
};
static const vk_prov_step renew_steps[] = {
    {.what = "renew its key", .op = "keys.create", .ask = ask_key, .took = took_key},
    {.what = NULL},
};
static const vk_prov_step suspend_steps[] = {
    {.what = "take its key away", .op = "keys.delete", .ask = ask_unkey, .took = took_gone},
    {.what = NULL},
};
static const vk_prov_step end_steps[] = {
    {.what = "delete the thing", .op = "things.delete", .ask = ask_delete, .took = took_gone},
    {.what = "see that it is gone", .op = "things.get", .ask = ask_get, .took = took_proof},
    {.what = NULL},
};
static const vk_prov_step usage_steps[] = {
    {.what = "ask how much it has", .op = "things.get", .ask = ask_get, .took = took_usage},
    {.what = NULL},
};
static const vk_prov_step list_steps[] = {
    {.what = "list things", .op = "things.list", .ask = ask_list, .took = took_list},
    {.what = NULL},
};
static const vk_provisioner script = {
    .resource = "thing",
    .joint = '-',
    .at_once = 4,
    .make = make_steps,
    .renew = renew_steps,
    .suspend = suspend_steps,
    .end = end_steps,
    .usage = usage_steps,
    .list = list_steps,
    .direct = (const struct vk_prov_direct[]){{"token", "database_token", true}, {.name = NULL}},
};

/* ---- keeper, in a process of its own */

static struct child {
    place *p;
    vk_loop *loop;
    vk_server vendor, calls;
    vk_store *store;
    vk_view *view;
    vk_audit *audit;
    vk_provs *provs;
    vk_upstream *to;
    vk_keeper keeper;
} c;

static inline int listening(uint16_t *port_r)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 128) == 0 &&
                getsockname(fd, (struct sockaddr *)&at, &n) == 0);
    *port_r = ntohs(at.sin_port);
    return fd;
}

static inline vk_err one_row(void *arg, const vk_build *b, vk_valet_row *rows, size_t *n_r)
{
    VK_UNUSED(arg);
    rows[0] = (vk_valet_row){.service = "database", .kind = 'd', .kid = 1, .generation = b->generation};
    memcpy(rows[0].build, b->id, sizeof rows[0].build);
    memcpy(rows[0].hash, &b->generation, sizeof b->generation);
    *n_r = 1;
    return VK_OK;
}

static inline void create(const char *id)
{
    static const uint8_t digest[VK_HASH];
    const vk_binding b = {
        .service = "database", .driver = "turso", .resource = VK_STR("{\"delivery\":\"direct\"}")};
    int64_t now = vk_clock_wall_ms();
    vk_build x = {
        .framework = "next", .ttl_ms = TTL, .created_ms = now, .expires_ms = now + TTL, .touched_ms = now};
    vk_arena *a = vk_arena_new(1 << 20);
    snprintf(x.id, sizeof x.id, "%s", id);
    vk_err e = c.store->ops->build_create(c.store, a, &x, &b, 1, VK_STR_NONE, digest, one_row, NULL);
    vk_arena_free(a);
    assert_true(e == VK_OK || e == VK_E_CONFLICT);
}

static inline void begin(void)
{
    char why[VK_AUDIT_WHY];
    const char *reason = "";
    uint16_t mine;
    vk_watch *watch;
    assert_int_equal(vk_loop_new(&c.loop), VK_OK);
    vault_open(c.p);
    assert_int_equal(vk_orgs_open(&c.p->at, &c.p->vault, &c.p->orgs, (char[VK_VAULT_WHY]){0}), VK_OK);
    const vk_audit_place at = {.loop = c.loop,
                               .data_fd = c.p->at.data_fd,
                               .dir_fd = -1,
                               .sync = true,
                               .key = vk_orgs_audit_key(c.p->orgs)};
    assert_int_equal(vk_audit_prepare(&at, &c.audit, why), VK_OK);
    assert_int_equal(vk_audit_start(c.audit), VK_OK);
    vk_orgs_audit(c.p->orgs, c.audit);
    assert_int_equal(vk_store_sqlite_open(c.p->at.data_fd, c.p->data, true, &c.store, &reason), VK_OK);
    assert_int_equal(vk_watch_open(c.p->at.data_fd, c.p->data, getuid(), getgid(), &watch, &reason), VK_OK);
    assert_int_equal(vk_view_new(watch, &c.view), VK_OK);
    vk_server_init(&c.vendor, c.loop, &vendor_handler, NULL);
    assert_int_equal(vk_server_listen(&c.vendor, dup(vendor_fd)), VK_OK);
    vk_provs_with with = {.loop = c.loop, .view = c.view, .orgs = c.p->orgs, .audit = c.audit};
    assert_int_equal(vk_lane_new("t", 16, &with.lane), VK_OK);
    assert_int_equal(vk_order_pools_new(c.loop, NULL, with.lane, &with.pools), VK_OK);
    assert_int_equal(vk_provs_new(&with, &c.provs), VK_OK);
    for (size_t i = 0; i < c.provs->n_vendors; i++)
        if (c.provs->vendors[i].vendor == turso())
            c.provs->vendors[i].how = &script;
    c.keeper = (vk_keeper){.vault = &c.p->vault, .orgs = c.p->orgs, .audit = c.audit, .provs = c.provs};
    vk_server_init(&c.calls, c.loop, &vk_keeper_handler, &c.keeper);
    assert_int_equal(vk_server_listen(&c.calls, listening(&mine)), VK_OK);
    vk_upstream_place here = {.host = "127.0.0.1", .port = mine};
    assert_int_equal(vk_upstream_new(c.loop, &here, &c.to), VK_OK);
}

/* ---- the loop, until something is so */

static inline void go(const char *what, bool (*is)(void *arg), void *arg)
{
    int64_t until = vk_clock_mono_ms() + 60000;
    while (!is(arg) && vk_clock_mono_ms() < until)
        uv_run(&c.loop->uv, UV_RUN_ONCE);
    if (!is(arg)) {
        fprintf(stderr, "# it did not come: %s\n", what);
        _exit(9);
    }
}

/* ---- calls */

typedef struct talk {
    vk_upcall call;
    char head[512];
    vk_buf answer;
    int status;
    bool over;
} talk;

static inline void head_came(vk_upcall *u, const vk_head *h)
{
    ((talk *)u->arg)->status = h->status;
}

static inline size_t body_came(vk_upcall *u, vk_str bytes)
{
    vk_buf_str(&((talk *)u->arg)->answer, bytes);
    return bytes.n;
}

static inline void talk_over(vk_upcall *u, vk_err e, const char *why)
{
    if (e != VK_OK)
        fprintf(stderr, "# %s\n", why);
    ((talk *)u->arg)->over = true;
}

static inline bool is_over(void *arg)
{
    return ((talk *)arg)->over;
}

static inline talk *begin_talk(const char *method, const char *path, const char *body)
{
    talk *t = calloc(1, sizeof *t);
    vk_buf_init(&t->answer, 1 << 20);
    snprintf(t->head, sizeof t->head, "%s %s HTTP/1.1\r\nHost: keeper\r\nContent-Length: %zu\r\n\r\n", method,
             path, strlen(body));
    t->call = (vk_upcall){.head = vk_str_z(t->head),
                          .method = vk_str_z(method),
                          .body = vk_str_z(body),
                          .head_came = head_came,
                          .body_came = body_came,
                          .done = talk_over,
                          .arg = t};
    if (vk_upcall_begin(c.to, &t->call) != VK_OK)
        _exit(8);
    return t;
}

static char said_now[65536];

static inline int ask_keeper(const char *method, const char *path, const char *body)
{
    talk *t = begin_talk(method, path, body);
    go(path, is_over, t);
    snprintf(said_now, sizeof said_now, VK_STR_FMT, (int)t->answer.n, t->answer.p ? t->answer.p : "");
    int status = t->status;
    vk_buf_free(&t->answer);
    free(t);
    return status;
}

static inline int post(const char *what, const char *build)
{
    char path[64], body[200];
    snprintf(path, sizeof path, "/v1/resources/%s", what);
    snprintf(body, sizeof body, "{\"build\":\"%s\",\"service\":\"database\",\"actor\":\"admin\"}", build);
    return ask_keeper("POST", path, body);
}

#define WANT(x)                                                                                              \
    do                                                                                                       \
        if (!(x)) {                                                                                          \
            fprintf(stderr, "# line %d: %s; keeper said %s\n", __LINE__, #x, said_now);                      \
            _exit(7);                                                                                        \
        }                                                                                                    \
    while (0)

/* ---- what the ledger says */

static inline bool made_of(const char *build, vk_made *m)
{
    const vk_org *g = vk_org_find(c.p->orgs, VK_STR("turso"), vk_str_z(build));
    return g && vk_prov_made_of(g, m) == VK_OK;
}

static inline bool is_ready(void *arg)
{
    vk_made m;
    return made_of(arg, &m) && m.state == VK_PROV_READY && m.list == VK_PROV_NOTHING &&
           !vk_prov_job_of(c.provs, vk_str_z(arg), turso());
}

static inline bool is_gone(void *arg)
{
    return !vk_org_find(c.p->orgs, VK_STR("turso"), vk_str_z(arg)) &&
           !vk_prov_job_of(c.provs, vk_str_z(arg), turso());
}

static inline bool is_failed(void *arg)
{
    vk_made m;
    return made_of(arg, &m) && m.state == VK_PROV_FAILED && !vk_prov_job_of(c.provs, vk_str_z(arg), turso());
}

static char shop[] = "shop";

static inline void key_set(vk_org_change *x, vk_err e)
{
    if (e != VK_OK)
        fprintf(stderr, "# %s\n", x->why);
    ((talk *)x->arg)->over = true;
}

static inline void enter_keys(void)
{
    talk t = {.over = false};
    char base[64];
    vk_buf sealed;
    snprintf(base, sizeof base, "http://127.0.0.1:%u", vendor_port);
    sealed_for(
        vk_orgs_box_key(c.p->orgs), "turso", "", next_at(),
        (const pair[]){
            {"org", "acme"}, {"group", "default"}, {"token", TOKEN_A}, {"api_base", base}, {NULL, NULL}},
        &sealed);
    vk_org_change x = {.vendor = VK_STR("turso"),
                       .build = VK_STR(""),
                       .sealed = vk_buf_view(&sealed),
                       .done = key_set,
                       .arg = &t};
    vk_org_write(c.p->orgs, &x);
    go("keys", is_over, &t);
}

/* ---- processes */

static inline int run(place *p, void (*what)(void))
{
    int status = 0;
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        alarm(120);
        signal(SIGSEGV, SIG_DFL); /* cmocka's would run on in the test, here too */
        signal(SIGABRT, SIG_DFL);
        c.p = p;
        begin();
        what();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static inline void ok(place *p, void (*what)(void))
{
    int status = run(p, what);
    if (status != 0)
        fail_msg("the process ended with %x", (unsigned)status);
}

static inline void keys(void)
{
    enter_keys();
    create(shop);
}

static inline int open_world(void **state)
{
    if (set_up(state) != 0)
        return -1;
    stop(*state);
    world = mmap(NULL, sizeof *world, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(world != MAP_FAILED);
    vendor_fd = listening(&vendor_port);
    ok(*state, keys);
    return 0;
}

static inline int close_world(void **state)
{
    munmap(world, sizeof *world);
    close(vendor_fd);
    return tear_down(state);
}

/* ---- the ledger, by hand */

static inline void made_kept(vk_org_keep *k, vk_err e)
{
    *(bool *)k->arg = e == VK_OK;
}

static inline bool is_set(void *arg)
{
    return *(bool *)arg;
}

/* The ledger says so from now on. */
static inline void keep_made(const vk_made *m)
{
    bool set = false;
    vk_buf text;
    vk_buf_init(&text, VK_VENDOR_VALUE_MAX + 1024);
    WANT(vk_made_write(m, &text) == VK_OK);
    vk_org_keep k = {.vendor = turso(), .build = shop, .op = "test", .n = 1, .done = made_kept, .arg = &set};
    k.fields[0].name = "made";
    k.fields[0].value = vk_secret_of(vk_buf_view(&text));
    vk_org_keeps(c.p->orgs, &k);
    go("kept", is_set, &set);
    vk_buf_free(&text);
}

static inline void provide(void)
{
    WANT(post("provision", shop) < 300);
    go("ready", is_ready, shop);
}

#endif
