#include <check.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/notify.h"

static struct event_base *base;
static int manager = -1; /* its socket */

static void setup(void)
{
	base = event_base_new();
}

static void teardown(void)
{
	event_base_free(base);
	if (manager >= 0)
		close(manager);
	manager = -1;
	unsetenv("NOTIFY_SOCKET");
}

/* An abstract socket: it leaves no file behind. */
static void open_manager(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char name[64];
	socklen_t length;

	snprintf(name, sizeof(name), "@wsgated-test-notify-%d", (int)getpid());
	length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
	memcpy(address.sun_path + 1, name + 1, strlen(name) - 1);
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ck_assert_int_eq(bind(manager, (const struct sockaddr *)&address, length), 0);
	setenv("NOTIFY_SOCKET", name, 1);
}

static const char *received(void)
{
	static char text[256];
	ssize_t length = recv(manager, text, sizeof(text) - 1, 0);

	text[length > 0 ? length : 0] = '\0';
	return text;
}

START_TEST(test_tells_the_manager)
{
	struct notify *notify;

	open_manager();
	notify = notify_new(base);
	notify_send(notify, "STATUS=%d of %d", 1, 2);
	ck_assert_str_eq(received(), "STATUS=1 of 2");
	notify_send(notify, "READY=1");
	notify_free(notify);
	ck_assert_str_eq(received(), "READY=1");
}
END_TEST

/* Sends until the manager's queue is full, and beyond: nothing blocks, and the newest come through. */
START_TEST(test_does_not_wait_for_a_manager_that_does_not_read)
{
	enum { SENT = 20000 };
	struct notify *notify;
	char last[32], text[256] = "";

	open_manager();
	notify = notify_new(base);
	for (int i = 0; i < SENT; i++)
		notify_send(notify, "STATUS=%d", i);
	snprintf(last, sizeof(last), "STATUS=%d", SENT - 1);
	for (int i = 0; i < SENT && strcmp(text, last) != 0; i++) {
		event_base_loop(base, EVLOOP_NONBLOCK);
		snprintf(text, sizeof(text), "%s", received());
	}
	ck_assert_str_eq(text, last);
	notify_free(notify);
}
END_TEST

/* No manager, or none that could be reached: nothing happens. */
START_TEST(test_needs_no_manager)
{
	static const char *const names[] = {NULL, "", "@", "relative", "/nonexistent/socket"};
	struct notify *notify;

	if (names[_i])
		setenv("NOTIFY_SOCKET", names[_i], 1);
	notify = notify_new(base);
	notify_send(notify, "READY=1");
	notify_free(notify);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("notify");
	TCase *tests = tcase_create("notify");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, test_tells_the_manager);
	tcase_add_test(tests, test_does_not_wait_for_a_manager_that_does_not_read);
	tcase_add_loop_test(tests, test_needs_no_manager, 0, 5);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
