#include "gateway/on_open.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "gateway/placeholders.h"
#include "ws/utf8.h"

/* --- added messages -------------------------------------------------------------------------- */

bool on_open_has(const struct on_open_added *added, const char *message)
{
	return string_list_find(&added->messages, message) < added->messages.count;
}

static size_t on_open_bytes(const struct on_open_added *added)
{
	size_t bytes = 0;

	for (size_t i = 0; i < added->messages.count; i++)
		bytes += strlen(added->messages.items[i]);
	return bytes;
}

/* The value of a placeholder, which may be secret, must be text. */
static bool on_open_check_text(const struct buffer *text, struct error *error)
{
	return !text->length || ws_utf8_valid(buffer_data(text), text->length) ||
		error_set(error, ERROR_WEBSOCKET, "the text is not valid UTF-8");
}

static bool on_open_check(const char *message, const char *name, struct error *error)
{
	struct buffer text = {.secret = true};
	bool valid;

	if (!placeholders_check(message, error))
		return error_prefix(error, "the message ");
	free(placeholders_expand(&text, message, name));
	valid = on_open_check_text(&text, error);
	buffer_release(&text);
	return valid;
}

bool on_open_add(struct on_open_added *added, const char *message, const char *name,
	struct error *error)
{
	struct string_list *messages = &added->messages;
	size_t bytes = on_open_bytes(added);

	if (!on_open_check(message, name, error))
		return false;
	if (messages->count >= ON_OPEN_ADDED_MAX || bytes + strlen(message) > ON_OPEN_ADDED_BYTES)
		return error_set(error, ERROR_WEBSOCKET,
			"%zu messages (%zu bytes) have been added already; the limits are %d "
			"messages and %d bytes",
			messages->count, bytes, ON_OPEN_ADDED_MAX, ON_OPEN_ADDED_BYTES);
	string_list_add(messages, message);
	return true;
}

bool on_open_remove(struct on_open_added *added, const char *message, size_t *index,
	struct error *error)
{
	struct string_list *messages = &added->messages;
	size_t i = string_list_find(messages, message);

	if (i == messages->count)
		return error_set(error, ERROR_NOT_FOUND, "no such message has been added");
	string_list_remove(messages, i);
	*index = i;
	return true;
}

void on_open_release(struct on_open_added *added)
{
	string_list_release(&added->messages);
}

/* --- sending one ----------------------------------------------------------------------------- */

/* The origin of a message: a list or a file. */
struct on_open_place {
	const char *list;
	const char *file; /* NULL: the list */
	size_t number;    /* line of the file, or index in the list */
};

static char *on_open_where(const struct on_open_place *place)
{
	return place->file ? alloc_format("on_open_file %s:%zu", place->file, place->number)
			   : alloc_format("%s[%zu]", place->list, place->number);
}

static enum on_open_progress on_open_fail(struct error *error, const struct on_open_place *place,
	const char *what)
{
	char *where = on_open_where(place);

	error_prefix(error, "%s%s", where, what);
	free(where);
	return ON_OPEN_FAILED;
}

static void on_open_warn_unset(const struct on_open_sender *sender,
	const struct on_open_place *place, const char *variable)
{
	char *where = on_open_where(place);
	char *text = alloc_format("%s: the environment variable %s is not set", where, variable);

	sender->warn(text, sender->context);
	free(text);
	free(where);
}

/* Warns of an unset variable only once if `warned` is not NULL: a file can have many lines. */
static enum on_open_progress on_open_send_expanded(const struct on_open_sender *sender,
	const struct on_open_place *place, const struct buffer *text, const char *unset,
	bool *warned, struct error *error)
{
	if (!on_open_check_text(text, error))
		return on_open_fail(error, place, " cannot be sent: ");
	if (!sender->has_turn(text->length, sender->context))
		return ON_OPEN_LATER;
	if (unset && !(warned && *warned))
		on_open_warn_unset(sender, place, unset);
	if (unset && warned)
		*warned = true;
	if (sender->send(text->length ? (const char *)buffer_data(text) : "", text->length, error,
		    sender->context))
		return ON_OPEN_COMPLETE;
	return on_open_fail(error, place, " cannot be sent: ");
}

static enum on_open_progress on_open_send(const struct on_open_sender *sender,
	const struct on_open_place *place, const char *message, bool *warned, struct error *error)
{
	struct buffer text = {.secret = true};
	enum on_open_progress progress;
	char *unset;

	if (!placeholders_check(message, error))
		return on_open_fail(error, place, ": the message ");
	unset = placeholders_expand(&text, message, sender->name);
	progress = on_open_send_expanded(sender, place, &text, unset, warned, error);
	free(unset);
	buffer_release(&text);
	return progress;
}

/* --- sending all ----------------------------------------------------------------------------- */

enum { ON_OPEN_LINES = 4096 }; /* in one step; empty lines count, too, though they are not sent */

enum on_open_part { ON_OPEN_LIST, ON_OPEN_FILE, ON_OPEN_ADDED, ON_OPEN_DONE };

struct on_open_run {
	struct connection_settings *settings; /* shared */
	enum on_open_part part;
	size_t next;        /* index in a list */
	struct buffer file; /* from the next line on */
	bool file_read;
	size_t line;
	bool warned;
};

