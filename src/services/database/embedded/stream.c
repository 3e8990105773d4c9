/* Streams and batons. A baton is the stream's number and sixteen random bytes in hex; the bytes change with
 * every response, so each baton works once. The number is looked up among this build's streams only, so
 * another build's baton is as unknown as an invented one. */
#include "services/database/embedded/db.h"

#include "core/clock.h"
#include "core/encode.h"

void vk_stream_baton(const vk_stream *s, char out[VK_BATON_MAX])
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(s->id >> (56 - 8 * i));
    vk_hex(out, bytes, sizeof bytes);
    vk_hex(out + 16, s->token, sizeof s->token);
}

static bool parse(vk_str baton, uint64_t *id_r, uint8_t token[VK_DB_TOKEN])
{
    uint8_t bytes[8];
    if (baton.n != VK_BATON_MAX - 1 || vk_hex_decode((vk_str){baton.p, 16}, bytes, sizeof bytes) != VK_OK ||
        vk_hex_decode((vk_str){baton.p + 16, 2 * VK_DB_TOKEN}, token, VK_DB_TOKEN) != VK_OK)
        return false;
    uint64_t id = 0;
    for (int i = 0; i < 8; i++)
        id = id << 8 | bytes[i];
    *id_r = id;
    return true;
}

static bool same(const uint8_t a[VK_DB_TOKEN], const uint8_t b[VK_DB_TOKEN])
{
    return vk_str_eq_secret((vk_str){(const char *)a, VK_DB_TOKEN}, (vk_str){(const char *)b, VK_DB_TOKEN});
}

static uint64_t hash_of(uint64_t id)
{
    return vk_hash(&id, sizeof id);
}

const char *vk_stream_over(bool paused)
{
    return paused
               ? "The database was restored from a snapshot, and the stream's transaction was rolled back; "
                 "begin it again"
               : "The stream has expired due to inactivity";
}

vk_stream *vk_stream_by_baton(vk_dbt *t, vk_str baton, const char **over_r)
{
    uint64_t id;
    uint8_t token[VK_DB_TOKEN];
    *over_r = NULL;
    if (!parse(baton, &id, token))
        return NULL;
    for (vk_map_node *n = vk_map_find(&t->batons, hash_of(id)); n; n = vk_map_find_next(n)) {
        vk_stream *s = VK_CONTAINER(n, vk_stream, by_id);
        if (s->id == id)
            return same(s->token, token) ? s : NULL;
    }
    int64_t oldest = vk_clock_mono_ms() - VK_DB_EXPIRED_KEEP_MS;
    for (uint64_t i = 0; i < t->n_expired && i < VK_DB_EXPIRED_MAX; i++)
        if (t->expired[i].id == id && t->expired[i].at >= oldest && same(t->expired[i].token, token))
            *over_r = vk_stream_over(t->expired[i].paused);
    return NULL;
}

void vk_stream_remember_expired(vk_dbt *t, const vk_stream *s, int64_t now)
{
    if (!t->expired && !(t->expired = calloc(VK_DB_EXPIRED_MAX, sizeof *t->expired)))
        return; /* its baton will be called invalid instead */
    vk_expired *x = &t->expired[t->n_expired++ % VK_DB_EXPIRED_MAX];
    *x = (vk_expired){.id = s->id, .at = now, .paused = t->paused && !s->light};
    memcpy(x->token, s->token, VK_DB_TOKEN);
}

void vk_stream_free_texts(vk_stream *s)
{
    for (uint32_t i = 0; i < s->n_texts; i++)
        free((void *)(uintptr_t)s->texts[i].text.p);
    free(s->texts);
    s->texts = NULL;
    s->n_texts = 0;
}

vk_sql_text *vk_stream_text(vk_stream *s, int32_t id)
{
    for (uint32_t i = 0; i < s->n_texts; i++)
        if (s->texts[i].id == id)
            return &s->texts[i];
    return NULL;
}

/* ---- life: a stream has a place among VK_DB_STREAMS_MAX while a request of it is under way or something is
 * open on it; else it is light */

vk_stream *vk_stream_open(vk_dbt *t)
{
    vk_stream *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->id = ++t->last_stream;
    if (vk_map_add(&t->batons, &s->by_id, hash_of(s->id)) != VK_OK) {
        free(s);
        return NULL;
    }
    s->kept = s->busy = true;
    vk_list_push(&t->streams, &s->node);
    t->n_streams++;
    return s;
}

/* Out of its list. */
static void leave(vk_dbt *t, vk_stream *s)
{
    vk_list_remove(&s->node);
    if (s->light) {
        t->n_light--;
        t->light_bytes -= s->bytes;
    } else {
        t->n_streams--;
    }
    s->light = false;
}

void vk_stream_place(vk_dbt *t, vk_stream *s)
{
    leave(t, s);
    vk_list_push(&t->streams, &s->node);
    t->n_streams++;
}

void vk_stream_out(vk_dbt *t, vk_stream *s)
{
    leave(t, s);
    vk_map_remove(&t->batons, &s->by_id);
}

/* The light one that was used longest ago. */
static void forget_oldest(vk_dbt *t, int64_t now)
{
    vk_stream *s = VK_CONTAINER(t->light.next, vk_stream, node);
    vk_stream_remember_expired(t, s, now);
    vk_stream_out(t, s);
    vk_stream_free_texts(s);
    free(s);
}

static size_t size_of(const vk_stream *s)
{
    size_t n = sizeof *s + (s->texts ? VK_HRANA_STORED_MAX * sizeof *s->texts : 0);
    for (uint32_t i = 0; i < s->n_texts; i++)
        n += s->texts[i].text.n;
    return n;
}

void vk_stream_rest(vk_dbt *t, vk_stream *s)
{
    leave(t, s);
    s->light = true;
    s->bytes = size_of(s);
    vk_list_push(&t->light, &s->node);
    t->n_light++;
    t->light_bytes += s->bytes;
    while (t->n_light > VK_DB_LIGHT_MAX || (t->n_light > 1 && t->light_bytes > VK_DB_LIGHT_BYTES))
        forget_oldest(t, s->used_ms);
}

void vk_stream_forget_light(vk_dbt *t, int64_t now)
{
    while (!vk_list_empty(&t->light)) {
        const vk_stream *s = VK_CONTAINER(t->light.next, vk_stream, node);
        if (!t->closed && now - s->used_ms < VK_DB_STREAM_IDLE_MS)
            return;
        forget_oldest(t, now);
    }
}
