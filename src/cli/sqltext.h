/* Cutting typed SQL into statements, and what a statement is about. Only as much of the grammar as that
 * needs: quotes, comments, and the body of a trigger. */
#ifndef VK_CLI_SQLTEXT_H
#define VK_CLI_SQLTEXT_H

#include "core/base.h"

/* Bytes of the first statement with its ';'. 0: it is not finished yet. Blanks and comments in front belong
 * to it. Pure. */
size_t vk_sql_first(vk_str text);
/* True when there is nothing but blanks and comments. */
bool vk_sql_blank(vk_str text);
/* The first word, as it stands; VK_STR_NONE when there is none. */
vk_str vk_sql_word(vk_str text);

#endif
