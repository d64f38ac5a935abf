#include "gateway/secrets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/file.h"

enum {
	SECRETS_LINE_MAX = 16 * 1024,
	SECRETS_MORE = 8, /* bytes to read beyond: the end of a line, a byte order mark */
};

/* Wipes everything that the buffer has ever contained. */
static void secrets_wipe_buffer(struct buffer *buffer)
{
	if (buffer->memory)
		explicit_bzero(buffer->memory, buffer->capacity);
	buffer_release(buffer);
}

/* True if a text has more than one line: a secret that somebody has wrapped would be cut. */
static bool secrets_continues(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (!strchr(" \t\r\n", text[i]) || !text[i])
			return true;
	}
	return false;
}

static bool secrets_take_line(const struct buffer *text, char **line, struct error *error)
{
	const char *start = text->length ? (const char *)buffer_data(text) : "";
	size_t length = 0;

	while (length < text->length && start[length] != '\r' && start[length] != '\n')
		length++;
	errno = EINVAL;
	if (length == 0)
		return error_set(error, ERROR_WEBSOCKET, "has an empty first line");
	if (length > SECRETS_LINE_MAX)
		return error_set(error, ERROR_WEBSOCKET, "has a first line of more than %d bytes",
			SECRETS_LINE_MAX);
	if (memchr(start, '\0', length))
		return error_set(error, ERROR_WEBSOCKET, "has a NUL byte in its first line");
	if (secrets_continues(start + length, text->length - length))
		return error_set(error, ERROR_WEBSOCKET,
			"has more than one line; a secret must be a single line");
	*line = alloc_zero(1, length + 1);
	memcpy(*line, start, length);
	return true;
}

bool secrets_first_line(const char *path, char **line, struct error *error)
{
	struct buffer text = {0};
	bool taken;

	taken = file_read_text(path, FILE_REGULAR, SECRETS_LINE_MAX + SECRETS_MORE, &text, error) &&
		secrets_take_line(&text, line, error);
	secrets_wipe_buffer(&text);
	if (!taken)
		error->name = ERROR_WEBSOCKET;
	return taken;
}

/* Off both ends, where HTTP has white space that is not of the value (RFC 9110, section 5.5). Leaves
 * nothing behind the end, which alloc_wipe() would not find. */
static void secrets_trim(char *line)
{
	size_t before = strspn(line, " \t"), all = strlen(line), length = all - before;

	while (length && strchr(" \t", line[before + length - 1]))
		length--;
	memmove(line, line + before, length);
	explicit_bzero(line + length, all - length);
}

bool secrets_first_value(const char *path, char **line, struct error *error)
{
	const char *fault;

	if (!secrets_first_line(path, line, error))
		return false;
	secrets_trim(*line);
	fault = **line ? NULL : "has an empty first line";
	for (const char *c = *line; *c; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7F)
			fault = "has a control character in its first line, which no header can "
				"have";
	}
	if (!fault)
		return true;
	alloc_wipe(*line);
	*line = NULL;
	errno = EINVAL;
	return error_set(error, ERROR_WEBSOCKET, "%s", fault);
}

static void secrets_warn_readable(const char *setting, const char *path,
	const struct connection_config *connection, struct log *log)
{
	const struct log_subject about = {"connection", connection->name, connection->untrusted};
	struct stat status;

	if (log && stat(path, &status) == 0 && (status.st_mode & S_IROTH))
		log_write(log, LOG_WARNING, &about, "%s: everybody can read %s", setting, path);
}

static void secrets_warn_white_space(const char *setting, const char *path, const char *line,
	const struct connection_config *connection, struct log *log)
{
	const struct log_subject about = {"connection", connection->name, connection->untrusted};

	if (log && (strchr(" \t", line[0]) || strchr(" \t", line[strlen(line) - 1])))
		log_write(log, LOG_WARNING, &about,
			"%s: white space at the beginning or end of %s is taken as part of the secret",
			setting, path);
}

/* The bytes that secrets_first_line() or secrets_first_value() takes from a file. */
typedef bool secrets_take(const char *path, char **line, struct error *error);

static bool secrets_read(const char *setting, const char *path, secrets_take *take, char **line,
	const struct connection_config *connection, struct log *log, struct error *error)
{
	if (!path)
		return true;
	secrets_warn_readable(setting, path, connection, log);
	if (take(path, line, error)) {
		if (take == secrets_first_line)
			secrets_warn_white_space(setting, path, *line, connection, log);
		return true;
	}
	return error_prefix(error, "%s: %s ", setting, path);
}

static bool secrets_read_headers(struct secrets *secrets,
	const struct connection_config *connection, struct log *log, struct error *error)
{
	const struct header_list *files = &connection->settings->header_files;

	for (size_t i = 0; i < files->count; i++) {
		char *setting = alloc_format("header_files.%s", files->items[i].name);
		char *line = NULL;
		bool read = secrets_read(setting, files->items[i].value, secrets_first_value, &line,
			connection, log, error);

		free(setting);
		if (!read)
			return false;
		header_list_take(&secrets->headers, alloc_string(files->items[i].name), line);
	}
	return true;
}

bool secrets_load(struct secrets *secrets, const struct connection_config *connection,
	struct log *log, struct error *error)
{
	const struct connection_settings *settings = connection->settings;

	*secrets = (struct secrets){0};
	return secrets_read("password_file", settings->password_file, secrets_first_line,
		       &secrets->password, connection, log, error) &&
		secrets_read("bearer_file", settings->bearer_file, secrets_first_value,
			&secrets->bearer, connection, log, error) &&
		secrets_read("proxy.password_file", settings->proxy.password_file,
			secrets_first_line, &secrets->proxy_password, connection, log, error) &&
		secrets_read("tls.key_passphrase_file", settings->tls.key_passphrase_file,
			secrets_first_line, &secrets->key_passphrase, connection, log, error) &&
		secrets_read_headers(secrets, connection, log, error);
}

void secrets_release(struct secrets *secrets)
{
	alloc_wipe(secrets->password);
	alloc_wipe(secrets->bearer);
	alloc_wipe(secrets->proxy_password);
	alloc_wipe(secrets->key_passphrase);
	header_list_release(&secrets->headers);
	*secrets = (struct secrets){0};
}
