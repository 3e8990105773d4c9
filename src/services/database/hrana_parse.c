#include "services/database/hrana.h"

#include "core/encode.h"
#include "core/json_read.h"

struct parse {
    vk_arena *a;
    vk_str why;
};

static vk_err bad(struct parse *p, vk_str why)
{
    p->why = why;
    return VK_E_INVALID;
}

/* A member is there but has the wrong type: the way a typed JSON reader would say it. */
static vk_err shape(struct parse *p, const char *what)
{
    p->why = vk_arena_printf(p->a, "Cannot deserialize client message from JSON: %s", what);
    return p->why.p ? VK_E_INVALID : VK_E_NOMEM;
}

static void *array_of(struct parse *p, size_t size, size_t n)
{
    return vk_arena_calloc(p->a, size * (n ? n : 1));
}

static vk_err parse_value(struct parse *p, const vk_json *v, vk_hrana_value *out)
{
    vk_str type = vk_json_str(vk_json_get(v, VK_STR("type")));
    const vk_json *x = vk_json_get(v, VK_STR("value"));
    if (vk_str_eqz(type, "null")) {
        out->type = VK_H_NULL;
        return VK_OK;
    }
    if (vk_str_eqz(type, "integer") && x && x->type == VK_JSON_STRING) {
        out->type = VK_H_INTEGER;
        if (vk_str_to_i64(x->u.s, &out->u.i) == VK_OK)
            return VK_OK;
        return shape(p, "an integer value is not a 64-bit decimal number");
    }
    if (vk_str_eqz(type, "float") && x && (x->type == VK_JSON_DOUBLE || x->type == VK_JSON_INT)) {
        out->type = VK_H_FLOAT;
        out->u.d = x->type == VK_JSON_INT ? (double)x->u.i : x->u.d;
        return VK_OK;
    }
    if (vk_str_eqz(type, "text") && x && x->type == VK_JSON_STRING) {
        out->type = VK_H_TEXT;
        out->u.s = x->u.s;
        return VK_OK;
    }
    const vk_json *b64 = vk_json_get(v, VK_STR("base64"));
    if (vk_str_eqz(type, "blob") && b64 && b64->type == VK_JSON_STRING) {
        out->type = VK_H_BLOB;
        vk_err e = vk_base64_decode(p->a, b64->u.s, &out->u.s);
        return e == VK_E_INVALID ? shape(p, "a blob value is not base64") : e;
    }
    return bad(p, VK_STR("Value type not recognized"));
}

static vk_err parse_values(struct parse *p, const vk_json *list, bool named, vk_hrana_value **out,
                           uint32_t *n)
{
    *n = 0;
    if (!list)
        return VK_OK;
    if (list->type != VK_JSON_ARRAY)
        return shape(p, named ? "`named_args` must be an array" : "`args` must be an array");
    *out = array_of(p, sizeof **out, list->count);
    if (!*out)
        return VK_E_NOMEM;
    for (const vk_json *v = list->u.child; v; v = v->next) {
        vk_hrana_value *to = &(*out)[(*n)++];
        const vk_json *value = v;
        if (named) {
            const vk_json *name = vk_json_get(v, VK_STR("name"));
            if (!name || name->type != VK_JSON_STRING)
                return shape(p, "a named argument has no `name`");
            to->name = name->u.s;
            value = vk_json_get(v, VK_STR("value"));
        }
        vk_err e = parse_value(p, value, to);
        if (e != VK_OK)
            return e;
    }
    return VK_OK;
}

static vk_err parse_id(struct parse *p, const vk_json *v, int32_t *out)
{
    int64_t id;
    if (!v || vk_json_i64(v, &id) != VK_OK || id < INT32_MIN || id > INT32_MAX)
        return shape(p, "`sql_id` must be a 32-bit integer");
    *out = (int32_t)id;
    return VK_OK;
}

/* `sql` or `sql_id`, exactly one of them. */
static vk_err parse_sql(struct parse *p, const vk_json *o, vk_hrana_stmt *out)
{
    const vk_json *sql = vk_json_opt(o, VK_STR("sql")), *id = vk_json_opt(o, VK_STR("sql_id"));
    if (sql && id)
        return bad(p, VK_STR("Either `sql` or `sql_id` are required, but not both"));
    if (!sql && !id)
        return bad(p, VK_STR("Either `sql` or `sql_id` are required"));
    if (id)
        return parse_id(p, id, &out->sql_id);
    if (sql->type != VK_JSON_STRING)
        return shape(p, "`sql` must be a string");
    out->sql = sql->u.s.p ? sql->u.s : VK_STR("");
    return VK_OK;
}

