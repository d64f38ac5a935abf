#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/gate.h"

enum {
	SOCKET_READ = 64 << 10,
	SOCKET_DESCRIPTORS = 4, /* received at a time, so that unexpected ones can be closed */
};

/* Limits the time that connect(2) waits for a daemon that does not accept. */
static void socket_limit_connect(int fd, int timeout_ms)
{
	struct timeval limit = {
		.tv_sec = timeout_ms / 1000,
		.tv_usec = timeout_ms % 1000 * 1000,
	};

	if (timeout_ms == 0)
		limit.tv_usec = 1; /* zero means no limit */
	if (timeout_ms >= 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

enum wsgate_result wsgate_socket_connect(struct wsgate *gate, const char *path, uint64_t deadline)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int result;

	if (strlen(path) >= sizeof(address.sun_path))
		return wsgate_fail(gate, WSGATE_ERROR_ARGUMENT, "path too long for a socket: %s",
			path);
	strcpy(address.sun_path, path);
	gate->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (gate->fd < 0)
		return wsgate_fail(gate, WSGATE_ERROR_SYSTEM, "cannot create socket: %s",
			strerror(errno));
	socket_limit_connect(gate->fd, wsgate_left_ms(deadline));
	do
		result = connect(gate->fd, (struct sockaddr *)&address, sizeof(address));
	while (result < 0 && errno == EINTR);
	if (result < 0 && errno == EAGAIN)
		return wsgate_fail(gate, WSGATE_ERROR_TIMEOUT,
			"the daemon does not accept connections at %s", path);
	if (result < 0 && errno == EPROTOTYPE)
		return wsgate_fail(gate, WSGATE_ERROR_CONNECT,
			"cannot connect to %s: not an outlet of the format frames", path);
	if (result < 0)
		return wsgate_fail(gate, WSGATE_ERROR_CONNECT, "cannot connect to %s: %s", path,
			strerror(errno));
	return WSGATE_OK;
}

static void socket_take_descriptor(int fd, int *passed)
{
	if (passed && *passed < 0)
		*passed = fd;
	else
		close(fd);
}

static void socket_take_descriptors(struct msghdr *message, int *passed)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = 0; at + sizeof(int) <= c->cmsg_len - CMSG_LEN(0);
			at += sizeof(int)) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + at, sizeof(fd));
			socket_take_descriptor(fd, passed);
		}
	}
}

enum wsgate_result wsgate_socket_receive(struct wsgate *gate, int *passed)
{
	struct wsgate_bytes *input = &gate->input;
	union {
		char room[CMSG_SPACE(SOCKET_DESCRIPTORS * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec part;
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room),
	};
	ssize_t got;

	if (!wsgate_bytes_reserve(input, SOCKET_READ))
		return wsgate_fail_memory(gate);
	part.iov_base = input->memory + input->end;
	part.iov_len = input->capacity - input->end;
	got = recvmsg(gate->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return WSGATE_AGAIN;
	if (got == 0 || (got < 0 && errno == ECONNRESET))
		return WSGATE_END;
	if (got < 0)
		return wsgate_fail(gate, WSGATE_ERROR_SYSTEM, "cannot read from the outlet: %s",
			strerror(errno));
	socket_take_descriptors(&message, passed);
	input->end += (size_t)got;
	return WSGATE_OK;
}

enum wsgate_look wsgate_socket_look(const struct wsgate *gate, struct wsgate_frame *frame)
{
	size_t length = wsgate_bytes_length(&gate->input);
	struct frames_header header;

	if (length < sizeof(header))
		return WSGATE_LOOK_NOTHING;
	memcpy(&header, wsgate_bytes_data(&gate->input), sizeof(header));
	if (!wsgate_frame_read(frame, &header))
		return WSGATE_LOOK_BROKEN;
	return length < frame->size ? WSGATE_LOOK_NOTHING : WSGATE_LOOK_FRAME;
}

/* WSGATE_END: the daemon reads no more; its last records can still be received. */
static enum wsgate_result socket_write(struct wsgate *gate, struct iovec *parts, size_t count,
	size_t *written)
{
	const struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
	ssize_t sent;

	do
		sent = sendmsg(gate->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	*written = sent > 0 ? (size_t)sent : 0;
	if (sent >= 0)
		return WSGATE_OK;
	if (errno == EAGAIN)
		return WSGATE_AGAIN;
	if (errno == EPIPE || errno == ECONNRESET)
		return WSGATE_END;
	return wsgate_fail(gate, WSGATE_ERROR_SYSTEM, "cannot write to the outlet: %s",
		strerror(errno));
}

enum wsgate_result wsgate_socket_flush(struct wsgate *gate)
{
	struct wsgate_bytes *output = &gate->output;
	enum wsgate_result result;
	struct iovec part;
	size_t written;

	if (wsgate_bytes_length(output) == 0)
		return WSGATE_OK;
	part.iov_base = wsgate_bytes_data(output);
	part.iov_len = wsgate_bytes_length(output);
	result = socket_write(gate, &part, 1, &written);
	output->start += written;
	if (result == WSGATE_OK && wsgate_bytes_length(output))
		return WSGATE_AGAIN;
	return result;
}

enum wsgate_result wsgate_socket_send(struct wsgate *gate, const struct frames_header *header,
	const void *payload, size_t length)
{
	static const uint8_t zero[FRAMES_ALIGNMENT];
	size_t padding = wsgate_frame_size(length) - FRAMES_HEADER_SIZE - length;
	struct iovec parts[] = {
		{.iov_base = (void *)header, .iov_len = sizeof(*header)},
		{.iov_base = (void *)payload, .iov_len = length},
		{.iov_base = (void *)zero, .iov_len = padding},
	};
	size_t written;
	enum wsgate_result result = socket_write(gate, parts, 3, &written);

	if (result != WSGATE_OK)
		return result;
	for (int i = 0; i < 3; i++) {
		size_t done = written < parts[i].iov_len ? written : parts[i].iov_len;

		written -= done;
		/* Part of a message is on its way: without the rest, the socket is useless. */
		if (!wsgate_bytes_append(&gate->output, (uint8_t *)parts[i].iov_base + done,
			    parts[i].iov_len - done))
			return gate->failed = wsgate_fail_memory(gate);
	}
	return WSGATE_OK;
}

enum wsgate_result wsgate_socket_wait(struct wsgate *gate, short events, int timeout_ms)
{
	struct pollfd wanted = {.fd = gate->fd, .events = events};
	int ready = poll(&wanted, 1, timeout_ms);

	if (ready > 0)
		return WSGATE_OK;
	if (ready == 0 || errno == EINTR)
		return WSGATE_AGAIN;
	return wsgate_fail(gate, WSGATE_ERROR_SYSTEM, "cannot wait for the outlet: %s",
		strerror(errno));
}
