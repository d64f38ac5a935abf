#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/json_put.h"
#include "outlet/frames.h"
#include "outlet/outlet_private.h"

/* How a subscriber of a `frames` outlet begins: it says where in the stream, and is told who is. */

static void join_fail(struct subscriber *subscriber, const char *text)
{
	input_error(subscriber, text);
	subscriber_fail(subscriber, text, "bad hello");
}

static void join_put_names(struct json_writer *json, const struct outlet *outlet)
{
	json_put_array(json, "connections");
	for (unsigned i = 0; i < outlet->source_count; i++) {
		const char *name = outlet->sources[i].name;

		if (name)
			json_put_text(json, NULL, name);
		else
			json_put_raw(json, NULL, "null");
	}
	json_put_array_end(json);
}

/* The memory, and the records that are in it, for who is about to map it. */
static void join_put_ring(struct json_writer *json, struct outlet *outlet, uint64_t next)
{
	ring_publish(&outlet->ring);
	json_put_object(json, "ring");
	json_put_number(json, "size", outlet->ring.size);
	json_put_number(json, "position", ring_start(&outlet->ring, next));
	json_put_object_end(json);
}

static void join_answer(struct subscriber *subscriber, uint64_t next, uint64_t missing, bool ahead)
{
	struct outlet *outlet = subscriber->outlet;
	struct buffer hello = {0};
	struct json_writer json = {&hello, false};

	json_put_object(&json, NULL);
	json_put_text(&json, "outlet", outlet->settings.name);
	json_put_number(&json, "begun", outlet->begun);
	join_put_names(&json, outlet);
	json_put_number(&json, "next", next);
	json_put_number(&json, "missing", missing);
	json_put_boolean(&json, "ahead", ahead);
	if (subscriber->mode)
		join_put_ring(&json, outlet, next);
	json_put_object_end(&json);
	subscriber->named = outlet->source_count;
	encode_frames_append(&subscriber->aside, FRAMES_HELLO, next, FRAMES_NO_CONNECTION,
		buffer_data(&hello), hello.length);
	buffer_release(&hello);
}

static void join_start(struct subscriber *subscriber, const struct frames_hello *hello)
{
	const struct outlet *outlet = subscriber->outlet;
	const struct ring *ring = &outlet->ring;
	uint64_t after = le64toh(hello->seq);
	uint64_t next = ring->next;
	uint64_t missing = 0;

	if (hello->start == FRAMES_START_AFTER && after < ring->next) {
		next = after + 1 > ring->first ? after + 1 : ring->first;
		missing = next - after - 1;
	} else if (hello->start == FRAMES_START_OLDEST ||
		(hello->start == FRAMES_START_DEFAULT &&
			outlet->settings.start == OUTLET_OLDEST)) {
		next = ring->first;
	}
	join_answer(subscriber, next, missing,
		hello->start == FRAMES_START_AFTER && after >= ring->next);
	subscriber_attach(subscriber, ring_start(ring, next));
}

static const char *join_fault(const struct frames_hello *hello)
{
	static const uint8_t zero[sizeof(hello->zero)];

	if (hello->version != FRAMES_VERSION)
		return "this version of the protocol is not available, only 1 is";
	if (hello->start > FRAMES_START_AFTER)
		return "byte 7 of the hello, start, must be 0 to 3";
	if (hello->mode > FRAMES_MODE_RING_QUIET)
		return "byte 8 of the hello, mode, must be 0 to 2";
	if (memcmp(hello->zero, zero, sizeof(zero)) != 0)
		return "bytes 9 to 15 of the hello must be 0";
	if (hello->seq && hello->start != FRAMES_START_AFTER)
		return "seq of the hello must be 0 unless start is 3";
	return NULL;
}

/* That an outlet does not share its ring is no error: who asks may not know, and then does without. */
static void join_take(struct subscriber *subscriber, const struct frames_hello *hello)
{
	bool mapped = hello->mode != FRAMES_MODE_BYTES;
	const char *fault = join_fault(hello);

	if (fault) {
		join_fail(subscriber, fault);
		return;
	}
	fault = mapped ? mapped_fault(subscriber->outlet) : NULL;
	if (fault) {
		subscriber_fail(subscriber, fault, "no ring");
		return;
	}
	subscriber->mode = hello->mode;
	subscriber->hands_over = mapped;
	join_start(subscriber, hello);
}

/* Whether what there is of the magic is right: who expects a line of text is told at once. */
static bool join_magic_fits(const struct buffer *input)
{
	size_t length = strlen(FRAMES_MAGIC);

	return memcmp(buffer_data(input), FRAMES_MAGIC,
		       input->length < length ? input->length : length) == 0;
}

/* Reads the hello and not a byte more: what follows is input like any other. */
void join_read(struct subscriber *subscriber)
{
	struct buffer *input = &subscriber->input;
	size_t missing = FRAMES_HELLO_SIZE - input->length;
	struct frames_hello hello;
	ssize_t got = recv(subscriber->fd, buffer_reserve(input, missing), missing, MSG_DONTWAIT);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		subscriber_leave(subscriber, "left");
		return;
	}
	buffer_commit(input, (size_t)got);
	if (!join_magic_fits(input)) {
		join_fail(subscriber, "this is a frames outlet: a hello must come first, "
				      "which begins with WSGATE");
		return;
	}
	if (input->length < FRAMES_HELLO_SIZE)
		return;

	memcpy(&hello, buffer_data(input), sizeof(hello));
	buffer_release(input);
	join_take(subscriber, &hello);
}

static void join_on_timeout(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	join_fail(context, "no hello arrived in time");
}

void join_begin(struct subscriber *subscriber)
{
	const struct timeval limit = clock_timeval(subscriber->outlet->hello_timeout);

	/* There is nothing to send yet, so the event for that is free to be a timer. */
	evtimer_assign(&subscriber->output_event, subscriber->outlet->base, join_on_timeout,
		subscriber);
	event_add(&subscriber->output_event, &limit);
	event_add(&subscriber->input_event, NULL);
}

void join_repeat_names(struct subscriber *subscriber)
{
	const struct outlet *outlet = subscriber->outlet;

	if (outlet->settings.format != OUTLET_FRAMES)
		return;
	for (unsigned i = subscriber->named; i < outlet->source_count; i++) {
		const struct outlet_source *source = &outlet->sources[i];

		if (source->name && source->announced)
			encode_frames_append(&subscriber->aside, FRAMES_NAME,
				subscriber->gap_to + 1, i, source->name, source->length);
	}
}
