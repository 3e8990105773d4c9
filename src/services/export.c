#include "services/export.h"

#include "core/disk.h"
#include "core/encode.h"
#include "core/log.h"
#include "core/random.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_ROOM = PATH_MAX + 64 };

struct export
{
    vk_strand_job job;
    vk_strand *strand;
    const vk_strand_file *file;
    void (*done)(void *arg, vk_err e, const vk_export *x, const char *why);
    void *arg;
};

static vk_err copy(const struct export *x, vk_export *out, const char **why_r)
{
    const vk_runtime *rt = x->strand->owner->rt;
    uint8_t random[8];
    char digits[2 * sizeof random + 1], name[64], path[PATH_ROOM];
    struct stat st;
    vk_err e = vk_strand_open(x->strand, false);
    *why_r = e == VK_E_NOT_FOUND ? x->file->none : x->file->unreadable;
    if (e != VK_OK)
        return e;
    *why_r = "The copy cannot be made in the data folder";
    vk_random(random, sizeof random);
    vk_hex(digits, random, sizeof random);
    snprintf(name, sizeof name, "tmp/%s-%s", x->file->label, digits);
    snprintf(path, sizeof path, "%s/%s", rt->data_dir, name);
    e = vk_disk_mkdir(rt->data_fd, "tmp", 0700);
    int fd =
        e == VK_OK ? openat(rt->data_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600) : -1;
    if (fd < 0)
        return e == VK_OK ? vk_disk_err(errno) : e;
    close(fd); /* nobody has it open yet, so no lock of SQLite's is lost */
    e = x->file->copy(x->strand, path);
    fd = e == VK_OK ? openat(rt->data_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : -1;
    unlinkat(rt->data_fd, name, 0);
    if (fd < 0 || fstat(fd, &st) != 0) {
        if (fd >= 0)
            close(fd);
        if (e == VK_E_FULL)
            *why_r = "The disk is full";
        return e == VK_OK ? VK_E_IO : e;
    }
    *out = (vk_export){fd, st.st_size, "application/vnd.sqlite3", x->file->name};
    return VK_OK;
}

static vk_strand_next run(vk_strand *s, vk_strand_job *j)
{
    struct export *x = VK_CONTAINER(j, struct export, job);
    vk_export out;
    const char *why = NULL;
    vk_err e = copy(x, &out, &why);
    if (e != VK_OK && e != VK_E_NOT_FOUND)
        vk_log(VK_WARN, "a build's data cannot be exported", VK_F(build, s->build), VK_F(file, x->file->name),
               VK_F(error, vk_err_name(e)));
    x->done(x->arg, e, e == VK_OK ? &out : NULL, why);
    vk_strand_let_go(s);
    free(x);
    return VK_STRAND_GONE;
}

void vk_strand_export(vk_strands *all, const vk_strand_file *file, const char *build,
                      void (*done)(void *arg, vk_err e, const vk_export *x, const char *why), void *arg)
{
    struct export *x = calloc(1, sizeof *x);
    vk_strand *s = x ? vk_strand_hold_id(all, build) : NULL;
    if (s) {
        *x = (struct export){
            .job = {.run = run, .alone = true}, .strand = s, .file = file, .done = done, .arg = arg};
        if (vk_strand_submit(s, &x->job, false) == VK_OK)
            return;
        vk_strand_let_go(s);
    }
    bool memory = x != NULL;
    free(x);
    if (s)
        done(arg, VK_E_BUSY, NULL, "The build has too many requests waiting; try again");
    else
        done(arg, memory ? VK_E_CONFLICT : VK_E_NOMEM, NULL,
             memory ? "The build is being revoked or deleted; try again in a second" : "Out of memory");
}
