#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client_harness.h"

static struct fake fake;
static const struct wsgate_options defaults = WSGATE_OPTIONS_INIT;

static void setup(void)
{
	fake_setup(&fake);
}

static void teardown(void)
{
	fake_teardown(&fake);
}

static void expect_refused(struct wsgate_options options, enum wsgate_result expected,
	const char *text)
{
	struct wsgate *gate;
	enum wsgate_result result = wsgate_open(&gate, &options);
	const struct wsgate_record *record;

	ck_assert_int_eq(result, expected);
	ck_assert_msg(strstr(wsgate_error(gate), text) != NULL, "%s", wsgate_error(gate));
	ck_assert_int_eq(wsgate_next(gate, &record, 0), expected);
	ck_assert_int_eq(wsgate_send(gate, WSGATE_TEXT, WSGATE_NO_CONNECTION, "x", 1), expected);
	ck_assert_ptr_null(wsgate_info(gate));
	wsgate_close(gate);
}

START_TEST(test_options_are_checked)
{
	struct wsgate_options options = defaults;
	struct {
		struct wsgate_options options;
		uint64_t later;
	} newer = {.options = WSGATE_OPTIONS_INIT, .later = 1};
	struct wsgate *gate;

	expect_refused(options, WSGATE_ERROR_ARGUMENT, "path");
	options.path = fake.path;
	options.size = 0;
	expect_refused(options, WSGATE_ERROR_ARGUMENT, "size");
	options.size = sizeof(options);
	options.start = 4;
	expect_refused(options, WSGATE_ERROR_ARGUMENT, "start");
	options.start = WSGATE_START_LIVE;
	options.mode = -1;
	expect_refused(options, WSGATE_ERROR_ARGUMENT, "mode");

	newer.options.size = sizeof(newer);
	newer.options.path = fake.path;
	ck_assert_int_eq(wsgate_open(&gate, &newer.options), WSGATE_ERROR_ARGUMENT);
	wsgate_close(gate);
	newer.later = 0;
	newer.options.timeout_ms = 0;
	ck_assert_int_eq(wsgate_open(&gate, &newer.options), WSGATE_ERROR_TIMEOUT);
	wsgate_close(gate);
	wsgate_close(NULL);
}
END_TEST

START_TEST(test_no_outlet)
{
	struct wsgate_options options = defaults;
	char path[256];

	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	options.path = path;
	expect_refused(options, WSGATE_ERROR_ARGUMENT, "too long");
	options.path = "/nonexistent/out.sock";
	expect_refused(options, WSGATE_ERROR_CONNECT, "/nonexistent/out.sock: No such file");
}
END_TEST

START_TEST(test_hello)
{
	struct wsgate_options options = defaults;
	const struct wsgate_info *info;
	struct wsgate *gate;

	options.mode = WSGATE_MODE_BYTES;
	options.start = WSGATE_START_AFTER;
	options.after = 40;
	fake_answer(&fake, 51, 10);
	gate = fake_open_well(&fake, options);
	ck_assert_mem_eq(fake.hellos[0].magic, "WSGATE", 6);
	ck_assert_uint_eq(fake.hellos[0].start, FRAMES_START_AFTER);
	ck_assert_uint_eq(fake.hellos[0].mode, FRAMES_MODE_BYTES);
	ck_assert_uint_eq(fake.hellos[0].seq, 40);
	info = wsgate_info(gate);
	ck_assert_str_eq(info->outlet, "test");
	ck_assert_uint_eq(info->next, 51);
	ck_assert_uint_eq(info->missing, 10);
	ck_assert_uint_eq(info->begun, 77);
	ck_assert_int_eq(info->anew, 0);
	ck_assert_int_eq(info->mode, WSGATE_MODE_BYTES);
	ck_assert_ptr_nonnull(strstr(info->hello, "\"connections\""));
	ck_assert_str_eq(wsgate_name(gate, 0), "ticker");
	ck_assert_ptr_null(wsgate_name(gate, 1));
	ck_assert_ptr_null(wsgate_name(gate, 99));
	ck_assert_uint_eq(wsgate_position(gate), 40);
	expect_gap(gate, 41, 50);
	expect_result(gate, WSGATE_AGAIN);
	wsgate_close(gate);
}
END_TEST

/* 0: of the same outlet; 1, 2: of its predecessor, which had counted less far or further. */
START_TEST(test_a_position_of_another_count)
{
	struct wsgate_options options = defaults;
	struct wsgate *gate;

	options.mode = WSGATE_MODE_BYTES;
	options.start = WSGATE_START_AFTER;
	options.after = 40;
	options.begun = _i == 0 ? 77 : _i == 1 ? 76 : 0;
	if (_i == 2)
		strcpy(fake_answer_any(&fake, FRAMES_HELLO), "{\"next\":31,\"ahead\":true}");
	else
		fake_answer(&fake, 51, 10);
	if (_i > 0)
		fake_answer(&fake, 11, 0);
	gate = fake_open_well(&fake, options);
	ck_assert_int_eq(wsgate_info(gate)->anew, _i > 0);
	ck_assert_uint_eq(wsgate_position(gate), _i > 0 ? 10 : 40);
	if (_i > 0)
		ck_assert_uint_eq(fake.hellos[1].start, FRAMES_START_OLDEST);
	wsgate_close(gate);
}
END_TEST

