#include "keeper/org_in.h"

static uint64_t version_of(void *ctx, vk_str record)
{
    return vk_audit_version_of(ctx, record);
}

static vk_err write_entry(void *ctx, vk_audit_entry *e)
{
    return vk_audit_write(ctx, e);
}

static void state_of(void *ctx, vk_audit_state *out)
{
    vk_audit_state_of(ctx, out);
}

void vk_orgs_audit(vk_orgs *o, vk_audit *a)
{
    vk_orgs_log(
        o, &(vk_org_log){.ctx = a, .version_of = version_of, .write = write_entry, .state_of = state_of});
}
