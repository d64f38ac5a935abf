#include "test_control.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "control/control.h"
#include "control/methods.h"

/* A control server over a real gateway, in this process, and clients of it. */

enum { PATIENCE_SECONDS = 20 };

static char folder[64];
static struct event_base *base;
static struct timers *timers;
static struct log *log_;
static struct gateway *gateway;
static struct control *control;
static int silent; /* a server that accepts, and never answers */
static bool reload_fails;

/* What a client has read and not looked at yet. */
struct peer {
	int fd;
	struct buffer input;
	bool ended;
};

static struct reload_waiter *reload_pending; /* not answered yet, if `reload_waits` */
static bool reload_waits;

static void test_reload(struct reload_waiter *waiter, void *context)
{
	char *texts[] = {"line 1", "line 2"};
	char *restart[] = {"gateway.dns"};
	struct reload_outcome outcome = {.done = !reload_fails};

	(void)context;
	if (reload_waits) {
		reload_pending = waiter;
		return;
	}
	outcome.changes = (struct gateway_changes){.added = 1, .outlets_changed = 7};
	outcome.problems.warnings.items = texts;
	outcome.problems.warnings.count = 1;
	outcome.restart = (struct string_list){restart, 1};
	if (reload_fails) {
		outcome.problems.errors.items = texts;
		outcome.problems.errors.count = 2;
		error_set(&outcome.error, ERROR_SETTINGS, "not valid");
	}
	waiter->done(waiter, &outcome);
}

static void test_forget_reload(struct reload_waiter *waiter, void *context)
{
	(void)context;
	ck_assert_ptr_eq(waiter, reload_pending);
	reload_pending = NULL;
}

static char *path_of(const char *name)
{
	return alloc_format("%s/%s", folder, name);
}

/* A listening socket of the loopback interface; its port. */
static unsigned listen_silently(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr = {htonl(INADDR_LOOPBACK)},
	};
	socklen_t length = sizeof(address);

	silent = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(silent, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(silent, 16), 0);
	getsockname(silent, (struct sockaddr *)&address, &length);
	return ntohs(address.sin_port);
}

static void write_configuration(const char *path, unsigned port)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	fprintf(file,
		"gateway = { runtime_dir = \"%s\"; control = { path = \"control.sock\"; }; };\n"
		"defaults = { when = \"manual\"; reconnect = { enabled = false; }; };\n"
		"connections = (\n"
		"  { name = \"refused\"; url = \"ws://user:secret@127.0.0.1:1/\"; },\n"
		"  { name = \"silent\"; url = \"ws://127.0.0.1:%u/\"; } );\n",
		folder, port);
	fclose(file);
}

