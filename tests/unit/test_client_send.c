#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "client/frame.h"
#include "client_harness.h"

static struct fake fake;
static struct wsgate *gate;

static void setup(void)
{
	fake_setup(&fake);
	gate = fake_open_bytes(&fake, 1);
}

static void teardown(void)
{
	wsgate_close(gate);
	fake_teardown(&fake);
}

static void receive(void *data, size_t length)
{
	ck_assert_int_eq(recv(fake.peer, data, length, MSG_DONTWAIT), (ssize_t)length);
}

static void expect_message(uint8_t type, uint32_t connection, const char *payload, size_t length)
{
	struct frames_header header;
	uint8_t body[64];

	receive(&header, sizeof(header));
	ck_assert_uint_eq(header.size, wsgate_frame_size(length));
	ck_assert_uint_eq(header.length, length);
	ck_assert_uint_eq(header.type, type);
	ck_assert_uint_eq(header.connection, connection);
	if (length) {
		receive(body, header.size - sizeof(header));
		ck_assert_mem_eq(body, payload, length);
	}
}

START_TEST(test_messages)
{
	uint32_t connection;

	ck_assert_int_eq(wsgate_send(gate, WSGATE_TEXT, WSGATE_NO_CONNECTION, "all", 3), WSGATE_OK);
	expect_message(FRAMES_TEXT, FRAMES_NO_CONNECTION, "all", 3);
	ck_assert_int_eq(wsgate_find(gate, "ticker", &connection), WSGATE_OK);
	ck_assert_int_eq(wsgate_send(gate, WSGATE_BINARY, connection, "\0\1\2\3\4\5\6\7", 8),
		WSGATE_OK);
	expect_message(FRAMES_BINARY, 0, "\0\1\2\3\4\5\6\7", 8);
	ck_assert_int_eq(wsgate_send(gate, WSGATE_TEXT, 0, NULL, 0), WSGATE_OK);
	expect_message(FRAMES_TEXT, 0, NULL, 0);
	ck_assert_uint_eq(wsgate_counts(gate)->sent, 3);
}
END_TEST

START_TEST(test_what_cannot_be_sent)
{
	uint32_t connection;

	ck_assert_int_eq(wsgate_send(gate, WSGATE_OPEN, 0, "x", 1), WSGATE_ERROR_ARGUMENT);
	ck_assert_int_eq(wsgate_send(gate, WSGATE_TEXT, 0, "x", (1 << 30) + 1),
		WSGATE_ERROR_ARGUMENT);
	ck_assert_ptr_nonnull(strstr(wsgate_error(gate), "1 GiB"));
	ck_assert_int_eq(wsgate_find(gate, "nobody", &connection), WSGATE_ERROR_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(wsgate_error(gate), "nobody"));
	ck_assert_int_eq(wsgate_send(gate, WSGATE_TEXT, 0, "fine", 4), WSGATE_OK);
	expect_message(FRAMES_TEXT, 0, "fine", 4);
	expect_result(gate, WSGATE_AGAIN); /* nothing of this ends the subscription */
}
END_TEST

/* Takes `length` bytes, whether they come at once or not. */
static void drain(uint8_t *data, size_t length)
{
	for (size_t done = 0; done < length;) {
		ssize_t got = recv(fake.peer, data + done, length - done, MSG_DONTWAIT);

		if (got > 0)
			done += (size_t)got;
		ck_assert_int_ge(wsgate_flush(gate, 0), 0);
	}
}

/* A daemon that does not read: what is taken arrives whole, and what is not taken does not. */
START_TEST(test_backpressure)
{
	size_t length = 100001, size = wsgate_frame_size(length);
	uint8_t *message = malloc(length), *record = malloc(size);
	enum wsgate_result result;
	unsigned taken = 0;

	for (;;) {
		memset(message, (int)taken, length);
		result = wsgate_send(gate, WSGATE_BINARY, 0, message, length);
		if (result != WSGATE_OK)
			break;
		taken++;
	}
	ck_assert_int_eq(result, WSGATE_AGAIN);
	ck_assert_int_eq(wsgate_events(gate), POLLIN | POLLOUT);
	ck_assert_int_eq(wsgate_flush(gate, 10), WSGATE_AGAIN);
	for (unsigned i = 0; i < taken; i++) {
		drain(record, size);
		memset(message, (int)i, length);
		ck_assert_mem_eq(record + FRAMES_HEADER_SIZE, message, length);
	}
	ck_assert_int_eq(wsgate_flush(gate, -1), WSGATE_OK);
	ck_assert_int_eq(wsgate_events(gate), POLLIN);
	ck_assert_int_eq(recv(fake.peer, record, 1, MSG_DONTWAIT), -1);
	ck_assert_uint_eq(wsgate_counts(gate)->sent, taken);
	free(message);
	free(record);
}
END_TEST

START_TEST(test_sending_to_nobody)
{
	fake_send(&fake, FRAMES_ERROR, 0, FRAMES_NO_CONNECTION, "enough", 6);
	fake_hang_up(&fake);
	ck_assert_int_eq(wsgate_send(gate, WSGATE_TEXT, 0, "x", 1), WSGATE_END);
	expect_result(gate, WSGATE_ERROR_REFUSED);
	ck_assert_str_eq(wsgate_error(gate), "enough");
}
END_TEST

Suite *client_send_suite(void)
{
	Suite *suite = suite_create("client send");
	TCase *tests = tcase_create("send");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, test_messages);
	tcase_add_test(tests, test_what_cannot_be_sent);
	tcase_add_test(tests, test_backpressure);
	tcase_add_test(tests, test_sending_to_nobody);
	suite_add_tcase(suite, tests);
	return suite;
}
