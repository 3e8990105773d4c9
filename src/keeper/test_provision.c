/* The engine with a vendor that is scripted here, in a process that is killed at each of its requests, before
 * and after the deed. What the vendor has outlives it, in memory that is shared. */
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

static struct thing *thing_of(vk_str name)
{
    for (int i = 0; i < world->n_things; i++)
        if (vk_str_eqz(name, world->things[i].name))
            return &world->things[i];
    return NULL;
}

static int alive(void)
{
    int n = 0;
    for (int i = 0; i < world->n_things; i++)
        n += world->things[i].there;
    return n;
}

/* ---- its API, on the loop of who asks */

static const vk_vendor *turso(void)
{
    return vk_vendor_of(VK_STR("turso"));
}

static void say_things(vk_exchange *ex)
{
    vk_buf_lit(&ex->out, "[");
    for (int i = 0, n = 0; i < world->n_things; i++)
        if (world->things[i].there)
            vk_buf_printf(&ex->out, "%s{\"name\":\"%s\",\"id\":\"t%d\"}", n++ ? "," : "",
                          world->things[i].name, i);
    vk_buf_lit(&ex->out, "]");
    vk_respond(ex, 200, "application/json");
}

static int effect(vk_exchange *ex, vk_str name, bool keys)
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

static void vendor_request(vk_exchange *ex)
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

static vk_err vendor_head(vk_exchange *ex)
{
    ex->body_max = 4096;
    return VK_OK;
}

static const vk_handler vendor_handler = {.head = vendor_head, .request = vendor_request};

/* ---- its driver */

static vk_err ask(vk_prov *p, vk_prov_request *r, const char *method, const char *behind)
{
    r->method = method;
    r->path = vk_arena_printf(p->arena, "/things/%s%s", p->name, behind);
    return r->path.p ? VK_OK : VK_E_NOMEM;
}

static vk_err ask_create(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    VK_UNUSED(why_r);
    r->content_type = VK_STR("application/json");
    r->body = VK_STR("{}");
    return ask(p, r, "POST", "");
}

static vk_err took_create(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    if (status != 201 && !(status == 409 && p->tried)) {
        *why_r = vk_prov_said(p, "The thing could not be made", status, body, "error");
        return status == 409 ? VK_E_CONFLICT : VK_E_FORBIDDEN;
    }
    return vk_prov_note(p, "id", vk_json_str(vk_json_get(body, VK_STR("id"))));
}

static vk_err ask_key(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    VK_UNUSED(why_r);
    assert_true(vk_str_eqz(vk_prov_noted(p, "id"), "t"));
    return ask(p, r, "POST", "/keys");
}

static vk_err took_key(vk_prov *p, int status, const vk_json *body, const char **why_r)
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

static vk_err ask_unkey(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    VK_UNUSED(why_r);
    return ask(p, r, "DELETE", "/keys");
}

static vk_err ask_delete(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    VK_UNUSED(why_r);
    return ask(p, r, "DELETE", "");
}

static vk_err ask_get(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    VK_UNUSED(why_r);
    return ask(p, r, "GET", "");
}

static vk_err took_gone(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    if (status == 200 || status == 404)
        return VK_OK;
    *why_r = vk_prov_said(p, "It could not be deleted", status, body, "error");
    return VK_E_FORBIDDEN;
}

static vk_err took_proof(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    *why_r = vk_prov_said(p, "It is still there", status, body, NULL);
    p->soon = world->stubborn;
    return status == 404 ? VK_OK : VK_AGAIN;
}

static vk_err took_usage(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    int64_t n = 0;
    *why_r = "no number";
    vk_err e = status == 200 ? vk_json_i64(vk_json_get(body, VK_STR("bytes")), &n) : VK_E_NOT_FOUND;
    vk_prov_use(p, "storage_bytes", n);
    return e;
}

static vk_err ask_list(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    VK_UNUSED(p);
    VK_UNUSED(why_r);
    r->method = "GET";
    r->path = VK_STR("/things");
    return VK_OK;
}

static vk_err took_list(vk_prov *p, int status, const vk_json *body, const char **why_r)
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

