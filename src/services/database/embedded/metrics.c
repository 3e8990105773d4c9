/* The database's numbers for GET /metrics. */
#include "services/database/embedded/embedded.h"
#include "services/database/embedded/inline.h"

#include "core/metrics.h"

typedef struct numbers {
    int64_t running, lowered, threads, builds, connections, connections_max;
} numbers;

static void look(numbers *n)
{
    *n = (numbers){0};
    pthread_mutex_lock(&vk_db.mu);
    n->running = vk_db.active;
    n->lowered = vk_db.lowered;
    n->threads = vk_db.threads;
    n->connections = vk_db.handles;
    n->connections_max = vk_db.handles_max;
    n->builds = (int64_t)vk_db.tenants.n;
    pthread_mutex_unlock(&vk_db.mu);
}

void vk_db_metrics(vk_buf *out)
{
    numbers n;
    uint64_t answered, tripped;
    look(&n);
    vk_inline_counts(&answered, &tripped);
    const struct {
        const char *name, *type, *help;
        int64_t value;
    } all[] = {
        {"valetkey_database_statements_running", "gauge", "Requests whose SQL is on a processor now.",
         n.running},
        {"valetkey_database_statements_long", "gauge",
         "Of these, the ones that run long and have given way to all others.", n.lowered},
        {"valetkey_database_threads", "gauge", "Threads for SQL.", n.threads},
        {"valetkey_database_connections", "gauge", "Open connections to databases of builds.", n.connections},
        {"valetkey_database_connections_max", "gauge", "How many there may be.", n.connections_max},
        {"valetkey_database_builds", "gauge", "Builds whose database was used since the start.", n.builds},
        {"valetkey_database_memory_bytes", "gauge", "Memory of SQL: temporary tables, sorting, values.",
         atomic_load(&vk_db.heap)},
        {"valetkey_database_received_bytes", "gauge", "Large requests that are held in memory.",
         (int64_t)atomic_load(&vk_db.received)},
        {"valetkey_database_commits_total", "counter", "Transactions that were committed.",
         (int64_t)atomic_load(&vk_db.commits)},
        {"valetkey_database_syncs_total", "counter",
         "Syncs that made commits durable; fewer than commits when one serves several.",
         (int64_t)atomic_load(&vk_db.syncs)},
        {"valetkey_database_takeovers_total", "counter",
         "Transactions that held the write lock too long while others waited, and were rolled back.",
         (int64_t)atomic_load(&vk_db.takeovers)},
        {"valetkey_database_inline_total", "counter",
         "Requests for short reads that were answered without a change of threads.", (int64_t)answered},
        {"valetkey_database_inline_reruns_total", "counter",
         "Requests that were begun that way, took too long, and were run again by a thread for SQL.",
         (int64_t)tripped},
        {"valetkey_database_timeouts_total", "counter", "Statements that ran into their time.",
         (int64_t)atomic_load(&vk_db.timeouts)},
    };
    for (size_t i = 0; i < VK_COUNT(all); i++)
        vk_metric_one(out, all[i].name, all[i].type, all[i].help, all[i].value);
}
