/* Whatever a vendor answers to a step: what is kept of it is what its fields take, a refusal has a sentence,
 * and what is asked for next stays a request to that path. Input: vendor, list, step, status, flags, answer.
 */
#include "crypto/digest.h"
#include "keeper/org_in.h"
#include "keeper/provision_in.h"

#include <sodium.h>

enum { HEAD = 5, ROUNDS = 3, ARENA = 8 * 1024 * 1024 };

static const int statuses[] = {200, 200, 200, 201, 202, 204, 400, 401,
                               402, 403, 404, 409, 410, 422, 423, 301};

/* Of the organisation, and what the build has: values that its fields take or not, it is all the same here.
 */
static void fill(vk_org *g, const vk_vendor *v, const vk_vendor_field *fields)
{
    *g = (vk_org){.vendor = v, .fields = fields, .state = VK_ORG_READY};
    for (size_t i = 0; fields[i].name; i++)
        if (!fields[i].kept)
            g->values[i] = vk_secret_of(fields[i].usual    ? vk_str_z(fields[i].usual)
                                        : fields[i].secret ? VK_STR("0123456789abcdef0123456789abcdef")
                                                           : VK_STR("value"));
}

static void check_request(const vk_prov *p, const vk_prov_request *r)
{
    if (!r->method || !r->path.n || r->path.p[0] != '/')
        abort();
    for (size_t i = 0; i < r->path.n; i++) {
        if (r->path.p[i] <= ' ' || r->path.p[i] > '~')
            abort();
        if (!p->vendor->raw_path && i + 3 < r->path.n && memcmp(r->path.p + i, "/../", 4) == 0)
            abort();
    }
    for (size_t i = 0; i < r->lines.n; i++)
        if (r->lines.p[i] == '\n' &&
            (i == 0 || r->lines.p[i - 1] != '\r' || (i > 2 && r->lines.p[i - 2] == '\n')))
            abort();
}

static void check_kept(const vk_prov_run *run)
{
    const char *why;
    for (size_t i = 0; i < run->n_sets; i++) {
        const vk_vendor_field *f = vk_vendor_field_of(run->p.vendor->own, vk_str_z(run->sets[i].name));
        if (!f || !f->ok(vk_secret_bytes(run->sets[i].value), &why))
            abort();
    }
}

/* One answer, and what it is followed by while the step is not over. */
static void rounds(vk_prov_run *run, const vk_prov_step *s, int status, vk_str answer)
{
    vk_prov *p = &run->p;
    for (int i = 0; i < ROUNDS; i++) {
        const char *why = NULL;
        vk_json *body = NULL;
        run->request = (vk_prov_request){.method = NULL};
        p->soon = false;
        if (s->ask(p, &run->request, &why) != VK_OK)
            return;
        check_request(p, &run->request);
        if (vk_json_parse(p->arena, answer, &body, NULL, NULL) != VK_OK)
            body = NULL;
        p->raw = answer;
        vk_err e = s->took(p, status, body, &why);
        if (e == VK_OK)
            check_kept(run);
        if (e != VK_OK && e != VK_AGAIN && e != VK_E_BUSY && e != VK_E_NOMEM && e != VK_E_TOO_LARGE &&
            (!why || !*why || strlen(why) > 2000))
            abort();
        if (e != VK_AGAIN)
            return;
        p->tried = false;
    }
}

static void try_it(const vk_vendor *v, const uint8_t *head, vk_str answer)
{
    static const vk_prov_list lists[] = {VK_PROV_MAKE, VK_PROV_RENEW, VK_PROV_SUSPEND,
                                         VK_PROV_END,  VK_PROV_USAGE, VK_PROV_LIST};
    vk_prov_run run = {.index = 0};
    vk_prov_list list = lists[head[1] % VK_COUNT(lists)];
    vk_prov_ask ask = {.list = list};
    vk_prov_vendor at = {.vendor = v, .how = v->provisioner};
    vk_prov_job job = {.at = &at, .ask = list >= VK_PROV_LISTS ? &ask : NULL};
    vk_binding binding = {.resource = VK_STR("{}")};
    const vk_prov_step *steps = vk_prov_steps(v->provisioner, list);
    vk_buf carry;
    vk_org org, own;
    size_t n = 0;
    while (steps && steps[n].what)
        n++;
    if (!n)
        return;
    const vk_prov_step *s = &steps[head[2] % n];
    fill(&org, v, v->fields);
    fill(&own, v, v->own);
    vk_buf_init(&carry, VK_PROV_BODY_MAX);
    run.job = &job;
    run.p = (vk_prov){.vendor = v,
                      .org = &org,
                      .own = head[4] & 1 ? &own : NULL,
                      .build = "shop",
                      .binding = list == VK_PROV_MAKE || list == VK_PROV_RENEW ? &binding : NULL,
                      .name = "build-shop-abc2de3f",
                      .tag = "abc",
                      .tried = head[4] & 2,
                      .carry = &carry,
                      .now_ms = INT64_C(1764400000000),
                      .build_expires_ms = INT64_C(1764500000000),
                      .arena = vk_arena_new(ARENA)};
    vk_err noted = head[4] & 4 ? vk_made_note_set(&run.made, VK_STR("id"), VK_STR("app_1")) : VK_OK;
    if (run.p.arena && noted == VK_OK && s->ask && (!s->needed || s->needed(&run.p)))
        rounds(&run, s, statuses[head[3] % VK_COUNT(statuses)], answer);
    for (size_t i = 0; i < ask.n_things; i++)
        vk_prov_thing_free(&ask.things[i]);
    free(ask.things);
    vk_buf_free(&carry);
    vk_arena_free(run.p.arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static bool ready;
    const vk_vendor *all[VK_VENDORS_MAX];
    size_t vendors = vk_vendors(all);
    if (!ready && (sodium_init() < 0 || vk_digest_init() != VK_OK))
        abort();
    ready = true;
    if (n < HEAD || n > 64 * 1024)
        return 0;
    const vk_vendor *v = all[data[0] % vendors];
    if (v->provisioner)
        try_it(v, data, (vk_str){(const char *)data + HEAD, n - HEAD});
    return 0;
}
