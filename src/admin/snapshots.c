/* Snapshots of one service of a build: listing, taking, restoring, comparing, removing. Listing and comparing
 * also of a revoked or expired build: its data is the owner's. */
#include "admin/call.h"

#include "http/uri.h"

enum { ROWS_DEFAULT = 5 };

struct snap_call {
    vk_snap_ask ask; /* first */
    vk_call *call;
};

static void answered(vk_snap_ask *a, vk_err e)
{
    vk_call *c = VK_CONTAINER(a, struct snap_call, ask)->call;
    if (e != VK_OK)
        vk_call_fail(c, e, "%s", a->why);
    else
        vk_call_finish(c, a->op == VK_SNAP_TAKE ? 201 : 200);
}

static bool usable(vk_call *c, const vk_build *b, vk_snap_op op)
{
    bool changes = op == VK_SNAP_TAKE || op == VK_SNAP_RESTORE || op == VK_SNAP_DELETE;
    if (b->state == VK_BUILD_DELETING)
        vk_call_fail(c, VK_E_CONFLICT, "The build \"%s\" is being deleted", b->id);
    else if (b->state == VK_BUILD_REVOKED && changes)
        vk_call_fail(c, VK_E_CONFLICT,
                     "The build \"%s\" was revoked: its data stays as it is; it can be downloaded", b->id);
    else
        return true;
    return false;
}

static void work(vk_call *c)
{
    struct snap_call *x = c->ex->principal;
    const vk_service *services[VK_SERVICES_MAX];
    size_t n = vk_services(services);
    int i = vk_service_index(c->param[1]);
    vk_build b;
    if (!vk_call_build(c, &b))
        return;
    if (i < 0 || (size_t)i >= n || !services[i]->snapshots) {
        vk_call_fail(c, VK_E_NOT_FOUND, "There is no service of that name that keeps snapshots");
        return;
    }
    if (!usable(c, &b, x->ask.op) || !vk_call_embedded(c, &b, services[i]->name))
        return;
    memcpy(x->ask.build, b.id, sizeof x->ask.build);
    services[i]->snapshots(&x->ask);
}

/* NULL: answered. */
static struct snap_call *prepare(vk_call *c, vk_snap_op op)
{
    struct snap_call *x = VK_NEW(c->ex->arena, struct snap_call);
    if (!x) {
        (void)vk_admin_error(c->ex, VK_E_NOMEM, "Out of memory; try again in a second");
        return NULL;
    }
    x->call = c;
    x->ask = (vk_snap_ask){.op = op, .rows = ROWS_DEFAULT, .out = &c->ex->out, .done = answered};
    if (op == VK_SNAP_RESTORE || op == VK_SNAP_DIFF || op == VK_SNAP_DELETE)
        x->ask.snapshot = c->param[2];
    c->ex->principal = x;
    return x;
}

static void begin(vk_call *c, vk_snap_op op)
{
    if (prepare(c, op))
        vk_call_on_lane(c, work);
}

void vk_admin_snapshot_list(vk_call *c)
{
    begin(c, VK_SNAP_LIST);
}

void vk_admin_snapshot_restore(vk_call *c)
{
    begin(c, VK_SNAP_RESTORE);
}

void vk_admin_snapshot_delete(vk_call *c)
{
    begin(c, VK_SNAP_DELETE);
}

void vk_admin_snapshot_take(vk_call *c)
{
    struct snap_call *x = prepare(c, VK_SNAP_TAKE);
    const char *why;
    if (!x)
        return;
    vk_err e =
        vk_snapshot_parse(c->ex->arena, vk_buf_view(&c->ex->body), &x->ask.name, &x->ask.automatic, &why);
    if (e != VK_OK)
        (void)vk_admin_error(c->ex, e, "%s", why);
    else
        vk_call_on_lane(c, work);
}

void vk_admin_snapshot_diff(vk_call *c)
{
    struct snap_call *x = prepare(c, VK_SNAP_DIFF);
    vk_str rows = VK_STR_NONE;
    if (!x || !vk_call_query(c, "to", &x->ask.other) || !vk_call_query(c, "rows", &rows))
        return;
    if (rows.p &&
        (vk_str_to_i64(rows, &x->ask.rows) != VK_OK || x->ask.rows < 0 || x->ask.rows > VK_SNAP_ROWS_MAX))
        (void)vk_admin_error(c->ex, VK_E_INVALID, "\"rows\" must be a number from 0 to %d",
                             (int)VK_SNAP_ROWS_MAX);
    else
        vk_call_on_lane(c, work);
}
