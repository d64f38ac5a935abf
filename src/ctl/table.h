#ifndef CTL_TABLE_H
#define CTL_TABLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* A table for a person: columns as wide as they need to be, cells filled row by row. */

struct table_column {
	const char *title; /* NULL in all columns: no line of titles */
	bool right;        /* numbers stand at the right */
};

enum table_color { TABLE_PLAIN, TABLE_GREEN, TABLE_YELLOW, TABLE_RED, TABLE_CYAN, TABLE_DIM };

struct table;

/* Borrows the columns. */
struct table *table_new(const struct table_column *columns, size_t count);
void table_free(struct table *table);

/* The next cell; takes the text over. Control characters in it are made harmless. */
void table_add(struct table *table, char *text, enum table_color color);

/* Prints to standard output and frees the table. */
void table_print(struct table *table, bool color);

/* Any object as lines "key  value", objects within it with a dot: "last_close.code". */
void table_print_object(const json_t *object, bool color);

#endif
