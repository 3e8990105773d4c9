#include "cli/out.h"

#include "cli/cli.h"
#include "core/clock.h"
#include "core/json_write.h"

#include <locale.h>
#include <stdarg.h>
#include <unistd.h>
#include <wchar.h>

enum { MESSAGE_MAX = 2048 };

static bool json_errors;

void vk_out_json(bool on)
{
    json_errors = on;
}

/* Line by line: what is in it of a file or an answer moves no cursor and sets no colour. */
static void put_visible(vk_buf *out, vk_str text)
{
    for (vk_str line; vk_str_cut(&text, '\n', &line); vk_buf_ch(out, '\n'))
        vk_text_visible(out, line);
    vk_text_visible(out, text);
}

static void print_error(const char *code, const char *text)
{
    vk_buf b;
    if (!json_errors) {
        vk_buf_init(&b, (size_t)4 * MESSAGE_MAX);
        put_visible(&b, vk_str_z(text));
        fprintf(stderr, "%svaletkey:%s " VK_STR_FMT "\n", vk_tone_begin(stderr, VK_BAD), vk_tone_end(stderr),
                VK_STR_ARG(vk_buf_view(&b)));
        vk_buf_free(&b);
        return;
    }
    vk_buf_init(&b, 16 * 1024);
    vk_jw w = vk_jw_on(&b);
    vk_jw_obj(&w);
    vk_jw_key(&w, VK_STR("error"));
    vk_jw_obj(&w);
    vk_jw_kstr(&w, "code", vk_str_z(code));
    vk_jw_kstr(&w, "message", vk_str_z(text));
    vk_jw_obj_end(&w);
    vk_jw_obj_end(&w);
    fprintf(stderr, VK_STR_FMT "\n", VK_STR_ARG(vk_buf_view(&b)));
    vk_buf_free(&b);
}

int vk_usage(const char *command, const char *fmt, ...)
{
    char text[MESSAGE_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text - 128, fmt, ap);
    va_end(ap);
    size_t n = strlen(text);
    snprintf(text + n, sizeof text - n, " `valetkey %s%s--help` shows how it is used.", command,
             command[0] ? " " : "");
    print_error("usage", text);
    return VK_EXIT_USAGE;
}

int vk_failed(const char *code, const char *fmt, ...)
{
    char text[MESSAGE_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    print_error(code, text);
    return VK_EXIT_FAILED;
}

/* ---- colours */

static bool colours(FILE *f)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(fileno(f)) && !(no && no[0]) && !(term && strcmp(term, "dumb") == 0);
}

const char *vk_tone_begin(FILE *f, vk_tone t)
{
    static const char *const codes[] = {
        [VK_PLAIN] = "",        [VK_BOLD] = "\x1b[1m", [VK_DIM] = "\x1b[2m",
        [VK_GOOD] = "\x1b[32m", [VK_BAD] = "\x1b[31m", [VK_NOTICE] = "\x1b[33m",
    };
    return colours(f) ? codes[t] : "";
}

const char *vk_tone_end(FILE *f)
{
    return colours(f) ? "\x1b[0m" : "";
}

/* ---- text */

static locale_t utf8(void)
{
    static locale_t l;
    if (!l)
        l = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    return l;
}

/* One character from the front of *s; its columns go to *width_r. Bytes that are no UTF-8 count as one. */
static size_t next_char(vk_str s, size_t *width_r, bool *control_r)
{
    locale_t l = utf8(), old = l ? uselocale(l) : (locale_t)0;
    mbstate_t st = {0};
    wchar_t c = 0;
    size_t n = mbrtowc(&c, s.p, s.n, &st);
    bool bad = n == 0 || n > s.n;
    int w = bad ? -1 : wcwidth(c);
    if (old)
        uselocale(old);
    *control_r = bad || w < 0;
    *width_r = w < 0 ? 1 : (size_t)w;
    return bad ? 1 : n;
}

static size_t escape(char out[8], unsigned char c)
{
    const char *at = c ? strchr("\nn\rr\tt", c) : NULL;
    int n = at ? snprintf(out, 8, "\\%c", at[1]) : snprintf(out, 8, "\\x%02x", c);
    return (size_t)n;
}

size_t vk_text_width(vk_str s)
{
    size_t total = 0;
    while (s.n) {
        size_t w;
        bool control;
        char e[8];
        size_t n = next_char(s, &w, &control);
        for (size_t i = 0; control && i < n; i++)
            total += escape(e, (unsigned char)s.p[i]);
        total += control ? 0 : w;
        s.p += n;
        s.n -= n;
    }
    return total;
}

void vk_text_visible(vk_buf *out, vk_str s)
{
    while (s.n) {
        size_t w;
        bool control;
        char e[8];
        size_t n = next_char(s, &w, &control);
        for (size_t i = 0; control && i < n; i++)
            vk_buf_add(out, e, escape(e, (unsigned char)s.p[i]));
        if (!control)
            vk_buf_add(out, s.p, n);
        s.p += n;
        s.n -= n;
    }
}

