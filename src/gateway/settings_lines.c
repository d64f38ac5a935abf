#include "gateway/settings_lines.h"

#include <stdlib.h>

#include "base/alloc.h"

struct settings_run {
	unsigned first;  /* line of the whole */
	unsigned number; /* of that line in its file */
	size_t file;
};

void settings_lines_add(struct settings_lines *lines, size_t file, unsigned number)
{
	const struct settings_run *last =
		lines->run_count ? &lines->runs[lines->run_count - 1] : NULL;
	unsigned line = ++lines->count;

	if (last && last->file == file && number - last->number == line - last->first)
		return;
	lines->runs = alloc_one_more(lines->runs, lines->run_count, sizeof(*lines->runs));
	lines->runs[lines->run_count++] = (struct settings_run){line, number, file};
}

const char *settings_lines_find(const struct settings_lines *lines, unsigned line, unsigned *number)
{
	size_t low = 0, high = lines->run_count;

	*number = 0;
	if (line == 0 || lines->run_count == 0)
		return lines->files.count ? lines->files.items[0] : NULL;
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (lines->runs[middle].first <= line)
			low = middle;
		else
			high = middle;
	}
	*number = lines->runs[low].number + (line - lines->runs[low].first);
	return lines->files.items[lines->runs[low].file];
}

void settings_lines_release(struct settings_lines *lines)
{
	string_list_release(&lines->files);
	free(lines->runs);
	*lines = (struct settings_lines){0};
}
