/* One step as a request to the vendor's management API. */
#include "core/log.h"
#include "keeper/provision_in.h"

/* ---- the answer */

/* The vendor's own name of the request, when it is one. */
static void note_id(vk_prov_run *r, const vk_head *h)
{
    static const char *const names[] = {"request-id", "x-request-id", "cf-ray"};
    for (size_t i = 0; i < VK_COUNT(names); i++) {
        vk_str id = vk_head_get(h, vk_str_z(names[i]));
        size_t k = 0;
        while (k < id.n &&
               ((id.p[k] >= '0' && id.p[k] <= '9') || ((id.p[k] | 0x20) >= 'a' && (id.p[k] | 0x20) <= 'z') ||
                id.p[k] == '-' || id.p[k] == '_'))
            k++;
        if (!id.n || k < id.n || id.n > 40) /* no secret of anybody's is that short and plain */
            continue;
        memcpy(r->audit.upstream_id, id.p, id.n);
        r->audit.upstream_id[id.n] = '\0';
        return;
    }
}

static void head_came(vk_upcall *c, const vk_head *h)
{
    vk_prov_run *r = c->arg;
    vk_prov_crash(r, "sent");
    r->status = h->status;
    r->retry_ms = vk_prov_retry_after(vk_head_get(h, VK_STR("Retry-After")), r->p.now_ms);
    note_id(r, h);
}

static void no_more(vk_timer *t);

static size_t body_came(vk_upcall *c, vk_str bytes)
{
    vk_prov_run *r = c->arg;
    if (!r->answer.err)
        vk_buf_str(&r->answer, bytes);
    if (r->answer.err) /* the rest is of no use, and may have no end */
        vk_timer_set(r->job->provs->with.loop, &r->whole, 0, no_more);
    return bytes.n;
}

static void judge(vk_prov_run *r)
{
    vk_json *body = NULL;
    const char *why = "";
    if (r->answer.err == VK_E_TOO_LARGE) {
        vk_prov_stepped(r, VK_E_INVALID, "The answer is larger than any that can be.");
        return;
    }
    vk_err e = r->answer.err;
    if (e == VK_OK && r->answer.n)
        e = vk_json_parse(r->p.arena, vk_buf_view(&r->answer), &body, NULL, NULL);
    if (e == VK_E_NOMEM) {
        vk_prov_retry(r, 0, VK_PROV_ANSWERED, "There is not enough memory for the answer.");
        return;
    }
    vk_prov_crash(r, "answered");
    r->p.raw = vk_buf_view(&r->answer);
    e = r->step->took(&r->p, r->status, e == VK_OK ? body : NULL, &why);
    vk_prov_stepped(r, e, why);
}

static void call_done(vk_upcall *c, vk_err e, const char *why)
{
    vk_prov_run *r = c->arg;
    const vk_vendor *v = r->p.vendor;
    char said[VK_PROV_WHY];
    r->calling = false;
    vk_timer_clear(r->job->provs->with.loop, &r->whole);
    r->audit.sent = c->sent;
    r->audit.received = c->received;
    vk_errand_outcome(r->job->provs->with.audit, &r->audit, r->status);
    if (e != VK_OK || !r->status) {
        snprintf(said, sizeof said, "%s could not be asked: %.300s.", v->title, why);
        vk_prov_retry(r, 0, VK_PROV_SILENT, said);
        return;
    }
    if (r->status == 429 || r->status == 408 || (r->status >= 500 && r->status != 501)) {
        snprintf(said, sizeof said, "%s answers with status %d.", v->title, r->status);
        if (r->status == 429 && r->retry_ms > 0)
            vk_prov_pause(r->job->at,
                          r->retry_ms > VK_PROV_WAIT_MOST_MS ? VK_PROV_WAIT_MOST_MS : r->retry_ms);
        vk_prov_retry(r, r->retry_ms,
                      r->status == 408 || r->status == 504 ? VK_PROV_SILENT : VK_PROV_ANSWERED, said);
        return;
    }
    judge(r);
}

