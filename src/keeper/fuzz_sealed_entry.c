/* What somebody sealed: any bytes as an entry, and as what was in one. */
#include "keeper/entry.h"

#include "core/encode.h"
#include "crypto/digest.h"

#include <sodium.h>

static uint8_t secret[VK_BOX_SECRET] = {1}, public[VK_BOX_PUBLIC];
static char *room;

static void look(vk_str base64)
{
    vk_entry e;
    const char *why = NULL;
    vk_err err = vk_entry_open(secret, base64, room, &e, &why);
    if (err != VK_OK) {
        if (!why)
            abort();
        for (size_t i = 0; i < VK_ENTRY_ROOM; i++)
            if (room[i])
                abort();
        return;
    }
    if (e.n > VK_VENDOR_FIELDS_MAX || e.at < 0 || (e.kek.n && e.kek.n != VK_ENTRY_KEK))
        abort();
    for (size_t i = 0; i < e.n; i++) {
        vk_str v = vk_secret_bytes(e.fields[i].value);
        if (v.n > VK_VENDOR_VALUE_MAX || (v.n && (v.p < room || v.p + v.n > room + VK_ENTRY_ROOM)))
            abort();
    }
    memset(room, 0, VK_ENTRY_ROOM);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (!room) {
        if (sodium_init() < 0 || vk_digest_init() != VK_OK || !(room = sodium_malloc(VK_ENTRY_ROOM)))
            abort();
        vk_box_public(secret, public);
    }
    vk_str input = {(const char *)data, n};
    look(input);
    vk_buf box, text;
    vk_buf_init(&box, 256 * 1024);
    vk_buf_init(&text, 512 * 1024);
    if (vk_box_seal(public, input, &box) == VK_OK) {
        vk_base64(&text, box.p, box.n, true);
        look(vk_buf_view(&text));
    }
    vk_buf_free(&box);
    vk_buf_free(&text);
    return 0;
}
