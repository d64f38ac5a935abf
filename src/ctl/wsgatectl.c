#include "config.h"

#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "ctl/command.h"

/* Far longer than a daemon ever is busy with something else. */
#define CTL_TIMEOUT (10 * CLOCK_NS_PER_SECOND)

static const struct command *const command_tables[] = {
	commands_connection,
	commands_counts,
	commands_outlet,
	commands_daemon,
	NULL,
};

static const struct command *ctl_find(const char *name)
{
	for (size_t i = 0; command_tables[i]; i++) {
		for (const struct command *command = command_tables[i]; command->name; command++) {
			if (strcmp(command->name, name) == 0)
				return command;
		}
	}
	return NULL;
}

static void ctl_print_commands(const struct command *command)
{
	printf("\n%s:\n", command->group);
	for (; command->name; command++)
		printf("  %-12s %s\n", command->name, command->summary);
}

static void ctl_help(void)
{
	puts("Usage: wsgatectl [OPTION]... COMMAND [ARGUMENT]...\n"
	     "Controls a running wsgated.\n\n"
	     "  -s, --socket=PATH  the daemon's control socket\n"
	     "                     [$WSGATED_SOCKET, else " RUNSTATEDIR
	     "/wsgated/control.sock]\n"
	     "      --timeout=TIME how long the daemon may show no sign of life:\n"
	     "                     500ms, 10s, 2m; 0: forever [10s]\n"
	     "      --json         print results as JSON, for programs\n"
	     "      --no-color     no colours, even on a terminal (also: NO_COLOR=1)\n"
	     "  -h, --help         this text; after a COMMAND: about that command\n"
	     "      --version      print the version");
	for (size_t i = 0; command_tables[i]; i++)
		ctl_print_commands(command_tables[i]);
	puts("\nExit status: 0 done, 1 the daemon refused, 2 wrong usage, 3 no daemon answers.");
}

static void ctl_misused(const char *text, const char *what)
{
	fprintf(stderr, "wsgatectl: %s%s\nTry 'wsgatectl --help'.\n", text, what);
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
				ctl_misused("--timeout must be like 500ms, 10s or 2m, not ", optarg);
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
 * The C library knows how wide a character is on a terminal only in a locale with its encoding. What
 * is printed is UTF-8 whatever the environment says (LANG=C in a unit or through ssh, say), as the
 * daemon answers in it; so if the locale there is not a UTF-8 one, or is not installed, one is taken
 * that the C library always has (glibc since 2.35). Only tables depend on it.
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
		ctl_misused("a command is missing", "");
	ctl.command = ctl_find(argv[optind]);
	if (!ctl.command)
		ctl_misused("unknown command ", argv[optind]);

	argc -= optind;
	argv += optind;
	optind = 0; /* getopt(3): start anew, with the command's own options */
	status = ctl.command->run(&ctl, argc, argv);
	client_close(&ctl.client);
	if (fclose(stdout) != 0) {
		perror("wsgatectl: cannot write to standard output");
		return CTL_REFUSED;
	}
	return status;
}
