#include "ctl/command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "ctl/print.h"

enum { COMMAND_REFUSED = -32000 }; /* the protocol's code for "the daemon cannot do it" */

static void command_usage(FILE *out, const struct command *command)
{
	fprintf(out, "Usage: wsgatectl [OPTION]... %s%s%s\n", command->name,
		*command->arguments ? " " : "", command->arguments);
}

static void command_help(const struct command *command)
{
	command_usage(stdout, command);
	printf("%s.\n", command->summary);
	if (command->details)
		printf("\n%s", command->details);
	puts("\nCommon options: --json, --no-color, --socket=PATH, --timeout=TIME, --help; see wsgatectl(1).");
}

void command_misuse(struct ctl *ctl, const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "wsgatectl: %s: ", ctl->command->name);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputs("\n", stderr);
	command_usage(stderr, ctl->command);
	exit(CTL_USAGE);
}

void command_tell(const char *format, ...)
{
	va_list arguments;
	char *text, *clean;
	int length;

	va_start(arguments, format);
	length = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (length < 0)
		return;
	clean = print_clean(text, (size_t)length);
	fprintf(stderr, "wsgatectl: %s\n", clean);
	free(clean);
	free(text);
}

void command_no_daemon(const struct error *error)
{
	command_tell("%s", error->text);
	exit(CTL_NO_DAEMON);
}

void command_bad_answer(void)
{
	command_tell("unexpected answer from the daemon");
	exit(CTL_NO_DAEMON);
}

bool command_duration(const char *text, uint64_t *ns)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = {
		{"ms", CLOCK_NS_PER_MS},
		{"s", CLOCK_NS_PER_SECOND},
		{"m", 60 * CLOCK_NS_PER_SECOND},
	};
	size_t digits = strspn(text, "0123456789");
	unsigned long number = strtoul(text, NULL, 10);

	if (!digits || digits > 7)
		return false;
	*ns = 0;
	if (number == 0 && !text[digits])
		return true;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (strcmp(text + digits, units[i].name) == 0)
			*ns = number * units[i].ns;
	}
	return *ns || number == 0;
}

int command_option(struct ctl *ctl, int argc, char **argv, const char *letters,
	const struct option *options)
{
	int letter;

	while ((letter = getopt_long(argc, argv, letters, options, NULL)) != -1) {
		switch (letter) {
		case 'h':
			command_help(ctl->command);
			exit(CTL_DONE);
		case 'j':
			ctl->json = true;
			break;
		case 'n':
			ctl->color = false;
			break;
		case 's':
			ctl->socket = optarg;
			break;
		case COMMAND_TIMEOUT:
			if (!command_duration(optarg, &ctl->client.timeout))
				command_misuse(ctl,
					"--timeout must be like 500ms, 10s or 2m, not '%s'",
					optarg);
			break;
		case '?':
			command_usage(stderr, ctl->command);
			exit(CTL_USAGE);
		default:
			return letter;
		}
	}
	return -1;
}

void command_no_options(struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {COMMAND_OPTIONS};

	command_option(ctl, argc, argv, "s:h", options);
}

char **command_arguments(struct ctl *ctl, int argc, char **argv, int minimum, int maximum)
{
	if (argc - optind < minimum)
		command_misuse(ctl, "missing argument");
	if (argc - optind > maximum)
		command_misuse(ctl, "unexpected argument '%s'", argv[optind + maximum]);
	return argv + optind;
}

json_t *command_ask(struct ctl *ctl, const char *method, json_t *parameters)
{
	struct error error;
	json_t *answer = NULL;

	if (ctl->client.fd >= 0 || rpc_client_open(&ctl->client, ctl->socket, &error))
		answer = rpc_client_call(&ctl->client, method, parameters, &error);
	else
		json_decref(parameters);
	if (!answer)
		command_no_daemon(&error);
	if (!json_object_get(answer, "result") && !json_is_object(json_object_get(answer, "error")))
		command_bad_answer();
	return answer;
}

static void command_complain_line(const json_t *message, const char *name)
{
	char *text = print_scalar(message);

	command_tell("%s%s%s%s", text, name ? " (" : "", name ? name : "", name ? ")" : "");
	free(text);
}

void command_complain(const struct ctl *ctl, const json_t *error)
{
	const json_t *data = json_object_get(error, "data");
	const char *name = json_string_value(json_object_get(data, "err"));
	const json_t *problems = json_object_get(data, "problems"), *problem;
	size_t i;

	fflush(stdout);
	if (ctl->json) {
		print_json(stderr, error);
		return;
	}
	if (!json_array_size(problems))
		command_complain_line(json_object_get(error, "message"), name);
	json_array_foreach (problems, i, problem)
		command_complain_line(problem, name);
}

int command_refuse(const struct ctl *ctl, const char *name, const char *text)
{
	json_t *error = json_pack("{s:i,s:s,s:{s:s*}}", "code", COMMAND_REFUSED, "message", text,
		"data", "err", name);

	command_complain(ctl, error);
	json_decref(error);
	return CTL_REFUSED;
}

/* The library's own text for U+0000 names a flag of its API. */
const char *command_json_fault(const json_error_t *error)
{
	return json_error_code(error) == json_error_null_character
		? "the character U+0000 is not allowed"
		: error->text;
}

json_t *command_call(struct ctl *ctl, const char *method, json_t *parameters)
{
	json_t *answer = command_ask(ctl, method, parameters);
	json_t *result = json_incref(json_object_get(answer, "result"));

	if (!result)
		command_complain(ctl, json_object_get(answer, "error"));
	json_decref(answer);
	return result;
}

int command_show(struct ctl *ctl, const char *method, json_t *parameters,
	void (*show)(struct ctl *ctl, const json_t *result))
{
	json_t *result = command_call(ctl, method, parameters);

	if (!result)
		return CTL_REFUSED;
	if (ctl->json)
		print_json(stdout, result);
	else
		show(ctl, result);
	json_decref(result);
	return CTL_DONE;
}

static void command_show_nothing(struct ctl *ctl, const json_t *result)
{
	(void)ctl;
	(void)result;
}

int command_do(struct ctl *ctl, const char *method, json_t *parameters)
{
	return command_show(ctl, method, parameters, command_show_nothing);
}

json_t *command_name(const char *name)
{
	json_t *parameters = json_pack("{s:s}", "name", name);

	return parameters ? parameters : json_object(); /* not UTF-8: "name is missing" */
}

json_t *command_integer(struct ctl *ctl, const char *what, const char *text)
{
	long long number;
	char *end;

	errno = 0;
	number = strtoll(text, &end, 10);
	if (errno || end == text || *end)
		command_misuse(ctl, "%s must be an integer, not '%s'", what, text);
	return json_integer(number);
}

void command_flush(void)
{
	if (fflush(stdout) != 0)
		exit(CTL_REFUSED);
}

int command_follow(struct ctl *ctl, command_follower show, void *context)
{
	struct error error;
	json_t *message;

	while ((message = rpc_client_next(&ctl->client, &error))) {
		show(ctl, json_string_value(json_object_get(message, "method")),
			json_object_get(message, "params"), context);
		command_flush();
		json_decref(message);
	}
	command_no_daemon(&error);
}
