/* How a struct becomes XML by a table: one row a field, in the order of the elements. Used by s3xml_write.c,
 * which has the tables; text is escaped as s3xml_write.h says. */
#ifndef VK_STORAGE_S3XML_TABLE_H
#define VK_STORAGE_S3XML_TABLE_H

#include "services/storage/s3xml_write.h"

#define VK_S3X_HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define VK_S3X_NS " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""

typedef enum vk_s3x_kind {
    VK_S3X_TEXT,  /* vk_str */
    VK_S3X_KEY,   /* vk_str, percent-encoded where the client asked for it */
    VK_S3X_ETAG,  /* vk_str, put in quotes */
    VK_S3X_INT,   /* int64_t */
    VK_S3X_BOOL,  /* bool */
    VK_S3X_TIME,  /* int64_t */
    VK_S3X_SUM,   /* vk_s3w_sum: the element of its algorithm; with a type, that too */
    VK_S3X_OWNER, /* vk_str: ID and DisplayName */
    VK_S3X_IF,    /* bool: the literal `text`, when it is true */
    VK_S3X_LIT,   /* the literal `text` */
    VK_S3X_EACH,  /* an array and, at `n_at`, its length: a `name` element each, of the fields `of` */
    VK_S3X_TEXTS, /* vk_s3x_list: a `name` element each */
    VK_S3X_GROUP, /* a `name` element of fields of the same struct, when the int64_t at `at` is not below 0 */
} vk_s3x_kind;

typedef struct vk_s3x_field {
    const char *name;
    vk_s3x_kind kind;
    size_t at, n_at, size;
    const char *text;
    const struct vk_s3x_field *of; /* ends with a row without a name */
} vk_s3x_field;

#define F(type, element, kind, member)                                                                       \
    {                                                                                                        \
        element, VK_S3X_##kind, offsetof(type, member), 0, 0, NULL, NULL                                     \
    }
#define F_EACH(type, element, member, rows)                                                                  \
    {                                                                                                        \
        element, VK_S3X_EACH, offsetof(type, member), offsetof(type, n_##member),                            \
            sizeof(*((type *)0)->member), NULL, rows                                                         \
    }
#define F_LIT(xml)                                                                                           \
    {                                                                                                        \
        "-", VK_S3X_LIT, 0, 0, 0, xml, NULL                                                                  \
    }
#define F_IF(type, member, xml)                                                                              \
    {                                                                                                        \
        "-", VK_S3X_IF, offsetof(type, member), 0, 0, xml, NULL                                              \
    }
#define F_GROUP(type, element, member, rows)                                                                 \
    {                                                                                                        \
        element, VK_S3X_GROUP, offsetof(type, member), 0, 0, NULL, rows                                      \
    }
#define F_END                                                                                                \
    {                                                                                                        \
        NULL, VK_S3X_TEXT, 0, 0, 0, NULL, NULL                                                               \
    }

void vk_s3x_escape(vk_buf *out, vk_str s);
void vk_s3x_element(vk_buf *out, const char *name, vk_str text);
/* Nothing when there is none. */
void vk_s3x_sum(vk_buf *out, const vk_s3w_sum *s);
/* `of` is the struct that the rows describe; `url`: KEY is percent-encoded. */
void vk_s3x_fields(vk_buf *out, const vk_s3x_field *f, const void *of, bool url);
/* Declaration, root element with namespace `ns` (VK_S3X_NS or ""), and the fields. */
void vk_s3x_document(vk_buf *out, const char *root, const char *ns, const vk_s3x_field *f, const void *of,
                     bool url);

#endif
