#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/log_limits.h"
#include "base/log_line.h"
#include "base/log_private.h"
#include "base/text.h"

enum {
	LOG_STACK_SIZE = 256 << 10,
	LOG_ENDED_BATCH = 64, /* ended limits handled in one go */
};

/*
 * The reader of the log may be slow, or stop: so a thread, which may wait, writes the lines, and
 * the daemon, which must not, only queues them. The lock is held to copy a line or to take the
 * queue, never while writing.
 */
struct log {
	log_write_line *write_line;
	int level; /* used only by the daemon's thread */
	pthread_t thread;

	pthread_mutex_t lock;   /* of the members below */
	pthread_cond_t changed; /* the thread has work to do, or has done it */
	enum log_format format; /* never AUTO */
	struct log_limits limits;
	struct buffer queue; /* of lines, each a struct log_queued and its bytes */
	uint64_t dropped;    /* lines, since the thread has taken the queue */
	uint64_t dropped_ever;
	bool idle; /* the thread has written everything */
	bool ending;
	bool ended;
};

struct log_queued {
	size_t length;
	enum log_format format;
};

/* --- the queue, under the lock ------------------------------------------------------------- */

static void log_append(struct log *log, int priority, const struct log_subject *about,
	uint64_t time, const char *message)
{
	struct log_queued head = {.format = log->format};
	size_t start = log->queue.length;

	buffer_append(&log->queue, &head, sizeof(head));
	log_line_append(&log->queue, log->format, priority, about, time, message);
	head.length = log->queue.length - start - sizeof(head);
	memcpy(log->queue.memory + log->queue.start + start, &head, sizeof(head));
}

/* Once a line has been dropped, no other is queued until the thread has taken the queue, so that
 * the log can show where lines are missing. */
static void log_enqueue(struct log *log, int priority, const struct log_subject *about,
	uint64_t time, const char *message)
{
	if (log->dropped || log->queue.length >= LOG_QUEUE_MAX) {
		log->dropped++;
		log->dropped_ever++;
		return;
	}
	log_append(log, priority, about, time, message);
}

static void log_tell_held(struct log *log, const struct log_limit *limit)
{
	const struct log_subject *about = *limit->about.kind ? &limit->about : NULL;
	uint64_t held = log_limit_held(limit);
	char message[TEXT_FORMAT_MAX + 64];

	if (held == 1)
		log_enqueue(log, limit->priority, about, limit->time, limit->message);
	if (held <= 1)
		return;
	snprintf(message, sizeof(message), "%s (and %llu more like this)", limit->message,
		(unsigned long long)held - 1);
	log_enqueue(log, limit->priority, about, limit->time, message);
}

/* Reports the lines that were held back. */
static void log_end_limits(struct log *log, uint64_t now)
{
	struct log_limit *limit;

	for (int i = 0; i < LOG_ENDED_BATCH; i++) {
		limit = log_limits_take_ended(&log->limits, now);
		if (!limit)
			return;
		log_tell_held(log, limit);
		log_limit_free(limit);
	}
}

/* --- the thread ---------------------------------------------------------------------------- */

static void log_write_batch(struct log *log, const struct buffer *batch)
{
	const uint8_t *next = buffer_data(batch), *end = next + batch->length;
	struct log_queued head;

	while (next < end) {
		memcpy(&head, next, sizeof(head));
		next += sizeof(head);
		log->write_line(head.format, (const char *)next, head.length);
		next += head.length;
	}
}

/* Takes the queued lines, followed by the number of dropped ones. */
static struct buffer log_take_batch(struct log *log)
{
	struct buffer batch;
	char message[64];

	if (log->dropped) {
		snprintf(message, sizeof(message), "%llu log lines dropped: the log was not read",
			(unsigned long long)log->dropped);
		log_append(log, LOG_WARNING, NULL, clock_realtime(), message);
		log->dropped = 0;
	}
	batch = log->queue;
	log->queue = (struct buffer){0};
	return batch;
}

static void log_await_work(struct log *log)
{
	uint64_t next = log_limits_next(&log->limits);
	struct timespec deadline = {
		.tv_sec = (time_t)(next / CLOCK_NS_PER_SECOND),
		.tv_nsec = (long)(next % CLOCK_NS_PER_SECOND),
	};

	log->idle = true;
	pthread_cond_broadcast(&log->changed);
	if (next == UINT64_MAX)
		pthread_cond_wait(&log->changed, &log->lock);
	else
		pthread_cond_timedwait(&log->changed, &log->lock, &deadline);
}

