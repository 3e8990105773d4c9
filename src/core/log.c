#include "core/log.h"

#include "core/clock.h"
#include "core/text.h"

#include <unistd.h>

static const char *role_name = "valetkey";
static vk_level least_level = VK_INFO;
static vk_log_format log_format = VK_LOG_TEXT;

static const char *const level_names[] = {"debug", "info", "warn", "error"};

/* A line under construction; what does not fit is left out, in front of the room for its end. */
typedef struct line {
    char p[VK_LOG_LINE_MAX];
    size_t n;
} line;

enum { LINE_END = 8 }; /* room for a closing quote, a brace and the line feed */

static void put(line *l, const char *p, size_t n)
{
    size_t room = sizeof l->p - LINE_END - l->n;
    if (n > room)
        n = room;
    memcpy(l->p + l->n, p, n);
    l->n += n;
}

static void put_z(line *l, const char *z)
{
    put(l, z, strlen(z));
}

static void put_int(line *l, int64_t v)
{
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%lld", (long long)v);
    put(l, digits, n > 0 ? (size_t)n : 0);
}

/* The part of a value that is shown: whole characters, valid UTF-8 as it is, all else as '?'. */
static void put_value(line *l, vk_str s, bool json)
{
    const char *p = s.p, *end = s.p + (s.n > VK_LOG_VALUE_MAX ? VK_LOG_VALUE_MAX : s.n);
    while (p && p < end) {
        size_t bad, n = vk_utf8_seq(p, end, &bad);
        unsigned char c = (unsigned char)*p;
        if (n == 0 || c < 0x20 || c == 0x7f) {
            put(l, "?", 1);
            p += n ? n : bad;
            continue;
        }
        if (sizeof l->p - LINE_END - l->n < n + 1)
            return;
        if (c == '"' || c == '\\')
            put(l, json || c == '"' ? "\\" : "", json || c == '"');
        put(l, p, n);
        p += n;
    }
}

static bool plain(vk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ' || s.p[i] == '"' || s.p[i] == '=' || s.p[i] == 0x7f)
            return false;
    return s.n > 0;
}

static void text_field(line *l, const vk_field *f)
{
    put_z(l, " ");
    put_z(l, f->key);
    put_z(l, "=");
    if (f->type == VK_FIELD_STR) {
        bool bare = plain(f->s);
        put_z(l, bare ? "" : "\"");
        put_value(l, f->s, false);
        put_z(l, bare ? "" : "\"");
    } else if (f->type == VK_FIELD_BOOL) {
        put_z(l, f->i ? "true" : "false");
    } else {
        put_int(l, f->i);
    }
}

/* Whole or not at all: half a member would make the line no JSON. */
static void json_field(line *l, const vk_field *f)
{
    size_t before = l->n, room = sizeof l->p - LINE_END;
    put_z(l, ",\"");
    put_z(l, f->key);
    put_z(l, "\":");
    if (f->type == VK_FIELD_STR) {
        put_z(l, "\"");
        put_value(l, f->s, true);
        l->p[l->n++] = '"'; /* of the room for ends */
    } else if (f->type == VK_FIELD_BOOL) {
        put_z(l, f->i ? "true" : "false");
    } else {
        put_int(l, f->i);
    }
    if (l->n >= room)
        l->n = before;
}

static void member(line *l, const char *key, const char *value)
{
    vk_field f = vk_field_z(key, value);
    json_field(l, &f);
}

bool vk_log_wants(vk_level level)
{
    return level >= least_level;
}

void vk_log_fields(vk_level level, const char *text, const vk_field *fields, size_t n)
{
    char when[VK_CLOCK_TEXT];
    line l = {.n = 0};
    if (level < least_level)
        return;
    vk_clock_text(vk_clock_wall_ms(), when);
    if (log_format == VK_LOG_JSON) {
        put_z(&l, "{\"time\":\"");
        put_z(&l, when);
        put_z(&l, "\"");
        member(&l, "level", level_names[level]);
        member(&l, "role", role_name);
        member(&l, "text", text);
        for (size_t i = 1; i < n; i++)
            if (fields[i].key)
                json_field(&l, &fields[i]);
        l.p[l.n++] = '}';
    } else {
        put_z(&l, when);
        put_z(&l, " ");
        put_z(&l, level_names[level]);
        put_z(&l, " ");
        put_z(&l, role_name);
        put_z(&l, " ");
        put_z(&l, text);
        for (size_t i = 1; i < n; i++)
            if (fields[i].key)
                text_field(&l, &fields[i]);
    }
    l.p[l.n++] = '\n';
    ssize_t done = write(STDERR_FILENO, l.p, l.n);
    VK_UNUSED(done); /* a log that cannot be written has nowhere to say so */
}

void vk_log_init(const char *role, vk_level least, vk_log_format format)
{
    role_name = role;
    least_level = least;
    log_format = format;
}

const char *vk_errno_text(int err)
{
    static _Thread_local char text[128];
    return strerror_r(err, text, sizeof text);
}
