/* Text of metrics as Prometheus reads it (exposition format 0.0.4). Pure: appends to a buffer. */
#ifndef VK_METRICS_H
#define VK_METRICS_H

#include "core/buf.h"

/* The HELP and TYPE lines that must stand before a family's samples. `type`: "counter", "gauge", "histogram";
 * a counter's name ends in "_total". `help` is one line. */
void vk_metric_family(vk_buf *out, const char *name, const char *type, const char *help);

/* One label; the value may be any bytes. A NULL name ends a list. */
typedef struct vk_label {
    const char *name;
    vk_str value;
} vk_label;

/* One sample: `name` and `suffix` ("" or "_bucket"), the labels (NULL: none), the value. */
void vk_metric(vk_buf *out, const char *name, const char *suffix, const vk_label *labels, int64_t value);
/* The same with thousandths as the value: seconds out of milliseconds. */
void vk_metric_milli(vk_buf *out, const char *name, const char *suffix, const vk_label *labels,
                     int64_t thousandths);

/* A family with one sample and no labels. */
void vk_metric_one(vk_buf *out, const char *name, const char *type, const char *help, int64_t value);

#endif
