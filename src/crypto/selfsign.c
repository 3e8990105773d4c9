#include "crypto/selfsign.h"

#include "core/clock.h"
#include "core/random.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

enum { DAY_S = 86400, SERIAL = 16 };

vk_err vk_selfsign_name(vk_selfsign_names *names, vk_str name)
{
    char host[254], entry[264];
    unsigned char bytes[16];
    if (name.n > 1 && name.p[0] == '[' && name.p[name.n - 1] == ']')
        name = (vk_str){name.p + 1, name.n - 2};
    if (name.n == 0 || name.n >= sizeof host)
        return VK_E_INVALID;
    for (size_t i = 0; i < name.n; i++) /* no way out of one entry of the list */
        if (!((name.p[i] >= 'a' && name.p[i] <= 'z') || (name.p[i] >= 'A' && name.p[i] <= 'Z') ||
              (name.p[i] >= '0' && name.p[i] <= '9') || strchr("-._:", name.p[i])))
            return VK_E_INVALID;
    memcpy(host, name.p, name.n);
    host[name.n] = '\0';
    bool ip = inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
    if (!ip && strchr(host, ':'))
        return VK_E_INVALID;
    snprintf(entry, sizeof entry, "%s:%s", ip ? "IP" : "DNS", host);
    size_t at = strlen(names->text), n = strlen(entry);
    for (const char *p = names->text; p && *p; p = strchr(p, ','), p = p ? p + 1 : NULL)
        if (strncmp(p, entry, n) == 0 && (p[n] == ',' || p[n] == '\0'))
            return VK_OK;
    if (at + n + 2 > sizeof names->text)
        return VK_E_TOO_LARGE;
    snprintf(names->text + at, sizeof names->text - at, "%s%s", at ? "," : "", entry);
    return VK_OK;
}

static bool extend(X509 *cert, X509V3_CTX *ctx, int nid, const char *value)
{
    X509_EXTENSION *x = X509V3_EXT_conf_nid(NULL, ctx, nid, value);
    bool good = x && X509_add_ext(cert, x, -1) == 1;
    X509_EXTENSION_free(x);
    return good;
}

static bool set_serial(X509 *cert)
{
    uint8_t serial[SERIAL];
    vk_random(serial, sizeof serial);
    serial[0] = (uint8_t)((serial[0] & 0x7f) | 0x40); /* positive, and always of this length */
    BIGNUM *n = BN_bin2bn(serial, sizeof serial, NULL);
    bool good = n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert));
    BN_free(n);
    return good;
}

static X509 *certify(EVP_PKEY *key, const char *names)
{
    X509 *cert = X509_new();
    X509V3_CTX ctx;
    time_t now = (time_t)(vk_clock_wall_ms() / 1000);
    X509_NAME *self = cert ? X509_get_subject_name(cert) : NULL;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
    bool good =
        cert && X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) &&
        X509_time_adj_ex(X509_getm_notBefore(cert), -1, 0, &now) &&
        X509_time_adj_ex(X509_getm_notAfter(cert), VK_SELFSIGN_DAYS, 0, &now) &&
        X509_NAME_add_entry_by_txt(self, "CN", MBSTRING_ASC,
                                   (const unsigned char *)"valetkey, made by itself", -1, -1, 0) == 1 &&
        X509_set_issuer_name(cert, self) == 1 && X509_set_pubkey(cert, key) == 1 &&
        extend(cert, &ctx, NID_basic_constraints, "critical,CA:FALSE") &&
        extend(cert, &ctx, NID_key_usage, "critical,digitalSignature") &&
        extend(cert, &ctx, NID_ext_key_usage, "serverAuth") &&
        extend(cert, &ctx, NID_subject_alt_name, names) &&
        extend(cert, &ctx, NID_subject_key_identifier, "hash") && X509_sign(cert, key, EVP_sha256()) > 0;
    if (good)
        return cert;
    X509_free(cert);
    return NULL;
}

static vk_err take(BIO *b, vk_buf *out)
{
    char *p;
    long n = BIO_get_mem_data(b, &p);
    if (n <= 0)
        return VK_E_INTERNAL;
    vk_buf_add(out, p, (size_t)n);
    vk_wipe(p, (size_t)n);
    return out->err;
}

vk_err vk_selfsign(const vk_selfsign_names *names, vk_buf *cert, vk_buf *key)
{
    EVP_PKEY *pair = EVP_EC_gen("P-256");
    X509 *x = pair ? certify(pair, names->text) : NULL;
    BIO *b = BIO_new(BIO_s_secmem());
    vk_err e = VK_E_INTERNAL;
    if (x && b && PEM_write_bio_PrivateKey(b, pair, NULL, NULL, 0, NULL, NULL) == 1)
        e = take(b, key);
    BIO_free(b);
    b = BIO_new(BIO_s_mem());
    if (e == VK_OK)
        e = b && PEM_write_bio_X509(b, x) == 1 ? take(b, cert) : VK_E_INTERNAL;
    BIO_free(b);
    X509_free(x);
    EVP_PKEY_free(pair);
    ERR_clear_error();
    return e;
}

bool vk_selfsign_still_good(vk_str pem, const vk_selfsign_names *names)
{
    BIO *b = BIO_new_mem_buf(pem.n ? pem.p : "", (int)pem.n);
    X509 *cert = b ? PEM_read_bio_X509(b, NULL, NULL, NULL) : NULL;
    time_t soon = (time_t)(vk_clock_wall_ms() / 1000) + (time_t)VK_SELFSIGN_RENEW_DAYS * DAY_S;
    X509_EXTENSION *want = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names->text);
    int at = cert ? X509_get_ext_by_NID(cert, NID_subject_alt_name, -1) : -1;
    bool good = at >= 0 && want &&
                ASN1_OCTET_STRING_cmp(X509_EXTENSION_get_data(want),
                                      X509_EXTENSION_get_data(X509_get_ext(cert, at))) == 0 &&
                X509_cmp_time(X509_get0_notAfter(cert), &soon) > 0;
    X509_EXTENSION_free(want);
    X509_free(cert);
    BIO_free(b);
    ERR_clear_error();
    return good;
}
