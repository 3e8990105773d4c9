/* What is told of what was made. */
#include "core/clock.h"
#include "http/json_error.h"
#include "http/uri.h"
#include "keeper/keeper.h"
#include "keeper/provision_in.h"

enum { CURSOR = VK_BUILD_ID_MAX + VK_VENDOR_NAME_MAX + 2 };

static void when(vk_jw *w, const char *name, int64_t ms)
{
    char text[VK_CLOCK_TEXT];
    if (ms)
        vk_clock_text(ms, text);
    vk_jw_kstr_or_null(w, name, ms ? vk_str_z(text) : VK_STR_NONE);
}

static void values(vk_jw *w, const vk_org *g, const vk_vendor *v)
{
    vk_jw_key(w, VK_STR("values"));
    vk_jw_obj(w);
    for (const vk_vendor_field *f = v->own; f && f->name; f++) {
        vk_secret value = vk_org_value(g, f->name);
        if (!f->secret && !f->kept && value.n)
            vk_jw_kstr(w, f->name, vk_secret_bytes(value));
    }
    vk_jw_obj_end(w);
}

void vk_prov_show(vk_provs *x, vk_jw *w, const vk_org *g, const vk_made *m)
{
    vk_org_facts f;
    vk_org_facts_of(g, &f);
    const vk_prov_job *j = vk_prov_job_of(x, vk_str_z(f.build), f.vendor);
    const vk_provisioner *how = vk_prov_vendor_of(x, f.vendor)->how;
    const vk_prov_step *steps = vk_prov_steps(how, m->list);
    uint32_t n = 0, at = m->step;
    while (steps && n < VK_PROV_STEPS && steps[n].what)
        n++;
    if (j && j->run && j->run->step && j->run->list == m->list)
        at = j->run->index; /* some were passed over */
    at = at < n ? at : n ? n - 1 : 0;
    vk_jw_obj(w);
    vk_jw_kstr(w, "build", vk_str_z(f.build));
    vk_jw_kstr(w, "service", vk_str_z(f.vendor->service));
    vk_jw_kstr(w, "vendor", vk_str_z(f.vendor->name));
    vk_jw_kstr(w, "resource", vk_str_z(how->resource));
    vk_jw_kstr(w, "state", vk_str_z(vk_prov_state_name(m->state)));
    vk_jw_ki64(w, "generation", (int64_t)m->generation);
    vk_jw_kstr(w, "name", vk_str_z(m->name));
    vk_jw_kstr(w, "step", vk_str_z(n ? steps[at].what : ""));
    vk_jw_ki64(w, "step_n", n ? at + 1 : 0);
    vk_jw_ki64(w, "steps", n);
    vk_jw_ki64(w, "tries", j ? j->tries : 0);
    vk_jw_kstr(w, "why", vk_str_z(j && j->why[0] ? j->why : m->why));
    when(w, "retry_at", j && j->tries ? j->retry_ms : 0);
    when(w, "made_at", m->ready_ms);
    when(w, "expires_at", vk_made_expires(m));
    values(w, g, f.vendor);
    vk_jw_obj_end(w);
}

/* In the order of records, which is that of builds, then of vendors: whether it comes after the cursor, which
 * may be that of one that has gone. */
static bool is_after(const vk_provs *x, vk_str cursor, const vk_org_facts *f)
{
    vk_str build = VK_STR("");
    size_t mine = 0, its = 0;
    vk_str_cut(&cursor, '/', &build);
    size_t n = strlen(f->build), least = n < build.n ? n : build.n;
    int c = least ? memcmp(f->build, build.p, least) : 0;
    if (c != 0 || n != build.n)
        return c > 0 || (c == 0 && n > build.n);
    for (size_t i = 0; i < x->n_vendors; i++) {
        mine = x->vendors[i].vendor == f->vendor ? i : mine;
        its = vk_str_eqz(cursor, x->vendors[i].vendor->name) ? i : its;
    }
    return mine > its;
}

/* One of all records; or of those of one build, which may be one of very many. */
static const vk_org *record_at(const vk_provs *x, bool one_build, vk_str build, size_t i)
{
    return one_build ? vk_org_of(x->with.orgs, x->vendors[i].vendor, build) : vk_org_at(x->with.orgs, i);
}

static bool wanted(const vk_exchange *ex, const char *name, vk_str *out_r)
{
    return vk_query_get(ex->arena, ex->query, vk_str_z(name), out_r) == VK_OK;
}

void vk_prov_list_all(vk_provs *x, vk_exchange *ex)
{
    vk_str build, service, state, after = VK_STR_NONE, limit;
    bool one_build = wanted(ex, "build", &build), one_service = wanted(ex, "service", &service),
         one_state = wanted(ex, "state", &state), behind = wanted(ex, "after", &after), more = false;
    int64_t most = VK_KEEPER_KEYS, told = 0;
    char cursor[CURSOR] = "";
    if (wanted(ex, "limit", &limit) &&
        (vk_str_to_i64(limit, &most) != VK_OK || most < 1 || most > VK_KEEPER_KEYS_MAX)) {
        vk_respond_json_error(ex, VK_E_INVALID, "\"limit\" is a number from 1 to 1000.");
        return;
    }
    vk_jw w = vk_jw_on(&ex->out);
    vk_jw_obj(&w);
    vk_jw_key(&w, VK_STR("resources"));
    vk_jw_arr(&w);
    for (size_t i = 0, n = one_build ? x->n_vendors : vk_org_count(x->with.orgs); i < n; i++) {
        const vk_org *g = record_at(x, one_build, build, i);
        vk_org_facts f;
        vk_made m;
        char here[CURSOR];
        if (!g)
            continue;
        vk_org_facts_of(g, &f);
        snprintf(here, sizeof here, "%s/%s", f.build, f.vendor->name);
        if (!f.build[0] || !vk_prov_vendor_of(x, f.vendor) || (one_build && !vk_str_eqz(build, f.build)) ||
            (one_service && !vk_str_eqz(service, f.vendor->service)))
            continue;
        if (behind && !is_after(x, after, &f))
            continue;
        if (vk_prov_made_of(g, &m) != VK_OK || (one_state && !vk_str_eqz(state, vk_prov_state_name(m.state))))
            continue;
        more = told == most;
        if (more)
            break;
        vk_prov_show(x, &w, g, &m);
        memcpy(cursor, here, sizeof cursor);
        told++;
    }
    vk_jw_arr_end(&w);
    if (more)
        vk_jw_kstr(&w, "next", vk_str_z(cursor));
    vk_jw_obj_end(&w);
    vk_respond(ex, 200, "application/json");
}

void vk_provs_status(const vk_provs *x, vk_jw *w)
{
    int64_t making = 0, ending = 0, waiting = 0;
    for (const vk_map_node *n = vk_map_walk(&x->jobs, NULL); n; n = vk_map_walk(&x->jobs, n)) {
        const vk_prov_job *j = (const vk_prov_job *)(const void *)n;
        vk_made m;
        const vk_org *g = vk_org_find(x->with.orgs, vk_str_z(j->at->vendor->name), vk_str_z(j->build));
        if (!g || vk_prov_made_of(g, &m) != VK_OK)
            continue;
        making += m.state == VK_PROV_MAKING;
        ending += m.state == VK_PROV_ENDING;
        waiting += j->tries > 0;
    }
    vk_jw_key(w, VK_STR("resources"));
    vk_jw_obj(w);
    vk_jw_ki64(w, "making", making);
    vk_jw_ki64(w, "ending", ending);
    vk_jw_ki64(w, "retrying", waiting);
    vk_jw_obj_end(w);
}
