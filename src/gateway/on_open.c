#include "gateway/on_open.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"

/* --- those that were added ----------------------------------------------------------------- */

static size_t on_open_find(const struct on_open_added *added, const char *message)
{
	size_t i = 0;

	while (i < added->messages.count && strcmp(added->messages.items[i], message) != 0)
		i++;
	return i;
}

bool on_open_has(const struct on_open_added *added, const char *message)
{
	return on_open_find(added, message) < added->messages.count;
}

bool on_open_add(struct on_open_added *added, const char *message, struct error *error)
{
	struct string_list *messages = &added->messages;
	size_t length = strlen(message);

	if (!settings_placeholders_valid(message, error))
		return error_prefix(error, "the message ");
	if (messages->count >= ON_OPEN_ADDED_MAX || added->bytes + length > ON_OPEN_ADDED_BYTES)
		return error_set(error, ERROR_WEBSOCKET,
			"there are %zu messages of %zu bytes already: no more than %d of %d bytes "
			"can "
			"be added",
			messages->count, added->bytes, ON_OPEN_ADDED_MAX, ON_OPEN_ADDED_BYTES);
	messages->items =
		alloc_resize(messages->items, (messages->count + 1) * sizeof(*messages->items));
	messages->items[messages->count++] = alloc_string(message);
	added->bytes += length;
	return true;
}

bool on_open_remove(struct on_open_added *added, const char *message, struct error *error)
{
	struct string_list *messages = &added->messages;
	size_t i = on_open_find(added, message);

	if (i == messages->count)
		return error_set(error, ERROR_NOT_FOUND, "no such message has been added");
	free(messages->items[i]);
	messages->count--;
	memmove(messages->items + i, messages->items + i + 1,
		(messages->count - i) * sizeof(*messages->items));
	added->bytes -= strlen(message);
	return true;
}

void on_open_release(struct on_open_added *added)
{
	for (size_t i = 0; i < added->messages.count; i++)
		free(added->messages.items[i]);
	free(added->messages.items);
	*added = (struct on_open_added){0};
}

/* --- placeholders -------------------------------------------------------------------------- */

/* The variable of a %{VARIABLE}; returns its name if it is not set, else NULL. */
static char *on_open_expand_variable(struct buffer *out, const char *placeholder)
{
	char *name = alloc_format("%.*s", (int)strcspn(placeholder + 2, "}"), placeholder + 2);
	const char *value = getenv(name);

	if (!value)
		return name;
	buffer_append_text(out, value);
	free(name);
	return NULL;
}

char *on_open_expand(struct buffer *out, const char *message, const char *name)
{
	const char *percent;
	char *first_unset = NULL, *unset;

	for (; (percent = strchr(message, '%')); message = percent + 2) {
		buffer_append(out, message, (size_t)(percent - message));
		if (percent[1] == '%') {
			buffer_append_text(out, "%");
		} else if (percent[1] == 'n') {
			buffer_append_text(out, name);
		} else {
			unset = on_open_expand_variable(out, percent);
			if (first_unset)
				free(unset);
			else
				first_unset = unset;
			percent = strchr(percent, '}') - 1;
		}
	}
	buffer_append_text(out, message);
	return first_unset;
}

/* --- sending ------------------------------------------------------------------------------- */

static void on_open_warn_unset(const struct on_open_sender *sender, const char *where,
	const char *variable)
{
	char *text = alloc_format("%s: the environment variable %s is not set", where, variable);

	sender->warn(text, sender->context);
	free(text);
}

/* `warned`, unless NULL, keeps a file of many lines from as many warnings. */
static bool on_open_send_from(const struct on_open_sender *sender, const char *where,
	const char *message, bool *warned, struct error *error)
{
	struct buffer text = {.secret = true};
	char *unset;
	bool sent;

	if (!settings_placeholders_valid(message, error))
		return error_prefix(error, "%s: the message ", where);
	unset = on_open_expand(&text, message, sender->name);
	if (unset && !(warned && *warned))
		on_open_warn_unset(sender, where, unset);
	if (unset && warned)
		*warned = true;
	sent = sender->send(text.length ? (const char *)buffer_data(&text) : "", text.length, error,
		sender->context);
	free(unset);
	buffer_release(&text);
	return sent || error_prefix(error, "%s was not sent: ", where);
}

static void on_open_send_list(const struct on_open_sender *sender, const char *what,
	const struct string_list *messages)
{
	struct error error;
	char *where;

	for (size_t i = 0; i < messages->count; i++) {
		where = alloc_format("%s[%zu]", what, i);
		if (!on_open_send_from(sender, where, messages->items[i], NULL, &error))
			sender->failed(&error, sender->context);
		free(where);
	}
}

static bool on_open_read(const char *path, struct buffer *text, struct error *error)
{
	if (!file_read_text(path, FILE_REGULAR, ON_OPEN_FILE_MAX + 1, text, error))
		return error_prefix(error, "on_open_file %s ", path);
	if (text->length > ON_OPEN_FILE_MAX)
		return error_set(error, ERROR_SYSTEM, "on_open_file %s has more than %d bytes",
			path, ON_OPEN_FILE_MAX);
	return true;
}

static bool on_open_send_lines(const struct on_open_sender *sender, const char *path, char *text,
	size_t length, struct error *error)
{
	char *end = text + length, *next;
	bool warned = false, sent = true;
	unsigned number = 1;
	char *where;

	for (; sent && text < end; text = next + 1, number++) {
		next = memchr(text, '\n', (size_t)(end - text));
		next = next ? next : end;
		*next = '\0';
		if (next == text)
			continue;
		where = alloc_format("on_open_file %s:%u", path, number);
		sent = strlen(text) == (size_t)(next - text)
			? on_open_send_from(sender, where, text, &warned, error)
			: error_set(error, ERROR_SETTINGS, "%s: the message has a NUL byte", where);
		free(where);
	}
	return sent;
}

static void on_open_send_file(const struct on_open_sender *sender, const char *path)
{
	struct buffer text = {0};
	struct error error;
	size_t length;
	bool sent;

	sent = on_open_read(path, &text, &error);
	if (sent) {
		length = text.length;
		buffer_append(&text, "", 1);
		sent = on_open_send_lines(sender, path, (char *)text.memory + text.start, length,
			&error);
	}
	if (!sent)
		sender->failed(&error, sender->context);
	buffer_release(&text);
}

void on_open_send_all(const struct on_open_sender *sender,
	const struct connection_settings *settings, const struct on_open_added *added)
{
	on_open_send_list(sender, "on_open", &settings->on_open);
	if (settings->on_open_file)
		on_open_send_file(sender, settings->on_open_file);
	on_open_send_list(sender, "added on_open", &added->messages);
}

bool on_open_send(const struct on_open_sender *sender, const char *message, struct error *error)
{
	return on_open_send_from(sender, "the message", message, NULL, error);
}
