#include "core/metrics.h"

void vk_metric_family(vk_buf *out, const char *name, const char *type, const char *help)
{
    vk_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_labels(vk_buf *out, const vk_label *l)
{
    if (!l || !l->name)
        return;
    char before = '{';
    for (; l->name; l++) {
        vk_buf_ch(out, before);
        vk_buf_z(out, l->name);
        vk_buf_lit(out, "=\"");
        for (size_t i = 0; i < l->value.n; i++) {
            char c = l->value.p[i];
            if (c == '"' || c == '\\' || c == '\n')
                vk_buf_ch(out, '\\');
            vk_buf_ch(out, c == '\n' ? 'n' : c);
        }
        vk_buf_ch(out, '"');
        before = ',';
    }
    vk_buf_ch(out, '}');
}

static void put_front(vk_buf *out, const char *name, const char *suffix, const vk_label *labels)
{
    vk_buf_z(out, name);
    vk_buf_z(out, suffix);
    put_labels(out, labels);
    vk_buf_ch(out, ' ');
}

void vk_metric(vk_buf *out, const char *name, const char *suffix, const vk_label *labels, int64_t value)
{
    put_front(out, name, suffix, labels);
    vk_buf_i64(out, value);
    vk_buf_ch(out, '\n');
}

void vk_metric_milli(vk_buf *out, const char *name, const char *suffix, const vk_label *labels,
                     int64_t thousandths)
{
    put_front(out, name, suffix, labels);
    vk_buf_printf(out, "%s%lld.%03lld\n", thousandths < 0 ? "-" : "", llabs(thousandths / 1000),
                  llabs(thousandths % 1000));
}

void vk_metric_one(vk_buf *out, const char *name, const char *type, const char *help, int64_t value)
{
    vk_metric_family(out, name, type, help);
    vk_metric(out, name, "", NULL, value);
}
