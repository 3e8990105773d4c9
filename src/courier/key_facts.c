#include "courier/key_facts.h"

#include "core/json_read.h"
#include "courier/match.h"

#define HOST "([A-Za-z0-9._-]+)"
#define PORT "(:([0-9]{1,5}))?"
#define PATH "((/[A-Za-z0-9._~/-]*)?)"
#define R2 ".r2.cloudflarestorage.com"

static const char libsql_form[] = "^(libsql|wss|https)://" HOST PORT PATH "$";
static const char postgres_form[] = "^postgres(ql)?://(([^/?#]*)@)?" HOST PORT "/([^/?#]+)([?][^#]*)?$";
static const char s3_form[] = "^https://" HOST PORT PATH "$";
/* A Stripe key behind its mode, when it is long enough to be one that begins with the account. */
static const char account_form[] = "^[a-z]{2}_(test|live)_5([0-9A-Za-z]{16})[0-9A-Za-z]{43,}$";
static const int64_t last_second = 253402300799; /* of the year 9999 */

typedef struct facts {
    vk_arena *a;
    vk_vars *vars;
    vk_err e; /* the first */
} facts;

static void set(facts *f, const char *name, vk_str value, vk_var_kind kind)
{
    vk_err e = value.p ? vk_vars_set(f->vars, vk_str_z(name), value, kind) : VK_E_NOMEM;
    if (f->e == VK_OK)
        f->e = e;
}

static void set_plain(facts *f, const char *name, vk_str value)
{
    set(f, name, value, VK_VAR_PLAIN);
}

static vk_str get(const facts *f, const char *name)
{
    vk_str s = vk_vars_get(f->vars, vk_str_z(name));
    return s.p ? s : VK_STR("");
}

/* A group that did not take part is empty. */
static bool groups(const char *pattern, vk_str text, vk_str out[VK_GROUPS_MAX])
{
    return vk_pattern_groups(vk_str_z(pattern), text, out);
}

static vk_str lower(facts *f, vk_str s)
{
    char *p = vk_arena_alloc(f->a, s.n);
    for (size_t i = 0; p && i < s.n; i++)
        p[i] = s.p[i] >= 'A' && s.p[i] <= 'Z' ? (char)(s.p[i] | 0x20) : s.p[i];
    return (vk_str){p, p ? s.n : 0};
}

static bool ends_with(vk_str s, const char *tail)
{
    size_t n = strlen(tail);
    return s.n >= n && memcmp(s.p + s.n - n, tail, n) == 0;
}

/* Without the port that is understood, and without slashes at the end. */
static vk_str origin_of(facts *f, vk_str host, vk_str port, vk_str path)
{
    int64_t number;
    while (path.n && path.p[path.n - 1] == '/')
        path.n--;
    bool usual = port.n == 0 || (vk_str_to_i64(port, &number) == VK_OK && number == 443);
    return vk_arena_printf(f->a, "https://" VK_STR_FMT "%s" VK_STR_FMT VK_STR_FMT, VK_STR_ARG(host),
                           usual ? "" : ":", usual ? 0 : (int)port.n, usual ? "" : port.p, VK_STR_ARG(path));
}

/* ---- pairs of keys */

static vk_str mode_of(vk_str key)
{
    vk_str g[VK_GROUPS_MAX];
    return groups("^(pk|sk|rk)_(test|live)_", key, g) ? g[2] : VK_STR("");
}

static void set_pair(facts *f, const char *publishable, const char *secret)
{
    vk_str pk = mode_of(get(f, publishable)), sk = mode_of(get(f, secret));
    set_plain(f, "pk_mode", pk);
    set_plain(f, "sk_mode", sk);
    set_plain(f, "mode", pk.n == 0 || vk_str_eq(pk, sk) ? sk : VK_STR(""));
}

/* One word for test, one for live. */
static void set_by_mode(facts *f, const char *name, const char *test, const char *live)
{
    vk_str mode = get(f, "sk_mode");
    const char *word = vk_str_eqz(mode, "test") ? test : vk_str_eqz(mode, "live") ? live : "";
    set_plain(f, name, vk_str_z(word));
}