static int listening(uint16_t *port_r)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 128) == 0 &&
                getsockname(fd, (struct sockaddr *)&at, &n) == 0);
    *port_r = ntohs(at.sin_port);
    return fd;
}

static vk_err one_row(void *arg, const vk_build *b, vk_valet_row *rows, size_t *n_r)
{
    VK_UNUSED(arg);
    rows[0] = (vk_valet_row){.service = "database", .kind = 'd', .kid = 1, .generation = b->generation};
    memcpy(rows[0].build, b->id, sizeof rows[0].build);
    memcpy(rows[0].hash, &b->generation, sizeof b->generation);
    *n_r = 1;
    return VK_OK;
}

static void create(const char *id)
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

static void begin(void)
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

static void go(const char *what, bool (*is)(void *arg), void *arg)
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

static void head_came(vk_upcall *u, const vk_head *h)
{
    ((talk *)u->arg)->status = h->status;
}

static size_t body_came(vk_upcall *u, vk_str bytes)
{
    vk_buf_str(&((talk *)u->arg)->answer, bytes);
    return bytes.n;
}

static void talk_over(vk_upcall *u, vk_err e, const char *why)
{
    if (e != VK_OK)
        fprintf(stderr, "# %s\n", why);
    ((talk *)u->arg)->over = true;
}

static bool is_over(void *arg)
{
    return ((talk *)arg)->over;
}

static talk *begin_talk(const char *method, const char *path, const char *body)
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

static int ask_keeper(const char *method, const char *path, const char *body)
{
    talk *t = begin_talk(method, path, body);
    go(path, is_over, t);
    snprintf(said_now, sizeof said_now, VK_STR_FMT, (int)t->answer.n, t->answer.p ? t->answer.p : "");
    int status = t->status;
    vk_buf_free(&t->answer);
    free(t);
    return status;
}

static int post(const char *what, const char *build)
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

static bool made_of(const char *build, vk_made *m)
{
    const vk_org *g = vk_org_find(c.p->orgs, VK_STR("turso"), vk_str_z(build));
    return g && vk_prov_made_of(g, m) == VK_OK;
}

static bool is_ready(void *arg)
{
    vk_made m;
    return made_of(arg, &m) && m.state == VK_PROV_READY && m.list == VK_PROV_NOTHING &&
           !vk_prov_job_of(c.provs, vk_str_z(arg), turso());
}

static bool is_gone(void *arg)
{
    return !vk_org_find(c.p->orgs, VK_STR("turso"), vk_str_z(arg)) &&
           !vk_prov_job_of(c.provs, vk_str_z(arg), turso());
}

static bool is_failed(void *arg)
{
    vk_made m;
    return made_of(arg, &m) && m.state == VK_PROV_FAILED && !vk_prov_job_of(c.provs, vk_str_z(arg), turso());
}

static char shop[] = "shop";

static void key_set(vk_org_change *x, vk_err e)
{
    if (e != VK_OK)
        fprintf(stderr, "# %s\n", x->why);
    ((talk *)x->arg)->over = true;
}

static void enter_keys(void)
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

static int run(place *p, void (*what)(void))
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

static void ok(place *p, void (*what)(void))
{
    int status = run(p, what);
    if (status != 0)
        fail_msg("the process ended with %x", (unsigned)status);
}

static void keys(void)
{
    enter_keys();
    create(shop);
}

static int open_world(void **state)
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

static int close_world(void **state)
{
    munmap(world, sizeof *world);
    close(vendor_fd);
    return tear_down(state);
}

/* ---- one that is made, and what can be asked of it */

