#include "keeper/audit_versions.h"

typedef struct name {
    vk_map_node node; /* first */
    uint64_t version;
    size_t n;
    char text[];
} name;

void vk_audit_versions_init(vk_audit_versions *v)
{
    pthread_mutex_init(&v->mu, NULL);
    vk_map_init(&v->map);
}

void vk_audit_versions_free(vk_audit_versions *v)
{
    for (vk_map_node *n = vk_map_walk(&v->map, NULL), *next; n; n = next) {
        next = vk_map_walk(&v->map, n);
        vk_map_remove(&v->map, n);
        free(n);
    }
    vk_map_free(&v->map);
    pthread_mutex_destroy(&v->mu);
}

static name *find(vk_audit_versions *v, vk_str text, uint64_t hash)
{
    for (vk_map_node *n = vk_map_find(&v->map, hash); n; n = vk_map_find_next(n)) {
        name *x = (name *)(void *)n;
        if (vk_str_eq((vk_str){x->text, x->n}, text))
            return x;
    }
    return NULL;
}

static bool set(vk_audit_versions *v, vk_str text, uint64_t version)
{
    uint64_t hash = vk_hash_str(text);
    name *x = find(v, text, hash);
    if (x) {
        x->version = version;
        return true;
    }
    x = v->map.n < VK_AUDIT_NAMES ? malloc(sizeof *x + text.n) : NULL;
    if (!x)
        return false;
    x->version = version;
    x->n = text.n;
    memcpy(x->text, text.p, text.n);
    if (vk_map_add(&v->map, &x->node, hash) == VK_OK)
        return true;
    free(x);
    return false;
}

/* What valetkey made, and took away with its record: builds come and go, and names must not be used up. */
static void drop(vk_audit_versions *v, vk_str text)
{
    name *x = find(v, text, vk_hash_str(text));
    if (!x)
        return;
    vk_map_remove(&v->map, &x->node);
    free(x);
}

bool vk_audit_versions_take(vk_audit_versions *v, const vk_audit_record *r)
{
    char text[VK_AR_VERSION_NAME];
    vk_str rest = r->extra, one;
    uint64_t version;
    bool all = true;
    if (r->kind != VK_AUDIT_VERSIONS && !vk_audit_version_name(r, text))
        return true;
    pthread_mutex_lock(&v->mu);
    if (r->kind == VK_AUDIT_CHANGE && vk_str_starts(r->op, VK_STR("resource.gone ")))
        drop(v, vk_str_z(text));
    else if (r->kind == VK_AUDIT_VERSIONS)
        while (vk_audit_version_next(&rest, &one, &version))
            all &= set(v, one, version);
    else
        all = set(v, vk_str_z(text), r->rec_version);
    pthread_mutex_unlock(&v->mu);
    return all;
}

uint64_t vk_audit_versions_of(vk_audit_versions *v, vk_str text)
{
    pthread_mutex_lock(&v->mu);
    const name *x = find(v, text, vk_hash_str(text));
    uint64_t version = x ? x->version : 0;
    pthread_mutex_unlock(&v->mu);
    return version;
}

void vk_audit_versions_each(vk_audit_versions *v, void (*emit)(void *arg, vk_str extra), void *arg)
{
    char room[VK_AR_EXTRA];
    vk_buf b = {.p = room, .cap = sizeof room, .max = sizeof room}; /* on the stack: it never grows */
    pthread_mutex_lock(&v->mu);
    for (const vk_map_node *n = vk_map_walk(&v->map, NULL); n; n = vk_map_walk(&v->map, n)) {
        const name *x = (const name *)(const void *)n;
        if (b.n + 1 + x->n + 8 > sizeof room) {
            emit(arg, vk_buf_view(&b));
            b.n = 0;
        }
        vk_audit_version_add((vk_str){x->text, x->n}, x->version, &b);
    }
    if (b.n)
        emit(arg, vk_buf_view(&b));
    pthread_mutex_unlock(&v->mu);
}
