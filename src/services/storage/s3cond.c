#include "services/storage/s3cond.h"

#include "services/storage/embedded/objects.h"

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char *const long_days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                        "Thursday", "Friday", "Saturday"};

static char *two(char *at, int v)
{
    at[0] = (char)('0' + v / 10);
    at[1] = (char)('0' + v % 10);
    return at + 2;
}

static char *three(char *at, const char *text)
{
    memcpy(at, text, 3);
    return at + 3;
}

/* Every answer has one: not gmtime_r, which takes a lock of the C library, and not snprintf. Days of the
 * proleptic Gregorian calendar, counted in years that begin in March. */
void vk_s3_date(int64_t ms, char out[VK_S3_DATE])
{
    int64_t s = ms < 0 ? 0 : ms / 1000, day = s / 86400;
    if (day > 2932896) /* 9999-12-31 */
        day = 2932896;
    int in_day = (int)(s % 86400), d = (int)day + 719468, era = d / 146097, of_era = d % 146097;
    int y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int of_year = of_era - (365 * y + y / 4 - y / 100), m = (5 * of_year + 2) / 153;
    int month = m < 10 ? m + 2 : m - 10; /* January is 0 */
    int year = era * 400 + y + (month < 2);
    char *at = three(out, days[(day + 4) % 7]);
    *at++ = ',';
    *at++ = ' ';
    at = two(at, of_year - (153 * m + 2) / 5 + 1);
    *at++ = ' ';
    at = three(at, months + 3 * month);
    *at++ = ' ';
    at = two(two(at, year / 100), year % 100);
    *at++ = ' ';
    at = two(at, in_day / 3600);
    *at++ = ':';
    at = two(at, in_day / 60 % 60);
    *at++ = ':';
    at = two(at, in_day % 60);
    memcpy(at, " GMT", 5);
}

/* `n` digits off the front; with `blank` the first may be one. -1: there are none. */
static int number(vk_str *s, size_t n, bool blank)
{
    int v = 0;
    if (s->n < n)
        return -1;
    for (size_t i = 0; i < n; i++) {
        char c = s->p[i];
        if (blank && i == 0 && c == ' ')
            c = '0';
        if (c < '0' || c > '9')
            return -1;
        v = v * 10 + (c - '0');
    }
    *s = (vk_str){s->p + n, s->n - n};
    return v;
}

static bool skip(vk_str *s, const char *text)
{
    vk_str t = vk_str_z(text);
    if (!vk_str_starts(*s, t))
        return false;
    *s = (vk_str){s->p + t.n, s->n - t.n};
    return true;
}

static int month(vk_str *s)
{
    for (int m = 0; m < 12 && s->n >= 3; m++) {
        if (memcmp(s->p, months + 3 * m, 3) == 0) {
            *s = (vk_str){s->p + 3, s->n - 3};
            return m;
        }
    }
    return -1;
}

static bool clock_of(vk_str *s, struct tm *tm)
{
    return (tm->tm_hour = number(s, 2, false)) >= 0 && skip(s, ":") &&
           (tm->tm_min = number(s, 2, false)) >= 0 && skip(s, ":") && (tm->tm_sec = number(s, 2, false)) >= 0;
}

static bool any_of(vk_str *s, const char *const *names)
{
    for (size_t i = 0; i < 7; i++)
        if (skip(s, names[i]))
            return true;
    return false;
}

