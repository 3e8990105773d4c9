#include "services/database/embedded/ddl.h"

#include "core/clock.h"
#include "core/disk.h"
#include "core/json_read.h"
#include "core/json_write.h"
#include "core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH = 64 + VK_BUILD_ID_MAX, LINE_ARENA = 1 << 18 };

/* Two connections of a build may commit one after the other while the first one still writes. */
static pthread_mutex_t file_mu = PTHREAD_MUTEX_INITIALIZER;

static void path_of(const char *build, const char *name, char out[PATH])
{
    snprintf(out, PATH, "builds/%s/%s", build, name);
}

/* ---- notes */

static bool is_margin(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == ';';
}

/* A text that is cut in the middle of a character: vk_json_quote makes the rest of it U+FFFD. */
void vk_ddl_note(vk_dbh *h, vk_str sql)
{
    char at[VK_CLOCK_TEXT];
    size_t before = h->ddl.n;
    for (; sql.n && is_margin(sql.p[0]); sql.p++, sql.n--)
        ;
    for (; sql.n && is_margin(sql.p[sql.n - 1]); sql.n--)
        ;
    bool cut = sql.n > VK_DDL_TEXT_MAX;
    vk_jw w = vk_jw_on(&h->ddl);
    vk_clock_text(vk_clock_wall_ms(), at);
    vk_jw_obj(&w);
    vk_jw_kstr(&w, "at", vk_str_z(at));
    vk_jw_kstr(&w, "sql", (vk_str){sql.p, cut ? VK_DDL_TEXT_MAX : sql.n});
    if (cut)
        vk_jw_kbool(&w, "cut", true);
    vk_jw_obj_end(&w);
    vk_buf_ch(&h->ddl, '\n');
    if (h->ddl.err != VK_OK) {
        vk_buf_truncate(&h->ddl, before);
        h->ddl_omitted++;
    }
}

void vk_ddl_forget(void *arg)
{
    vk_dbh *h = arg;
    vk_buf_clear(&h->ddl);
    h->ddl_omitted = 0;
}

/* ---- lines */

struct lines {
    int64_t count; /* statements, with those that are not there any more */
    vk_buf *out;   /* NULL: only counted */
    bool any;      /* in out */
};

/* One line; a torn one says nothing. */
static void take_line(struct lines *l, vk_arena *a, vk_str line)
{
    vk_json *v;
    int64_t n = 0;
    vk_arena_reset(a);
    if (vk_json_parse(a, line, &v, NULL, NULL) != VK_OK)
        return;
    if (vk_json_i64(vk_json_get(v, VK_STR("before")), &n) == VK_OK)
        l->count = n > l->count ? n : l->count;
    else if (vk_json_i64(vk_json_get(v, VK_STR("omitted")), &n) == VK_OK)
        l->count += n > 0 ? n : 0;
    if (!vk_json_str(vk_json_get(v, VK_STR("sql"))).p)
        return;
    l->count++;
    if (!l->out)
        return;
    if (l->any)
        vk_buf_ch(l->out, ',');
    l->any = true;
    vk_buf_str(l->out, line);
}

static vk_err take_file(struct lines *l, const char *path)
{
    vk_buf text;
    vk_buf_init(&text, 2 * VK_DDL_FILE_MAX);
    vk_err e = vk_disk_read(vk_db.rt->data_fd, path, 2 * VK_DDL_FILE_MAX, &text);
    vk_arena *a = e == VK_OK ? vk_arena_new(LINE_ARENA) : NULL;
    if (e == VK_OK && !a)
        e = VK_E_NOMEM;
    vk_str left = vk_buf_view(&text), line;
    while (e == VK_OK && left.n && vk_str_cut(&left, '\n', &line))
        take_line(l, a, line);
    vk_arena_free(a);
    vk_buf_free(&text);
    return e == VK_E_NOT_FOUND ? VK_OK : e;
}

/* ---- writing */

