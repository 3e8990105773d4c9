/* Messages of Hrana over WebSocket, JSON encoding. Source: HRANA_2_SPEC of tursodatabase/libsql. */
#include "services/database/hrana.h"

struct parse {
    vk_arena *a;
    vk_str why;
    bool malformed;
};

static vk_err bad(struct parse *p, vk_str why)
{
    p->why = why;
    return why.p ? VK_E_INVALID : VK_E_NOMEM;
}

static vk_err shape(struct parse *p, const char *what)
{
    p->malformed = true;
    return bad(p, vk_arena_printf(p->a, "Cannot deserialize client message from JSON: %s", what));
}

static vk_err parse_id(struct parse *p, const vk_json *o, const char *name, int32_t *out)
{
    int64_t id;
    const vk_json *v = vk_json_get(o, vk_str_z(name));
    if (!v || vk_json_i64(v, &id) != VK_OK || id < INT32_MIN || id > INT32_MAX) {
        p->malformed = true;
        return bad(
            p, vk_arena_printf(
                   p->a, "Cannot deserialize client message from JSON: `%s` must be a 32-bit integer", name));
    }
    *out = (int32_t)id;
    return VK_OK;
}

/* The requests that a pipeline has too. */
static vk_err parse_known(struct parse *p, const vk_json *o, vk_message *out)
{
    vk_err e = vk_hrana_parse_request(p->a, o, &out->request, &p->why);
    if (e != VK_OK) {
        p->malformed = e == VK_E_INVALID && vk_str_starts(p->why, VK_STR("Cannot deserialize"));
        return e;
    }
    if (out->type == VK_M_STREAM)
        return parse_id(p, o, "stream_id", &out->stream_id);
    return VK_OK;
}

static vk_err parse_request(struct parse *p, const vk_json *o, vk_message *out)
{
    static const struct {
        const char *name;
        vk_message_type type;
        bool known;
    } types[] = {{"open_stream", VK_M_OPEN_STREAM, false}, {"close_stream", VK_M_CLOSE_STREAM, false},
                 {"execute", VK_M_STREAM, true},           {"batch", VK_M_STREAM, true},
                 {"sequence", VK_M_STREAM, true},          {"describe", VK_M_STREAM, true},
                 {"get_autocommit", VK_M_STREAM, true},    {"store_sql", VK_M_STORE_SQL, true},
                 {"close_sql", VK_M_CLOSE_SQL, true}};
    static const char *const later[] = {"open_cursor", "fetch_cursor", "close_cursor"};
    if (!o || o->type != VK_JSON_OBJECT)
        return shape(p, "`request` must be an object");
    vk_str type = vk_json_str(vk_json_get(o, VK_STR("type")));
    for (size_t i = 0; i < VK_COUNT(types); i++) {
        if (!vk_str_eqz(type, types[i].name))
            continue;
        out->type = types[i].type;
        return types[i].known ? parse_known(p, o, out) : parse_id(p, o, "stream_id", &out->stream_id);
    }
    for (size_t i = 0; i < VK_COUNT(later); i++)
        if (vk_str_eqz(type, later[i]))
            return bad(p, vk_arena_printf(p->a, "%s is only supported in protocol version hrana3 and higher",
                                          later[i]));
    return bad(p, VK_STR("Request type not recognized"));
}

static vk_err parse_message(struct parse *p, vk_str text, vk_message *out)
{
    vk_json *root;
    const char *error;
    size_t at;
    vk_err e = vk_json_parse(p->a, text, &root, &error, &at);
    if (e == VK_E_INVALID) {
        p->malformed = true;
        return bad(p, vk_arena_printf(p->a, "Cannot deserialize client message from JSON: %s at byte %zu",
                                      error, at));
    }
    if (e != VK_OK)
        return e;
    if (root->type != VK_JSON_OBJECT)
        return shape(p, "a message must be an object");
    vk_str type = vk_json_str(vk_json_get(root, VK_STR("type")));
    if (vk_str_eqz(type, "hello")) {
        const vk_json *jwt = vk_json_opt(root, VK_STR("jwt"));
        if (jwt && jwt->type != VK_JSON_STRING)
            return shape(p, "`jwt` must be a string or null");
        out->type = VK_M_HELLO;
        out->jwt = jwt ? (jwt->u.s.p ? jwt->u.s : VK_STR("")) : VK_STR_NONE;
        return VK_OK;
    }
    if (!vk_str_eqz(type, "request"))
        return bad(p, VK_STR("ClientMsg type not recognized"));
    e = parse_id(p, root, "request_id", &out->request_id);
    return e == VK_OK ? parse_request(p, vk_json_get(root, VK_STR("request")), out) : e;
}

vk_err vk_hrana_parse_message(vk_arena *a, vk_str text, vk_message *out_r, vk_str *why_r, bool *malformed_r)
{
    struct parse p = {.a = a};
    *out_r = (vk_message){0};
    vk_err e = parse_message(&p, text, out_r);
    *why_r = p.why;
    *malformed_r = p.malformed;
    return e;
}
