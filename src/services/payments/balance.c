/* Balance transactions and the balance that they come to. A charge's money is pending for two days, as in
 * Stripe's test mode, where the test card says nothing else; there are no fees: Stripe's depend on an
 * account's country and contract, and a build has neither.
 *
 * The sums are kept beside the transactions, in the same part of a transaction: a currency's available money,
 * and what becomes available on which day. There are three such days at most, so reading them costs nothing.
 */
#include "services/payments/charge.h"
#include "services/payments/resources/runs.h"

#define R (&vk_pay_r_balance_transaction)
#define SETTING "balance" /* {"usd":{"available":1,"days":[{"on":20600,"amount":2}]}} */

enum { DAY = 24 * 3600 };

static vk_err load(vk_pay_call *c, vk_pv **sums_r)
{
    vk_str text;
    vk_err e = vk_pay_setting(c->db, c->arena, SETTING, &text);
    if (e == VK_E_NOT_FOUND) {
        *sums_r = vk_pv_obj(c->arena);
        return *sums_r ? VK_OK : VK_E_NOMEM;
    }
    if (e == VK_OK)
        e = vk_pv_parse(c->arena, text, sums_r);
    return e == VK_E_INVALID ? VK_E_CORRUPT : e;
}

static vk_err store(vk_pay_call *c, const vk_pv *sums)
{
    vk_buf b;
    vk_buf_init(&b, VK_PAY_DOC_MAX);
    vk_pv_write(&b, sums);
    vk_err e = b.err == VK_OK ? vk_pay_set(c->db, SETTING, vk_buf_view(&b)) : b.err;
    vk_buf_free(&b);
    return e;
}

static vk_err add(vk_arena *a, vk_pv *o, const char *member, int64_t amount)
{
    int64_t sum;
    if (__builtin_add_overflow(vk_pv_number(o, member, 0), amount, &sum))
        return VK_E_TOO_LARGE;
    return vk_pv_put_int(a, o, member, sum) ? VK_OK : VK_E_NOMEM;
}

/* Days that have come count as available. */
static vk_err ripen(vk_pay_call *c, vk_pv *sum)
{
    vk_pv *left = vk_pv_arr(c->arena);
    vk_err e = left ? VK_OK : VK_E_NOMEM;
    VK_PV_EACH(day, vk_pv_get(sum, "days"))
    {
        if (e != VK_OK)
            break;
        if (vk_pv_number(day, "on", 0) <= c->now / DAY)
            e = add(c->arena, sum, "available", vk_pv_number(day, "amount", 0));
        else if (!vk_pv_add(c->arena, left, vk_pv_copy(c->arena, day)))
            e = VK_E_NOMEM;
    }
    if (e == VK_OK && !vk_pv_set(c->arena, sum, "days", left))
        e = VK_E_NOMEM;
    return e;
}

static vk_err add_day(vk_arena *a, vk_pv *sum, int64_t on, int64_t amount)
{
    VK_PV_EACH(day, vk_pv_get(sum, "days"))
    if (vk_pv_number(day, "on", 0) == on)
        return add(a, day, "amount", amount);
    vk_pv *day = vk_pv_obj(a);
    return vk_pv_put_int(a, day, "on", on) && vk_pv_put_int(a, day, "amount", amount) &&
                   vk_pv_add(a, vk_pv_get(sum, "days"), day)
               ? VK_OK
               : VK_E_NOMEM;
}

static vk_err move_sums(vk_pay_call *c, vk_str currency, int64_t amount, int64_t on)
{
    vk_pv *sums, *sum;
    vk_err e = load(c, &sums);
    if (e != VK_OK)
        return e;
    if (!(sum = vk_pv_get_n(sums, currency)) &&
        (!(sum = vk_pv_obj(c->arena)) || !vk_pv_set_n(c->arena, sums, currency, sum)))
        return VK_E_NOMEM;
    e = ripen(c, sum);
    if (e == VK_OK)
        e = on <= c->now / DAY ? add(c->arena, sum, "available", amount) : add_day(c->arena, sum, on, amount);
    return e == VK_OK ? store(c, sums) : e;
}

/* ---- transactions */

