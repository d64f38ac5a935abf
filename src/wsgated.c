#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/daemon.h"
#include "daemon/process.h"
#include "gateway/settings.h"

#define DEFAULT_FILE SYSCONFDIR "/wsgated/wsgated.conf"

enum { STATUS_USAGE = 2 };

struct options {
	const char *file;
	bool test;
};

static void print_usage(FILE *out)
{
	fputs("Usage: wsgated [OPTION]...\n"
	      "Keeps WebSocket connections open, and fans out what they receive to local subscribers.\n"
	      "\n"
	      "  -c, --config FILE  read this configuration (default: " DEFAULT_FILE ")\n"
	      "  -t, --test         check the configuration, report problems, and exit\n"
	      "      --help         show this help\n"
	      "      --version      show the version\n"
	      "\n"
	      "See wsgated(8), wsgated.conf(5) and wsgatectl(1).\n",
		out);
}

static void print_problems(const struct settings_problems *problems)
{
	for (size_t i = 0; i < problems->warnings.count; i++)
		fprintf(stderr, "warning: %s\n", problems->warnings.items[i]);
	for (size_t i = 0; i < problems->errors.count; i++)
		fprintf(stderr, "%s\n", problems->errors.items[i]);
}

static int test_configuration(const char *file)
{
	struct settings_problems problems = {.testing = true};
	struct settings *settings = settings_prepare(file, NULL, &problems);

	print_problems(&problems);
	settings_problems_release(&problems);
	if (!settings)
		return EXIT_FAILURE;
	printf("%s: fine: %zu connection%s, %zu outlet%s\n", file, settings->connection_count,
		settings->connection_count == 1 ? "" : "s", settings->outlet_count,
		settings->outlet_count == 1 ? "" : "s");
	settings_free(settings);
	return EXIT_SUCCESS;
}

static int run(const char *file)
{
	struct settings_problems problems = {0};
	struct settings *settings = settings_prepare(file, NULL, &problems);
	bool started = false;

	if (settings)
		started = daemon_run(file, settings, &problems);
	else
		print_problems(&problems);
	settings_problems_release(&problems);
	return started ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Ends the program after --help and --version, and if the options are wrong. */
static void parse_options(int argc, char **argv, struct options *options)
{
	enum { OPTION_HELP = 256, OPTION_VERSION };
	static const struct option known[] = {
		{"config", required_argument, NULL, 'c'},
		{"test", no_argument, NULL, 't'},
		{"help", no_argument, NULL, OPTION_HELP},
		{"version", no_argument, NULL, OPTION_VERSION},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "c:t", known, NULL)) != -1) {
		switch (option) {
		case 'c':
			options->file = optarg;
			break;
		case 't':
			options->test = true;
			break;
		case OPTION_HELP:
			print_usage(stdout);
			exit(EXIT_SUCCESS);
		case OPTION_VERSION:
			puts("wsgated " PACKAGE_VERSION);
			exit(EXIT_SUCCESS);
		default:
			print_usage(stderr);
			exit(STATUS_USAGE);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "wsgated: unexpected argument '%s'\n", argv[optind]);
		print_usage(stderr);
		exit(STATUS_USAGE);
	}
}

int main(int argc, char **argv)
{
	struct options options = {.file = DEFAULT_FILE};

	process_ignore_signals();
	process_hold_signals(true);
	process_keep_memory_private();
	process_return_memory();
	parse_options(argc, argv, &options);
	if (!options.test)
		return run(options.file);
	process_hold_signals(false);
	return test_configuration(options.file);
}
