/* The data of one service of a build, as a file, and what was done to its schema. Also of a revoked or
 * expired build: its data is the owner's. And the metadata as a file, for backups. */
#include "admin/call.h"

#include "core/disk.h"
#include "core/encode.h"
#include "core/log.h"
#include "core/random.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* The exchange ended before the file was handed to the answer. */
static void drop_file(vk_exchange *ex)
{
    vk_call *c = ex->ctx;
    if (c->file.fd >= 0)
        close(c->file.fd);
}

static void exported(void *arg, vk_err e, const vk_export *x, const char *why)
{
    vk_call *c = arg;
    char name[VK_BUILD_ID_MAX + 80];
    if (e != VK_OK) {
        if (e == VK_E_NOT_FOUND)
            vk_call_fail(c, e, "The build \"" VK_STR_FMT "\" has no data in this service yet",
                         VK_STR_ARG(c->param[0]));
        else
            vk_call_fail(c, e, "The data could not be exported: %s", why ? why : vk_err_name(e));
        return;
    }
    c->file.fd = x->fd;
    c->file.size = x->size;
    c->file.content_type = x->content_type;
    snprintf(name, sizeof name, "attachment; filename=\"" VK_STR_FMT "-%s\"", VK_STR_ARG(c->param[0]),
             x->file_name ? x->file_name : "export");
    if (vk_header_add(c->ex, "Content-Disposition", vk_str_z(name)) != VK_OK)
        vk_log(VK_WARN, "admin: no room for the name of an export");
    vk_call_finish(c, 200);
}

/* The named service, or NULL. */
static const vk_service *service_of(const vk_call *c)
{
    const vk_service *services[VK_SERVICES_MAX];
    size_t n = vk_services(services);
    int i = vk_service_index(c->param[1]);
    return i >= 0 && (size_t)i < n ? services[i] : NULL;
}

/* The build, unless it is on its way out; otherwise answers. */
static bool has_data(vk_call *c, vk_build *b)
{
    if (!vk_call_build(c, b))
        return false;
    if (b->state == VK_BUILD_DELETING)
        vk_call_fail(c, VK_E_CONFLICT, "The build \"%s\" is being deleted", b->id);
    return b->state != VK_BUILD_DELETING;
}

static void export_work(vk_call *c)
{
    const vk_service *s = service_of(c);
    vk_build b;
    if (!has_data(c, &b))
        return;
    if (!s || !s->export_data) {
        vk_call_fail(c, VK_E_NOT_FOUND, "There is no service of that name whose data can be exported");
        return;
    }
    if (!c->kept && !vk_call_embedded(c, &b, s->name))
        return;
    vk_str id = vk_arena_dup(c->ex->arena, c->param[0]);
    if (!id.p) {
        vk_call_fail(c, VK_E_NOMEM, "Out of memory; try again in a second");
        return;
    }
    c->param[0] = id;
    s->export_data(id.p, exported, c);
}

/* `kept=yes`: a backup's, which takes the files that there are, whoever has the service now. */
void vk_admin_export(vk_call *c)
{
    vk_str kept;
    c->ex->done = drop_file;
    if (!vk_call_query(c, "kept", &kept))
        return;
    c->kept = vk_str_eqz(kept, "yes");
    vk_call_on_lane(c, export_work);
}

static void schema_log_work(vk_call *c)
{
    const vk_service *s = service_of(c);
    vk_build b;
    if (!has_data(c, &b))
        return;
    if (!s || !s->schema_log) {
        vk_call_fail(c, VK_E_NOT_FOUND, "There is no service of that name that keeps a record of its schema");
        return;
    }
    if (!vk_call_embedded(c, &b, s->name))
        return;
    vk_err e = s->schema_log(b.id, &c->ex->out);
    if (e != VK_OK)
        vk_call_fail(c, e == VK_E_NOMEM ? e : VK_E_IO, "The record of the build \"%s\" cannot be read", b.id);
    else
        vk_call_finish(c, 200);
}

void vk_admin_schema_log(vk_call *c)
{
    vk_call_on_lane(c, schema_log_work);
}

/* ---- the metadata */

/* The copy is made in <data>/tmp, which every start empties, and has no name any more when it is sent. */
static vk_err copy_metadata(vk_call *c)
{
    uint8_t random[8];
    char digits[2 * sizeof random + 1], name[64], path[PATH_MAX + 64];
    struct stat st;
    int fd;
    vk_random(random, sizeof random);
    vk_hex(digits, random, sizeof random);
    snprintf(name, sizeof name, "tmp/metadata-%s", digits);
    snprintf(path, sizeof path, "%s/%s", c->rt->data_dir, name);
    vk_err e = vk_disk_mkdir(c->rt->data_fd, "tmp", 0700);
    if (e == VK_OK)
        e = vk_disk_begin(c->rt->data_fd, name, 0600, &fd);
    if (e != VK_OK)
        return e;
    close(fd); /* before SQLite opens it: closing would drop its locks */
    e = c->rt->store->ops->copy_to(c->rt->store, path);
    fd = e == VK_OK ? openat(c->rt->data_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : -1;
    unlinkat(c->rt->data_fd, name, 0);
    if (e == VK_OK && (fd < 0 || fstat(fd, &st) != 0))
        e = VK_E_IO;
    if (e == VK_OK) {
        c->file.fd = fd;
        c->file.size = st.st_size;
        c->file.content_type = "application/vnd.sqlite3";
    } else if (fd >= 0) {
        close(fd);
    }
    return e;
}

static void metadata_work(vk_call *c)
{
    vk_err e = copy_metadata(c);
    if (e != VK_OK)
        vk_call_fail_store(c, e);
    else
        vk_call_finish(c, 200);
}

void vk_admin_metadata(vk_call *c)
{
    c->ex->done = drop_file;
    vk_call_on_lane(c, metadata_work);
}