static void make_one(void)
{
    WANT(post("provision", "none") == 404);
    WANT(post("provision", shop) == 202);
    WANT(strstr(said_now, "\"state\":\"making\"") && strstr(said_now, "\"step\":\"create the thing\""));
    go("ready", is_ready, shop);
    WANT(post("provision", shop) == 200);
    WANT(strstr(said_now, "\"hostname\":\"127.0.0.1\"") && !strstr(said_now, TOKEN_B));
    WANT(ask_keeper("GET", "/v1/resources?state=ready", "") == 200 && strstr(said_now, "\"build\":\"shop\""));
    WANT(ask_keeper("GET", "/v1/resources?state=failed", "") == 200 && strstr(said_now, "[]"));
    WANT(ask_keeper("GET", "/v1/keys?build=shop", "") == 200 && !strstr(said_now, "made"));
    WANT(post("credentials", shop) == 200 && strstr(said_now, "\"token\":\"" TOKEN_B "\""));
    WANT(post("usage", shop) == 200 && strstr(said_now, "{\"usage\":{\"storage_bytes\":4096}}"));
    WANT(ask_keeper("POST", "/v1/keys/remove", "{\"vendor\":\"turso\",\"build\":\"shop\"}") == 409);
    WANT(ask_keeper("POST", "/v1/resources/sweep", "{\"vendor\":\"turso\"}") == 200);
    WANT(strcmp(said_now, "{\"orphans\":[],\"lost\":[],\"deleted\":[]}") == 0);
    WANT(ask_keeper("GET", "/v1/status", "") == 200 && strstr(said_now, "\"resources\":{\"making\":0"));
}

static void end_one(void)
{
    WANT(ask_keeper("GET", "/v1/resources?build=shop", "") == 200 && strstr(said_now, "\"build\":\"shop\""));
    WANT(ask_keeper("GET", "/v1/resources?build=shop&after=shop/turso", "") == 200 && strstr(said_now, "[]"));
    WANT(ask_keeper("GET", "/v1/resources?build=", "") == 200 && strstr(said_now, "[]"));
    WANT(ask_keeper("GET", "/v1/resources?build=sho", "") == 200 && strstr(said_now, "[]"));
    WANT(ask_keeper("POST", "/v1/resources/deprovision", "{\"build\":\"shop\",\"generation\":99}") == 202 &&
         strstr(said_now, "[]"));
    WANT(post("deprovision", shop) == 202 && strstr(said_now, "\"state\":\"ending\""));
    WANT(post("provision", shop) == 409);
    go("gone", is_gone, shop);
    WANT(post("deprovision", shop) == 202 && strstr(said_now, "[]"));
}

static void one(void **state)
{
    ok(*state, make_one);
    assert_int_equal(alive(), 1);
    ok(*state, end_one);
    assert_int_equal(alive(), 0);
    assert_int_equal(world->n_things, 1);
}

/* ---- killed at each request, before and after the deed */

static void provide(void)
{
    WANT(post("provision", shop) < 300);
    go("ready", is_ready, shop);
}

static void resume(void)
{
    go("ready", is_ready, shop);
}

static void take(void)
{
    WANT(post("deprovision", shop) == 202);
    go("gone", is_gone, shop);
}

static void rest(void)
{
    go("gone", is_gone, shop);
}

static void killed(void **state)
{
    static const enum fault faults[] = {DIE_BEFORE, DIE_AFTER};
    for (int request = 1; request <= 2; request++)
        for (size_t f = 0; f < VK_COUNT(faults); f++) {
            world->at = world->requests + request;
            world->times = 1;
            world->fault = faults[f];
            assert_int_equal(WTERMSIG(run(*state, provide)), SIGKILL);
            ok(*state, resume);
            assert_int_equal(alive(), 1);
            world->at = world->requests + request;
            assert_int_equal(WTERMSIG(run(*state, take)), SIGKILL);
            ok(*state, rest);
            assert_int_equal(alive(), 0);
        }
    assert_int_equal(world->n_things, 4); /* one each */
}

/* ---- what goes wrong at the vendor */

static void fail_then_make(void)
{
    WANT(post("provision", shop) == 202);
    go("failed", is_failed, shop);
    WANT(ask_keeper("GET", "/v1/resources?build=shop", "") == 200 &&
         strstr(said_now, "could not be made: Turso") && !strstr(said_now, TOKEN_A) &&
         strstr(said_now, "no more of ****"));
    WANT(post("provision", shop) == 202);
    go("ready", is_ready, shop);
}

