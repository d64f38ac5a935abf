#ifndef GATEWAY_ON_OPEN_H
#define GATEWAY_ON_OPEN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/error.h"
#include "gateway/settings.h"

/*
 * The text messages that a server gets first, each time a connection has opened: those of the
 * settings, of a file, and those that were added while the daemon runs.
 */

enum {
	ON_OPEN_FILE_MAX = 16 * 1024 * 1024, /* bytes */
	ON_OPEN_ADDED_MAX = 1000,            /* messages */
	ON_OPEN_ADDED_BYTES = 1024 * 1024,
};

/* Those that were added; each is there once. Zero-initialised is empty. */
struct on_open_added {
	struct string_list messages;
	size_t bytes;
};

bool on_open_has(const struct on_open_added *added, const char *message);

/* Fails if there are too many, or a placeholder in the message is wrong. */
bool on_open_add(struct on_open_added *added, const char *message, struct error *error);
bool on_open_remove(struct on_open_added *added, const char *message, struct error *error);
void on_open_release(struct on_open_added *added);

/* Whoever sends them. */
struct on_open_sender {
	void *context;
	const char *name; /* of the connection */
	bool (*send)(const char *text, size_t length, struct error *error, void *context);
	void (*warn)(const char *text, void *context);

	/* Something was not sent. */
	void (*failed)(const struct error *error, void *context);
};

/* Sends all of them, in order. Of the file, nothing behind a line that cannot be sent. */
void on_open_send_all(const struct on_open_sender *sender,
	const struct connection_settings *settings, const struct on_open_added *added);

/* Sends one message, whose placeholders are replaced. */
bool on_open_send(const struct on_open_sender *sender, const char *message, struct error *error);

/*
 * Appends the message with its placeholders, which must be right, replaced. Returns the first
 * variable that is not set, for which nothing stands then: the caller frees it; NULL: all are set.
 */
char *on_open_expand(struct buffer *out, const char *message, const char *name);

#endif
