/* Leases on the files of a build's objects: while one runs no file of it is removed (vk_ob_hold_files). A
 * backup takes one, copies the index, reads the files that it names, and ends it; it renews it meanwhile, so
 * that one whose program was killed comes to its end. They do not outlive the process, and they end when the
 * build is revoked or deleted. What a lease is for is only that no file has to be missed: whoever finds one
 * missing begins anew. Thread-safe. */
#ifndef VK_STORAGE_LEASES_H
#define VK_STORAGE_LEASES_H

#include "services/storage/embedded/builds.h"

enum {
    VK_S3_LEASE_MS = 300000, /* from when it is taken or renewed */
    VK_S3_LEASES_MAX = 64,
    VK_S3_LEASE_ID = 33,
};

/* A lease on the files of a build that is held, and whose store is open. VK_OB_BUSY: too many, or the build
 * is being closed. */
VK_MUSTCHECK vk_ob_err vk_s3_lease_take(vk_s3_build *b, vk_ob *s, char id_r[VK_S3_LEASE_ID]);
/* False: there is none of that id, any more. */
bool vk_s3_lease_renew(const char *build, vk_str id);
/* The same; removes files, so on a thread. */
bool vk_s3_lease_end(const char *build, vk_str id);
/* Ends those of a build, or (NULL) those whose time is over; on threads. */
void vk_s3_leases_end(const char *build);
/* The threads have ended: ends all of them. */
void vk_s3_leases_stop(void);

#endif