static void *log_run(void *context)
{
	struct log *log = context;
	struct buffer batch;

	pthread_mutex_lock(&log->lock);
	for (;;) {
		log_end_limits(log, log->ending ? UINT64_MAX : clock_monotonic());
		if (log->queue.length || log->dropped) {
			log->idle = false;
			batch = log_take_batch(log);
			pthread_mutex_unlock(&log->lock);
			log_write_batch(log, &batch);
			buffer_release(&batch);
			pthread_mutex_lock(&log->lock);
		} else if (log->ending && log_limits_next(&log->limits) == UINT64_MAX) {
			break;
		} else if (!log->ending) {
			log_await_work(log);
		}
	}
	log->ended = log->idle = true;
	pthread_cond_broadcast(&log->changed);
	pthread_mutex_unlock(&log->lock);
	return NULL;
}

/* The daemon's thread handles signals. */
static void log_start_thread(struct log *log)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	int failure;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, LOG_STACK_SIZE);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failure = pthread_create(&log->thread, &attributes, log_run, log);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	if (failure) {
		fprintf(stderr, "wsgated: cannot start the thread of the log: %s\n",
			strerror(failure));
		exit(EXIT_FAILURE);
	}
	pthread_setname_np(log->thread, "wsgated-log");
}

/* Waits up to `patience` for `*what` to become true; with the lock held. */
static bool log_wait(struct log *log, const bool *what, uint64_t patience)
{
	uint64_t end = clock_monotonic() + patience;
	struct timespec deadline = {
		.tv_sec = (time_t)(end / CLOCK_NS_PER_SECOND),
		.tv_nsec = (long)(end % CLOCK_NS_PER_SECOND),
	};

	while (!*what) {
		if (pthread_cond_timedwait(&log->changed, &log->lock, &deadline) == ETIMEDOUT)
			return *what;
	}
	return true;
}

/* --- the daemon's side --------------------------------------------------------------------- */

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

struct log *log_new_to(log_write_line *write_line, enum log_format format, int level)
{
	struct log *log = alloc_zero(1, sizeof(*log));
	pthread_condattr_t attributes;

	log->write_line = write_line;
	log->level = level;
	log_limits_init(&log->limits);
	pthread_mutex_init(&log->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&log->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	log_set_format(log, format);
	log_start_thread(log);
	return log;
}

struct log *log_new(enum log_format format, int level)
{
	return log_new_to(log_line_write, format, level);
}

void log_free(struct log *log)
{
	log_free_within(log, LOG_PATIENCE);
}

void log_free_within(struct log *log, uint64_t patience)
{
	bool ended;

	if (!log)
		return;
	pthread_mutex_lock(&log->lock);
	log->ending = true;
	pthread_cond_broadcast(&log->changed);
	ended = log_wait(log, &log->ended, patience);
	pthread_mutex_unlock(&log->lock);
	if (!ended) { /* the thread is stuck: it keeps its memory until the process ends */
		pthread_detach(log->thread);
		return;
	}
	pthread_join(log->thread, NULL);
	pthread_cond_destroy(&log->changed);
	pthread_mutex_destroy(&log->lock);
	log_limits_release(&log->limits);
	buffer_release(&log->queue);
	free(log);
}

bool log_flush(struct log *log)
{
	bool written;

	pthread_mutex_lock(&log->lock);
	log->idle = false;
	pthread_cond_broadcast(&log->changed);
	written = log_wait(log, &log->idle, LOG_PATIENCE);
	pthread_mutex_unlock(&log->lock);
	return written;
}

uint64_t log_dropped(struct log *log)
{
	uint64_t dropped;

	pthread_mutex_lock(&log->lock);
	dropped = log->dropped_ever;
	pthread_mutex_unlock(&log->lock);
	return dropped;
}

void log_set_format(struct log *log, enum log_format format)
{
	if (format == LOG_FORMAT_AUTO)
		format = log_stderr_is_journal() ? LOG_FORMAT_JOURNAL : LOG_FORMAT_TEXT;
	pthread_mutex_lock(&log->lock);
	log->format = format;
	pthread_mutex_unlock(&log->lock);
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

void log_write(struct log *log, int priority, const struct log_subject *about, const char *format,
	...)
{
	uint64_t now = clock_monotonic(), time = clock_realtime();
	char message[TEXT_FORMAT_MAX];
	va_list arguments;

	if (!log_wants(log, priority))
		return;
	va_start(arguments, format);
	text_clean_format(message, sizeof(message), format, arguments);
	va_end(arguments);

	pthread_mutex_lock(&log->lock);
	log_end_limits(log, now);
	if (log->level == LOG_DEBUG ||
		log_limits_admit(&log->limits, about, format, priority, message, now, time))
		log_enqueue(log, priority, about, time, message);
	if (log->queue.length)
		pthread_cond_broadcast(&log->changed);
	pthread_mutex_unlock(&log->lock);
}

const char *log_level_name(int level)
{
	return log_line_levels[level];
}

int log_level_parse(const char *name)
{
	for (int level = LOG_ERR; level <= LOG_DEBUG; level++) {
		if (strcmp(name, log_line_levels[level]) == 0)
			return level;
	}
	return -1;
}
