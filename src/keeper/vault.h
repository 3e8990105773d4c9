/* The vault: `<data>/vault/`, read by keeper only. Today it holds one record, `master`, from which valet keys
 * are derived.
 *
 * Records are sealed (crypto/seal.h) under a key-encryption key from outside the data folder, so that a copy
 * of the folder opens nothing. Its sources, in this order, without fallback from one to the next once a
 * source is there:
 *   1. a systemd credential, $CREDENTIALS_DIRECTORY/valetkey-kek
 *   2. a file that the operator named (--key-file, VALETKEY_KEY_FILE); it must exist
 *   3. `<data>.key` beside the data folder; made at the very first start
 * A key file is text: comment lines begin with '#', one line is the base64 of 32 random bytes. It must belong
 * to us or root and be open to its owner only.
 *
 * Order of the first start: vault folder, key file, master; each is durable before the next one is written.
 * So whatever a kill or a power cut leaves is either a data folder without a master (the next start goes on)
 * or a complete one. A master is never made where builds exist already, and an existing one is never
 * replaced. */
#ifndef VK_KEEPER_VAULT_H
#define VK_KEEPER_VAULT_H

#include "valet/valet.h"

enum { VK_VAULT_WHY = 1024, VK_KEY_FILE_MAX = 4096, VK_KID = 1 };
#define VK_KEK_CREDENTIAL "valetkey-kek"

typedef struct vk_vault_place {
    int data_fd;
    const char *data_dir;        /* for sentences, and the place of the default key file; absolute */
    const char *credentials_dir; /* NULL or empty: no systemd credentials */
    const char *key_file;        /* NULL or empty: not named */
} vk_vault_place;

typedef struct vk_vault {
    uint32_t kid;
    uint8_t *master;            /* VK_MASTER bytes in guarded memory */
    char source[PATH_MAX + 64]; /* "key file /srv/valetkey.key", for doctor */
    bool beside;                /* the key lies beside the data: fine for a laptop, named loudly */
    bool fresh;                 /* the master was made just now */
} vk_vault;

/* VK_E_CORRUPT (a record or key that does not fit), VK_E_NOT_FOUND (a key or record that must be there),
 * VK_E_FORBIDDEN, VK_E_FULL, VK_E_IO: `why` is a sentence that says what to do. Nothing was overwritten. */
VK_MUSTCHECK vk_err vk_vault_open(const vk_vault_place *at, vk_vault *out_r, char why[VK_VAULT_WHY]);
void vk_vault_close(vk_vault *v);

#endif
