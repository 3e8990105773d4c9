#include "services/auth/bundles.h"

#include "core/encode.h"
#include "crypto/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#define TITLE "valetkey clerk bundles 1"
#define ROOT VK_STR("/npm/@clerk/")

enum { NAME_MAX_FILE = 128, VERSION_MAX = 64, ETAG_DIGITS = 32, AT_MAX = 1 << 30 };

/* One form of a file: bytes [at, at+n) of bundles.data. */
typedef struct form {
    int64_t at, n; /* n 0: there is none */
    uint8_t sum[VK_SHA256];
} form;

typedef struct file {
    vk_str name;
    bool entry; /* its name says nothing about its content */
    form plain, gzip;
} file;

typedef struct package {
    vk_str name, version, major;
    size_t first, n; /* of its files */
} package;

struct vk_auth_bundles {
    int fd;
    vk_buf list; /* what the views below are of */
    package packages[VK_AUTH_BUNDLES_PACKAGES];
    size_t n_packages;
    file *files;
    size_t n_files;
    char text[VK_AUTH_BUNDLES_TEXT];
};

static vk_err say(char why[VK_AUTH_BUNDLES_WHY], vk_err e, const char *fmt, ...) VK_PRINTF(3, 4);
static vk_err say(char why[VK_AUTH_BUNDLES_WHY], vk_err e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, VK_AUTH_BUNDLES_WHY, fmt, ap);
    va_end(ap);
    return e;
}

/* ---- names */

static bool all_of(vk_str s, size_t max, const char *more)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              (c && strchr(more, c))))
            return false;
    }
    return s.n > 0 && s.n <= max;
}

/* What is in front of the first '.', which is a number. */
static bool major_of(vk_str version, vk_str *major_r)
{
    size_t n = 0;
    while (n < version.n && version.p[n] >= '0' && version.p[n] <= '9')
        n++;
    *major_r = (vk_str){version.p, n};
    return n > 0 && n <= 4 && (n == version.n || version.p[n] == '.') && all_of(version, VERSION_MAX, ".-+");
}

bool vk_auth_bundles_match(vk_str path)
{
    return vk_str_starts(path, VK_STR("/npm/"));
}

vk_err vk_auth_bundle_read(vk_str path, vk_auth_bundle_name *out_r)
{
    vk_auth_bundle_name name;
    vk_str folder;
    if (!vk_str_starts(path, ROOT))
        return VK_E_INVALID;
    path = (vk_str){path.p + ROOT.n, path.n - ROOT.n};
    if (!vk_str_cut(&path, '@', &name.package) || !vk_str_cut(&path, '/', &name.version) ||
        !vk_str_cut(&path, '/', &folder))
        return VK_E_INVALID;
    name.file = path;
    if (!all_of(name.package, NAME_MAX_FILE, "-") || !major_of(name.version, &name.major) ||
        !vk_str_eqz(folder, "dist") || !all_of(name.file, NAME_MAX_FILE, "_.-"))
        return VK_E_INVALID;
    *out_r = name;
    return VK_OK;
}

vk_err vk_auth_bundles_urls(vk_arena *a, vk_str gateway, vk_str *js_r, vk_str *ui_r)
{
    *js_r = *ui_r = VK_STR_NONE;
    if (gateway.n >= 8 && vk_str_ieq((vk_str){gateway.p, 8}, VK_STR("https://")))
        return VK_OK;
    vk_str js =
        vk_arena_printf(a, VK_STR_FMT "/npm/@clerk/clerk-js@6/dist/clerk.browser.js", VK_STR_ARG(gateway));
    vk_str ui = vk_arena_printf(a, VK_STR_FMT "/npm/@clerk/ui@1/dist/ui.browser.js", VK_STR_ARG(gateway));
    if (!js.p || !ui.p)
        return VK_E_NOMEM;
    *js_r = js;
    *ui_r = ui;
    return VK_OK;
}

/* ---- the list */

