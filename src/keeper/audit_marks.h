/* What a check of the audit log remembers while it reads: intents that wait for their outcome, and
 * checkpoints that were given to it. */
#ifndef VK_KEEPER_AUDIT_MARKS_H
#define VK_KEEPER_AUDIT_MARKS_H

#include "keeper/audit_read.h"

/* ---- numbers of intents; hashed, grows up to VK_ARD_OPEN */
typedef struct vk_audit_open {
    uint64_t *slots; /* 0: free */
    size_t n, cap;
    bool full; /* some were not remembered */
} vk_audit_open;

VK_MUSTCHECK vk_err vk_audit_open_add(vk_audit_open *o, uint64_t seq);
/* Whether it was there. */
bool vk_audit_open_take(vk_audit_open *o, uint64_t seq);
/* Brings them into order, in slots[0 … n-1]; nothing may be added after it. */
void vk_audit_open_sort(vk_audit_open *o);
void vk_audit_open_free(vk_audit_open *o);

/* ---- checkpoints, by their seq */
typedef struct vk_audit_marks {
    vk_audit_checkpoint *all;
    size_t n, at;  /* `at`: the next one that was not met */
    size_t unread; /* lines that are none */
} vk_audit_marks;

/* The lines of a file of checkpoints; empty ones and those that begin with '#' do not count. */
VK_MUSTCHECK vk_err vk_audit_marks_read(vk_str text, vk_audit_marks *out_r);
/* The next one with a seq up to this; NULL: none. */
const vk_audit_checkpoint *vk_audit_marks_next(vk_audit_marks *m, uint64_t up_to);
void vk_audit_marks_free(vk_audit_marks *m);

#endif
