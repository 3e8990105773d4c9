#include "courier/outbound.h"

#include "core/clock.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <unistd.h>

/* ---- addresses */

static bool same_address(const struct sockaddr *a, const struct sockaddr *b)
{
    if (!b || a->sa_family != b->sa_family)
        return false;
    if (a->sa_family == AF_INET)
        return ((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr ==
               ((const struct sockaddr_in *)(const void *)b)->sin_addr.s_addr;
    return a->sa_family == AF_INET6 &&
           memcmp(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr,
                  &((const struct sockaddr_in6 *)(const void *)b)->sin6_addr, sizeof(struct in6_addr)) == 0;
}

/* An address of an interface of this machine. When they cannot be listed, everything may be one. */
static bool is_local(const struct sockaddr *a)
{
    struct ifaddrs *all;
    bool found = false;
    if (getifaddrs(&all) != 0)
        return true;
    for (const struct ifaddrs *i = all; i && !found; i = i->ifa_next)
        found = same_address(a, i->ifa_addr);
    freeifaddrs(all);
    return found;
}

/* A registered origin may be on loopback when its name says so: a name that only resolves there does not. */
static bool says_loopback(const vk_target *t)
{
    vk_str host = vk_str_z(t->host);
    static const char tail[] = ".localhost";
    bool below = host.n > sizeof tail - 1 &&
                 vk_str_eqz((vk_str){host.p + host.n - (sizeof tail - 1), sizeof tail - 1}, tail);
    return below || vk_str_eqz(host, "localhost") || vk_str_eqz(host, "::1") ||
           (t->literal && vk_str_starts(host, VK_STR("127.")));
}

typedef struct call {
    const vk_outbound *o;
    vk_target target;
    bool loopback; /* allowed */
    char pins[VK_HOST_MAX + 16 + VK_OUTBOUND_ADDRESSES * (INET6_ADDRSTRLEN + 3)];
    vk_outbound_answer *answer;
    size_t head_bytes, body_max, thrown;
    bool cut;
    vk_err e; /* of a callback */
} call;

static vk_outbound_lack lack_of(vk_err e)
{
    switch (e) {
    case VK_OK:
        return VK_LACK_NOTHING;
    case VK_E_INVALID:
        return VK_LACK_INVALID;
    case VK_E_FORBIDDEN:
        return VK_LACK_GUARD;
    case VK_E_TIMEOUT:
        return VK_LACK_TIME;
    case VK_E_TOO_LARGE:
        return VK_LACK_SIZE;
    default:
        return VK_LACK_REACH;
    }
}

static vk_err fail(call *c, vk_err e, const char *fmt, ...) VK_PRINTF(3, 4);

static vk_err fail(call *c, vk_err e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(c->answer->why, sizeof c->answer->why, fmt, ap);
    va_end(ap);
    return e;
}

/* Looks at every address and writes those to be dialled as curl wants them: "host:port:a,b". */
static vk_err check_all(call *c, const struct addrinfo *list)
{
    size_t n = 0, at = (size_t)snprintf(c->pins, sizeof c->pins, "%s:%u:", c->target.host, c->target.port);
    for (const struct addrinfo *i = list; i; i = i->ai_next) {
        char text[INET6_ADDRSTRLEN];
        const char *why = vk_egress_address(&c->o->egress, i->ai_addr, is_local(i->ai_addr), c->loopback);
        const void *raw =
            i->ai_family == AF_INET
                ? (const void *)&((const struct sockaddr_in *)(const void *)i->ai_addr)->sin_addr
                : &((const struct sockaddr_in6 *)(const void *)i->ai_addr)->sin6_addr;
        if (why)
            return fail(c, VK_E_FORBIDDEN, "\"%s\" is not asked: %s", c->target.host, why);
        if (n++ == VK_OUTBOUND_ADDRESSES)
            return fail(c, VK_E_FORBIDDEN, "\"%s\" has more than %d addresses", c->target.host,
                        VK_OUTBOUND_ADDRESSES);
        if (!inet_ntop(i->ai_family, raw, text, sizeof text))
            return fail(c, VK_E_UNAVAILABLE, "\"%s\" has an address that cannot be used", c->target.host);
        bool v6 = i->ai_family == AF_INET6;
        int w = snprintf(c->pins + at, sizeof c->pins - at, "%s%s%s%s", n > 1 ? "," : "", v6 ? "[" : "", text,
                         v6 ? "]" : "");
        if (w < 0 || (size_t)w >= sizeof c->pins - at)
            return fail(c, VK_E_UNAVAILABLE, "\"%s\" has too many addresses", c->target.host);
        at += (size_t)w;
    }
    return n ? VK_OK : fail(c, VK_E_UNAVAILABLE, "\"%s\" has no address", c->target.host);
}

static vk_err resolve(call *c)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC,
                                   .ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_NUMERICSERV | (c->target.literal ? AI_NUMERICHOST : 0)};
    struct addrinfo *list = NULL;
    char port[8];
    snprintf(port, sizeof port, "%u", c->target.port);
    int rc = c->o->resolve ? c->o->resolve(c->target.host, port, &hints, &list)
                           : getaddrinfo(c->target.host, port, &hints, &list);
    if (rc != 0) {
        c->answer->lack = VK_LACK_NAME;
        return fail(c, VK_E_UNAVAILABLE, "\"%s\" cannot be resolved: %s", c->target.host, gai_strerror(rc));
    }
    vk_err e = check_all(c, list);
    if (c->o->resolve)
        c->o->resolved(list);
    else
        freeaddrinfo(list);
    return e;
}

