/* libSQL's extension `ALTER TABLE t ALTER COLUMN c TO <column-def>`, as text: is it one, what does it say,
 * where does it end, and where in a stored CREATE TABLE the definition of that column stands. No SQLite here.
 * The tokens are SQLite's (tokenize.c, "SQL As Understood By SQLite"); the syntax is that of libSQL's
 * parse.y, with COLUMN optional as in SQLite's other forms. Everything is a view into the text; nothing reads
 * past its end. Whether a definition makes sense is not decided here: SQLite says so when the new CREATE
 * TABLE is tried. */
#ifndef VK_DB_ALTER_PARSE_H
#define VK_DB_ALTER_PARSE_H

#include "core/arena.h"

/* What is wrong, in SQLite's words: "incomplete input", "unrecognized token", "syntax error" near a token. */
typedef enum vk_alter_flaw {
    VK_ALTER_FINE,
    VK_ALTER_INCOMPLETE,
    VK_ALTER_TOKEN,
    VK_ALTER_SYNTAX
} vk_alter_flaw;

typedef struct vk_alter {
    vk_str schema; /* this and the next three: as written, with their quotes; p NULL: not given */
    vk_str table;
    vk_str column;
    vk_str renamed; /* the name in the definition: libSQL wants the same one */
    vk_str def;     /* from that name to the last token: no comma outside parentheses, which are balanced */
    size_t def_at;  /* where `def` begins in the text */
    vk_str text;    /* the statement, from its first token to its last, without the `;` */
    size_t end;     /* bytes of the text that the statement takes, its `;` included */
    vk_alter_flaw
        flaw; /* not VK_ALTER_FINE: it is one, but a wrong one; the fields above are not all there */
    vk_str flaw_token;
    size_t flaw_at; /* of the token, in the text */
} vk_alter;

/* True: the text begins with such a statement (after blanks, comments and empty statements), right or wrong.
 * SQLite would call each of them a syntax error. */
bool vk_alter_parse(vk_str sql, vk_alter *out_r);

/* The cheap part of that question, for every statement that comes: false when it cannot be one. */
static inline bool vk_alter_maybe(vk_str sql)
{
    for (size_t i = 0; i < sql.n; i++) {
        char c = sql.p[i];
        if (c == 'A' || c == 'a' || c == '-' || c == '/') /* the word, or a comment in front of it */
            return true;
        if (c != ' ' && c != '\t' && c != '\n' && c != '\r' && c != '\f' && c != ';')
            return false;
    }
    return false;
}

/* Nothing but blanks, comments and `;`. */
bool vk_alter_blank(vk_str sql);

/* What a name says, without its quotes; {NULL,0} without memory. */
VK_MUSTCHECK vk_str vk_alter_name(vk_arena *a, vk_str token);

/* The definition of the column called `name` in a CREATE TABLE text as sqlite_schema has it: from its name to
 * its last token. False: not there. *words_r: which of these stand in it outside of parentheses. */
enum { VK_DEF_PRIMARY = 1, VK_DEF_UNIQUE = 2, VK_DEF_GENERATED = 4, VK_DEF_AUTOINCREMENT = 8 };
bool vk_alter_find(vk_str create, vk_str name, vk_str *def_r, unsigned *words_r);
unsigned vk_alter_words(vk_str def);

#endif
