#include "core/clock.h"
#include "core/log.h"
#include "core/share.h"
#include "daemon/supervisor.h"

#include <sys/stat.h>
#include <unistd.h>

extern const char vk_help_serve[];
int vk_cmd_serve(int argc, char **argv);

#define HELP_LIMIT(id, setting, unit, usual, shown, least, most, what)                                       \
    "  " setting "=" shown "\n      " what "\n"

const char vk_help_serve[] =
    "Usage: valetkey serve [options]\n"
    "\n"
    "Runs the daemon in the foreground until it gets SIGTERM or SIGINT. Prints one line when it is ready.\n"
    "\n"
    "  --data DIR               the data folder, made when it is not there (default ./.valetkey)\n"
    "  --port-base N            console on 127.0.0.1:N, database on N+2 (default 4500)\n"
    "  --listen [L=]ADDRESS     where listener L (console, or a service), or every one, is instead: an IPv4 "
    "or\n"
    "                           [IPv6] address, perhaps :PORT, perhaps \"tls\" after it; --listen "
    "'database=0.0.0.0 "
    "tls'\n"
    "  --tls-cert FILE, --tls-key FILE   PEM files: a chain that begins with our certificate, and the key to "
    "it "
    "(0600)\n"
    "  --tls-self-signed        make a certificate of our own in DIR/tls/, for development\n"
    "  --allow-plain-network    listen beyond this machine without TLS: something else encrypts\n"
    "  --config FILE            settings as lines \"name = value\"\n"
    "  --url-sandbox S=URL      the address of service S as apps' servers reach it\n"
    "  --url-browser S=URL      the address of service S as browsers reach it\n"
    "  --driver S=DRIVER        by whom service S of new builds is provided: embedded (the default), or a "
    "vendor\n"
    "                           with the organisation's keys, perhaps with values: "
    "payments=stripe,soft=yes\n"
    "  --ttl TIME               how long a new build's keys last unused: 30d, 12h, 90m (default 30d)\n"
    "  --loops N                event loops, 1 to 64 (default: one per CPU)\n"
    "  --key-file FILE          the key that seals the vault (default: DIR.key, made at the first start)\n"
    "  --key-command COMMAND    a program that prints it: absolute path and words, or a JSON array; no "
    "shell\n"
    "  --key-passphrase-file FILE\n"
    "                           a passphrase that it is made of (Argon2id)\n"
    "  --share DIR              the files that come with valetkey (default: share/valetkey beside the "
    "program's\n"
    "                           folder, in a checkout .tools/share)\n"
    "  --hosts A,B              further host names under which the listeners may be asked\n"
    "  --limit NAME=VALUE       one of the limits below\n"
    "  --log-level LEVEL        debug, info, warn or error (default info); the log goes to standard error\n"
    "  --log-format FORMAT      text, or json: one object a line (default text)\n"
    "  --log-requests on|off    one line for every request, with its id, build, status and time (default "
    "off)\n"
    "  --user NAME              whom the processes become when started as root (default: the user valetkey, "
    "if "
    "there\n"
    "                           is one; root: stay root)\n"
    "  --auth-fixed-code on|off whether 424242 is a right sign-in code for every address, as long as only "
    "this\n"
    "                           machine can reach the auth service (default on; for addresses like\n"
    "                           a+clerk_test@b.c it always is)\n"
    "  --auth-enumeration-protection\n"
    "                           do not tell by sign-in or sign-up whether an address has an account\n"
    "  --audit-sync on|off      whether each use of an organisation's key is on stable storage before the "
    "key "
    "leaves\n"
    "                           (default on; off: a power cut may lose the last second of the audit log)\n"
    "  --audit-checkpoints FILE a file, on another disk or machine, to which signed checkpoints of the audit "
    "log "
    "go\n"
    "                           too: `valetkey audit verify --checkpoint FILE`\n"
    "  --audit-auditor KEY      the public key of an auditor (valetkey audit keygen), who can then tell that "
    "no "
    "record\n"
    "                           was forged\n"
    "  --audit-keep TIME        how long files of the audit log are kept (default 400d)\n"
    "  --require-sandbox        do not start when one of the fences around the processes cannot be had here\n"
    "  --no-sandbox             start without Landlock and seccomp, for debuggers\n"
    "  --egress-allow NETS      private networks that webhooks and checks may reach: 10.0.0.0/8,fd00::/8 "
    "(default "
    "none)\n"
    "  --egress-ports PORTS     ports besides 443 that they may use on hosts of others (default none)\n"
    "\n"
    "Flags win over the environment (VALETKEY_DATA, VALETKEY_KEY_FILE, VALETKEY_SHARE), the environment over "
    "the file.\n"
    "In the file: data, key_file, key_command, key_passphrase_file, share, port_base, ttl, loops, "
    "log_level,\n"
    "log_format, log_requests, egress_allow,\n"
    "egress_ports, hosts, listen, listen.LISTENER, tls_cert, tls_key, tls_self_signed, allow_plain_network,\n"
    "auth_fixed_code, auth_enumeration_protection, sandbox (off, best or required), user,\n"
    "url_sandbox.SERVICE, url_browser.SERVICE, driver.SERVICE, limit.NAME,\n"
    "audit.sync, audit.checkpoints, audit.auditor, audit.keep.\n"
    "\n"
    "SIGHUP reads the certificate again; connections that are open keep the old one. What cannot be used is\n"
    "said in the log and the old one stays. Clients of a self-signed one must trust DIR/tls/cert.pem: "
    "`valetkey\n"
    "run` and `valetkey env` say so to Node (NODE_EXTRA_CA_CERTS); curl takes it as --cacert.\n"
    "\n"
    "SIGUSR2 restarts it, as `valetkey restart` does. SIGTERM ends it: requests under way have 10 s.\n"
    "\n"
    "Sockets of a service manager are used for the listeners they are named after (LISTEN_FDS and "
    "LISTEN_FDNAMES,\n"
    "docs/DEPLOY.md).\n"
    "\n"
    "Limits, with their defaults (docs/LIMITS.md):\n" VK_LIMIT_TABLE(
        HELP_LIMIT) "\n"
                    "Examples:\n"
                    "  valetkey serve\n"
                    "  valetkey serve --data /var/lib/valetkey --port-base 7000\n"
                    "  valetkey serve --listen '0.0.0.0 tls' --tls-cert chain.pem --tls-key key.pem --hosts "
                    "vk.example.org\n"
                    "  valetkey serve --limit idle_time=30s --limit build_rate=500\n"
                    "  valetkey serve --url-browser database=https://db.preview.example.org\n";

