#include "daemon/config.h"

#include "core/clock.h"
#include "core/disk.h"
#include "core/encode.h"
#include "core/vendor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

/* Where a value came from, for the sentences: "--ttl", "VALETKEY_DATA", "valetkey.conf line 3 (ttl)". */
typedef struct setting {
    vk_str name; /* "port_base", "url_sandbox.database" */
    vk_str value;
    const char *from;
} setting;

vk_err vk_say(char why[VK_WHY_MAX], vk_err e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, VK_WHY_MAX, fmt, ap);
    va_end(ap);
    return e;
}

static vk_err set_path(char out[PATH_MAX], const setting *s, char why[VK_WHY_MAX])
{
    if (s->value.n == 0)
        return vk_say(why, VK_E_INVALID, "%s is empty: name a path.", s->from);
    if (s->value.n >= PATH_MAX || memchr(s->value.p, '\0', s->value.n))
        return vk_say(why, VK_E_INVALID, "%s is too long for a path.", s->from);
    memcpy(out, s->value.p, s->value.n);
    out[s->value.n] = '\0';
    return VK_OK;
}

static vk_err set_int(int *out, const setting *s, int64_t least, int64_t most, char why[VK_WHY_MAX])
{
    int64_t v;
    if (vk_str_to_i64(s->value, &v) != VK_OK || v < least || v > most)
        return vk_say(why, VK_E_INVALID, "%s wants a number from %lld to %lld, not \"" VK_STR_FMT "\".",
                      s->from, (long long)least, (long long)most, VK_STR_ARG(s->value));
    *out = (int)v;
    return VK_OK;
}

static vk_err set_level(vk_level *out, const setting *s, char why[VK_WHY_MAX])
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    for (size_t i = 0; i < VK_COUNT(names); i++)
        if (vk_str_eqz(s->value, names[i])) {
            *out = (vk_level)i;
            return VK_OK;
        }
    return vk_say(why, VK_E_INVALID, "%s wants debug, info, warn or error, not \"" VK_STR_FMT "\".", s->from,
                  VK_STR_ARG(s->value));
}

static vk_err set_word(int *out, const setting *s, const char *const words[2], char why[VK_WHY_MAX])
{
    for (int i = 0; i < 2; i++)
        if (vk_str_eqz(s->value, words[i])) {
            *out = i;
            return VK_OK;
        }
    return vk_say(why, VK_E_INVALID, "%s wants %s or %s, not \"" VK_STR_FMT "\".", s->from, words[0],
                  words[1], VK_STR_ARG(s->value));
}

static vk_err set_sandbox(vk_fencing *out, const setting *s, char why[VK_WHY_MAX])
{
    static const char *const names[] = {"off", "best", "required"}; /* as vk_fencing */
    for (size_t i = 0; i < VK_COUNT(names); i++)
        if (vk_str_eqz(s->value, names[i])) {
            *out = (vk_fencing)i;
            return VK_OK;
        }
    return vk_say(why, VK_E_INVALID, "%s wants off, best or required, not \"" VK_STR_FMT "\".", s->from,
                  VK_STR_ARG(s->value));
}

static vk_err set_user(char out[VK_USER_MAX], const setting *s, char why[VK_WHY_MAX])
{
    bool good = s->value.n > 0 && s->value.n < VK_USER_MAX;
    for (size_t i = 0; good && i < s->value.n; i++)
        good = s->value.p[i] > ' ' && s->value.p[i] < 127 && !strchr("/:,", s->value.p[i]);
    if (!good)
        return vk_say(why, VK_E_INVALID, "%s wants the name of a user, not \"" VK_STR_FMT "\".", s->from,
                      VK_STR_ARG(s->value));
    memcpy(out, s->value.p, s->value.n);
    out[s->value.n] = '\0';
    return VK_OK;
}

static vk_err set_switch(bool *out, const setting *s, char why[VK_WHY_MAX])
{
    static const char *const states[] = {"off", "on"};
    int on = 0;
    vk_err e = set_word(&on, s, states, why);
    *out = on;
    return e;
}

