#include "cli/endpoint.h"

#include "cli/cli.h"
#include "cli/env.h"
#include "cli/out.h"

static int find_port(vk_api *api, vk_endpoint *e)
{
    vk_reply r;
    int code = VK_EXIT_FAILED;
    if (vk_api_call(api, "GET", "/api/v1/status", VK_STR_NONE, VK_STR_NONE, &r) != VK_OK)
        return code;
    if (vk_reply_ok(&r, &code) && !vk_port_find(&r, "database", &e->at))
        code = vk_failed("unsupported", "This daemon has no database service.");
    vk_reply_free(&r);
    return code;
}

int vk_endpoint_open(const char *command, const char *data, const char *id, vk_endpoint *e)
{
    bool ok;
    vk_reply r;
    vk_env_ask q = {.id = id, .data = data, .service = "database"};
    *e = (vk_endpoint){0};
    vk_buf_init(&e->token, 256);
    vk_buf_init(&e->baton, 4096);
    int code = vk_env_fetch(command, &q, &r, &ok);
    if (!ok)
        return code;
    vk_buf_str(&e->token, vk_json_str(vk_json_get(r.json, VK_STR("TURSO_AUTH_TOKEN"))));
    vk_reply_free(&r);
    if (!e->token.n)
        return vk_failed("unsupported", "The build %s has no database key.", id);
    vk_api api;
    if (vk_api_open(&api, data) != VK_OK)
        return VK_EXIT_FAILED;
    code = find_port(&api, e);
    vk_api_close(&api);
    return code;
}

void vk_endpoint_close(vk_endpoint *e)
{
    vk_buf_free_secret(&e->token);
    vk_buf_free(&e->baton);
}

vk_jw vk_pipeline_begin(const vk_endpoint *e, vk_buf *body)
{
    vk_jw w = vk_jw_on(body);
    vk_jw_obj(&w);
    if (e->baton.n)
        vk_jw_kstr(&w, "baton", vk_buf_view(&e->baton));
    vk_jw_key(&w, VK_STR("requests"));
    vk_jw_arr(&w);
    return w;
}

void vk_pipeline_execute(vk_jw *w, vk_str sql, bool want_rows)
{
    vk_jw_obj(w);
    vk_jw_kstr(w, "type", VK_STR("execute"));
    vk_jw_key(w, VK_STR("stmt"));
    vk_jw_obj(w);
    vk_jw_kstr(w, "sql", sql);
    vk_jw_kbool(w, "want_rows", want_rows);
    vk_jw_obj_end(w);
    vk_jw_obj_end(w);
}

void vk_pipeline_close(vk_jw *w)
{
    vk_jw_obj(w);
    vk_jw_kstr(w, "type", VK_STR("close"));
    vk_jw_obj_end(w);
}

/* What the endpoint said instead of results. */
static vk_err refused(const vk_reply *r, char *code, char *text, size_t room)
{
    const char *c = vk_reply_text(r, r->json, "code"), *t = vk_reply_text(r, r->json, "message");
    snprintf(code, room, "%s", c[0] ? c : "http");
    snprintf(text, room, "%s", t[0] ? t : "The database endpoint refused the request.");
    return r->status == 429 || r->status == 503 ? VK_E_BUSY : VK_E_INVALID;
}

vk_err vk_pipeline_send(vk_endpoint *e, vk_jw *w, vk_reply *out_r, char *code, char *text, size_t room)
{
    vk_jw_arr_end(w);
    vk_jw_obj_end(w);
    vk_err err = w->out->err;
    if (err == VK_OK)
        err =
            vk_port_call(&e->at, "POST", "/v2/pipeline", vk_buf_view(&e->token), vk_buf_view(w->out), out_r);
    vk_buf_clear(&e->baton);
    if (err != VK_OK) {
        snprintf(code, room, "%s", vk_err_name(err));
        snprintf(text, room, "%s",
                 err == VK_E_TOO_LARGE
                     ? "The result is larger than 16 MB; add a LIMIT."
                     : "The database endpoint does not answer. `valetkey doctor` looks into it.");
        return err == VK_E_BUSY ? VK_E_UNAVAILABLE : err;
    }
    if (out_r->status == 200 && out_r->json) {
        vk_buf_str(&e->baton, vk_json_str(vk_json_get(out_r->json, VK_STR("baton"))));
        return VK_OK;
    }
    err = refused(out_r, code, text, room);
    vk_reply_free(out_r);
    return err;
}

const vk_json *vk_pipeline_result(const vk_reply *r, size_t i, const vk_json **error_r)
{
    const vk_json *all = vk_json_get(r->json, VK_STR("results"));
    const vk_json *x = vk_reply_items(all);
    for (; x && i; i--)
        x = x->next;
    *error_r = vk_json_get(x, VK_STR("error"));
    return *error_r ? NULL : vk_json_get(x, VK_STR("response"));
}
