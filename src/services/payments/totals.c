/* What line items come to: discounts and taxes over lines, in integers only. */
#include "services/payments/call.h"

enum {
    SCALE_DIGITS = 12,
};
static const int64_t scale = 1000000000000;     /* a percentage is kept times this */
static const int64_t most = 100000000000000000; /* 17 digits: sums of a hundred lines still fit */

/* Of numbers that are not negative. */
static int64_t half_up(__int128 of, __int128 by)
{
    return (int64_t)((of + by / 2) / by);
}

/* A member that holds a percentage ("12.5", 12), times `scale`; 0 to 1000. */
static vk_err percent(const vk_pv *doc, const char *name, int64_t *out_r)
{
    const vk_pv *v = vk_pv_get(doc, name);
    if (vk_pv_is(v, VK_PV_INT)) {
        if (v->u.i < 0 || v->u.i > 1000)
            return VK_E_INVALID;
        *out_r = v->u.i * scale;
        return VK_OK;
    }
    if ((!vk_pv_is(v, VK_PV_STR) && !vk_pv_is(v, VK_PV_NUM)) || v->u.s.n == 0)
        return VK_E_INVALID;
    int64_t whole = 0, part = 0;
    int digits = -1; /* behind the point; -1: still before it */
    for (size_t i = 0; i < v->u.s.n; i++) {
        char ch = v->u.s.p[i];
        if (ch == '.' && digits < 0 && i > 0) {
            digits = 0;
        } else if (ch < '0' || ch > '9') {
            return VK_E_INVALID;
        } else if (digits < 0) {
            whole = whole * 10 + (ch - '0');
            if (whole > 1000)
                return VK_E_INVALID;
        } else if (++digits > SCALE_DIGITS) {
            return VK_E_INVALID;
        } else {
            part = part * 10 + (ch - '0');
        }
    }
    for (int i = digits < 0 ? 0 : digits; i < SCALE_DIGITS; i++)
        part *= 10;
    *out_r = whole * scale + part;
    return VK_OK;
}

static bool applies(const vk_pv *coupon, vk_str product)
{
    const vk_pv *only = vk_pv_at(coupon, "applies_to.products");
    if (!only || only->count == 0)
        return true;
    VK_PV_EACH(p, only)
    {
        if (vk_pv_is(p, VK_PV_STR) && vk_str_eq(p->u.s, product))
            return true;
    }
    return false;
}

static void off(vk_pay_line *l, size_t coupon, int64_t amount)
{
    l->discount += amount;
    l->of_coupon[coupon] += amount;
}

/* Each line gets its share, rounded down; what is left over goes, a unit each, to the lines that lost most by
 * it. A share is never more than the line has: when the amount is less than the sum, each share is less than
 * its line and rounding up stays within; else it is the line. */
static void spread(vk_pay_line *lines, size_t n, const vk_pv *coupon, size_t index, int64_t amount)
{
    int64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        if (applies(coupon, lines[i].product))
            sum += lines[i].subtotal - lines[i].discount;
    }
    if (amount > sum)
        amount = sum;
    if (amount == 0)
        return;
    int64_t left = amount;
    for (size_t i = 0; i < n; i++) {
        if (!applies(coupon, lines[i].product))
            continue;
        int64_t share = (int64_t)((__int128)amount * (lines[i].subtotal - lines[i].discount) / sum);
        off(&lines[i], index, share);
        left -= share;
    }
    while (left > 0) {
        size_t best = n;
        __int128 lost = 0;
        for (size_t i = 0; i < n; i++) {
            if (!applies(coupon, lines[i].product))
                continue;
            int64_t got = lines[i].of_coupon[index];
            int64_t had = lines[i].subtotal - lines[i].discount + got;
            /* What rounding down took from it, in units of 1/sum: less than one; negative when it has got the
             * one more. */
            __int128 rest = (__int128)amount * had - (__int128)got * sum;
            if (rest > lost) {
                lost = rest;
                best = i;
            }
        }
        if (best == n)
            return; /* cannot be: what is left over is the sum of what was lost */
        off(&lines[best], index, 1);
        left--;
    }
}