vk_err vk_outbound_look(const vk_outbound *o, const vk_target *t, char out[VK_LOOKED_AT_MAX],
                        vk_outbound_answer *answer)
{
    call c = {.o = o, .answer = answer, .target = *t};
    vk_err e = resolve(&c);
    if (e != VK_OK) {
        answer->lack = answer->lack == VK_LACK_NOTHING ? lack_of(e) : answer->lack;
        return e;
    }
    size_t n = 0;
    const char *p = c.pins + strlen(t->host) + 1; /* behind "host:", which is the name as it was parsed */
    for (p = strchr(p, ':') + 1; *p && n + 1 < VK_LOOKED_AT_MAX; p++)
        if (*p != '[' && *p != ']')
            out[n++] = *p;
    out[n] = '\0';
    return VK_OK;
}

/* ---- callbacks of curl */

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
    call *c = arg;
    const char *why = vk_egress_address(&c->o->egress, &a->addr, is_local(&a->addr), c->loopback);
    if (purpose != CURLSOCKTYPE_IPCXN || why) {
        c->e = fail(c, VK_E_FORBIDDEN, "\"%s\" is not asked: %s", c->target.host,
                    why ? why : "it wants another kind of connection");
        return CURL_SOCKET_BAD;
    }
    return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static size_t take_head(char *p, size_t size, size_t n, void *arg)
{
    call *c = arg;
    vk_buf *head = &c->answer->head;
    c->head_bytes += size * n;
    if (head->max && vk_str_starts((vk_str){p, size * n}, VK_STR("HTTP/")))
        vk_buf_clear(head); /* what came before was an interim answer */
    else if (head->max)
        vk_buf_add(head, p, size * n);
    if (c->head_bytes <= VK_OUTBOUND_HEAD_MAX && !head->err)
        return size * n;
    c->e =
        fail(c, VK_E_TOO_LARGE, "the head of the answer is larger than %d KiB", VK_OUTBOUND_HEAD_MAX / 1024);
    return 0;
}

static size_t take_body(char *p, size_t size, size_t n, void *arg)
{
    call *c = arg;
    size_t more = size * n, left = c->body_max - c->answer->body.n;
    if (more <= left || c->cut) {
        vk_buf_add(&c->answer->body, p, more <= left ? more : left);
        c->thrown += more <= left ? 0 : more - left; /* read on, so that who answers sees it taken */
        if (!c->answer->body.err && c->thrown <= VK_OUTBOUND_BODY_MAX)
            return more;
    }
    c->e = fail(c, VK_E_TOO_LARGE, "the answer is larger than %zu bytes", c->body_max);
    return 0;
}

/* ---- the call */

bool vk_outbound_header_ok(const vk_outbound_header *h)
{
    static const char *const ours[] = {"host",       "content-length", "content-type", "transfer-encoding",
                                       "connection", "keep-alive",     "expect",       "te",
                                       "trailer",    "upgrade",        "cookie"};
    if (h->name.n == 0 || h->value.n == 0 || h->name.n + h->value.n > VK_OUTBOUND_HEADER_MAX)
        return false;
    for (size_t i = 0; i < h->name.n; i++) {
        char c = h->name.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-'))
            return false;
    }
    for (size_t i = 0; i < h->value.n; i++)
        if (h->value.p[i] < ' ' || h->value.p[i] > '~')
            return false;
    for (size_t i = 0; i < VK_COUNT(ours); i++)
        if (vk_str_ieq(h->name, vk_str_z(ours[i])))
            return false;
    return !(h->name.n >= 6 && vk_str_ieq((vk_str){h->name.p, 6}, VK_STR("proxy-")));
}