vk_str vk_base64_loose(vk_arena *a, vk_str text)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *out = vk_arena_alloc(a, text.n / 4 * 3 + 3);
    uint32_t bits = 0, held = 0;
    size_t n = 0;
    for (size_t i = 0; out && i < text.n; i++) {
        char c = text.p[i] == '-' ? '+' : text.p[i] == '_' ? '/' : text.p[i];
        const char *at = c ? memchr(alphabet, c, 64) : NULL;
        if (!at)
            break;
        bits = (bits << 6 | (uint32_t)(at - alphabet)) & 0xffffff;
        held += 6;
        if (held >= 8) {
            held -= 8;
            out[n++] = (char)(bits >> held);
        }
    }
    return (vk_str){out, out ? n : 0};
}

/* The host in a publishable key of Clerk; empty when it is none. */
static void set_publishable_host(facts *f)
{
    vk_str g[VK_GROUPS_MAX], host = VK_STR("");
    if (groups("^pk_(test|live)_([A-Za-z0-9+/]+)={0,2}$", get(f, "NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY"), g)) {
        vk_str text = vk_base64_loose(f->a, g[2]);
        if (!text.p)
            host = VK_STR_NONE;
        else if (vk_pattern_matches(VK_STR("^[A-Za-z0-9_-]+([.][A-Za-z0-9_-]+)+[$]$"), text))
            host = lower(f, (vk_str){text.p, text.n - 1});
    }
    set(f, "pk_host", host, VK_VAR_ORIGIN);
}

static void set_account(facts *f, const char *name, const char *key)
{
    vk_str g[VK_GROUPS_MAX];
    set_plain(f, name, groups(account_form, get(f, key), g) ? g[2] : VK_STR(""));
}

/* ---- the database */

static vk_json *claims_of(facts *f, vk_str token)
{
    vk_str g[VK_GROUPS_MAX];
    vk_json *claims;
    if (!groups("^[A-Za-z0-9_-]+[.]([A-Za-z0-9_-]+)[.][A-Za-z0-9_-]+$", token, g))
        return NULL;
    vk_str text = vk_base64_loose(f->a, g[1]);
    if (vk_json_parse(f->a, text, &claims, NULL, NULL) != VK_OK || claims->type != VK_JSON_OBJECT)
        return NULL;
    return claims;
}

static void set_expiry(facts *f, const vk_json *claims, int64_t now_ms)
{
    const vk_json *exp = vk_json_get(claims, VK_STR("exp"));
    int64_t s;
    struct tm t;
    if (vk_json_i64(exp, &s) != VK_OK || s < 0 || s > last_second)
        return;
    time_t at = (time_t)s;
    if (!gmtime_r(&at, &t))
        return;
    set_plain(f, "jwt_exp",
              vk_arena_printf(f->a, "%04d-%02d-%02d", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday));
    set_plain(f, "jwt_expired", s * 1000 <= now_ms ? VK_STR("yes") : VK_STR("no"));
}

/* Turso's claims: "p" names what may be done, "a" is the older form. */
static void set_access(facts *f, const vk_json *claims)
{
    static const char *const writing[] = {"rw", "rwa", "ddl"};
    const vk_json *p = vk_json_get(claims, VK_STR("p"));
    vk_str a = vk_json_str(vk_json_get(claims, VK_STR("a")));
    bool writes = false;
    for (size_t i = 0; i < VK_COUNT(writing); i++)
        writes |= vk_json_get(p, vk_str_z(writing[i])) != NULL;
    if (p && p->type == VK_JSON_OBJECT)
        set_plain(f, "jwt_access", writes ? VK_STR("rw") : VK_STR("ro"));
    else if (vk_str_eqz(a, "ro") || vk_str_eqz(a, "rw"))
        set_plain(f, "jwt_access", a);
}