static vk_err parse_stmt(struct parse *p, const vk_json *o, vk_hrana_stmt *out)
{
    if (!o || o->type != VK_JSON_OBJECT)
        return shape(p, "`stmt` must be an object");
    const vk_json *want = vk_json_opt(o, VK_STR("want_rows"));
    if (want && want->type != VK_JSON_BOOL)
        return shape(p, "`want_rows` must be a boolean");
    out->want_rows = !want || want->u.b;
    vk_err e = parse_sql(p, o, out);
    if (e == VK_OK)
        e = parse_values(p, vk_json_opt(o, VK_STR("args")), false, &out->args, &out->n_args);
    if (e == VK_OK)
        e = parse_values(p, vk_json_opt(o, VK_STR("named_args")), true, &out->named, &out->n_named);
    return e;
}

/* Recursion is bounded by the JSON reader's depth limit. */
static vk_err parse_cond(struct parse *p, const vk_json *o, uint32_t step, vk_hrana_cond *out)
{
    static const struct {
        const char *name;
        vk_cond_type type;
    } types[] = {{"ok", VK_COND_OK},   {"error", VK_COND_ERROR}, {"not", VK_COND_NOT},
                 {"and", VK_COND_AND}, {"or", VK_COND_OR},       {"is_autocommit", VK_COND_AUTOCOMMIT}};
    vk_str name = vk_json_str(vk_json_get(o, VK_STR("type")));
    size_t i = 0;
    while (i < VK_COUNT(types) && !vk_str_eqz(name, types[i].name))
        i++;
    if (i == VK_COUNT(types))
        return bad(p, VK_STR("BatchCond type not recognized"));
    out->type = types[i].type;
    int64_t ref;
    const vk_json *list;
    vk_err e = VK_OK;
    switch (out->type) {
    case VK_COND_OK:
    case VK_COND_ERROR:
        if (vk_json_i64(vk_json_get(o, VK_STR("step")), &ref) != VK_OK)
            return shape(p, "a condition's `step` must be an integer");
        if (ref < 0 || ref >= step)
            return bad(p, VK_STR("Invalid reference to step in a batch condition"));
        out->step = (uint32_t)ref;
        return VK_OK;
    case VK_COND_NOT:
        out->parts = array_of(p, sizeof *out->parts, 1);
        out->n = 1;
        return out->parts ? parse_cond(p, vk_json_get(o, VK_STR("cond")), step, out->parts) : VK_E_NOMEM;
    case VK_COND_AND:
    case VK_COND_OR:
        list = vk_json_get(o, VK_STR("conds"));
        if (!list || list->type != VK_JSON_ARRAY)
            return shape(p, "a condition's `conds` must be an array");
        out->parts = array_of(p, sizeof *out->parts, list->count);
        if (!out->parts)
            return VK_E_NOMEM;
        for (const vk_json *v = list->u.child; e == VK_OK && v; v = v->next)
            e = parse_cond(p, v, step, &out->parts[out->n++]);
        return e;
    case VK_COND_AUTOCOMMIT:
        break;
    }
    return VK_OK;
}

static vk_err parse_batch(struct parse *p, const vk_json *o, vk_hrana_request *out)
{
    const vk_json *steps = vk_json_get(o, VK_STR("steps"));
    if (!steps || steps->type != VK_JSON_ARRAY)
        return shape(p, "a batch's `steps` must be an array");
    if (steps->count > VK_HRANA_STEPS_MAX)
        return shape(p, "a batch has more than 16384 steps");
    out->steps = array_of(p, sizeof *out->steps, steps->count);
    if (!out->steps)
        return VK_E_NOMEM;
    vk_err e = VK_OK;
    for (const vk_json *s = steps->u.child; e == VK_OK && s; s = s->next) {
        const vk_json *cond = vk_json_opt(s, VK_STR("condition"));
        vk_hrana_step *to = &out->steps[out->n_steps];
        if (cond) {
            vk_hrana_cond *c = array_of(p, sizeof *c, 1);
            if (!c)
                return VK_E_NOMEM;
            e = parse_cond(p, cond, out->n_steps, c);
            to->cond = c;
        }
        if (e == VK_OK)
            e = parse_stmt(p, vk_json_get(s, VK_STR("stmt")), &to->stmt);
        out->n_steps++;
    }
    return e;
}

static const char *const names[] = {
    [VK_R_CLOSE] = "close",         [VK_R_EXECUTE] = "execute",
    [VK_R_BATCH] = "batch",         [VK_R_SEQUENCE] = "sequence",
    [VK_R_DESCRIBE] = "describe",   [VK_R_STORE_SQL] = "store_sql",
    [VK_R_CLOSE_SQL] = "close_sql", [VK_R_GET_AUTOCOMMIT] = "get_autocommit",
};

const char *vk_hrana_type_name(vk_request_type t)
{
    return names[t];
}

