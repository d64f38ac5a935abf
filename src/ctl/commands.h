#ifndef CTL_COMMANDS_H
#define CTL_COMMANDS_H

#include "ctl/command.h"

/* All commands, in the groups of the overview. */

struct command_group {
	const char *title;
	const struct command *const *commands; /* ended by NULL */
};

extern const struct command_group commands_connection;
extern const struct command_group commands_stats;
extern const struct command_group commands_outlet;
extern const struct command_group commands_config;
extern const struct command_group commands_daemon;

/* Those with a file of their own: command_NAME.c. */
extern const struct command command_add;
extern const struct command command_connect;
extern const struct command command_send;
extern const struct command command_tail;
extern const struct command command_warnings;

#endif
