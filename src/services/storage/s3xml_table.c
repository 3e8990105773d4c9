#include "services/storage/s3xml_table.h"

#include "core/clock.h"
#include "core/text.h"

/* ---- text */

/* What stands for an ASCII character that cannot stand for itself. */
static void reference(vk_buf *out, unsigned c)
{
    switch (c) {
    case '&':
        vk_buf_lit(out, "&amp;");
        break;
    case '<':
        vk_buf_lit(out, "&lt;");
        break;
    case '>':
        vk_buf_lit(out, "&gt;");
        break;
    case '"':
        vk_buf_lit(out, "&quot;");
        break;
    default:
        vk_buf_printf(out, "&#x%X;", c);
    }
}

void vk_s3x_escape(vk_buf *out, vk_str s)
{
    if (s.n == 0)
        return;
    const char *p = s.p, *end = s.p + s.n, *from = p;
    size_t bad;
    while (p < end) {
        unsigned char c = (unsigned char)*p;
        if (c < 0x80) {
            /* A reader turns a carriage return into a newline, so that one is a reference too. */
            if (c == '&' || c == '<' || c == '>' || c == '"' || c == 0x7f ||
                (c < ' ' && c != '\t' && c != '\n')) {
                vk_buf_add(out, from, (size_t)(p - from));
                if (c) /* a key has no NUL, and there is no reference to it */
                    reference(out, c);
                else
                    vk_buf_lit(out, "\xef\xbf\xbd");
                from = p + 1;
            }
            p++;
            continue;
        }
        size_t n = vk_utf8_seq(p, end, &bad);
        bool none = n == 3 && c == 0xef && (unsigned char)p[1] == 0xbf && (unsigned char)p[2] >= 0xbe;
        if (n && !none) {
            p += n;
            continue;
        }
        vk_buf_add(out, from, (size_t)(p - from));
        if (none) /* U+FFFE and U+FFFF */
            vk_buf_printf(out, "&#xFFF%X;", (unsigned)(unsigned char)p[2] & 0xf);
        else
            vk_buf_lit(out, "\xef\xbf\xbd");
        p += n ? n : bad;
        from = p;
    }
    vk_buf_add(out, from, (size_t)(p - from));
}

static void url_encode(vk_buf *out, vk_str s)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            (c && strchr("-_.~/", c))) {
            vk_buf_ch(out, (char)c);
        } else {
            const char three[3] = {'%', hex[c >> 4], hex[c & 15]};
            vk_buf_add(out, three, 3);
        }
    }
}

static void open_tag(vk_buf *out, const char *name)
{
    vk_buf_ch(out, '<');
    vk_buf_z(out, name);
    vk_buf_ch(out, '>');
}

static void close_tag(vk_buf *out, const char *name)
{
    vk_buf_lit(out, "</");
    vk_buf_z(out, name);
    vk_buf_ch(out, '>');
}

void vk_s3x_element(vk_buf *out, const char *name, vk_str text)
{
    open_tag(out, name);
    vk_s3x_escape(out, text);
    close_tag(out, name);
}

static const char *const sum_elements[VK_CHECKSUM_MD5] = {
    [VK_CHECKSUM_CRC32] = "ChecksumCRC32",         [VK_CHECKSUM_CRC32C] = "ChecksumCRC32C",
    [VK_CHECKSUM_CRC64NVME] = "ChecksumCRC64NVME", [VK_CHECKSUM_SHA1] = "ChecksumSHA1",
    [VK_CHECKSUM_SHA256] = "ChecksumSHA256",
};

void vk_s3x_sum(vk_buf *out, const vk_s3w_sum *s)
{
    if ((int)s->kind >= (int)VK_CHECKSUM_MD5 || !s->text.p)
        return;
    vk_s3x_element(out, sum_elements[s->kind], s->text);
    if (s->type.p)
        vk_s3x_element(out, "ChecksumType", s->type);
}

static void text_field(vk_buf *out, const vk_s3x_field *f, vk_str s, bool url)
{
    if (!s.p)
        return;
    open_tag(out, f->name);
    if (f->kind == VK_S3X_OWNER) {
        vk_s3x_element(out, "ID", s);
        vk_s3x_element(out, "DisplayName", s);
    } else if (f->kind == VK_S3X_ETAG) {
        vk_buf_lit(out, "&quot;");
        vk_s3x_escape(out, s);
        vk_buf_lit(out, "&quot;");
    } else if (f->kind == VK_S3X_KEY && url) {
        url_encode(out, s);
    } else {
        vk_s3x_escape(out, s);
    }
    close_tag(out, f->name);
}

static void int_field(vk_buf *out, const vk_s3x_field *f, int64_t v)
{
    char text[VK_CLOCK_TEXT];
    if (v < 0)
        return;
    open_tag(out, f->name);
    if (f->kind == VK_S3X_INT) {
        vk_buf_i64(out, v);
    } else { /* whole seconds, as Last-Modified has them */
        vk_clock_text(v / 1000 * 1000, text);
        vk_buf_z(out, text);
    }
    close_tag(out, f->name);
}

/* `url`: of the whole document. */
void vk_s3x_fields(vk_buf *out, const vk_s3x_field *f, const void *of, bool url)
{
    for (; f->name; f++) {
        const char *at = (const char *)of + f->at;
        switch (f->kind) {
        case VK_S3X_TEXT:
        case VK_S3X_KEY:
        case VK_S3X_ETAG:
        case VK_S3X_OWNER:
            text_field(out, f, *(const vk_str *)(const void *)at, url);
            break;
        case VK_S3X_INT:
        case VK_S3X_TIME:
            int_field(out, f, *(const int64_t *)(const void *)at);
            break;
        case VK_S3X_BOOL:
            vk_s3x_element(out, f->name, *(const bool *)at ? VK_STR("true") : VK_STR("false"));
            break;
        case VK_S3X_SUM:
            vk_s3x_sum(out, (const vk_s3w_sum *)(const void *)at);
            break;
        case VK_S3X_IF:
            if (*(const bool *)at)
                vk_buf_z(out, f->text);
            break;
        case VK_S3X_LIT:
            vk_buf_z(out, f->text);
            break;
        case VK_S3X_GROUP:
            if (*(const int64_t *)(const void *)at < 0)
                break;
            open_tag(out, f->name);
            vk_s3x_fields(out, f->of, of, url);
            close_tag(out, f->name);
            break;
        case VK_S3X_EACH: {
            const char *one = *(const char *const *)(const void *)at;
            size_t n = *(const size_t *)(const void *)((const char *)of + f->n_at);
            for (size_t i = 0; i < n; i++, one += f->size) {
                open_tag(out, f->name);
                vk_s3x_fields(out, f->of, one, url);
                close_tag(out, f->name);
            }
            break;
        }
        case VK_S3X_TEXTS: {
            const vk_s3x_list *l = (const vk_s3x_list *)(const void *)at;
            for (size_t i = 0; i < l->n; i++)
                vk_s3x_element(out, f->name, l->at[i]);
            break;
        }
        }
    }
}

void vk_s3x_document(vk_buf *out, const char *root, const char *ns, const vk_s3x_field *f, const void *of,
                     bool url)
{
    vk_buf_lit(out, VK_S3X_HEAD "<");
    vk_buf_z(out, root);
    vk_buf_z(out, ns);
    vk_buf_ch(out, '>');
    vk_s3x_fields(out, f, of, url);
    close_tag(out, root);
}