/* The seam of core/clock.h, so that a test can see keys expire. Said aloud, since keys may then live longer
 * or shorter. */
static void move_clock(void)
{
    const char *text = getenv("VALETKEY_TEST_CLOCK_OFFSET_MS");
    int64_t ms;
    if (!text || vk_str_to_i64(vk_str_z(text), &ms) != VK_OK || ms == 0)
        return;
    vk_clock_offset(ms);
    vk_log(VK_WARN, "VALETKEY_TEST_CLOCK_OFFSET_MS moves the clock: expiry counts from there", VK_F(ms, ms));
}

/* So that `valetkey run`, started elsewhere, knows what to keep from the app. */
static void make_absolute(char path[PATH_MAX])
{
    char here[PATH_MAX], whole[2 * PATH_MAX + 1];
    if (!getcwd(here, sizeof here))
        return;
    int n = snprintf(whole, sizeof whole, "%s/%s", here, strncmp(path, "./", 2) == 0 ? path + 2 : path);
    if (n > 0 && n < PATH_MAX)
        memcpy(path, whole, (size_t)n + 1);
}

/* After a restart the roles serve already: settings that cannot be read just now do not end them. */
static vk_err load(int argc, char **argv, const vk_resume *r, vk_config *config, char why[VK_WHY_MAX])
{
    vk_err e = vk_config_load(argc, argv, config, why);
    while (e != VK_OK && r && r->role == VK_ROLES && vk_supervise_patience(why))
        e = vk_config_load(argc, argv, config, why);
    return e;
}

/* Of a restart: the program that still serves is told, too. */
static int refuse(const vk_resume *r, const char *why)
{
    if (r && r->role < VK_ROLES)
        vk_role_fail(&(vk_child){.role = r->role, .control = r->control}, "%s", why);
    fprintf(stderr, "valetkey: %s\n", why);
    return 2;
}

int vk_cmd_serve(int argc, char **argv)
{
    static vk_config config;
    static vk_daemon daemon;
    static vk_resume resume;
    char why[VK_WHY_MAX];
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(vk_help_serve, stdout);
            return 0;
        }
    if (vk_services_registered(why, sizeof why) != VK_OK) {
        fprintf(stderr, "valetkey: %s\n", why);
        return 1;
    }
    daemon = (vk_daemon){.config = &config,
                         .argc = argc,
                         .argv = argv,
                         .data_fd = -1,
                         .lock_fd = -1,
                         .admin_fd = -1,
                         .tls_fds = {-1, -1}};
    vk_err e = vk_resume_read(&resume, why);
    bool resumed = e == VK_OK;
    if (e == VK_OK || e == VK_E_NOT_FOUND)
        e = load(argc, argv, resumed ? &resume : NULL, &config, why);
    if (e != VK_OK)
        return refuse(resumed ? &resume : NULL, why);
    if (config.key_file[0] && config.key_file[0] != '/')
        make_absolute(config.key_file);
    if (config.key_passphrase_file[0] && config.key_passphrase_file[0] != '/')
        make_absolute(config.key_passphrase_file);
    if (config.audit_checkpoints[0] && config.audit_checkpoints[0] != '/')
        make_absolute(config.audit_checkpoints);
    if (!config.share[0])
        vk_share_find(config.share);
    else if (config.share[0] != '/')
        make_absolute(config.share);
    umask(077);
    vk_log_init("supervisor", config.log_level, config.log_format);
    move_clock();
    if (resumed) {
        daemon.resume = &resume;
        memcpy(daemon.given, resume.given, sizeof resume.given);
        daemon.n_given = resume.n_given;
        return resume.role == VK_ROLES ? vk_supervise(&daemon) : vk_resume_role(&daemon);
    }
    if (vk_activate(&daemon, why) != VK_OK) {
        fprintf(stderr, "valetkey: %s\n", why);
        return 1;
    }
    return vk_supervise(&daemon);
}