vk_err vk_pay_balance_move(vk_pay_call *c, vk_pv *source, const char *type, int64_t amount,
                           int64_t available_on)
{
    vk_arena *a = c->arena;
    vk_pv *txn;
    vk_str currency = vk_pv_text(source, "currency");
    /* money becomes available at the beginning of a day */
    int64_t on = (available_on + DAY - 1) / DAY;
    bool now = available_on <= c->now;
    vk_err e = vk_pay_new(c, R, VK_STR_NONE, &txn);
    if (e != VK_OK)
        return e;
    bool ok = vk_pv_put_int(a, txn, "amount", amount) &&
              vk_pv_put_int(a, txn, "available_on", now ? c->now : on * DAY) &&
              vk_pv_put_str(a, txn, "balance_type", VK_STR("payments")) &&
              vk_pv_put_str(a, txn, "currency", currency) &&
              vk_pv_put_str(a, txn, "description", vk_pv_text(source, "description")) &&
              vk_pv_put_null(a, txn, "exchange_rate") && vk_pv_put_int(a, txn, "fee", 0) &&
              vk_pv_put(a, txn, "fee_details", vk_pv_arr(a)) && vk_pv_put_int(a, txn, "net", amount) &&
              vk_pv_put_str(a, txn, "reporting_category", vk_str_z(type)) &&
              vk_pv_put_str(a, txn, "source", vk_pv_text(source, "id")) &&
              vk_pv_put_str(a, txn, "type", vk_str_z(type)) &&
              vk_pv_put_str(a, source, "balance_transaction", vk_pv_text(txn, "id"));
    if (!ok)
        return VK_E_NOMEM;
    e = vk_pay_put(c, txn);
    return e == VK_OK ? move_sums(c, currency, amount, now ? c->now / DAY : on) : e;
}

static bool show(vk_arena *a, vk_pv *list, vk_str currency, int64_t amount)
{
    vk_pv *one = vk_pv_obj(a);
    return vk_pv_put_int(a, one, "amount", amount) && vk_pv_put_str(a, one, "currency", currency) &&
           vk_pv_put_int(a, one, "source_types.card", amount) && vk_pv_add(a, list, one);
}

vk_err vk_pay_balance_now(vk_pay_call *c, vk_pv **available_r, vk_pv **pending_r)
{
    vk_arena *a = c->arena;
    vk_pv *sums, *available = vk_pv_arr(a), *pending = vk_pv_arr(a);
    vk_err e = load(c, &sums);
    if (e != VK_OK)
        return e;
    VK_PV_EACH(sum, sums)
    {
        int64_t waits = 0;
        e = ripen(c, sum);
        if (e != VK_OK)
            return e;
        VK_PV_EACH(day, vk_pv_get(sum, "days"))
        if (__builtin_add_overflow(waits, vk_pv_number(day, "amount", 0), &waits))
            return VK_E_TOO_LARGE;
        if (!show(a, available, sum->key, vk_pv_number(sum, "available", 0)) ||
            !show(a, pending, sum->key, waits))
            return VK_E_NOMEM;
    }
    /* An account has a currency before it has money. */
    if (sums->count == 0 && (!show(a, available, VK_STR("usd"), 0) || !show(a, pending, VK_STR("usd"), 0)))
        return VK_E_NOMEM;
    *available_r = available;
    *pending_r = pending;
    return VK_OK;
}

vk_err vk_pay_balance_retrieve(vk_pay_call *c)
{
    vk_pv *available, *pending, *balance = vk_pv_obj(c->arena);
    vk_err e = vk_pay_balance_now(c, &available, &pending);
    if (e != VK_OK)
        return e;
    if (!vk_pv_put_str(c->arena, balance, "object", VK_STR("balance")) ||
        !vk_pv_put(c->arena, balance, "available", available) ||
        !vk_pv_put_bool(c->arena, balance, "livemode", false) ||
        !vk_pv_put(c->arena, balance, "pending", pending))
        return VK_E_NOMEM;
    c->result = balance;
    return VK_OK;
}

/* A transaction is stored once, and pending until its day has come. */
vk_err vk_pay_balance_transaction_at(vk_pay_call *c, vk_pv *txn)
{
    vk_str status = vk_pv_number(txn, "available_on", 0) <= c->now ? VK_STR("available") : VK_STR("pending");
    return vk_pv_put_str(c->arena, txn, "status", status) ? VK_OK : VK_E_NOMEM;
}
