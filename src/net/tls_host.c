/* Certificate, key and ticket keys of TLS listeners. */
#include "net/tls.h"

#include "core/clock.h"
#include "core/random.h"

#include <arpa/inet.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdarg.h>

enum {
    TICKET_NAME = 16,
    TICKET_KEY = 32,
    CHAIN_MAX = 10,
    SECURE_HEAP = 128 * 1024,
    SECURE_LEAST = 32,
};

typedef struct ticket_key {
    uint8_t name[TICKET_NAME], aes[TICKET_KEY], mac[TICKET_KEY];
    int64_t born_ms; /* 0: there is none */
} ticket_key;

struct vk_tls_host {
    pthread_mutex_t mu;
    SSL_CTX *ctx;
    vk_tls_facts facts;
    ticket_key keys[VK_TLS_TICKET_KEYS]; /* newest first */
    EVP_CIPHER *cipher;
};

/* ---- tickets (RFC 5077 §4, RFC 8446 §4.6.1) */

static void rotate(vk_tls_host *h, int64_t now)
{
    vk_wipe(&h->keys[VK_TLS_TICKET_KEYS - 1], sizeof h->keys[0]);
    memmove(&h->keys[1], &h->keys[0], sizeof h->keys[0] * (VK_TLS_TICKET_KEYS - 1));
    vk_random(&h->keys[0], sizeof h->keys[0]);
    h->keys[0].born_ms = now;
}

void vk_tls_host_rotate(vk_tls_host *h)
{
    pthread_mutex_lock(&h->mu);
    rotate(h, vk_clock_mono_ms());
    pthread_mutex_unlock(&h->mu);
}

/* The key for a new ticket (`name` NULL), or the one of that name. False: it is not known (any more). */
static bool find_key(vk_tls_host *h, const uint8_t *name, ticket_key *out_r, bool *newest_r)
{
    bool found = false;
    int64_t now = vk_clock_mono_ms();
    pthread_mutex_lock(&h->mu);
    if (h->keys[0].born_ms == 0 || now - h->keys[0].born_ms >= VK_TLS_TICKET_MS)
        rotate(h, now);
    for (size_t i = 0; i < VK_TLS_TICKET_KEYS && !found; i++) {
        const ticket_key *k = &h->keys[i];
        bool young = k->born_ms && now - k->born_ms < (int64_t)VK_TLS_TICKET_KEYS * VK_TLS_TICKET_MS;
        found = young && (!name || memcmp(name, k->name, TICKET_NAME) == 0);
        if (found) {
            *out_r = *k;
            *newest_r = i == 0;
        }
    }
    pthread_mutex_unlock(&h->mu);
    return found;
}

/* What SSL_CTX_set_tlsext_ticket_key_evp_cb(3) asks for: 1 good, 2 good but give the client a new one, 0 a
 * full handshake. A ticket of TLS 1.3 is for one use, so each use brings the next. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int encrypt)
{
    static char sha256[] = "SHA256";
    vk_tls_host *h = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    ticket_key k;
    bool newest = false;
    if (!find_key(h, encrypt ? NULL : name, &k, &newest))
        return 0;
    OSSL_PARAM params[] = {OSSL_PARAM_octet_string(OSSL_MAC_PARAM_KEY, k.mac, sizeof k.mac),
                           OSSL_PARAM_utf8_string(OSSL_MAC_PARAM_DIGEST, sha256, sizeof sha256 - 1),
                           OSSL_PARAM_END};
    int r;
    if (encrypt) {
        memcpy(name, k.name, TICKET_NAME);
        vk_random(iv, (size_t)EVP_CIPHER_get_iv_length(h->cipher));
        r = EVP_EncryptInit_ex(cipher, h->cipher, NULL, k.aes, iv) == 1 ? 1 : -1;
    } else {
        r = EVP_DecryptInit_ex(cipher, h->cipher, NULL, k.aes, iv) == 1 ? 1 : -1;
    }
    if (r == 1 && EVP_MAC_CTX_set_params(mac, params) != 1)
        r = -1;
    if (r == 1 && !encrypt && (!newest || SSL_version(ssl) >= TLS1_3_VERSION))
        r = 2;
    vk_wipe(&k, sizeof k);
    return r;
}

/* ---- ALPN */

/* In our order of preference; each as on the wire: length, name. */
static const char *const protocols[] = {"\x08"
                                        "http/1.1"};

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *n_out, const unsigned char *in,
                   unsigned n_in, void *arg)
{
    VK_UNUSED(ssl);
    VK_UNUSED(arg);
    for (size_t p = 0; p < VK_COUNT(protocols); p++)
        for (unsigned i = 0; i < n_in && in[i] < n_in - i; i += in[i] + 1U)
            if (vk_str_eqz((vk_str){(const char *)in + i, in[i] + 1U}, protocols[p])) {
                *out = in + i + 1;
                *n_out = in[i];
                return SSL_TLSEXT_ERR_OK;
            }
    return SSL_TLSEXT_ERR_ALERT_FATAL; /* no_application_protocol */
}

