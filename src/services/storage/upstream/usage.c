/* What the builds have stored at the vendor, for storage_bytes and storage_objects. Nobody tells, so it is
 * counted: a listing of the build's prefix says what there is, and what the vendor has said yes to since then
 * is added. What was replaced or deleted since is not taken off (its size is not known), so the sum is at
 * least what there is; where it comes to the quota, it is counted anew before anybody is refused. Until the
 * first listing has come to its end, and for uploads that two daemons take at once, it can be less.
 *
 * In memory only: after a restart the first write of a build begins a count. */
#include "services/storage/upstream/upstream.h"

#include "core/clock.h"
#include "core/map.h"

#include <pthread.h>

enum {
    BUILDS_MAX = 16384, /* kept; then those that were used longest ago are forgotten, and counted anew */
    PAGE = 1000,
    FRESH_MS = 30000,      /* a count that is not older decides */
    STALE_MS = 30 * 60000, /* one that is older is made anew when something is written */
    AGAIN_MS = 10000,      /* after one that failed */
    COUNTS_MAX = 8,        /* at once, of all builds */
    PAGES_MAX = 10000,     /* of a count */
};

struct usage {
    vk_map_node node;
    vk_list used; /* in all_used, longest ago first */
    char build[VK_BUILD_ID_MAX + 1];
    int64_t bytes, objects;
    uint64_t generation;              /* of the build, whose name may be another one's later */
    int64_t more_bytes, more_objects; /* said yes to since the last count began */
    int64_t then_bytes, then_objects; /* of these, what was when the one under way began */
    int64_t counted_ms, failed_ms;    /* monotonic; 0: never */
    struct counting *counting;
    bool removed; /* something was, since the count */
};

/* A listing, page by page. Its own memory. */
struct counting {
    vk_forward_one ask;
    struct usage *of;
    char build[VK_BUILD_ID_MAX + 1];
    int64_t bytes, objects;
    int pages;
    vk_buf target;
    vk_task begin;
};

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static vk_map all;
static vk_list all_used = {&all_used, &all_used};
static int counts;
static const vk_runtime *runtime;

void vk_s3u_usage_start(const vk_runtime *rt)
{
    runtime = rt;
    vk_map_init(&all);
}

static void forget(struct usage *u)
{
    vk_map_remove(&all, &u->node);
    vk_list_remove(&u->used);
    free(u);
}

void vk_s3u_usage_stop(void)
{
    for (vk_list *n = all_used.next; n != &all_used; n = all_used.next)
        forget(VK_CONTAINER(n, struct usage, used));
    vk_map_free(&all);
}

/* With `mu`. NULL: out of memory. */
static struct usage *usage_of(const vk_s3_req *q)
{
    const vk_tenant *t = q->ex->principal;
    vk_str id = vk_str_z(t->id);
    uint64_t hash = vk_hash_str(id);
    for (vk_map_node *n = vk_map_find(&all, hash); n; n = vk_map_find_next(n)) {
        struct usage *u = VK_CONTAINER(n, struct usage, node);
        if (!vk_str_eqz(id, u->build) || u->generation != t->generation)
            continue;
        vk_list_remove(&u->used);
        vk_list_push(&all_used, &u->used);
        return u;
    }
    if (all.n >= BUILDS_MAX) {
        struct usage *oldest = VK_CONTAINER(all_used.next, struct usage, used);
        if (!oldest->counting)
            forget(oldest);
    }
    struct usage *u = calloc(1, sizeof *u);
    if (!u || vk_map_add(&all, &u->node, hash) != VK_OK) {
        free(u);
        return NULL;
    }
    memcpy(u->build, id.p, id.n + 1);
    u->generation = t->generation;
    vk_list_push(&all_used, &u->used);
    return u;
}

/* ---- counting; on loops[0] */

static void counted(struct counting *c, bool good)
{
    pthread_mutex_lock(&mu);
    struct usage *u = c->of;
    u->counting = NULL;
    counts--;
    if (good) {
        u->bytes = c->bytes;
        u->objects = c->objects;
        u->counted_ms = vk_clock_mono_ms();
        u->more_bytes -= u->then_bytes;
        u->more_objects -= u->then_objects;
        u->failed_ms = 0;
    } else {
        u->failed_ms = vk_clock_mono_ms();
    }
    pthread_mutex_unlock(&mu);
    atomic_fetch_add_explicit(&vk_s3u_numbers_now.counted, good, memory_order_relaxed);
    vk_buf_free(&c->ask.out);
    vk_buf_free(&c->target);
    free(c);
}

static void encode(vk_buf *b, vk_str s)
{
    static const char hex[17] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.n; i++) {
        const char three[3] = {'%', hex[(unsigned char)s.p[i] >> 4], hex[(unsigned char)s.p[i] & 15]};
        vk_buf_add(b, three, 3);
    }
}

static void next_page(struct counting *c, vk_str after)
{
    vk_buf_clear(&c->target);
    vk_buf_printf(&c->target, "/?prefix=builds%%2F%s%%2F%llu%%2F&encoding-type=url&max-keys=%d", c->build,
                  (unsigned long long)c->of->generation, PAGE);
    if (after.n) {
        vk_buf_lit(&c->target, "&marker=");
        encode(&c->target, after);
    }
    if (c->target.err != VK_OK) {
        counted(c, false);
        return;
    }
    vk_buf_free(&c->ask.out);
    c->ask.target = vk_buf_view(&c->target);
    vk_forward_send(&c->ask);
}

