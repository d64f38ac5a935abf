#ifndef CTL_COMMAND_H
#define CTL_COMMAND_H

#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>

#include "ctl/rpc_client.h"

enum ctl_exit {
	CTL_DONE = 0,
	CTL_REFUSED = 1, /* by the daemon; is-open: false */
	CTL_USAGE = 2,
	CTL_NO_DAEMON = 3,
};

/* The common options, and the way to the daemon. */
struct ctl {
	const char *socket;
	bool json;
	bool color;
	const struct command *command;
	struct rpc_client client;
};

/* One command: everything about it in one place. */
struct command {
	const char *name;
	const char *arguments; /* "NAME [CODE [REASON]]" */
	const char *summary;   /* one line */
	const char *details;   /* options, and what else users need to know; NULL: nothing */
	int (*run)(struct ctl *ctl, int argc, char **argv); /* returns an enum ctl_exit */
};

enum { COMMAND_TIMEOUT = 256 }; /* the "letter" of --timeout */

/* Options of every command; they end its own list. */
#define COMMAND_OPTIONS                                                                            \
	{"help", no_argument, NULL, 'h'}, {"json", no_argument, NULL, 'j'},                        \
		{"no-color", no_argument, NULL, 'n'}, {"socket", required_argument, NULL, 's'},    \
		{"timeout", required_argument, NULL, COMMAND_TIMEOUT},                             \
	{                                                                                          \
		NULL, 0, NULL, 0                                                                   \
	}

/* The next of the command's own options, or -1. Handles common and wrong options. */
int command_option(struct ctl *ctl, int argc, char **argv, const char *letters,
	const struct option *options);

/* "500ms", "10s", "2m" as ns; "0" is 0. False: the text is none of these. */
bool command_duration(const char *text, uint64_t *ns);

/* For a command without options of its own. */
void command_no_options(struct ctl *ctl, int argc, char **argv);

/* The arguments after the options, ended by NULL. Ends the program with the usage unless there are
 * `minimum` to `maximum` of them. */
char **command_arguments(struct ctl *ctl, int argc, char **argv, int minimum, int maximum);

/* Ends the program: wrong usage. */
void command_misuse(struct ctl *ctl, const char *format, ...)
	__attribute__((format(printf, 2, 3), noreturn));

/* Ends the program: no daemon answers. */
void command_no_daemon(const struct error *error) __attribute__((noreturn));

/*
 * Calls the daemon and returns the result, which the caller owns. NULL: it has refused, and the user
 * has been told why. Ends the program if no daemon answers. Takes `parameters` over.
 */
json_t *command_call(struct ctl *ctl, const char *method, json_t *parameters);

/* The same, but returns the whole answer: with "result" or with "error". */
json_t *command_ask(struct ctl *ctl, const char *method, json_t *parameters);

/* Prints "wsgatectl: ", the text and a newline on standard error, harmless for a terminal. */
void command_tell(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Ends the program: the answer makes no sense. */
void command_bad_answer(void) __attribute__((noreturn));

/* Prints why the daemon has refused; `error` is that of the answer. */
void command_complain(const struct ctl *ctl, const json_t *error);

/* The same for an error that this program has found; `name` as in `data.err`, or NULL. Returns
 * CTL_REFUSED. */
int command_refuse(const struct ctl *ctl, const char *name, const char *text);

/* Why a text is not JSON. */
const char *command_json_fault(const json_error_t *error);

/* A call whose result says only that it is done: printed with --json. */
int command_do(struct ctl *ctl, const char *method, json_t *parameters);

/* A call whose result `show` prints; with --json it is printed as it came. */
int command_show(struct ctl *ctl, const char *method, json_t *parameters,
	void (*show)(struct ctl *ctl, const json_t *result));

/* An integer as JSON, whose range the daemon checks. Ends the program with the usage if the text is
 * not one; `what` names it. */
json_t *command_integer(struct ctl *ctl, const char *what, const char *text);

/* Flushes standard output; ends the program if it is closed. */
void command_flush(void);

/* {"name": NAME} */
json_t *command_name(const char *name);

/* Calls `show` for each notification until interrupted. */
typedef void (*command_follower)(struct ctl *ctl, const char *method, const json_t *parameters,
	void *context);
int command_follow(struct ctl *ctl, command_follower show, void *context);

#endif
