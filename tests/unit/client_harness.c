#include "client_harness.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/frame.h"

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

void writer_open(struct writer *writer, uint64_t size)
{
	int fd = memfd_create("ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t page = page_size();
	uint8_t *memory;
	char path[32];

	ck_assert_int_eq(ftruncate(fd, (off_t)(page + size)), 0);
	memory = mmap(NULL, page + 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mmap(memory, page + size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	mmap(memory + page + size, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
		(off_t)page);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
	ck_assert_int_eq(fchmod(fd, 0400), 0);
	*writer = (struct writer){
		.shared = (struct frames_ring *)memory,
		.records = memory + page,
		.size = size,
		.next = 1,
		.first = 1,
	};
	memcpy(writer->shared->magic, FRAMES_RING_MAGIC, sizeof(writer->shared->magic));
	writer->shared->size = size;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	writer->fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(writer->fd, 0);
	close(fd);
}

void writer_close(struct writer *writer)
{
	munmap(writer->shared, page_size() + 2 * writer->size);
	close(writer->fd);
}

static uint64_t *writer_start(struct writer *writer, uint64_t seq)
{
	return &writer->starts[seq % (sizeof(writer->starts) / sizeof(*writer->starts))];
}

static uint8_t *writer_write(uint8_t *out, enum frames_type type, uint64_t seq, uint32_t connection,
	const void *payload, size_t length)
{
	const struct frames_header header = {
		.size = htole32((uint32_t)wsgate_frame_size(length)),
		.length = htole32((uint32_t)length),
		.seq = htole64(seq),
		.time = htole64(1000 + seq),
		.connection = htole32(connection),
		.type = (uint8_t)type,
	};

	memset(out, 0, wsgate_frame_size(length));
	memcpy(out, &header, sizeof(header));
	if (length)
		memcpy(out + sizeof(header), payload, length);
	return out + wsgate_frame_size(length);
}

/* Announces, writes, publishes. */
void writer_publish(struct writer *writer, enum frames_type type, uint32_t connection,
	const void *payload, size_t length)
{
	struct frames_ring *shared = writer->shared;
	uint64_t start = atomic_load_explicit(&shared->head, memory_order_relaxed);
	uint64_t end = start + wsgate_frame_size(length);
	uint64_t middle;

	*writer_start(writer, writer->next) = start;
	while (*writer_start(writer, writer->first) + writer->size < end)
		writer->first++;
	atomic_store_explicit(&shared->tail, *writer_start(writer, writer->first),
		memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	writer_write(writer->records + start % writer->size, type, writer->next, connection,
		payload, length);
	for (middle = writer->first;
		*writer_start(writer, middle) + writer->size / 2 < end && middle < writer->next;
		middle++)
		continue;
	atomic_store_explicit(&shared->restart, *writer_start(writer, middle),
		memory_order_relaxed);
	atomic_store_explicit(&shared->head, end, memory_order_release);
	if (type != FRAMES_NAME)
		writer->next++;
}

void writer_publish_text(struct writer *writer, const char *text)
{
	writer_publish(writer, FRAMES_TEXT, 0, text, strlen(text));
}

void writer_skip(struct writer *writer)
{
	uint64_t head = writer->shared->head;

	*writer_start(writer, ++writer->next) = head;
	writer->first = writer->next;
	writer->shared->tail = head;
	writer->shared->restart = head;
}

void writer_wake(struct writer *writer)
{
	atomic_fetch_add_explicit(&writer->shared->wake, 1, memory_order_release);
	syscall(SYS_futex, &writer->shared->wake, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

void fake_setup(struct fake *fake)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	*fake = (struct fake){.peer = -1};
	strcpy(fake->directory, "/tmp/wsgate-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(fake->directory));
	snprintf(fake->path, sizeof(fake->path), "%s/out.sock", fake->directory);
	strcpy(address.sun_path, fake->path);
	fake->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(fake->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(fake->listener, 8), 0);
}

void fake_hang_up(struct fake *fake)
{
	if (fake->peer >= 0)
		close(fake->peer);
	fake->peer = -1;
}

void fake_teardown(struct fake *fake)
{
	fake_hang_up(fake);
	close(fake->listener);
	unlink(fake->path);
	rmdir(fake->directory);
}

char *fake_answer_any(struct fake *fake, enum frames_type type)
{
	int i = fake->count++;

	fake->answers[i].type = type;
	fake->answers[i].fds[0] = fake->answers[i].fds[1] = -1;
	return fake->answers[i].text;
}

void fake_answer(struct fake *fake, uint64_t next, uint64_t missing)
{
	sprintf(fake_answer_any(fake, FRAMES_HELLO),
		"{\"outlet\":\"test\",\"begun\":77,\"connections\":[\"ticker\",null],\"next\":%llu,"
		"\"missing\":%llu,\"ahead\":false}",
		(unsigned long long)next, (unsigned long long)missing);
}

void fake_answer_ring(struct fake *fake, const struct writer *writer)
{
	int i = fake->count;

	sprintf(fake_answer_any(fake, FRAMES_HELLO),
		"{\"outlet\":\"test\",\"begun\":77,\"connections\":[\"ticker\",null],\"next\":%llu,"
		"\"missing\":0,\"ahead\":false,\"ring\":{\"size\":%llu,\"position\":%llu}}",
		(unsigned long long)writer->next, (unsigned long long)writer->size,
		(unsigned long long)writer->shared->head);
	fake->answers[i].fds[0] = writer->fd;
}

void fake_answer_error(struct fake *fake, const char *text)
{
	strcpy(fake_answer_any(fake, FRAMES_ERROR), text);
}

/* Descriptors go with the first byte, as the daemon's do. */
static void fake_send_answer(struct fake *fake, int index)
{
	const char *text = fake->answers[index].text, *name = fake->answers[index].name;
	uint8_t records[1024], *end;
	union {
		char room[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct iovec part = {.iov_base = records};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	size_t count = (size_t)(fake->answers[index].fds[0] >= 0) +
		(size_t)(fake->answers[index].fds[1] >= 0);

	end = writer_write(records, fake->answers[index].type, 1, FRAMES_NO_CONNECTION, text,
		strlen(text));
	if (name)
		end = writer_write(end, FRAMES_NAME, 1, 7, name, strlen(name));
	part.iov_len = (size_t)(end - records);
	if (count) {
		message.msg_control = control.room;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
		CMSG_FIRSTHDR(&message)->cmsg_level = SOL_SOCKET;
		CMSG_FIRSTHDR(&message)->cmsg_type = SCM_RIGHTS;
		CMSG_FIRSTHDR(&message)->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&message)), fake->answers[index].fds,
			count * sizeof(int));
	}
	sendmsg(fake->peer, &message, MSG_NOSIGNAL);
}

static void *fake_run(void *context)
{
	struct fake *fake = context;

	for (int i = 0; i < fake->count; i++) {
		fake_hang_up(fake);
		fake->peer = accept4(fake->listener, NULL, NULL, SOCK_CLOEXEC);
		if (recv(fake->peer, &fake->hellos[i], sizeof(*fake->hellos), MSG_WAITALL) !=
			(ssize_t)sizeof(*fake->hellos))
			break;
		fake_send_answer(fake, i);
	}
	return NULL;
}

enum wsgate_result fake_open(struct fake *fake, struct wsgate **gate, struct wsgate_options options)
{
	enum wsgate_result result;

	options.path = fake->path;
	ck_assert_int_eq(pthread_create(&fake->thread, NULL, fake_run, fake), 0);
	result = wsgate_open(gate, &options);
	pthread_join(fake->thread, NULL);
	return result;
}

struct wsgate *fake_open_well(struct fake *fake, struct wsgate_options options)
{
	struct wsgate *gate;
	enum wsgate_result result = fake_open(fake, &gate, options);

	ck_assert_msg(result == WSGATE_OK, "%d: %s", result, wsgate_error(gate));
	return gate;
}

struct wsgate *fake_open_bytes(struct fake *fake, uint64_t next)
{
	struct wsgate_options options = WSGATE_OPTIONS_INIT;

	options.mode = WSGATE_MODE_BYTES;
	fake_answer(fake, next, 0);
	return fake_open_well(fake, options);
}

void fake_send_bytes(struct fake *fake, const void *bytes, size_t length)
{
	ck_assert_int_eq(send(fake->peer, bytes, length, MSG_NOSIGNAL), (ssize_t)length);
}

void fake_send(struct fake *fake, enum frames_type type, uint64_t seq, uint32_t connection,
	const void *payload, size_t length)
{
	uint8_t *record = malloc(wsgate_frame_size(length));

	writer_write(record, type, seq, connection, payload, length);
	fake_send_bytes(fake, record, wsgate_frame_size(length));
	free(record);
}

void fake_send_text(struct fake *fake, uint64_t seq, const char *text)
{
	fake_send(fake, FRAMES_TEXT, seq, 0, text, strlen(text));
}

struct frames_header fake_receive(struct fake *fake)
{
	struct frames_header header;

	ck_assert_int_eq(recv(fake->peer, &header, sizeof(header), MSG_DONTWAIT), sizeof(header));
	ck_assert_uint_eq(header.size, sizeof(header));
	return header;
}

void expect_result(struct wsgate *gate, enum wsgate_result expected)
{
	const struct wsgate_record *record;
	enum wsgate_result result = wsgate_next(gate, &record, 0);

	ck_assert_msg(result == expected, "%d (%s), not %d", result, wsgate_error(gate), expected);
	ck_assert_msg((record == NULL) == (result != WSGATE_OK), "%p", (const void *)record);
}

void expect_text(struct wsgate *gate, uint64_t seq, const char *text)
{
	const struct wsgate_record *record;
	enum wsgate_result result = wsgate_next(gate, &record, 0);

	ck_assert_msg(result == WSGATE_OK, "%d (%s), not %s", result, wsgate_error(gate), text);
	ck_assert_uint_eq(record->seq, seq);
	ck_assert_uint_eq(record->type, WSGATE_TEXT);
	ck_assert_uint_eq(record->time, 1000 + seq);
	ck_assert_uint_eq(record->length, strlen(text));
	ck_assert_mem_eq(record->payload, text, record->length);
	ck_assert_uint_eq((uintptr_t)record->payload % 8, 0);
	ck_assert_uint_eq(record->from, 0);
	ck_assert_uint_eq(wsgate_position(gate), seq);
}

void expect_gap(struct wsgate *gate, uint64_t from, uint64_t to)
{
	const struct wsgate_record *record;
	enum wsgate_result result = wsgate_next(gate, &record, 0);

	ck_assert_msg(result == WSGATE_OK, "%d (%s), no gap", result, wsgate_error(gate));
	ck_assert_uint_eq(record->type, WSGATE_GAP);
	ck_assert_uint_eq(record->from, from);
	ck_assert_uint_eq(record->to, to);
	ck_assert_uint_eq(record->seq, to);
	ck_assert_ptr_null(record->payload);
	ck_assert_ptr_null(record->name);
	ck_assert_uint_eq(wsgate_position(gate), to);
}
