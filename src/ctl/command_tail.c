#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/packet.h"
#include "base/text.h"
#include "ctl/command.h"
#include "ctl/commands.h"
#include "ctl/print.h"
#include "wsgate.h"

enum { TAIL_READ_SIZE = 64 * 1024 };

/* The outlet as this program reads it. */
struct tail {
	int fd;     /* not for `frames` */
	bool clean; /* standard output is a terminal: no control characters */
	bool json;
	struct buffer input;
	struct wsgate_options options; /* `frames` */
};

/* The outlet of that name in the daemon's list, or NULL. */
static const json_t *tail_find(const json_t *outlets, const char *name)
{
	const json_t *outlet;
	size_t i;

	json_array_foreach (outlets, i, outlet) {
		const char *other = json_string_value(json_object_get(outlet, "name"));

		if (other && strcmp(other, name) == 0)
			return outlet;
	}
	return NULL;
}

/* Appends what has come; false at the end of the stream. */
static bool tail_receive(struct tail *tail)
{
	uint8_t *room = buffer_reserve(&tail->input, TAIL_READ_SIZE);
	ssize_t length;

	do
		length = recv(tail->fd, room, TAIL_READ_SIZE, 0);
	while (length < 0 && errno == EINTR);
	if (length > 0)
		buffer_commit(&tail->input, (size_t)length);
	return length > 0;
}

/* Newlines stay: they are part of the format. */
static void tail_write(const struct tail *tail, const void *data, size_t length)
{
	const char *text = data, *newline;
	char *clean;

	if (!tail->clean) {
		fwrite(data, 1, length, stdout);
		return;
	}
	while (length) {
		newline = memchr(text, '\n', length);
		size_t part = newline ? (size_t)(newline - text) : length;

		clean = print_clean(text, part);
		fputs(clean, stdout);
		free(clean);
		if (newline) {
			putchar('\n');
			part++;
		}
		text += part;
		length -= part;
	}
}

/* `lines` and `json`: as it comes. */
static void tail_stream(struct tail *tail)
{
	struct buffer *input = &tail->input;

	while (tail_receive(tail)) {
		size_t length = input->length;

		if (tail->clean) /* the rest of its last character may still be to come */
			length = text_whole((const char *)buffer_data(input), length);
		tail_write(tail, buffer_data(input), length);
		if (length == input->length)
			buffer_clear(input);
		else
			buffer_consume(input, length);
		command_flush();
	}
	tail_write(tail, buffer_data(input), input->length);
}

/* Flushes before it waits. */
static enum packet_next tail_next_packet(const struct tail *tail, size_t *length)
{
	enum packet_next next = packet_peek(tail->fd, MSG_DONTWAIT, length);

	if (next == PACKET_NONE) {
		command_flush();
		next = packet_peek(tail->fd, 0, length);
	}
	return next;
}

/* `packets`: each as a line. */
static void tail_packets(struct tail *tail)
{
	enum packet_next next;
	size_t length;

	packet_prepare(tail->fd);
	while ((next = tail_next_packet(tail, &length)) != PACKET_END) {
		uint8_t *room;

		if (next == PACKET_NONE)
			continue;
		room = buffer_reserve(&tail->input, length + 1);
		if (recv(tail->fd, room, length, 0) != (ssize_t)length)
			continue;
		tail_write(tail, room, length);
		putchar('\n');
	}
	command_flush();
}

static const char *tail_type_name(uint32_t type)
{
	static const char *const names[] = {
		[WSGATE_TEXT] = "text",
		[WSGATE_BINARY] = "binary",
		[WSGATE_OPEN] = "open",
		[WSGATE_CLOSE] = "close",
		[WSGATE_GAP] = "gap",
	};

	return type && type < sizeof(names) / sizeof(*names) ? names[type] : "unknown";
}