/* ---- context */

static void on_info(const SSL *ssl, int where, int ret)
{
    VK_UNUSED(ret);
    vk_tls_on_info(ssl, where);
}

static SSL_CTX *new_ctx(vk_tls_host *h)
{
    static const unsigned char id[] = "valetkey";
    SSL_CTX *c = SSL_CTX_new(TLS_server_method());
    if (!c)
        return NULL;
    SSL_CTX_set_options(c, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                               SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                            SSL_MODE_RELEASE_BUFFERS);
    /* One recv for a whole flight instead of two for each record. */
    SSL_CTX_set_read_ahead(c, 1);
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_timeout(c, (VK_TLS_TICKET_KEYS - 1) * (VK_TLS_TICKET_MS / 1000));
    SSL_CTX_set_num_tickets(c, 2);
    SSL_CTX_set_max_early_data(c, 0);
    SSL_CTX_set_alpn_select_cb(c, on_alpn, NULL);
    SSL_CTX_set_info_callback(c, on_info);
    SSL_CTX_set_app_data(c, h);
    if (SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION) == 1 &&
        SSL_CTX_set_cipher_list(
            c,
            "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
            "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305") == 1 &&
        SSL_CTX_set_ciphersuites(
            c, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256") == 1 &&
        SSL_CTX_set1_groups_list(c, "X25519:P-256:P-384") == 1 &&
        SSL_CTX_set_session_id_context(c, id, sizeof id - 1) == 1 &&
        SSL_CTX_set_tlsext_ticket_key_evp_cb(c, on_ticket) == 1)
        return c;
    SSL_CTX_free(c);
    return NULL;
}

static vk_err say(char why[VK_TLS_WHY_MAX], const char *fmt, ...) VK_PRINTF(2, 3);

static vk_err say(char why[VK_TLS_WHY_MAX], const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, VK_TLS_WHY_MAX, fmt, ap);
    va_end(ap);
    return VK_E_INVALID;
}

static int no_password(char *out, int size, int writing, void *arg)
{
    VK_UNUSED(out);
    VK_UNUSED(size);
    VK_UNUSED(writing);
    *(bool *)arg = true;
    return -1;
}

static BIO *text(vk_str pem)
{
    return BIO_new_mem_buf(pem.n ? pem.p : "", (int)pem.n);
}

static vk_err use_chain(SSL_CTX *c, vk_str pem, const char *name, char why[VK_TLS_WHY_MAX])
{
    BIO *b = text(pem);
    bool asked = false;
    X509 *cert = b ? PEM_read_bio_X509(b, NULL, no_password, &asked) : NULL;
    vk_err e = VK_OK;
    if (!cert)
        e = say(why, "%.200s holds no certificate in PEM form (BEGIN CERTIFICATE).", name);
    else if (SSL_CTX_use_certificate(c, cert) != 1)
        e = say(why, "The certificate in %.200s cannot be used: %s.", name,
                ERR_GET_REASON(ERR_peek_error()) == SSL_R_EE_KEY_TOO_SMALL
                    ? "its key is too small (at least RSA 2048 or EC 224 bit)"
                    : "its signature or its key is of a kind that clients refuse");
    X509_free(cert);
    for (int i = 0; e == VK_OK && i < CHAIN_MAX; i++) {
        X509 *next = PEM_read_bio_X509(b, NULL, no_password, &asked);
        if (!next)
            break;
        if (SSL_CTX_add0_chain_cert(c, next) != 1) {
            X509_free(next);
            e = say(why, "A certificate in the chain of %.200s cannot be used.", name);
        }
    }
    BIO_free(b);
    ERR_clear_error();
    return e;
}

static vk_err use_key(SSL_CTX *c, vk_str pem, const char *cert_name, const char *name,
                      char why[VK_TLS_WHY_MAX])
{
    BIO *b = text(pem);
    bool locked = false;
    EVP_PKEY *key = b ? PEM_read_bio_PrivateKey(b, NULL, no_password, &locked) : NULL;
    vk_err e = VK_OK;
    if (locked)
        e = say(why, "The key in %.200s is locked with a password; a daemon has nobody to ask for it.", name);
    else if (!key)
        e = say(why, "%.200s holds no private key in PEM form.", name);
    else if (X509_check_private_key(SSL_CTX_get0_certificate(c), key) != 1)
        e = say(why, "The key in %.200s does not belong to the certificate in %.200s.", name, cert_name);
    else if (SSL_CTX_use_PrivateKey(c, key) != 1)
        e = say(why, "The key in %.200s cannot be used.", name);
    EVP_PKEY_free(key); /* wipes */
    BIO_free(b);
    ERR_clear_error();
    return e;
}