static void faults(void **state)
{
    static const enum fault all[] = {TOO_MANY, BROKEN_BEFORE, BROKEN_AFTER};
    world->times = 1;
    for (size_t i = 0; i < VK_COUNT(all); i++) {
        world->fault = all[i];
        world->at = world->requests + 1;
        ok(*state, provide);
        assert_int_equal(alive(), 1);
        world->at = world->requests + 1;
        ok(*state, take);
        assert_int_equal(alive(), 0);
    }
    world->fault = REFUSED;
    world->at = world->requests + 2; /* the key, so that the thing is taken back */
    ok(*state, fail_then_make);
    assert_int_equal(alive(), 1);
    assert_int_equal(world->n_things, 5);
}

/* ---- many */

static bool all_ready(void *arg)
{
    bool all = true;
    VK_UNUSED(arg);
    for (int i = 0; i < BUILDS && all; i++) {
        char id[16];
        snprintf(id, sizeof id, "b%d", i);
        all = is_ready(id);
    }
    return all;
}

static void make_many(void)
{
    for (int i = 0; i < BUILDS; i++) {
        char id[16];
        snprintf(id, sizeof id, "b%d", i);
        create(id);
        WANT(post("provision", id) == 202);
    }
    go("all", all_ready, NULL);
    int told = 0;
    char path[100] = "/v1/resources?limit=5";
    for (const char *next = ""; next;) { /* page by page, and each one once */
        WANT(ask_keeper("GET", path, "") == 200);
        for (const char *at = said_now; (at = strstr(at, "\"build\":\"")); at++)
            told++;
        next = strstr(said_now, "\"next\":\"");
        snprintf(path, sizeof path, "/v1/resources?limit=5&after=%.*s",
                 next ? (int)strcspn(next + 8, "\"") : 0, next ? next + 8 : "");
    }
    WANT(told == BUILDS);
    WANT(ask_keeper("GET", "/v1/resources?after=b22x/turso", "") == 200 && strstr(said_now, "\"b3\"") &&
         !strstr(said_now, "\"b22\""));
}

static void many(void **state)
{
    world->fault = TOO_MANY;
    world->at = 10;
    world->times = 8;
    ok(*state, make_many);
    assert_int_equal(alive(), BUILDS);
    assert_int_equal(world->twice, 0);
}

/* ---- somebody else's, and what nobody knows of */

static void sweep_orphan(void)
{
    char body[200], name[VK_PROV_NAME_MAX + 1];
    vk_prov_name_make(&script, c.provs->tag, "lost", name);
    snprintf(world->things[0].name, sizeof world->things[0].name, "%s", name);
    snprintf(world->things[1].name, sizeof world->things[1].name, "build-lost-zzzaaaaa");
    snprintf(world->things[2].name, sizeof world->things[2].name, "theirs");
    if (strncmp(c.provs->tag, "zzz", 3) == 0)
        world->things[1].name[11] = 'a';
    world->n_things = 3;
    for (int i = 0; i < 3; i++)
        world->things[i].there = true;
    WANT(ask_keeper("POST", "/v1/resources/sweep", "{\"vendor\":\"turso\"}") == 200);
    WANT(strstr(said_now, name) && !strstr(said_now, "zzz") && !strstr(said_now, "theirs") && alive() == 3);
    snprintf(body, sizeof body,
             "{\"vendor\":\"turso\",\"delete\":[\"theirs\",\"build-lost-zzzaaaaa\",\"%s\"]}", name);
    WANT(ask_keeper("POST", "/v1/resources/sweep", body) == 200);
    WANT(alive() == 2 && world->things[1].there && world->things[2].there);
}

static void orphans(void **state)
{
    ok(*state, sweep_orphan);
}

/* ---- half of a life; the end of a build */

static bool renewed(void *arg)
{
    VK_UNUSED(arg);
    return world->things[0].keys >= 2 && is_ready(shop);
}

static bool suspended(void *arg)
{
    vk_made m;
    return made_of(arg, &m) && m.state == VK_PROV_SUSPENDED && m.list == VK_PROV_NOTHING;
}

static void made_kept(vk_org_keep *k, vk_err e)
{
    *(bool *)k->arg = e == VK_OK;
}

static bool is_set(void *arg)
{
    return *(bool *)arg;
}

/* The ledger says so from now on. */
static void keep_made(const vk_made *m)
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

