#define SD_JOURNAL_SUPPRESS_LOCATION /* it would always be this file */

#include "base/log_line.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json_put.h"
#include "base/text.h"

enum { LOG_FIELDS_MAX = 3 };

const char *const log_line_levels[LOG_DEBUG + 1] = {
	[LOG_EMERG] = "emerg",
	[LOG_ALERT] = "alert",
	[LOG_CRIT] = "crit",
	[LOG_ERR] = "err",
	[LOG_WARNING] = "warning",
	[LOG_NOTICE] = "notice",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};

static void log_line_append_text(struct buffer *out, int priority, const struct log_subject *about,
	const char *message)
{
	buffer_append_format(out, "%s: ", log_line_levels[priority]);
	if (about)
		buffer_append_format(out, "%s %s: ", about->kind, about->name);
	buffer_append_format(out, "%s\n", message);
}

static void log_line_append_json(struct buffer *out, int priority, const struct log_subject *about,
	uint64_t time, const char *message)
{
	struct json_writer json = {out, false};
	const char *level = log_line_levels[priority];
	char text[CLOCK_TEXT_SIZE];

	clock_format(text, time);
	json_put_object(&json, NULL);
	json_put_string(&json, "time", text, strlen(text));
	json_put_string(&json, "level", level, strlen(level));
	if (about)
		json_put_string(&json, about->kind, about->name, strlen(about->name));
	json_put_string(&json, "message", message, strlen(message));
	json_put_object_end(&json);
	buffer_append_text(out, "\n");
}

/* The field is named after the kind, in the journal's alphabet: CONNECTION=ticker. No value has a
 * newline of its own. */
static void log_line_append_fields(struct buffer *out, int priority,
	const struct log_subject *about, const char *message)
{
	if (!about) {
		buffer_append_format(out, "MESSAGE=%s\nPRIORITY=%d\n", message, priority);
		return;
	}
	buffer_append_format(out, "MESSAGE=%s %s: %s\nPRIORITY=%d\n", about->kind, about->name,
		message, priority);
	for (const char *c = about->kind; *c; c++)
		buffer_append_format(out, "%c", toupper((unsigned char)*c));
	buffer_append_format(out, "=%s\n", about->name);
}

void log_line_append(struct buffer *out, enum log_format format, int priority,
	const struct log_subject *about, uint64_t time, const char *message)
{
	char name[256];
	struct log_subject clean;

	if (about) { /* it may be a path */
		text_clean(name, sizeof(name), about->name, strlen(about->name));
		clean = (struct log_subject){.kind = about->kind, .name = name};
		about = &clean;
	}
	if (format == LOG_FORMAT_JOURNAL)
		log_line_append_fields(out, priority, about, message);
	else if (format == LOG_FORMAT_JSON)
		log_line_append_json(out, priority, about, time, message);
	else
		log_line_append_text(out, priority, about, message);
}

static void log_line_send(const char *line, size_t length)
{
	struct iovec fields[LOG_FIELDS_MAX];
	int count = 0;

	while (length && count < LOG_FIELDS_MAX) {
		const char *end = memchr(line, '\n', length);

		fields[count++] = (struct iovec){(char *)line, (size_t)(end - line)};
		length -= (size_t)(end + 1 - line);
		line = end + 1;
	}
	sd_journal_sendv(fields, count);
}

/* Waits for stderr, which another process may have made non-blocking. */
static bool log_line_await_stderr(void)
{
	struct pollfd stderr_fd = {.fd = STDERR_FILENO, .events = POLLOUT};

	return errno == EINTR || (errno == EAGAIN && poll(&stderr_fd, 1, -1) >= 0);
}

void log_line_write(enum log_format format, const char *line, size_t length)
{
	if (format == LOG_FORMAT_JOURNAL) {
		log_line_send(line, length);
		return;
	}
	/* One write(2) per line, so that lines of several processes on one stderr do not mix. */
	while (length) {
		ssize_t written = write(STDERR_FILENO, line, length);

		if (written < 0 && !log_line_await_stderr())
			return; /* nowhere left to report it */
		if (written > 0) {
			line += written;
			length -= (size_t)written;
		}
	}
}
