#include "cli/lines.h"

#include "cli/out.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 1024 * 1024, COLUMNS_DEFAULT = 80, COLUMNS_MIN = 20 };

enum key {
    K_NONE = 256,
    K_END,
    K_LEFT,
    K_RIGHT,
    K_UP,
    K_DOWN,
    K_HOME,
    K_LAST,
    K_DELETE,
};

struct line {
    const vk_history *h;
    const char *prompt;
    size_t width;
    vk_buf text, typed; /* `typed`: what stood here before the arrows were used */
    size_t at;          /* the cursor, in bytes */
    size_t past;        /* h->n: the line itself; below: the history's */
};

/* ---- keys */

static int byte(void)
{
    unsigned char c;
    ssize_t n;
    do
        n = read(STDIN_FILENO, &c, 1);
    while (n < 0 && errno == EINTR);
    return n == 1 ? c : K_END;
}

/* After ESC: CSI or SS3 sequences; others are swallowed. */
static int escape(void)
{
    int c = byte();
    if (c == K_END)
        return K_END;
    if (c != '[' && c != 'O')
        return K_NONE;
    int number = 0;
    while ((c = byte()) != K_END && ((c >= '0' && c <= '9') || c == ';'))
        number = c == ';' ? number : (number * 10 + c - '0') % 1000;
    switch (c) {
    case 'A':
        return K_UP;
    case 'B':
        return K_DOWN;
    case 'C':
        return K_RIGHT;
    case 'D':
        return K_LEFT;
    case 'H':
        return K_HOME;
    case 'F':
        return K_LAST;
    case '~':
        return number == 1 || number == 7   ? K_HOME
               : number == 4 || number == 8 ? K_LAST
               : number == 3                ? K_DELETE
                                            : K_NONE;
    default:
        return c == K_END ? K_END : K_NONE;
    }
}

static int key(void)
{
    static const int controls[32] = {
        [1] = K_HOME, [2] = K_LEFT, [5] = K_LAST, [6] = K_RIGHT, [14] = K_DOWN, [16] = K_UP,
    };
    int c = byte();
    if (c == 27)
        return escape();
    return c < 32 && controls[c] ? controls[c] : c;
}

/* ---- the line on the screen */

static size_t columns(void)
{
    struct winsize w;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) != 0 || w.ws_col == 0)
        return COLUMNS_DEFAULT;
    return w.ws_col < COLUMNS_MIN ? COLUMNS_MIN : w.ws_col;
}

static bool inside(const vk_buf *b, size_t at)
{
    return at < b->n && ((unsigned char)b->p[at] & 0xc0) == 0x80;
}

static size_t step_back(const vk_buf *b, size_t at)
{
    if (at)
        at--;
    while (at && inside(b, at))
        at--;
    return at;
}

static size_t step_on(const vk_buf *b, size_t at)
{
    if (at < b->n)
        at++;
    while (inside(b, at))
        at++;
    return at;
}

static size_t width(const struct line *l, size_t from, size_t to)
{
    return vk_text_width((vk_str){l->text.p + from, to - from});
}

/* One row, and of a line that is longer the part around the cursor. */
static void draw(const struct line *l)
{
    size_t room = columns(), from = 0, to;
    room = room > l->width + 2 ? room - l->width - 1 : 1;
    while (from < l->at && width(l, from, l->at) > room)
        from = step_on(&l->text, from);
    to = l->at;
    for (size_t next = to; next < l->text.n; to = next) {
        next = step_on(&l->text, to);
        if (width(l, from, next) > room)
            break;
    }
    vk_buf b;
    vk_buf_init(&b, 4 * LINE_MAX_BYTES);
    vk_buf_printf(&b, "\r%s", l->prompt);
    vk_text_visible(&b, (vk_str){l->text.p + from, to - from});
    vk_buf_printf(&b, "\x1b[K\r\x1b[%zuC", l->width + width(l, from, l->at));
    fwrite(b.p, 1, b.n, stdout);
    fflush(stdout);
    vk_buf_free(&b);
}

/* ---- editing */

static void cut(struct line *l, size_t from, size_t to)
{
    memmove(l->text.p + from, l->text.p + to, l->text.n - to);
    vk_buf_truncate(&l->text, l->text.n - (to - from));
    l->at = from;
}

