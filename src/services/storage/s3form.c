#include "services/storage/s3form.h"

static vk_s3_fail bad(vk_s3form *f, vk_s3_fail why)
{
    f->state = VK_S3FORM_BAD;
    return f->fail = why;
}

/* The next "; name=value" off *rest; a value in quotes is unquoted into the arena. Browsers write a quote as
 * %22 and leave backslashes alone, curl escapes both: so a backslash escapes these two, and is itself before
 * all others. VK_S3_OK with an empty name: that was all. */
static vk_s3_fail parameter(vk_arena *a, vk_str *rest, vk_str *name_r, vk_str *value_r)
{
    *name_r = VK_STR_NONE;
    *rest = vk_str_trim(*rest);
    if (rest->n == 0)
        return VK_S3_OK;
    if (rest->p[0] != ';')
        return VK_S3_MALFORMED_POST;
    *rest = vk_str_trim((vk_str){rest->p + 1, rest->n - 1});
    if (rest->n == 0)
        return VK_S3_OK;
    vk_str name;
    if (!vk_str_cut(rest, '=', &name) || vk_str_trim(name).n == 0)
        return VK_S3_MALFORMED_POST;
    *name_r = vk_str_trim(name);
    *rest = vk_str_trim(*rest);
    if (rest->n == 0 || rest->p[0] != '"') {
        size_t n = 0;
        while (n < rest->n && rest->p[n] != ';')
            n++;
        *value_r = vk_str_trim((vk_str){rest->p, n});
        *rest = (vk_str){rest->p + n, rest->n - n};
        return VK_S3_OK;
    }
    char *to = vk_arena_alloc(a, rest->n);
    if (!to)
        return VK_S3_NO_MEMORY;
    size_t i = 1, n = 0;
    for (; i < rest->n && rest->p[i] != '"'; i++) {
        if (rest->p[i] == '\\' && i + 1 < rest->n && (rest->p[i + 1] == '"' || rest->p[i + 1] == '\\'))
            i++;
        to[n++] = rest->p[i];
    }
    if (i >= rest->n)
        return VK_S3_MALFORMED_POST;
    *value_r = (vk_str){to, n};
    *rest = (vk_str){rest->p + i + 1, rest->n - i - 1};
    return VK_S3_OK;
}

/* The type in front of the parameters. */
static vk_str kind_of(vk_str *value)
{
    size_t n = 0;
    while (n < value->n && value->p[n] != ';')
        n++;
    vk_str kind = vk_str_trim((vk_str){value->p, n});
    *value = (vk_str){value->p + n, value->n - n};
    return kind;
}

static bool is_boundary(vk_str s)
{
    if (s.n == 0 || s.n > VK_S3FORM_BOUNDARY_MAX || s.p[s.n - 1] == ' ')
        return false;
    for (size_t i = 0; i < s.n; i++) /* RFC 2046, bchars */
        if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= 'A' && s.p[i] <= 'Z') ||
              (s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] && strchr("'()+_,-./:=? ", s.p[i]))))
            return false;
    return true;
}

vk_s3_fail vk_s3form_begin(vk_s3form *f, vk_arena *a, vk_str content_type)
{
    memset(f, 0, sizeof *f);
    f->arena = a;
    f->file_name = f->file_type = VK_STR("");
    vk_str boundary = VK_STR_NONE, name, value;
    if (content_type.n == 0 || memchr(content_type.p, '\0', content_type.n) ||
        !vk_str_ieq(kind_of(&content_type), VK_STR("multipart/form-data")))
        return bad(f, VK_S3_MALFORMED_POST);
    for (;;) {
        vk_s3_fail e = parameter(a, &content_type, &name, &value);
        if (e != VK_S3_OK)
            return bad(f, e);
        if (name.n == 0)
            break;
        if (vk_str_ieq(name, VK_STR("boundary"))) {
            if (boundary.p)
                return bad(f, VK_S3_MALFORMED_POST);
            boundary = value;
        }
    }
    if (!is_boundary(boundary))
        return bad(f, VK_S3_MALFORMED_POST);
    memcpy(f->delimiter, "\r\n--", 4);
    memcpy(f->delimiter + 4, boundary.p, boundary.n);
    f->delimiter_n = 4 + boundary.n;
    f->matched = 2; /* as if a line had ended: the body begins with the boundary */
    return VK_S3_OK;
}

