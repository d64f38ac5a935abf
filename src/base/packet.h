#ifndef BASE_PACKET_H
#define BASE_PACKET_H

#include <stddef.h>

/*
 * Receiving from a connected UNIX socket of the type SOCK_SEQPACKET, where recv() returns 0 for an
 * empty packet as well as at the end. With SO_PASSCRED set, each packet comes with the credentials
 * of its sender, even an empty one; the end comes with nothing.
 */
enum packet_next {
	PACKET_WAITING, /* a packet can be received */
	PACKET_NONE,    /* not now: as errno says, EAGAIN or EINTR */
	PACKET_END,     /* no packet will follow, or the socket has failed */
};

/* Enables telling packets from the end on this socket. */
void packet_prepare(int fd);

/* Peeks at what recv() would return, and the full length of that packet. `flags`: of recvmsg(). */
enum packet_next packet_peek(int fd, int flags, size_t *length);

#endif
