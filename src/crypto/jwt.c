#include "crypto/jwt.h"

#include "core/encode.h"

/* ---- writing */

vk_err vk_jwt_sign(const vk_rsa *key, vk_str kid, vk_str cat, vk_str claims, vk_buf *out)
{
    uint8_t signature[VK_RSA_BYTES];
    size_t begin = out->n;
    vk_buf header;
    if (claims.n < 2 || claims.p[0] != '{' || claims.p[claims.n - 1] != '}')
        return VK_E_INVALID;
    if (claims.n > VK_JWT_CLAIMS_MAX || kid.n > VK_JWT_KID_MAX || cat.n > VK_JWT_KID_MAX)
        return VK_E_TOO_LARGE;
    vk_buf_init(&header, VK_JWT_HEADER_MAX);
    vk_jw w = vk_jw_on(&header);
    vk_jw_obj(&w);
    vk_jw_kstr(&w, "alg", VK_STR("RS256"));
    if (cat.n)
        vk_jw_kstr(&w, "cat", cat);
    vk_jw_kstr(&w, "kid", kid);
    vk_jw_kstr(&w, "typ", VK_STR("JWT"));
    vk_jw_obj_end(&w);
    vk_err e = header.err;
    if (e == VK_OK) {
        vk_base64url(out, header.p, header.n);
        vk_buf_ch(out, '.');
        vk_base64url(out, claims.p, claims.n);
        e = out->err;
    }
    if (e == VK_OK)
        e = vk_rsa_sign(key, (vk_str){out->p + begin, out->n - begin}, signature);
    if (e == VK_OK) {
        vk_buf_ch(out, '.');
        vk_base64url(out, signature, sizeof signature);
        e = out->err;
    }
    vk_buf_free(&header);
    if (e != VK_OK)
        out->n = begin; /* nothing half-made; the error stays */
    return e;
}

void vk_jwk_write(vk_jw *w, const vk_rsa *key, vk_str kid)
{
    uint8_t n[VK_RSA_BYTES];
    char text[4 * (VK_RSA_BYTES / 3 + 1)];
    vk_buf b = {.p = text, .cap = sizeof text, .max = sizeof text};
    vk_rsa_modulus(key, n);
    vk_base64url(&b, n, sizeof n);
    vk_jw_obj(w);
    vk_jw_kstr(w, "use", VK_STR("sig"));
    vk_jw_kstr(w, "kty", VK_STR("RSA"));
    vk_jw_kstr(w, "kid", kid);
    vk_jw_kstr(w, "alg", VK_STR("RS256"));
    vk_jw_kstr(w, "n", vk_buf_view(&b));
    vk_jw_kstr(w, "e", VK_STR("AQAB"));
    vk_jw_obj_end(w);
}

/* ---- reading */

/* The alphabet of RFC 4648 §5 only, no padding; leftover bits are vk_base64_decode's. */
static vk_err part(vk_arena *a, vk_str text, vk_str *out_r)
{
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
              c == '_'))
            return VK_E_INVALID;
    }
    return text.n ? vk_base64_decode(a, text, out_r) : VK_E_INVALID;
}

static bool unambiguous(const vk_json *v)
{
    if (v->type != VK_JSON_OBJECT && v->type != VK_JSON_ARRAY)
        return true;
    if (v->type == VK_JSON_OBJECT && v->count > VK_JWT_MEMBERS_MAX)
        return false;
    for (const vk_json *m = v->u.child; m; m = m->next) {
        if (!unambiguous(m))
            return false;
        for (const vk_json *n = m->next; v->type == VK_JSON_OBJECT && n; n = n->next)
            if (vk_str_eq(m->key, n->key))
                return false;
    }
    return true;
}

/* A JSON object without a name that stands twice, out of a part of the token. */
static vk_err object(vk_arena *a, vk_str text, size_t most, const vk_json **out_r)
{
    vk_str json;
    vk_json *v;
    vk_err e = part(a, text, &json);
    if (e == VK_OK && json.n > most)
        e = VK_E_TOO_LARGE;
    if (e == VK_OK)
        e = vk_json_parse(a, json, &v, NULL, NULL);
    if (e == VK_OK && (v->type != VK_JSON_OBJECT || !unambiguous(v)))
        e = VK_E_INVALID;
    if (e == VK_OK)
        *out_r = v;
    return e;
}

