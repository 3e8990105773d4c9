/* keeper as a process: what it opens as the user that started valetkey, what it opens as its own, and what it
 * makes behind its fence. */
#include "daemon/role.h"

#include "core/disk.h"
#include "keeper/keeper.h"
#include "keeper/order_in.h"
#include "keeper/pg.h"
#include "keeper/pg_watch.h"
#include "keeper/probe.h"
#include "keeper/provision.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

enum { NAMES_WAITING = 1024, SERVERS_WAITING = 64 };

static vk_vault vault;
static vk_keeper keeper = {.vault = &vault};
static vk_view *view;
static vk_loop *loop;
static const vk_child *child;

static void open_vault(const vk_child *c)
{
    char why[VK_VAULT_WHY];
    const vk_vault_place place = {.data_fd = c->daemon->data_fd,
                                  .data_dir = c->daemon->data_dir,
                                  .credentials_dir = getenv("CREDENTIALS_DIRECTORY"),
                                  .key_file = c->daemon->config->key_file,
                                  .key_command = c->daemon->config->key_command,
                                  .passphrase_file = c->daemon->config->key_passphrase_file};
    if (vk_vault_open(&place, &vault, why) != VK_OK ||
        vk_orgs_open(&place, &vault, &keeper.orgs, why) != VK_OK)
        vk_role_fail(c, "%s", why);
    if (vault.beside)
        vk_log(VK_INFO, "the key of the vault lies beside the data that it protects",
               VK_F(key_source, vault.source));
}

/* The metadata, which front's user owns: keeper's has no way to it later. What is wrong with it is front's to
 * say, who opens it next; without a view every order is refused. A disk that is full is said here, since what
 * is missing would be made. */
static void open_view(const vk_child *c)
{
    const vk_owner *front = &c->daemon->owners.of[VK_FRONT];
    const char *why = "";
    vk_watch *w = NULL;
    if (vk_sqlite_init() != VK_OK)
        vk_role_fail(c, "SQLite refuses its settings. It must be built thread-safe.");
    vk_err e = vk_watch_open(c->daemon->data_fd, c->daemon->data_dir, front->uid, front->gid, &w, &why);
    if (e == VK_E_FULL)
        vk_role_fail(c,
                     "The disk is full: the metadata in %.400s cannot be opened. Free some space and start "
                     "again; nothing was lost.",
                     c->daemon->data_dir);
    if (e == VK_OK && vk_view_new(w, &view) != VK_OK)
        vk_role_fail(c, "There is not enough memory to start.");
    if (e != VK_OK)
        vk_log(VK_ERROR, "keeper cannot see the metadata: no build is served with the organisation's keys",
               VK_F(why, why));
}

