/* What doctor's parts share. */
#ifndef VK_CLI_DOCTOR_H
#define VK_CLI_DOCTOR_H

#include "cli/api.h"

/* OK; worth knowing; wrong, so that doctor fails. */
typedef enum vk_verdict { VK_FINE, VK_KNOW, VK_WRONG } vk_verdict;

typedef struct vk_doctor {
    bool json, bad;
    vk_buf out;
    vk_jw w;
    const char *dir;         /* the data folder */
    int data_fd;             /* -1: there is none */
    char key_file[PATH_MAX]; /* as the daemon says; empty: not known, or the key is no file */
} vk_doctor;

/* One line of the result. The text says what is so, and when it is not right, what to do. */
void vk_doctor_say(vk_doctor *d, vk_verdict v, const char *what, const char *fmt, ...) VK_PRINTF(4, 5);

/* Whether each listener answers, as what it should be; what its certificate is worth. `r`: the daemon's
 * status. */
void vk_doctor_listeners(vk_doctor *d, const vk_reply *r);
void vk_doctor_certificate(vk_doctor *d, const vk_reply *r);

/* The organisation's keys, and the key that entries are sealed to. */
void vk_doctor_keys(vk_doctor *d, vk_api *api);
/* Builds with a service in which the vendor does not keep them apart: added one by one, said once. */
typedef struct vk_doctor_shared {
    size_t n, at;
    char text[640];
} vk_doctor_shared;
void vk_doctor_shared_add(vk_doctor_shared *s, const vk_reply *r, const vk_json *build);
void vk_doctor_shared_say(vk_doctor *d, const vk_doctor_shared *s);

/* Everything that lies in the data folder. */
void vk_doctor_files(vk_doctor *d);
/* The folders of builds. `builds` (sorted) are those in the metadata; NULL: not known. */
void vk_doctor_build_files(vk_doctor *d, const char *const *builds, size_t n);
/* The file of d->key_file. */
void vk_doctor_key_file(vk_doctor *d);

#endif
