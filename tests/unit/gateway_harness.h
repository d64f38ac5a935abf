#ifndef GATEWAY_HARNESS_H
#define GATEWAY_HARNESS_H

#include <check.h>
#include <event2/event.h>

#include "gateway/gateway.h"
#include "settings_harness.h"

/*
 * A gateway in the folder of the test, which is its runtime directory; connections open only if a
 * test says so. What a test does not touch must be as here: reset before each.
 */
struct gateway_fixture {
	struct event_base *base;
	struct timers *timers;
	uint64_t suspended; /* ns, by which the time is ahead of clock_monotonic() */
	struct log *log;
	struct gateway *gateway;
	const char *drain_timeout; /* NULL: long enough */

	/* The change under way, or the last one. */
	struct settings *settings;
	struct settings_problems problems;
	unsigned ended;
	bool done;
	struct gateway_changes changes;

	/* The caller's part in it. */
	bool refuses;             /* to prepare */
	void (*on_prepare)(void); /* NULL: nothing happens */
	unsigned prepared, withdrawn;
	void (*on_ended)(void); /* NULL: nothing happens */

	/* What the watcher was told. */
	unsigned settled;
	unsigned events[64]; /* of each type */
};
extern struct gateway_fixture fixture;

/* For `tcase_add_checked_fixture`, behind settings_add_folders(). */
void gateway_setup(void);
void gateway_teardown(void);

/* `more`: connections and outlets. The caller owns valid settings. */
struct settings *prepare_settings(const char *more);

void start_gateway(const char *more);

/* Begins a change, which must be valid settings; ends it, with that outcome. */
void begin_change(const char *more);
void end_change(bool done);
void change_gateway(const char *more);

/* Turns of the loop: one; until the condition holds. */
void turn(void);
#define TURN_UNTIL(condition)                                                                      \
	for (unsigned turns = 0; !(condition); turns++) {                                          \
		ck_assert_msg(turns < 30000, "%s: never", #condition);                             \
		turn();                                                                            \
	}

/* A connection as a control client adds it. */
struct connection_config *make_connection(const char *text, bool trusted);

bool has_outlet(const char *name);
struct outlet *the_outlet(const char *name);

/* A client of the socket; -1: nobody listens there. */
int subscribe(const char *path);

/* Puts a text message into the outlet. */
void publish(const char *outlet, const char *text);

/* All that the subscriber gets until its end, in turns of the loop. */
void assert_gets_until_end(int fd, const char *expected);

#endif
