#ifndef GATEWAY_ON_OPEN_H
#define GATEWAY_ON_OPEN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/error.h"
#include "gateway/settings.h"

/*
 * The text messages that a server gets first, each time a connection opens: those in the settings,
 * those in a file, and those added at run time.
 */

enum {
	ON_OPEN_FILE_MAX = 16 * 1024 * 1024, /* bytes */
	ON_OPEN_ADDED_MAX = 1000,            /* messages */
	ON_OPEN_ADDED_BYTES = 1024 * 1024,
};

/* Messages added at run time, each once. Zero-initialised is empty. */
struct on_open_added {
	struct string_list messages;
};

bool on_open_has(const struct on_open_added *added, const char *message);

/* Fails if there are too many, or a placeholder in the message is invalid. */
bool on_open_add(struct on_open_added *added, const char *message, struct error *error);
/* `index` is set to its former place. */
bool on_open_remove(struct on_open_added *added, const char *message, size_t *index,
	struct error *error);
void on_open_release(struct on_open_added *added);

/* The connection that sends them. */
struct on_open_sender {
	void *context;
	const char *name; /* of the connection */

	/* True if a message of that size can be sent now; else call on_open_go_on() once it can. */
	bool (*has_turn)(size_t length, void *context);
	/* Call on_open_go_on() in a later turn. */
	void (*ask)(void *context);
	bool (*send)(const char *text, size_t length, struct error *error, void *context);
	void (*warn)(const char *text, void *context);

	/* A message was not sent. */
	void (*failed)(const struct error *error, void *context);
};

/*
 * A run sends all of them in order, in steps, as there can be millions. A line of the file that
 * cannot be sent ends the file. NULL: nothing to send.
 */
struct on_open_run;
struct on_open_run *on_open_begin(struct connection_settings *settings,
	const struct on_open_added *added);

/* True: the run is complete. False: call it again. */
bool on_open_go_on(struct on_open_run *run, const struct on_open_sender *sender,
	const struct on_open_added *added);

/* The added message at that index has been removed during the run. */
void on_open_removed(struct on_open_run *run, size_t index);
void on_open_end(struct on_open_run *run);

/* Sends one message, with its placeholders replaced; fails if it cannot be sent now. */
bool on_open_send(const struct on_open_sender *sender, const char *message, struct error *error);

#endif
