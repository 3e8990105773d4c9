/* Cutting typed SQL into statements, and what a statement is about. Only as much of the grammar as that
 * needs: quotes, comments, and the body of a trigger. */
#ifndef VK_CLI_SQLTEXT_H
#define VK_CLI_SQLTEXT_H

#include "core/base.h"

/* Bytes of the first statement with its ';'. 0: it is not finished yet. Blanks and comments in front belong
 * to it. Pure. */
size_t vk_sql_first(vk_str text);
/* The same in a file that is whole: the end of the text, and drizzle-kit's "--> statement-breakpoint", end a
 * statement too. 0: a quote or comment is not closed, or the text is empty. Pure. */
size_t vk_sql_next(vk_str text);
/* Bytes of blanks and comments in front. */
size_t vk_sql_lead(vk_str text);
/* True when there is nothing but blanks and comments. */
bool vk_sql_blank(vk_str text);
/* The first word, as it stands; VK_STR_NONE when there is none. */
vk_str vk_sql_word(vk_str text);
/* The word after `i` words; VK_STR_NONE when something else stands there or before. */
vk_str vk_sql_word_at(vk_str text, size_t i);

#endif
