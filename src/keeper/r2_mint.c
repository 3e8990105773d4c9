#include "keeper/r2_mint.h"

#include <sodium.h>

#include "core/encode.h"
#include "core/json_write.h"
#include "crypto/sha256.h"

/* ---- making one */

static void texts(vk_jw *w, const char *name, vk_str one)
{
    vk_jw_key(w, vk_str_z(name));
    vk_jw_arr(w);
    if (one.n)
        vk_jw_str(w, one);
    vk_jw_arr_end(w);
}

static void payload(vk_buf *out, const vk_r2_ask *a)
{
    vk_jw w = vk_jw_on(out);
    vk_jw_obj(&w);
    vk_jw_kstr(&w, "bucket", a->bucket);
    vk_jw_kstr(&w, "scope", vk_str_z(a->scope));
    if (a->actions) {
        vk_jw_key(&w, VK_STR("actions"));
        vk_jw_arr(&w);
        for (const char *const *x = a->actions; *x; x++)
            vk_jw_str(&w, vk_str_z(*x));
        vk_jw_arr_end(&w);
    }
    if (a->prefix.n || a->object.n) { /* with none of them the credential is for all of the bucket */
        vk_jw_key(&w, VK_STR("paths"));
        vk_jw_obj(&w);
        texts(&w, "prefixPaths", a->prefix);
        texts(&w, "objectPaths", a->object);
        vk_jw_obj_end(&w);
    }
    vk_jw_kstr(&w, "sub", a->account);
    vk_jw_kstr(&w, "iss", a->id);
    vk_jw_kstr(&w, "aud", a->host);
    vk_jw_ki64(&w, "iat", a->now_s);
    vk_jw_ki64(&w, "exp", a->now_s + a->ttl_s);
    vk_jw_obj_end(&w);
}

/* base64url of the MAC of what is behind `from`. */
static void sign(vk_buf *jws, size_t from, vk_secret secret)
{
    vk_hmac256_key key;
    uint8_t mac[VK_SHA256];
    vk_hmac256_key_init(&key, vk_secret_bytes(secret));
    vk_hmac256(&key, (vk_str){jws->p + from, jws->n - from}, mac);
    vk_wipe(&key, sizeof key);
    vk_buf_ch(jws, '.');
    vk_base64url(jws, mac, sizeof mac);
    vk_wipe(mac, sizeof mac);
}

static void derive(vk_str jws, char out[VK_R2_SECRET + 1])
{
    uint8_t hash[VK_SHA256];
    vk_sha256_run run;
    vk_sha256_begin(&run);
    vk_sha256_add(&run, jws);
    vk_sha256_end(&run, hash);
    vk_hex(out, hash, sizeof hash);
    vk_wipe(hash, sizeof hash);
    vk_wipe(&run, sizeof run);
}

vk_err vk_r2_mint(const vk_r2_ask *a, vk_r2_temporary *out_r)
{
    static const char head[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}", lead[] = "jwt/";
    vk_buf claims, jws, token;
    vk_buf_init(&claims, VK_R2_TOKEN_MAX);
    vk_buf_init(&jws, VK_R2_TOKEN_MAX);
    vk_buf_init(&token, VK_R2_TOKEN_MAX);
    jws.secret = token.secret = true;
    payload(&claims, a);
    vk_buf_add(&jws, lead, sizeof lead - 1);
    vk_base64url(&jws, head, sizeof head - 1);
    vk_buf_ch(&jws, '.');
    vk_base64url(&jws, claims.p, claims.n);
    vk_err e = claims.err != VK_OK ? claims.err : jws.err;
    if (e == VK_OK) {
        sign(&jws, sizeof lead - 1, a->secret);
        vk_base64(&token, jws.p, jws.n, true);
        e = jws.err != VK_OK ? jws.err : token.err;
    }
    if (e == VK_OK) {
        derive((vk_str){jws.p + sizeof lead - 1, jws.n - (sizeof lead - 1)}, out_r->secret);
        memcpy(out_r->token, token.p, token.n);
        out_r->token_n = token.n;
    }
    vk_buf_free(&claims);
    vk_buf_free_secret(&jws);
    vk_buf_free_secret(&token);
    return e;
}

/* ---- keeping it */

struct kept {
    char build[40];
    uint64_t parent, used;
    int64_t until_s; /* 0: nothing is here */
    vk_r2_temporary made;
};

static struct kept *store; /* VK_R2_CACHED of them */
static uint64_t uses;

static struct kept *place_of(const char *build)
{
    struct kept *oldest = &store[0];
    for (size_t i = 0; i < VK_R2_CACHED; i++) {
        if (store[i].until_s && strcmp(store[i].build, build) == 0)
            return &store[i];
        if (store[i].used < oldest->used)
            oldest = &store[i];
    }
    return oldest;
}

const vk_r2_temporary *vk_r2_credential(const vk_r2_ask *a, const char *build, uint64_t parent)
{
    if (!store) {
        store = sodium_allocarray(VK_R2_CACHED, sizeof *store);
        if (!store)
            return NULL;
        memset(store, 0, VK_R2_CACHED * sizeof *store);
    }
    size_t n = strlen(build);
    struct kept *k = place_of(build);
    if (n >= sizeof k->build)
        return NULL;
    int64_t made_s = k->until_s - a->ttl_s, age = a->now_s - made_s;
    bool good = k->until_s && strcmp(k->build, build) == 0 && k->parent == parent && age >= 0 &&
                age < a->ttl_s * VK_R2_FRESH / 100;
    if (!good) {
        vk_wipe(k, sizeof *k);
        if (vk_r2_mint(a, &k->made) != VK_OK)
            return NULL;
        memcpy(k->build, build, n + 1);
        k->parent = parent;
        k->until_s = a->now_s + a->ttl_s;
    }
    k->used = ++uses;
    return &k->made;
}

void vk_r2_forget(void)
{
    sodium_free(store); /* wipes */
    store = NULL;
}