/* Texts under "data", JSON details as they are, the rest as base64. */
static void tail_set_payload(json_t *object, const struct wsgate_record *record)
{
	json_t *json = NULL;
	char *base64;

	if (record->type == WSGATE_OPEN || record->type == WSGATE_CLOSE)
		json = json_loadb(record->payload, record->length, 0, NULL);
	else if (record->type == WSGATE_TEXT)
		json = json_stringn(record->payload, record->length);
	if (json) {
		json_object_set_new(object, "data", json);
		return;
	}
	base64 = alloc_zero(1, text_base64_length(record->length) + 1);
	text_base64_encode(base64, record->payload, record->length);
	json_object_set_new(object, "base64", json_string(base64));
	free(base64);
}

static void tail_print_json(const struct wsgate_record *record)
{
	json_t *object = json_pack("{s:I,s:s}", "seq", (json_int_t)record->seq, "type",
		tail_type_name(record->type));
	char time[CLOCK_TEXT_SIZE];

	if (record->time) {
		clock_format(time, record->time);
		json_object_set_new(object, "time", json_string(time));
	}
	if (record->name)
		json_object_set_new(object, "connection", json_string(record->name));
	if (record->type == WSGATE_GAP) {
		json_object_set_new(object, "from", json_integer((json_int_t)record->from));
		json_object_set_new(object, "to", json_integer((json_int_t)record->to));
	} else {
		tail_set_payload(object, record);
	}
	print_json(stdout, object);
	json_decref(object);
}

static void tail_print_record(const struct tail *tail, const struct wsgate_record *record)
{
	if (tail->json) {
		tail_print_json(record);
	} else if (record->type == WSGATE_TEXT || record->type == WSGATE_BINARY) {
		tail_write(tail, record->payload, record->length);
		putchar('\n');
	} else if (record->type == WSGATE_GAP) {
		fflush(stdout);
		fprintf(stderr, "wsgatectl: records %llu to %llu are missing here\n",
			(unsigned long long)record->from, (unsigned long long)record->to);
	}
}

/* With --json, the daemon's answer is the first record. */
static void tail_print_hello(const struct tail *tail, const struct wsgate_info *info)
{
	json_t *object;

	if (tail->json) {
		object = json_pack("{s:I,s:s,s:o*}", "seq", (json_int_t)info->next, "type", "hello",
			"data", json_loads(info->hello, 0, NULL));
		print_json(stdout, object);
		json_decref(object);
	} else if (info->anew) {
		fputs("wsgatectl: that record does not exist yet: the outlet has restarted its numbering\n",
			stderr);
	}
	command_flush();
}

/* The next record; flushes before it waits. */
static enum wsgate_result tail_next_record(struct wsgate *gate, const struct wsgate_record **record)
{
	enum wsgate_result result = wsgate_next(gate, record, 0);

	while (result == WSGATE_AGAIN) {
		command_flush();
		result = wsgate_next(gate, record, -1);
	}
	return result;
}

/* --timeout as the library has it. */
static int tail_timeout_ms(const struct ctl *ctl)
{
	uint64_t ms = ctl->client.timeout / CLOCK_NS_PER_MS;

	if (ctl->client.timeout == 0)
		return -1;
	return ms < INT_MAX ? (int)ms : INT_MAX;
}

static int tail_frames(struct ctl *ctl, struct tail *tail)
{
	const struct wsgate_record *record;
	struct wsgate *gate;
	enum wsgate_result result;

	rpc_client_close(&ctl->client);
	tail->options.timeout_ms = tail_timeout_ms(ctl);
	result = wsgate_open(&gate, &tail->options);
	if (result == WSGATE_OK) {
		tail_print_hello(tail, wsgate_info(gate));
		while ((result = tail_next_record(gate, &record)) == WSGATE_OK)
			tail_print_record(tail, record);
		command_flush();
	}
	if (result == WSGATE_ERROR_REFUSED)
		command_refuse(ctl, NULL, wsgate_error(gate));
	else if (result != WSGATE_END)
		command_tell("%s", wsgate_error(gate));
	wsgate_close(gate);
	if (result == WSGATE_END)
		return CTL_DONE;
	return result == WSGATE_ERROR_REFUSED ? CTL_REFUSED : CTL_NO_DAEMON;
}