/* It does not come to its end, or is larger than any that can be. */
static void no_more(vk_timer *t)
{
    vk_prov_run *r = VK_CONTAINER(t, vk_prov_run, whole);
    vk_err e = r->answer.err;
    vk_upcall_abort(&r->call);
    call_done(&r->call, e ? VK_OK : VK_E_TIMEOUT, "the answer does not come to its end");
}

/* ---- the request */

static void durable(vk_audit_entry *a, vk_err err)
{
    vk_prov_run *r = a->arg;
    vk_upstream *to;
    if (err != VK_OK) {
        vk_prov_retry(r, 0, VK_PROV_UNSENT,
                      "The audit cannot be written, so the organisation's key is not used.");
        return;
    }
    r->call = (vk_upcall){.head = vk_buf_view(&r->errand.head),
                          .method = vk_str_z(r->request.method),
                          .body = r->request.body,
                          .secret = true,
                          .again = r->request.again,
                          .first_ms = VK_PROV_CALL_MS,
                          .idle_ms = VK_PROV_CALL_MS,
                          .head_came = head_came,
                          .body_came = body_came,
                          .done = call_done,
                          .arg = r};
    vk_err e = vk_order_pool(r->job->provs->with.pools, r->errand.host, r->errand.plain, &to);
    if (e == VK_OK)
        e = vk_upcall_begin(to, &r->call);
    r->calling = e == VK_OK;
    if (e == VK_OK) {
        vk_timer_set(r->job->provs->with.loop, &r->whole, VK_PROV_WHOLE_MS, no_more);
        return;
    }
    vk_errand_outcome(r->job->provs->with.audit, &r->audit, 0);
    if (e == VK_E_INVALID)
        vk_prov_stepped(r, e, "The address that was entered cannot be one.");
    else
        vk_prov_retry(
            r, 0, VK_PROV_UNSENT,
            e == VK_E_UNAVAILABLE
                ? "There are no certificate authorities by which the vendor could be told from others."
                : "Too much is under way.");
}

static vk_err compose(vk_prov_run *r, const char **why_r)
{
    static const vk_binding none = {.resource = {"{}", 2}};
    vk_prov *p = &r->p;
    r->request = (vk_prov_request){.method = NULL};
    vk_err e = r->step->ask(p, &r->request, why_r);
    if (e != VK_OK)
        return e;
    if (r->request.body.n > VK_PROV_BODY_MAX) {
        *why_r = "The request would be too large.";
        return VK_E_TOO_LARGE;
    }
    r->errand = (vk_errand){.o = {.vendor = p->vendor,
                                  .org = p->org,
                                  .own = p->own,
                                  .binding = p->binding ? p->binding : &none,
                                  .build = p->build,
                                  .generation = p->generation,
                                  .method = vk_str_z(r->request.method),
                                  .content_type = r->request.content_type,
                                  .body_n = (int64_t)r->request.body.n,
                                  .now_ms = p->now_ms,
                                  .arena = p->arena,
                                  .again = r->request.again},
                            .lines = r->request.lines,
                            .order = r->request.order,
                            .op = r->step->op};
    return vk_errand_compose(&r->errand, r->request.path, why_r);
}

void vk_prov_send(vk_prov_run *r)
{
    const char *why = "The request cannot be made.";
    vk_err e = compose(r, &why);
    if (e != VK_OK) {
        vk_prov_stepped(r, e, why);
        return;
    }
    r->status = 0;
    r->retry_ms = -1;
    r->audit = (vk_audit_entry){.durable = durable, .arg = r};
    vk_buf_init(&r->answer, VK_PROV_ANSWER_MAX);
    r->answer.secret = true;
    vk_errand_intent(&r->errand, &r->audit);
    snprintf(r->audit.actor, sizeof r->audit.actor, "%s", r->job->actor);
    if (vk_audit_write(r->job->provs->with.audit, &r->audit) != VK_OK)
        vk_prov_retry(r, 0, VK_PROV_UNSENT,
                      "The audit cannot be written, so the organisation's key is not used.");
}