static void setup(void)
{
	static const struct control_callbacks callbacks = {
		.reload = test_reload,
		.forget_reload = test_forget_reload,
	};
	struct settings_problems problems = {0};
	struct settings *settings;
	struct error error;
	char *path;

	signal(SIGPIPE, SIG_IGN);
	strcpy(folder, "/tmp/wsgated-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	path = path_of("wsgated.conf");
	write_configuration(path, listen_silently());
	settings = settings_load(path, &problems);
	ck_assert_msg(settings != NULL, "%s",
		problems.errors.count ? problems.errors.items[0] : "");
	unlink(path);
	free(path);

	base = event_base_new();
	timers = timers_new(base, NULL, NULL);
	log_ = log_new(LOG_FORMAT_TEXT, LOG_CRIT);
	gateway = gateway_new(base, timers, log_, settings, &problems);
	ck_assert_msg(gateway != NULL, "%s", problems.errors.count ? problems.errors.items[0] : "");
	settings_problems_release(&problems);
	control = control_new(gateway, &callbacks, NULL, &error);
	ck_assert_msg(control != NULL, "%s", error.text);
	reload_fails = false;
	reload_waits = false;
	reload_pending = NULL;
}

static void teardown(void)
{
	control_free(control);
	gateway_free(gateway);
	timers_free(timers);
	event_base_free(base);
	log_free(log_);
	close(silent);
	rmdir(folder);
}

static struct peer *peer_new(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct peer *peer = alloc_zero(1, sizeof(*peer));

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/control.sock", folder);
	peer->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ck_assert_int_eq(connect(peer->fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return peer;
}

static void peer_free(struct peer *peer)
{
	close(peer->fd);
	buffer_release(&peer->input);
	free(peer);
}

/* The server's turn, for as long as it has something to do, and a little longer. */
static void turn(void)
{
	const struct timeval moment = {.tv_usec = 1000};

	event_base_loopexit(base, &moment);
	event_base_dispatch(base);
}

static void peer_write(struct peer *peer, const char *data, size_t length)
{
	uint64_t deadline = clock_monotonic() + PATIENCE_SECONDS * CLOCK_NS_PER_SECOND;

	while (length) {
		ssize_t sent = send(peer->fd, data, length, MSG_NOSIGNAL);

		if (sent < 0 && errno == EPIPE)
			return;
		if (sent > 0) {
			data += sent;
			length -= (size_t)sent;
		}
		turn();
		ck_assert_msg(clock_monotonic() < deadline, "the server does not read");
	}
}

static void peer_read(struct peer *peer)
{
	ssize_t length = recv(peer->fd, buffer_reserve(&peer->input, 65536), 65536, 0);

	if (length > 0)
		buffer_commit(&peer->input, (size_t)length);
	else if (length == 0 || errno != EAGAIN)
		peer->ended = true;
}

/* The next line, as JSON; NULL at the end of the stream. */
static json_t *peer_line(struct peer *peer)
{
	uint64_t deadline = clock_monotonic() + PATIENCE_SECONDS * CLOCK_NS_PER_SECOND;
	const char *data, *newline = NULL;
	json_t *json;

	for (;;) {
		data = (const char *)buffer_data(&peer->input);
		newline = data ? memchr(data, '\n', peer->input.length) : NULL;
		if (newline || peer->ended)
			break;
		turn();
		peer_read(peer);
		ck_assert_msg(clock_monotonic() < deadline, "no line in time");
	}
	if (!newline)
		return NULL;
	json = json_loadb(data, (size_t)(newline - data), 0, NULL);
	ck_assert_ptr_nonnull(json);
	buffer_consume(&peer->input, (size_t)(newline - data) + 1);
	return json;
}

static void peer_request(struct peer *peer, const char *method, const char *parameters)
{
	char *line =
		alloc_format("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":%s}\n",
			method, parameters);

	peer_write(peer, line, strlen(line));
	free(line);
}

/* The answer's member as a text; an error's code and text as "CODE ERR: TEXT". */
static char *answer_text(json_t *answer)
{
	json_t *error = json_object_get(answer, "error");
	const char *err = json_string_value(json_object_get(json_object_get(error, "data"), "err"));
	char *text;

	ck_assert_ptr_nonnull(answer);
	if (error)
		text = alloc_format("%d %s: %s",
			(int)json_integer_value(json_object_get(error, "code")), err ? err : "-",
			json_string_value(json_object_get(error, "message")));
	else
		text = json_dumps(json_object_get(answer, "result"),
			JSON_ENCODE_ANY | JSON_COMPACT);
	json_decref(answer);
	return text;
}

static char *peer_call(struct peer *peer, const char *method, const char *parameters)
{
	peer_request(peer, method, parameters);
	return answer_text(peer_line(peer));
}

static json_t *peer_result(struct peer *peer, const char *method, const char *parameters)
{
	json_t *answer, *result;

	peer_request(peer, method, parameters);
	answer = peer_line(peer);
	result = json_incref(json_object_get(answer, "result"));
	ck_assert_msg(result != NULL, "%s %s", method, parameters);
	json_decref(answer);
	return result;
}

static void check_call(struct peer *peer, const char *method, const char *parameters,
	const char *expected)
{
	char *text = peer_call(peer, method, parameters);

	ck_assert_msg(strncmp(text, expected, strlen(expected)) == 0, "%s %s: %s, not %s", method,
		parameters, text, expected);
	free(text);
}

#define NOT_FOUND "-32000 NOT-FOUND: no connection named 'nope'"

static const struct {
	const char *method;
	const char *parameters;
	const char *answer; /* or how it begins */
} calls[] = {
	{"is-open", "{\"name\":\"nope\"}", NOT_FOUND},
	{"connect", "{\"name\":\"nope\"}", NOT_FOUND},
	{"disconnect", "{\"name\":\"nope\"}", NOT_FOUND},
	{"status", "{\"name\":\"nope\"}", NOT_FOUND},
	{"stats", "{\"name\":\"nope\"}", NOT_FOUND},
	{"clear", "{\"names\":[\"refused\",\"nope\"]}", NOT_FOUND},
	{"warn", "{\"name\":\"nope\",\"warning_ms\":1}", NOT_FOUND},
	{"unwarn", "{\"name\":\"nope\"}", NOT_FOUND},
	{"warnings", "{\"name\":\"nope\"}", NOT_FOUND},
	{"send", "{\"name\":\"nope\",\"text\":\"\"}", NOT_FOUND},
	{"ping", "{\"name\":\"nope\"}", NOT_FOUND},
	{"remove", "{\"name\":\"nope\"}", "-32000 NOT-FOUND: "},
	{"subscribers", "{\"outlet\":\"nope\"}", "-32000 NOT-FOUND: no outlet named 'nope'"},

	{"is-open", "[\"refused\"]", "false"},
	{"warnings", "{}", "[]"},
	{"subscribers", "{}", "[]"},
	{"clear", "{\"all\":true}", "true"},
	{"clear", "{\"names\":[\"silent\",\"refused\"]}", "true"},
	{"clear", "{}", "-32602 -: clear: exactly one of 'names' and 'all' is required"},
	{"clear", "{\"names\":[],\"all\":true}",
		"-32602 -: clear: exactly one of 'names' and 'all' is required"},

	{"disconnect", "{\"name\":\"refused\"}", "true"},
	{"disconnect", "{\"name\":\"refused\",\"code\":3000,\"reason\":\"bye\"}", "true"},
	{"disconnect", "{\"name\":\"refused\",\"code\":0}",
		"-32602 -: disconnect: parameter 'code'"},
	{"disconnect", "{\"name\":\"refused\",\"code\":1005}",
		"-32602 -: disconnect: parameter 'code'"},
	{"disconnect", "{\"name\":\"refused\",\"code\":5000}",
		"-32602 -: disconnect: parameter 'code'"},
	{"disconnect", "{\"name\":\"refused\",\"code\":70000}",
		"-32602 -: disconnect: parameter 'code'"},

	{"send", "{\"name\":\"refused\",\"text\":\"a\"}", "-32000 SOCKET-NOT-OPEN: "},
	{"send", "{\"name\":\"refused\",\"base64\":\"YQ==\"}", "-32000 SOCKET-NOT-OPEN: "},
	{"send", "{\"name\":\"refused\",\"base64\":\"YQ\"}",
		"-32602 -: send: parameter 'base64' is not base64"},
	{"send", "{\"name\":\"refused\"}",
		"-32602 -: send: exactly one of 'text' and 'base64' is required"},
	{"send", "{\"name\":\"refused\",\"text\":\"\",\"base64\":\"\"}",
		"-32602 -: send: exactly one of 'text' and 'base64' is required"},
	{"ping", "{\"name\":\"refused\"}", "-32000 SOCKET-NOT-OPEN: "},

	{"warn", "{\"name\":\"refused\"}", "-32000 SOCKET-SETWARNINGQUEUE-ERROR: "},
	{"warn", "{\"name\":\"refused\",\"warning_ms\":-1,\"warning_bs\":0}",
		"-32000 SOCKET-SETWARNINGQUEUE-ERROR: "},
	{"warn", "{\"name\":\"refused\",\"warning_ms\":1,\"queue\":-1}", "-32000 QUEUE-ERROR: "},
	{"warn", "{\"name\":\"refused\",\"warning_ms\":1,\"queue\":0}", "-32000 QUEUE-ERROR: "},
	{"warn", "{\"name\":\"refused\",\"warning_ms\":1,\"queue\":100001}",
		"-32000 QUEUE-ERROR: "},

	{"connect", "{\"name\":\"refused\",\"headers\":{\"A\":1}}",
		"-32602 WEBSOCKET-ERROR: connect: parameter 'headers' must be like"},
	{"connect", "{\"name\":\"refused\",\"headers\":[\"no colon\"]}",
		"-32602 WEBSOCKET-ERROR: connect: parameter 'headers' must be like"},

	{"add", "{\"name\":\"refused\",\"url\":\"ws://h/\"}", "-32000 ALREADY-EXISTS: "},
	{"add", "{\"name\":\"x\",\"url\":\"http://h/\"}", "-32000 WEBSOCKET-ERROR: "},
	{"add", "{\"name\":\"x\",\"url\":\"ws://h/\",\"nope\":1}", "-32000 WEBSOCKET-ERROR: "},
	{"add", "{\"name\":\"x\",\"url\":\"ws://h/\",\"a b\":1}",
		"-32000 WEBSOCKET-ERROR: 'a b' cannot be the name of a setting"},

	{"log", "{}", "{\"level\":\"crit\"}"},
	{"log", "{\"level\":\"debug\"}", "{\"level\":\"debug\"}"},
	{"log", "{\"level\":\"loud\"}", "-32602 -: log: parameter 'level' must be err"},
	{"events", "{}", "{\"following\":true}"},
};

START_TEST(a_method_answers)
{
	struct peer *peer = peer_new();

	check_call(peer, calls[_i].method, calls[_i].parameters, calls[_i].answer);
	peer_free(peer);
}
END_TEST

START_TEST(a_reason_must_fit_a_close_frame)
{
	struct peer *peer = peer_new();
	char reason[200];

	for (size_t length = 123; length <= 124; length++) {
		char *parameters;

		memset(reason, 'r', length);
		reason[length] = '\0';
		parameters = alloc_format("[\"refused\",1000,\"%s\"]", reason);
		check_call(peer, "disconnect", parameters,
			length == 123
				? "true"
				: "-32602 -: disconnect: parameter 'reason' must be at most 123 bytes");
		free(parameters);
	}
	peer_free(peer);
}
END_TEST

START_TEST(a_failed_connect_tells_how_the_call_went)
{
	struct peer *peer = peer_new();
	json_t *answer, *data;

	peer_request(peer, "connect", "{\"name\":\"refused\"}");
	answer = peer_line(peer);
	data = json_object_get(json_object_get(answer, "error"), "data");
	ck_assert_str_eq(json_string_value(json_object_get(data, "err")), "SOCKET-CONNECT-ERROR");
	ck_assert_ptr_null(json_object_get(data, "response"));
	ck_assert_str_eq(json_string_value(json_object_get(json_object_get(data, "info"), "url")),
		"ws://***@127.0.0.1:1/");
	json_decref(answer);
	check_call(peer, "is-open", "[\"refused\"]", "false");
	peer_free(peer);
}
END_TEST

START_TEST(stats_have_the_thresholds_while_they_are_set)
{
	static const char thresholds[] =
		"{\"name\":\"silent\",\"warning_ms\":5000,\"warning_bs\":4000,"
		"\"arg\":{\"a\":[1,null]}}";
	static const char *const keys[] = {"arg", "timeout", "min_throughput", "min_throughput_us"};
	struct peer *peer = peer_new();
	json_t *stats, *picked = json_object();
	char *text;

	stats = peer_result(peer, "stats", "[\"silent\"]");
	ck_assert_int_eq(json_integer_value(json_object_get(stats, "bytes_sent")), 0);
	ck_assert(json_is_integer(json_object_get(stats, "us_recv")));
	ck_assert_ptr_null(json_object_get(stats, "timeout"));
	json_decref(stats);

	check_call(peer, "warn", thresholds, "true");
	stats = peer_result(peer, "stats", "{}");
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		json_object_set(picked, keys[i],
			json_object_get(json_object_get(stats, "silent"), keys[i]));
	text = json_dumps(picked, JSON_COMPACT);
	ck_assert_str_eq(text,
		"{\"arg\":{\"a\":[1,null]},\"timeout\":5000000,\"min_throughput\":4000,"
		"\"min_throughput_us\":1000000}");
	ck_assert_ptr_null(json_object_get(json_object_get(stats, "refused"), "timeout"));
	free(text);
	json_decref(picked);
	json_decref(stats);

	check_call(peer, "unwarn", "[\"silent\"]", "true");
	stats = peer_result(peer, "stats", "[\"silent\"]");
	ck_assert_ptr_null(json_object_get(stats, "arg"));
	json_decref(stats);
	peer_free(peer);
}
END_TEST

START_TEST(an_argument_has_a_limit)
{
	struct peer *peer = peer_new();
	char text[4100];

	for (size_t length = 4094; length <= 4095; length++) {
		char *parameters;

		memset(text, 'a', length);
		text[length] = '\0';
		parameters =
			alloc_format("{\"name\":\"silent\",\"warning_ms\":1,\"arg\":\"%s\"}", text);
		check_call(peer, "warn", parameters,
			length == 4094 ? "true"
				       : "-32602 -: warn: parameter 'arg' must be at most");
		free(parameters);
	}
	peer_free(peer);
}
END_TEST

START_TEST(list_and_status_agree)
{
	struct peer *peer = peer_new();
	json_t *list = peer_result(peer, "list", "{}");
	json_t *status = peer_result(peer, "status", "[\"refused\"]");
	json_t *line = json_array_get(list, 0);

	ck_assert_uint_eq(json_array_size(list), 2);
	ck_assert_str_eq(json_string_value(json_object_get(line, "name")), "refused");
	ck_assert_str_eq(json_string_value(json_object_get(line, "state")), "idle");
	ck_assert_str_eq(json_string_value(json_object_get(line, "url")), "ws://***@127.0.0.1:1/");
	ck_assert(json_equal(json_object_get(line, "since"), json_object_get(status, "since")));
	ck_assert_str_eq(json_string_value(json_object_get(status, "when")), "manual");
	ck_assert_str_eq(json_string_value(json_array_get(json_object_get(status, "outlets"), 0)),
		"refused");
	ck_assert(json_is_null(json_object_get(status, "call")));
	json_decref(list);
	json_decref(status);
	peer_free(peer);
}
END_TEST

START_TEST(reload_tells_what_the_program_says)
{
	struct peer *peer = peer_new();

	check_call(peer, "reload", "{}",
		"{\"added\":1,\"removed\":0,\"changed\":0,\"unchanged\":0,\"outlets_added\":0,"
		"\"outlets_removed\":0,\"outlets_changed\":7,\"restart\":[\"gateway.dns\"],"
		"\"warnings\":[\"line 1\"]}");
	reload_fails = true;
	check_call(peer, "reload", "{}", "-32000 SETTINGS-ERROR: line 1 (and 1 more)");
	peer_free(peer);
}
END_TEST

START_TEST(who_leaves_waits_for_no_reload)
{
	struct peer *peer = peer_new();
	uint64_t deadline = clock_monotonic() + PATIENCE_SECONDS * CLOCK_NS_PER_SECOND;

	reload_waits = true;
	peer_write(peer, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"reload\"}\n", 44);
	while (!reload_pending && clock_monotonic() < deadline)
		turn();
	ck_assert_ptr_nonnull(reload_pending);
	peer_free(peer);
	while (reload_pending && clock_monotonic() < deadline)
		turn();
	ck_assert_ptr_null(reload_pending);
}
END_TEST

/* Checks the next line: an event of that type about that connection. */
static void check_event(struct peer *peer, const char *type, const char *connection)
{
	json_t *event = peer_line(peer);
	json_t *parameters = json_object_get(event, "params");

	ck_assert_str_eq(json_string_value(json_object_get(event, "method")), "event");
	ck_assert_str_eq(json_string_value(json_object_get(parameters, "type")), type);
	ck_assert_str_eq(json_string_value(json_object_get(parameters, "connection")), connection);
	ck_assert(json_is_string(json_object_get(parameters, "time")));
	json_decref(event);
}

START_TEST(a_follower_is_told_of_events)
{
	struct peer *follower = peer_new();
	struct peer *peer = peer_new();

	check_call(follower, "events", "{}", "{\"following\":true}");
	check_call(peer, "add", "{\"name\":\"new\",\"url\":\"ws://127.0.0.1:1/\"}", "true");
	check_event(follower, "added", "new");
	check_call(peer, "remove", "[\"new\"]", "true");
	check_event(follower, "removed", "new");
	check_call(peer, "connect", "[\"refused\"]", "-32000 SOCKET-CONNECT-ERROR");
	check_event(follower, "error", "refused");
	peer_free(follower);
	peer_free(peer);
}
END_TEST

/* Adds and removes a connection so many times: each time two events. */
static void make_events(struct peer *peer, int pairs)
{
	struct buffer batch = {0};

	for (int i = 0; i < pairs; i++)
		buffer_append_format(&batch,
			"%s{\"jsonrpc\":\"2.0\",\"method\":\"add\",\"params\":{\"name\":\"new\","
			"\"url\":\"ws://127.0.0.1:1/\"}},"
			"{\"jsonrpc\":\"2.0\",\"method\":\"remove\",\"params\":[\"new\"]}",
			i ? "," : "[");
	buffer_append_text(&batch, "]\n");
	peer_write(peer, (const char *)buffer_data(&batch), batch.length);
	buffer_release(&batch);
	check_call(peer, "is-open", "[\"refused\"]", "false");
}

START_TEST(a_follower_that_does_not_read_is_told_how_many_it_lost)
{
	enum { BATCHES = 20, PAIRS = 400 };
	struct peer *follower = peer_new();
	struct peer *peer = peer_new();
	long long events = 0, lost = 0;

	check_call(follower, "events", "{}", "{\"following\":true}");
	for (int i = 0; i < BATCHES; i++)
		make_events(peer, PAIRS);
	while (events + lost < 2 * BATCHES * PAIRS) {
		json_t *line = peer_line(follower);

		ck_assert_ptr_nonnull(line);
		if (strcmp(json_string_value(json_object_get(line, "method")), "lost") == 0)
			lost += json_integer_value(json_object_get(json_object_get(line, "params"),
				"count"));
		else
			events++;
		json_decref(line);
	}
	ck_assert_int_gt(lost, 0);
	ck_assert_int_gt(events, 0);
	check_call(peer, "add", "{\"name\":\"last\",\"url\":\"ws://127.0.0.1:1/\"}", "true");
	check_event(follower, "added", "last");
	peer_free(follower);
	peer_free(peer);
}
END_TEST

/* A connect that is not answered before something else happens. */
static struct peer *peer_that_connects(void)
{
	struct peer *peer = peer_new();

	peer_request(peer, "connect", "[\"silent\"]");
	turn();
	peer_read(peer);
	ck_assert_uint_eq(peer->input.length, 0);
	return peer;
}

START_TEST(a_client_may_leave_before_its_answer)
{
	struct peer *peer = peer_that_connects();

	peer_free(peer);
	turn();
	peer = peer_new();
	check_call(peer, "disconnect", "[\"silent\"]", "true");
	peer_free(peer);
}
END_TEST

START_TEST(a_client_that_only_stops_sending_gets_its_answer)
{
	struct peer *waiting = peer_that_connects();
	struct peer *peer = peer_new();
	char *text;

	shutdown(waiting->fd, SHUT_WR);
	turn();
	check_call(peer, "disconnect", "[\"silent\"]", "true");
	text = answer_text(peer_line(waiting));
	ck_assert_msg(strncmp(text, "-32000 ", 7) == 0, "%s", text);
	ck_assert_ptr_null(peer_line(waiting));
	free(text);
	peer_free(waiting);
	peer_free(peer);
}
END_TEST

START_TEST(a_connection_that_is_removed_answers_who_waits_for_it)
{
	struct peer *waiting = peer_that_connects();
	struct peer *peer = peer_new();
	char *text;

	check_call(peer, "remove", "[\"silent\"]", "true");
	text = answer_text(peer_line(waiting));
	ck_assert_msg(strncmp(text, "-32000 ", 7) == 0, "%s", text);
	free(text);
	peer_free(waiting);
	peer_free(peer);
}
END_TEST

START_TEST(the_server_may_end_before_its_answers)
{
	struct peer *peer = peer_that_connects();

	control_free(control);
	control = NULL;
	ck_assert_ptr_null(peer_line(peer));
	peer_free(peer);
}
END_TEST

/* One with a message as large as send_queue, each byte of which is escaped, is not. */
START_TEST(a_line_without_end_is_cut_off)
{
	struct peer *peer = peer_new();
	char piece[65536];
	char *text;

	memset(piece, 'x', sizeof(piece));
	for (int i = 0; i < 128; i++)
		peer_write(peer, piece, sizeof(piece));
	text = answer_text(peer_line(peer));
	ck_assert_str_eq(text, "-32600 -: the line is longer than 6356992 bytes");
	ck_assert_ptr_null(peer_line(peer));
	free(text);
	peer_free(peer);
}
END_TEST

START_TEST(a_client_that_does_not_read_gets_all_answers_when_it_does)
{
	enum { REQUESTS = 20000 };
	static const char request[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\","
				      "\"params\":[\"silent\"]}\n";
	struct peer *peer = peer_new();
	size_t sent = 0, answered = 0;

	/* Until the server takes no more. */
	for (int idle = 0; sent < REQUESTS && idle < 20; idle++) {
		while (sent < REQUESTS &&
			send(peer->fd, request, strlen(request), MSG_NOSIGNAL) ==
				(ssize_t)strlen(request)) {
			sent++;
			idle = 0;
		}
		turn();
	}
	ck_assert_uint_lt(sent, REQUESTS);
	for (; answered < sent; answered++)
		json_decref(peer_line(peer));
	check_call(peer, "is-open", "[\"silent\"]", "false");
	peer_free(peer);
}
END_TEST

START_TEST(clients_are_limited)
{
	enum { MOST = 256 };
	struct peer *peers[MOST + 1];
	char *text;

	for (int i = 0; i <= MOST; i++) {
		peers[i] = peer_new();
		turn();
	}
	text = answer_text(peer_line(peers[MOST]));
	ck_assert_str_eq(text, "-32001 -: too many control clients");
	ck_assert_ptr_null(peer_line(peers[MOST]));
	free(text);
	check_call(peers[0], "is-open", "[\"silent\"]", "false");
	peer_free(peers[MOST]);

	peer_free(peers[0]);
	turn();
	peers[0] = peer_new();
	check_call(peers[0], "is-open", "[\"silent\"]", "false");
	for (int i = 0; i < MOST; i++)
		peer_free(peers[i]);
}
END_TEST

static char *read_manual(void)
{
	FILE *file = fopen(TEST_SRCDIR "/doc/wsgated-protocol.7.scd", "r");
	char *text = alloc_zero(1, 1 << 20);

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_gt(fread(text, 1, (1 << 20) - 1, file), 0);
	fclose(file);
	return text;
}

/* "*send* (_name_, _text_?, _base64_?)"; those of `add` are settings. */
static void write_entry(const struct rpc_method *method, char *entry)
{
	const struct rpc_parameter *parameters = method->parameters, *parameter;

	entry += sprintf(entry, "\n*%s*", method->name);
	if (!parameters)
		entry += sprintf(entry, " (settings)");
	for (parameter = parameters; parameter && parameter->name; parameter++)
		entry += sprintf(entry, "%s_%s_%s%s", parameter == parameters ? " (" : ", ",
			parameter->name, parameter->required ? "" : "?",
			parameter[1].name ? "" : ")");
	strcpy(entry, "\n");
}

START_TEST(the_man_page_has_every_method_with_its_parameters)
{
	char *text = read_manual(), entry[256];

	for (const struct rpc_method *const *method = methods; *method; method++) {
		write_entry(*method, entry);
		ck_assert_msg(strstr(text, entry), "no entry like this: %s", entry);
	}
	free(text);
}
END_TEST

START_TEST(the_man_page_lists_the_methods_of_observers)
{
	char *text = read_manual(), *list = strstr(text, "It has the methods *list*"), name[64];

	ck_assert_ptr_nonnull(list);
	*strstr(list, "any other") = '\0';
	for (const struct rpc_method *const *method = methods; *method; method++) {
		snprintf(name, sizeof(name), "*%s*", (*method)->name);
		ck_assert_msg((strstr(list, name) != NULL) ==
				(((*method)->flags & RPC_OBSERVES) != 0),
			"%s", name);
	}
	free(text);
}
END_TEST

Suite *server_suite(void)
{
	Suite *suite = suite_create("server");
	TCase *tests = tcase_create("control");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_set_timeout(tests, 60);
	tcase_add_loop_test(tests, a_method_answers, 0, sizeof(calls) / sizeof(*calls));
	tcase_add_test(tests, a_reason_must_fit_a_close_frame);
	tcase_add_test(tests, a_failed_connect_tells_how_the_call_went);
	tcase_add_test(tests, stats_have_the_thresholds_while_they_are_set);
	tcase_add_test(tests, an_argument_has_a_limit);
	tcase_add_test(tests, list_and_status_agree);
	tcase_add_test(tests, the_man_page_has_every_method_with_its_parameters);
	tcase_add_test(tests, the_man_page_lists_the_methods_of_observers);
	tcase_add_test(tests, reload_tells_what_the_program_says);
	tcase_add_test(tests, who_leaves_waits_for_no_reload);
	tcase_add_test(tests, a_follower_is_told_of_events);
	tcase_add_test(tests, a_follower_that_does_not_read_is_told_how_many_it_lost);
	tcase_add_test(tests, a_client_may_leave_before_its_answer);
	tcase_add_test(tests, a_client_that_only_stops_sending_gets_its_answer);
	tcase_add_test(tests, a_connection_that_is_removed_answers_who_waits_for_it);
	tcase_add_test(tests, the_server_may_end_before_its_answers);
	tcase_add_test(tests, a_line_without_end_is_cut_off);
	tcase_add_test(tests, a_client_that_does_not_read_gets_all_answers_when_it_does);
	tcase_add_test(tests, clients_are_limited);
	suite_add_tcase(suite, tests);
	return suite;
}
