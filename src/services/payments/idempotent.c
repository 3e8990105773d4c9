/* Idempotency-Key: the answer of a POST that was executed is kept for a day, with what was asked; the same
 * again gets the same bytes. Two at once come one after the other to the build's strand, so the second one
 * waits for the first and gets its answer. Source: Stripe's API reference, "Idempotent requests". */
#include "services/payments/inside.h"

static bool has_key(const vk_pay_call *c)
{
    return c->idempotency_key.p && vk_str_eqz(c->ex->method, "POST") && c->ep->verb != VK_PAY_PAGE;
}

/* What was asked: method, path, parameters as they came, and for which account. */
static vk_err fingerprint(const vk_pay_call *c, const vk_pv *form, uint8_t out[VK_SHA256])
{
    vk_buf b;
    vk_str account = vk_request_header(c->ex, VK_STR("stripe-account"));
    vk_buf_init(&b, VK_PAY_ARENA_MAX);
    vk_buf_str(&b, c->ex->method);
    vk_buf_ch(&b, ' ');
    vk_buf_str(&b, c->ex->path);
    vk_buf_ch(&b, '\0');
    vk_buf_str(&b, account);
    vk_buf_ch(&b, '\0');
    vk_pv_write(&b, form);
    vk_err e = b.err;
    if (e == VK_OK)
        vk_sha256(vk_buf_view(&b), out);
    vk_buf_free_secret(&b); /* a card's number may be in it */
    return e;
}

vk_err vk_pay_replay(vk_pay_call *c, const vk_pv *form, int *status_r)
{
    vk_pay_idem kept;
    if (!has_key(c))
        return VK_E_NOT_FOUND;
    vk_err e = fingerprint(c, form, c->fingerprint);
    if (e == VK_OK)
        e = vk_pay_idem_get(c->db, c->arena, c->idempotency_key, c->now_ms, &kept);
    if (e != VK_OK)
        return e;
    if (memcmp(kept.hash, c->fingerprint, VK_SHA256) != 0) {
        e = vk_pay_refuse(c, 400, NULL, NULL,
                          "Keys for idempotent requests can only be used with the same parameters they were "
                          "first used with. Try using a key other than '" VK_STR_FMT
                          "' if you meant to execute a different request.",
                          VK_STR_ARG(c->idempotency_key));
        if (c->refusal)
            c->refusal->type = "idempotency_error";
        return e;
    }
    vk_buf_clear(&c->ex->out);
    vk_buf_str(&c->ex->out, kept.body);
    c->original_request = kept.request_id;
    *status_r = kept.status;
    vk_count(&vk_pay_count.replayed, 1);
    return VK_OK;
}

vk_err vk_pay_keep_answer(vk_pay_call *c, int status)
{
    if (!has_key(c) || (status != 200 && status != 402) || c->ex->out.err != VK_OK)
        return VK_OK;
    vk_pay_idem v = {
        .status = status, .body = vk_buf_view(&c->ex->out), .request_id = vk_str_z(c->request_id)};
    memcpy(v.hash, c->fingerprint, sizeof v.hash);
    return vk_pay_idem_put(c->db, c->idempotency_key, c->now_ms, &v);
}