void vk_out_fact(const char *name, const char *value)
{
    vk_buf b;
    vk_buf_init(&b, 64 * 1024);
    vk_text_visible(&b, vk_str_z(value));
    printf("  %s%-12s%s" VK_STR_FMT "\n", vk_tone_begin(stdout, VK_DIM), name, vk_tone_end(stdout),
           VK_STR_ARG(vk_buf_view(&b)));
    vk_buf_free(&b);
}

/* ---- table */

struct cell {
    size_t at, n, width; /* of the text */
    vk_tone tone;
    bool right;
};

struct vk_table {
    vk_buf text;
    struct cell *cells;
    size_t n, cap, n_cols;
    bool broken;
};

enum { TABLE_TEXT_MAX = 256 * 1024 * 1024 };

vk_table *vk_table_new(size_t n_cols)
{
    vk_table *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->n_cols = n_cols;
    vk_buf_init(&t->text, TABLE_TEXT_MAX);
    return t;
}

void vk_table_cell(vk_table *t, vk_str text, vk_tone tone, bool right)
{
    if (t->n == t->cap && !t->broken) {
        size_t cap = t->cap ? t->cap * 2 : 64;
        struct cell *more = realloc(t->cells, cap * sizeof *more);
        t->broken = !more;
        if (more) {
            t->cells = more;
            t->cap = cap;
        }
    }
    if (t->broken)
        return;
    size_t at = t->text.n;
    vk_text_visible(&t->text, text);
    t->broken = t->text.err != VK_OK;
    t->cells[t->n++] = (struct cell){at, t->text.n - at, vk_text_width(text), tone, right};
}

static void print_row(const vk_table *t, size_t row, const size_t *widths, FILE *f, size_t indent)
{
    fprintf(f, "%*s", (int)indent, "");
    for (size_t c = 0; c < t->n_cols; c++) {
        const struct cell *x = &t->cells[row * t->n_cols + c];
        int pad = (int)(widths[c] - x->width);
        bool last = c + 1 == t->n_cols;
        const char *text = x->n ? t->text.p + x->at : "";
        fprintf(f, "%*s%s%.*s%s%*s", x->right ? pad : 0, "", vk_tone_begin(f, row ? x->tone : VK_BOLD),
                (int)x->n, text, row && x->tone == VK_PLAIN ? "" : vk_tone_end(f), x->right || last ? 0 : pad,
                "");
        if (!last)
            fputs("  ", f);
    }
    fputc('\n', f);
}

bool vk_table_print(vk_table *t, FILE *f, size_t indent)
{
    bool ok = f && !t->broken;
    size_t *widths = calloc(t->n_cols ? t->n_cols : 1, sizeof *widths),
           rows = t->n_cols ? t->n / t->n_cols : 0;
    ok = ok && widths;
    for (size_t i = 0; ok && i < rows * t->n_cols; i++)
        if (t->cells[i].width > widths[i % t->n_cols])
            widths[i % t->n_cols] = t->cells[i].width;
    for (size_t r = 0; ok && r < rows; r++) {
        print_row(t, r, widths, f, indent);
        if (r > 0)
            continue;
        fprintf(f, "%*s%s", (int)indent, "", vk_tone_begin(f, VK_DIM));
        for (size_t c = 0; c < t->n_cols; c++) {
            for (size_t i = 0; i < widths[c]; i++)
                fputc('-', f);
            if (c + 1 < t->n_cols)
                fputs("  ", f);
        }
        fprintf(f, "%s\n", vk_tone_end(f));
    }
    free(widths);
    free(t->cells);
    vk_buf_free(&t->text);
    free(t);
    return ok;
}

/* ---- progress */

void vk_size_text(int64_t bytes, char out[VK_SIZE_TEXT])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double v = (double)bytes;
    size_t u = 0;
    while (v >= 1000 && u + 1 < VK_COUNT(units)) {
        v /= 1000;
        u++;
    }
    snprintf(out, VK_SIZE_TEXT, u ? "%.1f %s" : "%.0f %s", v, units[u]);
}

static bool drawn;

void vk_progress(const char *what, int64_t done, int64_t total)
{
    enum { BAR = 28, EVERY_MS = 80 };
    static int64_t last;
    int64_t now = vk_clock_mono_ms();
    if (!isatty(STDERR_FILENO) || (drawn && now - last < EVERY_MS && done != total))
        return;
    last = now;
    drawn = true;
    char size[VK_SIZE_TEXT], all[VK_SIZE_TEXT], bar[BAR * 3 + 1] = "";
    vk_size_text(done, size);
    if (total <= 0) {
        fprintf(stderr, "\r%s  %s\x1b[K", what, size);
        return;
    }
    vk_size_text(total, all);
    size_t full = (size_t)((double)BAR * (double)done / (double)total), at = 0;
    for (size_t i = 0; i < BAR; i++)
        at += (size_t)snprintf(bar + at, sizeof bar - at, "%s", i < full ? "█" : "░");
    fprintf(stderr, "\r%s  %s  %3d %%  %s of %s\x1b[K", what, bar,
            (int)(100.0 * (double)done / (double)total), size, all);
}

void vk_progress_end(void)
{
    if (drawn)
        fprintf(stderr, "\r\x1b[K");
    drawn = false;
}
