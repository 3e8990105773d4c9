/* All objects of a build as a tar file (POSIX pax), made in a file without a name. Each object is one member
 * as it is when its turn comes; its content type goes along as the extended attribute user.mime_type. */
#include "core/disk.h"
#include "core/encode.h"
#include "core/log.h"
#include "core/random.h"
#include "services/storage/operator.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    BLOCK = 512,
    PAGE = 500,
    PAGE_ARENA = 4 << 20,
    AT_ONCE = 4, /* archives of all builds: each needs as much of the disk as its build */
    NAME_MAX_OF_ALL = 3 * VK_OB_KEY_MAX + 8,
};
#define OCTAL_MAX ((int64_t)1 << 33) /* what eleven octal digits hold */

/* ---- names */

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static void escape(vk_buf *out, char c)
{
    char hex[3];
    snprintf(hex, sizeof hex, "%02X", (unsigned char)c);
    vk_buf_ch(out, '%');
    vk_buf_z(out, hex);
}

/* Whether byte i of the key, which is no slash, may stand as it is. */
static bool harmless(vk_str key, size_t i)
{
    unsigned char c = (unsigned char)key.p[i];
    char first = key.p[0];
    bool drive = i == 1 && c == ':' && ((first >= 'a' && first <= 'z') || (first >= 'A' && first <= 'Z'));
    if (c == '%')
        return i + 2 >= key.n || !is_hex(key.p[i + 1]) || !is_hex(key.p[i + 2]);
    return c >= 0x20 && c != 0x7f && c != '\\' && !drive;
}

static bool only_dots(vk_str part)
{
    return part.n && part.n <= 2 && part.p[0] == '.' && part.p[part.n - 1] == '.';
}

void vk_s3_archive_name(vk_buf *out, vk_str key, bool empty, bool has_children, bool *folder_r)
{
    *folder_r = empty && key.n > 1 && key.p[key.n - 1] == '/' && key.p[key.n - 2] != '/';
    size_t part = 0; /* where the present one begins */
    for (size_t i = 0; i <= key.n; i++) {
        if (i < key.n && key.p[i] != '/')
            continue;
        bool dots = only_dots((vk_str){key.p + part, i - part});
        for (size_t j = part; j < i; j++)
            if (!dots && harmless(key, j))
                vk_buf_ch(out, key.p[j]);
            else
                escape(out, key.p[j]);
        if (i == key.n)
            break;
        /* A slash that would stand first, behind another one, or last. */
        if (i == part || (i + 1 == key.n && !*folder_r))
            escape(out, '/');
        else
            vk_buf_ch(out, '/');
        part = i + 1;
    }
    if (key.n == 0 || (has_children && key.p[key.n - 1] != '/'))
        vk_buf_lit(out, "%00");
}

/* ---- tar */

static void put_octal(uint8_t *at, int digits, int64_t v)
{
    at[digits] = '\0';
    while (digits-- > 0) {
        at[digits] = (uint8_t)('0' + (v & 7));
        v >>= 3;
    }
}

/* The head of a member (ustar). */
static vk_err put_head(int fd, const char *name, size_t n, int64_t size, int64_t mtime, char type)
{
    uint8_t b[BLOCK] = {0};
    unsigned sum = 0;
    memcpy(b, name, n > 100 ? 100 : n);
    put_octal(b + 100, 7, type == '5' ? 0755 : 0644);
    put_octal(b + 108, 7, 0);
    put_octal(b + 116, 7, 0);
    put_octal(b + 124, 11, size < OCTAL_MAX ? size : 0);
    put_octal(b + 136, 11, mtime < 0 || mtime >= OCTAL_MAX ? 0 : mtime);
    memset(b + 148, ' ', 8);
    b[156] = (uint8_t)type;
    memcpy(b + 257, "ustar\00000", 8);
    for (int i = 0; i < BLOCK; i++)
        sum += b[i];
    put_octal(b + 148, 6, sum);
    return vk_disk_add(fd, (vk_str){(char *)b, sizeof b});
}

static vk_err fill(int fd, int64_t size)
{
    static const char zeros[BLOCK];
    return vk_disk_add(fd, (vk_str){zeros, (size_t)(-size & (BLOCK - 1))});
}

/* "LENGTH key=value\n", where LENGTH counts itself. */
static void pax_record(vk_buf *out, const char *key, vk_str value)
{
    char digits[24];
    size_t body = strlen(key) + value.n + 3, n = body + 1;
    while ((size_t)snprintf(digits, sizeof digits, "%zu", n) + body != n)
        n = (size_t)snprintf(digits, sizeof digits, "%zu", n) + body;
    vk_buf_z(out, digits);
    vk_buf_ch(out, ' ');
    vk_buf_z(out, key);
    vk_buf_ch(out, '=');
    vk_buf_str(out, value);
    vk_buf_ch(out, '\n');
}

static vk_str type_of(vk_str headers)
{
    vk_str name, value;
    while (vk_ob_header_next(&headers, &name, &value))
        if (vk_str_ieq(name, VK_STR("Content-Type")))
            return value;
    return VK_STR_NONE;
}