/* The next word of a line, which ends with it or with one blank. */
static vk_str word(vk_str *line)
{
    vk_str w;
    if (!vk_str_cut(line, ' ', &w)) {
        w = *line;
        *line = VK_STR_NONE;
    }
    return w;
}

static bool read_form(vk_str *line, form *f)
{
    vk_str at = word(line), n = word(line), sum = word(line);
    return vk_str_to_i64(at, &f->at) == VK_OK && vk_str_to_i64(n, &f->n) == VK_OK && f->at >= 0 &&
           f->at <= AT_MAX && f->n >= 0 && f->n <= VK_AUTH_BUNDLES_FILE_MAX &&
           (f->n == 0 ? vk_str_eqz(sum, "-") : vk_hex_decode(sum, f->sum, VK_SHA256) == VK_OK);
}

static bool read_package(vk_auth_bundles *b, vk_str line)
{
    if (b->n_packages == VK_AUTH_BUNDLES_PACKAGES)
        return false;
    package *p = &b->packages[b->n_packages];
    *p = (package){.first = b->n_files};
    p->name = word(&line);
    p->version = word(&line);
    (void)word(&line); /* what npm says of the package; the tool compares it */
    if (line.n || !all_of(p->name, NAME_MAX_FILE, "-") || !major_of(p->version, &p->major))
        return false;
    for (size_t i = 0; i < b->n_packages; i++)
        if (vk_str_eq(b->packages[i].name, p->name) && vk_str_eq(b->packages[i].major, p->major))
            return false;
    b->n_packages++;
    return true;
}

static bool read_file(vk_auth_bundles *b, vk_str line)
{
    if (b->n_files == VK_AUTH_BUNDLES_FILES || b->n_packages == 0)
        return false;
    file *f = &b->files[b->n_files];
    *f = (file){.name = word(&line)};
    vk_str kind = word(&line);
    f->entry = vk_str_eqz(kind, "entry");
    b->n_files++;
    b->packages[b->n_packages - 1].n++;
    return (f->entry || vk_str_eqz(kind, "chunk")) && all_of(f->name, NAME_MAX_FILE, "_.-") &&
           read_form(&line, &f->plain) && f->plain.n > 0 && read_form(&line, &f->gzip) && line.n == 0;
}

/* The whole list; its last line says how many files and bytes there are, so that a cut one is seen. */
static bool read_list(vk_auth_bundles *b, int64_t size)
{
    vk_str rest = vk_buf_view(&b->list), line;
    bool good = vk_str_cut(&rest, '\n', &line) && vk_str_eqz(line, TITLE), ended = false;
    while (good && vk_str_cut(&rest, '\n', &line)) {
        vk_str kind = word(&line);
        int64_t files, bytes;
        if (ended)
            return false;
        if (vk_str_eqz(kind, "package"))
            good = read_package(b, line);
        else if (vk_str_eqz(kind, "file"))
            good = read_file(b, line);
        else
            good = ended = vk_str_eqz(kind, "end") && vk_str_to_i64(word(&line), &files) == VK_OK &&
                           files == (int64_t)b->n_files && vk_str_to_i64(line, &bytes) == VK_OK &&
                           bytes == size;
    }
    return good && ended && rest.n == 0;
}

/* ---- opening */

#define REPAIR "run tools/clerk-bundles.mjs again (docs/DEPLOY.md, \"Clerk's scripts\") and restart valetkey"

static vk_err cannot(char why[VK_AUTH_BUNDLES_WHY], const char *folder, const char *name, int err)
{
    if (err == ENOENT || err == ENOTDIR)
        return say(
            why, VK_E_NOT_FOUND,
            "Clerk's scripts for browsers are not installed: there is no %.250s/%s. Run "
            "tools/clerk-bundles.mjs (docs/DEPLOY.md, \"Clerk's scripts\") and restart valetkey; until then "
            "apps get no sign-in pages.",
            folder, name);
    return say(
        why, err == EACCES || err == EPERM ? VK_E_FORBIDDEN : VK_E_IO,
        "Clerk's scripts for browsers cannot be read: %.250s/%s: %s. The user that valetkey runs as must be "
        "allowed to.",
        folder, name, err == EACCES ? "permission denied" : "input/output error");
}

