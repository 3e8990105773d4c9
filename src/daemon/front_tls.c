/* front holds the certificate and its key, as long as it runs; the supervisor has the files. */
#include "daemon/front.h"

#include "core/clock.h"

#include <unistd.h>

enum { DAY_MS = 86400 * 1000 };

static vk_err read_pem(int fd, vk_buf *out)
{
    vk_buf_init(out, VK_TLS_PEM_MAX);
    out->secret = true;
    for (;;) {
        char *room = vk_buf_room(out, 4096);
        ssize_t n = room ? pread(fd, room, 4096, (off_t)out->n) : 0;
        if (n < 0)
            return VK_E_IO;
        if (n == 0)
            return out->err;
        out->n += (size_t)n;
    }
}

static vk_err load(vk_front *f, int cert_fd, int key_fd, char why[VK_TLS_WHY_MAX])
{
    const vk_config *c = f->child->daemon->config;
    vk_buf cert, key;
    snprintf(why, VK_TLS_WHY_MAX, "The files of the certificate and its key cannot be read.");
    vk_err e = read_pem(cert_fd, &cert), e2 = read_pem(key_fd, &key);
    if (e == VK_OK && (e = e2) == VK_OK)
        e = vk_tls_host_load(f->rt.tls, vk_buf_view(&cert), vk_buf_view(&key),
                             c->tls_self_signed ? "tls/cert.pem" : c->tls_cert,
                             c->tls_self_signed ? "tls/key.pem" : c->tls_key, why);
    vk_buf_free_secret(&cert);
    vk_buf_free_secret(&key);
    return e;
}

/* Once after each loading, and every day. */
static void look(vk_front *f)
{
    vk_tls_facts x;
    char until[VK_CLOCK_TEXT];
    vk_tls_host_facts(f->rt.tls, &x);
    int64_t now = vk_clock_wall_ms(), days = (x.until_ms - now) / DAY_MS;
    vk_clock_text(x.until_ms, until);
    if (x.until_ms <= now)
        vk_log(VK_ERROR, "the certificate has expired: clients refuse it", VK_F(until, until),
               VK_F(names, x.names));
    else if (x.from_ms > now)
        vk_log(VK_ERROR, "the certificate is not valid yet: clients refuse it; is the clock right?",
               VK_F(names, x.names));
    else if (days < VK_CERTIFICATE_SOON_DAYS)
        vk_log(VK_WARN, "the certificate expires soon", VK_F(until, until), VK_F(days, days),
               VK_F(names, x.names));
}

static void daily(vk_timer *t)
{
    vk_front *f = VK_CONTAINER(t, vk_front, certificate);
    look(f);
    vk_timer_set(f->rt.loops[0], t, DAY_MS, daily);
}

static void loaded(vk_front *f)
{
    vk_tls_facts x;
    char until[VK_CLOCK_TEXT];
    vk_tls_host_facts(f->rt.tls, &x);
    vk_clock_text(x.until_ms, until);
    vk_log(VK_INFO, "the certificate is in use", VK_F(names, x.names), VK_F(key, x.key), VK_F(until, until));
    if (!x.names[0])
        vk_log(VK_WARN, "the certificate names no host (subjectAltName): clients refuse it");
    daily(&f->certificate);
}

void vk_front_tls_start(vk_front *f)
{
    const vk_daemon *d = f->child->daemon;
    char why[VK_TLS_WHY_MAX];
    f->next_cert = -1;
    if (!d->config->tls)
        return;
    if (vk_tls_host_new(&f->rt.tls) != VK_OK)
        vk_role_fail(f->child, "There is not enough memory to start.");
    if (load(f, d->tls_fds[0], d->tls_fds[1], why) != VK_OK)
        vk_role_fail(f->child, "%s", why);
    close(d->tls_fds[0]); /* ours; the supervisor keeps its own */
    close(d->tls_fds[1]);
    if (d->config->tls_self_signed)
        snprintf(f->rt.ca_file, sizeof f->rt.ca_file, "%.*s/tls/cert.pem", PATH_MAX - 16, d->data_dir);
    loaded(f);
}

void vk_front_tls_file(void *front, vk_note_kind kind, int fd)
{
    vk_front *f = front;
    char why[VK_TLS_WHY_MAX];
    if (kind == VK_NOTE_CERT || f->next_cert < 0 || !f->rt.tls) {
        if (f->next_cert >= 0)
            close(f->next_cert);
        f->next_cert = kind == VK_NOTE_CERT ? fd : -1;
        if (kind != VK_NOTE_CERT)
            close(fd);
        return;
    }
    if (load(f, f->next_cert, fd, why) != VK_OK) {
        vk_log(VK_ERROR, "the certificate stays as it was", VK_F(why, why));
    } else {
        loaded(f);
        if (vk_note_send(f->child->control, VK_NOTE_CERT, VK_FRONT, "", -1) != VK_OK)
            vk_log(VK_WARN, "the supervisor could not be told of the new certificate");
    }
    close(f->next_cert);
    close(fd);
    f->next_cert = -1;
}
