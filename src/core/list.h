/* Intrusive doubly linked list. A node belongs to one list at a time; an unlinked node points to itself. */
#ifndef VK_LIST_H
#define VK_LIST_H

#include "core/base.h"

typedef struct vk_list {
    struct vk_list *next, *prev;
} vk_list;

static inline void vk_list_init(vk_list *l)
{
    l->next = l->prev = l;
}
static inline bool vk_list_empty(const vk_list *l)
{
    return l->next == l;
}
static inline void vk_list_push(vk_list *head, vk_list *node) /* at the end */
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}
static inline void vk_list_unshift(vk_list *head, vk_list *node) /* at the front */
{
    vk_list_push(head->next, node);
}
static inline void vk_list_remove(vk_list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    vk_list_init(node);
}
static inline vk_list *vk_list_shift(vk_list *head) /* NULL when empty */
{
    vk_list *n = head->next;
    if (n == head)
        return NULL;
    vk_list_remove(n);
    return n;
}
/* Moves everything of `from` to the end of `to`. */
static inline void vk_list_splice(vk_list *to, vk_list *from)
{
    if (vk_list_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    vk_list_init(from);
}

#endif
