/* What a WebSocket has in the driver: a place among its build's sockets, and streams. A stream has a
 * connection of its own only while something is open on it; that is when the housekeeper knows it. */
#include "services/database/embedded/db.h"

vk_err vk_db_socket_open(vk_tenant *tenant, vk_dbt **out_r, const char **why_r)
{
    vk_err e = VK_OK;
    pthread_mutex_lock(&vk_db.mu);
    vk_dbt *t = vk_db_of_tenant(tenant);
    if (!t) {
        e = VK_E_NOMEM;
        *why_r = "Out of memory";
    } else if (t->closed || atomic_load(&tenant->closed)) {
        e = VK_E_UNAUTHORIZED;
        *why_r = "This valet key was revoked";
    } else if (t->sockets >= VK_DB_SOCKETS_MAX) {
        e = VK_E_BUSY;
        *why_r = "This build has 128 WebSocket connections to its database; close some, or use its http: URL";
    } else {
        t->sockets++;
        t->refs++;
        *out_r = t;
    }
    pthread_mutex_unlock(&vk_db.mu);
    return e;
}

void vk_db_socket_close(vk_dbt *t)
{
    pthread_mutex_lock(&vk_db.mu);
    t->sockets--;
    vk_db_unref(t);
    pthread_mutex_unlock(&vk_db.mu);
}

vk_stream *vk_db_stream_new(void)
{
    vk_stream *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    vk_list_init(&s->node);
    s->socket = true;
    return s;
}

bool vk_db_stream_holds(vk_stream *s)
{
    pthread_mutex_lock(&vk_db.mu);
    bool holds = s->busy || s->h; /* busy: the housekeeper has it */
    pthread_mutex_unlock(&vk_db.mu);
    return holds;
}

void vk_db_stream_drop(vk_dbt *t, vk_stream *s)
{
    VK_UNUSED(t);
    pthread_mutex_lock(&vk_db.mu);
    bool now = !s->busy && !s->h;
    s->dropped = true;
    if (!now) {
        vk_db.tidy_now = true;
        pthread_cond_signal(&vk_db.tick);
    }
    pthread_mutex_unlock(&vk_db.mu);
    if (now)
        free(s);
}
