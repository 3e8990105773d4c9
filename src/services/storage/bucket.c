/* Operations on the bucket. A build has one, which is there from the beginning. */
#include "services/storage/front.h"

static const vk_tenant *tenant(const vk_s3_req *q)
{
    return q->ex->principal;
}

void vk_s3_list_buckets(vk_s3_req *q)
{
    vk_str name = vk_arena_printf(q->ex->arena, "%s%s", VK_S3_BUCKET_PREFIX, tenant(q)->id), prefix, region;
    vk_build b;
    vk_worker *w = q->ex->server->ctx;
    vk_err e = w->reader->ops->build_get(w->reader, q->ex->arena, vk_str_z(tenant(q)->id), &b);
    if (!name.p || e != VK_OK) {
        vk_s3_no_memory(q);
        return;
    }
    bool shown = !vk_s3_param_of(&q->route, "prefix", &prefix) || vk_str_starts(name, prefix);
    if (vk_s3_param_of(&q->route, "bucket-region", &region) && region.n && !vk_str_eqz(region, VK_S3_REGION))
        shown = false;
    vk_s3w_bucket bucket = {name, b.created_ms};
    vk_s3w_buckets l = {.owner = vk_str_z(tenant(q)->id), .buckets = &bucket, .n_buckets = shown};
    vk_s3w_list_buckets(&q->ex->out, &l);
    vk_s3_ok_xml(q);
}

void vk_s3_head_bucket(vk_s3_req *q)
{
    vk_s3_header(q, "x-amz-bucket-region", VK_STR(VK_S3_REGION));
    vk_s3_ok(q, 200);
}

/* It exists: to create it again is what clients do that make sure of it, and S3 says yes to that in
 * us-east-1. */
void vk_s3_create_bucket(vk_s3_req *q)
{
    vk_str region, location = vk_arena_printf(q->ex->arena, "/" VK_STR_FMT, VK_STR_ARG(q->route.bucket));
    vk_s3_fail f = vk_s3x_read_create_bucket(q->ex->arena, vk_buf_view(&q->ex->body), &region);
    if (f != VK_S3_OK) {
        vk_s3_no(q, f);
        return;
    }
    vk_s3_header(q, "Location", location);
    vk_s3_ok(q, 200);
}

void vk_s3_delete_bucket(vk_s3_req *q)
{
    vk_s3_say(q, 403, VK_STR("AccessDenied"),
              "The bucket belongs to the build and goes with it; delete the objects in it instead.");
}

void vk_s3_get_location(vk_s3_req *q)
{
    vk_s3w_location(&q->ex->out, VK_STR(VK_S3_REGION));
    vk_s3_ok_xml(q);
}

void vk_s3_get_versioning(vk_s3_req *q)
{
    vk_s3w_versioning(&q->ex->out);
    vk_s3_ok_xml(q);
}

/* ---- CORS rules; on a thread */

void vk_s3_get_cors(vk_s3_req *q)
{
    vk_str xml;
    vk_ob_err e = vk_ob_cors_get(q->store, q->ex->arena, &xml);
    if (e != VK_OB_OK) {
        vk_s3_no_ob(q, e);
        return;
    }
    vk_buf_str(&q->ex->out, xml);
    vk_s3_ok_xml(q);
}

void vk_s3_put_cors(vk_s3_req *q)
{
    vk_s3x_cors rules;
    vk_buf b;
    vk_s3_rules *r = NULL;
    vk_s3_fail f = vk_s3x_read_cors(q->ex->arena, vk_buf_view(&q->ex->body), &rules);
    if (f != VK_S3_OK) {
        vk_s3_no(q, f);
        return;
    }
    vk_buf_init(&b, VK_OB_CORS_MAX);
    vk_s3w_cors(&b, &rules);
    if (b.err == VK_E_TOO_LARGE)
        vk_s3_say(q, 400, VK_STR("InvalidRequest"), "CORS rules may have 64 KiB in all");
    else if (b.err != VK_OK || !(r = vk_s3_rules_read(vk_buf_view(&b))))
        vk_s3_no_memory(q);
    else {
        uint64_t order;
        vk_ob_err e = vk_ob_cors_set(q->store, vk_buf_view(&b), &order);
        if (e == VK_OB_OK) {
            vk_s3b_set_rules(q->build, r, order);
            vk_s3_ok(q, 200);
        } else {
            vk_s3_rules_unref(r);
            vk_s3_no_ob(q, e);
        }
    }
    vk_buf_free(&b);
}

void vk_s3_delete_cors(vk_s3_req *q)
{
    uint64_t order;
    vk_ob_err e = vk_ob_cors_delete(q->store, &order);
    if (e != VK_OB_OK) {
        vk_s3_no_ob(q, e);
        return;
    }
    vk_s3b_set_rules(q->build, NULL, order);
    vk_s3_ok(q, 204);
}
