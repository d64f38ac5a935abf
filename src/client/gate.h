#ifndef CLIENT_GATE_H
#define CLIENT_GATE_H

#include "client/bytes.h"
#include "client/deadline.h"
#include "client/error.h"
#include "client/names.h"
#include "client/ring.h"
#include "wsgate.h"

/* Internals of a subscriber, for the files of this room. */

enum {
	WSGATE_ERROR_SIZE = 512,
	WSGATE_MESSAGE_MAX = 1 << 30, /* bytes of a message to the daemon */
};

struct wsgate {
	int fd;                     /* -1: not connected */
	struct wsgate_bytes input;  /* from the socket */
	struct wsgate_bytes output; /* the unwritten rest of one message */
	struct wsgate_ring ring;    /* if mapped, records come from it and not from the socket */
	struct wsgate_bytes copy;   /* ring: of the payload of `record` */
	struct wsgate_names names;

	uint64_t expected;        /* number of the next record to return */
	uint64_t known;           /* records from `expected` to the one before this are missing */
	uint64_t record_position; /* ring: of the latest record returned */
	struct wsgate_record record;
	bool in_place;

	/* The caller's event loop waits for the socket, so the daemon is asked to write to it when
	 * there is something in the ring. */
	bool awaits;
	bool awaiting;    /* asked, and not answered yet */
	uint64_t arrived; /* number of the latest record that it announced so */
	uint64_t looked;  /* ring: last look at the socket, ms of CLOCK_MONOTONIC_COARSE */
	uint32_t unnamed; /* ring: index of the latest connection without a name */

	bool ended;                /* the socket is at its end; */
	enum wsgate_result ending; /* the result once everything has been read */
	enum wsgate_result failed; /* the final error, or WSGATE_OK */

	struct wsgate_info info;
	char *outlet; /* the strings of info */
	char *hello;
	struct wsgate_counts counts;
	char error[WSGATE_ERROR_SIZE];
};

/* socket.c: to the daemon and back. */

enum wsgate_result wsgate_socket_connect(struct wsgate *gate, const char *path, uint64_t deadline);

/*
 * Receives available bytes into `input`. Stores a descriptor received with them in *passed if that is
 * not NULL and still -1, and closes all others. WSGATE_AGAIN: nothing to receive.
 */
enum wsgate_result wsgate_socket_receive(struct wsgate *gate, int *passed);

/* The record at the front of the input. */
enum wsgate_look wsgate_socket_look(const struct wsgate *gate, struct wsgate_frame *frame);

/* Writes the output. WSGATE_AGAIN: some of it remains. */
enum wsgate_result wsgate_socket_flush(struct wsgate *gate);

/* Writes a record; the part that the socket does not take becomes the output, which must be empty. */
enum wsgate_result wsgate_socket_send(struct wsgate *gate, const struct frames_header *header,
	const void *payload, size_t length);

/* Waits for events of the socket. WSGATE_AGAIN: timed out or interrupted by a signal. */
enum wsgate_result wsgate_socket_wait(struct wsgate *gate, short events, int timeout_ms);

/* hello.c: joins the outlet that the socket is connected to. */
enum wsgate_result wsgate_hello(struct wsgate *gate, const struct wsgate_options *options,
	enum frames_mode mode, uint64_t deadline);

#endif
