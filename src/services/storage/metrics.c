/* The storage service's numbers for GET /metrics. */
#include "core/metrics.h"

#include "services/storage/upstream/upstream.h"

static int64_t number(const _Atomic uint64_t *n)
{
    return (int64_t)atomic_load_explicit(n, memory_order_relaxed);
}

void vk_s3_metrics(vk_buf *out)
{
    static const char ops[] = "valetkey_storage_requests_total";
    vk_s3b_counts c;
    vk_s3b_count(&c);
    const struct {
        const char *name, *type, *help;
        int64_t value;
    } all[] = {
        {"valetkey_storage_stores_open", "gauge", "Builds whose objects are open now.", (int64_t)c.open},
        {"valetkey_storage_stores_opened_total", "counter", "How often the objects of a build were opened.",
         (int64_t)c.opened},
        {"valetkey_storage_jobs_total", "counter", "Pieces of work that a thread has done.", (int64_t)c.jobs},
        {"valetkey_storage_jobs_refused_total", "counter",
         "The same, refused since too many of that build waited.", (int64_t)c.refused},
        {"valetkey_storage_empty_checksums_total", "counter",
         "Uploads by a presigned URL with the checksum of no bytes, which R2 refuses.",
         number(&vk_s3_numbers_now.empty_sums)},
        {"valetkey_storage_forms_total", "counter", "Uploads by a POST form, which R2 does not have.",
         number(&vk_s3_numbers_now.forms)},
        {"valetkey_storage_vendor_requests_total", "counter",
         "Requests that an organisation's storage was asked for, without bodies of objects.",
         number(&vk_s3u_numbers_now.asked)},
        {"valetkey_storage_vendor_key_refused_total", "counter",
         "Answers of the vendor that refuse the organisation's key, bucket or address.",
         number(&vk_s3u_numbers_now.refused_us)},
        {"valetkey_storage_vendor_nonsense_total", "counter", "Answers of the vendor that cannot be.",
         number(&vk_s3u_numbers_now.nonsense)},
        {"valetkey_storage_vendor_away_total", "counter",
         "Requests that found no keeper, no organisation's key, or no vendor.",
         number(&vk_s3u_numbers_now.away)},
        {"valetkey_storage_vendor_counts_total", "counter", "How often a build's objects there were counted.",
         number(&vk_s3u_numbers_now.counted)},
    };
    for (size_t i = 0; i < VK_COUNT(all); i++)
        vk_metric_one(out, all[i].name, all[i].type, all[i].help, all[i].value);
    vk_metric_family(out, ops, "counter", "Requests that were let in, by operation.");
    for (size_t i = 0; i < VK_S3_OPS; i++) {
        const vk_label labels[] = {{"operation", vk_str_z(vk_s3_ops[i].name)}, {0}};
        vk_metric(out, ops, "", labels, number(&vk_s3_numbers_now.ops[i]));
    }
}