static vk_err parse_request(struct parse *p, const vk_json *o, vk_hrana_request *out)
{
    vk_str type = vk_json_str(vk_json_get(o, VK_STR("type")));
    size_t i = 0;
    while (i < VK_COUNT(names) && !vk_str_eqz(type, names[i]))
        i++;
    if (i == VK_COUNT(names))
        return bad(p, VK_STR("StreamRequest type not recognized"));
    out->type = (vk_request_type)i;
    const vk_json *sql;
    vk_err e;
    switch (out->type) {
    case VK_R_EXECUTE:
        return parse_stmt(p, vk_json_get(o, VK_STR("stmt")), &out->stmt);
    case VK_R_BATCH:
        return parse_batch(p, vk_json_get(o, VK_STR("batch")), out);
    case VK_R_SEQUENCE:
    case VK_R_DESCRIBE:
        return parse_sql(p, o, &out->stmt);
    case VK_R_STORE_SQL:
        sql = vk_json_get(o, VK_STR("sql"));
        if (!sql || sql->type != VK_JSON_STRING)
            return shape(p, "`sql` must be a string");
        out->stmt.sql = sql->u.s.p ? sql->u.s : VK_STR("");
        /* fall through */
    case VK_R_CLOSE_SQL:
        e = parse_id(p, vk_json_get(o, VK_STR("sql_id")), &out->stmt.sql_id);
        return e;
    case VK_R_CLOSE:
    case VK_R_GET_AUTOCOMMIT:
        break;
    }
    return VK_OK;
}

vk_err vk_hrana_parse_request(vk_arena *a, const vk_json *o, vk_hrana_request *out_r, vk_str *why_r)
{
    struct parse p = {.a = a};
    vk_err e = parse_request(&p, o, out_r);
    *why_r = p.why;
    return e;
}

/* The body as an object, and its baton. */
static vk_err parse_body(struct parse *p, vk_str body, vk_json **root_r, vk_pipeline *out_r)
{
    const char *error;
    size_t at;
    *out_r = (vk_pipeline){0};
    vk_err e = vk_json_parse(p->a, body, root_r, &error, &at);
    if (e == VK_E_INVALID) {
        p->why =
            vk_arena_printf(p->a, "Cannot deserialize client message from JSON: %s at byte %zu", error, at);
        return p->why.p ? VK_E_INVALID : VK_E_NOMEM;
    }
    if (e != VK_OK)
        return e;
    const vk_json *baton = vk_json_opt(*root_r, VK_STR("baton"));
    if ((*root_r)->type != VK_JSON_OBJECT)
        return shape(p, "the body must be an object");
    if (baton && baton->type != VK_JSON_STRING)
        return shape(p, "`baton` must be a string or null");
    out_r->baton = baton ? (baton->u.s.p ? baton->u.s : VK_STR("")) : VK_STR_NONE;
    return VK_OK;
}

static vk_err parse_requests(struct parse *p, const vk_json *list, vk_pipeline *out)
{
    if (!list || list->type != VK_JSON_ARRAY)
        return shape(p, "`requests` must be an array");
    if (list->count > VK_HRANA_REQUESTS_MAX)
        return shape(p, "a pipeline has more than 4096 requests");
    out->requests = array_of(p, sizeof *out->requests, list->count);
    vk_err e = out->requests ? VK_OK : VK_E_NOMEM;
    for (const vk_json *v = list->u.child; e == VK_OK && v; v = v->next) {
        vk_hrana_request *r = &out->requests[out->n++];
        e = parse_request(p, v, r);
        if (e == VK_OK && out->closes && r->type != VK_R_CLOSE)
            e = bad(p, VK_STR("Stream for this baton was closed"));
        if (e == VK_OK && r->type == VK_R_CLOSE)
            out->closes = true;
    }
    return e;
}

vk_err vk_hrana_parse(vk_arena *a, vk_str body, vk_pipeline *out_r, vk_str *why_r)
{
    struct parse p = {.a = a};
    vk_json *root;
    vk_err e = parse_body(&p, body, &root, out_r);
    if (e == VK_OK)
        e = parse_requests(&p, vk_json_get(root, VK_STR("requests")), out_r);
    *why_r = p.why;
    return e;
}

vk_err vk_hrana_parse_cursor(vk_arena *a, vk_str body, vk_pipeline *out_r, vk_str *why_r)
{
    struct parse p = {.a = a};
    vk_json *root;
    vk_err e = parse_body(&p, body, &root, out_r);
    if (e == VK_OK) {
        out_r->requests = array_of(&p, sizeof *out_r->requests, 1);
        out_r->n = 1;
        e = out_r->requests ? VK_OK : VK_E_NOMEM;
    }
    if (e == VK_OK) {
        out_r->requests[0].type = VK_R_BATCH;
        e = parse_batch(&p, vk_json_get(root, VK_STR("batch")), &out_r->requests[0]);
    }
    *why_r = p.why;
    return e;
}
