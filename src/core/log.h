/* The log: one record a line on standard error, as text ("<time> <level> <role> <text> key=value …") or as a
 * JSON object. The text is a literal, what varies are typed fields, so a record can be filtered by build or
 * error, and a secret cannot get into one: vk_secret has no field (core/secret.h), which is an error of the
 * compiler. */
#ifndef VK_LOG_H
#define VK_LOG_H

#include "core/secret.h"

typedef enum vk_level { VK_DEBUG, VK_INFO, VK_WARN, VK_ERROR } vk_level;
typedef enum vk_log_format { VK_LOG_TEXT, VK_LOG_JSON } vk_log_format;

enum { VK_LOG_LINE_MAX = 1024, VK_LOG_VALUE_MAX = 512 };

typedef struct vk_field {
    const char *key; /* a literal: lower case and underscores; NULL: nothing to say */
    enum { VK_FIELD_STR, VK_FIELD_INT, VK_FIELD_BOOL } type;
    vk_str s;
    int64_t i;
} vk_field;

static inline vk_field vk_field_str(const char *key, vk_str v)
{
    return (vk_field){.key = key, .type = VK_FIELD_STR, .s = v};
}
static inline vk_field vk_field_z(const char *key, const char *v)
{
    return vk_field_str(v ? key : NULL, vk_str_z(v));
}
static inline vk_field vk_field_int(const char *key, int64_t v)
{
    return (vk_field){.key = key, .type = VK_FIELD_INT, .i = v};
}
static inline vk_field vk_field_u64(const char *key, uint64_t v)
{
    return vk_field_int(key, v > INT64_MAX ? INT64_MAX : (int64_t)v);
}
static inline vk_field vk_field_bool(const char *key, bool v)
{
    return (vk_field){.key = key, .type = VK_FIELD_BOOL, .i = v};
}

/* One field: VK_F(build, t->id). Strings (NULL: the field is left out), numbers, bool and vk_str; nothing
 * else compiles. */
#define VK_F(key, value)                                                                                     \
    _Generic((value),                                                                                        \
        char *: vk_field_z,                                                                                  \
        const char *: vk_field_z,                                                                            \
        vk_str: vk_field_str,                                                                                \
        bool: vk_field_bool,                                                                                 \
        int: vk_field_int,                                                                                   \
        unsigned: vk_field_int,                                                                              \
        long: vk_field_int,                                                                                  \
        long long: vk_field_int,                                                                             \
        unsigned long: vk_field_u64,                                                                         \
        unsigned long long: vk_field_u64)(#key, value)

/* vk_log(VK_WARN, "the build was revoked", VK_F(build, b.id)). Thread-safe. Control characters in values are
 * shown as '?', a value is cut at VK_LOG_VALUE_MAX bytes, a line at VK_LOG_LINE_MAX. */
#define vk_log(level, text, ...)                                                                             \
    vk_log_fields((level), "" text, (const vk_field[]){{0}, ##__VA_ARGS__},                                  \
                  sizeof((const vk_field[]){{0}, ##__VA_ARGS__}) / sizeof(vk_field))

/* What vk_log comes to; fields[0] is not one. */
void vk_log_fields(vk_level level, const char *text, const vk_field *fields, size_t n);

/* `role` is a literal ("front"). Call once, before threads start. */
void vk_log_init(const char *role, vk_level least, vk_log_format format);
/* Whether records of that level are written. */
bool vk_log_wants(vk_level level);
/* errno as a text, thread-safe, valid until the thread's next call. */
const char *vk_errno_text(int err);

#endif
