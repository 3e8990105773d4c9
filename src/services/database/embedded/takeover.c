/* The write turn is taken from a transaction that has held it for VK_DB_TURN_MAX_MS while others wait, as
 * sqld does: an idle one is rolled back by the housekeeper, a busy one before its next statement. What the
 * client sends for that transaction afterwards must not run without it: statements are refused until the
 * client has ended it. */
#include "services/database/embedded/db.h"

#include "core/clock.h"

/* ---- whose turn it was */

vk_stream *vk_db_overdue_owner(vk_dbt *t, int64_t now)
{
    if (!t->turn_owner || vk_list_empty(&t->waiting_turn) ||
        now - t->turn_owner->turn_since_ms < VK_DB_TURN_MAX_MS)
        return NULL;
    for (vk_list *n = t->streams.next; n != &t->streams; n = n->next) {
        vk_stream *s = VK_CONTAINER(n, vk_stream, node);
        if (!s->busy && s->h == t->turn_owner) {
            s->busy = true;
            return s;
        }
    }
    return NULL;
}

static void note(const vk_dbt *t, vk_stream *s, bool idle, bool transaction)
{
    if (transaction && !idle)
        atomic_fetch_add_explicit(&vk_db.takeovers, 1, memory_order_relaxed);
    s->lost_idle = idle;
    s->lost_paused = t->paused;
    s->lost = transaction ? VK_LOST : s->lost ? s->lost : VK_LOST_ONCE;
}

void vk_db_take_over(vk_dbt *t, vk_stream *s, bool idle)
{
    vk_dbh *h = s->h;
    note(t, s, idle, !sqlite3_get_autocommit(h->db));
    if (idle || !h->dirty) {
        vk_db_keep_counts(s);
        vk_db_put_handle(h);
        h = NULL;
    } else { /* temporary tables and settings are no part of the transaction */
        bool fresh = vk_dbh_reset(h);
        VK_UNUSED(fresh);
        vk_db_settle_turn(h);
    }
    pthread_mutex_lock(&vk_db.mu);
    s->h = h;
    vk_db_stream_idle(t, s);
    bool gone = s->dropped && !h; /* meanwhile; with a connection it is found again */
    pthread_mutex_unlock(&vk_db.mu);
    if (gone)
        free(s);
}

/* The owner's own thread asks. */
static bool overdue(const vk_dbh *h)
{
    if (!h->has_turn || vk_clock_mono_ms() - h->turn_since_ms < VK_DB_TURN_MAX_MS)
        return false;
    pthread_mutex_lock(&vk_db.mu);
    bool wanted = !vk_list_empty(&h->t->waiting_turn);
    pthread_mutex_unlock(&vk_db.mu);
    return wanted;
}

/* ---- what a statement does to a transaction */

typedef enum verb { OTHER, BEGINS, COMMITS, ROLLS_BACK } verb;

/* The next word; blanks, comments and `;` before it are skipped. */
static vk_str word(vk_str *s)
{
    for (;;) {
        if (s->n && strchr(" \t\r\n\f;", *s->p) && *s->p) {
            s->p++;
            s->n--;
            continue;
        }
        bool line = s->n >= 2 && s->p[0] == '-' && s->p[1] == '-';
        bool block = s->n >= 2 && s->p[0] == '/' && s->p[1] == '*';
        if (!line && !block)
            break;
        const char *end = line ? memchr(s->p, '\n', s->n) : memmem(s->p + 2, s->n - 2, "*/", 2);
        const char *to = end ? end + (line ? 1 : 2) : s->p + s->n;
        s->n -= (size_t)(to - s->p);
        s->p = to;
    }
    vk_str w = {s->p, 0};
    while (s->n && ((*s->p | 0x20) >= 'a' && (*s->p | 0x20) <= 'z')) {
        s->p++;
        s->n--;
        w.n++;
    }
    return w;
}

static verb verb_of(vk_str sql)
{
    vk_str first = word(&sql);
    if (vk_str_ieq(first, VK_STR("BEGIN")))
        return BEGINS;
    if (vk_str_ieq(first, VK_STR("COMMIT")) || vk_str_ieq(first, VK_STR("END")))
        return COMMITS;
    if (!vk_str_ieq(first, VK_STR("ROLLBACK")))
        return OTHER;
    vk_str next = word(&sql);
    if (vk_str_ieq(next, VK_STR("TRANSACTION")))
        next = word(&sql);
    return vk_str_ieq(next, VK_STR("TO")) ? OTHER : ROLLS_BACK;
}

bool vk_takeover_begins(vk_str sql)
{
    vk_str rest = sql;
    return verb_of(sql) == BEGINS || vk_str_ieq(word(&rest), VK_STR("SAVEPOINT"));
}

static vk_outcome tell(vk_run *r)
{
    if (r->j->stream->lost_idle)
        return vk_exec_fail(r, "STREAM_EXPIRED", vk_str_z(vk_stream_over(r->j->stream->lost_paused)));
    return vk_exec_fail(r, "TRANSACTION_TIMEOUT", VK_STR("Transaction timed out"));
}

vk_outcome vk_takeover_begin(vk_run *r, vk_str sql)
{
    vk_stream *s = r->j->stream;
    if (VK_UNLIKELY(overdue(r->h))) {
        verb v = verb_of(sql);
        if (v == COMMITS || v == ROLLS_BACK) /* gives the turn back as fast as we could take it */
            return VK_O_DONE;
        note(r->j->t, s, false, true);
        bool fresh = vk_dbh_reset(r->h);
        VK_UNUSED(fresh);
        vk_db_settle_turn(r->h);
    }
    if (VK_LIKELY(s->lost == VK_NOT_LOST))
        return VK_O_DONE;
    verb v = verb_of(sql);
    if (v == ROLLS_BACK && s->lost != VK_LOST_ONCE) {
        s->lost = VK_NOT_LOST;
        sqlite3_exec(r->h->db, "BEGIN", NULL, NULL, NULL); /* so that there is something to roll back */
        return VK_O_DONE;
    }
    if (v == BEGINS || s->lost == VK_LOST_ENDED) {
        s->lost = VK_NOT_LOST;
        return VK_O_DONE;
    }
    if (s->lost == VK_LOST_ONCE)
        s->lost = VK_NOT_LOST;
    else if (v == COMMITS)
        s->lost = VK_LOST_ENDED;
    return tell(r);
}
