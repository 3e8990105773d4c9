/* Results of SQL, as Hrana gives them, for people and for machines. */
#ifndef VK_CLI_DB_PRINT_H
#define VK_CLI_DB_PRINT_H

#include "core/json_read.h"

/* `result`: {"cols":[{"name"}],"rows":[[value…]],"affected_row_count"}. With `notes` also what a person wants
 * to know (how many rows). */
void vk_db_print_result(const vk_json *result, bool json, bool notes);
void vk_db_print_error(bool json, const char *code, const char *text);

#endif
