/* What is looked for in a vendor's answers, kept as long as the values stay the same. */
#include "keeper/order_in.h"

typedef struct entry {
    vk_order_scrub *one; /* NULL: the place is free */
    const vk_vendor *vendor;
    char build[VK_BUILD_ID_MAX + 1];
    uint64_t org, own; /* versions of their records; 0: none */
    uint64_t used;
} entry;

struct vk_order_scrubs {
    uint64_t clock;
    size_t last; /* the one that was found last: often it is the next one too */
    entry all[VK_ORDER_SCRUBS];
};

vk_err vk_order_scrubs_new(vk_order_scrubs **out_r)
{
    *out_r = calloc(1, sizeof **out_r);
    return *out_r ? VK_OK : VK_E_NOMEM;
}

static void drop(vk_order_scrub *one)
{
    vk_scrub_free((vk_scrub *)(uintptr_t)one->forms);
    free(one);
}

void vk_order_scrubs_put(vk_order_scrub *one)
{
    if (one && --one->users == 0 && one->forgotten)
        drop(one);
}

static void forget(entry *x)
{
    if (x->one && x->one->users)
        x->one->forgotten = true;
    else if (x->one)
        drop(x->one);
    *x = (entry){.one = NULL};
}

void vk_order_scrubs_forget(vk_order_scrubs *s)
{
    for (size_t i = 0; i < VK_ORDER_SCRUBS; i++)
        forget(&s->all[i]);
}

void vk_order_scrubs_free(vk_order_scrubs *s)
{
    if (s)
        vk_order_scrubs_forget(s);
    free(s);
}

static size_t secrets_of(const vk_vendor_field *fields, const vk_org *g, vk_secret *out, size_t n)
{
    for (const vk_vendor_field *f = fields; g && f && f->name && n < VK_SCRUB_SECRETS; f++)
        if (f->secret)
            out[n++] = vk_org_value(g, f->name);
    return n;
}

static vk_err make(const vk_vendor *v, const vk_org *org, const vk_org *own, vk_order_scrub **out_r)
{
    vk_secret all[VK_SCRUB_SECRETS];
    vk_scrub *forms = NULL;
    size_t n = secrets_of(v->fields, org, all, 0);
    n = secrets_of(v->own, own, all, n);
    vk_order_scrub *one = calloc(1, sizeof *one);
    vk_err e = one ? vk_scrub_new(all, n, &forms) : VK_E_NOMEM;
    if (e != VK_OK) {
        free(one);
        return e;
    }
    one->forms = forms;
    *out_r = one;
    return VK_OK;
}

vk_err vk_order_scrubs_get(vk_order_scrubs *s, const vk_vendor *v, const vk_org *org, const vk_org *own,
                           vk_order_scrub **out_r)
{
    uint64_t of_org = org ? vk_org_version_of(org) : 0, of_own = own ? vk_org_version_of(own) : 0;
    const char *build = own ? vk_org_build_of(own) : "";
    entry *oldest = &s->all[0];
    for (size_t k = 0; k <= VK_ORDER_SCRUBS; k++) {
        const size_t i = k ? k - 1 : s->last;
        entry *x = &s->all[i];
        if (x->one && x->vendor == v && x->org == of_org && x->own == of_own &&
            strcmp(x->build, build) == 0) {
            s->last = i;
            x->used = ++s->clock;
            x->one->users++;
            *out_r = x->one;
            return VK_OK;
        }
        if (!x->one || (oldest->one && x->used < oldest->used))
            oldest = x;
    }
    vk_order_scrub *one;
    vk_err e = make(v, org, own, &one);
    if (e != VK_OK)
        return e;
    forget(oldest);
    *oldest = (entry){.one = one, .vendor = v, .org = of_org, .own = of_own, .used = ++s->clock};
    snprintf(oldest->build, sizeof oldest->build, "%s", build);
    one->users = 1;
    *out_r = one;
    return VK_OK;
}
