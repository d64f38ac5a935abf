#include "ctl/table.h"

#include <langinfo.h>
#include <libsmartcols.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "ctl/print.h"

struct table {
	struct libscols_table *rows;
	struct libscols_line *row; /* the one that is filled; NULL before the first */
	size_t column_count;
	size_t next; /* column of `row`; column_count: it is full */
	bool color;
};

static const char *const table_escapes[] = {
	[TABLE_PLAIN] = NULL,
	[TABLE_GREEN] = "\033[32m",
	[TABLE_YELLOW] = "\033[33m",
	[TABLE_RED] = "\033[31m",
	[TABLE_DIM] = "\033[2m",
};

/* These calls of libsmartcols fail only when memory runs out. */
static void table_require(bool done)
{
	if (done)
		return;
	fputs("wsgatectl: out of memory\n", stderr);
	abort();
}

/*
 * Nothing is fitted to a terminal: it gets what a pipe gets. And the texts stay as they are:
 * libsmartcols would escape the "\x1b" that we have made of a control character once more, and
 * characters that are newer than the C library. Only where there is no locale of UTF-8 it has to:
 * without escapes it never comes to the end of a text that the locale cannot decode.
 */
static struct libscols_table *table_new_rows(bool color)
{
	struct libscols_table *rows = scols_new_table();
	bool decodes = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;

	table_require(rows);
	table_require(scols_table_set_termforce(rows, SCOLS_TERMFORCE_NEVER) == 0 &&
		scols_table_set_column_separator(rows, "  ") == 0 &&
		scols_table_enable_noencoding(rows, decodes) == 0 &&
		scols_table_enable_noheadings(rows, 1) == 0 &&
		scols_table_enable_minout(rows, 1) == 0 &&
		scols_table_enable_colors(rows, color) == 0);
	return rows;
}

/* The titles are a row like others: libsmartcols prints no headings where there are no rows. */
struct table *table_new(const struct table_column *columns, size_t count, bool color)
{
	struct table *table = alloc_zero(1, sizeof(*table));

	table->rows = table_new_rows(color);
	table->column_count = table->next = count;
	table->color = color;
	for (size_t i = 0; i < count; i++)
		table_require(scols_table_new_column(table->rows, NULL, 0,
			columns[i].right ? SCOLS_FL_RIGHT : 0));
	for (size_t i = 0; i < count && columns[i].title; i++)
		table_add(table, alloc_string(columns[i].title), TABLE_DIM);
	return table;
}

static void table_set_cell(struct table *table, char *text, enum table_color color)
{
	struct libscols_cell *cell = scols_line_get_cell(table->row, table->next);

	table_require(scols_cell_refer_data(cell, text) == 0);
	if (table->color && table_escapes[color])
		table_require(scols_cell_set_color(cell, table_escapes[color]) == 0);
}

void table_add(struct table *table, char *text, enum table_color color)
{
	if (table->next == table->column_count) {
		table->row = scols_table_new_line(table->rows, NULL);
		table_require(table->row);
		table->next = 0;
	}
	if (*text)
		table_set_cell(table, print_clean(text, strlen(text)), color);
	table->next++;
	free(text);
}

void table_print(struct table *table)
{
	table_require(scols_print_table(table->rows) == 0);
	scols_unref_table(table->rows);
	free(table);
}

static void table_add_members(struct table *table, const char *prefix, const json_t *object)
{
	const char *key;
	json_t *value;
	char *name;

	json_object_foreach ((json_t *)object, key, value) {
		name = alloc_format("%s%s%s", prefix, *prefix ? "." : "", key);
		if (json_object_size(value)) {
			table_add_members(table, name, value);
			free(name);
		} else {
			table_add(table, name, TABLE_DIM);
			table_add(table, print_value(key, value), TABLE_PLAIN);
		}
	}
}

void table_print_object(const json_t *object, bool color)
{
	static const struct table_column columns[2] = {{0}};
	struct table *table = table_new(columns, 2, color);

	table_add_members(table, "", object);
	table_print(table);
}
