#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/names.h"
#include "base/text.h"

/* --- text ---------------------------------------------------------------------------------- */

static const struct {
	const char *text;
	bool valid;
	uint64_t value;
} durations[] = {
	{"0", true, 0},
	{"250ms", true, UINT64_C(250000000)},
	{"5s", true, UINT64_C(5000000000)},
	{"2m", true, UINT64_C(120000000000)},
	{"1h", true, UINT64_C(3600000000000)},
	{"1d", true, UINT64_C(86400000000000)},
	{"7us", true, 7000},
	{"5", false, 0},
	{"", false, 0},
	{"s", false, 0},
	{"-5s", false, 0},
	{" 5s", false, 0},
	{"5 s", false, 0},
	{"5sec", false, 0},
	{"1.5s", false, 0},
	{"99999999999999999999s", false, 0},
	{"999999999999d", false, 0},
};

START_TEST(test_duration)
{
	uint64_t ns = 0;

	ck_assert_int_eq(text_parse_duration(durations[_i].text, &ns), durations[_i].valid);
	if (durations[_i].valid)
		ck_assert_uint_eq(ns, durations[_i].value);
}
END_TEST

static const struct {
	const char *text;
	bool valid;
	uint64_t value;
} sizes[] = {
	{"0", true, 0},
	{"512", true, 512},
	{"64K", true, 65536},
	{"1M", true, 1048576},
	{"2G", true, UINT64_C(2147483648)},
	{"1k", false, 0},
	{"M", false, 0},
	{"1MB", false, 0},
	{"-1", false, 0},
	{"99999999999G", false, 0},
};

START_TEST(test_size)
{
	uint64_t bytes = 0;

	ck_assert_int_eq(text_parse_size(sizes[_i].text, &bytes), sizes[_i].valid);
	if (sizes[_i].valid)
		ck_assert_uint_eq(bytes, sizes[_i].value);
}
END_TEST

static const struct {
	uint64_t ns;
	const char *text;
} formatted[] = {
	{0, "0s"},
	{UINT64_C(90000000000), "90s"},
	{UINT64_C(60000000000), "1m"},
	{UINT64_C(250000000), "250ms"},
	{UINT64_C(86400000000000), "1d"},
	{7000, "7us"},
	{1500, "1.5e-06s"},
};

static const struct {
	uint64_t bytes;
	const char *text;
} formatted_sizes[] = {
	{0, "0"},
	{1, "1"},
	{1000, "1000"},
	{1024, "1K"},
	{1536, "1536"},
	{3 << 20, "3M"},
	{UINT64_C(4) << 30, "4G"},
	{(UINT64_C(1) << 30) + 1024, "1048577K"},
};

START_TEST(test_format_size)
{
	char text[TEXT_SIZE_SIZE];
	uint64_t bytes;

	text_format_size(text, formatted_sizes[_i].bytes);
	ck_assert_str_eq(text, formatted_sizes[_i].text);
	ck_assert(text_parse_size(text, &bytes));
	ck_assert_uint_eq(bytes, formatted_sizes[_i].bytes);
}
END_TEST

START_TEST(test_format_duration)
{
	char text[TEXT_DURATION_SIZE];

	text_format_duration(text, formatted[_i].ns);
	ck_assert_str_eq(text, formatted[_i].text);
}
END_TEST

/* RFC 4648, section 10. */
static const struct {
	const char *plain;
	const char *encoded;
} base64[] = {
	{"", ""},
	{"f", "Zg=="},
	{"fo", "Zm8="},
	{"foo", "Zm9v"},
	{"foob", "Zm9vYg=="},
	{"fooba", "Zm9vYmE="},
	{"foobar", "Zm9vYmFy"},
};

START_TEST(test_base64)
{
	size_t length = strlen(base64[_i].plain);
	char out[16] = "";

	ck_assert_uint_eq(text_base64_length(length), strlen(base64[_i].encoded));
	text_base64_encode(out, base64[_i].plain, length);
	ck_assert_str_eq(out, base64[_i].encoded);

	ck_assert(text_base64_decode(out, &length, base64[_i].encoded));
	ck_assert_mem_eq(out, base64[_i].plain, length);
	ck_assert_uint_eq(length, strlen(base64[_i].plain));
}
END_TEST