static void insert(struct line *l, char c)
{
    vk_buf_ch(&l->text, c);
    if (l->text.err) {
        vk_buf_truncate(&l->text, l->text.n);
        return;
    }
    memmove(l->text.p + l->at + 1, l->text.p + l->at, l->text.n - 1 - l->at);
    l->text.p[l->at++] = c;
}

static void show_past(struct line *l, size_t past)
{
    if (l->past == l->h->n) {
        vk_buf_clear(&l->typed);
        vk_buf_str(&l->typed, vk_buf_view(&l->text));
    }
    vk_str s = past == l->h->n ? vk_buf_view(&l->typed) : vk_str_z(l->h->line[past]);
    vk_buf_clear(&l->text);
    vk_buf_str(&l->text, s);
    l->at = l->text.n;
    l->past = past;
}

static size_t word_start(const struct line *l)
{
    size_t at = l->at;
    while (at && l->text.p[at - 1] == ' ')
        at--;
    while (at && l->text.p[at - 1] != ' ')
        at--;
    return at;
}

static void move(struct line *l, int k)
{
    switch (k) {
    case K_LEFT:
        l->at = step_back(&l->text, l->at);
        break;
    case K_RIGHT:
        l->at = step_on(&l->text, l->at);
        break;
    case K_HOME:
        l->at = 0;
        break;
    case K_LAST:
        l->at = l->text.n;
        break;
    case K_UP:
        if (l->past)
            show_past(l, l->past - 1);
        break;
    case K_DOWN:
        if (l->past < l->h->n)
            show_past(l, l->past + 1);
        break;
    default:
        break;
    }
}

static void edit(struct line *l, int k)
{
    switch (k) {
    case 8:
    case 127: /* Backspace */
        cut(l, step_back(&l->text, l->at), l->at);
        break;
    case 4: /* Ctrl-D, with something to the right */
    case K_DELETE: {
        size_t at = l->at;
        cut(l, at, step_on(&l->text, at));
        break;
    }
    case 11: /* Ctrl-K */
        cut(l, l->at, l->text.n);
        break;
    case 21: /* Ctrl-U */
        cut(l, 0, l->at);
        break;
    case 23: /* Ctrl-W */
        cut(l, word_start(l), l->at);
        break;
    case 12: /* Ctrl-L */
        printf("\x1b[H\x1b[2J");
        break;
    case '\t':
        insert(l, ' ');
        break;
    default:
        if (k >= 32 && k < 256)
            insert(l, (char)(unsigned char)k);
        else
            move(l, k);
    }
}

static vk_typed type(struct line *l)
{
    for (draw(l);; draw(l)) {
        int k = key();
        if (k == K_END || (k == 4 && l->text.n == 0))
            return VK_TYPED_END;
        if (k == 3)
            return VK_TYPED_DROPPED;
        if (k == '\r' || k == '\n') {
            l->at = l->text.n;
            draw(l);
            return VK_TYPED_LINE;
        }
        edit(l, k);
    }
}

vk_typed vk_lines_read(const vk_history *h, const char *prompt, size_t prompt_width, vk_buf *out)
{
    struct termios was, raw;
    struct line l = {.h = h, .prompt = prompt, .width = prompt_width, .past = h->n};
    if (tcgetattr(STDIN_FILENO, &was) != 0)
        return VK_TYPED_END;
    raw = was;
    raw.c_iflag &= ~(tcflag_t)(ICRNL | IXON | ISTRIP | BRKINT);
    raw.c_lflag &= ~(tcflag_t)(ECHO | ICANON | ISIG | IEXTEN);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) != 0)
        return VK_TYPED_END;
    vk_buf_init(&l.text, LINE_MAX_BYTES);
    vk_buf_init(&l.typed, LINE_MAX_BYTES);
    vk_typed t = type(&l);
    tcsetattr(STDIN_FILENO, TCSADRAIN, &was);
    printf("\n");
    if (t == VK_TYPED_LINE)
        vk_buf_str(out, vk_buf_view(&l.text));
    vk_buf_free_secret(&l.text);
    vk_buf_free_secret(&l.typed);
    return t;
}