/* audit/, before keeper gives up the user that may reach it through the data folder. -1: it cannot be had. */
static int open_audit(const vk_child *c)
{
    char why[VK_WHY_MAX];
    vk_err e = vk_disk_mkdir(c->daemon->data_fd, "audit", 0700);
    int fd = e == VK_OK ? openat(c->daemon->data_fd, "audit", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                        : -1;
    if (vk_owners_give_keeper(&c->daemon->owners, c->daemon->data_fd, "vault", why) != VK_OK ||
        vk_owners_give_keeper(&c->daemon->owners, c->daemon->data_fd, "audit", why) != VK_OK)
        vk_role_fail(c, "%s", why);
    if (fd < 0)
        vk_log(VK_ERROR, "there is no folder for the audit: no build is served with the organisation's keys",
               VK_F(error, vk_err_name(e)));
    return fd;
}

/* As the user who writes later. What lies there does not keep keeper from starting. */
static void prepare_audit(const vk_child *c, int dir_fd)
{
    const vk_config *config = c->daemon->config;
    char why[VK_AUDIT_WHY];
    const vk_audit_place at = {.data_fd = c->daemon->data_fd,
                               .dir_fd = dir_fd,
                               .loop = loop,
                               .sync = config->audit_sync,
                               .key = vk_orgs_audit_key(keeper.orgs),
                               .checkpoints = config->audit_checkpoints,
                               .auditor = config->audit_has_auditor ? config->audit_auditor : NULL,
                               .keep_ms = config->audit_keep_ms};
    vk_err e = dir_fd < 0 ? VK_E_IO : vk_audit_prepare(&at, &keeper.audit, why);
    if (e == VK_E_INVALID)
        vk_role_fail(c, "%s", why);
    if (e != VK_OK && dir_fd >= 0)
        vk_log(VK_ERROR, "the audit cannot be opened: no build is served with the organisation's keys",
               VK_F(why, why));
}

/* Before glibc 2.34 the resolver's modules are libraries of their own, and behind the fence none can be
 * loaded. What is not there is not needed. */
static void load_resolver(void)
{
    static const char *const names[] = {"libnss_files.so.2", "libnss_dns.so.2"};
    for (size_t i = 0; i < VK_COUNT(names); i++) {
        void *kept = dlopen(names[i], RTLD_NOW);
        VK_UNUSED(kept);
    }
}

static void begin_provisioning(const vk_orders_with *with, vk_lane *servers)
{
    vk_provs_with provs = {
        .loop = loop, .view = view, .orgs = keeper.orgs, .audit = keeper.audit, .lane = servers};
    if (vk_order_pools_new(loop, with->ca_file, with->lane, &provs.pools) != VK_OK ||
        vk_provs_new(&provs, &keeper.provs) != VK_OK)
        vk_role_fail(child, "There is not enough memory to start.");
    const vk_pg_watch_with watched = {
        .loop = loop, .orgs = keeper.orgs, .audit = keeper.audit, .lane = servers};
    if (vk_pg_watch_new(&watched, &keeper.pg) != VK_OK)
        vk_role_fail(child, "There is not enough memory to start.");
}

static const char *ca_file(void)
{
    const char *given = getenv("SSL_CERT_FILE");
    return given && given[0] == '/' ? given : NULL;
}

/* Behind the fence: what has threads. */
static void begins(void *ctx)
{
    vk_lane *names = NULL, *servers = NULL; /* names, and what is no HTTP */
    VK_UNUSED(ctx);
    if (keeper.audit && vk_audit_start(keeper.audit) != VK_OK) {
        vk_log(VK_ERROR, "the audit cannot be begun: no build is served with the organisation's keys");
        keeper.audit = NULL;
    }
    if (keeper.audit)
        vk_orgs_audit(keeper.orgs, keeper.audit);
    vk_orgs_run(keeper.orgs, loop);
    if (vk_lane_new("vk-names", NAMES_WAITING, &names) != VK_OK ||
        vk_lane_new("vk-servers", SERVERS_WAITING, &servers) != VK_OK)
        vk_role_fail(child, "There is not enough memory to start.");
    const vk_orders_with with = {.loop = loop,
                                 .view = view,
                                 .orgs = keeper.orgs,
                                 .audit = keeper.audit,
                                 .ca_file = ca_file(),
                                 .lane = names};
    vk_probes *probes = NULL;
    if (vk_orders_new(&with, &keeper.orders) != VK_OK ||
        vk_probes_new(loop, with.ca_file, names, servers, keeper.audit, &probes) != VK_OK)
        vk_role_fail(child, "There is not enough memory to start.");
    keeper.probe = vk_probes_ask;
    keeper.probe_arg = probes;
    begin_provisioning(&with, servers);
}

int vk_keeper_main(const vk_child *c)
{
    child = c;
    open_vault(c);
    open_view(c);
    int audit_fd = open_audit(c);
    vk_role_become(c);
    if (vk_loop_new(&loop) != VK_OK)
        vk_role_fail(c, "The kernel gives no event loop: too many open files or too little memory.");
    prepare_audit(c, audit_fd);
    load_resolver();
    vk_pg_begin(&c->daemon->config->limits, ca_file());
    vk_role_fence_at(
        c, &(vk_sandbox_place){.data_fd = c->daemon->data_fd,
                               .data_dir = c->daemon->data_dir,
                               .open = {{"vault", vault.fd}, {audit_fd >= 0 ? "audit" : NULL, audit_fd}}});
    int code = vk_role_serve(c, loop, &vk_keeper_handler, &keeper, begins);
    vk_pg_end();
    vk_provs_free(keeper.provs); /* once the lane has passed all */
    vk_pg_watch_free(keeper.pg);
    vk_audit_end(keeper.audit); /* what was done is on the disk before the keys go */
    vk_orgs_close(keeper.orgs);
    vk_vault_close(&vault);
    return code;
}