static vk_s3_fail disposition(vk_s3form *f, vk_str value, vk_str *name_r, vk_str *file_name_r)
{
    vk_str name, v;
    if (!vk_str_ieq(kind_of(&value), VK_STR("form-data")))
        return VK_S3_MALFORMED_POST;
    for (;;) {
        vk_s3_fail e = parameter(f->arena, &value, &name, &v);
        if (e != VK_S3_OK || name.n == 0)
            return e;
        vk_str *to = vk_str_ieq(name, VK_STR("name"))       ? name_r
                     : vk_str_ieq(name, VK_STR("filename")) ? file_name_r
                                                            : NULL;
        if (to && to->p)
            return VK_S3_MALFORMED_POST;
        if (to)
            *to = v;
    }
}

/* A whole head is in f->part, up to and with its empty line. */
static vk_s3_fail head(vk_s3form *f)
{
    vk_str rest = vk_arena_dup(f->arena, (vk_str){f->part, f->part_n - 2}), line, name, part = VK_STR_NONE,
           file_name = VK_STR_NONE, type = VK_STR_NONE;
    if (!rest.p)
        return VK_S3_NO_MEMORY;
    if (memchr(rest.p, '\0', rest.n))
        return VK_S3_MALFORMED_POST;
    while (rest.n) {
        if (!vk_str_cut(&rest, '\n', &line) || line.n < 1 || line.p[line.n - 1] != '\r')
            return VK_S3_MALFORMED_POST;
        line.n--;
        vk_str value = line;
        if (memchr(line.p, '\r', line.n) || !vk_str_cut(&value, ':', &name) || name.n == 0 ||
            vk_str_trim(name).n != name.n)
            return VK_S3_MALFORMED_POST;
        value = vk_str_trim(value);
        vk_s3_fail e = VK_S3_OK;
        if (vk_str_ieq(name, VK_STR("content-disposition")))
            e = part.p ? VK_S3_MALFORMED_POST : disposition(f, value, &part, &file_name);
        else if (vk_str_ieq(name, VK_STR("content-type")))
            type = value;
        else if (vk_str_ieq(name, VK_STR("content-transfer-encoding")) &&
                 !vk_str_ieq(value, VK_STR("binary")) && !vk_str_ieq(value, VK_STR("8bit")) &&
                 !vk_str_ieq(value, VK_STR("7bit")))
            e = VK_S3_MALFORMED_POST; /* RFC 7578 §4.7: not used; to store it encoded would be wrong */
        if (e != VK_S3_OK)
            return e;
    }
    if (part.n == 0)
        return VK_S3_MALFORMED_POST;
    f->part_n = 0;
    f->matched = 0;
    if (vk_str_ieq(part, VK_STR("file"))) {
        f->file_name = file_name.p ? file_name : VK_STR("");
        f->file_type = type.p ? type : VK_STR("");
        f->state = VK_S3FORM_FILE;
        return VK_S3_OK;
    }
    if (f->n_fields == VK_POST_FIELDS_MAX)
        return VK_S3_FORM_TOO_LARGE;
    f->name = part;
    f->state = VK_S3FORM_FIELD;
    return VK_S3_OK;
}

static vk_s3_fail spend(vk_s3form *f, size_t n)
{
    f->spent += n;
    return f->spent > VK_S3FORM_FIELDS_BYTES ? VK_S3_FORM_TOO_LARGE : VK_S3_OK;
}

static vk_s3_fail head_byte(vk_s3form *f, char c)
{
    if (f->part_n == VK_S3FORM_PART_HEAD_MAX)
        return VK_S3_FORM_TOO_LARGE;
    f->part[f->part_n++] = c;
    vk_s3_fail e = spend(f, 1);
    if (e != VK_S3_OK || c != '\n')
        return e;
    if (f->part_n >= 4 && memcmp(f->part + f->part_n - 4, "\r\n\r\n", 4) == 0)
        return head(f);
    return f->part_n == 2 && f->part[0] == '\r' ? VK_S3_MALFORMED_POST : VK_S3_OK; /* no head at all */
}

