#include "outlet_harness.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "outlet/format.h"

static bool harness_on_room(struct outlet *outlet, void *context)
{
	struct harness *harness = context;

	ck_assert_ptr_eq(outlet, harness->outlet);
	harness->rooms++;
	return false;
}

static size_t harness_on_input_max(struct outlet *outlet, void *context)
{
	const struct harness *harness = context;

	(void)outlet;
	return harness->input_max;
}

static bool harness_on_input(struct outlet *outlet, int source, bool binary, const void *data,
	size_t length, void *context)
{
	struct harness *harness = context;

	(void)outlet;
	for (uint64_t start = clock_monotonic(); clock_monotonic() - start < harness->slow;)
		;
	if (harness->one_by_one)
		event_base_loopbreak(harness->base);
	if (harness->refuse) {
		harness->refusals++;
		return false;
	}
	buffer_append_format(&harness->inputs, "%d %s ", source, binary ? "binary" : "text");
	buffer_append(&harness->inputs, data, length);
	buffer_append_text(&harness->inputs, "\n");
	return true;
}

static void harness_on_event(struct outlet *outlet, enum event_type type,
	const struct event_members *members, void *context)
{
	struct harness *harness = context;

	(void)outlet;
	buffer_append_format(&harness->events, "%s ", event_type_name(type));
	event_members_append(&harness->events, members);
	buffer_append_text(&harness->events, "\n");
}

static void harness_on_attended(struct outlet *outlet, void *context)
{
	struct harness *harness = context;

	buffer_append_format(&harness->attended, "%u ", outlet_subscribers(outlet));
}

unsigned harness_format(const char *name)
{
	return choice_find(outlet_formats, name)->value;
}

bool harness_is(const struct harness *harness, const char *format)
{
	return harness->settings.format == harness_format(format);
}

void harness_setup(struct harness *harness, const char *format)
{
	*harness = (struct harness){
		.directory = "/tmp/wsgated-outlet-XXXXXX",
		.input_max = 1 << 20,
	};
	ck_assert_ptr_nonnull(mkdtemp(harness->directory));
	snprintf(harness->path, sizeof(harness->path), "%s/test.sock", harness->directory);
	harness->base = event_base_new();
	harness->log = log_new(LOG_FORMAT_TEXT, LOG_EMERG);
	harness->listeners = listeners_new(harness->base, harness->log);
	harness->shared = inputs_new(harness->base, 64 << 20);
	harness->settings = (struct outlet_settings){
		.name = "test",
		.path = harness->path,
		.format = harness_format(format),
		.ring = 64 << 10,
		.mode = 0600,
		.max_subscribers = 16,
	};
}

void harness_open(struct harness *harness)
{
	struct error error;

	harness->callbacks = (struct outlet_callbacks){
		.context = harness,
		.input = harness_on_input,
		.input_max = harness_on_input_max,
		.attended = harness_on_attended,
		.event = harness_on_event,
	};
	harness->waiter = (struct outlet_waiter){.room = harness_on_room, .context = harness};
	harness->outlet = outlet_new(harness->base, harness->log, harness->listeners,
		harness->shared, &harness->settings, &harness->callbacks, &error);
	ck_assert_msg(harness->outlet != NULL, "%s", error.text);
	ck_assert_uint_eq(outlet_add_source(harness->outlet, "ticker", harness), 0);
	ck_assert_uint_eq(outlet_add_source(harness->outlet, "trades", harness), 1);
}

void harness_teardown(struct harness *harness)
{
	outlet_free(harness->outlet);
	listeners_free(harness->listeners);
	inputs_free(harness->shared);
	event_base_free(harness->base);
	log_free(harness->log);
	buffer_release(&harness->events);
	buffer_release(&harness->inputs);
	buffer_release(&harness->attended);
	ck_assert_int_eq(rmdir(harness->directory), 0);
}

void harness_drain_outlet(struct harness *harness)
{
	for (unsigned source = 0; source < outlet_source_count(harness->outlet); source++)
		outlet_remove_source(harness->outlet, source);
	outlet_drain(harness->outlet);
}

void harness_turn(struct harness *harness)
{
	event_base_loop(harness->base, EVLOOP_NONBLOCK);
}

int harness_connect(struct harness *harness)
{
	struct outlet_counts before = harness_counts(harness), now;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int type = outlet_format(harness->settings.format)->socket_type;
	int fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, harness->path);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	harness->accepted = dup(fd); /* the lowest number is the next one as well */
	close(harness->accepted);
	do {
		harness_turn(harness);
		now = harness_counts(harness);
	} while (now.accepted + now.refused == before.accepted + before.refused);
	return fd;
}

int harness_join(struct harness *harness, enum frames_start start, enum frames_mode mode,
	uint64_t seq)
{
	int fd = harness_connect(harness);
	char byte;

	harness_send_hello(fd, start, mode, seq);
	harness_until(harness, recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1);
	return fd;
}

struct outlet_counts harness_counts(const struct harness *harness)
{
	struct outlet_stats stats;

	outlet_stats(harness->outlet, &stats);
	return stats.counts;
}

static void harness_keep_newest(const struct outlet_subscriber_info *info, void *context)
{
	struct outlet_subscriber_info *newest = context;

	if (info->id > newest->id)
		*newest = *info;
}