static void due_or_not(void)
{
    char until[24];
    int64_t now = vk_clock_wall_ms();
    vk_made m = {.state = VK_PROV_READY, .noted_ms = now};
    WANT(!vk_prov_renew_due(&m, now + TTL)); /* it has no end */
    snprintf(until, sizeof until, "%lld", (long long)now + TTL);
    WANT(vk_made_note_set(&m, VK_STR("expires"), vk_str_z(until)) == VK_OK);
    WANT(!vk_prov_renew_due(&m, now + TTL / 2 - 1) && vk_prov_renew_due(&m, now + TTL / 2));
    /* The clock was set back: a little, and so far that nobody knows any more when it ends. */
    WANT(!vk_prov_renew_due(&m, now - 1000) && vk_prov_renew_due(&m, now - TTL));
    /* A life that is over before it began is no reason to ask without a pause. */
    snprintf(until, sizeof until, "%lld", (long long)now - TTL);
    WANT(vk_made_note_set(&m, VK_STR("expires"), vk_str_z(until)) == VK_OK);
    WANT(!vk_prov_renew_due(&m, now + 1000) && vk_prov_renew_due(&m, now + VK_PROV_RENEW_MS));
}

static void look_after(void)
{
    vk_made m;
    due_or_not();
    world->key_life_ms = TTL;
    WANT(post("provision", shop) == 202);
    go("ready", is_ready, shop);
    WANT(made_of(shop, &m));
    m.noted_ms -= TTL;
    world->key_life_ms = 0;
    keep_made(&m);
    go("renewed", renewed, NULL);
    WANT(c.store->ops->build_revoke(c.store, VK_STR("shop"), vk_clock_wall_ms()) == VK_OK);
    go("suspended", suspended, shop);
    WANT(world->things[0].keys == 0 && post("credentials", shop) == 409);
}

static void life(void **state)
{
    ok(*state, look_after);
    assert_int_equal(alive(), 1);
    ok(*state, take);
    assert_int_equal(alive(), 0);
}

/* ---- what a vendor never comes to an end with */

static bool lingers(void *arg)
{
    const vk_prov_job *j = vk_prov_job_of(c.provs, vk_str_z(arg), turso());
    return j && j->lingers && !j->run;
}

static bool waits(void *arg)
{
    const vk_prov_job *j = vk_prov_job_of(c.provs, vk_str_z(arg), turso());
    return j && !j->run && !j->queued && j->retry_ms;
}

static bool asks_wait(void *arg)
{
    VK_UNUSED(arg);
    if (vk_list_empty(&c.provs->asks))
        return false;
    const vk_prov_job *j = VK_CONTAINER(c.provs->asks.next, vk_prov_job, asks);
    return j->ask->list == VK_PROV_END && !j->run && j->polls > 0;
}

/* Looked at again at once, but not for ever; and who asked gets an answer. */
static void never_gone(void)
{
    char body[200];
    WANT(post("provision", shop) == 202);
    go("ready", is_ready, shop);
    world->stubborn = true;
    int before = world->requests;
    WANT(post("deprovision", shop) == 202);
    go("a pause", waits, shop);
    WANT(world->requests - before <= VK_PROV_SOON + 4);
    world->things[0].there = world->stubborn = false;
    go("gone", is_gone, shop);

    vk_prov_name_make(&script, c.provs->tag, "lost", world->things[1].name);
    world->n_things = 2;
    world->things[1].there = world->stubborn = true;
    snprintf(body, sizeof body, "{\"vendor\":\"turso\",\"delete\":[\"%s\"]}", world->things[1].name);
    talk *t = begin_talk("POST", "/v1/resources/sweep", body);
    go("a pause of the sweep", asks_wait, NULL);
    VK_CONTAINER(c.provs->asks.next, vk_prov_job, asks)->polls = VK_PROV_ASK_POLLS;
    go("the sweep's answer", is_over, t);
    vk_buf_ch(&t->answer, '\0');
    WANT(t->status == 200 && strstr((const char *)t->answer.p, "\"deleted\":[]"));
}