/* Behind a boundary: "--" ends the form, a line's end begins a part. Blanks in front of that are transport
 * padding (RFC 2046), which no browser sends. */
static vk_s3_fail line_byte(vk_s3form *f, char c)
{
    f->part[f->part_n++] = c;
    if (f->part_n < 2)
        return c == '\r' ? VK_S3_OK : VK_S3_MALFORMED_POST; /* "--" here: the form has no file */
    if (c != '\n')
        return VK_S3_MALFORMED_POST;
    f->part_n = 0;
    f->state = VK_S3FORM_HEAD;
    return VK_S3_OK;
}

/* The next bytes that belong to the part, or VK_STR_NONE: the delimiter is here (f->matched is all of it), or
 * *in is empty. A carriage return stands at the delimiter's begin only, so after a mismatch what was held
 * back is data and the search begins anew with this byte. */
static vk_str content(vk_s3form *f, vk_str *in)
{
    while (in->n) {
        if (f->matched == 0) {
            const char *cr = memchr(in->p, '\r', in->n);
            size_t n = cr ? (size_t)(cr - in->p) : in->n;
            vk_str data = {in->p, n};
            *in = (vk_str){in->p + n, in->n - n};
            if (n)
                return data;
        }
        if (in->p[0] == f->delimiter[f->matched]) {
            *in = (vk_str){in->p + 1, in->n - 1};
            if (++f->matched == f->delimiter_n)
                return VK_STR_NONE;
            continue;
        }
        vk_str held = {f->delimiter, f->matched};
        f->matched = 0;
        if (held.n)
            return held;
    }
    return VK_STR_NONE;
}

static vk_s3_fail field_done(vk_s3form *f)
{
    vk_str value = vk_arena_dup(f->arena, (vk_str){f->part, f->part_n});
    if (!value.p)
        return VK_S3_NO_MEMORY;
    f->fields[f->n_fields++] = (vk_sigv4_pair){f->name, value};
    return VK_S3_OK;
}

static vk_s3_fail field_bytes(vk_s3form *f, vk_str data)
{
    if (data.n > VK_S3FORM_FIELD_MAX - f->part_n)
        return VK_S3_FORM_TOO_LARGE;
    if (data.n)
        memcpy(f->part + f->part_n, data.p, data.n);
    f->part_n += data.n;
    return spend(f, data.n);
}

static char take(vk_str *in)
{
    char c = in->p[0];
    *in = (vk_str){in->p + 1, in->n - 1};
    return c;
}

vk_s3_fail vk_s3form_feed(vk_s3form *f, vk_str *in, vk_str *file_r)
{
    vk_s3_fail e = VK_S3_OK;
    *file_r = VK_STR_NONE;
    while (in->n && e == VK_S3_OK) {
        switch (f->state) {
        case VK_S3FORM_FIRST:
            if (take(in) != f->delimiter[f->matched])
                e = VK_S3_MALFORMED_POST;
            else if (++f->matched == f->delimiter_n)
                f->state = VK_S3FORM_LINE;
            break;
        case VK_S3FORM_LINE:
            e = line_byte(f, take(in));
            break;
        case VK_S3FORM_HEAD:
            e = head_byte(f, take(in));
            if (f->state == VK_S3FORM_FILE && e == VK_S3_OK)
                return VK_S3_OK;
            break;
        case VK_S3FORM_FIELD: {
            vk_str data = content(f, in);
            if (f->matched == f->delimiter_n) {
                e = field_done(f);
                f->part_n = 0;
                f->state = VK_S3FORM_LINE;
            } else {
                e = field_bytes(f, data);
            }
            break;
        }
        case VK_S3FORM_FILE:
            *file_r = content(f, in);
            if (f->matched == f->delimiter_n)
                f->state = VK_S3FORM_DONE;
            return VK_S3_OK;
        case VK_S3FORM_DONE:
            in->p += in->n, in->n = 0;
            break;
        case VK_S3FORM_BAD:
            return f->fail;
        }
    }
    return e == VK_S3_OK ? e : bad(f, e);
}

vk_s3_fail vk_s3form_end(const vk_s3form *f)
{
    return f->state == VK_S3FORM_DONE ? VK_S3_OK : f->state == VK_S3FORM_BAD ? f->fail : VK_S3_MALFORMED_POST;
}
