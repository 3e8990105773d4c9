/* Streams and batons. A baton is the stream's number and sixteen random bytes in hex; the bytes change with
 * every response, so each baton works once. The number is looked up among this build's streams only, so
 * another build's baton is as unknown as an invented one. */
#include "services/database/embedded/db.h"

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
    for (vk_list *n = t->streams.next; n != &t->streams; n = n->next) {
        vk_stream *s = VK_CONTAINER(n, vk_stream, node);
        if (s->id == id && !s->socket)
            return same(s->token, token) ? s : NULL;
    }
    for (uint32_t i = 0; i < t->n_expired; i++)
        if (t->expired[i].id == id && same(t->expired[i].token, token))
            *over_r = vk_stream_over(t->expired[i].paused);
    return NULL;
}

void vk_stream_remember_expired(vk_dbt *t, const vk_stream *s, int64_t now)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < t->n_expired; i++)
        if (now - t->expired[i].at < VK_DB_EXPIRED_KEEP_MS)
            t->expired[kept++] = t->expired[i];
    if (kept == VK_DB_EXPIRED_MAX) {
        memmove(t->expired, t->expired + 1, sizeof t->expired - sizeof t->expired[0]);
        kept--;
    }
    t->expired[kept] = (vk_expired){.id = s->id, .at = now, .paused = t->paused};
    memcpy(t->expired[kept].token, s->token, VK_DB_TOKEN);
    t->n_expired = kept + 1;
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