/* What may come late is waited for, however often it is said that the build is to go. */
static void end_twice(void)
{
    vk_made m;
    WANT(post("provision", shop) == 202);
    go("ready", is_ready, shop);
    WANT(made_of(shop, &m));
    m.late = true;
    keep_made(&m);
    WANT(post("deprovision", shop) == 202);
    go("the wait", lingers, shop);
    int before = world->requests;
    WANT(post("suspend", shop) == 202 && lingers(shop));
    WANT(post("deprovision", shop) == 202);
    WANT(!lingers(shop));
    go("the wait, again", lingers, shop);
    WANT(world->requests > before);
}

static void endless(void **state)
{
    ok(*state, never_gone);
    assert_int_equal(alive(), 1);
}

static void late(void **state)
{
    ok(*state, end_twice);
}

/* ---- who asked goes away before the answer */

static bool is_begun(void *arg)
{
    vk_made m;
    return made_of(arg, &m);
}

static bool asks(void *arg)
{
    return vk_list_empty(&c.provs->asks) != *(bool *)arg;
}

static bool is_waited_for(void *arg)
{
    const vk_prov_job *j = vk_prov_job_of(c.provs, vk_str_z(arg), turso());
    return j && !vk_list_empty(&j->waiters);
}

static void hang_up(talk *t)
{
    WANT(!t->over);
    vk_upcall_abort(&t->call);
    vk_buf_free(&t->answer);
    free(t);
}

static void go_away(void)
{
    static const char *const what[] = {"/v1/resources/usage", "/v1/resources/sweep"};
    static const char body[] = "{\"build\":\"shop\",\"service\":\"database\",\"vendor\":\"turso\"}";
    vk_made m;
    bool yes = true, no = false;
    talk *t = begin_talk("POST", "/v1/resources/provision", body);
    go("the beginning", is_begun, shop);
    hang_up(t);
    go("ready", is_ready, shop);
    for (size_t i = 0; i < VK_COUNT(what); i++) {
        t = begin_talk("POST", what[i], body);
        go("a question", asks, &yes);
        hang_up(t);
        go("its end", asks, &no);
    }
    WANT(made_of(shop, &m));
    char until[24];
    snprintf(until, sizeof until, "%lld", (long long)vk_clock_wall_ms() + TTL);
    WANT(vk_made_note_set(&m, VK_STR("expires"), vk_str_z(until)) == VK_OK);
    m.noted_ms = vk_clock_wall_ms() - TTL;
    world->fault = BROKEN_BEFORE;
    world->at = world->requests + 1;
    world->times = 2;
    keep_made(&m);
    t = begin_talk("POST", "/v1/resources/credentials", body);
    go("one that waits", is_waited_for, shop);
    hang_up(t);
    go("ready", is_ready, shop);
    WANT(post("credentials", shop) == 200);
    t = begin_talk("POST", "/v1/resources/deprovision", body);
    go("gone", is_gone, shop);
    if (t->over)
        free(t);
    else
        hang_up(t);
}

static void gone_away(void **state)
{
    ok(*state, go_away);
    assert_int_equal(alive(), 0);
}

/* ---- a record that cannot be read may be about something */

static void refuse_damaged(void)
{
    WANT(post("deprovision", shop) == 503 && strstr(said_now, "cannot be read"));
    WANT(post("provision", shop) == 503 && strstr(said_now, "cannot be read"));
}

static void damaged(void **state)
{
    ok(*state, provide);
    spit(*state, "vault/build/shop/turso", "no record", 9);
    ok(*state, refuse_damaged);
    assert_int_equal(alive(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one, open_world, close_world),
        cmocka_unit_test_setup_teardown(killed, open_world, close_world),
        cmocka_unit_test_setup_teardown(faults, open_world, close_world),
        cmocka_unit_test_setup_teardown(many, open_world, close_world),
        cmocka_unit_test_setup_teardown(orphans, open_world, close_world),
        cmocka_unit_test_setup_teardown(life, open_world, close_world),
        cmocka_unit_test_setup_teardown(endless, open_world, close_world),
        cmocka_unit_test_setup_teardown(late, open_world, close_world),
        cmocka_unit_test_setup_teardown(gone_away, open_world, close_world),
        cmocka_unit_test_setup_teardown(damaged, open_world, close_world),
    };
    if (sodium_init() < 0 || vk_digest_init() != VK_OK || vk_sqlite_init() != VK_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