static struct on_open_run *on_open_run_new(struct connection_settings *settings,
	enum on_open_part part, size_t next)
{
	struct on_open_run *run = alloc_zero(1, sizeof(*run));

	run->settings = settings;
	run->part = part;
	run->next = next;
	settings->users++;
	return run;
}

struct on_open_run *on_open_begin(struct connection_settings *settings,
	const struct on_open_added *added)
{
	if (!settings->on_open.count && !settings->on_open_file && !added->messages.count)
		return NULL;
	return on_open_run_new(settings, ON_OPEN_LIST, 0);
}

struct on_open_run *on_open_begin_added(struct connection_settings *settings, size_t index)
{
	return on_open_run_new(settings, ON_OPEN_ADDED, index);
}

void on_open_end(struct on_open_run *run)
{
	if (!run)
		return;
	buffer_release(&run->file);
	connection_settings_release(run->settings);
	free(run);
}

void on_open_removed(struct on_open_run *run, size_t index)
{
	if (run && run->part == ON_OPEN_ADDED && index < run->next)
		run->next--;
}

static void on_open_next_part(struct on_open_run *run)
{
	run->part++;
	run->next = 0;
}

static enum on_open_progress on_open_send_list(struct on_open_run *run,
	const struct on_open_sender *sender, const char *what, const struct string_list *messages,
	struct error *error)
{
	enum on_open_progress progress;

	for (; run->next < messages->count; run->next++) {
		const struct on_open_place place = {.list = what, .number = run->next};

		progress = on_open_send(sender, &place, messages->items[run->next], NULL, error);
		if (progress != ON_OPEN_COMPLETE)
			return progress;
	}
	on_open_next_part(run);
	return ON_OPEN_COMPLETE;
}

static bool on_open_read(struct on_open_run *run, const char *path, struct error *error)
{
	run->file_read = true;
	if (!file_read_text(path, FILE_REGULAR, ON_OPEN_FILE_MAX + 1, &run->file, error))
		return error_prefix(error, "on_open_file %s ", path);
	if (run->file.length > ON_OPEN_FILE_MAX)
		return error_set(error, ERROR_SYSTEM, "on_open_file %s has more than %d bytes",
			path, ON_OPEN_FILE_MAX);
	if (run->file.length)
		buffer_append(&run->file, "\n", 1);
	return true;
}

/* A NUL has replaced the newline. */
static enum on_open_progress on_open_send_line(struct on_open_run *run,
	const struct on_open_sender *sender, const char *line, size_t length, struct error *error)
{
	const struct on_open_place place = {
		.file = run->settings->on_open_file,
		.number = run->line + 1,
	};

	if (length == 0)
		return ON_OPEN_COMPLETE;
	if (strlen(line) == length)
		return on_open_send(sender, &place, line, &run->warned, error);
	error_set(error, ERROR_SETTINGS, "the message has a NUL byte");
	return on_open_fail(error, &place, ": ");
}

static enum on_open_progress on_open_send_next_line(struct on_open_run *run,
	const struct on_open_sender *sender, struct error *error)
{
	char *line = (char *)run->file.memory + run->file.start;
	char *end = memchr(line, '\n', run->file.length);
	size_t length = (size_t)(end - line);
	enum on_open_progress progress;

	*end = '\0';
	progress = on_open_send_line(run, sender, line, length, error);
	if (progress != ON_OPEN_COMPLETE) {
		*end = '\n';
		return progress;
	}
	buffer_consume(&run->file, length + 1);
	run->line++;
	return ON_OPEN_COMPLETE;
}

static enum on_open_progress on_open_send_file(struct on_open_run *run,
	const struct on_open_sender *sender, struct error *error)
{
	const char *path = run->settings->on_open_file;
	enum on_open_progress progress = ON_OPEN_COMPLETE;

	if (path && !run->file_read && !on_open_read(run, path, error))
		return ON_OPEN_FAILED;
	for (int i = 0; progress == ON_OPEN_COMPLETE && run->file.length; i++) {
		if (i == ON_OPEN_LINES) {
			sender->ask(sender->context);
			return ON_OPEN_LATER;
		}
		progress = on_open_send_next_line(run, sender, error);
	}
	if (progress == ON_OPEN_COMPLETE)
		on_open_next_part(run);
	return progress;
}

static enum on_open_progress on_open_send_part(struct on_open_run *run,
	const struct on_open_sender *sender, const struct on_open_added *added, struct error *error)
{
	switch (run->part) {
	case ON_OPEN_LIST:
		return on_open_send_list(run, sender, "on_open", &run->settings->on_open, error);
	case ON_OPEN_FILE:
		return on_open_send_file(run, sender, error);
	case ON_OPEN_ADDED:
		return on_open_send_list(run, sender, "added on_open", &added->messages, error);
	case ON_OPEN_DONE:
		break;
	}
	return ON_OPEN_COMPLETE;
}

enum on_open_progress on_open_go_on(struct on_open_run *run, const struct on_open_sender *sender,
	const struct on_open_added *added, struct error *error)
{
	enum on_open_progress progress = ON_OPEN_COMPLETE;

	while (progress == ON_OPEN_COMPLETE && run->part != ON_OPEN_DONE)
		progress = on_open_send_part(run, sender, added, error);
	return progress;
}
