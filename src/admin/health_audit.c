/* What keeper says of the audit log, and where it goes from there: one table. */
#include "admin/health.h"
#include "core/metrics.h"

typedef enum form { FLAG, TEXT, KEY, NUMBER } form;

#define AT(m) offsetof(vk_health_audit, m)
static const struct field {
    const char *name; /* in keeper's answer, and in ours */
    form form;
    size_t at;
    const char *metric, *type, *help; /* NULL: none */
} fields[] = {
    {"sealed", FLAG, AT(sealed), "valetkey_audit_sealed", "gauge",
     "1: no use of an organisation's key can be recorded, so none is made."},
    {"damaged", FLAG, AT(damaged), "valetkey_audit_damaged", "gauge",
     "1: the log did not hold together when keeper started."},
    {"why", TEXT, AT(why), NULL, NULL, NULL},
    {"seq", NUMBER, AT(seq), "valetkey_audit_last_record", "gauge", "Number of the last durable record."},
    {"epoch", NUMBER, AT(epoch), "valetkey_audit_epoch", "gauge", "The epoch now."},
    {"records", NUMBER, AT(records), "valetkey_audit_records_total", "counter",
     "Records that were written since keeper started."},
    {"syncs", NUMBER, AT(syncs), "valetkey_audit_syncs_total", "counter", "Syncs of the log's files."},
    {"refused", NUMBER, AT(refused), "valetkey_audit_refused_total", "counter",
     "Uses of keys that were refused because they could not be recorded."},
    {"files_left", NUMBER, AT(files_left), "valetkey_audit_files_left_total", "counter",
     "Files that could not be continued: removed, changed, or a disk that failed."},
    {"file_bytes", NUMBER, AT(file_bytes), NULL, NULL, NULL},
    {"reserve_bytes", NUMBER, AT(reserve_bytes), "valetkey_audit_reserve_bytes", "gauge",
     "Space that is allocated for the log already."},
    {"low", FLAG, AT(low), "valetkey_audit_disk_low", "gauge", "1: the disk of the log is nearly full."},
    {"auditor", FLAG, AT(auditor), NULL, NULL, NULL},
    {"public_key", KEY, AT(public_key), NULL, NULL, NULL},
    {"checkpoints", FLAG, AT(checkpoints), NULL, NULL, NULL},
    {"checkpoints_lost", NUMBER, AT(checkpoints_lost), "valetkey_audit_checkpoints_lost_total", "counter",
     "Checkpoints that did not get to their second place."},
    {"checkpoints_why", TEXT, AT(checkpoints_why), NULL, NULL, NULL},
};
#undef AT

static bool flag_of(const vk_health_audit *a, const struct field *f)
{
    bool b;
    memcpy(&b, (const char *)a + f->at, sizeof b);
    return b;
}

static int64_t number_of(const vk_health_audit *a, const struct field *f)
{
    int64_t v;
    memcpy(&v, (const char *)a + f->at, sizeof v);
    return v;
}

void vk_health_take_audit(const vk_json *from, vk_health_audit *out)
{
    *out = (vk_health_audit){.known = from && from->type == VK_JSON_OBJECT};
    for (size_t i = 0; out->known && i < VK_COUNT(fields); i++) {
        const struct field *f = &fields[i];
        const vk_json *v = vk_json_get(from, vk_str_z(f->name));
        char *to = (char *)out + f->at;
        bool b = v && v->type == VK_JSON_BOOL && v->u.b;
        int64_t n = 0;
        vk_str s = vk_json_str(v);
        if (f->form == FLAG) {
            memcpy(to, &b, sizeof b);
        } else if (f->form == NUMBER) {
            if (vk_json_i64(v, &n) == VK_OK)
                memcpy(to, &n, sizeof n);
        } else {
            size_t most = f->form == KEY ? sizeof out->public_key : VK_HEALTH_WHY;
            size_t len = s.n < most ? s.n : most - 1;
            if (len)
                memcpy(to, s.p, len);
            to[len] = '\0';
        }
    }
}

void vk_health_put_audit(vk_jw *w, const vk_health_audit *a)
{
    if (!a->known) {
        vk_jw_null(w);
        return;
    }
    vk_jw_obj(w);
    for (size_t i = 0; i < VK_COUNT(fields); i++) {
        const struct field *f = &fields[i];
        if (f->form == FLAG)
            vk_jw_kbool(w, f->name, flag_of(a, f));
        else if (f->form == NUMBER)
            vk_jw_ki64(w, f->name, number_of(a, f));
        else
            vk_jw_kstr(w, f->name, vk_str_z((const char *)a + f->at));
    }
    vk_jw_obj_end(w);
}

void vk_health_audit_metrics(vk_buf *out, const vk_health_audit *a)
{
    for (size_t i = 0; a->known && i < VK_COUNT(fields); i++) {
        const struct field *f = &fields[i];
        if (f->metric)
            vk_metric_one(out, f->metric, f->type, f->help,
                          f->form == FLAG ? flag_of(a, f) : number_of(a, f));
    }
}
