/* Time, through a seam that tests replace. */
#ifndef VK_CLOCK_H
#define VK_CLOCK_H

#include "core/base.h"

/* Wall time, milliseconds since 1970 UTC. For expiry and stored times. */
int64_t vk_clock_wall_ms(void);
/* Monotonic milliseconds and nanoseconds. For timeouts and measuring. */
int64_t vk_clock_mono_ms(void);
int64_t vk_clock_mono_ns(void);
/* Adds `ms` to what vk_clock_wall_ms answers. Set at start from VALETKEY_TEST_CLOCK_OFFSET_MS in test builds.
 */
void vk_clock_offset(int64_t ms);

enum { VK_CLOCK_TEXT = 40 };
/* "2026-11-24T16:00:00.000Z" with NUL (25 bytes; the room is what printf could need). */
void vk_clock_text(int64_t wall_ms, char out[VK_CLOCK_TEXT]);
/* The same back. VK_E_INVALID: it has another form, or there is no such time. */
VK_MUSTCHECK vk_err vk_clock_parse(vk_str text, int64_t *wall_ms_r);

/* "30d", "12h", "90m", "45s" or plain seconds, 1 s to 10 years, as milliseconds. */
VK_MUSTCHECK vk_err vk_duration_parse(vk_str s, int64_t *ms_r);

#endif
