#include "gateway/settings_source.h"

#include <libgen.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "gateway/settings_private.h"

enum {
	SOURCE_DEEPEST = 10,            /* as deep as libconfig goes */
	SOURCE_MOST = 64 * 1024 * 1024, /* bytes of a configuration; includes may multiply */
};

/* State of libconfig's scanner: a quote counts only outside comments, a # only outside strings. */
enum source_state { SOURCE_PLAIN, SOURCE_STRING, SOURCE_COMMENT };

struct source_reading {
	struct settings_source *source;
	struct settings_problems *problems;
	char *directory; /* that includes are relative to */
	enum source_state state;
	int depth;
	bool given_up; /* files that include each other would be read for ever */
};

static void source_append(struct settings_source *source, size_t file, unsigned number,
	const char *line, size_t length)
{
	settings_lines_add(&source->lines, file, number);
	buffer_append(&source->text, line, length);
	buffer_append_text(&source->text, "\n");
}

/* Reports \x00, at which libconfig would end the string. */
static bool source_is_escaped_nul(const char *text, size_t left)
{
	return left >= 4 && text[0] == '\\' && text[1] == 'x' && text[2] == '0' && text[3] == '0';
}

static size_t source_scan_string(struct source_reading *reading, const char *line, size_t length,
	const char *file, unsigned number)
{
	size_t i = 0;

	while (i < length && line[i] != '"') {
		if (source_is_escaped_nul(line + i, length - i))
			settings_problem_plain(reading->problems,
				"%s:%u: a string cannot have a NUL character (\\x00)", file,
				number);
		i += line[i] == '\\' ? 2 : 1;
	}
	if (i < length)
		reading->state = SOURCE_PLAIN;
	return i + 1;
}

static size_t source_scan_plain(struct source_reading *reading, const char *line, size_t length)
{
	if (line[0] == '#' || (length > 1 && line[0] == '/' && line[1] == '/'))
		return length;
	if (length > 1 && line[0] == '/' && line[1] == '*') {
		reading->state = SOURCE_COMMENT;
		return 2;
	}
	if (line[0] == '"')
		reading->state = SOURCE_STRING;
	return 1;
}

static size_t source_scan_comment(struct source_reading *reading, const char *line, size_t length)
{
	const char *end = memmem(line, length, "*/", 2);

	if (!end)
		return length;
	reading->state = SOURCE_PLAIN;
	return (size_t)(end - line) + 2;
}

/* Follows libconfig's scanner through the line. */
static void source_scan(struct source_reading *reading, const char *line, size_t length,
	const char *file, unsigned number)
{
	size_t taken;

	for (size_t i = 0; i < length; i += taken) {
		if (reading->state == SOURCE_STRING)
			taken = source_scan_string(reading, line + i, length - i, file, number);
		else if (reading->state == SOURCE_COMMENT)
			taken = source_scan_comment(reading, line + i, length - i);
		else
			taken = source_scan_plain(reading, line + i, length - i);
	}
}

/* The name in an @include line, which the caller frees, and the length of the directive; NULL: any
 * other line. */
static char *source_included(const char *line, size_t length, size_t *taken)
{
	static const char directive[] = "@include";
	const size_t word = sizeof(directive) - 1;
	size_t i = 0, blanks, used = 0;
	char *name;

	while (i < length && (line[i] == ' ' || line[i] == '\t'))
		i++;
	if (length - i < word || memcmp(line + i, directive, word) != 0)
		return NULL;
	for (i += word, blanks = i; i < length && (line[i] == ' ' || line[i] == '\t'); i++)
		;
	if (i == blanks || i == length || line[i] != '"')
		return NULL;
	name = alloc_zero(1, length);
	for (i++; i < length && line[i] != '"'; i++) {
		if (line[i] == '\\' && i + 1 < length &&
			(line[i + 1] == '"' || line[i + 1] == '\\'))
			i++;
		name[used++] = line[i];
	}
	if (i < length) {
		*taken = i + 1;
		return name;
	}
	free(name);
	return NULL;
}

static void source_read_file(struct source_reading *reading, const char *file,
	enum file_kinds kinds, const char *where);

/* Includes the file that the directive of `line` names; the rest of the line comes after it. */
static void source_include(struct source_reading *reading, const char *name, const char *file,
	unsigned number)
{
	char *path = name[0] == '/' ? alloc_string(name)
				    : alloc_format("%s/%s", reading->directory, name);
	char *where = alloc_format("%s:%u: cannot include ", file, number);

	if (reading->depth == SOURCE_DEEPEST) {
		settings_problem_plain(reading->problems, "%s%s: nested too deep", where, path);
		reading->given_up = true;
	} else {
		reading->depth++;
		source_read_file(reading, path, FILE_REGULAR, where);
		reading->depth--;
	}
	free(where);
	free(path);
}

static void source_take_line(struct source_reading *reading, size_t file, unsigned number,
	const char *line, size_t length)
{
	const char *name = reading->source->lines.files.items[file];
	size_t taken = 0;
	char *included = NULL;

	if (reading->state == SOURCE_PLAIN)
		included = source_included(line, length, &taken);
	if (included)
		source_include(reading, included, name, number);
	free(included);
	source_scan(reading, line + taken, length - taken, name, number);
	source_append(reading->source, file, number, line + taken, length - taken);
}

static void source_take_lines(struct source_reading *reading, size_t file, const char *text,
	size_t length)
{
	const char *end = text + length, *next;
	unsigned number = 1;

	for (; text < end && !reading->given_up; text = next + 1, number++) {
		next = memchr(text, '\n', (size_t)(end - text));
		next = next ? next : end;
		if (memchr(text, '\0', (size_t)(next - text))) {
			settings_problem_plain(reading->problems, "%s:%u: there is a NUL byte",
				reading->source->lines.files.items[file], number);
			return;
		}
		source_take_line(reading, file, number, text, (size_t)(next - text));
	}
}

/* `where` goes in front of the name in a problem. */
static void source_read_file(struct source_reading *reading, const char *file,
	enum file_kinds kinds, const char *where)
{
	struct settings_source *source = reading->source;
	size_t left = SOURCE_MOST -
		(source->text.length < SOURCE_MOST ? source->text.length : SOURCE_MOST);
	struct buffer text = {0};
	struct error error;

	if (!file_read_text(file, kinds, left + 1, &text, &error)) {
		settings_problem_plain(reading->problems, "%s%s: %s", where, file, error.text);
	} else if (text.length > left) {
		settings_problem_plain(reading->problems,
			"%s%s: the configuration has more than %d bytes", where, file, SOURCE_MOST);
		reading->given_up = true;
	} else {
		string_list_add(&source->lines.files, file);
		source_take_lines(reading, source->lines.files.count - 1,
			text.length ? (const char *)buffer_data(&text) : "", text.length);
	}
	buffer_release(&text);
}

bool settings_source_read(struct settings_source *source, const char *file, enum file_kinds kinds,
	struct settings_problems *problems)
{
	struct source_reading reading = {.source = source, .problems = problems};
	size_t before = problems->errors.count;
	char *copy = alloc_string(file);

	*source = (struct settings_source){0};
	reading.directory = dirname(copy);
	source_read_file(&reading, file, kinds, "");
	buffer_append(&source->text, "", 1);
	free(copy);
	return problems->errors.count == before;
}

void settings_source_release(struct settings_source *source)
{
	settings_lines_release(&source->lines);
	buffer_release(&source->text);
	*source = (struct settings_source){0};
}
