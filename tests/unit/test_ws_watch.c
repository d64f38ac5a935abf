#include "test_ws.h"

#include "ws/watch.h"

/* The test is a socket: it counts. */

static struct ws_traffic traffic;
static struct ws_watch watch;

static void setup(void)
{
	traffic = (struct ws_traffic){
		.received = UINT64_MAX, /* counts may begin anywhere, and wrap */
		.sent = 5000,
		.acknowledged = 5000,
		.window = 60000,
		.silence = UINT64_MAX,
	};
	ws_watch_ask(&watch, 0);
	ws_watch_begin(&watch, &traffic);
}

/* Asks behind what is in the socket, and that much more. */
static void ask_behind(size_t in_socket, size_t output)
{
	traffic.sent += in_socket;
	ws_watch_ask(&watch, output);
	ws_watch_begin(&watch, &traffic);
}

static bool look(void)
{
	return ws_watch_look(&watch, &traffic);
}

START_TEST(nothing_is_no_sign)
{
	ck_assert(!look());
	traffic.sent += 1000; /* into our own socket */
	ck_assert(!look());
}
END_TEST

START_TEST(each_byte_from_the_server_is_one)
{
	traffic.received++;
	ck_assert(look());
	ck_assert(!look());
	traffic.received++;
	ck_assert(look());
}
END_TEST

/* The kernel of a process that hangs acknowledges the question, and what follows it. */
START_TEST(acknowledging_the_question_is_no_sign)
{
	for (int i = 0; i < 100; i++) {
		traffic.sent += 20;
		traffic.acknowledged += 20;
		ck_assert(!look());
	}
}
END_TEST

START_TEST(what_is_ahead_of_the_question_is_acknowledged)
{
	ask_behind(300, 700);
	ck_assert(!look());
	traffic.acknowledged += 1;
	ck_assert(look());
	traffic.sent += 700 + 20;
	ck_assert(!look());
	traffic.acknowledged += 998;
	ck_assert(look());
	traffic.acknowledged += 1 + 20; /* the last of them, and the question */
	ck_assert(look());
	traffic.sent += 500;
	traffic.acknowledged += 500;
	ck_assert(!look());
}
END_TEST

/* While our socket is full the buffers on the way are, too: they empty as the process reads. */
START_TEST(a_full_socket_drains)
{
	traffic.full = true;
	traffic.sent += 10000;
	ck_assert(!look());
	traffic.acknowledged += 100;
	ck_assert(look());
	traffic.full = false;
	traffic.acknowledged += 9900;
	ck_assert(look());
	traffic.sent += 100;
	traffic.acknowledged += 100;
	ck_assert(!look());
}
END_TEST

/* A window that goes to and fro is none: something on the way reads, but the server may be dead. */
START_TEST(a_window_opens)
{
	traffic.window = 2000;
	ask_behind(0, 0);
	traffic.window = 4000;
	ck_assert(look());
	ck_assert(!look());
	traffic.window = 1000;
	ck_assert(!look());
	traffic.window = 4000;
	ck_assert(!look());
	traffic.window = 4001;
	ck_assert(look());
}
END_TEST

/* After more has drained into it, a window that was larger before opens from there. */
START_TEST(a_window_opens_after_it_was_filled)
{
	ask_behind(60000, 0);
	traffic.acknowledged += 60000;
	traffic.window = 0;
	ck_assert(look());
	traffic.window = 1000;
	ck_assert(look());
}
END_TEST

/* A local socket counts with overhead, so that its counts can go back. */
START_TEST(counts_go_back)
{
	ask_behind(1000, 0);
	traffic.acknowledged -= 500;
	ck_assert(!look());
	traffic.acknowledged += 100;
	ck_assert(look());
}
END_TEST

START_TEST(more_than_can_be_counted_is_ahead)
{
	ask_behind(1000, SIZE_MAX);
	traffic.acknowledged += UINT32_MAX - 1ULL;
	ck_assert(look());
	traffic.acknowledged += UINT32_MAX;
	ck_assert(look());
	ck_assert_uint_eq(watch.draining, 0);
}
END_TEST

START_TEST(the_question_is_stuck)
{
	traffic.silence = 10;
	ck_assert(!ws_watch_is_stuck(&watch, &traffic, 100));
	ask_behind(1, 0);
	ck_assert(ws_watch_is_stuck(&watch, &traffic, 100));
	traffic.silence = 100;
	ck_assert(!ws_watch_is_stuck(&watch, &traffic, 100));
}
END_TEST

Suite *suite_watch(void)
{
	Suite *suite = suite_create("watch");
	TCase *tests = tcase_create("watch");

	tcase_add_checked_fixture(tests, setup, NULL);
	tcase_add_test(tests, nothing_is_no_sign);
	tcase_add_test(tests, each_byte_from_the_server_is_one);
	tcase_add_test(tests, acknowledging_the_question_is_no_sign);
	tcase_add_test(tests, what_is_ahead_of_the_question_is_acknowledged);
	tcase_add_test(tests, a_full_socket_drains);
	tcase_add_test(tests, a_window_opens);
	tcase_add_test(tests, a_window_opens_after_it_was_filled);
	tcase_add_test(tests, counts_go_back);
	tcase_add_test(tests, more_than_can_be_counted_is_ahead);
	tcase_add_test(tests, the_question_is_stuck);
	suite_add_tcase(suite, tests);
	return suite;
}