/* What the daemon may answer that is no answer: the library must say so, and survive it. */
START_TEST(test_answers_that_are_none)
{
	static const struct {
		enum frames_type type;
		const char *text;
		enum wsgate_result result;
		const char *error;
	} cases[] = {
		{FRAMES_ERROR, "no \033[31m way", WSGATE_ERROR_REFUSED, "no ?[31m way"},
		{FRAMES_TEXT, "hello", WSGATE_ERROR_PROTOCOL, "not an outlet of the format frames"},
		{FRAMES_HELLO, "", WSGATE_ERROR_PROTOCOL, "JSON"},
		{FRAMES_HELLO, "[]", WSGATE_ERROR_PROTOCOL, "JSON"},
		{FRAMES_HELLO, "{}", WSGATE_ERROR_PROTOCOL, "first record"},
		{FRAMES_HELLO, "{\"next\":\"x\"}", WSGATE_ERROR_PROTOCOL, "first record"},
		{FRAMES_HELLO, "{\"next\":-1}", WSGATE_ERROR_PROTOCOL, "first record"},
		{FRAMES_HELLO, "{\"next\":5,\"missing\":5}", WSGATE_ERROR_PROTOCOL, "first record"},
	};
	struct wsgate_options options = defaults;
	struct wsgate *gate;

	options.mode = WSGATE_MODE_BYTES;
	strcpy(fake_answer_any(&fake, cases[_i].type), cases[_i].text);
	ck_assert_int_eq(fake_open(&fake, &gate, options), cases[_i].result);
	ck_assert_msg(strstr(wsgate_error(gate), cases[_i].error) != NULL, "%s",
		wsgate_error(gate));
	wsgate_close(gate);
}
END_TEST

START_TEST(test_strange_names_do_no_harm)
{
	struct wsgate_options options = defaults;
	struct wsgate *gate;

	options.mode = WSGATE_MODE_BYTES;
	strcpy(fake_answer_any(&fake, FRAMES_HELLO),
		"{\"next\":1,\"connections\":[1,{},\"a\\u00e4\",[\"b\"]],\"missing\":true}");
	gate = fake_open_well(&fake, options);
	ck_assert_str_eq(wsgate_name(gate, 2), "aä");
	ck_assert_ptr_null(wsgate_name(gate, 3));
	fake_send(&fake, FRAMES_NAME, 1, 0xfffffffe, "far", 3);
	fake_send(&fake, FRAMES_NAME, 1, 1000, "near", 4);
	expect_result(gate, WSGATE_AGAIN);
	ck_assert_str_eq(wsgate_name(gate, 1000), "near");
	ck_assert_ptr_null(wsgate_name(gate, 0xfffffffe));
	wsgate_close(gate);
}
END_TEST

/* An outlet of lines says nothing, or something else. */
START_TEST(test_other_formats)
{
	struct wsgate_options options = defaults;

	options.path = fake.path;
	options.timeout_ms = 20;
	expect_refused(options, WSGATE_ERROR_TIMEOUT, "format frames");
}
END_TEST

START_TEST(test_automatic_takes_the_ring)
{
	struct writer writer;
	struct wsgate *gate;

	writer_open(&writer, 4096);
	writer_publish_text(&writer, "before");
	fake_answer_ring(&fake, &writer);
	gate = fake_open_well(&fake, defaults);
	ck_assert_uint_eq(fake.hellos[0].mode, FRAMES_MODE_RING);
	ck_assert_int_eq(wsgate_info(gate)->mode, WSGATE_MODE_RING);
	writer_publish_text(&writer, "one");
	expect_text(gate, 2, "one");
	wsgate_close(gate);
	writer_close(&writer);
}
END_TEST

START_TEST(test_automatic_goes_on_without_the_ring)
{
	struct wsgate *gate;

	fake_answer_error(&fake, "no ring here");
	fake_answer(&fake, 1, 0);
	gate = fake_open_well(&fake, defaults);
	ck_assert_uint_eq(fake.hellos[1].mode, FRAMES_MODE_BYTES);
	ck_assert_int_eq(wsgate_info(gate)->mode, WSGATE_MODE_BYTES);
	ck_assert_str_eq(wsgate_error(gate), "");
	fake_send_text(&fake, 1, "one");
	expect_text(gate, 1, "one");
	wsgate_close(gate);
}
END_TEST

