#include <check.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/loop.h"

static struct event_base *base;

static void setup(void)
{
	base = loop_new();
	ck_assert_ptr_nonnull(base);
}

static void teardown(void)
{
	event_base_free(base);
}

static void end_loop(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what, (void)context;
	event_base_loopbreak(base);
}

static void activate(evutil_socket_t fd, short what, void *context)
{
	struct event **other = context;

	(void)fd, (void)what;
	event_active(*other, EV_TIMEOUT, 0);
}

/* Two events that activate each other for ever keep neither a socket nor a timer from its turn. */
START_TEST(test_active_events_do_not_starve_the_poll)
{
	const struct timeval soon = {.tv_usec = 1000};
	struct event *one, *other, *end;
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	one = evtimer_new(base, activate, &other);
	other = evtimer_new(base, activate, &one);
	if (_i == 0) {
		end = event_new(base, fds[0], EV_READ, end_loop, NULL);
		event_add(end, NULL);
		ck_assert_int_eq(write(fds[1], "x", 1), 1);
	} else {
		end = evtimer_new(base, end_loop, NULL);
		event_add(end, &soon);
	}
	event_active(one, EV_TIMEOUT, 0);
	ck_assert_int_eq(event_base_dispatch(base), 0);
	ck_assert(event_base_got_break(base));
	event_free(one);
	event_free(other);
	event_free(end);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("loop");
	TCase *tests = tcase_create("loop");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, test_active_events_do_not_starve_the_poll, 0, 2);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
