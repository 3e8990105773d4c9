/* Session tokens, version 2 of Clerk's claims, and those that were made in the last seconds: a page asks for
 * several at once. What the
 * SDKs look at: `iat` against the cookie __client_uat, `azp`, `iss`, `sts`, the times with 5 s of skew. */
#include "services/auth/call.h"

#include "core/log.h"
#include "core/map.h"
#include "core/random.h"
#include "core/encode.h"
#include "crypto/jwt.h"

enum {
    LIFE_S = 60,
    NBF_S = 10, /* nbf is so long before iat */
    /* How long a token is given again. clerk-js 5 takes any token that it gets for a new one and asks for the
     * next when 15 s are left of LIFE_S: what is much older than that would end in the app's cookie. */
    AGAIN_S = 10,
    ENTRIES_MAX = 4096, /* of one pool; about 1 KiB each */
    BYTES_MAX = 8 * 1024 * 1024,
    JTI = 10,
};

typedef struct entry {
    vk_map_node node;
    vk_list age;
    char session[VK_AUTH_ID_MAX + 1], azp[VK_AUTH_ORIGIN_MAX + 1];
    int64_t updated_ms, verified_ms, made_ms, until_ms; /* the first two are what it was made of */
    size_t n;
    char jwt[];
} entry;

struct vk_auth_tokens {
    vk_map map;
    vk_list by_age; /* the oldest first, which also ends first */
    size_t n, bytes;
    int64_t life_s;
};

/* Tests see tokens end by VALETKEY_TEST_TOKEN_SECONDS, 2 to 59: it only makes them shorter. Said aloud. */
static int64_t life_s(void)
{
    const char *text = getenv("VALETKEY_TEST_TOKEN_SECONDS");
    int64_t s;
    if (!text || vk_str_to_i64(vk_str_z(text), &s) != VK_OK || s < 2 || s >= LIFE_S)
        return LIFE_S;
    vk_log(VK_WARN, "VALETKEY_TEST_TOKEN_SECONDS shortens the life of session tokens", VK_F(seconds, s));
    return s;
}

static vk_auth_tokens *tokens_of(vk_auth_call *c)
{
    vk_auth_tokens **at = vk_auth_pool_tokens(c->pool);
    if (!*at) {
        vk_auth_tokens *t = calloc(1, sizeof *t);
        if (t) {
            vk_map_init(&t->map);
            vk_list_init(&t->by_age);
            t->life_s = life_s();
        }
        *at = t;
    }
    return *at;
}

static void drop(vk_auth_tokens *t, entry *e)
{
    size_t size = sizeof *e + e->n;
    vk_map_remove(&t->map, &e->node);
    vk_list_remove(&e->age);
    t->n--;
    t->bytes -= size;
    vk_wipe(e, size);
    free(e);
}

static entry *oldest(vk_auth_tokens *t)
{
    return vk_list_empty(&t->by_age) ? NULL : VK_CONTAINER(t->by_age.next, entry, age);
}

void vk_auth_tokens_free(vk_auth_tokens *t)
{
    if (!t)
        return;
    for (entry *e; (e = oldest(t));)
        drop(t, e);
    vk_map_free(&t->map);
    free(t);
}

static uint64_t hash_of(const vk_auth_session *s, vk_str azp)
{
    return vk_hash(s->id, strlen(s->id)) ^ vk_hash(azp.p ? azp.p : "", azp.n) * 3;
}

static entry *find(vk_auth_tokens *t, const vk_auth_session *s, vk_str azp)
{
    vk_map_node *n = vk_map_find(&t->map, hash_of(s, azp));
    for (; n; n = vk_map_find_next(n)) {
        entry *e = VK_CONTAINER(n, entry, node);
        if (strcmp(e->session, s->id) == 0 && vk_str_eqz(azp, e->azp))
            return e;
    }
    return NULL;
}

/* Without memory, or with an origin that has no place, there is only the token. */
static void keep(vk_auth_tokens *t, const vk_auth_session *s, vk_str azp, const entry *times, vk_str jwt)
{
    size_t size = sizeof(entry) + jwt.n;
    entry *e = find(t, s, azp);
    if (e)
        drop(t, e);
    while ((e = oldest(t)) && (t->n >= ENTRIES_MAX || t->bytes + size > BYTES_MAX ||
                               times->made_ms >= e->until_ms || times->made_ms < e->made_ms))
        drop(t, e);
    if (azp.n > VK_AUTH_ORIGIN_MAX || !(e = calloc(1, size)))
        return;
    memcpy(e->session, s->id, sizeof e->session);
    if (azp.n)
        memcpy(e->azp, azp.p, azp.n);
    e->updated_ms = times->updated_ms;
    e->verified_ms = s->verified_ms;
    e->made_ms = times->made_ms;
    e->until_ms = times->until_ms;
    e->n = jwt.n;
    memcpy(e->jwt, jwt.p, jwt.n);
    if (vk_map_add(&t->map, &e->node, hash_of(s, azp)) != VK_OK) {
        vk_wipe(e, size);
        free(e);
        return;
    }
    vk_list_push(&t->by_age, &e->age);
    t->n++;
    t->bytes += size;
}

