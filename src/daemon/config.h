/* What `valetkey serve` was told: flags before environment before configuration file before defaults. Pure
 * but for reading the file. The file is INI: "name = value" lines, "[section]" puts "section." before the
 * names that follow, lines that begin with '#' or ';' are comments. Unknown names, names given twice and
 * values that cannot be are errors with their line. */
#ifndef VK_DAEMON_CONFIG_H
#define VK_DAEMON_CONFIG_H

#include "core/log.h"
#include "courier/address.h"
#include "valetkey/service.h"

enum {
    VK_PORT_BASE = 4500,
    VK_PORTS = 5, /* the highest offset from the base is 4 */
    VK_TTL_DAYS = 30,
    VK_CONFIG_FILE_MAX = 64 * 1024,
    VK_LISTEN_TEXT = 80,
    VK_WHY_MAX = 1024,   /* a sentence for people, with NUL */
    VK_HOSTS_MAX = 1024, /* bytes of the list */
    VK_USER_MAX = 64,
    VK_DRIVER_VALUES_MAX = 1024, /* bytes of a default driver's values */
};

/* The fences around the roles: none, those that this machine has, or not without all of them. */
typedef enum vk_fencing { VK_FENCE_OFF, VK_FENCE_BEST, VK_FENCE_REQUIRED } vk_fencing;

typedef struct vk_config {
    char data[PATH_MAX];
    char key_file[PATH_MAX]; /* empty: beside the data */
    char key_command[PATH_MAX],
        key_passphrase_file[PATH_MAX]; /* other sources of it (keeper/vault.h); empty: not named */
    char share[PATH_MAX];              /* empty: core/share.h finds it */
    int port_base;
    int64_t ttl_ms;
    int loops;
    vk_level log_level;
    vk_egress egress; /* what courier may speak to besides public addresses; own ports are filled in later */
    vk_log_format log_format;
    bool log_requests;
    vk_listen_at listen_all; /* of listeners that have none of their own; before vk_config_settle */
    vk_listen_at listen[VK_SERVICES_MAX + 1]; /* by service index; the console's is at VK_CONSOLE */
    bool allow_plain_network;
    bool auth_fixed_code, auth_enumeration_protection; /* vk_runtime's of the same names */
    bool tls, tls_self_signed;                         /* `tls`: some listener has it */
    char tls_cert[PATH_MAX], tls_key[PATH_MAX];
    bool audit_sync;                  /* uses of keys are on stable storage before they happen */
    char audit_checkpoints[PATH_MAX]; /* a file elsewhere; empty: none */
    bool audit_has_auditor;
    uint8_t audit_auditor[32]; /* to whom the epoch keys of the audit log are sealed */
    int64_t audit_keep_ms;
    vk_fencing sandbox;
    char user[VK_USER_MAX]; /* whom the roles become when started as root; empty: owners.h says */
    vk_limits limits;
    char hosts[VK_HOSTS_MAX]; /* further names of every listener, separated by commas, checked */
    char url_sandbox[VK_SERVICES_MAX][VK_URL_MAX], url_browser[VK_SERVICES_MAX][VK_URL_MAX];
    /* of new builds, by service index; empty: embedded. With what a build has there, as a binding's resource
     */
    char driver[VK_SERVICES_MAX][VK_SERVICE_MAX + 1], driver_resource[VK_SERVICES_MAX][VK_DRIVER_VALUES_MAX];
} vk_config;

/* Writes a sentence and returns `e`. */
vk_err vk_say(char why[VK_WHY_MAX], vk_err e, const char *fmt, ...) VK_PRINTF(3, 4);

/* argv[0] is the subcommand. VK_E_INVALID: `why` is the sentence; VK_E_IO when the file cannot be read. */
VK_MUSTCHECK vk_err vk_config_load(int argc, char **argv, vk_config *out_r, char why[VK_WHY_MAX]);

/* Text of a configuration file into `c`; `name` is for the sentences. */
VK_MUSTCHECK vk_err vk_config_text(vk_config *c, vk_str text, const char *name, char why[VK_WHY_MAX]);

/* The next word of a list with blanks or commas between them, taken off *s. False: there is none. */
bool vk_config_word(vk_str *s, vk_str *word_r);

/* "driver.<service>". */
VK_MUSTCHECK vk_err vk_config_driver(vk_config *c, vk_str service, vk_str value, const char *from,
                                     char why[VK_WHY_MAX]);
/* The index of a service that somebody named; VK_E_INVALID says which there are. */
VK_MUSTCHECK vk_err vk_config_service(vk_str service, const char *from, int *index_r, char why[VK_WHY_MAX]);

/* The parts of it that are about listeners: "listen", or "listen.<listener>"; then what follows from
 * all settings: defaults, addresses of services, and what does not go together (VK_E_INVALID). */
VK_MUSTCHECK vk_err vk_config_listen(vk_config *c, vk_str listener, vk_str value, const char *from,
                                     char why[VK_WHY_MAX]);
VK_MUSTCHECK vk_err vk_config_settle(vk_config *c, char why[VK_WHY_MAX]);
/* "console", or the service's name. */
const char *vk_listen_name(size_t i);
bool vk_listen_loopback(const vk_listen_at *at);
/* "10.0.0.1:4502", "[::1]:4502"; and as a URL that reaches it from this machine. */
void vk_listen_text(const vk_listen_at *at, char out[VK_LISTEN_TEXT]);
void vk_listen_url(const vk_listen_at *at, char out[VK_LISTEN_TEXT]);

/* The host of a URL that vk_config accepted, as it stands in a Host header ("[::1]", "db.example.org"), port
 * excluded. */
vk_str vk_config_url_host(const char *url);

#endif
