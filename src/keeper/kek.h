/* The key-encryption key: where it comes from (keeper/vault.h has the sources and their order), and the files
 * that hold it. Before the fence only. */
#ifndef VK_KEEPER_KEK_H
#define VK_KEEPER_KEK_H

#include "keeper/ring.h"

enum { VK_KEK_COMMAND_MS = 10 * 1000, VK_KEK_ARGS = 32, VK_PASSPHRASE_MIN = 12, VK_PASSPHRASE_MAX = 1024 };

/* Writes a sentence and returns `e`. */
vk_err vk_vault_say(char why[VK_VAULT_WHY], vk_err e, const char *fmt, ...) VK_PRINTF(3, 4);
/* Of a file that could not be written. */
vk_err vk_vault_say_write(char why[VK_VAULT_WHY], vk_err e, const char *what);

typedef struct vk_kek_found {
    uint8_t *key;        /* VK_ENTRY_KEK bytes in guarded memory of the caller's */
    vk_kdf kdf;          /* of a passphrase; set by the caller to that of the ring, t 0 when there is none */
    char path[PATH_MAX]; /* of a key file; "" otherwise */
    char source[PATH_MAX + 64];
    bool beside;
} vk_kek_found;

/* `may_make`: there is no vault yet, so a key may be made at the default place. Errors as vk_vault_open's. */
VK_MUSTCHECK vk_err vk_kek_get(const vk_vault_place *at, bool may_make, vk_kek_found *f,
                               char why[VK_VAULT_WHY]);
/* VK_E_NOT_FOUND without a sentence when there is no such file. */
VK_MUSTCHECK vk_err vk_kek_file(const char *path, uint8_t kek[VK_ENTRY_KEK], char why[VK_VAULT_WHY]);
/* The key of a passphrase: Argon2id (RFC 9106). Takes some 0.3 s and 64 MiB. */
VK_MUSTCHECK vk_err vk_kek_passphrase(vk_secret passphrase, const vk_kdf *kdf, uint8_t kek[VK_ENTRY_KEK],
                                      char why[VK_VAULT_WHY]);
/* The usual parameters and a new salt. */
void vk_kdf_new(vk_kdf *out);
/* Whether a file that holds a secret is ours, or root's, and closed to others. */
VK_MUSTCHECK vk_err vk_kek_file_check(const char *path, char why[VK_VAULT_WHY]);
/* A new key file at `path`, an absolute one, with random bytes, durable, mode 0600. */
VK_MUSTCHECK vk_err vk_key_file_make(const char *path, uint8_t kek[VK_ENTRY_KEK], char why[VK_VAULT_WHY]);
/* A key-encryption key is changed in this order, so that a kill at any moment leaves a vault that opens:
 *   1. FILE.next is made;  2. keeper seals the ring under it (vk_orgs_rekey);  3. FILE.next becomes FILE.
 * This is step 3; the next start does it when it was left out. The old key stays as FILE.until-<seconds>,
 * `kept`, since older backups open with it only. */
#define VK_KEY_NEXT ".next"
VK_MUSTCHECK vk_err vk_key_file_switch(const char *path, char kept[PATH_MAX], char why[VK_VAULT_WHY]);
/* What a key command prints, and key files: one line that is the base64 of 32 bytes, besides those that begin
 * with '#'. */
bool vk_kek_parse(vk_str text, uint8_t kek[VK_ENTRY_KEK]);
/* Runs it (vk_vault_place.key_command) and reads what it prints; see keeper/vault.h. */
VK_MUSTCHECK vk_err vk_kek_command(const char *command, uint8_t kek[VK_ENTRY_KEK], char why[VK_VAULT_WHY]);

#endif