static vk_err header(const vk_json *h, vk_jwt *t, const char **why_r)
{
    bool has_alg = false;
    for (const vk_json *m = h->u.child; m; m = m->next) {
        vk_str s = vk_json_str(m);
        if (m->type != VK_JSON_STRING || s.n == 0 || s.n > VK_JWT_KID_MAX) {
            *why_r = "a member of the header is no text that it may be";
            return VK_E_INVALID;
        }
        if (vk_str_eqz(m->key, "alg")) {
            has_alg = vk_str_eqz(s, "RS256");
        } else if (vk_str_eqz(m->key, "kid")) {
            t->kid = s;
        } else if (vk_str_eqz(m->key, "cat")) {
            t->cat = s;
        } else if (!vk_str_eqz(m->key, "typ") || !vk_str_eqz(s, "JWT")) {
            *why_r = "the header has a member that it may not have";
            return VK_E_INVALID;
        }
    }
    if (!has_alg)
        *why_r = "its algorithm is not RS256";
    return has_alg ? VK_OK : VK_E_INVALID;
}

vk_err vk_jwt_parse(vk_arena *a, vk_secret token, vk_jwt *out_r, const char **why_r)
{
    const char *why = "it has no three parts";
    vk_str text = vk_secret_bytes(token), rest = text, head, body;
    const vk_json *h;
    vk_jwt t = {0};
    vk_err e = VK_E_INVALID;
    if (text.n > VK_JWT_MAX) {
        why = "it is too long";
        e = VK_E_TOO_LARGE;
        goto out;
    }
    if (!vk_str_cut(&rest, '.', &head) || !vk_str_cut(&rest, '.', &body))
        goto out;
    t.signed_part = (vk_str){text.p, head.n + 1 + body.n};
    why = "its header is no JSON object in base64url";
    e = object(a, head, VK_JWT_HEADER_MAX, &h);
    if (e == VK_OK)
        e = header(h, &t, &why);
    if (e != VK_OK)
        goto out;
    why = "its claims are no JSON object in base64url";
    e = object(a, body, VK_JWT_CLAIMS_MAX, &t.claims);
    if (e != VK_OK)
        goto out;
    why = "its signature is not one of RSA-2048 in base64url";
    e = part(a, rest, &t.signature);
    if (e == VK_OK && t.signature.n != VK_RSA_BYTES)
        e = VK_E_INVALID;
    if (e == VK_OK)
        *out_r = t;
out:
    *why_r = e == VK_OK ? NULL : e == VK_E_NOMEM ? "there is no memory" : why;
    return e;
}

vk_err vk_jwt_verify(const vk_jwt *t, const vk_rsa *key)
{
    return vk_rsa_verify(key, t->signed_part, t->signature);
}

/* A NumericDate of RFC 7519 §2 that is whole. False: another value; absent is VK_OK with *there_r false. */
static bool date(const vk_jwt *t, vk_str name, bool *there_r, int64_t *out_r)
{
    const vk_json *v = vk_json_get(t->claims, name);
    *there_r = v != NULL;
    return !v || (v->type == VK_JSON_INT && v->u.i >= 0 && (*out_r = v->u.i, true));
}

vk_err vk_jwt_times(const vk_jwt *t, int64_t now_s)
{
    bool has_exp, has_nbf, has_iat;
    int64_t exp = 0, nbf = 0, iat = 0;
    if (!date(t, VK_STR("exp"), &has_exp, &exp) || !date(t, VK_STR("nbf"), &has_nbf, &nbf) ||
        !date(t, VK_STR("iat"), &has_iat, &iat) || !has_exp)
        return VK_E_INVALID;
    if (now_s - VK_JWT_SKEW_S >= exp)
        return VK_E_EXPIRED;
    if ((has_nbf && nbf > now_s + VK_JWT_SKEW_S) || (has_iat && iat > now_s + VK_JWT_SKEW_S))
        return VK_E_UNAUTHORIZED;
    return VK_OK;
}