static bool has_body(const vk_outbound_ask *ask)
{
    return ask->body.n || vk_str_eqz(ask->method, "POST") || vk_str_eqz(ask->method, "PUT");
}

/* The header lines; false: no memory. "Expect" is what curl adds to long bodies, and waits for; a type is
 * what it adds to any. */
static bool add_lines(const vk_curl *x, const vk_outbound_ask *ask, struct curl_slist **lines)
{
    char line[VK_OUTBOUND_HEADER_MAX + 8];
    struct curl_slist *more = x->slist_append(*lines, "Expect:");
    *lines = more ? more : *lines;
    if (more && ask->content_type.n) {
        snprintf(line, sizeof line, "Content-Type: " VK_STR_FMT, VK_STR_ARG(ask->content_type));
        more = x->slist_append(*lines, line);
    } else if (more && has_body(ask)) {
        more = x->slist_append(*lines, "Content-Type:");
    }
    for (size_t i = 0; more && i < ask->n_headers; i++) {
        snprintf(line, sizeof line, VK_STR_FMT ": " VK_STR_FMT, VK_STR_ARG(ask->headers[i].name),
                 VK_STR_ARG(ask->headers[i].value));
        more = x->slist_append(*lines, line);
    }
    vk_wipe(line, sizeof line); /* keys are in some */
    return more != NULL;
}

static void free_lines(const vk_curl *x, struct curl_slist *lines)
{
    for (struct curl_slist *l = lines; l; l = l->next)
        vk_wipe(l->data, strlen(l->data));
    x->slist_free_all(lines);
}

static vk_err kind_of(CURLcode code)
{
    return code == CURLE_OPERATION_TIMEDOUT ? VK_E_TIMEOUT : VK_E_UNAVAILABLE;
}

static bool is_tls(CURLcode code)
{
    return code == CURLE_SSL_CONNECT_ERROR || code == CURLE_PEER_FAILED_VERIFICATION ||
           code == CURLE_SSL_CERTPROBLEM || code == CURLE_SSL_CIPHER || code == CURLE_SSL_CACERT_BADFILE ||
           code == CURLE_SSL_ISSUER_ERROR || code == CURLE_SSL_ENGINE_INITFAILED;
}

static vk_err perform(call *c, const vk_outbound_ask *ask, int64_t left_ms)
{
    const vk_curl *x = &c->o->curl;
    char url[VK_TARGET_MAX + 16], method[16];
    struct curl_slist *pins = x->slist_append(NULL, c->pins), *lines = NULL;
    CURL *h = x->easy_init();
    vk_err e = VK_E_NOMEM;
    if (!h || !pins)
        goto out;
    bool v6 = strchr(c->target.host, ':') != NULL;
    bool slash = c->target.path.n == 0 || c->target.path.p[0] != '/';
    snprintf(url, sizeof url, "%s://%s%s%s:%u%s" VK_STR_FMT, c->target.tls ? "https" : "http", v6 ? "[" : "",
             c->target.host, v6 ? "]" : "", c->target.port, slash ? "/" : "", VK_STR_ARG(c->target.path));
    snprintf(method, sizeof method, VK_STR_FMT, VK_STR_ARG(ask->method));
    if (!add_lines(x, ask, &lines))
        goto out;
    c->e = VK_OK;
#define SET(option, value) (x->easy_setopt(h, option, value) == CURLE_OK)
    bool set =
        SET(CURLOPT_URL, url) && SET(CURLOPT_RESOLVE, pins) && SET(CURLOPT_CUSTOMREQUEST, method) &&
        SET(CURLOPT_HTTPHEADER, lines) && SET(CURLOPT_USERAGENT, "valetkey/" VK_VERSION) &&
        SET(CURLOPT_PROTOCOLS_STR, c->target.tls ? "https" : "http") && SET(CURLOPT_FOLLOWLOCATION, 0L) &&
        SET(CURLOPT_PROXY, "") && SET(CURLOPT_NOPROXY, "*") && SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) &&
        SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) && SET(CURLOPT_NOSIGNAL, 1L) &&
        SET(CURLOPT_FRESH_CONNECT, 1L) && SET(CURLOPT_FORBID_REUSE, 1L) && SET(CURLOPT_SSL_VERIFYPEER, 1L) &&
        SET(CURLOPT_SSL_VERIFYHOST, 2L) && SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) &&
        SET(CURLOPT_CONNECTTIMEOUT_MS, (long)VK_OUTBOUND_CONNECT_MS) &&
        SET(CURLOPT_TIMEOUT_MS, (long)left_ms) && SET(CURLOPT_OPENSOCKETFUNCTION, open_socket) &&
        SET(CURLOPT_OPENSOCKETDATA, c) && SET(CURLOPT_HEADERFUNCTION, take_head) &&
        SET(CURLOPT_HEADERDATA, c) && SET(CURLOPT_WRITEFUNCTION, take_body) && SET(CURLOPT_WRITEDATA, c) &&
        (!c->o->ca_file || SET(CURLOPT_CAINFO, c->o->ca_file));
    if (vk_str_eqz(ask->method, "HEAD"))
        set = set && SET(CURLOPT_NOBODY, 1L);
    if (has_body(ask)) /* an empty one too: its length is to be sent */
        set = set && SET(CURLOPT_POSTFIELDSIZE, (long)ask->body.n) &&
              SET(CURLOPT_POSTFIELDS, ask->body.n ? ask->body.p : "");
