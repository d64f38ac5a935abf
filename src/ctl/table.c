#include "ctl/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "ctl/print.h"

struct table_cell {
	char *text;
	enum table_color color;
};

struct table {
	const struct table_column *columns;
	size_t column_count;
	struct table_cell *cells;
	size_t cell_count;
	size_t cell_room;
};

static const char *const table_escapes[] = {
	[TABLE_PLAIN] = "",
	[TABLE_GREEN] = "\033[32m",
	[TABLE_YELLOW] = "\033[33m",
	[TABLE_RED] = "\033[31m",
	[TABLE_CYAN] = "\033[36m",
	[TABLE_DIM] = "\033[2m",
};

struct table *table_new(const struct table_column *columns, size_t count)
{
	struct table *table = alloc_zero(1, sizeof(*table));

	table->columns = columns;
	table->column_count = count;
	return table;
}

void table_free(struct table *table)
{
	for (size_t i = 0; i < table->cell_count; i++)
		free(table->cells[i].text);
	free(table->cells);
	free(table);
}

void table_add(struct table *table, char *text, enum table_color color)
{
	if (table->cell_count == table->cell_room) {
		table->cell_room = table->cell_room ? 2 * table->cell_room : 64;
		table->cells = alloc_resize(table->cells, table->cell_room * sizeof(*table->cells));
	}
	table->cells[table->cell_count].text = print_clean(text, strlen(text));
	table->cells[table->cell_count++].color = color;
	free(text);
}

/* Characters, not bytes: continuation bytes of UTF-8 take no column. */
static size_t table_width(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

/* `last`: nothing follows in the row, so that no spaces need to. */
static void table_print_cell(const struct table_column *column, const char *text,
	const char *escape, size_t width, bool last)
{
	int padding = (int)(width - table_width(text));

	printf("%*s%s%s%s%*s%s", column->right ? padding : 0, "", escape, text,
		*escape ? "\033[0m" : "", column->right || last ? 0 : padding, "",
		last ? "\n" : "  ");
}

static void table_print_titles(const struct table *table, const size_t *widths, bool color)
{
	if (!table->columns[0].title)
		return;
	for (size_t i = 0; i < table->column_count; i++)
		table_print_cell(&table->columns[i], table->columns[i].title,
			color ? table_escapes[TABLE_DIM] : "", widths[i],
			i + 1 == table->column_count);
}

static void table_print_row(const struct table *table, const struct table_cell *cells,
	const size_t *widths, bool color)
{
	size_t count = table->column_count;

	while (count > 1 && !*cells[count - 1].text)
		count--;
	for (size_t i = 0; i < count; i++)
		table_print_cell(&table->columns[i], cells[i].text,
			color ? table_escapes[cells[i].color] : "", widths[i], i + 1 == count);
}

static void table_measure(const struct table *table, size_t *widths)
{
	for (size_t i = 0; i < table->column_count; i++)
		widths[i] = table->columns[i].title ? table_width(table->columns[i].title) : 0;
	for (size_t i = 0; i < table->cell_count; i++) {
		size_t width = table_width(table->cells[i].text);
		size_t column = i % table->column_count;

		if (width > widths[column])
			widths[column] = width;
	}
}

void table_print(struct table *table, bool color)
{
	size_t *widths = alloc_zero(table->column_count, sizeof(*widths));

	table_measure(table, widths);
	table_print_titles(table, widths, color);
	for (size_t i = 0; i < table->cell_count; i += table->column_count)
		table_print_row(table, table->cells + i, widths, color);
	free(widths);
	table_free(table);
}

static void table_add_members(struct table *table, const char *prefix, const json_t *object)
{
	const char *key;
	json_t *value;
	char *name;

	json_object_foreach((json_t *)object, key, value) {
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
	struct table *table = table_new(columns, 2);

	table_add_members(table, "", object);
	table_print(table, color);
}
