#ifndef CTL_COMMAND_H
#define CTL_COMMAND_H

#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>

#include "ctl/client.h"

enum ctl_exit {
	CTL_DONE = 0,
	CTL_REFUSED = 1,  /* the daemon said no; is-open: false */
	CTL_USAGE = 2,
	CTL_NO_DAEMON = 3,
};

/* What the options in front of the command say, and the way to the daemon. */
struct ctl {
	const char *socket;
	bool json;
	bool color;
	const struct command *command;
	const char *only; /* `warnings --follow`: of this connection; NULL: of all */
	json_t *seen;     /* likewise: the number of the last warning shown, by connection */
	struct client client;
};

struct command {
	const char *name;
	const char *group;     /* its heading in the overview */
	const char *arguments; /* "NAME [CODE [REASON]]" */
	const char *summary;   /* one line */
	const char *details;   /* options and what else a user needs; NULL: nothing */
	int (*run)(struct ctl *ctl, int argc, char **argv);
};

enum { COMMAND_TIMEOUT = 256 }; /* the "letter" of --timeout */

/* Those that every command takes; they end a command's own list. */
#define COMMAND_OPTIONS                                                                            \
	{"help", no_argument, NULL, 'h'}, {"json", no_argument, NULL, 'j'},                        \
		{"no-color", no_argument, NULL, 'n'}, {"socket", required_argument, NULL, 's'},    \
		{"timeout", required_argument, NULL, COMMAND_TIMEOUT},                             \
	{                                                                                          \
		NULL, 0, NULL, 0                                                                   \
	}

/* The next option of the command's own, or -1; takes care of the common and of wrong ones. */
int command_option(struct ctl *ctl, int argc, char **argv, const char *letters,
	const struct option *options);

/* "500ms", "10s", "2m" as ns; "0" is 0. False: the text is none of these. */
bool command_duration(const char *text, uint64_t *ns);

/* For a command without options of its own. */
void command_no_options(struct ctl *ctl, int argc, char **argv);

/* What follows the options must be from `minimum` to `maximum` arguments; else it ends the program
 * with the usage. Returns the first of them in `argv`. */
char **command_arguments(struct ctl *ctl, int argc, char **argv, int minimum, int maximum);

/* Ends the program: the command cannot be meant like this. */
void command_misused(struct ctl *ctl, const char *format, ...)
	__attribute__((format(printf, 2, 3), noreturn));

/* Ends the program: no daemon. */
void command_no_daemon(const struct error *error) __attribute__((noreturn));

/*
 * Calls the daemon and returns the result, which the caller owns. NULL: the daemon said no, and the
 * user has been told why. Ends the program if there is no daemon. Takes `parameters` over.
 */
json_t *command_call(struct ctl *ctl, const char *method, json_t *parameters);

/* The same, but returns the whole answer: with "result" or with "error". */
json_t *command_ask(struct ctl *ctl, const char *method, json_t *parameters);

/* "wsgatectl: ", the text and a newline, on standard error; what a peer has a hand in is made
 * harmless for a terminal. */
void command_tell(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Ends the program: what answers is no daemon of ours. */
void command_no_answer(void) __attribute__((noreturn));

/* Says why the daemon said no; `error` is that of the answer. */
void command_complain(const struct ctl *ctl, const json_t *error);

/* The same for what this program has found out by itself; `name` as in `data.err`, or NULL. Returns
 * CTL_REFUSED. */
int command_refuse(const struct ctl *ctl, const char *name, const char *text);

/* Why a text is not JSON. */
const char *command_json_fault(const json_error_t *error);

/* A call whose result says nothing more than that it is done: prints it with --json only. */
int command_do(struct ctl *ctl, const char *method, json_t *parameters);

/* A call whose result is shown by `show`; with --json as it came. */
int command_show(struct ctl *ctl, const char *method, json_t *parameters,
	void (*show)(struct ctl *ctl, const json_t *result));

/* A whole number as JSON, so that the daemon can say what is wrong with it. Ends the program with
 * the usage if the text is none; `what` names it. */
json_t *command_integer(struct ctl *ctl, const char *what, const char *text);

/* Writes out what has been printed; ends the program if nobody wants it any more. */
void command_flush(void);

/* {"name": NAME} */
json_t *command_name(const char *name);

/* Calls `show` for each event until interrupted. */
int command_follow(struct ctl *ctl, void (*show)(struct ctl *ctl, const char *method,
	const json_t *parameters));

/* Ended by an entry without a name. */
extern const struct command commands_connection[];
extern const struct command commands_counts[];
extern const struct command commands_outlet[];
extern const struct command commands_daemon[];

#endif
