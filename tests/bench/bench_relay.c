/*
 * The floor: what passing the bytes on costs when nothing is parsed. Waits for K subscribers on a
 * UNIX socket, connects to the sender N times with a canned handshake, then writes whatever it reads
 * to each of them, waiting for any that is full. With --tls it reads with SSL_read(). Standard
 * output: "ready" when it listens.
 *
 * With --inflate the floor of compression: what zlib's inflate() costs, and the writing. Of a frame
 * only the length is looked at: all are taken for whole, compressed messages, and come out as
 * lines.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include "bench.h"
#include "stream.h"

enum {
	READ_BYTES = 512 * 1024,
	WRITE_BYTES = 256 * 1024,
	MESSAGE_MAX = 64 * 1024, /* once inflated */
	EVENTS = 256,
};

struct options {
	uint16_t port;
	const char *socket;
	size_t subscribers;
	size_t senders;
	bool tls;
	bool inflate;
};

static int *accept_subscribers(int listener, size_t count)
{
	int *subscribers = calloc(count, sizeof(*subscribers));

	if (!subscribers)
		bench_die("calloc");
	for (size_t i = 0; i < count; i++) {
		subscribers[i] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (subscribers[i] < 0)
			bench_die("accept");
	}
	return subscribers;
}

/* Reads byte by byte up to the end of the answer's head: what follows is relayed. */
static struct stream connect_sender(const struct options *options, SSL_CTX *context)
{
	static const char request[] = "GET / HTTP/1.1\r\n"
				      "Host: 127.0.0.1\r\n"
				      "Upgrade: websocket\r\n"
				      "Connection: Upgrade\r\n"
				      "Sec-WebSocket-Version: 13\r\n"
				      "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
	static const char offer[] = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
	struct sockaddr_in address = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(options->port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct stream sender;
	char last[5] = "";

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
		bench_die("127.0.0.1:%u", options->port);
	sender = stream_connect(fd, context);
	stream_write(&sender, request, strlen(request));
	if (options->inflate)
		stream_write(&sender, offer, strlen(offer));
	stream_write(&sender, "\r\n", 2);
	while (strcmp(last, "\r\n\r\n") != 0) {
		memmove(last, last + 1, 3);
		if (stream_read(&sender, last + 3, 1) != 1)
			bench_die("no answer from the sender");
	}
	return sender;
}

static void write_to_all(const int *subscribers, size_t count, const void *data, size_t length)
{
	for (size_t i = 0; i < count; i++)
		bench_write(subscribers[i], data, length);
}

static void relay(const struct stream *sender, const int *subscribers, size_t count)
{
	static char data[READ_BYTES];
	size_t length;

	while ((length = stream_read(sender, data, sizeof(data))) > 0)
		write_to_all(subscribers, count, data, length);
}

/* From whichever of several senders has something. */
static void relay_many(const struct stream *senders, size_t sender_count, const int *subscribers,
	size_t count)
{
	static char data[READ_BYTES];
	struct epoll_event events[EVENTS];
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	for (size_t i = 0; i < sender_count; i++) {
		struct epoll_event event = {.events = EPOLLIN, .data.u64 = i};

		if (epoll_ctl(epoll, EPOLL_CTL_ADD, senders[i].fd, &event))
			bench_die("epoll");
	}
	for (;;) {
		int ready = epoll_wait(epoll, events, EVENTS, -1);

		for (int i = 0; i < ready; i++) {
			const struct stream *sender = &senders[events[i].data.u64];
			size_t length = stream_read(sender, data, sizeof(data));

			if (length == 0)
				return;
			write_to_all(subscribers, count, data, length);
		}
	}
}

/* The length of the frame's header, and that of its payload; 0 if more bytes are needed. */
static size_t frame_header(const uint8_t *frame, size_t length, size_t *payload)
{
	if (length < 2)
		return 0;
	*payload = frame[1];
	if (*payload < 126)
		return 2;
	errno = 0;
	if (*payload > 126)
		bench_die("a frame is masked or longer than 65,535 bytes");
	if (length < 4)
		return 0;
	*payload = (size_t)(frame[2] << 8 | frame[3]);
	return 4;
}

/*
 * What ends each message and is not sent (RFC 7692, section 7.2.2) is put behind the payload for as
 * long as inflate() reads it: one call a message. Returns the length of the line.
 */
static size_t inflate_line(z_stream *stream, uint8_t *payload, size_t length, uint8_t *line)
{
	static const uint8_t tail[4] = {0x00, 0x00, 0xFF, 0xFF};
	uint8_t *end = payload + length;
	uint8_t next[sizeof(tail)];

	memcpy(next, end, sizeof(next));
	memcpy(end, tail, sizeof(tail));
	stream->next_in = payload;
	stream->avail_in = (unsigned)(length + sizeof(tail));
	stream->next_out = line;
	stream->avail_out = MESSAGE_MAX;
	errno = 0;
	if (inflate(stream, Z_SYNC_FLUSH) != Z_OK || stream->avail_in || !stream->avail_out)
		bench_die("inflate");
	memcpy(end, next, sizeof(next));
	*stream->next_out++ = '\n';
	return (size_t)(stream->next_out - line);
}

/* Inflates and passes on all whole frames. Returns how many bytes they were. */
static size_t relay_frames(z_stream *stream, uint8_t *data, size_t length, const int *subscribers,
	size_t count)
{
	static uint8_t lines[WRITE_BYTES];
	size_t filled = 0, used = 0, header, payload;

	while ((header = frame_header(data + used, length - used, &payload)) &&
		length - used >= header + payload) {
		if (sizeof(lines) - filled <= MESSAGE_MAX) {
			write_to_all(subscribers, count, lines, filled);
			filled = 0;
		}
		filled += inflate_line(stream, data + used + header, payload, lines + filled);
		used += header + payload;
	}
	write_to_all(subscribers, count, lines, filled);
	return used;
}

static void relay_inflated(const struct stream *sender, const int *subscribers, size_t count)
{
	static uint8_t data[READ_BYTES + 4]; /* the tail has room behind the last payload */
	z_stream stream = {0};
	size_t kept = 0, length;

	errno = 0;
	if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
		bench_die("inflateInit2");
	while ((length = stream_read(sender, data + kept, READ_BYTES - kept)) > 0) {
		size_t used;

		kept += length;
		used = relay_frames(&stream, data, kept, subscribers, count);
		kept -= used;
		memmove(data, data + used, kept);
	}
	inflateEnd(&stream);
}

static struct options options_parse(int argc, char **argv)
{
	static const struct option names[] = {
		{"port", required_argument, NULL, 'p'},
		{"socket", required_argument, NULL, 's'},
		{"subscribers", required_argument, NULL, 'k'},
		{"senders", required_argument, NULL, 'n'},
		{"tls", no_argument, NULL, 't'},
		{"inflate", no_argument, NULL, 'i'},
		{NULL, 0, NULL, 0},
	};
	struct options options = {.subscribers = 1, .senders = 1};
	int choice;

