#include "ctl/tail.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/packet.h"
#include "base/text.h"
#include "ctl/print.h"
#include "outlet/frames.h"

enum { TAIL_READ_SIZE = 64 * 1024 };

/* The outlet as this program reads it. */
struct tail {
	int fd;
	bool clean; /* standard output is a terminal: no control characters */
	bool json;
	struct buffer input;
	json_t *names; /* frames: of the connections, by index */
};

/* The outlet of that name in the daemon's list, or NULL. */
static const json_t *tail_find(const json_t *outlets, const char *name)
{
	const json_t *outlet;
	size_t i;

	json_array_foreach(outlets, i, outlet) {
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

/* Newlines stay: they are the format's, or as good as that. */
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
	while (tail_receive(tail)) {
		tail_write(tail, buffer_data(&tail->input), tail->input.length);
		buffer_clear(&tail->input);
		command_flush();
	}
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

static const char *tail_type_name(uint8_t type)
{
	static const char *const names[] = {
		[FRAMES_TEXT] = "text",
		[FRAMES_BINARY] = "binary",
		[FRAMES_OPEN] = "open",
		[FRAMES_CLOSE] = "close",
		[FRAMES_GAP] = "gap",
		[FRAMES_NAME] = "name",
		[FRAMES_HELLO] = "hello",
		[FRAMES_ERROR] = "error",
	};

	return type && type < sizeof(names) / sizeof(*names) ? names[type] : "unknown";
}

/* Texts under "data", JSON details as they are, the rest as base64. */
static void tail_set_payload(json_t *object, uint8_t type, const void *payload, size_t length)
{
	struct frames_gap gap;
	json_t *json = NULL;
	char *base64;

	if (type == FRAMES_OPEN || type == FRAMES_CLOSE || type == FRAMES_HELLO)
		json = json_loadb(payload, length, 0, NULL);
	else if (type != FRAMES_BINARY)
		json = json_stringn(payload, length);
	if (type == FRAMES_GAP && length == sizeof(gap)) {
		memcpy(&gap, payload, sizeof(gap));
		json_object_set_new(object, "from", json_integer((json_int_t)le64toh(gap.from)));
		json_object_set_new(object, "to", json_integer((json_int_t)le64toh(gap.to)));
		json_decref(json);
	} else if (json) {
		json_object_set_new(object, "data", json);
	} else {
		base64 = alloc_zero(1, text_base64_length(length) + 1);
		text_base64_encode(base64, payload, length);
		json_object_set_new(object, "base64", json_string(base64));
		free(base64);
	}
}

static void tail_print_json(struct tail *tail, const struct frames_header *header,
	const void *payload)
{
	json_t *object = json_pack("{s:I,s:s}", "seq", (json_int_t)le64toh(header->seq), "type",
		tail_type_name(header->type));
	json_t *name = json_array_get(tail->names, le32toh(header->connection));
	char time[CLOCK_TEXT_SIZE];

	if (header->time) {
		clock_format(time, le64toh(header->time));
		json_object_set_new(object, "time", json_string(time));
	}
	if (name)
		json_object_set(object, "connection", name);
	tail_set_payload(object, header->type, payload, le32toh(header->length));
	print_json(object);
	json_decref(object);
}

/* What a hello and a name record say about the connections. */
static void tail_learn_names(struct tail *tail, const struct frames_header *header,
	const void *payload)
{
	size_t index = le32toh(header->connection);
	json_t *hello;

	if (header->type == FRAMES_HELLO) {
		hello = json_loadb(payload, le32toh(header->length), 0, NULL);
		json_decref(tail->names);
		tail->names = json_incref(json_object_get(hello, "connections"));
		json_decref(hello);
	} else if (header->type == FRAMES_NAME && index < 65536) {
		while (json_array_size(tail->names) <= index)
			if (json_array_append_new(tail->names, json_null()))
				return;
		json_array_set_new(tail->names, index,
			json_stringn(payload, le32toh(header->length)));
	}
}

static void tail_print_record(struct tail *tail, const struct frames_header *header,
	const void *payload)
{
	tail_learn_names(tail, header, payload);
	if (tail->json) {
		tail_print_json(tail, header, payload);
	} else if (header->type == FRAMES_TEXT || header->type == FRAMES_BINARY) {
		tail_write(tail, payload, le32toh(header->length));
		putchar('\n');
	} else if (header->type == FRAMES_ERROR) {
		fflush(stdout);
		fprintf(stderr, "wsgatectl: %.*s\n", (int)le32toh(header->length),
			(const char *)payload);
	}
}

/* Prints the whole records that are there; false if it is not the format. */
static bool tail_take_records(struct tail *tail)
{
	struct frames_header header;
	size_t size;

	while (tail->input.length >= FRAMES_HEADER_SIZE) {
		memcpy(&header, buffer_data(&tail->input), sizeof(header));
		size = le32toh(header.size);
		if (size < FRAMES_HEADER_SIZE || le32toh(header.length) > size - FRAMES_HEADER_SIZE)
			return false;
		if (tail->input.length < size)
			break;
		tail_print_record(tail, &header, buffer_data(&tail->input) + FRAMES_HEADER_SIZE);
		buffer_consume(&tail->input, size);
	}
	return true;
}

static int tail_frames(struct tail *tail)
{
	const struct frames_hello hello = {
		.magic = FRAMES_MAGIC,
		.version = FRAMES_VERSION,
		.start = FRAMES_START_DEFAULT,
		.mode = FRAMES_MODE_BYTES,
	};

	if (send(tail->fd, &hello, sizeof(hello), MSG_NOSIGNAL) != (ssize_t)sizeof(hello)) {
		perror("wsgatectl: cannot write to the outlet");
		return CTL_NO_DAEMON;
	}
	while (tail_receive(tail)) {
		if (!tail_take_records(tail)) {
			fputs("wsgatectl: the outlet does not keep to the frames format\n", stderr);
			return CTL_NO_DAEMON;
		}
		command_flush();
	}
	return CTL_DONE;
}

static int tail_outlet(struct ctl *ctl, const json_t *outlet)
{
	const char *format = json_string_value(json_object_get(outlet, "format"));
	const char *path = json_string_value(json_object_get(outlet, "path"));
	bool packets = format && strcmp(format, "packets") == 0;
	struct tail tail = {.clean = isatty(STDOUT_FILENO), .json = ctl->json};
	struct error error;
	int status = CTL_DONE;

	tail.fd = client_connect_socket(path ? path : "", packets ? SOCK_SEQPACKET : SOCK_STREAM,
		&error);
	if (tail.fd < 0)
		command_no_daemon(&error);
	if (format && strcmp(format, "frames") == 0)
		status = tail_frames(&tail);
	else if (packets)
		tail_packets(&tail);
	else
		tail_stream(&tail);
	close(tail.fd);
	buffer_release(&tail.input);
	json_decref(tail.names);
	return status;
}

int tail_run(struct ctl *ctl, int argc, char **argv)
{
	const json_t *outlet;
	json_t *outlets;
	const char *name;
	int status;

	command_no_options(ctl, argc, argv);
	name = *command_arguments(ctl, argc, argv, 1, 1);
	outlets = command_call(ctl, "outlets", NULL);
	if (!outlets)
		return CTL_REFUSED;
	outlet = tail_find(outlets, name);
	client_close(&ctl->client);
	if (!outlet)
		fprintf(stderr, "wsgatectl: there is no outlet '%s' (NOT-FOUND)\n", name);
	status = outlet ? tail_outlet(ctl, outlet) : CTL_REFUSED;
	json_decref(outlets);
	return status;
}
