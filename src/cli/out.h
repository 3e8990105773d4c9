/* What the commands write: sentences and tables for people, one JSON value for machines. Colours only on a
 * terminal, and never when NO_COLOR is set. */
#ifndef VK_CLI_OUT_H
#define VK_CLI_OUT_H

#include "core/buf.h"

/* Errors from here on are JSON on standard error: {"error":{"code":…,"message":…}}. */
void vk_out_json(bool on);
/* Prints why the command was not understood, and where its help is. Returns VK_EXIT_USAGE. */
int vk_usage(const char *command, const char *fmt, ...) VK_PRINTF(2, 3);
/* Prints what failed, why, and what to do. Returns VK_EXIT_FAILED. */
int vk_failed(const char *code, const char *fmt, ...) VK_PRINTF(2, 3);

typedef enum vk_tone { VK_PLAIN, VK_BOLD, VK_DIM, VK_GOOD, VK_BAD, VK_NOTICE } vk_tone;
/* The escape that begins a tone on that stream, or "" where colours are not wanted; vk_tone_end ends it. */
const char *vk_tone_begin(FILE *f, vk_tone t);
const char *vk_tone_end(FILE *f);
/* "  name        value", with control characters of the value made visible. */
void vk_out_fact(const char *name, const char *value);
/* Columns that a terminal needs for the text (control characters count as they are shown). */
size_t vk_text_width(vk_str s);
/* The text with control characters as escapes ("\n", "\x1b"), so that data cannot steer the terminal. */
void vk_text_visible(vk_buf *out, vk_str s);

/* A table that is as wide as it must be. */
typedef struct vk_table vk_table;
VK_MUSTCHECK vk_table *vk_table_new(size_t n_cols);
/* Next cell, row by row; the first row is the head. `right`: numbers. */
void vk_table_cell(vk_table *t, vk_str text, vk_tone tone, bool right);
/* Prints it with `indent` blanks in front and frees it; `f` NULL: frees only. False: it did not fit into
 * memory. */
bool vk_table_print(vk_table *t, FILE *f, size_t indent);

/* A line on standard error that is redrawn while work goes on; nothing when that is no terminal. total < 0:
 * not known. */
void vk_progress(const char *what, int64_t done, int64_t total);
void vk_progress_end(void);
/* "12.3 MB" */
enum { VK_SIZE_TEXT = 24 };
void vk_size_text(int64_t bytes, char out[VK_SIZE_TEXT]);

#endif
