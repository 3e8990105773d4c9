#include "keeper/audit_sink.h"

#include "core/clock.h"
#include "core/disk.h"
#include "core/log.h"
#include "net/lane.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

struct vk_audit_sink {
    int fd;
    char path[PATH_MAX];
    vk_lane *lane;
    pthread_mutex_t mu; /* of what follows */
    uint64_t lost;
    char why[VK_AUDIT_WHY];
};

typedef struct line {
    vk_job job; /* first */
    vk_audit_sink *sink;
    char text[VK_AR_LINE + 1]; /* zeros at first */
} line;

/* A file that was removed, or stands under this name no more, is a dead one. */
static vk_err put(vk_audit_sink *s, vk_str text)
{
    struct stat st;
    if (fstat(s->fd, &st) != 0 || (S_ISREG(st.st_mode) && st.st_nlink == 0))
        return VK_E_NOT_FOUND;
    vk_err e = vk_disk_add(s->fd, text);
    return e == VK_OK && S_ISREG(st.st_mode) ? vk_disk_sync(s->fd) : e;
}

static void note(vk_audit_sink *s, vk_err e)
{
    pthread_mutex_lock(&s->mu);
    bool was = s->why[0];
    if (e == VK_OK)
        s->why[0] = '\0';
    else
        snprintf(s->why, sizeof s->why,
                 e == VK_E_NOT_FOUND
                     ? "Checkpoints are not written to %.200s any more: it was removed. Restart "
                       "valetkey, which begins it anew (%s)."
                     : "A checkpoint could not be written to %.200s (%s).",
                 s->path, vk_err_name(e));
    s->lost += e != VK_OK;
    pthread_mutex_unlock(&s->mu);
    if (e != VK_OK && !was)
        vk_log(VK_ERROR, "a checkpoint of the audit log did not get to its second place", VK_F(file, s->path),
               VK_F(error, vk_err_name(e)));
}

static void write_line(vk_job *j)
{
    line *l = (line *)(void *)j;
    note(l->sink, put(l->sink, vk_str_z(l->text)));
    free(l);
}

vk_err vk_audit_sink_open(const char *path, vk_audit_sink **out_r, char why[VK_AUDIT_WHY])
{
    char text[VK_CLOCK_TEXT + 64], now[VK_CLOCK_TEXT];
    vk_audit_sink *s = strlen(path) < PATH_MAX ? calloc(1, sizeof *s) : NULL;
    if (!s) {
        snprintf(why, VK_AUDIT_WHY, "There is not enough memory for the file of checkpoints.");
        return VK_E_NOMEM;
    }
    snprintf(s->path, sizeof s->path, "%s", path);
    pthread_mutex_init(&s->mu, NULL);
    s->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
    int cause = errno;
    vk_clock_text(vk_clock_wall_ms(), now);
    snprintf(text, sizeof text, "# valetkey began at %s\n", now);
    vk_err e = s->fd < 0 ? vk_disk_err(cause) : put(s, vk_str_z(text));
    if (e != VK_OK) {
        snprintf(why, VK_AUDIT_WHY,
                 "Checkpoints of the audit log cannot be written to %.200s (%s). Name another file with "
                 "--audit-checkpoints, or make this one writable for the user of valetkey.",
                 path, s->fd < 0 ? vk_errno_text(cause) : vk_err_name(e));
        vk_audit_sink_close(s);
        return VK_E_INVALID;
    }
    *out_r = s;
    return VK_OK;
}

vk_err vk_audit_sink_start(vk_audit_sink *s)
{
    return vk_lane_new("audit-sink", VK_AUDIT_SINK_WAITING, &s->lane);
}

void vk_audit_sink_add(vk_audit_sink *s, const vk_audit_checkpoint *c)
{
    line *l = calloc(1, sizeof *l);
    vk_err e = l ? VK_OK : VK_E_NOMEM;
    if (e == VK_OK) {
        l->job.run = write_line;
        l->sink = s;
        vk_audit_checkpoint_line(c, l->text);
        l->text[strlen(l->text)] = '\n'; /* there is room for one more behind the line, and its NUL */
        e = s->lane ? vk_lane_add(s->lane, &l->job) : VK_OK;
    }
    if (e != VK_OK) {
        free(l);
        note(s, e);
    } else if (!s->lane) { /* there is no thread yet, or no more */
        write_line(&l->job);
    }
}

void vk_audit_sink_state(vk_audit_sink *s, uint64_t *lost_r, char why[VK_AUDIT_WHY])
{
    pthread_mutex_lock(&s->mu);
    *lost_r = s->lost;
    memcpy(why, s->why, sizeof s->why);
    pthread_mutex_unlock(&s->mu);
}

void vk_audit_sink_close(vk_audit_sink *s)
{
    if (!s)
        return;
    vk_lane_free(s->lane);
    if (s->fd >= 0)
        close(s->fd);
    pthread_mutex_destroy(&s->mu);
    free(s);
}