/* When the session's client changed last, which is the app's cookie __client_uat. */
static vk_err client_updated(vk_auth_call *c, const vk_auth_session *s, int64_t *ms_r)
{
    vk_auth_client other;
    *ms_r = 0;
    if (!s->client[0])
        return VK_OK;
    if (c->has_client && strcmp(c->client.id, s->client) == 0) {
        *ms_r = c->client.updated_ms;
        return VK_OK;
    }
    vk_err e = vk_auth_client_get(c->db, vk_str_z(s->client), &other);
    if (e == VK_OK)
        *ms_r = other.updated_ms;
    return e == VK_E_NOT_FOUND ? VK_OK : e;
}

static void claims(vk_jw *w, const vk_auth_call *c, const vk_auth_session *s, vk_str azp, int64_t iat,
                   int64_t exp)
{
    uint8_t random[JTI];
    char jti[2 * JTI + 1];
    int64_t minutes = (c->now_ms - s->verified_ms) / 60000;
    vk_random(random, sizeof random);
    vk_hex(jti, random, sizeof random);
    vk_jw_obj(w);
    if (azp.n)
        vk_jw_kstr(w, "azp", azp);
    vk_jw_ki64(w, "exp", exp);
    vk_jw_key(w, VK_STR("fva"));
    vk_jw_arr(w);
    vk_jw_i64(w, minutes > 0 ? minutes : 0);
    vk_jw_i64(w, -1);
    vk_jw_arr_end(w);
    vk_jw_ki64(w, "iat", iat);
    vk_jw_kstr(w, "iss", vk_str_z(c->about->issuer));
    vk_jw_kstr(w, "jti", (vk_str){jti, sizeof jti - 1});
    vk_jw_ki64(w, "nbf", iat - NBF_S);
    vk_jw_kstr(w, "sid", vk_str_z(s->id));
    vk_jw_kstr(w, "sts", VK_STR("active"));
    vk_jw_kstr(w, "sub", vk_str_z(s->user));
    vk_jw_ki64(w, "v", 2);
    vk_jw_obj_end(w);
}

static vk_auth_fail make(vk_auth_call *c, const vk_auth_session *s, vk_str azp, int64_t iat, int64_t exp,
                         vk_secret *jwt_r)
{
    const vk_rsa *key;
    vk_buf text, jwt;
    vk_auth_fail f = vk_auth_rsa(c, &key);
    if (f != VK_AUTH_F_OK)
        return f;
    vk_buf_init(&text, VK_JWT_CLAIMS_MAX);
    vk_buf_init(&jwt, VK_JWT_MAX);
    jwt.secret = true;
    vk_jw w = vk_jw_on(&text);
    claims(&w, c, s, azp, iat, exp);
    vk_err e = text.err;
    if (e == VK_OK)
        e = vk_jwt_sign(key, vk_str_z(c->about->instance), VK_JWT_CAT_SESSION, vk_buf_view(&text), &jwt);
    if (e == VK_OK) {
        vk_str copy = vk_arena_dup(c->arena, vk_buf_view(&jwt));
        *jwt_r = vk_secret_of(copy);
        e = copy.p ? VK_OK : VK_E_NOMEM;
    }
    vk_buf_free(&text);
    vk_buf_free_secret(&jwt);
    return e == VK_OK ? VK_AUTH_F_OK : vk_auth_broke(c, e);
}

vk_auth_fail vk_auth_token_of(vk_auth_call *c, const vk_auth_session *s, vk_str azp, bool fresh,
                              vk_secret *jwt_r)
{
    entry times = {.made_ms = c->now_ms};
    vk_auth_tokens *t = tokens_of(c);
    if (!t)
        return vk_auth_broke(c, VK_E_NOMEM);
    vk_err e = client_updated(c, s, &times.updated_ms);
    if (e != VK_OK)
        return vk_auth_broke(c, e);
    c->ex->secret = true;
    entry *old = fresh ? NULL : find(t, s, azp);
    if (old && old->updated_ms == times.updated_ms && old->verified_ms == s->verified_ms &&
        c->now_ms >= old->made_ms && c->now_ms < old->until_ms) {
        vk_str copy = vk_arena_dup(c->arena, (vk_str){old->jwt, old->n});
        *jwt_r = vk_secret_of(copy);
        return copy.p ? VK_AUTH_F_OK : vk_auth_broke(c, VK_E_NOMEM);
    }
    /* A clock that was set back must not make tokens from before the client's last change: the SDK would
     * send the browser from one handshake to the next. */
    int64_t iat = c->now_ms / 1000, uat = times.updated_ms / 1000;
    if (iat < uat)
        iat = uat;
    int64_t again = t->life_s / 6 < AGAIN_S ? t->life_s / 6 : AGAIN_S;
    times.until_ms = c->now_ms / 1000 * 1000 + again * 1000;
    vk_auth_fail f = make(c, s, azp, iat, iat + t->life_s, jwt_r);
    if (f == VK_AUTH_F_OK)
        keep(t, s, azp, &times, vk_secret_bytes(*jwt_r));
    return f;
}

vk_auth_fail vk_auth_token(vk_auth_call *c, const vk_auth_session *s, vk_str azp, bool fresh,
                           vk_secret *jwt_r)
{
    vk_auth_person person;
    vk_err e = vk_auth_session_person(c, s, &person);
    if (e != VK_OK)
        return e == VK_E_NOT_FOUND ? VK_AUTH_F_NOT_SIGNED_IN : vk_auth_broke(c, e);
    return vk_auth_token_of(c, s, azp, fresh, jwt_r);
}
