/*
 * An event loop around libwsgate: prints the messages of an outlet, sends each line of standard input
 * to its connections, and goes on where it was when the daemon has been restarted.
 *
 *     cc -o wsgate_loop wsgate_loop.c $(pkg-config --cflags --libs libwsgate)
 *     ./wsgate_loop /run/wsgated/trades.sock
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <wsgate.h>

static void show(const struct wsgate_record *record)
{
	if (record->type == WSGATE_TEXT)
		printf("%llu %.*s\n", (unsigned long long)record->seq, (int)record->length,
			(const char *)record->payload);
	else if (record->type == WSGATE_GAP)
		printf("%llu to %llu are lost\n", (unsigned long long)record->from,
			(unsigned long long)record->to);
}

/* Reads what there is; anything but WSGATE_AGAIN ends the subscription. */
static enum wsgate_result take(struct wsgate *gate)
{
	const struct wsgate_record *record;
	enum wsgate_result result;

	while ((result = wsgate_next(gate, &record, 0)) == WSGATE_OK)
		show(record);
	fflush(stdout);
	return result;
}

/* Sends a line; false at the end of standard input. A line that finds no room is dropped. */
static int forward_line(struct wsgate *gate)
{
	char line[4096];
	ssize_t length = read(STDIN_FILENO, line, sizeof(line));

	if (length <= 0)
		return 0;
	if (line[length - 1] == '\n')
		length--;
	if (wsgate_send(gate, WSGATE_TEXT, WSGATE_NO_CONNECTION, line, (size_t)length) != WSGATE_OK)
		fprintf(stderr, "not sent: %.*s\n", (int)length, line);
	return 1;
}

/* Runs until the subscription or standard input ends; false at the latter. */
static int run(struct wsgate *gate)
{
	struct pollfd wanted[2] = {{0, 0, 0}, {0, 0, 0}};

	wanted[0].fd = wsgate_fd(gate);
	wanted[1].fd = STDIN_FILENO;
	wanted[1].events = POLLIN;
	while (take(gate) == WSGATE_AGAIN) {
		wanted[0].events = wsgate_events(gate);
		if (poll(wanted, 2, -1) > 0 && wanted[1].revents && !forward_line(gate))
			return 0;
	}
	return 1;
}

int main(int argc, char **argv)
{
	struct wsgate_options options = WSGATE_OPTIONS_INIT;
	int more = 1;

	if (argc != 2) {
		fprintf(stderr, "Usage: %s OUTLET-SOCKET\n", argv[0]);
		return 2;
	}
	options.path = argv[1];
	options.mode = WSGATE_MODE_AUTO;
	while (more) {
		struct wsgate *gate;

		if (wsgate_open(&gate, &options) == WSGATE_OK) {
			more = run(gate);
			options.start = WSGATE_START_AFTER;
			options.after = wsgate_position(gate);
			options.begun = wsgate_info(gate)->begun;
		} else {
			fprintf(stderr, "%s\n", wsgate_error(gate));
		}
		wsgate_close(gate);
		if (more)
			sleep(1); /* the daemon may be starting */
	}
	return 0;
}
