#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/text.h"
#include "ctl/command.h"
#include "ctl/commands.h"

static int send_message(struct ctl *ctl, const char *name, bool binary, const void *data,
	size_t length)
{
	json_t *parameters = command_name(name);
	char *base64;

	if (binary) {
		base64 = alloc_zero(1, text_base64_length(length) + 1);
		text_base64_encode(base64, data, length);
		json_object_set_new(parameters, "base64", json_string(base64));
		free(base64);
	} else if (memchr(data, '\0', length)) {
		command_misuse(ctl, "the message has a NUL byte: send it with --binary");
	} else if (json_object_set_new(parameters, "text", json_stringn(data, length))) {
		command_misuse(ctl, "the message is not UTF-8: send it with --binary");
	}
	return command_do(ctl, "send", parameters);
}

static int send_input(struct ctl *ctl, const char *name, bool binary)
{
	struct buffer input = {0};
	size_t length;
	int status;

	do {
		length = fread(buffer_reserve(&input, 65536), 1, 65536, stdin);
		buffer_commit(&input, length);
	} while (length);
	if (ferror(stdin)) {
		perror("wsgatectl: cannot read standard input");
		status = CTL_USAGE;
	} else {
		status = send_message(ctl, name, binary, buffer_data(&input), input.length);
	}
	buffer_release(&input);
	return status;
}

static int send_lines(struct ctl *ctl, const char *name, bool binary)
{
	int status = CTL_DONE;
	char *line = NULL;
	size_t room = 0;
	ssize_t length;

	while (status == CTL_DONE && (length = getline(&line, &room, stdin)) > 0) {
		if (line[length - 1] == '\n')
			length--;
		status = send_message(ctl, name, binary, line, (size_t)length);
	}
	free(line);
	return status;
}

static int run_send(struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {
		{"binary", no_argument, NULL, 'b'},
		{"lines", no_argument, NULL, 'l'},
		COMMAND_OPTIONS,
	};
	bool binary = false, lines = false;
	char **arguments;
	int letter;

	while ((letter = command_option(ctl, argc, argv, "s:h", options)) != -1) {
		if (letter == 'b')
			binary = true;
		else
			lines = true;
	}
	arguments = command_arguments(ctl, argc, argv, 2, 2);
	if (strcmp(arguments[1], "-") != 0) {
		if (lines)
			command_misuse(ctl, "--lines requires '-' (standard input)");
		return send_message(ctl, arguments[0], binary, arguments[1], strlen(arguments[1]));
	}
	return lines ? send_lines(ctl, arguments[0], binary)
		     : send_input(ctl, arguments[0], binary);
}

const struct command command_send = {
	.name = "send",
	.arguments = "[--binary] [--lines] NAME TEXT|-",
	.summary = "Sends a message to the server",
	.details = "Sends TEXT as one text message; with '-', standard input as one message.\n"
		   "Put '--' before a TEXT that begins with a dash.\n\n"
		   "      --binary  send a binary message\n"
		   "      --lines   with '-': each line of standard input is a message\n",
	.run = run_send,
};
