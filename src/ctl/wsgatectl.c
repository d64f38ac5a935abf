#include "config.h"

#include <langinfo.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "ctl/command.h"
#include "ctl/commands.h"

/* Far longer than a healthy daemon takes to respond. */
#define CTL_TIMEOUT (10 * CLOCK_NS_PER_SECOND)

static const struct command_group *const groups[] = {
	&commands_connection,
	&commands_stats,
	&commands_outlet,
	&commands_config,
	&commands_daemon,
};
static const size_t group_count = sizeof(groups) / sizeof(*groups);

static const struct command *ctl_find(const char *name)
{
	for (size_t i = 0; i < group_count; i++) {
		const struct command *const *command = groups[i]->commands;

		for (; *command; command++) {
			if (strcmp((*command)->name, name) == 0)
				return *command;
		}
	}
	return NULL;
}

static void ctl_print_commands(const struct command_group *group)
{
	printf("\n%s:\n", group->title);
	for (const struct command *const *command = group->commands; *command; command++)
		printf("  %-12s %s\n", (*command)->name, (*command)->summary);
}

static void ctl_help(void)
{
	puts("Usage: wsgatectl [OPTION]... COMMAND [ARGUMENT]...\n"
	     "Controls a running wsgated.\n\n"
	     "  -s, --socket=PATH  the daemon's control socket\n"
	     "                     [$WSGATED_SOCKET, else " RUNSTATEDIR "/wsgated/control.sock]\n"
	     "      --timeout=TIME how long to wait for a sign of life from the daemon:\n"
	     "                     500ms, 10s, 2m; 0: forever [10s]\n"
	     "      --json         print results as JSON, for programs\n"
	     "      --no-color     no colours, even on a terminal (also: NO_COLOR=1)\n"
	     "  -h, --help         show this help; after a COMMAND, help for it\n"
	     "      --version      show the version");
	for (size_t i = 0; i < group_count; i++)
		ctl_print_commands(groups[i]);
	puts("\nExit status: 0 done, 1 refused by the daemon, 2 wrong usage, 3 no answer from a daemon.");
}

static void __attribute__((format(printf, 1, 2), noreturn)) ctl_misuse(const char *format, ...)
{
	va_list arguments;

	fputs("wsgatectl: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputs("\nTry 'wsgatectl --help'.\n", stderr);
	exit(CTL_USAGE);
}

/* The options in front of the command. */
static void ctl_options(struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {
		{"version", no_argument, NULL, 'V'},
		COMMAND_OPTIONS,
	};
	int letter;

	while ((letter = getopt_long(argc, argv, "+s:hV", options, NULL)) != -1) {
		if (letter == 's') {
			ctl->socket = optarg;
		} else if (letter == COMMAND_TIMEOUT) {
			if (!command_duration(optarg, &ctl->client.timeout))
				ctl_misuse("--timeout must be like 500ms, 10s or 2m, not '%s'",
					optarg);
		} else if (letter == 'j') {
			ctl->json = true;
		} else if (letter == 'n') {
			ctl->color = false;
		} else if (letter == 'h') {
			ctl_help();
			exit(CTL_DONE);
		} else if (letter == 'V') {
			puts("wsgatectl " PACKAGE_VERSION);
			exit(CTL_DONE);
		} else {
			fputs("Try 'wsgatectl --help'.\n", stderr);
			exit(CTL_USAGE);
		}
	}
}

static const char *ctl_environment(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

/*
 * Output is UTF-8 whatever the environment says (LANG=C in a unit or through ssh, say), as the daemon
 * answers in it. Tables need to know how wide characters are, which the C library tells only in a
 * locale with that encoding. If the environment has none that is installed, C.UTF-8 is built in
 * (glibc since 2.35).
 */
static void ctl_set_locale(void)
{
	setlocale(LC_TIME, "");
	if (!setlocale(LC_CTYPE, "") || strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
		setlocale(LC_CTYPE, "C.UTF-8");
}

int main(int argc, char **argv)
{
	const char *socket = ctl_environment("WSGATED_SOCKET");
	struct ctl ctl = {
		.socket = socket ? socket : RUNSTATEDIR "/wsgated/control.sock",
		.color = isatty(STDOUT_FILENO) && !ctl_environment("NO_COLOR"),
		.client = {.fd = -1, .timeout = CTL_TIMEOUT},
	};
	int status;

	ctl_set_locale();
	ctl_options(&ctl, argc, argv);
	if (optind == argc)
		ctl_misuse("missing command");
	ctl.command = ctl_find(argv[optind]);
	if (!ctl.command)
		ctl_misuse("unknown command '%s'", argv[optind]);

	argc -= optind;
	argv += optind;
	optind = 0; /* getopt(3): start anew, with the command's own options */
	status = ctl.command->run(&ctl, argc, argv);
	rpc_client_close(&ctl.client);
	if (fclose(stdout) != 0) {
		perror("wsgatectl: cannot write to standard output");
		return CTL_REFUSED;
	}
	return status;
}