static vk_err discount(vk_pay_line *lines, size_t n, const vk_pv *coupon, size_t index, vk_str currency)
{
    const vk_pv *amount = vk_pv_get(coupon, "amount_off");
    if (vk_pv_is(amount, VK_PV_INT)) {
        if (amount->u.i < 0 || !vk_str_ieq(vk_pv_text(coupon, "currency"), currency))
            return VK_E_INVALID;
        spread(lines, n, coupon, index, amount->u.i);
        return VK_OK;
    }
    int64_t pc;
    vk_err e = percent(coupon, "percent_off", &pc);
    if (e != VK_OK)
        return e;
    if (pc > 100 * scale)
        return VK_E_INVALID;
    for (size_t i = 0; i < n; i++) {
        if (applies(coupon, lines[i].product))
            off(&lines[i], index,
                half_up((__int128)(lines[i].subtotal - lines[i].discount) * pc, (__int128)100 * scale));
    }
    return VK_OK;
}

/* `of_rate` has room for VK_PAY_LINE_RATES. */
static vk_err tax(int64_t amount, const vk_pv *rates, int64_t *of_rate, int64_t *tax_r, int64_t *exclusive_r,
                  int64_t *taxable_r)
{
    int64_t pcs[VK_PAY_LINE_RATES] = {0};
    __int128 inside = 0;
    size_t n = 0;
    *tax_r = *exclusive_r = 0;
    *taxable_r = amount;
    VK_PV_EACH(r, rates)
    {
        if (n == VK_PAY_LINE_RATES)
            return VK_E_TOO_LARGE;
        vk_err e = percent(r, "percentage", &pcs[n]);
        if (e != VK_OK)
            return e;
        if (vk_pv_flag(r, "inclusive"))
            inside += pcs[n];
        n++;
    }
    size_t i = 0;
    VK_PV_EACH(r, rates)
    {
        if (vk_pv_flag(r, "inclusive")) {
            of_rate[i] = half_up((__int128)amount * pcs[i], (__int128)100 * scale + inside);
            if (of_rate[i] > *taxable_r)
                of_rate[i] = *taxable_r; /* many rates of a few units, all rounded up */
            *taxable_r -= of_rate[i];
            *tax_r += of_rate[i];
        }
        i++;
    }
    i = 0;
    VK_PV_EACH(r, rates)
    {
        if (!vk_pv_flag(r, "inclusive")) {
            of_rate[i] = half_up((__int128)*taxable_r * pcs[i], (__int128)100 * scale);
            *exclusive_r += of_rate[i];
        }
        i++;
    }
    *tax_r += *exclusive_r;
    return VK_OK;
}

vk_err vk_pay_totals(vk_pay_line *lines, size_t n, const vk_pv *const *coupons, size_t n_coupons,
                     vk_str currency)
{
    if (n_coupons > VK_PAY_LINE_COUPONS)
        return VK_E_TOO_LARGE;
    __int128 sum = 0;
    for (size_t i = 0; i < n; i++) {
        vk_pay_line *l = &lines[i];
        if (l->quantity < 0 || (l->unit < 0 && l->unit != VK_PAY_NO_UNIT))
            return VK_E_INVALID;
        l->discount = l->tax = l->exclusive = l->total = 0;
        memset(l->of_coupon, 0, sizeof(l->of_coupon));
        memset(l->of_rate, 0, sizeof(l->of_rate));
        if (l->unit == VK_PAY_NO_UNIT) {
            vk_err e = vk_pay_times(vk_pv_text(l->price, "unit_amount_decimal"), l->quantity, &l->subtotal);
            if (e != VK_OK)
                return e;
        } else {
            __int128 v = (__int128)l->unit * l->quantity;
            if (v > most)
                return VK_E_TOO_LARGE;
            l->subtotal = (int64_t)v;
        }
        sum += l->subtotal;
    }
    if (sum > most)
        return VK_E_TOO_LARGE;
    for (size_t k = 0; k < n_coupons; k++) {
        vk_err e = discount(lines, n, coupons[k], k, currency);
        if (e != VK_OK)
            return e;
    }
    for (size_t i = 0; i < n; i++) {
        vk_pay_line *l = &lines[i];
        vk_err e =
            tax(l->subtotal - l->discount, l->tax_rates, l->of_rate, &l->tax, &l->exclusive, &l->taxable);
        if (e != VK_OK)
            return e;
        l->total = l->subtotal - l->discount + l->exclusive;
    }
    return VK_OK;
}
