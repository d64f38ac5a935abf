#ifndef CTL_TABLE_H
#define CTL_TABLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * A table for a person: columns as wide on a terminal as they need to be, cells filled row by row.
 * Nothing is cut or wrapped, however narrow the terminal: what is shown can be copied and searched.
 */

struct table_column {
	const char *title; /* NULL in all columns: no line of titles */
	bool right;        /* numbers stand at the right */
};

enum table_color { TABLE_PLAIN, TABLE_GREEN, TABLE_YELLOW, TABLE_RED, TABLE_DIM };

struct table;

/* `color`: cells may have colours. */
struct table *table_new(const struct table_column *columns, size_t count, bool color);

/* Adds the next cell. Takes the text over, and makes it harmless for a terminal. */
void table_add(struct table *table, char *text, enum table_color color);

/* Prints to standard output and frees the table. */
void table_print(struct table *table);

/* Any object as lines "key  value", objects within it with a dot: "last_close.code". */
void table_print_object(const json_t *object, bool color);

#endif
