/* Files that no row names: of uploads that a crash cut short, or whose removal it undid. */
#include "services/storage/embedded/inside.h"

#include "core/encode.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* As it lies in the sorted list of what is on the disk. */
typedef struct found {
    uint8_t blob[VK_OB_BLOB];
    bool named;
} found;

static int by_name(const void *a, const void *b)
{
    return memcmp(a, b, VK_OB_BLOB);
}

static vk_ob_err read_folder(int blobs_fd, char digit, vk_buf *out)
{
    const char name[2] = {digit, '\0'};
    int fd = openat(blobs_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? VK_OB_OK : VK_OB_IO;
    DIR *d = fdopendir(fd);
    if (!d) {
        close(fd);
        return VK_OB_NOMEM;
    }
    errno = 0;
    for (struct dirent *x; (x = readdir(d)); errno = 0) {
        found f = {.named = false};
        /* What is not of our making is not ours to remove. */
        if (vk_hex_decode(vk_str_z(x->d_name), f.blob, VK_OB_BLOB) == VK_OK && x->d_name[0] == digit)
            vk_buf_add(out, &f, sizeof f);
    }
    vk_ob_err e = errno ? VK_OB_IO : out->err != VK_OK ? VK_OB_NOMEM : VK_OB_OK;
    closedir(d);
    return e;
}

static void name(const vk_buf *all, const uint8_t blob[VK_OB_BLOB])
{
    found *f = all->n ? bsearch(blob, all->p, all->n / sizeof *f, sizeof *f, by_name) : NULL;
    if (f)
        f->named = true;
}

static void name_trash(const vk_buf *all, const vk_buf *trash)
{
    vk_ob_trash x;
    for (size_t i = 0; i + sizeof x <= trash->n; i += sizeof x) {
        memcpy(&x, trash->p + i, sizeof x);
        name(all, x.blob);
    }
}

/* Those whose transaction is still to come, or of which it is not known, and those that somebody may read
 * though no row names them any more. */
static void name_under_way(vk_ob *s, const vk_buf *all)
{
    pthread_mutex_lock(&s->mu);
    for (vk_list *n = s->live.next; n != &s->live; n = n->next)
        name(all, VK_CONTAINER(n, vk_ob_live, node)->blob);
    for (size_t i = 0; i + VK_OB_BLOB <= s->uncertain.n; i += VK_OB_BLOB)
        name(all, (const uint8_t *)s->uncertain.p + i);
    for (vk_list *n = s->replacing.next; n != &s->replacing; n = n->next)
        name_trash(all, &VK_CONTAINER(n, vk_ob_turn, replacing)->garbage);
    for (vk_list *n = s->pins.next; n != &s->pins; n = n->next)
        name_trash(all, &VK_CONTAINER(n, vk_ob_pin, node)->doomed);
    pthread_mutex_unlock(&s->mu);
}

static vk_ob_err name_stored(vk_ob *s, const vk_buf *all)
{
    vk_ob_conn *c;
    vk_ob_err e = vk_ob_conn_get(s, &c);
    if (e != VK_OB_OK)
        return e;
    sqlite3_stmt *st = vk_ob_st(c, Q_BLOBS);
    int rc;
    while ((rc = vk_ob_step(st)) == SQLITE_ROW) {
        vk_str blob = vk_ob_col(st, 0);
        if (blob.n == VK_OB_BLOB)
            name(all, (const uint8_t *)blob.p);
    }
    sqlite3_reset(st);
    vk_ob_conn_put(s, c);
    return vk_ob_sql_err(rc);
}

/* The order makes it safe beside everything else. A file that was there first and is not under way after that
 * has had its row by then, if it gets one at all: names are never used twice. If it has no row after that,
 * the row was taken away, and then it is with whoever did so, or gone, in the end. */
vk_ob_err vk_ob_sweep(vk_ob *s, int64_t *removed_r)
{
    vk_buf all;
    vk_ob_err e = VK_OB_OK;
    int64_t removed = 0;
    vk_buf_init(&all, SIZE_MAX / 2);
    for (unsigned i = 0; e == VK_OB_OK && i < VK_OB_FOLDERS; i++)
        e = read_folder(s->blobs_fd, "0123456789abcdef"[i], &all);
    if (e == VK_OB_OK && all.n) {
        qsort(all.p, all.n / sizeof(found), sizeof(found), by_name);
        name_under_way(s, &all);
        e = name_stored(s, &all);
        name_under_way(s, &all);
    }
    for (size_t i = 0; e == VK_OB_OK && i + sizeof(found) <= all.n; i += sizeof(found)) {
        found f;
        memcpy(&f, all.p + i, sizeof f);
        if (f.named)
            continue;
        vk_ob_blob_remove(s, f.blob);
        removed++;
    }
    vk_buf_free(&all);
    if (e == VK_OB_OK)
        *removed_r = removed;
    return e;
}
