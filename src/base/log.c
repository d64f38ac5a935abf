#include "base/log.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/text.h"

enum { LOG_LINE_MAX = 2048 };

struct log {
	enum log_format format; /* never AUTO */
	int level;
};

static const char *const level_names[] = {
	[LOG_EMERG] = "emerg",
	[LOG_ALERT] = "alert",
	[LOG_CRIT] = "crit",
	[LOG_ERR] = "err",
	[LOG_WARNING] = "warning",
	[LOG_NOTICE] = "notice",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};

/* systemd sets JOURNAL_STREAM to the device and inode of the stderr that it made; sd-journal(3). */
static bool log_stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat status;

	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
		fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device &&
		status.st_ino == inode;
}

struct log *log_new(enum log_format format, int level)
{
	struct log *log = alloc_zero(1, sizeof(*log));

	log_set_format(log, format);
	log->level = level;
	return log;
}

void log_free(struct log *log)
{
	free(log);
}

void log_set_format(struct log *log, enum log_format format)
{
	if (format == LOG_FORMAT_AUTO)
		format = log_stderr_is_journal() ? LOG_FORMAT_JOURNAL : LOG_FORMAT_TEXT;
	log->format = format;
}

void log_set_level(struct log *log, int level)
{
	log->level = level;
}

int log_level(const struct log *log)
{
	return log->level;
}

bool log_wants(const struct log *log, int priority)
{
	return priority <= log->level;
}

/* One write(2) a line, so that lines of several processes on one stderr do not mix. */
static void log_write_line(const struct buffer *line)
{
	ssize_t written = write(STDERR_FILENO, buffer_data(line), line->length);

	(void)written; /* there is nowhere left to complain to */
}

static void log_write_text(int priority, const struct log_subject *about, const char *message)
{
	struct buffer line = {0};

	buffer_append_format(&line, "%s: ", level_names[priority]);
	if (about)
		buffer_append_format(&line, "%s %s: ", about->kind, about->name);
	buffer_append_format(&line, "%s\n", message);
	log_write_line(&line);
	buffer_release(&line);
}

static void log_write_json(int priority, const struct log_subject *about, const char *message)
{
	char time[CLOCK_TEXT_SIZE];
	struct buffer line = {0};

	clock_format(time, clock_realtime());
	buffer_append_format(&line, "{\"time\":\"%s\",\"level\":\"%s\",", time, level_names[priority]);
	if (about) {
		buffer_append_format(&line, "\"%s\":", about->kind);
		text_append_json_string(&line, about->name, strlen(about->name));
		buffer_append_text(&line, ",");
	}
	buffer_append_text(&line, "\"message\":");
	text_append_json_string(&line, message, strlen(message));
	buffer_append_text(&line, "}\n");
	log_write_line(&line);
	buffer_release(&line);
}

/* The field is named after the kind, in the journal's alphabet: CONNECTION=ticker. */
static void log_write_journal(int priority, const struct log_subject *about, const char *message)
{
	char field[128] = "";

	if (!about) {
		sd_journal_send("MESSAGE=%s", message, "PRIORITY=%i", priority, NULL);
		return;
	}
	snprintf(field, sizeof(field), "%s=%s", about->kind, about->name);
	for (char *c = field; *c != '='; c++)
		*c = (char)toupper((unsigned char)*c);
	sd_journal_send("MESSAGE=%s %s: %s", about->kind, about->name, message, "PRIORITY=%i",
		priority, "%s", field, NULL);
}

void log_write(struct log *log, int priority, const struct log_subject *about, const char *format,
	...)
{
	char message[LOG_LINE_MAX];
	va_list arguments;

	if (!log_wants(log, priority))
		return;
	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	for (char *c = message; *c; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = ' '; /* a peer's text must not start lines or move cursors */
	}

	if (log->format == LOG_FORMAT_JOURNAL)
		log_write_journal(priority, about, message);
	else if (log->format == LOG_FORMAT_JSON)
		log_write_json(priority, about, message);
	else
		log_write_text(priority, about, message);
}

const char *log_level_name(int level)
{
	return level_names[level];
}

int log_level_parse(const char *name)
{
	for (int level = LOG_ERR; level <= LOG_DEBUG; level++) {
		if (strcmp(name, level_names[level]) == 0)
			return level;
	}
	return -1;
}
