/* What is remembered of a request beyond its life: counters, its id, and a line in the log when that is on.
 */
#include "http/conn.h"

#include "core/log.h"
#include "core/random.h"

enum { ID_FRONT = 9, ID_COUNT = VK_NOTE_ID - ID_FRONT - 1 };

const int vk_took_bounds[VK_TOOK_BUCKETS - 1] = {1,   2,   5,    10,   25,    50,   100,
                                                 250, 500, 1000, 2500, 10000, 30000};

static const char digits[33] = "0123456789abcdefghjkmnpqrstvwxyz";

/* "r" and eight random characters of this thread, "-", eight that count. Unique among the processes of some
 * years, and made without a system call. */
size_t vk_note_id(char out[VK_NOTE_ID])
{
    static _Thread_local char id[VK_NOTE_ID];
    if (VK_UNLIKELY(!id[0])) {
        uint8_t bytes[ID_FRONT - 1];
        vk_random(bytes, sizeof bytes);
        id[0] = 'r';
        for (size_t i = 0; i < sizeof bytes; i++)
            id[1 + i] = digits[bytes[i] & 31];
        id[ID_FRONT] = '-';
        memset(id + ID_FRONT + 1, '0', ID_COUNT);
    }
    for (size_t i = sizeof id; i-- > ID_FRONT + 1;) {
        char c = id[i];
        id[i] = (char)(c == 'z' ? '0' : c == '9' ? 'a' : c + 1);
        if (c != 'z')
            break;
    }
    memcpy(out, id, sizeof id);
    return sizeof id;
}

static bool usable(vk_str id)
{
    if (id.n == 0 || id.n > VK_REQUEST_ID_MAX)
        return false;
    for (size_t i = 0; i < id.n; i++) {
        char c = id.p[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
              c == '_' || c == '-'))
            return false;
    }
    return true;
}

void vk_note_begin(vk_exchange *ex, vk_str id)
{
    if (usable(id))
        ex->id = id;
    ex->begun_ms = vk_loop_now(ex->loop);
}

static void log_line(const vk_exchange *ex, int status, int64_t took)
{
    vk_log(VK_INFO, "request", VK_F(service, ex->server->name), VK_F(id, ex->id), VK_F(build, ex->about),
           VK_F(method, ex->method), VK_F(path, ex->path), VK_F(status, status), VK_F(ms, took));
}

void vk_note_end(vk_exchange *ex, vk_traffic *t)
{
    int status = ex->answered ? ex->status : 0;
    int64_t took = vk_loop_now(ex->loop) - ex->begun_ms;
    size_t i = 0;
    while (i < VK_COUNT(vk_took_bounds) && took >= vk_took_bounds[i])
        i++;
    vk_count(&t->answers[(size_t)status / 100 % VK_COUNT(t->answers)], 1);
    vk_count(&t->took[i], 1);
    vk_count(&t->took_ms, (uint64_t)took);
    if (ex->server->log_requests)
        log_line(ex, status, took);
}