static vk_err read_whole(int folder, const char *name, vk_buf *out)
{
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    vk_err e = VK_OK;
    ssize_t n = fd < 0 ? -1 : 1;
    while (n > 0 && e == VK_OK) {
        char *to = vk_buf_room(out, 65536);
        if (!to) {
            e = out->err;
            break;
        }
        do
            n = read(fd, to, 65536);
        while (n < 0 && errno == EINTR);
        out->n += n > 0 ? (size_t)n : 0;
    }
    int err = errno;
    if (fd >= 0)
        close(fd);
    errno = err;
    return e != VK_OK ? e : n < 0 ? VK_E_IO : VK_OK;
}

static bool bytes_are(int fd, const form *f, char *room)
{
    uint8_t sum[VK_SHA256];
    for (int64_t had = 0; had < f->n;) {
        ssize_t n = pread(fd, room + had, (size_t)(f->n - had), f->at + had);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        had += n;
    }
    vk_sha256((vk_str){room, (size_t)f->n}, sum);
    return f->n == 0 || memcmp(sum, f->sum, sizeof sum) == 0;
}

static vk_err check_bytes(const vk_auth_bundles *b, const char *folder, char why[VK_AUTH_BUNDLES_WHY])
{
    int64_t largest = 1;
    for (size_t i = 0; i < b->n_files; i++) {
        const file *f = &b->files[i];
        largest = f->plain.n > largest ? f->plain.n : largest;
        largest = f->gzip.n > largest ? f->gzip.n : largest;
    }
    char *room = malloc((size_t)largest);
    if (!room)
        return say(why, VK_E_NOMEM, "There is not enough memory to read Clerk's scripts for browsers.");
    const file *bad = NULL;
    for (size_t i = 0; i < b->n_files && !bad; i++)
        if (!bytes_are(b->fd, &b->files[i].plain, room) || !bytes_are(b->fd, &b->files[i].gzip, room))
            bad = &b->files[i];
    free(room);
    if (bad)
        return say(why, VK_E_CORRUPT,
                   "Clerk's scripts for browsers are damaged: " VK_STR_FMT
                   " in %.200s/bundles.data is not what the list says. They are not served; " REPAIR ".",
                   VK_STR_ARG(bad->name), folder);
    return VK_OK;
}

static void put_text(vk_auth_bundles *b)
{
    size_t at = 0;
    for (size_t i = 0; i < b->n_packages && at < sizeof b->text; i++)
        at +=
            (size_t)snprintf(b->text + at, sizeof b->text - at, "%s" VK_STR_FMT " " VK_STR_FMT, i ? ", " : "",
                             VK_STR_ARG(b->packages[i].name), VK_STR_ARG(b->packages[i].version));
}