static int open_log(const char *path)
{
    return openat(vk_db.rt->data_fd, path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
}

static bool append(int fd, vk_str s)
{
    while (s.n) {
        ssize_t n = write(fd, s.p, s.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        s.p += n;
        s.n -= (size_t)n;
    }
    return true;
}

/* The full file steps aside; the new one begins with how many statements there were before it. */
static int rotate(const char *build, const char *path, int fd)
{
    char old[PATH], head[64];
    struct lines l = {0};
    path_of(build, "ddl.log.1", old);
    close(fd);
    if (take_file(&l, path) != VK_OK || renameat(vk_db.rt->data_fd, path, vk_db.rt->data_fd, old) != 0)
        return -1;
    fd = open_log(path);
    snprintf(head, sizeof head, "{\"before\":%lld}\n", (long long)l.count);
    if (fd >= 0 && !append(fd, vk_str_z(head))) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool write_lines(const char *build, vk_str lines)
{
    char path[PATH], last = '\n';
    struct stat st;
    path_of(build, "ddl.log", path);
    int fd = open_log(path);
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0) {
        if (st.st_size + (off_t)lines.n > VK_DDL_FILE_MAX)
            fd = rotate(build, path, fd);
        else if (pread(fd, &last, 1, st.st_size - 1) != 1) /* a torn line ends here */
            last = '\n';
    }
    if (fd < 0)
        return false;
    bool ok = (last == '\n' || append(fd, VK_STR("\n"))) && append(fd, lines);
    close(fd);
    return ok;
}

void vk_ddl_write(vk_dbh *h)
{
    if (h->ddl_omitted) {
        char text[64];
        snprintf(text, sizeof text, "{\"omitted\":%u}\n", h->ddl_omitted);
        h->ddl.max += sizeof text;
        vk_buf_z(&h->ddl, text);
        h->ddl.max -= sizeof text;
    }
    pthread_mutex_lock(&file_mu);
    bool ok = write_lines(h->t->id, vk_buf_view(&h->ddl));
    pthread_mutex_unlock(&file_mu);
    if (!ok)
        vk_log(VK_WARN, "the record of a schema's changes cannot be written", VK_F(build, h->t->id));
    vk_ddl_forget(h);
    if (h->ddl.cap > VK_DDL_TEXT_MAX) {
        vk_buf_free(&h->ddl);
        vk_buf_init(&h->ddl, VK_DDL_PENDING_MAX);
    }
}

void vk_ddl_restored(const char *build, const char *id, const char *name)
{
    char at[VK_CLOCK_TEXT], text[256];
    vk_buf line;
    vk_buf_init(&line, 1024);
    vk_jw w = vk_jw_on(&line);
    vk_clock_text(vk_clock_wall_ms(), at);
    snprintf(text, sizeof text, "-- restored from snapshot %s%s%s%s", id, name[0] ? " (" : "", name,
             name[0] ? ")" : "");
    vk_jw_obj(&w);
    vk_jw_kstr(&w, "at", vk_str_z(at));
    vk_jw_kstr(&w, "sql", vk_str_z(text));
    vk_jw_kstr(&w, "restored", vk_str_z(id));
    vk_jw_obj_end(&w);
    vk_buf_ch(&line, '\n');
    pthread_mutex_lock(&file_mu);
    bool ok = line.err == VK_OK && write_lines(build, vk_buf_view(&line));
    pthread_mutex_unlock(&file_mu);
    if (!ok)
        vk_log(VK_WARN, "the record of a schema's changes cannot be written", VK_F(build, build));
    vk_buf_free(&line);
}

/* ---- reading */

vk_err vk_db_ddl(const char *build, vk_buf *out)
{
    char path[PATH];
    struct lines l = {.out = out};
    vk_buf_lit(out, "{\"statements\":[");
    pthread_mutex_lock(&file_mu);
    path_of(build, "ddl.log.1", path);
    vk_err e = take_file(&l, path);
    path_of(build, "ddl.log", path);
    if (e == VK_OK)
        e = take_file(&l, path);
    pthread_mutex_unlock(&file_mu);
    vk_buf_lit(out, "],\"count\":");
    vk_buf_i64(out, l.count);
    vk_buf_ch(out, '}');
    return e != VK_OK ? e : out->err;
}
