/* The vault: `<data>/vault/`, read by keeper only. It holds `ring`, the random keys that everything else in
 * it is sealed under (keeper/ring.h), `master`, from which valet keys are derived, and the organisation's
 * keys (keeper/org.h).
 *
 * Records are sealed (crypto/seal.h); the ring under a key-encryption key from outside the data folder, so
 * that a copy of the folder opens nothing. Its sources, in this order, without fallback from one to the next
 * once a source is there:
 *   1. a systemd credential, $CREDENTIALS_DIRECTORY/valetkey-kek
 *   2. a command that prints it (--key-command): the absolute path of a program and its words, with blanks
 *      between them or as a JSON array; no shell; 10 s; without variables of ours. Run at each start, as the
 *      user that starts valetkey, before the fence
 *   3. a file that the operator named (--key-file, VALETKEY_KEY_FILE); it must exist
 *   4. a passphrase in a file (--key-passphrase-file, VALETKEY_KEY_PASSPHRASE_FILE), its first line; Argon2id
 *      with the parameters in front of the ring. A prompt there is not: keeper is started anew without a
 *      terminal after a crash. The file may lie in a tmpfs that is filled at boot
 *   5. `<data>.key` beside the data folder; made at the very first start, and named loudly
 * What is a key, not a passphrase, is text: comment lines begin with '#', one line is the base64 of 32 random
 * bytes. Files must belong to us or root and be open to their owner only.
 *
 * Order of the first start: vault folder, key file, ring, master; each is durable before the next one is
 * written. So whatever a kill or a power cut leaves is either a data folder without a master (the next start
 * goes on) or a complete one. A master is never made where builds exist already, and an existing one is never
 * replaced. Data of before version 3 has no ring, and its master is sealed under the key-encryption key: a
 * ring is made, then the master sealed under it. */
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
    const char *key_command;     /* the same */
    const char *passphrase_file; /* the same */
} vk_vault_place;

typedef struct vk_ring vk_ring;

typedef struct vk_vault {
    int fd; /* of vault/: keeper's user may not get at it by the data folder, which is front's */
    uint32_t kid;
    uint32_t master_dek;        /* key id that vault/master is sealed under */
    uint8_t *master;            /* VK_MASTER bytes in guarded memory */
    vk_ring *ring;              /* keeper/ring.h */
    char key_path[PATH_MAX];    /* of the key file; "": the key is in none */
    char source[PATH_MAX + 64]; /* "key file /srv/valetkey.key", for doctor */
    bool beside;                /* the key lies beside the data: fine for a laptop, named loudly */
    bool fresh;                 /* the master was made just now */
} vk_vault;

/* VK_E_CORRUPT (a record or key that does not fit), VK_E_NOT_FOUND (a key or record that must be there),
 * VK_E_FORBIDDEN, VK_E_FULL, VK_E_IO: `why` is a sentence that says what to do. Nothing was overwritten. */
VK_MUSTCHECK vk_err vk_vault_open(const vk_vault_place *at, vk_vault *out_r, char why[VK_VAULT_WHY]);
void vk_vault_close(vk_vault *v);
/* Seals the master under the ring's active key, durably. */
VK_MUSTCHECK vk_err vk_vault_seal_master(const vk_vault *v);

#endif