static vk_err load(vk_auth_bundles *b, int folder, const char *path, char why[VK_AUTH_BUNDLES_WHY])
{
    struct stat st;
    vk_err e = read_whole(folder, "bundles.list", &b->list);
    if (e == VK_E_IO)
        return cannot(why, path, "bundles.list", errno);
    if (e == VK_E_NOMEM)
        return say(why, e, "There is not enough memory to read Clerk's scripts for browsers.");
    b->fd = openat(folder, "bundles.data", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (b->fd < 0)
        return cannot(why, path, "bundles.data", errno);
    if (e != VK_OK || fstat(b->fd, &st) != 0 || !S_ISREG(st.st_mode) || !read_list(b, st.st_size))
        return say(
            why, VK_E_INVALID,
            "Clerk's scripts for browsers are not served: %.250s/bundles.list is of another version, cut "
            "short, or not that of its bundles.data; " REPAIR ".",
            path);
    e = check_bytes(b, path, why);
    if (e == VK_OK)
        put_text(b);
    return e;
}

vk_err vk_auth_bundles_open(const char *share, vk_auth_bundles **out_r, char why[VK_AUTH_BUNDLES_WHY])
{
    char path[PATH_MAX];
    if ((size_t)snprintf(path, sizeof path, "%s/clerk", share) >= sizeof path)
        return say(why, VK_E_INVALID, "The path of the share folder is too long.");
    vk_auth_bundles *b = calloc(1, sizeof *b);
    file *files = calloc(VK_AUTH_BUNDLES_FILES, sizeof *files);
    if (!b || !files) {
        free(b);
        free(files);
        return say(why, VK_E_NOMEM, "There is not enough memory to read Clerk's scripts for browsers.");
    }
    b->files = files;
    b->fd = -1;
    vk_buf_init(&b->list, VK_AUTH_BUNDLES_LIST_MAX);
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    vk_err e = folder < 0 ? cannot(why, path, "bundles.list", errno) : load(b, folder, path, why);
    if (folder >= 0)
        close(folder);
    if (e != VK_OK) {
        vk_auth_bundles_free(b);
        return e;
    }
    file *fitting = realloc(b->files, (b->n_files ? b->n_files : 1) * sizeof *fitting);
    b->files = fitting ? fitting : b->files;
    *out_r = b;
    return VK_OK;
}

void vk_auth_bundles_free(vk_auth_bundles *b)
{
    if (!b)
        return;
    if (b->fd >= 0)
        close(b->fd);
    vk_buf_free(&b->list);
    free(b->files);
    free(b);
}

const char *vk_auth_bundles_text(const vk_auth_bundles *b)
{
    return b->text;
}

/* ---- answering */

#define PUBLIC                                                                                               \
    "Access-Control-Allow-Origin: *\r\nCross-Origin-Resource-Policy: cross-origin\r\n"                       \
    "X-Content-Type-Options: nosniff\r\n"
#define TYPE "text/javascript; charset=utf-8"

#define REFUSED PUBLIC "Cache-Control: no-store\r\n"

/* The body is in ex->out. */
static void refuse(vk_exchange *ex, int status)
{
    if (status == 405)
        vk_header_lines(ex, REFUSED "Allow: GET, HEAD\r\n");
    else
        vk_header_lines(ex, REFUSED);
    vk_respond(ex, status, "text/plain; charset=utf-8");
}

/* RFC 9110 §12.5.3, for one coding: named, and its weight is not 0. */
static bool takes_gzip(vk_str accept)
{
    bool more = true;
    while (more) {
        vk_str one, name;
        more = vk_str_cut(&accept, ',', &one);
        one = more ? one : accept;
        bool weighed = vk_str_cut(&one, ';', &name);
        name = vk_str_trim(weighed ? name : one);
        if (!vk_str_ieq(name, VK_STR("gzip")) && !vk_str_ieq(name, VK_STR("x-gzip")))
            continue;
        vk_str q = weighed ? vk_str_trim(one) : VK_STR_NONE;
        bool zero = q.n >= 3 && vk_str_ieq((vk_str){q.p, 2}, VK_STR("q=")) && q.p[2] == '0';
        for (size_t i = 3; zero && i < q.n; i++)
            zero = q.p[i] == '.' || q.p[i] == '0';
        return !zero;
    }
    return false;
}

/* If-None-Match, RFC 9110 §13.1.2; the comparison is the weak one. */
static bool has_it(vk_str tags, vk_str etag)
{
    bool more = true;
    while (more) {
        vk_str one;
        more = vk_str_cut(&tags, ',', &one);
        one = vk_str_trim(more ? one : tags);
        if (vk_str_starts(one, VK_STR("W/")))
            one = (vk_str){one.p + 2, one.n - 2};
        if (vk_str_eq(one, etag) || vk_str_eqz(one, "*"))
            return true;
    }
    return false;
}

typedef struct sending {
    vk_pieces pieces; /* first */
    int fd;
    form form;
} sending;

static vk_err next_piece(vk_pieces *p, int64_t at, vk_piece *out_r)
{
    const sending *s = VK_CONTAINER(p, sending, pieces);
    *out_r = (vk_piece){.fd = s->fd, .at = s->form.at + at, .n = s->form.n - at};
    return VK_OK;
}

static void stop_pieces(vk_pieces *p)
{
    VK_UNUSED(p); /* the descriptor is the list's */
}

/* A chunk's name has a hash of its content and its version. An entry script's has not, also not below an
 * exact version: kept for a year it would ask for chunks that went with the next release. */
static void send_file(const vk_auth_bundles *b, vk_exchange *ex, const file *f)
{
    bool gzip = f->gzip.n > 0 && takes_gzip(vk_request_header(ex, VK_STR("Accept-Encoding")));
    const form *sent = gzip ? &f->gzip : &f->plain;
    char etag[ETAG_DIGITS + 3] = "\"";
    vk_hex(etag + 1, sent->sum, ETAG_DIGITS / 2);
    memcpy(etag + 1 + ETAG_DIGITS, "\"", 2);
    sending *s = VK_NEW(ex->arena, sending);
    if (!s || vk_header_add(ex, "ETag", vk_str_z(etag)) != VK_OK ||
        (gzip && vk_header_add(ex, "Content-Encoding", VK_STR("gzip")) != VK_OK)) {
        vk_respond(ex, 503, NULL);
        return;
    }
    if (f->entry)
        vk_header_lines(ex, PUBLIC "Vary: Accept-Encoding\r\nCache-Control: no-cache\r\n");
    else
        vk_header_lines(ex, PUBLIC
                        "Vary: Accept-Encoding\r\nCache-Control: public, max-age=31536000, immutable\r\n");
    if (has_it(vk_request_header(ex, VK_STR("If-None-Match")), vk_str_z(etag))) {
        vk_respond(ex, 304, NULL);
        return;
    }
    *s = (sending){.pieces = {next_piece, stop_pieces}, .fd = b->fd, .form = *sent};
    vk_respond_pieces(ex, 200, TYPE, sent->n, &s->pieces);
}

static const package *find_package(const vk_auth_bundles *b, const vk_auth_bundle_name *name)
{
    for (size_t i = 0; i < b->n_packages; i++)
        if (vk_str_eq(b->packages[i].name, name->package) && vk_str_eq(b->packages[i].major, name->major))
            return &b->packages[i];
    return NULL;
}

void vk_auth_bundles_answer(const vk_auth_bundles *b, vk_exchange *ex, vk_str path)
{
    vk_auth_bundle_name name;
    ex->body_max = 0;
    if (!vk_str_eqz(ex->method, "GET") && !vk_str_eqz(ex->method, "HEAD")) {
        vk_buf_lit(&ex->out, "Clerk's scripts for browsers are read with GET.\n");
        refuse(ex, 405);
        return;
    }
    if (!b) {
        vk_buf_lit(&ex->out,
                   "Clerk's scripts for browsers are not installed with this valetkey. Its operator runs "
                   "tools/clerk-bundles.mjs and restarts it; `valetkey doctor` says what is missing.\n");
        refuse(ex, 503);
        return;
    }
    bool read = vk_auth_bundle_read(path, &name) == VK_OK;
    const package *p = read ? find_package(b, &name) : NULL;
    for (size_t i = 0; p && i < p->n; i++)
        if (vk_str_eq(b->files[p->first + i].name, name.file)) {
            send_file(b, ex, &b->files[p->first + i]);
            return;
        }
    if (!read)
        vk_buf_lit(&ex->out, "Scripts have addresses like /npm/@clerk/clerk-js@6/dist/clerk.browser.js.");
    else if (!p)
        vk_buf_printf(&ex->out, "There is no @clerk/" VK_STR_FMT " of the major version " VK_STR_FMT " here.",
                      VK_STR_ARG(name.package), VK_STR_ARG(name.major));
    else
        vk_buf_printf(&ex->out,
                      "There is no such file in @clerk/" VK_STR_FMT " " VK_STR_FMT
                      ". After an update of valetkey a page that was open has to be loaded anew.",
                      VK_STR_ARG(p->name), VK_STR_ARG(p->version));
    vk_buf_printf(&ex->out, " This valetkey has: %s.\n", b->text);
    refuse(ex, 404);
}
