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
};

bool on_open_has(const struct on_open_added *added, const char *message);

/* Fails if there are too many, or a placeholder in the message is wrong. */
bool on_open_add(struct on_open_added *added, const char *message, struct error *error);
/* `index`: where it was. */
bool on_open_remove(struct on_open_added *added, const char *message, size_t *index,
	struct error *error);
void on_open_release(struct on_open_added *added);

/* Whoever sends them. */
struct on_open_sender {
	void *context;
	const char *name; /* of the connection */

	/* Whether a message of that size can be sent now. If not, on_open_go_on() has to be called when
	 * it can. */
	bool (*has_turn)(size_t length, void *context);
	void (*ask)(void *context); /* for another call of on_open_go_on(), in a later turn */
	bool (*send)(const char *text, size_t length, struct error *error, void *context);
	void (*warn)(const char *text, void *context);

	/* Something was not sent. */
	void (*failed)(const struct error *error, void *context);
};

/*
 * Sending all of them, in order, at the beginning of a session: in as many steps as it takes, as there
 * can be millions. Of the file, nothing behind a line that cannot be sent. NULL: there is nothing to
 * send.
 */
struct on_open_run;
struct on_open_run *on_open_begin(struct connection_settings *settings,
	const struct on_open_added *added);

/* True: all has been sent. False: it goes on with another call. */
bool on_open_go_on(struct on_open_run *run, const struct on_open_sender *sender,
	const struct on_open_added *added);

/* The one that was the `index`th of those added has been removed meanwhile. */
void on_open_removed(struct on_open_run *run, size_t index);
void on_open_end(struct on_open_run *run);

/* Sends one message, whose placeholders are replaced, now or not at all. */
bool on_open_send(const struct on_open_sender *sender, const char *message, struct error *error);

#endif
