#include "courier/postgres.h"

#include "core/clock.h"
#include "courier/match.h"
#include "http/uri.h"

#include <unistd.h>

enum { ARENA_MAX = 64 * 1024 };

/* What became of it, as an answer. */
static vk_err judge(const vk_pq_link *l, vk_err e, vk_outbound_answer *answer)
{
    if (l->lack == VK_PQ_SAID) {
        answer->status = 400;
        vk_buf_add(&answer->body, l->sqlstate, VK_SQLSTATE);
        return answer->body.err;
    }
    if (e == VK_OK)
        answer->status = 200;
    else
        answer->lack = l->lack == VK_PQ_TIME  ? VK_LACK_TIME
                       : l->lack == VK_PQ_TLS ? VK_LACK_TLS
                                              : VK_LACK_REACH;
    return e;
}

vk_err vk_postgres_probe(const vk_pq *pq, const vk_postgres_at *at, const char *statement,
                         vk_outbound_answer *answer)
{
    const vk_pq_at to = {.host = at->host,
                         .addresses = at->addresses,
                         .port = at->port,
                         .user = at->user,
                         .password = at->password,
                         .database = at->database,
                         .sslmode = "verify-full",
                         .ca_file = at->ca_file,
                         .options = "-c statement_timeout=10000",
                         .application = "key-check",
                         .until_ms = at->until_ms};
    const char *const all[] = {"BEGIN", statement, "ROLLBACK"};
    vk_pq_link l;
    answer->status = 0;
    vk_err e = vk_pq_open(&l, pq, &to);
    for (size_t i = 0; e == VK_OK && i < VK_COUNT(all); i++)
        e = vk_pq_run(&l, all[i], NULL, NULL);
    vk_pq_close(&l);
    return judge(&l, e, answer);
}

/* ---- the address */

static const char *authorities(const vk_outbound *o)
{
    static const char *const files[] = {"/etc/ssl/certs/ca-certificates.crt",
                                        "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"};
    for (size_t i = 0; !o->ca_file && i < VK_COUNT(files); i++)
        if (access(files[i], R_OK) == 0)
            return files[i];
    return o->ca_file ? o->ca_file : files[0];
}

/* Decoded, with a NUL behind it; NULL: it cannot be. */
static const char *decoded(vk_arena *a, vk_str s)
{
    vk_str out;
    if (vk_uri_decode(a, s, &out) != VK_OK)
        return NULL;
    return vk_arena_dup(a, out).p;
}

/* As a URL of https, the host has to pass the same reader. */
static bool target_of(vk_arena *a, vk_str host, vk_str port, vk_target *t)
{
    const char *why;
    vk_str url = vk_arena_printf(a, "https://" VK_STR_FMT ":" VK_STR_FMT "/", VK_STR_ARG(host),
                                 VK_STR_ARG(port.n ? port : VK_STR("5432")));
    return url.p && vk_target_parse(url, t, &why) == VK_OK;
}

static bool port_open(const vk_egress *e, uint16_t port)
{
    for (size_t i = 0; i < e->n_ports; i++)
        if (e->ports[i] == port)
            return true;
    return port == VK_POSTGRES_PORT;
}

static vk_err ask_in(vk_arena *a, const vk_outbound *o, const vk_pq *pq, const vk_outbound_ask *ask,
                     vk_outbound_answer *answer)
{
    static const char form[] = "^postgres(ql)?://((([^/?#:]*)(:([^/"
                               "?#]*))?)@)?([A-Za-z0-9._-]+)(:([0-9]{1,5}))?/([^/?#]+)([?][^#]*)?$";
    vk_str g[VK_GROUPS_MAX];
    vk_target t;
    char port[8], addresses[VK_LOOKED_AT_MAX];
    int64_t until = vk_clock_mono_ms() + (o->total_ms ? o->total_ms : VK_OUTBOUND_MS);
    answer->lack = VK_LACK_INVALID;
    if (!vk_pattern_groups(vk_str_z(form), ask->url, g) || !target_of(a, g[7], g[9], &t))
        return VK_E_INVALID;
    const char *user = decoded(a, g[4]), *password = decoded(a, g[6]), *database = decoded(a, g[10]);
    const char *statement = vk_arena_dup(a, ask->body).p;
    if (!user || !password || !database || !statement)
        return VK_E_INVALID;
    answer->lack = VK_LACK_GUARD;
    if (!port_open(&o->egress, t.port))
        return VK_E_FORBIDDEN;
    answer->lack = VK_LACK_NOTHING;
    vk_err e = vk_outbound_look(o, &t, addresses, answer);
    if (e != VK_OK)
        return e;
    snprintf(port, sizeof port, "%u", t.port);
    const vk_postgres_at at = {.host = t.host,
                               .addresses = addresses,
                               .port = port,
                               .user = user,
                               .password = password,
                               .database = database,
                               .ca_file = authorities(o),
                               .until_ms = until};
    return vk_postgres_probe(pq, &at, statement, answer);
}

vk_err vk_postgres_ask(const vk_outbound *o, const vk_pq *pq, const vk_outbound_ask *ask,
                       vk_outbound_answer *answer)
{
    vk_arena *a = vk_arena_new(ARENA_MAX);
    answer->status = 0;
    answer->lack = VK_LACK_REACH;
    if (!a)
        return VK_E_NOMEM;
    vk_err e = ask_in(a, o, pq, ask, answer);
    vk_arena_wipe(a); /* the password was in it */
    vk_arena_free(a);
    return e;
}
