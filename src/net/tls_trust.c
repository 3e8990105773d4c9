#include "net/tls_trust.h"

#include "core/clock.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <unistd.h>

enum { READ_AT_ONCE = 34 * 1024 }; /* two records with one system call */

struct vk_tls_trust {
    SSL_CTX *ctx;
};

/* ---- sessions (RFC 5077, RFC 8446 §2.2) */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int memory_of = -1; /* the index of an SSL's vk_tls_memory */

static void make_index(void)
{
    memory_of = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

void vk_tls_forget(vk_tls_memory *m)
{
    SSL_SESSION_free(m->session); /* wipes its secret */
    *m = (vk_tls_memory){0};
}

/* 1: the reference is ours. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
    vk_tls_memory *m = SSL_get_ex_data(ssl, memory_of);
    if (!m || !SSL_SESSION_is_resumable(session))
        return 0;
    vk_tls_forget(m);
    *m = (vk_tls_memory){session, vk_clock_mono_ms()};
    return 1;
}

/* ---- whom to believe */

static void on_info(const SSL *ssl, int where, int ret)
{
    VK_UNUSED(ret);
    vk_tls_on_info(ssl, where);
}

static SSL_CTX *new_ctx(void)
{
    static const unsigned char http[] = "\x08http/1.1";
    SSL_CTX *c = SSL_CTX_new(TLS_client_method());
    if (!c)
        return NULL;
    SSL_CTX_set_options(c, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CLEANSE_PLAINTEXT);
    /* Buffers stay with their connection, of which there are few: to release them with each request, wiped,
     * costs as much as the encryption. What was read is wiped in them at once. */
    SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(c, 1);
    SSL_CTX_set_default_read_buffer_len(c, READ_AT_ONCE);
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(c, on_session);
    SSL_CTX_set_info_callback(c, on_info);
    SSL_CTX_set_verify(c, SSL_VERIFY_PEER, NULL);
    /* A certificate that the operator names is believed itself, whoever issued it. */
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(c), X509_V_FLAG_PARTIAL_CHAIN);
    if (SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION) == 1 &&
        SSL_CTX_set_cipher_list(
            c,
            "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
            "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305") == 1 &&
        SSL_CTX_set_ciphersuites(
            c, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256") == 1 &&
        SSL_CTX_set1_groups_list(c, "X25519:P-256:P-384") == 1 &&
        SSL_CTX_set_alpn_protos(c, http, sizeof http - 1) == 0)
        return c;
    SSL_CTX_free(c);
    return NULL;
}

static const char *of_system(void)
{
    static const char *const files[] = {"/etc/ssl/certs/ca-certificates.crt",
                                        "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"};
    for (size_t i = 0; i < VK_COUNT(files); i++)
        if (access(files[i], R_OK) == 0)
            return files[i];
    return NULL;
}

vk_err vk_tls_trust_new(const char *ca_file, vk_tls_trust **out_r, char why[VK_TLS_WHY_MAX])
{
    const char *file = ca_file ? ca_file : of_system();
    vk_tls_trust *t = calloc(1, sizeof *t);
    why[0] = 0;
    pthread_once(&once, make_index);
    if (!t || memory_of < 0 || !(t->ctx = new_ctx())) {
        free(t);
        ERR_clear_error();
        return VK_E_NOMEM;
    }
    bool found = file && X509_STORE_load_file(SSL_CTX_get_cert_store(t->ctx), file) == 1;
    ERR_clear_error();
    if (!found && ca_file) {
        snprintf(why, VK_TLS_WHY_MAX, "%.200s cannot be read as a file of certificates in PEM form.",
                 ca_file);
        vk_tls_trust_free(t);
        return VK_E_INVALID;
    }
    if (!found)
        snprintf(why, VK_TLS_WHY_MAX,
                 "This system has no file of certificate authorities, so no server is believed; install "
                 "ca-certificates, or name a file in SSL_CERT_FILE.");
    *out_r = t;
    return VK_OK;
}

void vk_tls_trust_free(vk_tls_trust *t)
{
    if (!t)
        return;
    SSL_CTX_free(t->ctx); /* goes with its last connection */
    free(t);
}

/* ---- connections */

typedef struct aim {
    const char *host;
    vk_tls_memory *memory;
} aim;

static bool is_address(const char *host)
{
    struct in6_addr any;
    return inet_pton(AF_INET, host, &any) == 1 || inet_pton(AF_INET6, host, &any) == 1;
}

static vk_err take_aim(void *ssl, void *arg)
{
    const aim *a = arg;
    X509_VERIFY_PARAM *p = SSL_get0_param(ssl);
    X509_VERIFY_PARAM_set_hostflags(p, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                           X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    if (is_address(a->host)) {
        if (X509_VERIFY_PARAM_set1_ip_asc(p, a->host) != 1)
            return VK_E_INVALID;
    } else if (X509_VERIFY_PARAM_set1_host(p, a->host, 0) != 1 ||
               SSL_set_tlsext_host_name(ssl, a->host) != 1) {
        return VK_E_INVALID;
    }
    vk_tls_memory *m = a->memory;
    if (!m)
        return VK_OK;
    /* One whose connection broke off is not to be resumed, says OpenSSL. */
    if (m->session &&
        (vk_clock_mono_ms() - m->born_ms > VK_TLS_MEMORY_MS || !SSL_SESSION_is_resumable(m->session)))
        vk_tls_forget(m);
    if (SSL_set_ex_data(ssl, memory_of, m) != 1 || (m->session && SSL_set_session(ssl, m->session) != 1))
        return VK_E_NOMEM;
    return VK_OK;
}

vk_err vk_tls_trust_connect(vk_tls_trust *t, vk_io *io, const char *host, vk_tls_memory *m)
{
    if (!host[0])
        return VK_E_INVALID;
    return vk_tls_client(io, t->ctx, take_aim, &(aim){host, m});
}
