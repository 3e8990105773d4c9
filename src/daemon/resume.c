#include "daemon/resume.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#define VARIABLE "VALETKEY_RESUME"

enum { TEXT_MAX = 8192 };

static const char *role_name(vk_role r)
{
    return r == VK_ROLES ? "supervisor" : vk_role_name(r);
}

/* ---- descriptors */

static void keep_one(int fd, bool over_exec)
{
    if (fd >= 0 && fcntl(fd, F_SETFD, over_exec ? 0 : FD_CLOEXEC) != 0)
        vk_log(VK_ERROR, "a descriptor of the restart is not open", VK_F(fd, fd));
}

static void keep(const vk_resume *r, bool over_exec)
{
    keep_one(r->control, over_exec);
    keep_one(r->lock_fd, over_exec);
    keep_one(r->admin_fd, over_exec);
    for (size_t i = 0; i < VK_ROLES; i++) {
        keep_one(r->peer[i], over_exec);
        if (r->children[i].pid)
            keep_one(r->children[i].control, over_exec);
    }
    for (size_t i = 0; i < r->n_left; i++)
        keep_one(r->left[i].control, over_exec);
    for (size_t i = 0; i < r->n_given; i++)
        keep_one(r->given[i].fd, over_exec);
}

/* ---- writing */

static void put_child(vk_buf *b, const char *what, const char *name, const vk_resume_child *c)
{
    if (c->pid)
        vk_buf_printf(b, "%s %s %ld %d\n", what, name, (long)c->pid, c->control);
}

static void put(vk_buf *b, const vk_resume *r)
{
    vk_buf_printf(b, "valetkey-resume %d\nrole %s\nparent %ld\ncontrol %d\nstandby %d\nlock %d\nadmin %d\n",
                  VK_RESUME_VERSION, role_name(r->role), (long)r->parent, r->control, r->standby, r->lock_fd,
                  r->admin_fd);
    vk_buf_printf(b, "number %d\n", r->number);
    for (size_t i = 0; i < VK_ROLES; i++) {
        if (r->peer[i] >= 0)
            vk_buf_printf(b, "peer %s %d\n", vk_role_name((vk_role)i), r->peer[i]);
        put_child(b, "child", vk_role_name((vk_role)i), &r->children[i]);
    }
    for (size_t i = 0; i < r->n_left; i++)
        put_child(b, "left", "-", &r->left[i]);
    for (size_t i = 0; i < r->n_given; i++)
        vk_buf_printf(b, "listener %s %d\n", r->given[i].name, r->given[i].fd);
}

int vk_resume_write(const vk_resume *r)
{
    char number[16];
    vk_buf text;
    vk_buf_init(&text, TEXT_MAX);
    put(&text, r);
    int fd = memfd_create("valetkey-resume", 0);
    bool good = fd >= 0 && !text.err && write(fd, text.p, text.n) == (ssize_t)text.n;
    snprintf(number, sizeof number, "%d", fd);
    vk_buf_free(&text);
    if (!good || setenv(VARIABLE, number, 1) != 0) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    keep(r, true);
    return fd;
}

void vk_resume_undo(const vk_resume *r, int fd)
{
    unsetenv(VARIABLE);
    keep(r, false);
    close(fd);
}

/* ---- reading */

static vk_str word(vk_str *rest)
{
    vk_str w;
    if (!vk_str_cut(rest, ' ', &w)) {
        w = *rest;
        *rest = VK_STR_NONE;
    }
    return w;
}

static bool number(vk_str *rest, int *out)
{
    int64_t n;
    if (vk_str_to_i64(word(rest), &n) != VK_OK || n < -1 || n > INT32_MAX)
        return false;
    *out = (int)n;
    return true;
}

static bool role(vk_str name, vk_role *out)
{
    for (int i = 0; i <= VK_ROLES; i++)
        if (vk_str_eqz(name, role_name((vk_role)i))) {
            *out = (vk_role)i;
            return true;
        }
    return false;
}

static bool child(vk_str *rest, vk_resume_child *out)
{
    int pid;
    if (!number(rest, &pid) || !number(rest, &out->control))
        return false;
    out->pid = pid;
    return true;
}

static bool line_of(vk_resume *r, vk_str line)
{
    static const struct {
        const char *name;
        size_t at;
    } numbers[] = {{"control", offsetof(vk_resume, control)},
                   {"lock", offsetof(vk_resume, lock_fd)},
                   {"admin", offsetof(vk_resume, admin_fd)},
                   {"number", offsetof(vk_resume, number)},
                   {"parent", offsetof(vk_resume, parent)}};
    vk_str what = word(&line);
    vk_role which;
    int n;
    _Static_assert(sizeof(pid_t) == sizeof(int), "a process id is read as a number of that size");
    for (size_t i = 0; i < VK_COUNT(numbers); i++)
        if (vk_str_eqz(what, numbers[i].name))
            return number(&line, (int *)(void *)((char *)r + numbers[i].at));
    if (vk_str_eqz(what, "role"))
        return role(line, &r->role);
    if (vk_str_eqz(what, "standby")) {
        bool good = number(&line, &n);
        r->standby = good && n == 1;
        return good;
    }
    if (vk_str_eqz(what, "peer"))
        return role(word(&line), &which) && which < VK_ROLES && number(&line, &r->peer[which]);
    if (vk_str_eqz(what, "child"))
        return role(word(&line), &which) && which < VK_ROLES && child(&line, &r->children[which]);
    if (vk_str_eqz(what, "left"))
        return word(&line).n && r->n_left < VK_RESUME_LEFT_MAX && child(&line, &r->left[r->n_left++]);
    vk_given *g = &r->given[r->n_given];
    vk_str name = word(&line);
    if (!vk_str_eqz(what, "listener") || r->n_given == VK_COUNT(r->given) || name.n >= sizeof g->name ||
        !number(&line, &g->fd))
        return false;
    memcpy(g->name, name.p, name.n);
    r->n_given++;
    return true;
}

static bool parse(vk_resume *r, vk_str text)
{
    vk_str line;
    char first[32];
    snprintf(first, sizeof first, "valetkey-resume %d", VK_RESUME_VERSION);
    if (!vk_str_cut(&text, '\n', &line) || !vk_str_eqz(line, first))
        return false;
    while (vk_str_cut(&text, '\n', &line))
        if (!line_of(r, line))
            return false;
    return text.n == 0;
}

vk_err vk_resume_read(vk_resume *out_r, char why[VK_WHY_MAX])
{
    static char text[TEXT_MAX];
    const char *name = getenv(VARIABLE);
    int64_t fd = -1;
    if (!name)
        return VK_E_NOT_FOUND;
    *out_r = (vk_resume){.role = VK_ROLES, .control = -1, .lock_fd = -1, .admin_fd = -1};
    for (size_t i = 0; i < VK_ROLES; i++)
        out_r->peer[i] = -1;
    bool good = vk_str_to_i64(vk_str_z(name), &fd) == VK_OK && fd > STDERR_FILENO && fd <= INT32_MAX;
    ssize_t n = good ? pread((int)fd, text, sizeof text, 0) : -1;
    unsetenv(VARIABLE);
    if (n <= 0 || !parse(out_r, (vk_str){text, (size_t)n}))
        return vk_say(why, VK_E_INVALID,
                      "This version (" VK_VERSION
                      ") does not understand what the running one says at a restart. "
                      "Stop the daemon and start it again.");
    close((int)fd);
    keep(out_r, false);
    return VK_OK;
}
