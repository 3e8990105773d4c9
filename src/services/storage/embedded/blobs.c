/* The files of blobs/: made, opened, removed; and objects of several files that somebody reads. */
#include "services/storage/embedded/inside.h"

#include "core/disk.h"
#include "core/encode.h"
#include "core/random.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

void vk_ob_blob_path(const uint8_t blob[VK_OB_BLOB], char out[VK_OB_BLOB_PATH])
{
    vk_hex(out + 2, blob, VK_OB_BLOB);
    out[0] = out[2];
    out[1] = '/';
}

static vk_ob_err nothing(vk_ob *s, vk_ob_turn *t, vk_ob_conn *c)
{
    VK_UNUSED(s);
    VK_UNUSED(t);
    VK_UNUSED(c);
    return VK_OB_OK;
}

/* Before the first file of a run that is not in the index: any transaction leaves the mark. */
static vk_ob_err mark(vk_ob *s)
{
    pthread_mutex_lock(&s->mu);
    bool marked = s->marked;
    pthread_mutex_unlock(&s->mu);
    vk_ob_turn t = {.run = nothing};
    return marked ? VK_OB_OK : vk_ob_take_turn(s, &t);
}

static vk_err make_folder(vk_ob *s, const uint8_t blob[VK_OB_BLOB])
{
    char path[VK_OB_BLOB_PATH];
    pthread_mutex_lock(&s->mu);
    bool there = s->folders & vk_ob_folder(blob);
    pthread_mutex_unlock(&s->mu);
    if (there)
        return VK_OK;
    vk_ob_blob_path(blob, path);
    path[1] = '\0';
    vk_err e = vk_disk_mkdir(s->blobs_fd, path, 0700);
    if (e == VK_OK) {
        pthread_mutex_lock(&s->mu);
        s->folders |= vk_ob_folder(blob);
        pthread_mutex_unlock(&s->mu);
    }
    return e;
}

vk_ob_err vk_ob_blob_create(vk_ob *s, vk_ob_live *live, int *fd_r)
{
    char path[VK_OB_BLOB_PATH];
    vk_ob_err e = mark(s);
    if (e != VK_OB_OK)
        return e;
    vk_random(live->blob, VK_OB_BLOB);
    vk_ob_blob_path(live->blob, path);
    e = vk_ob_of(make_folder(s, live->blob));
    if (e != VK_OB_OK)
        return e;
    pthread_mutex_lock(&s->mu);
    vk_list_push(&s->live, &live->node);
    pthread_mutex_unlock(&s->mu);
    e = vk_ob_of(vk_disk_begin(s->blobs_fd, path, 0600, fd_r));
    if (e != VK_OB_OK)
        vk_ob_blob_settled(s, live);
    return e;
}

void vk_ob_blob_settled(vk_ob *s, vk_ob_live *live)
{
    pthread_mutex_lock(&s->mu);
    vk_list_remove(&live->node);
    pthread_mutex_unlock(&s->mu);
}

