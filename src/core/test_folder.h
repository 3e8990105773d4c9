/* For tests: a folder of their own, and how it is taken away with all that is in it. */
#ifndef VK_TEST_FOLDER_H
#define VK_TEST_FOLDER_H

#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* `path` ends in "XXXXXX", or is what an earlier call made of such a text. */
static inline bool folder_make(char *path)
{
    memcpy(path + strlen(path) - 6, "XXXXXX", 6);
    return mkdtemp(path) != NULL;
}

static inline int folder_remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

/* 0: nothing is left of it. It follows no link. */
static inline int folder_remove(const char *path)
{
    return nftw(path, folder_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
