/* Streaming JSON writer into a vk_buf. It places commas and quotes; the caller pairs begin and end. Errors
 * are the buffer's sticky error. It keeps no stack, so nesting costs nothing. */
#ifndef VK_JSON_WRITE_H
#define VK_JSON_WRITE_H

#include "core/buf.h"
#include "core/json_read.h"

typedef struct vk_jw {
    vk_buf *out;
    bool need_comma;
} vk_jw;

static inline vk_jw vk_jw_on(vk_buf *out)
{
    return (vk_jw){out, false};
}
void vk_jw_obj(vk_jw *w);
void vk_jw_obj_end(vk_jw *w);
void vk_jw_arr(vk_jw *w);
void vk_jw_arr_end(vk_jw *w);
/* Key of the next value. `key` is written escaped. */
void vk_jw_key(vk_jw *w, vk_str key);
void vk_jw_str(vk_jw *w, vk_str s);
void vk_jw_i64(vk_jw *w, int64_t v);
/* Shortest text that reads back as the same double; NaN is null, ±Infinity is ±1e999 (JSON.parse reads it
 * back). */
void vk_jw_double(vk_jw *w, double v);
void vk_jw_bool(vk_jw *w, bool v);
void vk_jw_null(vk_jw *w);
/* What the reader read, at most VK_JSON_DEPTH_MAX deep. */
void vk_jw_value(vk_jw *w, const vk_json *v);
/* Text that is a JSON value already. */
void vk_jw_raw(vk_jw *w, vk_str json);

/* key + value in one call, for flat objects */
void vk_jw_kstr(vk_jw *w, const char *key, vk_str s);
/* A text without bytes (VK_STR_NONE) is null; an empty one is "". */
void vk_jw_kstr_or_null(vk_jw *w, const char *key, vk_str s);
void vk_jw_ki64(vk_jw *w, const char *key, int64_t v);
void vk_jw_kbool(vk_jw *w, const char *key, bool v);

/* The bytes of `s` as the inside of a JSON string, with the quotes. Invalid UTF-8 becomes U+FFFD, so the
 * output is always valid JSON. */
void vk_json_quote(vk_buf *out, vk_str s);
/* The number alone, as vk_jw_double writes it. */
void vk_json_double(vk_buf *out, double v);

#endif