/* Outlets of these formats give no sign of life; the control socket does. */
static void tail_check_life(struct ctl *ctl)
{
	json_decref(command_ask(ctl, "version", NULL));
	rpc_client_close(&ctl->client);
}

/* `lines`, `json` and `packets`: through a socket of our own. */
static int tail_socket(struct ctl *ctl, struct tail *tail, const char *path, bool packets)
{
	struct error error;

	tail->fd = rpc_client_connect_socket(path, packets ? SOCK_SEQPACKET : SOCK_STREAM,
		ctl->client.timeout, &error);
	if (tail->fd < 0)
		command_no_daemon(&error);
	tail_check_life(ctl);
	if (packets)
		tail_packets(tail);
	else
		tail_stream(tail);
	close(tail->fd);
	buffer_release(&tail->input);
	return CTL_DONE;
}

static int tail_outlet(struct ctl *ctl, struct tail *tail, const json_t *outlet)
{
	const char *format = json_string_value(json_object_get(outlet, "format"));
	const char *path = json_string_value(json_object_get(outlet, "path"));

	if (!format || !path)
		return CTL_REFUSED;
	tail->options.path = path;
	if (strcmp(format, "frames") == 0)
		return tail_frames(ctl, tail);
	if (tail->options.start != WSGATE_START_DEFAULT)
		command_misuse(ctl,
			"--oldest and --after require an outlet with the format 'frames'");
	return tail_socket(ctl, tail, path, strcmp(format, "packets") == 0);
}

static void tail_read_options(struct ctl *ctl, int argc, char **argv,
	struct wsgate_options *options)
{
	static const struct option letters[] = {
		{"oldest", no_argument, NULL, 'o'},
		{"after", required_argument, NULL, 'a'},
		COMMAND_OPTIONS,
	};
	json_t *after;
	int letter;

	while ((letter = command_option(ctl, argc, argv, "s:h", letters)) != -1) {
		if (options->start != WSGATE_START_DEFAULT)
			command_misuse(ctl, "--oldest and --after exclude each other");
		options->start = letter == 'o' ? WSGATE_START_OLDEST : WSGATE_START_AFTER;
		if (letter != 'a')
			continue;
		after = command_integer(ctl, "--after", optarg);
		if (json_integer_value(after) < 0)
			command_misuse(ctl, "--after must not be negative");
		options->after = (uint64_t)json_integer_value(after);
		json_decref(after);
	}
}

static int run_tail(struct ctl *ctl, int argc, char **argv)
{
	struct tail tail = {
		.fd = -1,
		.clean = isatty(STDOUT_FILENO),
		.options = WSGATE_OPTIONS_INIT,
	};
	struct error error;
	const json_t *outlet;
	json_t *outlets;
	const char *name;
	int status;

	tail_read_options(ctl, argc, argv, &tail.options);
	tail.json = ctl->json;
	name = *command_arguments(ctl, argc, argv, 1, 1);
	outlets = command_call(ctl, "outlets", NULL);
	if (!outlets)
		return CTL_REFUSED;
	outlet = tail_find(outlets, name);
	if (outlet) {
		status = tail_outlet(ctl, &tail, outlet);
	} else {
		error_set(&error, ERROR_NOT_FOUND, "no outlet named '%s'", name);
		status = command_refuse(ctl, error.name, error.text);
	}
	json_decref(outlets);
	return status;
}

const struct command command_tail = {
	.name = "tail",
	.arguments = "[--oldest|--after=SEQ] OUTLET",
	.summary = "Prints an outlet's messages as they come",
	.details =
		"Runs until interrupted, or until the outlet ends. Of a 'frames' outlet it prints the\n"
		"payloads, one per line, or with --json each record as an object. On a terminal,\n"
		"control characters are escaped.\n"
		"\n"
		"  --oldest     'frames': begin with the oldest record still in the ring\n"
		"  --after=SEQ  'frames': begin with the record after number SEQ\n",
	.run = run_tail,
};
