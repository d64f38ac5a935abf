#include "gateway/secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

enum { SECRETS_LINE_MAX = 16 * 1024 };

static bool secrets_check_file(int fd, const char *setting, const char *path,
	const struct connection_config *connection, struct log *log, struct error *error)
{
	const struct log_subject about = {"connection", connection->name};
	struct stat status;

	if (fstat(fd, &status) < 0)
		return error_set(error, ERROR_WEBSOCKET, "%s: cannot look at %s: %s", setting, path,
			strerror(errno));
	if (!S_ISREG(status.st_mode) && !S_ISFIFO(status.st_mode))
		return error_set(error, ERROR_WEBSOCKET, "%s: %s is not a file", setting, path);
	if (status.st_mode & S_IROTH)
		log_write(log, LOG_WARNING, &about, "%s: everybody can read %s", setting, path);
	return true;
}

/* The caller owns the line; it has no newline, and is not empty. */
static bool secrets_read_line(int fd, const char *setting, const char *path, char **line,
	struct error *error)
{
	char *text = alloc_zero(1, SECRETS_LINE_MAX + 1);
	ssize_t length = read(fd, text, SECRETS_LINE_MAX);

	if (length < 0) {
		free(text);
		return error_set(error, ERROR_WEBSOCKET, "%s: cannot read %s: %s", setting, path,
			strerror(errno));
	}
	text[strcspn(text, "\r\n")] = '\0';
	if (!text[0]) {
		free(text);
		return error_set(error, ERROR_WEBSOCKET, "%s: the first line of %s is empty",
			setting, path);
	}
	*line = text;
	return true;
}

static bool secrets_read(const char *setting, const char *path, char **line,
	const struct connection_config *connection, struct log *log, struct error *error)
{
	bool read;
	int fd;

	if (!path)
		return true;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return error_set(error, ERROR_WEBSOCKET, "%s: cannot open %s: %s", setting, path,
			strerror(errno));
	read = secrets_check_file(fd, setting, path, connection, log, error) &&
		secrets_read_line(fd, setting, path, line, error);
	close(fd);
	return read;
}

static bool secrets_read_headers(struct secrets *secrets,
	const struct connection_config *connection, struct log *log, struct error *error)
{
	const struct header_list *files = &connection->settings->header_files;

	secrets->headers.items = alloc_zero(files->count, sizeof(*files->items));
	for (size_t i = 0; i < files->count; i++) {
		char *setting = alloc_format("header_files.%s", files->items[i].name);
		char *line = NULL;
		bool read = secrets_read(setting, files->items[i].value, &line, connection, log,
			error);

		free(setting);
		if (!read)
			return false;
		secrets->headers.items[i] = (struct ws_header){files->items[i].name, line};
		secrets->headers.count++;
	}
	return true;
}

bool secrets_load(struct secrets *secrets, const struct connection_config *connection,
	struct log *log, struct error *error)
{
	const struct connection_settings *settings = connection->settings;

	*secrets = (struct secrets){0};
	return secrets_read("password_file", settings->password_file, &secrets->password,
		       connection, log, error) &&
		secrets_read("bearer_file", settings->bearer_file, &secrets->bearer, connection,
			log, error) &&
		secrets_read("proxy.password_file", settings->proxy.password_file,
			&secrets->proxy_password, connection, log, error) &&
		secrets_read("tls.key_passphrase_file", settings->tls_extra.key_passphrase_file,
			&secrets->key_passphrase, connection, log, error) &&
		secrets_read_headers(secrets, connection, log, error);
}

static void secrets_wipe(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

void secrets_release(struct secrets *secrets)
{
	secrets_wipe(secrets->password);
	secrets_wipe(secrets->bearer);
	secrets_wipe(secrets->proxy_password);
	secrets_wipe(secrets->key_passphrase);
	for (size_t i = 0; i < secrets->headers.count; i++)
		secrets_wipe((char *)secrets->headers.items[i].value);
	free(secrets->headers.items);
	*secrets = (struct secrets){0};
}