struct outlet_subscriber_info harness_info(const struct harness *harness)
{
	struct outlet_subscriber_info newest = {0};

	outlet_each_subscriber(harness->outlet, harness_keep_newest, &newest);
	return newest;
}

void harness_narrow(const struct harness *harness)
{
	int size = 1;

	ck_assert_int_eq(setsockopt(harness->accepted, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)),
		0);
}

void harness_publish(struct harness *harness, unsigned source, enum outlet_message_type type,
	const void *data, size_t length)
{
	const struct outlet_message message = {
		.type = type,
		.source = source,
		.time = UINT64_C(1763835473000001000),
		.data = data,
		.length = length,
	};

	outlet_publish(harness->outlet, &message);
}

void harness_publish_text(struct harness *harness, unsigned source, const char *text)
{
	harness_publish(harness, source, OUTLET_TEXT, text, strlen(text));
}

bool harness_read(int fd, struct buffer *out, size_t limit)
{
	while (limit) {
		size_t wanted = limit < 65536 ? limit : 65536;
		ssize_t got = recv(fd, buffer_reserve(out, wanted), wanted, MSG_DONTWAIT);

		if (got == 0 || (got < 0 && errno == ECONNRESET))
			return false;
		if (got < 0) {
			ck_assert_int_eq(errno, EAGAIN);
			return true;
		}
		buffer_commit(out, (size_t)got);
		limit -= (size_t)got;
	}
	return true;
}

void harness_drain(struct harness *harness, int fd, struct buffer *out)
{
	size_t before;

	do {
		before = out->length;
		harness_turn(harness);
		harness_turn(harness);
		harness_read(fd, out, SIZE_MAX);
	} while (out->length > before);
}

void harness_expect(const struct buffer *buffer, const char *text)
{
	ck_assert_msg(buffer->length == strlen(text) &&
			(buffer->length == 0 ||
				memcmp(buffer_data(buffer), text, buffer->length) == 0),
		"expected:\n%s\nfound:\n%.*s", text, (int)buffer->length,
		(const char *)buffer_data(buffer));
}

void harness_expect_read(struct harness *harness, int fd, const char *text)
{
	struct buffer got = {0};

	harness_drain(harness, fd, &got);
	harness_expect(&got, text);
	buffer_release(&got);
}

bool harness_contains(const struct buffer *buffer, const char *text)
{
	return buffer->length && memmem(buffer_data(buffer), buffer->length, text, strlen(text));
}

void harness_expect_end(struct harness *harness, int fd, struct buffer *out)
{
	harness_until(harness, !harness_read(fd, out, SIZE_MAX));
	close(fd);
}

void harness_send_hello(int fd, enum frames_start start, enum frames_mode mode, uint64_t seq)
{
	const struct frames_hello hello = {
		.magic = FRAMES_MAGIC,
		.version = FRAMES_VERSION,
		.start = (uint8_t)start,
		.mode = (uint8_t)mode,
		.seq = seq,
	};

	ck_assert_int_eq(send(fd, &hello, sizeof(hello), 0), sizeof(hello));
}

void harness_append_record(struct buffer *out, uint8_t type, uint64_t seq, uint32_t connection,
	const void *payload, size_t length)
{
	static const uint8_t zeros[FRAMES_ALIGNMENT];
	size_t padding = (FRAMES_ALIGNMENT - length % FRAMES_ALIGNMENT) % FRAMES_ALIGNMENT;
	const struct frames_header header = {
		.size = (uint32_t)(sizeof(header) + length + padding),
		.length = (uint32_t)length,
		.seq = seq,
		.connection = connection,
		.type = type,
	};

	buffer_append(out, &header, sizeof(header));
	buffer_append(out, payload, length);
	buffer_append(out, zeros, padding);
}

/* The time that a hello tells is no other than 42, if it is now. */
static void harness_hide_begun(char *payload)
{
	char *begun = strstr(payload, "\"begun\":");
	char *end;
	unsigned long long time;

	ck_assert_ptr_nonnull(begun);
	begun += strlen("\"begun\":");
	time = strtoull(begun, &end, 10);
	ck_assert_uint_lt(clock_realtime() / CLOCK_NS_PER_US - time, 60 * 1000 * 1000);
	begun[0] = '4';
	begun[1] = '2';
	memmove(begun + 2, end, strlen(end) + 1);
}

struct frames_header harness_take_record(struct buffer *stream, char *payload, size_t size)
{
	struct frames_header header;

	ck_assert_uint_ge(stream->length, sizeof(header));
	memcpy(&header, buffer_data(stream), sizeof(header));
	ck_assert_uint_ge(stream->length, header.size);
	ck_assert_uint_lt(header.length, size);
	memcpy(payload, buffer_data(stream) + sizeof(header), header.length);
	payload[header.length] = '\0';
	if (header.type == FRAMES_HELLO)
		harness_hide_begun(payload);
	buffer_consume(stream, header.size);
	return header;
}

void harness_expect_record(struct buffer *stream, uint8_t type, uint64_t seq, uint32_t connection,
	const char *payload)
{
	char found[1024];
	struct frames_header header = harness_take_record(stream, found, sizeof(found));

	ck_assert_uint_eq(header.type, type);
	ck_assert_uint_eq(header.seq, seq);
	ck_assert_uint_eq(header.connection, connection);
	ck_assert_str_eq(found, payload);
}
