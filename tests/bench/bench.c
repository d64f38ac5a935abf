#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

void bench_die(const char *format, ...)
{
	int error = errno;
	va_list arguments;

	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, error ? ": %s\n" : "\n", strerror(error));
	exit(EXIT_FAILURE);
}

void bench_say(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
	fflush(stdout);
}

void bench_wait_for_end(void)
{
	while (getchar() != EOF)
		;
}

uint64_t bench_number(const char *option, const char *text, uint64_t least)
{
	unsigned long long number;
	char *end;

	errno = 0;
	number = strtoull(text, &end, 10);
	if (errno || end == text || *end || number < least) {
		errno = 0;
		bench_die("--%s: '%s' is not a number of at least %llu", option, text,
			(unsigned long long)least);
	}
	return number;
}

void bench_raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		bench_die("getrlimit");
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		bench_die("setrlimit");
}

int bench_listen_loopback(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) ||
		listen(listener, SOMAXCONN) ||
		getsockname(listener, (struct sockaddr *)&address, &length))
		bench_die("cannot listen on 127.0.0.1");
	bench_say("%u", ntohs(address.sin_port));
	return listener;
}

static struct sockaddr_un unix_address(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	errno = 0;
	if (strlen(path) >= sizeof(address.sun_path))
		bench_die("%s: the path is too long", path);
	strcpy(address.sun_path, path);
	return address;
}

int bench_listen_unix(const char *path)
{
	struct sockaddr_un address = unix_address(path);
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) ||
		listen(listener, SOMAXCONN))
		bench_die("%s", path);
	return listener;
}

int bench_connect_unix(const char *path, int type)
{
	struct sockaddr_un address = unix_address(path);
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
		bench_die("%s", path);
	return fd;
}

void bench_write(int fd, const void *data, size_t length)
{
	const char *rest = data;

	while (length) {
		ssize_t written = send(fd, rest, length, MSG_NOSIGNAL);

		if (written < 0)
			bench_die("send");
		rest += written;
		length -= (size_t)written;
	}
}

uint64_t bench_now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

void bench_stamp_write(uint8_t *payload, uint64_t time)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = BENCH_STAMP_SIZE; i-- > 0; time >>= 4)
		payload[i] = (uint8_t)digits[time & 15];
}

uint64_t bench_stamp_read(const uint8_t *payload)
{
	uint64_t time = 0;

	for (size_t i = 0; i < BENCH_STAMP_SIZE; i++)
		time = time << 4 |
			(uint64_t)(payload[i] < 'a' ? payload[i] - '0' : payload[i] - 'a' + 10);
	return time;
}

size_t bench_upgrade_answer(const char *request, const char *more, char answer[BENCH_HEAD_MAX])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455, 1.3 */
	static const char header[] = "\r\nSec-WebSocket-Key:";
	const char *line = strcasestr(request, header);
	unsigned char digest[SHA_DIGEST_LENGTH], accept[32];
	char text[64 + sizeof(guid)];
	char key[64];
	int length;

	errno = 0;
	if (!line || sscanf(line + strlen(header), " %63s", key) != 1)
		bench_die("no Sec-WebSocket-Key in the request");
	length = snprintf(text, sizeof(text), "%s%s", key, guid);
	SHA1((const unsigned char *)text, (size_t)length, digest);
	EVP_EncodeBlock(accept, digest, sizeof(digest));
	length = snprintf(answer, BENCH_HEAD_MAX,
		"HTTP/1.1 101 Switching Protocols\r\n"
		"Upgrade: websocket\r\n"
		"Connection: Upgrade\r\n"
		"Sec-WebSocket-Accept: %s\r\n"
		"%s\r\n",
		(const char *)accept, more);
	return (size_t)length;
}
