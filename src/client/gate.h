#ifndef CLIENT_GATE_H
#define CLIENT_GATE_H

#include "client/bytes.h"
#include "client/names.h"
#include "client/ring.h"
#include "wsgate.h"

/* The inside of a subscriber, for the files of this room. */

enum {
	WSGATE_ERROR_SIZE = 512,
	WSGATE_MESSAGE_MAX = 1 << 20, /* what the daemon takes from a subscriber */
};

#define WSGATE_NS_PER_MS UINT64_C(1000000)

struct wsgate {
	int fd; /* -1: not connected */
	struct wsgate_bytes input;  /* from the socket */
	struct wsgate_bytes output; /* what could not be written as yet: the rest of one message */
	struct wsgate_ring ring;    /* mapped: the records come from there, and not by the socket */
	struct wsgate_bytes copy;   /* ring: of the payload that is handed out */
	struct wsgate_names names;

	uint64_t expected;          /* number of the next record to be handed out */
	uint64_t known;             /* all before it and from `expected` on are missing */
	uint64_t record_position;   /* ring: of the record that was handed out last */
	struct wsgate_record record;
	bool in_place;

	/* The event loop of the caller waits for the socket, so the daemon is to write to it when
	 * there is something in the ring. */
	bool awaits;
	bool awaiting;    /* it has been asked to, and has not yet */
	uint64_t arrived; /* number of the last record that it has written so of */
	uint64_t looked;  /* ring: when the socket was looked at, ms of CLOCK_MONOTONIC_COARSE */
	uint32_t unnamed; /* ring: index of the last connection whose name could not be had */

	bool ended;                /* nothing more comes by the socket, and */
	enum wsgate_result ending; /* this is how it ends once all has been read */
	enum wsgate_result failed; /* WSGATE_OK, or the final error */

	struct wsgate_info info;
	char *outlet; /* those of info */
	char *hello;
	struct wsgate_counts counts;
	char error[WSGATE_ERROR_SIZE];
};

/* Keeps the text for wsgate_error() and returns `result`. */
enum wsgate_result wsgate_fail(struct wsgate *gate, enum wsgate_result result, const char *format,
	...) __attribute__((format(printf, 3, 4)));

/* The same for a missing memory. */
enum wsgate_result wsgate_fail_memory(struct wsgate *gate);

/* The same with the words of an error record, as far as there is room, and harmless to print. */
enum wsgate_result wsgate_fail_refused(struct wsgate *gate, const uint8_t *text, size_t length);

/* socket.c: to the daemon and back. */

enum wsgate_result wsgate_socket_connect(struct wsgate *gate, const char *path, uint64_t deadline);

/*
 * Receives what is there into `input`. A descriptor that comes along goes to *passed, if that is not
 * NULL and still -1; any other is closed. WSGATE_AGAIN: nothing is there.
 */
enum wsgate_result wsgate_socket_receive(struct wsgate *gate, int *passed);

/* The record at the front of the input. */
enum wsgate_look wsgate_socket_look(const struct wsgate *gate, struct wsgate_frame *frame);

/* Writes what could not be written before. WSGATE_AGAIN: there is still some of it. */
enum wsgate_result wsgate_socket_flush(struct wsgate *gate);

/* Writes a record, or takes over what cannot be written now. There must be no output. */
enum wsgate_result wsgate_socket_send(struct wsgate *gate, const struct frames_header *header,
	const void *payload, size_t length);

/* Waits for the socket's events. WSGATE_AGAIN: the time is over, or a signal has come. */
enum wsgate_result wsgate_socket_wait(struct wsgate *gate, short events, int timeout_ms);

/* hello.c: joins the outlet of the connected socket in that mode, one of frames_mode. */
enum wsgate_result wsgate_hello(struct wsgate *gate, const struct wsgate_options *options,
	enum frames_mode mode, uint64_t deadline);

/* A time to come, for wsgate_left_ms(); -1: none. */
uint64_t wsgate_deadline(int timeout_ms);

/* Milliseconds until then as poll(2) takes them, rounded up; 0: it is over, -1: without limit. */
int wsgate_left_ms(uint64_t deadline);

#endif
