/* Other keys for the vault: another key-encryption key seals the ring anew; another data-encryption key seals
 * every record anew, one after the other.
 *
 * The order of the second: the ring with the new key, the old one retiring; each record; the master; the ring
 * without the old one. Each is durable before the next. So whatever a kill leaves, every record opens with a
 * key that the ring has, and what is still to be done is seen from the records' key ids. */
#include "keeper/org_in.h"

#include "core/log.h"
#include "keeper/kek.h"

#include <sodium.h>

/* Writes the ring as it is now; on an error it is again what it was. */
static vk_err write_ring(vk_orgs *o, vk_ring *before, char why[VK_VAULT_WHY])
{
    vk_ring *ring = o->vault->ring;
    ring->version = before->version + 1;
    vk_err e = vk_ring_write(ring, o->fd);
    if (e != VK_OK) {
        *ring = *before;
        vk_vault_say_write(why, e, "vault/ring");
    }
    return e;
}

static vk_ring *copy_of(const vk_ring *r)
{
    vk_ring *copy = vk_ring_new();
    if (copy)
        *copy = *r;
    return copy;
}

/* ---- the key-encryption key */

vk_err vk_orgs_rekey(vk_orgs *o, vk_str sealed, const char *actor, char why[VK_VAULT_WHY])
{
    vk_entry entry;
    const char *reason = "";
    vk_ring *ring = o->vault->ring, *before = copy_of(ring);
    if (!before)
        return vk_vault_say(why, VK_E_NOMEM, "There is not enough memory.");
    vk_err e = vk_entry_open(ring->box, sealed, o->room, &entry, &reason);
    if (e == VK_OK && !entry.kek.n) {
        reason = "That entry has no key-encryption key in it.";
        e = VK_E_INVALID;
    }
    if (e == VK_OK && (reason = vk_org_at_wrong(entry.at, ring->at)))
        e = VK_E_INVALID;
    if (e != VK_OK)
        vk_vault_say(why, e, "%s", reason);
    else {
        memcpy(ring->kek, vk_secret_bytes(entry.kek).p, VK_ENTRY_KEK);
        ring->kdf = entry.kdf;
        ring->at = entry.at;
        e = write_ring(o, before, why);
    }
    vk_wipe(o->room, VK_ENTRY_ROOM);
    vk_ring_free(before);
    if (e == VK_OK) {
        vk_org_note(o, NULL, actor, "keys.rekey ring", ring->version);
        vk_log(VK_WARN, "the vault has another key-encryption key; the old one opens older backups only");
    }
    return e;
}

/* ---- the data-encryption key */

static bool waits(const vk_orgs *o, const vk_org *g)
{
    return g->plain && g->dek != vk_ring_active(o->vault->ring)->id;
}

static bool master_waits(const vk_orgs *o)
{
    return o->vault->master_dek != vk_ring_active(o->vault->ring)->id;
}

size_t vk_orgs_to_reseal(const vk_orgs *o)
{
    size_t n = 0;
    if (!vk_ring_retiring(o->vault->ring))
        return 0;
    for (size_t i = 0; i < o->n; i++)
        n += waits(o, o->list[i]);
    return n + master_waits(o) + 1; /* the ring itself, last */
}

vk_err vk_orgs_step(vk_orgs *o, bool *more_r, char why[VK_VAULT_WHY])
{
    vk_ring *ring = o->vault->ring;
    const uint32_t active = vk_ring_active(ring)->id;
    vk_err e;
    *more_r = vk_ring_retiring(ring);
    if (!*more_r)
        return VK_OK;
    while (o->reseal_at < o->n && !waits(o, o->list[o->reseal_at]))
        o->reseal_at++;
    if (o->reseal_at < o->n) {
        vk_org *g = o->list[o->reseal_at];
        char path[VK_ORG_PATH];
        vk_org_path(g, path);
        /* The same version: the values are the same, and the audit says nothing of it. */
        e = vk_org_store(o, g, (vk_str){g->plain, g->plain_n}, g->version);
        if (e != VK_OK)
            return vk_vault_say_write(why, e, path);
        g->dek = active;
        return VK_OK;
    }
    if (master_waits(o)) {
        e = vk_vault_seal_master(o->vault);
        if (e != VK_OK)
            return vk_vault_say_write(why, e, "vault/master");
        o->vault->master_dek = active;
        return VK_OK;
    }
    for (size_t i = 0; i < o->n; i++)
        if (waits(o, o->list[i])) { /* the list moved meanwhile */
            o->reseal_at = 0;
            return VK_OK;
        }
    vk_ring *before = copy_of(ring);
    if (!before)
        return vk_vault_say(why, VK_E_NOMEM, "There is not enough memory.");
    vk_ring_retire(ring);
    e = write_ring(o, before, why);
    vk_ring_free(before);
    if (e == VK_OK) {
        *more_r = false;
        vk_org_note(o, NULL, "valetkey", "keys.resealed ring", ring->version);
        vk_log(VK_INFO, "every record of the vault is sealed under the new data-encryption key");
    }
    return e;
}

static void on_timer(vk_timer *t)
{
    vk_orgs *o = VK_CONTAINER(t, vk_orgs, reseal);
    char why[VK_VAULT_WHY];
    bool more;
    vk_err e = vk_orgs_step(o, &more, why);
    if (e != VK_OK)
        vk_log(VK_ERROR, "a record of the vault could not be sealed anew; it is tried again", VK_F(why, why));
    if (more)
        vk_timer_set(o->loop, &o->reseal, e == VK_OK ? VK_RESEAL_EVERY_MS : VK_RESEAL_AGAIN_MS, on_timer);
}

void vk_orgs_run(vk_orgs *o, vk_loop *loop)
{
    o->loop = loop;
    o->reseal_at = 0;
    if (vk_ring_retiring(o->vault->ring))
        vk_timer_set(loop, &o->reseal, VK_RESEAL_EVERY_MS, on_timer);
}

vk_err vk_orgs_reseal(vk_orgs *o, const char *actor, char why[VK_VAULT_WHY])
{
    vk_ring *ring = o->vault->ring, *before;
    if (vk_ring_retiring(ring))
        return vk_vault_say(why, VK_E_BUSY,
                            "Records are still being sealed under the last data-encryption key.");
    before = copy_of(ring);
    if (!before)
        return vk_vault_say(why, VK_E_NOMEM, "There is not enough memory.");
    vk_err e = vk_ring_renew(ring);
    if (e == VK_OK)
        e = write_ring(o, before, why);
    else
        vk_vault_say(why, e, "Records are still being sealed under earlier data-encryption keys.");
    vk_ring_free(before);
    if (e != VK_OK)
        return e;
    vk_org_note(o, NULL, actor, "keys.reseal ring", ring->version);
    o->reseal_at = 0;
    if (o->loop)
        vk_timer_set(o->loop, &o->reseal, VK_RESEAL_EVERY_MS, on_timer);
    return VK_OK;
}
