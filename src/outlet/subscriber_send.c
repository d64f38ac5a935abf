#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "outlet/subscriber.h"

/* From the ring to a subscriber's socket. */

enum { SUBSCRIBER_PARTS = 3 }; /* the rest of a record, bytes set aside, and the ring */

/* The names that may have been lost in the gap. */
static void subscriber_repeat_names(struct subscriber *subscriber)
{
	const struct outlet_core *core = subscriber->all->core;
	const struct sources *sources = &core->sources;

	if (!core->format->name)
		return;
	if (sources->version == subscriber->named)
		return;
	for (unsigned i = 0; i < sources->count; i++) {
		const struct source *source = &sources->items[i];

		if (source->name && source->version >= subscriber->named && source->announced)
			core->format->name(&subscriber->aside, subscriber->reader.gap_to + 1, i,
				&sources->items[i]);
	}
}

static void subscriber_announce_gap(struct subscriber *subscriber)
{
	const struct outlet_format *format = subscriber->all->core->format;
	struct reader *reader = &subscriber->reader;

	if (format->gap) {
		uint8_t *notice = buffer_reserve(&subscriber->aside, FORMAT_GAP_MAX);

		buffer_commit(&subscriber->aside,
			format->gap(notice, reader->gap_from, reader->gap_to));
		subscriber_repeat_names(subscriber);
	}
	reader->gap_from = 0;
}

/* Collects the bytes to send, in order. Returns the number of parts. */
static int subscriber_gather(struct subscriber *subscriber, struct iovec parts[SUBSCRIBER_PARTS])
{
	struct readers *readers = &subscriber->all->readers;
	struct reader *reader = &subscriber->reader;
	struct buffer *aside = &subscriber->aside;
	const uint8_t *bytes = NULL;
	size_t length = reader_rest(reader, &bytes);
	int count = 0;

	if (length == 0 && aside->length == 0) {
		if (reader->state == READER_LAPPED)
			readers_return(readers, reader);
		if (reader->gap_from)
			subscriber_announce_gap(subscriber);
	}
	if (length)
		parts[count++] = (struct iovec){(void *)(uintptr_t)bytes, length};
	if (aside->length)
		parts[count++] = (struct iovec){aside->memory + aside->start, aside->length};
	length = readers_pending(readers, reader, &bytes);
	if (length)
		parts[count++] = (struct iovec){(void *)(uintptr_t)bytes, length};
	return count;
}

/* Sends, with the descriptor of the ring. */
static ssize_t subscriber_hand_over(struct subscriber *subscriber, struct msghdr *message)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	ssize_t sent;

	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	*(int *)(void *)CMSG_DATA(&control.header) = subscriber->all->core->ring.reader_fd;
	message->msg_control = &control;
	message->msg_controllen = sizeof(control);
	sent = sendmsg(subscriber->fd, message, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent > 0)
		subscriber->hands_over = false;
	return sent;
}

static ssize_t subscriber_write(struct subscriber *subscriber, struct iovec *parts, int count)
{
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = (size_t)count};

	if (subscriber->hands_over)
		return subscriber_hand_over(subscriber, &message);
	if (count == 1)
		return send(subscriber->fd, parts->iov_base, parts->iov_len,
			MSG_DONTWAIT | MSG_NOSIGNAL);
	return sendmsg(subscriber->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void subscriber_consume(struct subscriber *subscriber, size_t length)
{
	struct reader *reader = &subscriber->reader;
	size_t rest = readers_take_rest(&subscriber->all->readers, reader, length);
	size_t aside =
		subscriber->aside.length < length - rest ? subscriber->aside.length : length - rest;

	if (aside)
		buffer_consume(&subscriber->aside, aside);
	reader->cursor += length - rest - aside;
	subscriber->sent += length;
	subscriber->all->core->counts.sent += length;
}

static enum subscriber_outcome subscriber_send_bytes(struct subscriber *subscriber)
{
	struct iovec parts[SUBSCRIBER_PARTS];
	int count;

	while ((count = subscriber_gather(subscriber, parts)) > 0) {
		ssize_t sent = subscriber_write(subscriber, parts, count);
		size_t wanted = 0;

		for (int i = 0; i < count; i++)
			wanted += parts[i].iov_len;
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno != EAGAIN)
			return SUBSCRIBER_BROKEN;
		if (sent > 0)
			subscriber_consume(subscriber, (size_t)sent);
		if (sent < 0 || (size_t)sent < wanted)
			return SUBSCRIBER_FULL;
	}
	return SUBSCRIBER_SENT;
}

static enum subscriber_outcome subscriber_try_send(struct subscriber *subscriber)
{
	return subscriber->all->core->format->socket_type == SOCK_SEQPACKET
		? subscriber_send_packets(subscriber)
		: subscriber_send_bytes(subscriber);
}

void subscriber_send(struct subscriber *subscriber)
{
	struct readers *readers = &subscriber->all->readers;
	struct reader *reader = &subscriber->reader;

	switch (subscriber_try_send(subscriber)) {
	case SUBSCRIBER_SENT:
		subscriber->behind_since = 0;
		if (subscriber->state == SUBSCRIBER_FINISHING)
			subscriber_leave(subscriber, subscriber->parting);
		else
			readers_ready(readers, reader);
		break;
	case SUBSCRIBER_MORE:
		readers_requeue(readers, reader);
		flush_schedule(&subscriber->all->core->flush);
		break;
	case SUBSCRIBER_FULL:
		if (!subscriber->behind_since)
			subscriber->behind_since = clock_realtime();
		readers_block(readers, reader);
		subscriber_await_output(subscriber);
		break;
	case SUBSCRIBER_BROKEN:
		subscriber_leave(subscriber, "left");
		break;
	}
}