static vk_err put_pax(int fd, vk_str name, const vk_ob_object *o)
{
    char size[24];
    vk_buf pax;
    vk_str type = type_of(o->headers);
    vk_buf_init(&pax, 64 << 10);
    pax_record(&pax, "path", name);
    if (o->size >= OCTAL_MAX) {
        snprintf(size, sizeof size, "%lld", (long long)o->size);
        pax_record(&pax, "size", vk_str_z(size));
    }
    if (type.n)
        pax_record(&pax, "SCHILY.xattr.user.mime_type", type);
    vk_err e = pax.err;
    if (e == VK_OK)
        e = put_head(fd, "PaxHeader", 9, (int64_t)pax.n, o->mtime_ms / 1000, 'x');
    if (e == VK_OK)
        e = vk_disk_add(fd, vk_buf_view(&pax));
    if (e == VK_OK)
        e = fill(fd, (int64_t)pax.n);
    vk_buf_free(&pax);
    return e;
}

/* ---- the archive */

struct archive {
    vk_s3_job job;
    vk_s3_build *b;
    int data_fd;
    void (*done)(void *arg, vk_err e, const vk_export *x, const char *why);
    void *arg;
    /* while it is made */
    vk_ob *s;
    int fd;
    vk_arena *a;
    vk_str keys[PAGE];
    size_t n;
    bool full; /* of memory */
    const char *why;
};

static _Atomic int under_way;

static vk_err of(struct archive *x, vk_ob_err e)
{
    return vk_s3_op_err(e, &x->why);
}

static vk_err of_disk(struct archive *x, vk_err e)
{
    if (e != VK_OK)
        x->why = e == VK_E_FULL ? "The disk is full: the archive needs as much room as the objects have"
                                : "The archive cannot be written in the data folder";
    return e;
}

static vk_err copy_bytes(struct archive *x, vk_ob_reader *r, int64_t size)
{
    vk_err e = VK_OK;
    vk_ob_piece p;
    for (int64_t at = 0; e == VK_OK && at < size; at += p.n) {
        if (vk_s3b_closing(x->b)) {
            x->why = "The build was revoked or deleted meanwhile";
            return VK_E_CONFLICT;
        }
        e = of(x, vk_ob_read(r, at, &p));
        if (e != VK_OK)
            return e;
        enum { STEP = 64 << 20 }; /* so that a deletion does not wait for long */
        p.n = p.n > STEP ? STEP : p.n;
        e = of_disk(x, p.fd < 0 ? vk_disk_add(x->fd, (vk_str){p.bytes, (size_t)p.n})
                                : vk_disk_append_from(x->fd, p.fd, p.at, p.n));
    }
    return e == VK_OK ? of_disk(x, fill(x->fd, size)) : e;
}

static bool any(void *arg, const vk_ob_entry *e)
{
    VK_UNUSED(e);
    *(bool *)arg = true;
    return false;
}

static vk_err has_children(struct archive *x, vk_str key, bool *out_r)
{
    char below[VK_OB_KEY_MAX + 1];
    bool more;
    *out_r = false;
    if (key.n == 0 || key.n >= VK_OB_KEY_MAX)
        return VK_OK;
    memcpy(below, key.p, key.n);
    below[key.n] = '/';
    vk_ob_list l = {.prefix = {below, key.n + 1}, .max = 1, .arg = out_r, .entry = any};
    return of(x, vk_ob_list_keys(x->s, &l, &more));
}

static vk_err put_object(struct archive *x, vk_str key)
{
    vk_ob_object o;
    vk_ob_reader *r;
    vk_buf name;
    bool children = false, folder = false;
    vk_ob_err found = vk_ob_get(x->s, x->a, key, &o, &r);
    if (found != VK_OB_OK)
        return found == VK_OB_NO_SUCH_KEY ? VK_OK : of(x, found); /* deleted meanwhile */
    vk_buf_init(&name, NAME_MAX_OF_ALL);
    vk_err e = has_children(x, key, &children);
    if (e == VK_OK) {
        vk_s3_archive_name(&name, key, o.size == 0, children, &folder);
        e = of_disk(x, name.err);
    }
    if (e == VK_OK)
        e = of_disk(x, put_pax(x->fd, vk_buf_view(&name), &o));
    if (e == VK_OK)
        e = of_disk(x, put_head(x->fd, name.p, name.n, o.size, o.mtime_ms / 1000, folder ? '5' : '0'));
    if (e == VK_OK)
        e = copy_bytes(x, r, o.size);
    vk_buf_free(&name);
    vk_ob_reader_close(r);
    return e;
}

static bool note_key(void *arg, const vk_ob_entry *e)
{
    struct archive *x = arg;
    x->keys[x->n] = vk_arena_dup(x->a, e->key);
    x->full = !x->keys[x->n].p;
    return !x->full && ++x->n < PAGE;
}

