/* The library's table of addresses (ELF gABI, "Dynamic Section", "Relocation"): the loader has filled in
 * where free() and realloc() are, and made the table read-only. */
#include "net/pq_memory.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <malloc.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__x86_64__)
enum { SLOT = R_X86_64_JUMP_SLOT, GLOBAL = R_X86_64_GLOB_DAT };
#elif defined(__aarch64__)
enum { SLOT = R_AARCH64_JUMP_SLOT, GLOBAL = R_AARCH64_GLOB_DAT };
#else
enum { SLOT = -1, GLOBAL = -1 };
#endif

static _Atomic uint64_t wiped;

static void give(void *p)
{
    if (!p)
        return;
    vk_wipe(p, malloc_usable_size(p));
    atomic_fetch_add_explicit(&wiped, 1, memory_order_relaxed);
    free(p);
}

/* realloc() may leave a copy behind. */
static void *resize(void *p, size_t n)
{
    size_t have = p ? malloc_usable_size(p) : 0;
    if (!p)
        return malloc(n);
    if (n == 0) {
        give(p);
        return NULL;
    }
    if (n <= have && n >= have / 2)
        return p;
    void *q = malloc(n);
    if (!q)
        return NULL;
    memcpy(q, p, have < n ? have : n);
    give(p);
    return q;
}

uint64_t vk_pq_wiped(void)
{
    return atomic_load_explicit(&wiped, memory_order_relaxed);
}

typedef struct tables {
    const ElfW(Sym) * symbols;
    const char *names;
    const ElfW(Rela) * rows[2]; /* of calls, and of other addresses */
    size_t n[2];
} tables;

/* glibc has made addresses of what stands in the section. */
static bool find(const struct link_map *map, tables *t)
{
    *t = (tables){0};
    for (const ElfW(Dyn) *d = map->l_ld; d && d->d_tag != DT_NULL; d++) {
        void *at = (void *)d->d_un.d_ptr;
        if (d->d_tag == DT_SYMTAB)
            t->symbols = at;
        else if (d->d_tag == DT_STRTAB)
            t->names = at;
        else if (d->d_tag == DT_JMPREL)
            t->rows[0] = at;
        else if (d->d_tag == DT_RELA)
            t->rows[1] = at;
        else if (d->d_tag == DT_PLTRELSZ)
            t->n[0] = d->d_un.d_val / sizeof(ElfW(Rela));
        else if (d->d_tag == DT_RELASZ)
            t->n[1] = d->d_un.d_val / sizeof(ElfW(Rela));
    }
    return t->symbols && t->names;
}

static bool put(void **at, void *value, bool read_only)
{
    uintptr_t size = (uintptr_t)sysconf(_SC_PAGESIZE), page = (uintptr_t)at & ~(size - 1);
    if (read_only && mprotect((void *)page, size, PROT_READ | PROT_WRITE) != 0)
        return false;
    *at = value;
    return !read_only || mprotect((void *)page, size, PROT_READ) == 0;
}

static bool in_relro(uintptr_t base, const struct dl_phdr_info *i, const void *at)
{
    for (int k = 0; k < i->dlpi_phnum; k++) {
        const ElfW(Phdr) *p = &i->dlpi_phdr[k];
        if (p->p_type == PT_GNU_RELRO && (uintptr_t)at >= base + p->p_vaddr &&
            (uintptr_t)at < base + p->p_vaddr + p->p_memsz)
            return true;
    }
    return false;
}

typedef struct search {
    const struct link_map *map;
    int frees, resizes;
    bool failed;
} search;

static int one_library(struct dl_phdr_info *i, size_t size, void *arg)
{
    search *s = arg;
    tables t;
    VK_UNUSED(size);
    if (i->dlpi_addr != s->map->l_addr || !find(s->map, &t))
        return 0;
    for (size_t table = 0; table < VK_COUNT(t.rows); table++)
        for (size_t k = 0; t.rows[table] && k < t.n[table]; k++) {
            const ElfW(Rela) *r = &t.rows[table][k];
            int type = (int)ELF64_R_TYPE(r->r_info);
            if (type != SLOT && type != GLOBAL)
                continue;
            const char *name = t.names + t.symbols[ELF64_R_SYM(r->r_info)].st_name;
            bool frees = strcmp(name, "free") == 0;
            if (!frees && strcmp(name, "realloc") != 0)
                continue;
            void **at = (void **)(i->dlpi_addr + r->r_offset);
            s->failed |= !put(at, frees ? (void *)(uintptr_t)give : (void *)(uintptr_t)resize,
                              in_relro(i->dlpi_addr, i, at));
            s->frees += frees;
            s->resizes += !frees;
        }
    return 1;
}

vk_err vk_pq_wipe_what_it_frees(void *lib)
{
    search s = {0};
    struct link_map *map = NULL;
    if (dlinfo(lib, RTLD_DI_LINKMAP, &map) != 0 || !map)
        return VK_E_UNSUPPORTED;
    s.map = map;
    dl_iterate_phdr(one_library, &s);
    return s.frees && s.resizes && !s.failed ? VK_OK : VK_E_UNSUPPORTED;
}
