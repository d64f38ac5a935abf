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

/* Appends it. Fails if there are too many, or if it can never be sent: a placeholder is invalid, or
 * the text for a connection of that name is not UTF-8. */
bool on_open_add(struct on_open_added *added, const char *message, const char *name,
	struct error *error);
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
};

/* A run sends all of them in order, in steps, as there can be millions. NULL: nothing to send. */
struct on_open_run;
struct on_open_run *on_open_begin(struct connection_settings *settings,
	const struct on_open_added *added);

/* Sends only the added message with that index, and those that are added meanwhile. */
struct on_open_run *on_open_begin_added(struct connection_settings *settings, size_t index);

enum on_open_progress {
	ON_OPEN_COMPLETE,
	ON_OPEN_LATER,  /* call on_open_go_on() again, once there is room */
	ON_OPEN_FAILED, /* a message cannot be sent, which ends the run */
};

/* `error` is set if it fails. */
enum on_open_progress on_open_go_on(struct on_open_run *run, const struct on_open_sender *sender,
	const struct on_open_added *added, struct error *error);

/* The added message at that index has been removed during the run. */
void on_open_removed(struct on_open_run *run, size_t index);
void on_open_end(struct on_open_run *run);

#endif
