#include "services/database/postgres/postgres.h"

#include "core/buf.h"

static const char *isolation(const vk_binding *b)
{
    VK_UNUSED(b);
    return "a database and a role of its own";
}

static const char *refused(const vk_binding *b)
{
    return vk_binding_value(b, "host").n ? NULL
                                         : "A database that speaks PostgreSQL's protocol needs its host, "
                                           "port, database and user, and the "
                                           "password";
}

static void part(vk_buf *out, vk_str s)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._~", c)) {
            vk_buf_ch(out, (char)c);
            continue;
        }
        vk_buf_ch(out, '%');
        vk_buf_ch(out, digits[c >> 4]);
        vk_buf_ch(out, digits[c & 15]);
    }
}

vk_str vk_db_pg_url(vk_arena *a, vk_secret user, vk_secret password, vk_str host, vk_str port,
                    vk_str database, vk_str sslmode)
{
    vk_buf out;
    vk_buf_init(&out, VK_DB_PG_URL_MAX);
    out.secret = true;
    vk_buf_lit(&out, "postgresql://");
    part(&out, vk_secret_bytes(user));
    vk_buf_ch(&out, ':');
    part(&out, vk_secret_bytes(password));
    vk_buf_ch(&out, '@');
    bool v6 = host.n && memchr(host.p, ':', host.n);
    if (v6)
        vk_buf_ch(&out, '[');
    vk_buf_str(&out, host); /* letters, digits, points, colons: vault and metadata agree on it */
    if (v6)
        vk_buf_ch(&out, ']');
    if (port.n) {
        vk_buf_ch(&out, ':');
        vk_buf_str(&out, port);
    }
    vk_buf_ch(&out, '/');
    part(&out, database);
    if (sslmode.n && !vk_str_eqz(sslmode, "prefer")) {
        vk_buf_lit(&out, "?sslmode=");
        part(&out, sslmode);
    }
    vk_str url = out.err == VK_OK ? vk_arena_dup(a, vk_buf_view(&out)) : VK_STR_NONE;
    vk_buf_free_secret(&out);
    return url;
}

/* The one name that every client and tool for PostgreSQL reads. TURSO_* stand for another protocol. */
static vk_err direct(const vk_runtime *rt, int index, vk_arena *a, const vk_build *b,
                     const vk_binding *binding, const vk_secret *keys,
                     vk_secret (*given)(void *arg, const char *name), void *arg, vk_env_var *out, size_t room,
                     size_t *n_r)
{
    VK_UNUSED(rt);
    VK_UNUSED(index);
    VK_UNUSED(b);
    VK_UNUSED(binding);
    VK_UNUSED(keys);
    vk_secret user = given(arg, "user"), password = given(arg, "password");
    vk_str host = vk_secret_bytes(given(arg, "host")), database = vk_secret_bytes(given(arg, "database"));
    if (!user.n || !password.n || !host.n || !database.n)
        return VK_E_UNAVAILABLE;
    vk_str url = vk_db_pg_url(a, user, password, host, vk_secret_bytes(given(arg, "port")), database,
                              vk_secret_bytes(given(arg, "sslmode")));
    if (!url.p || room < 1)
        return VK_E_NOMEM;
    out[0] = (vk_env_var){"DATABASE_URL", url, true};
    *n_r = 1;
    return VK_OK;
}

const vk_driver vk_db_postgres = {
    .name = "postgres", .isolation = isolation, .refused = refused, .direct = direct, .only_direct = true};

/* ---- Neon gives the whole address */

static const char *neon_refused(const vk_binding *b)
{
    return vk_binding_value(b, "project_id").n
               ? NULL
               : "A database at Neon needs its project_id, and its address as connection_uri";
}

static const char *neon_isolation(const vk_binding *b)
{
    VK_UNUSED(b);
    return "a project of its own";
}

static vk_err neon_direct(const vk_runtime *rt, int index, vk_arena *a, const vk_build *b,
                          const vk_binding *binding, const vk_secret *keys,
                          vk_secret (*given)(void *arg, const char *name), void *arg, vk_env_var *out,
                          size_t room, size_t *n_r)
{
    VK_UNUSED(rt);
    VK_UNUSED(index);
    VK_UNUSED(b);
    VK_UNUSED(binding);
    VK_UNUSED(keys);
    vk_secret uri = given(arg, "connection_uri");
    if (!uri.n)
        return VK_E_UNAVAILABLE;
    vk_str url = vk_arena_dup(a, vk_secret_bytes(uri));
    if (!url.p || room < 1)
        return VK_E_NOMEM;
    out[0] = (vk_env_var){"DATABASE_URL", url, true};
    *n_r = 1;
    return VK_OK;
}

const vk_driver vk_db_neon = {.name = "neon",
                              .isolation = neon_isolation,
                              .refused = neon_refused,
                              .direct = neon_direct,
                              .only_direct = true};
