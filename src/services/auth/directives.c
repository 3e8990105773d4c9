#include "services/auth/directives.h"

enum { LINE = 16384 + 256 };

static bool cookie_octets(vk_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c <= ' ' || c > '~' || c == '"' || c == ',' || c == ';' || c == '\\')
            return false;
    }
    return true;
}

/* IMF-fixdate of RFC 9110 §5.6.7. */
static void date(int64_t s, char out[32])
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct tm tm;
    time_t t = (time_t)s;
    gmtime_r(&t, &tm);
    char text[80];
    snprintf(text, sizeof text, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday], tm.tm_mday,
             months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
    memcpy(out, text, 30);
    out[29] = '\0';
}

static bool host_bytes(vk_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c && strchr("-._[]:", c))))
            return false;
    }
    return true;
}

/* The domains of two labels and more that the host lies in, highest first; 0: it is an address, or one word.
 */
static size_t domains(vk_str host, vk_str out[VK_AUTH_DOMAINS_MAX])
{
    size_t n = 0, labels = 0, last = host.n;
    bool digits = host.n > 0;
    for (size_t i = host.n; i > 0 && host.p[i - 1] != '.'; i--)
        digits = digits && host.p[i - 1] >= '0' && host.p[i - 1] <= '9';
    if (digits || memchr(host.p ? host.p : "", ':', host.n))
        return 0;
    for (size_t i = host.n; n < VK_AUTH_DOMAINS_MAX; i--) {
        if (i > 0 && host.p[i - 1] != '.')
            continue;
        if (i == last)
            return 0; /* an empty label */
        if (++labels >= 2)
            out[n++] = (vk_str){host.p + i, host.n - i};
        if (i == 0)
            break;
        last = i - 1;
    }
    return n;
}

typedef struct line {
    const char *name;
    vk_str value;
    bool gone;
    vk_str domain; /* VK_STR_NONE: the host alone */
} line;

static void write(vk_jw *w, vk_buf *b, const vk_auth_directives *d, const line *l, bool suffixed,
                  const char *expires)
{
    vk_buf_clear(b);
    vk_buf_z(b, l->name);
    if (suffixed) {
        vk_buf_ch(b, '_');
        vk_buf_str(b, d->suffix);
    }
    vk_buf_ch(b, '=');
    vk_buf_str(b, l->value);
    vk_buf_lit(b, "; Path=/; ");
    if (l->gone) {
        vk_buf_lit(b, "Max-Age=0");
    } else {
        vk_buf_lit(b, "Expires=");
        vk_buf_z(b, expires);
    }
    if (l->domain.n) {
        vk_buf_lit(b, "; Domain=");
        vk_buf_str(b, l->domain);
    }
    vk_buf_z(b, d->partitioned ? "; SameSite=None; Secure; Partitioned" : "; SameSite=Lax");
    vk_jw_str(w, vk_buf_view(b));
}

/* Signed out, those of domains go; a host without any gets the 0 that clerk-js writes there, too. */
static void write_uat(vk_jw *w, vk_buf *b, const vk_auth_directives *d, bool suffixed, const char *expires)
{
    char uat[24];
    vk_str in[VK_AUTH_DOMAINS_MAX];
    size_t n = domains(d->host, in);
    snprintf(uat, sizeof uat, "%lld", (long long)d->client_uat_s);
    line l = {.name = "__client_uat", .value = vk_str_z(uat)};
    if (n == 0)
        write(w, b, d, &l, suffixed, expires);
    l.gone = d->client_uat_s == 0;
    if (l.gone)
        l.value = VK_STR_NONE;
    for (size_t i = 0; i < n; i++) {
        l.domain = in[i];
        write(w, b, d, &l, suffixed, expires);
    }
}

vk_err vk_auth_directives_write(vk_jw *w, const vk_auth_directives *d)
{
    char expires[32];
    vk_buf b;
    vk_str browser = vk_secret_bytes(d->dev_browser), session = vk_secret_bytes(d->session);
    if (!cookie_octets(browser) || !cookie_octets(session) || !cookie_octets(d->suffix) || browser.n == 0 ||
        d->suffix.n == 0 || !host_bytes(d->host) || d->client_uat_s < 0 ||
        (session.n == 0) != (d->client_uat_s == 0))
        return VK_E_INVALID;
    if (browser.n + session.n > LINE - 256)
        return VK_E_TOO_LARGE;
    date(d->now_ms / 1000 + VK_AUTH_COOKIE_YEAR_S, expires);
    const line id = {.name = "__clerk_db_jwt", .value = browser};
    const line token = {.name = "__session", .value = session, .gone = session.n == 0};
    vk_buf_init(&b, LINE);
    b.secret = true;
    size_t begin = w->out->n;
    vk_jw_arr(w);
    for (int suffixed = 0; suffixed < 2; suffixed++) {
        write(w, &b, d, &id, suffixed, expires);
        write_uat(w, &b, d, suffixed, expires);
        write(w, &b, d, &token, suffixed, expires);
    }
    vk_jw_arr_end(w);
    vk_err e = b.err != VK_OK ? b.err : w->out->err;
    if (e != VK_OK)
        w->out->n = begin;
    vk_buf_free_secret(&b);
    return e;
}