/* ---- lists: "a, b c" */

bool vk_config_word(vk_str *s, vk_str *word_r)
{
    while (s->n && (s->p[0] == ' ' || s->p[0] == ','))
        *s = (vk_str){s->p + 1, s->n - 1};
    size_t n = 0;
    while (n < s->n && s->p[n] != ' ' && s->p[n] != ',')
        n++;
    *word_r = (vk_str){s->p, n};
    *s = (vk_str){s->p + n, s->n - n};
    return n > 0;
}

static vk_err set_networks(vk_egress *e, const setting *s, char why[VK_WHY_MAX])
{
    vk_str rest = s->value, word;
    e->n_allow = 0;
    while (vk_config_word(&rest, &word)) {
        if (e->n_allow == VK_ALLOW_MAX)
            return vk_say(why, VK_E_INVALID, "%s names more than %d networks.", s->from, VK_ALLOW_MAX);
        if (vk_network_parse(word, &e->allow[e->n_allow++]) != VK_OK)
            return vk_say(why, VK_E_INVALID,
                          "%s wants networks like 10.0.0.0/8 or fd00::/8, not \"" VK_STR_FMT "\".", s->from,
                          VK_STR_ARG(word));
    }
    return VK_OK;
}

static vk_err set_ports(vk_egress *e, const setting *s, char why[VK_WHY_MAX])
{
    vk_str rest = s->value, word;
    e->n_ports = 0;
    while (vk_config_word(&rest, &word)) {
        int port;
        if (e->n_ports == VK_ALLOW_MAX)
            return vk_say(why, VK_E_INVALID, "%s names more than %d ports.", s->from, VK_ALLOW_MAX);
        vk_err bad = set_int(&port, &(setting){s->name, word, s->from}, 1, 65535, why);
        if (bad != VK_OK)
            return bad;
        e->ports[e->n_ports++] = (uint16_t)port;
    }
    return VK_OK;
}

/* ---- URLs */

static bool host_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
}

/* "host", "host:port", "[v6]:port" at the front of `s`, taken off. */
static bool take_authority(vk_str *s)
{
    size_t i = 0;
    if (s->n && s->p[0] == '[') {
        for (i = 1; i < s->n && s->p[i] != ']'; i++)
            if (!(strchr("0123456789abcdefABCDEF:.", s->p[i]) && s->p[i]))
                return false;
        if (i == s->n || i < 3)
            return false;
        i++;
    } else {
        while (i < s->n && host_char(s->p[i]))
            i++;
        if (i == 0 || s->p[0] == '.')
            return false;
    }
    if (i < s->n && s->p[i] == ':') {
        int64_t port;
        size_t at = ++i;
        while (i < s->n && s->p[i] >= '0' && s->p[i] <= '9')
            i++;
        if (vk_str_to_i64((vk_str){s->p + at, i - at}, &port) != VK_OK || port < 1 || port > 65535)
            return false;
    }
    s->p += i;
    s->n -= i;
    return true;
}

static bool scheme_ok(vk_str scheme, const char *more)
{
    if (vk_str_eqz(scheme, "http") || vk_str_eqz(scheme, "https"))
        return true;
    vk_str all = vk_str_z(more), one;
    while (vk_str_cut(&all, ' ', &one))
        if (vk_str_eq(one, scheme))
            return true;
    return false;
}

static bool url_ok(vk_str url, const char *more_schemes)
{
    vk_str scheme;
    if (!vk_str_cut(&url, ':', &scheme) || !scheme_ok(scheme, more_schemes) ||
        !vk_str_starts(url, VK_STR("//")))
        return false;
    url = (vk_str){url.p + 2, url.n - 2};
    if (!take_authority(&url))
        return false;
    if (url.n && url.p[0] != '/')
        return false;
    for (size_t i = 0; i < url.n; i++)
        if (!host_char(url.p[i]) && !(url.p[i] && strchr("/~%!$&'()*+,;=:@", url.p[i])))
            return false;
    return true;
}