static void set_database(facts *f, int64_t now_ms)
{
    vk_str url = get(f, "TURSO_DATABASE_URL"), g[VK_GROUPS_MAX];
    const char *kind = "";
    if (groups(libsql_form, url, g)) {
        vk_str host = lower(f, g[2]);
        kind = "libsql";
        set_plain(f, "db_host", host);
        set(f, "db_http", host.p ? origin_of(f, host, g[4], g[5]) : VK_STR_NONE, VK_VAR_ORIGIN);
    } else if (groups(postgres_form, url, g)) {
        kind = "postgres";
        set(f, "pg_host", lower(f, g[4]), VK_VAR_ORIGIN);
        set_plain(f, "pg_port", g[6].n ? g[6] : VK_STR("5432"));
        set_plain(f, "pg_db", g[7]);
        set(f, "pg_login", g[3], VK_VAR_SECRET);
    }
    set_plain(f, "db_kind", vk_str_z(kind));
    const vk_json *claims = claims_of(f, get(f, "TURSO_AUTH_TOKEN"));
    if (claims) {
        set_expiry(f, claims, now_ms);
        set_access(f, claims);
    }
}

/* ---- the storage */

static void set_storage_host(facts *f, vk_str host, bool typed)
{
    vk_str g[VK_GROUPS_MAX];
    set_plain(f, "s3_host", host);
    set_plain(f, "s3_vendor",
              ends_with(host, R2)                 ? VK_STR("r2")
              : ends_with(host, ".amazonaws.com") ? VK_STR("aws")
                                                  : VK_STR("other"));
    bool r2 = groups("^([0-9a-f]{32})[.]((eu|fedramp)[.])?r2[.]cloudflarestorage[.]com$", host, g);
    set_plain(f, "s3_host_account", r2 && typed ? g[1] : VK_STR(""));
    if (groups("^s3[.-]([a-z0-9-]+)[.]amazonaws[.]com$", host, g))
        set_plain(f, "s3_host_region", g[1]);
    else
        set_plain(f, "s3_host_region",
                  vk_str_eqz(host, "s3.amazonaws.com") ? VK_STR("us-east-1") : VK_STR(""));
}

static void set_storage(facts *f, vk_str probe)
{
    vk_str account = get(f, "R2_ACCOUNT_ID"), typed = get(f, "R2_ENDPOINT"), prefix = get(f, "R2_PREFIX"),
           region = get(f, "AWS_REGION"), g[VK_GROUPS_MAX], host, endpoint;
    set(f, "canary",
        vk_arena_printf(f->a, VK_STR_FMT ".valetkey-probe/" VK_STR_FMT, VK_STR_ARG(prefix),
                        VK_STR_ARG(probe)),
        VK_VAR_PATH);
    set_plain(f, "s3_region", region.n ? region : VK_STR("auto"));
    if (groups(s3_form, typed, g)) {
        host = lower(f, g[1]);
        endpoint = host.p ? origin_of(f, host, g[3], g[4]) : VK_STR_NONE;
    } else if (typed.n == 0 && vk_pattern_matches(VK_STR("^[0-9a-f]{32}$"), account)) {
        host = vk_arena_printf(f->a, VK_STR_FMT R2, VK_STR_ARG(account));
        endpoint = vk_arena_printf(f->a, "https://" VK_STR_FMT R2, VK_STR_ARG(account));
    } else {
        return;
    }
    set(f, "s3_endpoint", endpoint, VK_VAR_ORIGIN);
    if (host.p)
        set_storage_host(f, host, typed.n > 0);
}

vk_err vk_key_facts(vk_arena *a, vk_str service, int64_t now_ms, vk_str probe, vk_vars *vars)
{
    facts f = {.a = a, .vars = vars};
    set_plain(&f, "probe", probe);
    if (vk_str_eqz(service, "clerk")) {
        set_pair(&f, "NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY", "CLERK_SECRET_KEY");
        set_publishable_host(&f);
        set_by_mode(&f, "instance_type", "development", "production");
    } else if (vk_str_eqz(service, "stripe")) {
        set_pair(&f, "NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY", "STRIPE_SECRET_KEY");
        set_account(&f, "pk_account", "NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY");
        set_account(&f, "sk_account", "STRIPE_SECRET_KEY");
        set_by_mode(&f, "livemode", "false", "true");
    } else if (vk_str_eqz(service, "database")) {
        set_database(&f, now_ms);
    } else if (vk_str_eqz(service, "storage")) {
        set_storage(&f, probe);
    }
    return f.e;
}
