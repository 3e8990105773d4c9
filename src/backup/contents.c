#include "backup/contents.h"

#include "backup/tar.h"

enum { FILE_NAME_MAX = 100 };

const vk_backup_file vk_backup_files[] = {
    {"admin.token", 4096, false, true},
    {"audit/*", VK_TAR_SIZE_MAX, false,
     false}, /* names what was done with keys, and none; its own key is sealed */
    /* builds/ comes between these two */
    {"metrics.token", 4096, false, true},
    {"tls/cert.pem", 1 << 20, false, true}, /* without its key it is of no use: a new pair is made */
    {"tls/key.pem", 1 << 20, false, true},
    {"valetkey.db", VK_TAR_SIZE_MAX, true, false},
    {"vault/build/*/*", 64 * 1024, false, false}, /* all of vault/ is sealed */
    {"vault/master", 4096, true, false},
    {"vault/org/*", 64 * 1024, false, false},
    {"vault/ring", 4096, false, false}, /* data of before version 3 has none */
    {0},
};

static bool fits(const char *pattern, vk_str name)
{
    size_t n = strlen(pattern);
    if (n && pattern[n - 1] == '*')
        return name.n >= n && memcmp(pattern, name.p, n - 1) == 0;
    return vk_str_eqz(name, pattern);
}

/* A plain name: it begins with a letter or digit and has nothing that a folder's path is made of. */
static bool plain(vk_str name)
{
    if (name.n == 0 || name.n > FILE_NAME_MAX)
        return false;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!word && (i == 0 || (c != '.' && c != '_' && c != '-')))
            return false;
    }
    return true;
}

/* Part by part: a folder of the pattern is one of the name. */
static bool path_fits(const char *pattern, vk_str name)
{
    vk_str want = vk_str_z(pattern), a, b;
    for (bool more = true; more;) {
        char part[FILE_NAME_MAX + 1];
        more = vk_str_cut(&want, '/', &a);
        bool more_b = vk_str_cut(&name, '/', &b);
        if (more != more_b)
            return false;
        a = more ? a : want;
        b = more ? b : name;
        snprintf(part, sizeof part, VK_STR_FMT, VK_STR_ARG(a));
        if (!plain(b) || !fits(part, b))
            return false;
    }
    return true;
}

const vk_data_file *vk_backup_build_file(vk_str name, const vk_service **service_r)
{
    const vk_service *all[VK_SERVICES_MAX];
    size_t n = vk_services(all);
    for (size_t i = 0; i < n; i++)
        for (const vk_data_file *f = all[i]->files; f && f->name; f++)
            if (path_fits(f->name, name)) {
                *service_r = all[i];
                return f;
            }
    return NULL;
}

const vk_data_file *vk_backup_build_folder(vk_str name, const vk_service **service_r)
{
    const vk_service *all[VK_SERVICES_MAX];
    size_t n = vk_services(all);
    for (size_t i = 0; i < n; i++)
        for (const vk_data_file *f = all[i]->files; f && f->name; f++) {
            vk_str rest = vk_str_z(f->name), first;
            if (f->how == VK_DATA_NAMED && vk_str_cut(&rest, '/', &first) && vk_str_eq(first, name)) {
                *service_r = all[i];
                return f;
            }
        }
    return NULL;
}

static bool cut_front(vk_str *s, const char *front)
{
    size_t n = strlen(front);
    if (s->n < n || memcmp(s->p, front, n) != 0)
        return false;
    *s = (vk_str){s->p + n, s->n - n};
    return true;
}

bool vk_backup_name_ok(vk_str name, int64_t *most_r)
{
    vk_str id;
    if (vk_str_eqz(name, VK_BACKUP_KEY)) {
        *most_r = 4096;
        return true;
    }
    if (!cut_front(&name, "data/"))
        return false;
    for (const vk_backup_file *f = vk_backup_files; f->name; f++)
        if (strchr(f->name, '*') ? path_fits(f->name, name) : vk_str_eqz(name, f->name)) {
            *most_r = f->most;
            return true;
        }
    if (!cut_front(&name, "builds/") || !vk_str_cut(&name, '/', &id) || !vk_build_id_ok(id))
        return false;
    const vk_service *s;
    const vk_data_file *f = vk_backup_build_file(name, &s);
    if (!f || f->how == VK_DATA_BESIDE)
        return false;
    *most_r = f->most;
    return true;
}

int vk_backup_order(vk_str a, vk_str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    for (size_t i = 0; i < n; i++) {
        unsigned x = a.p[i] == '/' ? 0 : 1u + (unsigned char)a.p[i];
        unsigned y = b.p[i] == '/' ? 0 : 1u + (unsigned char)b.p[i];
        if (x != y)
            return x < y ? -1 : 1;
    }
    return a.n == b.n ? 0 : a.n < b.n ? -1 : 1;
}