bool vk_s3_date_read(vk_str text, int64_t *ms_r)
{
    struct tm tm = {0};
    vk_str s = text;
    int year = -1;
    bool ok;
    if (any_of(&s, long_days)) { /* RFC 850: Sunday, 06-Nov-94 08:49:37 GMT */
        ok = skip(&s, ", ") && (tm.tm_mday = number(&s, 2, false)) > 0 && skip(&s, "-") &&
             (tm.tm_mon = month(&s)) >= 0 && skip(&s, "-") && (year = number(&s, 2, false)) >= 0 &&
             skip(&s, " ") && clock_of(&s, &tm) && skip(&s, " GMT");
        year += year < 70 ? 2000 : 1900;
    } else if (any_of(&s, days) && skip(&s, ", ")) { /* Sun, 06 Nov 1994 08:49:37 GMT */
        ok = (tm.tm_mday = number(&s, 2, false)) > 0 && skip(&s, " ") && (tm.tm_mon = month(&s)) >= 0 &&
             skip(&s, " ") && (year = number(&s, 4, false)) >= 0 && skip(&s, " ") && clock_of(&s, &tm) &&
             skip(&s, " GMT");
    } else { /* asctime: Sun Nov  6 08:49:37 1994 */
        ok = skip(&s, " ") && (tm.tm_mon = month(&s)) >= 0 && skip(&s, " ") &&
             (tm.tm_mday = number(&s, 2, true)) > 0 && skip(&s, " ") && clock_of(&s, &tm) && skip(&s, " ") &&
             (year = number(&s, 4, false)) >= 0;
    }
    if (!ok || s.n || year < 1970 || tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
        return false;
    tm.tm_year = year - 1900;
    int day = tm.tm_mday;
    bool leap = tm.tm_sec == 60; /* which may move the day */
    time_t t = timegm(&tm);
    if (tm.tm_mday != day && !leap) /* 30 February */
        return false;
    *ms_r = (int64_t)t * 1000;
    return true;
}

static bool modified_since(vk_str date, int64_t mtime_ms, bool otherwise)
{
    int64_t ms;
    return vk_s3_date_read(date, &ms) ? mtime_ms / 1000 > ms / 1000 : otherwise;
}

vk_s3_fail vk_s3_read_allowed(const vk_s3_conditions *c, vk_str etag, int64_t mtime_ms)
{
    if (c->if_match.n) {
        if (!vk_ob_etag_matches(c->if_match, etag))
            return VK_S3_PRECONDITION;
    } else if (c->if_unmodified_since.n && modified_since(c->if_unmodified_since, mtime_ms, false)) {
        return VK_S3_PRECONDITION;
    }
    if (c->if_none_match.n) {
        if (vk_ob_etag_matches(c->if_none_match, etag))
            return VK_S3_NOT_MODIFIED;
    } else if (c->if_modified_since.n && !modified_since(c->if_modified_since, mtime_ms, true)) {
        return VK_S3_NOT_MODIFIED;
    }
    return VK_S3_OK;
}

vk_s3_fail vk_s3_copy_allowed(const vk_s3_conditions *c, vk_str etag, int64_t mtime_ms)
{
    return vk_s3_read_allowed(c, etag, mtime_ms) == VK_S3_OK ? VK_S3_OK : VK_S3_PRECONDITION;
}

vk_s3_fail vk_s3_write_conditions(const vk_s3_conditions *c, bool *if_none_match_any_r)
{
    bool any = vk_str_eqz(c->if_none_match, "*");
    if ((c->if_none_match.n && (!any || c->if_match.n)) || c->if_modified_since.n || c->if_unmodified_since.n)
        return VK_S3_NOT_IMPLEMENTED;
    *if_none_match_any_r = any;
    return VK_S3_OK;
}

/* Digits off the front; a number too large for the type is the largest. False: there are none. */
static bool digits(vk_str *s, int64_t *out_r)
{
    int64_t v = 0;
    size_t i = 0;
    for (; i < s->n && s->p[i] >= '0' && s->p[i] <= '9'; i++) {
        int digit = s->p[i] - '0';
        v = v > (INT64_MAX - digit) / 10 ? INT64_MAX : v * 10 + digit;
    }
    *s = (vk_str){s->p + i, s->n - i};
    *out_r = v;
    return i > 0;
}

vk_s3_fail vk_s3_range_of(vk_str header, int64_t size, vk_s3_range *out_r)
{
    int64_t first = 0, last = 0;
    vk_str s = header;
    *out_r = (vk_s3_range){false, 0, size};
    if (!skip(&s, "bytes="))
        return VK_S3_OK;
    bool from = digits(&s, &first);
    if (!skip(&s, "-"))
        return VK_S3_OK;
    bool to = digits(&s, &last);
    if (s.n || (!from && !to) || (from && to && last < first))
        return VK_S3_OK;
    if (from ? first >= size : last == 0 || size == 0)
        return VK_S3_BAD_RANGE;
    if (!from) {
        first = last < size ? size - last : 0;
        last = size - 1;
    }
    if (!to || last >= size)
        last = size - 1;
    *out_r = (vk_s3_range){true, first, last - first + 1};
    return VK_S3_OK;
}

bool vk_s3_range_holds(vk_str if_range, vk_str etag, int64_t mtime_ms)
{
    int64_t ms;
    if (if_range.n == 0)
        return true;
    if (vk_s3_date_read(if_range, &ms))
        return ms / 1000 == mtime_ms / 1000;
    return !vk_str_starts(if_range, VK_STR("W/")) && !vk_str_eqz(if_range, "*") &&
           vk_ob_etag_matches(if_range, etag);
}

vk_s3_fail vk_s3_copy_range_of(vk_str header, int64_t size, int64_t *at_r, int64_t *n_r)
{
    int64_t first, last;
    vk_str s = header;
    if (!skip(&s, "bytes=") || !digits(&s, &first) || !skip(&s, "-") || !digits(&s, &last) || s.n ||
        last < first)
        return VK_S3_BAD_ARGUMENT;
    if (last >= size)
        return VK_S3_BAD_RANGE;
    *at_r = first;
    *n_r = last - first + 1;
    return VK_S3_OK;
}