vk_str vk_config_url_host(const char *url)
{
    const char *host = strstr(url, "://");
    if (!host)
        return VK_STR_NONE;
    host += 3;
    return (vk_str){host, host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/")};
}

static vk_err set_url(char urls[VK_SERVICES_MAX][VK_URL_MAX], vk_str service, const setting *s,
                      char why[VK_WHY_MAX])
{
    const vk_service *all[VK_SERVICES_MAX];
    int index;
    vk_services(all);
    vk_err e = vk_config_service(service, s->from, &index, why);
    if (e != VK_OK)
        return e;
    vk_str url = s->value;
    if (!url_ok(url, all[index]->schemes))
        return vk_say(why, VK_E_INVALID,
                      "%s wants an address like https://db.example.org:8443, without user, query and "
                      "fragment, not \"" VK_STR_FMT "\".",
                      s->from, VK_STR_ARG(url));
    while (url.p[url.n - 1] == '/')
        url.n--;
    if (url.n >= VK_URL_MAX)
        return vk_say(why, VK_E_INVALID, "%s is longer than %d characters.", s->from, VK_URL_MAX - 1);
    memcpy(urls[index], url.p, url.n);
    urls[index][url.n] = '\0';
    return VK_OK;
}

/* ---- limits and names */

static vk_err set_limit(vk_limits *l, vk_str name, const setting *s, char why[VK_WHY_MAX])
{
    char wants[128], known[512] = "";
    size_t at = 0;
    vk_err e = vk_limit_set(l, name, s->value, wants, sizeof wants);
    if (e == VK_E_INVALID)
        return vk_say(why, e, "%s (limit " VK_STR_FMT ") wants %s, not \"" VK_STR_FMT "\".", s->from,
                      VK_STR_ARG(name), wants, VK_STR_ARG(s->value));
    if (e != VK_E_NOT_FOUND)
        return e;
    for (size_t i = 0; i < VK_LIMITS && at < sizeof known; i++)
        at +=
            (size_t)snprintf(known + at, sizeof known - at, "%s%s", i ? ", " : "", vk_limit_infos[i].setting);
    return vk_say(why, VK_E_INVALID, "%s: there is no limit \"" VK_STR_FMT "\". There are: %s.", s->from,
                  VK_STR_ARG(name), known);
}

/* Names as they stand in a Host header, without a port: that of another port is the same name. */
static vk_err set_hosts(char out[VK_HOSTS_MAX], const setting *s, char why[VK_WHY_MAX])
{
    vk_str rest = s->value, one;
    bool more = true;
    if (rest.n >= VK_HOSTS_MAX)
        return vk_say(why, VK_E_INVALID, "%s is longer than %d characters.", s->from, VK_HOSTS_MAX - 1);
    while (more) {
        more = vk_str_cut(&rest, ',', &one);
        vk_str host = more ? one : rest, left = host;
        bool good = host.n > 0 && take_authority(&left) && left.n == 0;
        if (!good || (host.p[0] == '[' ? host.p[host.n - 1] != ']' : memchr(host.p, ':', host.n) != NULL))
            return vk_say(
                why, VK_E_INVALID,
                "%s wants host names without ports, like db.example.org,[fd00::1], not \"" VK_STR_FMT "\".",
                s->from, VK_STR_ARG(host));
    }
    memcpy(out, s->value.p, s->value.n);
    out[s->value.n] = '\0';
    return VK_OK;
}

/* ---- settings */

static vk_err set_time(int64_t *out, const setting *s, char why[VK_WHY_MAX])
{
    if (vk_duration_parse(s->value, out) == VK_OK)
        return VK_OK;
    return vk_say(why, VK_E_INVALID,
                  "%s wants a time like 30d, 12h, 90m or 45s, at most 10 years, not \"" VK_STR_FMT "\".",
                  s->from, VK_STR_ARG(s->value));
}

static vk_err apply_audit(vk_config *c, const setting *s, char why[VK_WHY_MAX])
{
    if (vk_str_eqz(s->name, "audit.sync"))
        return set_switch(&c->audit_sync, s, why);
    if (vk_str_eqz(s->name, "audit.checkpoints"))
        return set_path(c->audit_checkpoints, s, why);
    if (vk_str_eqz(s->name, "audit.keep"))
        return set_time(&c->audit_keep_ms, s, why);
    if (!vk_str_eqz(s->name, "audit.auditor"))
        return VK_E_NOT_FOUND;
    c->audit_has_auditor = vk_hex_decode(s->value, c->audit_auditor, sizeof c->audit_auditor) == VK_OK;
    if (!c->audit_has_auditor)
        return vk_say(
            why, VK_E_INVALID,
            "%s wants the 64 hex digits of an auditor's public key (valetkey audit keygen), not \"" VK_STR_FMT
            "\".",
            s->from, VK_STR_ARG(s->value));
    return VK_OK;
}

static vk_err apply(vk_config *c, const setting *s, char why[VK_WHY_MAX])
{
    vk_str name = s->name, head;
    if (vk_str_eqz(name, "data"))
        return set_path(c->data, s, why);
    if (vk_str_eqz(name, "key_file"))
        return set_path(c->key_file, s, why);
    if (vk_str_eqz(name, "key_command"))
        return set_path(c->key_command, s, why);
    if (vk_str_eqz(name, "key_passphrase_file"))
        return set_path(c->key_passphrase_file, s, why);
    if (vk_str_eqz(name, "share"))
        return set_path(c->share, s, why);
    if (vk_str_eqz(name, "port_base"))
        return set_int(&c->port_base, s, 1, 65536 - VK_PORTS, why);
    if (vk_str_eqz(name, "loops"))
        return set_int(&c->loops, s, 1, VK_LOOPS_MAX, why);
    if (vk_str_eqz(name, "log_level"))
        return set_level(&c->log_level, s, why);
    if (vk_str_eqz(name, "hosts"))
        return set_hosts(c->hosts, s, why);
    if (vk_str_eqz(name, "egress_allow"))
        return set_networks(&c->egress, s, why);
    if (vk_str_eqz(name, "egress_ports"))
        return set_ports(&c->egress, s, why);
    if (vk_str_eqz(name, "log_format")) {
        static const char *const formats[] = {"text", "json"}; /* as vk_log_format */
        int format = 0;
        vk_err e = set_word(&format, s, formats, why);
        c->log_format = (vk_log_format)format;
        return e;
    }
    if (vk_str_eqz(name, "log_requests"))
        return set_switch(&c->log_requests, s, why);
    if (vk_str_eqz(name, "allow_plain_network"))
        return set_switch(&c->allow_plain_network, s, why);
    if (vk_str_eqz(name, "auth_fixed_code"))
        return set_switch(&c->auth_fixed_code, s, why);
    if (vk_str_eqz(name, "auth_enumeration_protection"))
        return set_switch(&c->auth_enumeration_protection, s, why);
    if (vk_str_eqz(name, "tls_self_signed"))
        return set_switch(&c->tls_self_signed, s, why);
    if (vk_str_eqz(name, "tls_cert"))
        return set_path(c->tls_cert, s, why);
    if (vk_str_eqz(name, "tls_key"))
        return set_path(c->tls_key, s, why);
#ifdef VK_TEST_VENDOR
    if (vk_str_eqz(name, "vendor_role"))
        return set_switch(&vk_vendor_role, s, why);
#endif
    if (vk_str_starts(name, VK_STR("audit.")))
        return apply_audit(c, s, why);
    if (vk_str_eqz(name, "listen"))
        return vk_config_listen(c, VK_STR_NONE, s->value, s->from, why);
    if (vk_str_eqz(name, "sandbox"))
        return set_sandbox(&c->sandbox, s, why);
    if (vk_str_eqz(name, "user"))
        return set_user(c->user, s, why);
    if (vk_str_eqz(name, "ttl"))
        return set_time(&c->ttl_ms, s, why);
    if (vk_str_cut(&name, '.', &head)) {
        if (vk_str_eqz(head, "listen"))
            return vk_config_listen(c, name, s->value, s->from, why);
        if (vk_str_eqz(head, "limit"))
            return set_limit(&c->limits, name, s, why);
        if (vk_str_eqz(head, "driver"))
            return vk_config_driver(c, name, s->value, s->from, why);
        if (vk_str_eqz(head, "url_sandbox"))
            return set_url(c->url_sandbox, name, s, why);
        if (vk_str_eqz(head, "url_browser"))
            return set_url(c->url_browser, name, s, why);
    }
    return VK_E_NOT_FOUND;
}

static vk_str trim(vk_str s)
{
    while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = (vk_str){s.p + 1, s.n - 1};
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t' || s.p[s.n - 1] == '\r'))
        s.n--;
    return s;
}

enum { NAME_MAX_FILE = 64, SEEN_MAX = 64 };

typedef struct ini {
    const char *file;
    int line;
    char section[NAME_MAX_FILE];
    char seen[SEEN_MAX][NAME_MAX_FILE];
    size_t n_seen;
} ini;

static vk_err ini_line(vk_config *c, ini *x, vk_str line, char why[VK_WHY_MAX])
{
    vk_str name;
    char full[NAME_MAX_FILE], from[NAME_MAX_FILE + 200];
    if (line.n == 0 || line.p[0] == '#' || line.p[0] == ';')
        return VK_OK;
    if (line.p[0] == '[') {
        vk_str in = trim((vk_str){line.p + 1, line.n - 1 - (line.p[line.n - 1] == ']')});
        if (line.p[line.n - 1] != ']' || in.n == 0 || in.n >= sizeof x->section - 1)
            return vk_say(why, VK_E_INVALID, "%.150s line %d: a section looks like [url_sandbox].", x->file,
                          x->line);
        snprintf(x->section, sizeof x->section, VK_STR_FMT ".", VK_STR_ARG(in));
        return VK_OK;
    }
    vk_str value = line;
    if (!vk_str_cut(&value, '=', &name))
        return vk_say(why, VK_E_INVALID, "%.150s line %d: expected \"name = value\".", x->file, x->line);
    name = trim(name);
    int n = snprintf(full, sizeof full, "%s" VK_STR_FMT, x->section, VK_STR_ARG(name));
    if (n < 0 || (size_t)n >= sizeof full)
        return vk_say(why, VK_E_INVALID, "%.150s line %d: the name is too long.", x->file, x->line);
    for (size_t i = 0; i < x->n_seen; i++)
        if (vk_str_eqz(vk_str_z(full), x->seen[i]))
            return vk_say(why, VK_E_INVALID, "%.150s line %d: %s stands twice.", x->file, x->line, full);
    if (x->n_seen == SEEN_MAX)
        return vk_say(why, VK_E_INVALID, "%.150s has more than %d settings.", x->file, SEEN_MAX);
    memcpy(x->seen[x->n_seen++], full, sizeof full);
    snprintf(from, sizeof from, "%.150s line %d (%s)", x->file, x->line, full);
    vk_err e = apply(c, &(setting){vk_str_z(full), trim(value), from}, why);
    if (e == VK_E_NOT_FOUND)
        return vk_say(
            why, VK_E_INVALID,
            "%.150s line %d: there is no setting %s. Settings: data, key_file, key_command, "
            "key_passphrase_file, share, port_base, ttl, "
            "loops, log_level, log_format, log_requests, egress_allow, egress_ports, hosts, listen, "
            "listen.LISTENER, tls_cert, tls_key, tls_self_signed, allow_plain_network, "
            "auth_fixed_code, auth_enumeration_protection, "
            "sandbox, user, "
            "url_sandbox.SERVICE, url_browser.SERVICE, driver.SERVICE, limit.NAME, audit.sync, "
            "audit.checkpoints, audit.auditor, audit.keep.",
            x->file, x->line, full);
    return e;
}

vk_err vk_config_text(vk_config *c, vk_str text, const char *name, char why[VK_WHY_MAX])
{
    ini x = {.file = name};
    vk_err e = VK_OK;
    if (memchr(text.p ? text.p : "", '\0', text.n))
        return vk_say(why, VK_E_INVALID, "%.150s is not a text file.", name);
    while (e == VK_OK && text.n) {
        vk_str line;
        x.line++;
        if (!vk_str_cut(&text, '\n', &line)) {
            line = text;
            text.n = 0;
        }
        e = ini_line(c, &x, trim(line), why);
    }
    return e;
}

static vk_err load_file(vk_config *c, const char *path, char why[VK_WHY_MAX])
{
    char real[PATH_MAX];
    vk_buf text;
    if (!realpath(path, real)) {
        return vk_say(why, VK_E_IO, "The configuration file %.300s cannot be read: %s.", path,
                      vk_errno_text(errno));
    }
    vk_buf_init(&text, VK_CONFIG_FILE_MAX + 8192);
    vk_err e = vk_disk_read(AT_FDCWD, real, VK_CONFIG_FILE_MAX, &text);
    if (e == VK_E_TOO_LARGE)
        vk_say(why, e, "The configuration file %.300s is larger than %d bytes.", path, VK_CONFIG_FILE_MAX);
    else if (e != VK_OK)
        vk_say(why, e, "The configuration file %.300s cannot be read (%s).", path, vk_err_name(e));
    else
        e = vk_config_text(c, vk_buf_view(&text), path, why);
    vk_buf_free(&text);
    return e;
}

/* ---- flags */

typedef struct flag {
    const char *name;    /* "--port-base" */
    const char *setting; /* "port_base"; NULL: --config; ends in '.': SERVICE=VALUE */
    const char *alone;   /* its value when none follows with '='; NULL: the next argument is the value */
} flag;

static const flag flags[] = {
    {"--data", "data", NULL},
    {"--config", NULL, NULL},
    {"--port-base", "port_base", NULL},
    {"--ttl", "ttl", NULL},
    {"--loops", "loops", NULL},
    {"--key-file", "key_file", NULL},
    {"--key-command", "key_command", NULL},
    {"--key-passphrase-file", "key_passphrase_file", NULL},
    {"--share", "share", NULL},
    {"--log-level", "log_level", NULL},
    {"--log-format", "log_format", NULL},
    {"--log-requests", "log_requests", NULL},
    {"--egress-allow", "egress_allow", NULL},
    {"--egress-ports", "egress_ports", NULL},
    {"--listen", "listen", NULL},
    {"--hosts", "hosts", NULL},
    {"--limit", "limit.", NULL},
    {"--tls-cert", "tls_cert", NULL},
    {"--tls-key", "tls_key", NULL},
    {"--tls-self-signed", "tls_self_signed", "on"},
    {"--allow-plain-network", "allow_plain_network", "on"},
    {"--auth-fixed-code", "auth_fixed_code", NULL},
    {"--auth-enumeration-protection", "auth_enumeration_protection", "on"},
    {"--audit-sync", "audit.sync", NULL},
    {"--audit-checkpoints", "audit.checkpoints", NULL},
    {"--audit-auditor", "audit.auditor", NULL},
    {"--audit-keep", "audit.keep", NULL},
    {"--user", "user", NULL},
    {"--require-sandbox", "sandbox", "required"},
    {"--no-sandbox", "sandbox", "off"},
    {"--driver", "driver.", NULL},
    {"--url-sandbox", "url_sandbox.", NULL},
    {"--url-browser", "url_browser.", NULL},
#ifdef VK_TEST_VENDOR
    {"--vendor-role", "vendor_role", "on"},
#endif
};

/* The flag at argv[*i] and its value, which may be the next argument. */
static vk_err next_flag(int argc, char **argv, int *i, const flag **flag_r, vk_str *value_r,
                        char why[VK_WHY_MAX])
{
    const char *arg = argv[*i];
    size_t n = strcspn(arg, "=");
    for (size_t f = 0; f < VK_COUNT(flags); f++) {
        if (!vk_str_eqz((vk_str){arg, n}, flags[f].name))
            continue;
        *flag_r = &flags[f];
        if (arg[n] == '=') {
            *value_r = vk_str_z(arg + n + 1);
        } else if (flags[f].alone) {
            *value_r = vk_str_z(flags[f].alone);
        } else if (*i + 1 < argc) {
            *value_r = vk_str_z(argv[++*i]);
        } else {
            return vk_say(why, VK_E_INVALID, "%s wants a value. See: valetkey serve --help", arg);
        }
        return VK_OK;
    }
    return vk_say(why, VK_E_INVALID, "valetkey serve does not know \"%.200s\". See: valetkey serve --help",
                  arg);
}

static vk_err apply_flag(vk_config *c, const flag *f, vk_str value, char why[VK_WHY_MAX])
{
    char name[NAME_MAX_FILE];
    vk_str service = VK_STR_NONE;
    if (f->setting[strlen(f->setting) - 1] == '.' && (!vk_str_cut(&value, '=', &service) || service.n > 32))
        return vk_say(why, VK_E_INVALID, "%s wants %s.", f->name,
                      strcmp(f->setting, "limit.") == 0 ? "NAME=VALUE, as in --limit idle_time=30s"
                      : strcmp(f->setting, "driver.") == 0
                          ? "SERVICE=DRIVER, as in --driver payments=stripe"
                          : "SERVICE=URL, as in --url-sandbox database=https://db.example.org");
    /* --listen ADDRESS is for all, --listen LISTENER=ADDRESS for one. */
    if (strcmp(f->setting, "listen") == 0 && vk_str_cut(&value, '=', &service))
        snprintf(name, sizeof name, "listen.%.*s", service.n < 32 ? (int)service.n : 32, service.p);
    else
        snprintf(name, sizeof name, "%s" VK_STR_FMT, f->setting, VK_STR_ARG(service));
    return apply(c, &(setting){vk_str_z(name), value, f->name}, why);
}

static vk_err apply_env(vk_config *c, const char *name, const char *setting_name, char why[VK_WHY_MAX])
{
    const char *value = getenv(name);
    if (!value || !*value)
        return VK_OK;
    return apply(c, &(setting){vk_str_z(setting_name), vk_str_z(value), name}, why);
}

static void defaults(vk_config *c)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    *c = (vk_config){.port_base = VK_PORT_BASE,
                     .ttl_ms = (int64_t)VK_TTL_DAYS * 86400 * 1000,
                     .auth_fixed_code = true,
                     .audit_sync = true,
                     .log_level = VK_INFO,
                     .sandbox = VK_FENCE_BEST,
                     .limits = vk_limits_usual};
    c->loops = cpus < 1 ? 1 : cpus > VK_LOOPS_MAX ? VK_LOOPS_MAX : (int)cpus;
    snprintf(c->data, sizeof c->data, "./.valetkey");
}