static int open_descriptors(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static int memory_of(size_t size, unsigned seals)
{
	int fd = memfd_create("ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	ck_assert_int_eq(ftruncate(fd, (off_t)size), 0);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

/* What is passed as a ring and is none. */
START_TEST(test_rings_that_are_none)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	const struct {
		int fd;
		const char *ring;
		const char *error;
	} cases[] = {
		{-1, "{\"size\":4096,\"position\":0}", "not passed"},
		{memory_of(page + 4096, F_SEAL_SHRINK), "null", "not passed"},
		{open("/dev/null", O_RDONLY | O_CLOEXEC), "{\"size\":4096}", "sealed"},
		{memory_of(page + 4096, 0), "{\"size\":4096}", "sealed"},
		{memory_of(page, F_SEAL_SHRINK), "{\"size\":4096}", "does not match"},
		{memory_of(page + 4096, F_SEAL_SHRINK), "{\"size\":8192}", "does not match"},
		{memory_of(page + 4095, F_SEAL_SHRINK), "{\"size\":4095}", "power of two"},
		{memory_of(page + 12288, F_SEAL_SHRINK), "{\"size\":12288}", "power of two"},
		{memory_of(page, F_SEAL_SHRINK), "{\"size\":0}", "power of two"},
		{memory_of(page, F_SEAL_SHRINK), "{\"size\":4611686018427387904}", "power of two"},
		{memory_of(page + 4096, F_SEAL_SHRINK), "{\"size\":4096}", "not the memory"},
	};
	struct wsgate_options options = defaults;

	options.mode = WSGATE_MODE_RING;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int before = open_descriptors();
		struct wsgate *gate;

		fake.count = 0;
		sprintf(fake_answer_any(&fake, FRAMES_HELLO), "{\"next\":1,\"ring\":%s}",
			cases[i].ring);
		fake.answers[0].fds[0] = cases[i].fd;
		ck_assert_int_eq(fake_open(&fake, &gate, options), WSGATE_ERROR_PROTOCOL);
		ck_assert_msg(strstr(wsgate_error(gate), cases[i].error) != NULL, "%zu: %s", i,
			wsgate_error(gate));
		wsgate_close(gate);
		fake_hang_up(&fake);
		ck_assert_int_eq(open_descriptors(), before);
		if (cases[i].fd >= 0)
			close(cases[i].fd);
	}
}
END_TEST

/* A position that no record can have, and sizes that do not agree. */
START_TEST(test_rings_out_of_step)
{
	struct wsgate_options options = defaults;
	struct writer writer;
	struct wsgate *gate;

	options.mode = WSGATE_MODE_RING;
	writer_open(&writer, 8192);
	for (int i = 0; i < 2; i++) {
		fake.count = 0;
		sprintf(fake_answer_any(&fake, FRAMES_HELLO),
			"{\"next\":1,\"ring\":{\"size\":8192,\"position\":%d}}", i == 0 ? 4 : 0);
		fake.answers[0].fds[0] = writer.fd;
		writer.shared->size = i == 0 ? 8192 : 4096;
		ck_assert_int_eq(fake_open(&fake, &gate, options), WSGATE_ERROR_PROTOCOL);
		wsgate_close(gate);
	}
	writer_close(&writer);
}
END_TEST

START_TEST(test_more_descriptors_are_closed)
{
	struct wsgate_options options = defaults;
	struct writer writer;
	struct wsgate *gate;
	int before;

	options.mode = WSGATE_MODE_RING;
	writer_open(&writer, 4096);
	before = open_descriptors();
	fake_answer_ring(&fake, &writer);
	fake.answers[0].fds[1] = writer.fd;
	gate = fake_open_well(&fake, options);
	ck_assert_int_eq(open_descriptors(), before + 2); /* both ends of the socket */
	ck_assert_int_eq(fcntl(wsgate_fd(gate), F_GETFD), FD_CLOEXEC);
	wsgate_close(gate);
	ck_assert_int_eq(open_descriptors(), before + 1);
	writer_close(&writer);
}
END_TEST

START_TEST(test_every_result_has_a_text)
{
	for (int result = WSGATE_ERROR_NOT_FOUND; result <= WSGATE_END; result++)
		ck_assert_str_ne(wsgate_strerror((enum wsgate_result)result), "unknown result");
	ck_assert_str_eq(wsgate_error(NULL), "out of memory");
}
END_TEST

Suite *client_open_suite(void)
{
	Suite *suite = suite_create("client open");
	TCase *tests = tcase_create("open");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, test_options_are_checked);
	tcase_add_test(tests, test_no_outlet);
	tcase_add_test(tests, test_hello);
	tcase_add_loop_test(tests, test_a_position_of_another_count, 0, 3);
	tcase_add_loop_test(tests, test_answers_that_are_none, 0, 8);
	tcase_add_test(tests, test_strange_names_do_no_harm);
	tcase_add_test(tests, test_other_formats);
	tcase_add_test(tests, test_automatic_takes_the_ring);
	tcase_add_test(tests, test_automatic_goes_on_without_the_ring);
	tcase_add_test(tests, test_rings_that_are_none);
	tcase_add_test(tests, test_rings_out_of_step);
	tcase_add_test(tests, test_more_descriptors_are_closed);
	tcase_add_test(tests, test_every_result_has_a_text);
	suite_add_tcase(suite, tests);
	return suite;
}
