/* When a subscription's periods end. The calendar is that of UTC. */
#include "services/payments/billing.h"

enum {
    DAY = 86400,
    YEAR_MAX = 9999,
};

/* Days since 1970-01-01 of a date of the Gregorian calendar, and back: 400 years have 146097 days, and a
 * year that begins in March ends with the day that leap years add. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    int64_t y = year - (month <= 2), era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void date_of(int64_t days, int64_t *year_r, int64_t *month_r, int64_t *day_r)
{
    int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, of_era = z - era * 146097;
    int64_t years = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * years + years / 4 - years / 100), m = (5 * of_year + 2) / 153;
    *day_r = of_year - (153 * m + 2) / 5 + 1;
    *month_r = m < 10 ? m + 3 : m - 9;
    *year_r = years + era * 400 + (*month_r <= 2);
}

static int64_t days_in(int64_t year, int64_t month)
{
    return month == 12 ? 31 : days_of(year, month + 1, 1) - days_of(year, month, 1);
}

vk_err vk_pay_period(int64_t anchor, vk_str interval, int64_t count, int64_t n, int64_t *at_r)
{
    int64_t year, month, day, steps, second = ((anchor % DAY) + DAY) % DAY;
    const int64_t end = days_of(YEAR_MAX + 1, 1, 1) * DAY;
    if (count < 1 || n < 0 || count > 10000 || n > 1000000)
        return VK_E_INVALID;
    steps = count * n;
    if (vk_str_eqz(interval, "day") || vk_str_eqz(interval, "week")) {
        *at_r = anchor + steps * (interval.n == 4 ? 7 * DAY : DAY);
        return *at_r < end ? VK_OK : VK_E_INVALID;
    }
    if (vk_str_eqz(interval, "year"))
        steps *= 12;
    else if (!vk_str_eqz(interval, "month"))
        return VK_E_INVALID;
    date_of((anchor - second) / DAY, &year, &month, &day);
    month += steps - 1;
    year += month / 12;
    month = month % 12 + 1;
    if (year > YEAR_MAX)
        return VK_E_INVALID;
    if (day > days_in(year, month))
        day = days_in(year, month);
    *at_r = days_of(year, month, day) * DAY + second;
    return VK_OK;
}