#undef SET
    if (!set) {
        e = fail(c, VK_E_INTERNAL, "libcurl refuses a setting");
        goto out;
    }
    CURLcode code = x->easy_perform(h);
    long status = 0;
    if (code == CURLE_OK && x->easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK) {
        c->answer->status = (int)status;
        e = VK_OK;
    } else {
        if (c->e == VK_OK && is_tls(code))
            c->answer->lack = VK_LACK_TLS;
        e = c->e != VK_OK ? c->e : fail(c, kind_of(code), "%s", x->easy_strerror(code));
    }
out:
    x->slist_free_all(pins);
    free_lines(x, lines);
    if (h)
        x->easy_cleanup(h);
    return e;
}

vk_err vk_outbound_call(const vk_outbound *o, const vk_outbound_ask *ask, vk_outbound_answer *answer)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"};
    call c = {.o = o, .answer = answer, .body_max = ask->body_max, .cut = ask->cut};
    const char *why;
    bool known = false;
    int64_t begun = vk_clock_mono_ms();
    answer->status = 0;
    answer->lack = VK_LACK_NOTHING;
    answer->why[0] = '\0';
    if (c.body_max > VK_OUTBOUND_BODY_MAX)
        c.body_max = VK_OUTBOUND_BODY_MAX;
    for (size_t i = 0; i < VK_COUNT(methods); i++)
        known |= vk_str_eqz(ask->method, methods[i]);
    vk_err e = VK_OK;
    if (!known)
        e = fail(&c, VK_E_INVALID, "this method is not sent");
    if (e == VK_OK && ask->n_headers > VK_OUTBOUND_HEADERS)
        e = fail(&c, VK_E_INVALID, "there are more than %d headers", VK_OUTBOUND_HEADERS);
    for (size_t i = 0; e == VK_OK && i < ask->n_headers; i++)
        if (!vk_outbound_header_ok(&ask->headers[i]))
            e = fail(&c, VK_E_INVALID, "a header cannot be sent");
    if (e == VK_OK && vk_target_parse(ask->url, &c.target, &why) != VK_OK)
        e = fail(&c, VK_E_INVALID, "the URL cannot be used: %s", why);
    bool registered = e == VK_OK && ask->origin.n && vk_target_has_origin(&c.target, ask->origin);
    if (e == VK_OK && (why = vk_egress_port(&o->egress, &c.target, registered)))
        e = fail(&c, VK_E_FORBIDDEN, "\"%s\" is not asked: %s", c.target.host, why);
    c.loopback = registered && says_loopback(&c.target);
    if (e == VK_OK)
        e = resolve(&c);
    int64_t total = o->total_ms ? o->total_ms : VK_OUTBOUND_MS, left = total - (vk_clock_mono_ms() - begun);
    if (e == VK_OK && left <= 0)
        e = fail(&c, VK_E_TIMEOUT, "\"%s\" was not resolved in time", c.target.host);
    if (e == VK_OK)
        e = perform(&c, ask, left);
    if (e == VK_E_TIMEOUT && !strchr(answer->why, '"'))
        fail(&c, e, "\"%s\" did not answer within %lld seconds", c.target.host, (long long)(total / 1000));
    answer->ms = vk_clock_mono_ms() - begun;
    if (e != VK_OK && answer->lack == VK_LACK_NOTHING)
        answer->lack = lack_of(e);
    return e;
}