/* A page of keys, then their objects. `after` is the last key before it, and becomes that of this one. */
static vk_err put_page(struct archive *x, vk_buf *after, bool *more_r)
{
    x->n = 0;
    x->a = vk_arena_new(PAGE_ARENA);
    if (!x->a)
        return of(x, VK_OB_NOMEM);
    vk_ob_list l = {
        .after = vk_buf_view(after), .max = PAGE, .arg = x, .entry = note_key, .skip_empty = after->n > 0};
    vk_err e = of(x, vk_ob_list_keys(x->s, &l, more_r));
    if (e == VK_OK && x->full)
        e = of(x, VK_OB_NOMEM);
    for (size_t i = 0; e == VK_OK && i < x->n; i++) {
        vk_arena *page = x->a;
        x->a = vk_arena_new(2 * VK_OB_HEADERS_MAX); /* of one object's headers */
        e = x->a ? put_object(x, x->keys[i]) : of(x, VK_OB_NOMEM);
        vk_arena_free(x->a);
        x->a = page;
    }
    if (x->n) {
        vk_buf_clear(after);
        vk_buf_str(after, x->keys[x->n - 1]);
    }
    vk_arena_free(x->a);
    return e;
}

static vk_err put_all(struct archive *x)
{
    static const char end[2 * BLOCK];
    vk_buf after;
    bool more = true;
    vk_err e = VK_OK;
    vk_buf_init(&after, 2 * VK_OB_KEY_MAX);
    while (e == VK_OK && more)
        e = put_page(x, &after, &more);
    vk_buf_free(&after);
    return e == VK_OK ? of_disk(x, vk_disk_add(x->fd, (vk_str){end, sizeof end})) : e;
}

vk_err vk_s3_archive_file(int data_fd, char name_r[64])
{
    uint8_t random[8];
    char digits[2 * sizeof random + 1];
    int fd;
    vk_random(random, sizeof random);
    vk_hex(digits, random, sizeof random);
    snprintf(name_r, 64, "tmp/objects-%s", digits);
    vk_err e = vk_disk_mkdir(data_fd, "tmp", 0700);
    if (e == VK_OK)
        e = vk_disk_begin(data_fd, name_r, 0600, &fd);
    if (e == VK_OK)
        close(fd);
    return e;
}

static vk_err make(struct archive *x, vk_export *out_r)
{
    char name[64];
    struct stat st;
    int in = -1;
    vk_ob_err ob = vk_s3b_store(x->b, false, &x->s);
    if (ob == VK_OB_NO_SUCH_KEY)
        return VK_E_NOT_FOUND;
    vk_err e = of(x, ob);
    if (e == VK_OK)
        e = of_disk(x, vk_s3_archive_file(x->data_fd, name));
    if (e != VK_OK)
        return e;
    x->fd = openat(x->data_fd, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
    if (x->fd >= 0)
        in = openat(x->data_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    unlinkat(x->data_fd, name, 0);
    e = in < 0 ? of_disk(x, VK_E_IO) : put_all(x);
    if (e == VK_OK && fstat(in, &st) != 0)
        e = of_disk(x, VK_E_IO);
    if (x->fd >= 0)
        close(x->fd);
    if (e == VK_OK)
        *out_r = (vk_export){in, st.st_size, "application/x-tar", "storage.tar"};
    else if (in >= 0)
        close(in);
    return e;
}

static void run(vk_s3_job *j)
{
    struct archive *x = VK_CONTAINER(j, struct archive, job);
    vk_export out;
    vk_err e = make(x, &out);
    atomic_fetch_sub(&under_way, 1);
    if (e != VK_OK && e != VK_E_NOT_FOUND)
        vk_log(VK_WARN, "the objects of a build cannot be exported", VK_F(build, vk_s3b_id(x->b)),
               VK_F(error, vk_err_name(e)));
    x->done(x->arg, e, e == VK_OK ? &out : NULL, x->why);
    vk_s3b_let_go(x->b);
    free(x);
}

void vk_s3_export(const char *build, void (*done)(void *arg, vk_err e, const vk_export *x, const char *why),
                  void *arg)
{
    struct archive *x = calloc(1, sizeof *x);
    vk_s3_build *b = x ? vk_s3b_hold_id(build) : NULL;
    if (!b) {
        bool memory = x != NULL;
        free(x);
        done(arg, memory ? VK_E_CONFLICT : VK_E_NOMEM, NULL,
             memory ? "The build is being revoked or deleted; try again in a second" : "Out of memory");
        return;
    }
    x->job.run = run;
    x->b = b;
    x->data_fd = vk_s3b_runtime()->data_fd;
    x->done = done;
    x->arg = arg;
    if (atomic_fetch_add(&under_way, 1) < AT_ONCE && vk_s3b_submit(b, &x->job) == VK_OK)
        return;
    atomic_fetch_sub(&under_way, 1);
    vk_s3b_let_go(b);
    free(x);
    done(arg, VK_E_BUSY, NULL, "Too many archives are being made; try again");
}
