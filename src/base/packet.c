#include "base/packet.h"

#include <errno.h>
#include <sys/socket.h>

void packet_prepare(int fd)
{
	int on = 1;

	setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
}

enum packet_next packet_peek(int fd, int flags, size_t *length)
{
	/* Has room for the credentials and no more: descriptors that are sent are not taken. */
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct msghdr message = {.msg_control = &control, .msg_controllen = sizeof(control)};
	ssize_t got = recvmsg(fd, &message, flags | MSG_PEEK | MSG_TRUNC | MSG_CMSG_CLOEXEC);

	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? PACKET_NONE : PACKET_END;
	if (message.msg_controllen == 0)
		return PACKET_END;
	*length = (size_t)got;
	return PACKET_WAITING;
}