vk_ob_err vk_ob_blob_open(vk_ob *s, const uint8_t blob[VK_OB_BLOB], int *fd_r)
{
    char path[VK_OB_BLOB_PATH];
    vk_ob_blob_path(blob, path);
    int fd = openat(s->blobs_fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? VK_OB_CORRUPT : errno == EMFILE || errno == ENFILE ? VK_OB_BUSY : VK_OB_IO;
    *fd_r = fd;
    return VK_OB_OK;
}

void vk_ob_blob_remove(vk_ob *s, const uint8_t blob[VK_OB_BLOB])
{
    char path[VK_OB_BLOB_PATH];
    pthread_mutex_lock(&s->mu);
    bool held = s->holds > 0;
    if (held) {
        vk_buf_add(&s->held, blob, VK_OB_BLOB);
        s->forgets |= s->held.err != VK_OK;
    }
    pthread_mutex_unlock(&s->mu);
    if (held)
        return;
    vk_ob_blob_path(blob, path);
    vk_err e = vk_disk_unlink(s->blobs_fd, path);
    pthread_mutex_lock(&s->mu);
    s->touched |= vk_ob_folder(blob);
    s->forgets |= e != VK_OK;
    pthread_mutex_unlock(&s->mu);
}

void vk_ob_hold_files(vk_ob *s)
{
    pthread_mutex_lock(&s->mu);
    s->holds++;
    s->users++;
    pthread_mutex_unlock(&s->mu);
}

void vk_ob_release_files(vk_ob *s)
{
    vk_buf held;
    vk_buf_init(&held, SIZE_MAX / 2);
    pthread_mutex_lock(&s->mu);
    if (--s->holds == 0) {
        vk_buf now = s->held;
        s->held = held;
        held = now;
    }
    pthread_mutex_unlock(&s->mu);
    for (size_t i = 0; i + VK_OB_BLOB <= held.n; i += VK_OB_BLOB)
        vk_ob_blob_remove(s, (const uint8_t *)held.p + i); /* put off once more if somebody else came */
    vk_buf_free(&held);
    pthread_mutex_lock(&s->mu);
    s->users--;
    pthread_mutex_unlock(&s->mu);
}

/* ---- readers of several files. Objects of one file need none of this: an open file outlives its name. */

static vk_ob_pin *find_pin(vk_ob *s, int64_t content)
{
    for (vk_list *n = s->pins.next; n != &s->pins; n = n->next)
        if (VK_CONTAINER(n, vk_ob_pin, node)->content == content)
            return VK_CONTAINER(n, vk_ob_pin, node);
    return NULL;
}

vk_ob_pin *vk_ob_pin_content(vk_ob *s, int64_t content)
{
    pthread_mutex_lock(&s->mu);
    vk_ob_pin *p = find_pin(s, content);
    if (!p && (p = calloc(1, sizeof *p))) {
        p->content = content;
        vk_buf_init(&p->doomed, SIZE_MAX / 2);
        vk_list_push(&s->pins, &p->node);
    }
    if (p)
        p->readers++;
    pthread_mutex_unlock(&s->mu);
    return p;
}

static void remove_all(vk_ob *s, const vk_buf *trash)
{
    vk_ob_trash x;
    for (size_t i = 0; i + sizeof x <= trash->n; i += sizeof x) {
        memcpy(&x, trash->p + i, sizeof x);
        vk_ob_blob_remove(s, x.blob);
    }
}

void vk_ob_unpin(vk_ob *s, vk_ob_pin *p)
{
    pthread_mutex_lock(&s->mu);
    bool last = --p->readers == 0;
    if (last) {
        vk_list_remove(&p->node);
        s->forgets |= p->doomed.err != VK_OK;
    }
    pthread_mutex_unlock(&s->mu);
    if (!last)
        return;
    remove_all(s, &p->doomed);
    vk_buf_free(&p->doomed);
    free(p);
}

void vk_ob_collect(vk_ob *s, const vk_buf *garbage)
{
    if (garbage->n == 0)
        return;
    vk_buf now;
    vk_buf_init(&now, SIZE_MAX / 2);
    /* Whoever found the old row has its files by now, and whoever comes finds the new one. */
    pthread_rwlock_wrlock(&s->names);
    pthread_mutex_lock(&s->mu);
    vk_ob_trash x;
    for (size_t i = 0; i + sizeof x <= garbage->n; i += sizeof x) {
        memcpy(&x, garbage->p + i, sizeof x);
        vk_ob_pin *p = x.content ? find_pin(s, x.content) : NULL;
        vk_buf_add(p ? &p->doomed : &now, &x, sizeof x);
    }
    s->forgets |= now.err != VK_OK;
    pthread_mutex_unlock(&s->mu);
    pthread_rwlock_unlock(&s->names);
    remove_all(s, &now);
    vk_buf_free(&now);
}