/* ---- facts */

static int64_t asn1_ms(const ASN1_TIME *t)
{
    struct tm tm;
    return ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) * 1000 : 0;
}

static void add_name(vk_tls_facts *f, vk_str name)
{
    size_t at = strlen(f->names);
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] <= ' ' || name.p[i] == 127)
            return;
    if (name.n && at + name.n + 3 < sizeof f->names)
        snprintf(f->names + at, sizeof f->names - at, "%s" VK_STR_FMT, at ? ", " : "", VK_STR_ARG(name));
}

static void read_facts(const SSL_CTX *c, vk_tls_facts *f)
{
    X509 *cert = SSL_CTX_get0_certificate(c);
    EVP_PKEY *key = X509_get0_pubkey(cert);
    *f = (vk_tls_facts){.loaded = true,
                        .from_ms = asn1_ms(X509_get0_notBefore(cert)),
                        .until_ms = asn1_ms(X509_get0_notAfter(cert))};
    X509_digest(cert, EVP_sha256(), f->sha256, NULL);
    snprintf(f->key, sizeof f->key, "%.16s %d bit", EVP_PKEY_get0_type_name(key), EVP_PKEY_get_bits(key));
    GENERAL_NAMES *all = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(all); i++) {
        int type;
        const ASN1_STRING *v = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(all, i), &type);
        if (type == GEN_DNS) {
            add_name(f, (vk_str){(const char *)ASN1_STRING_get0_data(v), (size_t)ASN1_STRING_length(v)});
        } else if (type == GEN_IPADD) {
            char ip[64] = "";
            int n = ASN1_STRING_length(v);
            const void *bytes = ASN1_STRING_get0_data(v);
            if ((n == 4 || n == 16) && inet_ntop(n == 4 ? AF_INET : AF_INET6, bytes, ip, sizeof ip))
                add_name(f, vk_str_z(ip));
        }
    }
    GENERAL_NAMES_free(all);
    ERR_clear_error();
}

/* ---- host */

vk_err vk_tls_host_new(vk_tls_host **out_r)
{
    vk_tls_host *h = calloc(1, sizeof *h);
    if (!h)
        return VK_E_NOMEM;
    /* Locked, outside of core files; without the right to lock it is an ordinary heap that is wiped. */
    if (!CRYPTO_secure_malloc_initialized())
        CRYPTO_secure_malloc_init(SECURE_HEAP, SECURE_LEAST);
    h->cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
    if (!h->cipher) {
        free(h);
        return VK_E_NOMEM;
    }
    pthread_mutex_init(&h->mu, NULL);
    *out_r = h;
    return VK_OK;
}

void vk_tls_host_free(vk_tls_host *h)
{
    if (!h)
        return;
    SSL_CTX_free(h->ctx);
    EVP_CIPHER_free(h->cipher);
    pthread_mutex_destroy(&h->mu);
    vk_wipe(h, sizeof *h);
    free(h);
}

vk_err vk_tls_host_load(vk_tls_host *h, vk_str cert_pem, vk_str key_pem, const char *cert_name,
                        const char *key_name, char why[VK_TLS_WHY_MAX])
{
    vk_tls_facts facts;
    int64_t now = vk_clock_wall_ms();
    SSL_CTX *c = new_ctx(h), *before = c;
    vk_err e = VK_OK;
    if (!c)
        e = say(why, "OpenSSL refuses the settings for TLS.");
    if (e == VK_OK)
        e = use_chain(c, cert_pem, cert_name, why);
    if (e == VK_OK)
        e = use_key(c, key_pem, cert_name, key_name, why);
    if (e == VK_OK) {
        read_facts(c, &facts);
        pthread_mutex_lock(&h->mu);
        if (h->ctx && facts.until_ms <= now && h->facts.until_ms > now) {
            say(why, "The certificate in %.200s has expired.", cert_name);
            e = VK_E_EXPIRED;
        } else {
            before = h->ctx; /* goes with its last connection */
            h->ctx = c;
            h->facts = facts;
        }
        pthread_mutex_unlock(&h->mu);
    }
    SSL_CTX_free(before);
    ERR_clear_error();
    return e;
}

void vk_tls_host_facts(vk_tls_host *h, vk_tls_facts *out)
{
    pthread_mutex_lock(&h->mu);
    *out = h->facts;
    pthread_mutex_unlock(&h->mu);
}

void *vk_tls_host_ctx(vk_tls_host *h)
{
    pthread_mutex_lock(&h->mu);
    SSL_CTX *c = h->ctx;
    if (c)
        SSL_CTX_up_ref(c);
    pthread_mutex_unlock(&h->mu);
    return c;
}