vk_err vk_config_load(int argc, char **argv, vk_config *out_r, char why[VK_WHY_MAX])
{
    const flag *f;
    vk_str value;
    const char *file = NULL;
    vk_err e = VK_OK;
    defaults(out_r);
    /* First the whole line is understood, so that a wrong flag is told before a file is looked for. */
    for (int i = 1; e == VK_OK && i < argc; i++) {
        e = next_flag(argc, argv, &i, &f, &value, why);
        if (e == VK_OK && !f->setting)
            file = value.p;
    }
    if (e == VK_OK && file)
        e = load_file(out_r, file, why);
    if (e == VK_OK)
        e = apply_env(out_r, "VALETKEY_DATA", "data", why);
    if (e == VK_OK)
        e = apply_env(out_r, "VALETKEY_KEY_FILE", "key_file", why);
    if (e == VK_OK)
        e = apply_env(out_r, "VALETKEY_KEY_PASSPHRASE_FILE", "key_passphrase_file", why);
    if (e == VK_OK)
        e = apply_env(out_r, "VALETKEY_SHARE", "share", why);
    for (int i = 1; e == VK_OK && i < argc; i++) {
        e = next_flag(argc, argv, &i, &f, &value, why);
        if (e == VK_OK && f->setting)
            e = apply_flag(out_r, f, value, why);
    }
    return e == VK_OK ? vk_config_settle(out_r, why) : e;
}