static void page_came(vk_forward_one *ask, vk_err e, const vk_head *h)
{
    struct counting *c = VK_CONTAINER(ask, struct counting, ask);
    vk_s3u_doc d;
    vk_arena *a = e == VK_OK && ask->status == 200 ? vk_arena_new(2 * VK_S3U_XML_MAX) : NULL;
    VK_UNUSED(h);
    if (!a || vk_s3u_read(a, vk_buf_view(&ask->out), &d) != VK_S3_OK || d.kind != VK_S3U_LIST) {
        vk_arena_free(a);
        counted(c, false);
        return;
    }
    for (size_t i = 0; i < d.n_entries; i++)
        c->bytes += d.entries[i].size > 0 ? d.entries[i].size : 0;
    c->objects += (int64_t)d.n_entries;
    if (!d.truncated || !d.n_entries || ++c->pages == PAGES_MAX)
        counted(c, true);
    else
        next_page(c, d.entries[d.n_entries - 1].key);
    vk_arena_free(a);
}

static void first_page(vk_task *t)
{
    next_page(VK_CONTAINER(t, struct counting, begin), VK_STR_NONE);
}

/* With `mu`. */
static void begin_count(vk_s3_req *q, struct usage *u)
{
    struct counting *c = counts < COUNTS_MAX ? calloc(1, sizeof *c) : NULL;
    if (!c)
        return;
    c->of = u;
    memcpy(c->build, u->build, sizeof c->build);
    vk_buf_init(&c->target, 8192);
    c->ask = (vk_forward_one){.rt = runtime,
                              .service = "storage",
                              .method = VK_STR("GET"),
                              .lines = VK_STR(""),
                              .content_type = VK_STR(""),
                              .body = VK_STR(""),
                              .max = VK_S3U_XML_MAX,
                              .done = page_came};
    vk_s3u_credential(q, &c->ask.kind, c->ask.hash);
    c->begin.run = first_page;
    u->counting = c;
    u->removed = false;
    u->then_bytes = u->more_bytes;
    u->then_objects = u->more_objects;
    counts++;
    vk_loop_post(runtime->loops[0], &c->begin);
}

/* ---- asking */

static void over(vk_s3_req *q, int64_t bytes, int64_t objects, const vk_ob_quota *most)
{
    char may[VK_LIMIT_TEXT], may_objects[VK_LIMIT_TEXT];
    vk_limit_text(VK_LIMIT_STORAGE_BYTES, most->bytes, may);
    vk_limit_text(VK_LIMIT_STORAGE_OBJECTS, most->objects, may_objects);
    vk_s3_say(q, vk_ob_errs[VK_OB_QUOTA].status, vk_str_z(vk_ob_errs[VK_OB_QUOTA].code), "");
    q->message = vk_arena_printf(q->ex->arena,
                                 "The build %s has stored %lld bytes in %lld objects; it may have %s and %s "
                                 "objects. Delete something, or "
                                 "raise storage_bytes or storage_objects in valetkey's configuration.",
                                 vk_s3b_id(q->build), (long long)bytes, (long long)objects, may, may_objects);
}

bool vk_s3u_room(vk_s3_req *q, int64_t bytes, int64_t objects)
{
    vk_ob_quota most = vk_s3b_quota();
    if (bytes > most.object_bytes) {
        vk_s3_no_ob(q, VK_OB_TOO_LARGE);
        return false;
    }
    pthread_mutex_lock(&mu);
    struct usage *u = usage_of(q);
    if (!u) {
        pthread_mutex_unlock(&mu);
        vk_s3_no_memory(q);
        return false;
    }
    int64_t now = vk_clock_mono_ms(), has = u->bytes + u->more_bytes, many = u->objects + u->more_objects;
    bool fits = has <= most.bytes - bytes && many <= most.objects - objects;
    bool known = u->counted_ms != 0, again = !u->failed_ms || now - u->failed_ms > AGAIN_MS;
    bool fresh = known && now - u->counted_ms < FRESH_MS && !u->removed;
    if (!u->counting && again && (!known || now - u->counted_ms > STALE_MS || (!fits && !fresh)))
        begin_count(q, u);
    bool waits = u->counting != NULL;
    pthread_mutex_unlock(&mu);
    if (!fits && waits && bytes <= most.bytes)
        vk_s3_say(q, 503, VK_STR("SlowDown"),
                  "The build is near its quota, and what it has stored is being counted; try again.");
    else if (!fits)
        over(q, has, many, &most);
    return fits;
}

void vk_s3u_stored(vk_s3_req *q, int64_t bytes, int64_t objects)
{
    pthread_mutex_lock(&mu);
    struct usage *u = usage_of(q);
    if (u) {
        u->more_bytes += bytes;
        u->more_objects += objects;
    }
    pthread_mutex_unlock(&mu);
}

void vk_s3u_removed(vk_s3_req *q)
{
    pthread_mutex_lock(&mu);
    struct usage *u = usage_of(q);
    if (u)
        u->removed = true;
    pthread_mutex_unlock(&mu);
}