	while ((choice = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (choice == 'p')
			options.port = (uint16_t)bench_number("port", optarg, 1);
		else if (choice == 's')
			options.socket = optarg;
		else if (choice == 'k')
			options.subscribers = bench_number("subscribers", optarg, 1);
		else if (choice == 'n')
			options.senders = bench_number("senders", optarg, 1);
		else if (choice == 't')
			options.tls = true;
		else if (choice == 'i')
			options.inflate = true;
		else
			exit(2);
	}
	errno = 0;
	if (!options.port || !options.socket)
		bench_die("--port and --socket are needed");
	if (options.inflate && options.senders > 1)
		bench_die("--inflate is for a single sender");
	return options;
}

int main(int argc, char **argv)
{
	struct options options = options_parse(argc, argv);
	SSL_CTX *context = options.tls ? stream_client_context() : NULL;
	struct stream *senders = calloc(options.senders, sizeof(*senders));
	int listener = bench_listen_unix(options.socket);
	int *subscribers;

	if (!senders)
		bench_die("calloc");
	bench_raise_file_limit();
	bench_say("ready");
	subscribers = accept_subscribers(listener, options.subscribers);
	for (size_t i = 0; i < options.senders; i++)
		senders[i] = connect_sender(&options, context);
	if (options.inflate)
		relay_inflated(senders, subscribers, options.subscribers);
	else if (options.senders > 1)
		relay_many(senders, options.senders, subscribers, options.subscribers);
	else
		relay(senders, subscribers, options.subscribers);
	return EXIT_SUCCESS;
}