static const char *const not_base64[] = {
	"Z", "Zg", "Zg=", "Zg==Zg==", "Z===", "====", "Zm9v\n", "Zm-v", "Z=9v", "Zm9vY=="};

START_TEST(test_base64_refuses)
{
	char out[16];
	size_t length;

	ck_assert(!text_base64_decode(out, &length, not_base64[_i]));
}
END_TEST

static const struct {
	const char *name;
	bool valid;
} name_rules[] = {
	{"ticker", true},
	{"a", true},
	{"Binance-1.trades_x", true},
	{"", false},
	{".hidden", false},
	{"-option", false},
	{"a/b", false},
	{"a b", false},
	{"\xc3\xa9", false},
	{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", true},
	{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
};

START_TEST(test_name)
{
	ck_assert_int_eq(text_is_name(name_rules[_i].name), name_rules[_i].valid);
}
END_TEST

/* --- buffer -------------------------------------------------------------------------------- */

/* Appends and consumes at random, against a plain copy of what must be in it. */
START_TEST(test_buffer_model)
{
	static uint8_t model[1 << 16];
	struct buffer buffer = {0};
	size_t begin = 0, end = 0;
	uint8_t next = 0;

	srandom(1);
	while (end < sizeof(model) - 300) {
		size_t more = (size_t)random() % 300, less;

		for (size_t i = 0; i < more; i++)
			model[end + i] = next++;
		buffer_append(&buffer, model + end, more);
		end += more;
		less = (size_t)random() % (end - begin + 1);
		buffer_consume(&buffer, less);
		begin += less;
		ck_assert_uint_eq(buffer.length, end - begin);
		if (buffer.length)
			ck_assert_mem_eq(buffer_data(&buffer), model + begin, end - begin);
	}
	buffer_release(&buffer);
}
END_TEST

START_TEST(test_buffer_empty_owns_nothing)
{
	struct buffer buffer = {0};

	buffer_append_text(&buffer, "some text");
	buffer_consume(&buffer, 4);
	ck_assert_ptr_nonnull(buffer.memory);
	buffer_consume(&buffer, 5);
	ck_assert_ptr_null(buffer.memory);
	ck_assert_uint_eq(buffer.capacity, 0);
}
END_TEST

/* --- error, clock, names ------------------------------------------------------------------- */

START_TEST(test_error_prefix)
{
	struct error error;

	ck_assert(!error_set(&error, ERROR_WEBSOCKET, "bad port %d", 99999));
	ck_assert(!error_prefix(&error, "outlet '%s': ", "trades"));
	ck_assert_str_eq(error.text, "outlet 'trades': bad port 99999");
	ck_assert_str_eq(error.name, "WEBSOCKET-ERROR");
}
END_TEST

START_TEST(test_error_is_bounded)
{
	char long_text[2000];
	struct error error;

	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	error_set(&error, ERROR_WEBSOCKET, "%s", long_text);
	error_prefix(&error, "%s", long_text);
	ck_assert_uint_eq(strlen(error.text), sizeof(error.text) - 1);
}
END_TEST

START_TEST(test_clock_format)
{
	char text[CLOCK_TEXT_SIZE];

	clock_format(text, UINT64_C(1700000000123456789));
	ck_assert_str_eq(text, "2023-11-14T22:13:20.123456Z");
}
END_TEST

static const struct {
	const char *glob;
	const char *name;
	bool matches;
} globs[] = {
	{"plain", "plain", true},
	{"plain", "plainer", false},
	{"*", "any", true},
	{"c*", "c", true},
	{"c*", "c12", true},
	{"c*", "b12", false},
	{"c*2", "c12", true},
	{"c*2", "c13", false},
	{"c?", "c", false},
	{"c?", "c1", true},
	{"c[12]*", "c2.x", true},
	{"c[!12]*", "c2.x", false},
	{"c\\*[1]", "c*1", true},
	{"c\\*[1]", "cx1", false},
	{"longer*", "long", false},
};

START_TEST(test_globs)
{
	ck_assert(text_matches(globs[_i].glob, globs[_i].name) == globs[_i].matches);
}
END_TEST

START_TEST(test_grows_one_by_one)
{
	unsigned *numbers = NULL;

	for (unsigned i = 0; i < 100; i++) {
		numbers = alloc_one_more(numbers, i, sizeof(*numbers));
		numbers[i] = i;
	}
	for (unsigned i = 0; i < 100; i++)
		ck_assert_uint_eq(numbers[i], i);
	free(numbers);
}
END_TEST

START_TEST(test_names)
{
	struct names names = {0};
	int one, two;

	ck_assert_ptr_null(names_find(&names, "one"));
	names_add(&names, "one", &one);
	names_add(&names, "two", &two);
	ck_assert_ptr_eq(names_find(&names, "one"), &one);
	names_remove(&names, "one");
	names_remove(&names, "one");
	ck_assert_ptr_null(names_find(&names, "one"));
	ck_assert_ptr_eq(names_find(&names, "two"), &two);
	names_release(&names);
	ck_assert_ptr_null(names_find(&names, "two"));
}
END_TEST

/* Whatever is removed, and in whatever order, the others are still found. */
START_TEST(test_many_names)
{
	enum { MANY = 1000 };
	static char text[MANY][8];
	struct names names = {0};

	for (size_t i = 0; i < MANY; i++) {
		snprintf(text[i], sizeof(text[i]), "n%zu", i);
		names_add(&names, text[i], text[i]);
	}
	for (size_t gone = 0; gone < MANY; gone++) {
		names_remove(&names, text[gone * 7 % MANY]);
		for (size_t i = 0; i < MANY; i += 13) {
			bool there = i * 143 % MANY > gone; /* 143 * 7 % 1000 == 1 */

			ck_assert_ptr_eq(names_find(&names, text[i]), there ? text[i] : NULL);
		}
	}
	ck_assert_uint_eq(names.count, 0);
	names_release(&names);
}
END_TEST

/* --- clean text ---------------------------------------------------------------------------- */

#define BAD "\xef\xbf\xbd"

static const struct {
	const char *text;
	const char *clean;
} cleaned[] = {
	{"", ""},
	{"plain", "plain"},
	{"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
		"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80"},
	{"a\nb\tc\x1b[m\x7f", "a b c [m "},
	{"\xc2\x80\xc2\x9b\xc2\x9f\xc2\xa0", BAD BAD BAD "\xc2\xa0"}, /* C1, and what follows */
	{"\xd8\x9c\xe2\x80\x8e\xe2\x80\x8f", BAD BAD BAD},
	{"\xe2\x80\xa7\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa\xe2\x80\xae\xe2\x80\xaf",
		"\xe2\x80\xa7" BAD BAD BAD BAD "\xe2\x80\xaf"},
	{"\xe2\x81\xa5\xe2\x81\xa6\xe2\x81\xa9\xe2\x81\xaa", "\xe2\x81\xa5" BAD BAD "\xe2\x81\xaa"},
	{"\xff\xc0\x80", BAD BAD BAD},         /* no lead; overlong */
	{"\xe0\x9f\xbf", BAD BAD BAD},         /* overlong */
	{"\xed\xa0\x80", BAD BAD BAD},         /* a surrogate */
	{"\xf4\x90\x80\x80", BAD BAD BAD BAD}, /* beyond U+10FFFF */
	{"a\xc3", "a" BAD},
	{"\xe2\x82z", BAD BAD "z"},
};

START_TEST(test_clean)
{
	const char *text = cleaned[_i].text, *clean = cleaned[_i].clean;
	char out[64], *copy;

	ck_assert_uint_eq(text_clean(out, sizeof(out), text, strlen(text)), strlen(clean));
	ck_assert_str_eq(out, clean);
	copy = text_clean_copy(text, strlen(text));
	ck_assert_str_eq(copy, clean);
	free(copy);
}
END_TEST

/* A limit never leaves a piece of a character. */
START_TEST(test_clean_is_bounded)
{
	static const char text[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xff";
	static const size_t lengths[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10, 10, 13, 13};
	char out[16];

	for (size_t size = 1; size <= 15; size++) {
		ck_assert_uint_eq(text_clean(out, size, text, sizeof(text) - 1), lengths[size - 1]);
		ck_assert_uint_eq(strlen(out), lengths[size - 1]);
	}
	for (size_t limit = 0; limit <= 10; limit++)
		ck_assert_int_eq(text_cut(text, limit), (int)lengths[limit]);
	ck_assert_int_eq(text_cut("ab", 100), 2);
}
END_TEST

START_TEST(test_error_is_cut_between_characters)
{
	struct error error;
	char text[600] = "";

	for (int i = 0; i < 299; i++)
		strcat(text, "\xc3\xa9");
	error_set(&error, ERROR_SYSTEM, "%s", text);
	ck_assert_uint_eq(strlen(error.text), 510); /* and not 511 */
	error_prefix(&error, "%s", "at ");
	ck_assert_uint_eq(strlen(error.text), 511);
	error_set(&error, ERROR_SYSTEM, "x%s", error.text); /* its own text may be an argument */
	ck_assert_uint_eq(strlen(error.text), 510);
	ck_assert_ptr_eq(strstr(error.text, "xat \xc3\xa9"), error.text);
	error_set(&error, ERROR_SYSTEM, "it says %s", "\x1b]0;\xe9\n\xe2\x80\xae");
	ck_assert_str_eq(error.text, "it says  ]0;" BAD " " BAD);
}
END_TEST

/* --- log ----------------------------------------------------------------------------------- */

/* What a log of that format writes to stderr for one line; the caller frees it. */
static char *capture_log(enum log_format format, int level, int priority,
	const struct log_subject *about, const char *message)
{
	struct log *log = log_new(format, level);
	int saved = dup(STDERR_FILENO), ends[2];
	char *text = calloc(1, 4096);
	ssize_t length;

	ck_assert_int_eq(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	close(ends[1]);
	log_write(log, priority, about, "%s", message);
	log_free(log);
	dup2(saved, STDERR_FILENO);
	close(saved);
	length = read(ends[0], text, 4095);
	ck_assert_int_ge(length, 0);
	close(ends[0]);
	return text;
}

START_TEST(test_log_text)
{
	const struct log_subject about = {.kind = "connection", .name = "ticker"};
	char *text = capture_log(LOG_FORMAT_TEXT, LOG_INFO, LOG_NOTICE, &about, "open");

	ck_assert_str_eq(text, "notice: connection ticker: open\n");
	free(text);
}
END_TEST

START_TEST(test_log_one_line)
{
	char *text = capture_log(LOG_FORMAT_TEXT, LOG_INFO, LOG_ERR, NULL, "a\nb\x1b[31m");

	ck_assert_str_eq(text, "err: a b [31m\n");
	free(text);
}
END_TEST

START_TEST(test_log_level)
{
	char *text = capture_log(LOG_FORMAT_TEXT, LOG_INFO, LOG_DEBUG, NULL, "not to be seen");

	ck_assert_str_eq(text, "");
	free(text);
}
END_TEST

START_TEST(test_log_json)
{
	const struct log_subject about = {.kind = "outlet", .name = "trades"};
	char *text = capture_log(LOG_FORMAT_JSON, LOG_INFO, LOG_INFO, &about, "say \"hi\"");

	ck_assert_ptr_eq(strstr(text, "{\"time\":\"20"), text);
	ck_assert_ptr_nonnull(strstr(text,
		"Z\",\"level\":\"info\",\"outlet\":\"trades\","
		"\"message\":\"say \\\"hi\\\"\"}\n"));
	free(text);
}
END_TEST

START_TEST(test_log_level_names)
{
	ck_assert_int_eq(log_level_parse("debug"), LOG_DEBUG);
	ck_assert_int_eq(log_level_parse("err"), LOG_ERR);
	ck_assert_int_eq(log_level_parse("loud"), -1);
	ck_assert_str_eq(log_level_name(LOG_WARNING), "warning");
}
END_TEST

static char *read_text(const char *path, enum file_kinds kinds, size_t most)
{
	struct buffer text = {0};
	struct error error;
	char *copy;

	if (!file_read_text(path, kinds, most, &text, &error)) {
		buffer_release(&text);
		return alloc_format("error: %s", error.text);
	}
	buffer_append(&text, "", 1);
	copy = alloc_string((const char *)buffer_data(&text));
	buffer_release(&text);
	return copy;
}

static void expect_text(const char *path, enum file_kinds kinds, size_t most, const char *expected)
{
	char *text = read_text(path, kinds, most);

	ck_assert_str_eq(text, expected);
	free(text);
}

static void write_text(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

START_TEST(test_files)
{
	char folder[] = "/tmp/test-files-XXXXXX";
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int ends[2];
	char path[32];

	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_int_eq(chdir(folder), 0);
	write_text("plain", "some text");
	write_text("marked", "\xef\xbb\xbftext");
	write_text("utf16", "\xfe\xff");
	ck_assert_int_eq(mkfifo("fifo", 0600), 0);
	ck_assert_int_eq(symlink("fifo", "link"), 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	expect_text("plain", FILE_REGULAR, 100, "some text");
	expect_text("plain", FILE_REGULAR, 4, "some");
	expect_text("marked", FILE_REGULAR, 100, "text");
	expect_text("utf16", FILE_REGULAR, 100, "error: is in UTF-16, not in UTF-8");
	expect_text("none", FILE_REGULAR, 100, "error: cannot be read: No such file or directory");
	expect_text(".", FILE_REGULAR, 100, "error: is a directory, not a regular file");
	expect_text("fifo", FILE_REGULAR, 100, "error: is a FIFO, not a regular file");
	expect_text("link", FILE_OR_PIPE, 100, "error: is a FIFO, not a regular file");
	expect_text("socket", FILE_REGULAR, 100, "error: is not a regular file");
	expect_text("/dev/zero", FILE_OR_PIPE, 100, "error: is a device, not a regular file");

	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(write(ends[1], "piped", 5), 5);
	close(ends[1]);
	snprintf(path, sizeof(path), "/dev/fd/%d", ends[0]);
	expect_text(path, FILE_REGULAR, 100, "error: is a FIFO, not a regular file");
	expect_text(path, FILE_OR_PIPE, 100, "piped");
	close(ends[0]);
	close(fd);
	for (const char *const *name = (const char *const[]){"plain", "marked", "utf16", "fifo",
		     "link", "socket", NULL};
		*name; name++)
		unlink(*name);
	ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

int main(void)
{
	Suite *suite = suite_create("base");
	TCase *text = tcase_create("text");
	TCase *rest = tcase_create("rest");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(text, test_duration, 0, COUNT(durations));
	tcase_add_loop_test(text, test_size, 0, COUNT(sizes));
	tcase_add_loop_test(text, test_format_duration, 0, COUNT(formatted));
	tcase_add_loop_test(text, test_format_size, 0, COUNT(formatted_sizes));
	tcase_add_loop_test(text, test_base64, 0, COUNT(base64));
	tcase_add_loop_test(text, test_base64_refuses, 0, COUNT(not_base64));
	tcase_add_loop_test(text, test_name, 0, COUNT(name_rules));
	suite_add_tcase(suite, text);
	tcase_add_loop_test(text, test_clean, 0, COUNT(cleaned));
	tcase_add_test(text, test_clean_is_bounded);
	tcase_add_test(rest, test_buffer_model);
	tcase_add_test(rest, test_buffer_empty_owns_nothing);
	tcase_add_test(rest, test_error_prefix);
	tcase_add_test(rest, test_error_is_bounded);
	tcase_add_test(rest, test_error_is_cut_between_characters);
	tcase_add_test(rest, test_clock_format);
	tcase_add_loop_test(text, test_globs, 0, sizeof(globs) / sizeof(globs[0]));
	tcase_add_test(rest, test_grows_one_by_one);
	tcase_add_test(rest, test_names);
	tcase_add_test(rest, test_many_names);
	tcase_add_test(rest, test_log_text);
	tcase_add_test(rest, test_log_one_line);
	tcase_add_test(rest, test_log_level);
	tcase_add_test(rest, test_log_json);
	tcase_add_test(rest, test_log_level_names);
	tcase_add_test(rest, test_files);
	suite_add_tcase(suite, rest);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
