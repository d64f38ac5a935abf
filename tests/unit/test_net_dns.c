#include <arpa/inet.h>
#include <event2/dns.h>
#include <event2/dns_struct.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "net/resolve.h"
#include "net/resolver.h"
#include "test_net.h"

struct delayed_answer {
	LIST_ENTRY(delayed_answer) entry;
	struct evdns_server_request *request;
	struct event *timer;
	int result;
};

static void delayed_answer_free(struct delayed_answer *answer)
{
	LIST_REMOVE(answer, entry);
	event_free(answer->timer);
	free(answer);
}

static void answer_later(evutil_socket_t fd, short events, void *context)
{
	struct delayed_answer *answer = context;

	(void)fd, (void)events;
	evdns_server_request_respond(answer->request, answer->result);
	delayed_answer_free(answer);
}

static void answer_after(struct name_server *server, struct evdns_server_request *request,
	int result, unsigned ms)
{
	struct timeval delay = clock_timeval(ms * CLOCK_NS_PER_MS);
	struct delayed_answer *answer = calloc(1, sizeof(*answer));

	answer->request = request;
	answer->result = result;
	answer->timer = event_new(server->base, -1, 0, answer_later, answer);
	event_add(answer->timer, &delay);
	LIST_INSERT_HEAD(&server->delayed, answer, entry);
}

static const struct zone *name_server_find(const struct name_server *server, const char *name)
{
	const struct zone *zone;

	for (zone = server->zone; zone && zone->name; zone++) {
		if (strcasecmp(zone->name, name) == 0)
			return zone;
	}
	return NULL;
}

static void name_server_add_ipv4(struct evdns_server_request *request, const char *name,
	const char *texts)
{
	char text[INET_ADDRSTRLEN], bytes[4];
	int length;

	for (; texts && sscanf(texts, "%15s%n", text, &length) == 1; texts += length) {
		ck_assert_int_eq(inet_pton(AF_INET, text, bytes), 1);
		evdns_server_request_add_a_reply(request, name, 1, bytes, 60);
	}
}

static void name_server_answer(struct evdns_server_request *request, void *context)
{
	struct name_server *server = context;
	const struct evdns_server_question *question = request->questions[0];
	bool ipv6 = question->type == EVDNS_TYPE_AAAA;
	const struct zone *zone = name_server_find(server, question->name);
	unsigned delay = zone ? (ipv6 ? zone->ipv6_delay_ms : zone->ipv4_delay_ms) : 0;
	uint8_t bytes[16];

	server->questions++;
	if (zone && zone->code) {
		evdns_server_request_respond(request, zone->code);
		return;
	}
	if (zone && zone->silent) {
		evdns_server_request_drop(request);
		return;
	}
	if (zone && zone->ipv6 && ipv6 && inet_pton(AF_INET6, zone->ipv6, bytes) == 1)
		evdns_server_request_add_aaaa_reply(request, question->name, 1, bytes, 60);
	else if (zone && !ipv6)
		name_server_add_ipv4(request, question->name, zone->ipv4);
	if (delay)
		answer_after(server, request, zone ? 0 : DNS_ERR_NOTEXIST, delay);
	else
		evdns_server_request_respond(request, zone ? 0 : DNS_ERR_NOTEXIST);
}

void name_server_start(struct name_server *server, struct event_base *base, const struct zone *zone)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t length = sizeof(address);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, length), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	*server = (struct name_server){.base = base, .zone = zone};
	snprintf(server->address, sizeof(server->address), "127.0.0.1:%u", ntohs(address.sin_port));
	server->port = evdns_add_server_port_with_base(base, fd, 0, name_server_answer, server);
	ck_assert_ptr_nonnull(server->port);
}

void name_server_stop(struct name_server *server)
{
	struct delayed_answer *answer;

	while ((answer = LIST_FIRST(&server->delayed))) {
		evdns_server_request_drop(answer->request);
		delayed_answer_free(answer);
	}
	evdns_close_server_port(server->port);
}

/* What one resolve found. */
struct found {
	struct resolve *resolve;
	unsigned calls;
	bool complete;
	size_t count;
	char addresses[RESOLVE_ADDRESSES_MAX][ADDRESS_TEXT_SIZE];
	struct error error;
};

static void on_found(const struct resolve_answer *answer, void *context)
{
	struct found *found = context;

	ck_assert_ptr_nonnull(found->resolve);
	ck_assert(!found->complete);
	found->calls++;
	found->complete = answer->complete;
	for (size_t i = 0; i < answer->count; i++)
		address_format(&answer->addresses[i], found->addresses[found->count++]);
	if (answer->error)
		found->error = *answer->error;
}

static void resolve_name(struct fixture *fixture, struct resolver *resolver, const char *name,
	struct found *found)
{
	*found = (struct found){0};
	found->resolve = resolve_start(resolver, name, 80, AF_UNSPEC, on_found, found);
	ck_assert_uint_eq(found->calls, 0);
	while (!found->complete)
		event_base_loop(fixture->base, EVLOOP_ONCE);
	resolve_free(found->resolve);
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	fputs(text, file);
	fclose(file);
}

static const struct zone zone[] = {
	{.name = "both.test", .ipv4 = "192.0.2.1", .ipv6 = "2001:db8::1"},
	{.name = "four.test", .ipv4 = "192.0.2.1"},
	{.name = "six.test", .ipv6 = "2001:db8::1"},
	{.name = "slow6.test", .ipv4 = "192.0.2.1", .ipv6 = "2001:db8::1", .ipv6_delay_ms = 150},
	{.name = "slow4.test", .ipv4 = "192.0.2.1", .ipv6 = "2001:db8::1", .ipv4_delay_ms = 50},
	{.name = "none.test"},
	{.name = "silent.test", .silent = true},
	{.name = "failing.test", .code = DNS_ERR_SERVERFAILED},
	{.name = "refused.test", .code = DNS_ERR_REFUSED},
	{.name = NULL},
};

static struct fixture fixture;

static struct resolver *resolver_of(const char *const *servers, size_t count, const char *hosts)
{
	const struct resolver_settings settings = {
		.servers = servers,
		.server_count = count,
		.hosts = hosts ? hosts : "/nonexistent/hosts",
	};

	return resolver_new(fixture.base, fixture.log, &settings);
}

static struct resolver *resolver_with(const char *hosts)
{
	const char *servers[] = {fixture.names.address};

	return resolver_of(servers, 1, hosts);
}

struct name_case {
	const char *name;
	unsigned calls;     /* 0: one or two */
	const char *first;  /* NULL: none */
	const char *second; /* NULL: none */
	const char *error;
};

static const struct name_case name_cases[] = {
	{"127.0.0.1", 1, "127.0.0.1:80", NULL, NULL},
	{"::1", 1, "[::1]:80", NULL, NULL},
	{"fe80::1%lo", 1, "[fe80::1%lo]:80", NULL, NULL},
	{"fe80::1%1", 1, "[fe80::1%lo]:80", NULL, NULL},
	{"fe80::1%none0", 1, NULL, NULL,
		"cannot resolve 'fe80::1%none0': no such interface: 'none0'"},
	{"localhost", 1, "[::1]:80", "127.0.0.1:80", NULL},
	{"LocalHost.", 1, "[::1]:80", "127.0.0.1:80", NULL},
	{"app.localhost", 1, "[::1]:80", "127.0.0.1:80", NULL},
	{"four.test", 1, "192.0.2.1:80", NULL, NULL},
	{"four.test.", 1, "192.0.2.1:80", NULL, NULL},
	{"six.test", 0, "[2001:db8::1]:80", NULL, NULL},
	{"slow6.test", 2, "192.0.2.1:80", "[2001:db8::1]:80", NULL},
	{"slow4.test", 2, "[2001:db8::1]:80", "192.0.2.1:80", NULL},
	{"none.test", 1, NULL, NULL, "cannot resolve 'none.test': the host has no address"},
	{"gone.test", 1, NULL, NULL, "cannot resolve 'gone.test': no such host"},
	{"notlocalhost", 1, NULL, NULL, "cannot resolve 'notlocalhost': no such host"},
	{"failing.test", 1, NULL, NULL,
		"cannot resolve 'failing.test': the name servers failed (SERVFAIL)"},
	{"refused.test", 1, NULL, NULL,
		"cannot resolve 'refused.test': the name servers refuse to answer (REFUSED)"},
};

START_TEST(names)
{
	const struct name_case *expected = &name_cases[_i];
	struct resolver *resolver;
	struct found found;
	size_t count = expected->second ? 2 : expected->first ? 1 : 0;

	fixture_start(&fixture, zone);
	resolver = resolver_with(NULL);
	resolve_name(&fixture, resolver, expected->name, &found);
	if (expected->calls)
		ck_assert_uint_eq(found.calls, expected->calls);
	ck_assert_uint_eq(found.count, count);
	if (expected->first)
		ck_assert_str_eq(found.addresses[0], expected->first);
	if (expected->second)
		ck_assert_str_eq(found.addresses[1], expected->second);
	ck_assert_str_eq(found.error.text, expected->error ? expected->error : "");
	resolver_free(resolver);
	fixture_stop(&fixture);
}
END_TEST

START_TEST(hosts_file_is_honoured_and_read_again)
{
	char directory[] = "/tmp/unit_net.XXXXXX";
	char hosts[64];
	struct resolver *resolver;
	struct found found;

	fixture_start(&fixture, zone);
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(hosts, sizeof(hosts), "%s/hosts", directory);
	resolver = resolver_with(hosts);

	write_file(hosts,
		"127.0.0.5 other here.test # comment\n#127.0.0.9 here.test\n127.0.0.6 both.test\n"
		"nonsense here.test\n\n127.0.0.7\tboth.test");
	resolve_name(&fixture, resolver, "HERE.test.", &found);
	ck_assert_uint_eq(found.count, 1);
	ck_assert_str_eq(found.addresses[0], "127.0.0.5:80");
	resolve_name(&fixture, resolver, "both.test", &found);
	ck_assert_uint_eq(found.count, 2);
	ck_assert_str_eq(found.addresses[0], "127.0.0.6:80");
	ck_assert_str_eq(found.addresses[1], "127.0.0.7:80");
	write_file(hosts, "127.0.0.8 here.test\n");
	resolve_name(&fixture, resolver, "here.test", &found);
	ck_assert_str_eq(found.addresses[0], "127.0.0.8:80");
	ck_assert_uint_eq(fixture.names.questions, 0);

	resolver_free(resolver);
	unlink(hosts);
	rmdir(directory);
	fixture_stop(&fixture);
}
END_TEST

/* Neither the hosts file nor a name server is taken for missing because of it. */
START_TEST(a_shortage_is_not_remembered)
{
	char directory[] = "/tmp/unit_net.XXXXXX";
	char hosts[64];
	struct descriptors descriptors;
	struct resolver *resolver;
	struct found found;

	fixture_start(&fixture, zone);
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(hosts, sizeof(hosts), "%s/hosts", directory);
	write_file(hosts, "127.0.0.5 here.test\n");
	resolver = resolver_with(hosts);

	descriptors_take_all_but(&descriptors, (size_t)_i);
	resolve_name(&fixture, resolver, "here.test", &found);
	ck_assert_uint_eq(found.count, 0);
	ck_assert_msg(strstr(found.error.text, "Too many open files"), "%s", found.error.text);
	descriptors_release(&descriptors);
	resolve_name(&fixture, resolver, "here.test", &found);
	ck_assert_str_eq(found.addresses[0], "127.0.0.5:80");
	resolve_name(&fixture, resolver, "four.test", &found);
	ck_assert_str_eq(found.addresses[0], "192.0.2.1:80");

	resolver_free(resolver);
	unlink(hosts);
	rmdir(directory);
	fixture_stop(&fixture);
}
END_TEST

/* --- several servers ------------------------------------------------------------------------ */

/* A server that is dead: nobody listens, or nobody reads. */
enum death { DEATH_REFUSES, DEATH_SILENT, DEATHS };

static int dead_server(enum death death, char address[32])
{
	struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(own);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&own, length), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&own, &length), 0);
	snprintf(address, 32, "127.0.0.1:%u", ntohs(own.sin_port));
	if (death == DEATH_SILENT)
		return fd;
	close(fd);
	return -1;
}

static size_t datagrams(int fd)
{
	char bytes[512];
	size_t count = 0;

	while (fd >= 0 && recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		count++;
	return count;
}

START_TEST(a_dead_first_server_is_learnt)
{
	char dead[32];
	const char *servers[] = {dead, NULL};
	struct resolver *resolver;
	struct found found;
	int fd;

	fixture_start(&fixture, zone);
	servers[1] = fixture.names.address;
	fd = dead_server((enum death)_i, dead);
	resolver = resolver_of(servers, 2, NULL);
	resolve_name(&fixture, resolver, "four.test", &found);
	ck_assert_str_eq(found.addresses[0], "192.0.2.1:80");
	datagrams(fd);
	resolve_name(&fixture, resolver, "six.test", &found);
	ck_assert_str_eq(found.addresses[0], "[2001:db8::1]:80");
	ck_assert_uint_eq(fixture.names.questions, 4);
	resolver_free(resolver);
	if (fd >= 0)
		close(fd);
	fixture_stop(&fixture);
}
END_TEST

START_TEST(only_dead_servers)
{
	static const char *const errors[DEATHS] = {
		"cannot resolve 'four.test': no name server can be reached",
		"cannot resolve 'four.test': the name servers did not answer within ",
	};
	char first[32], second[32];
	const char *servers[] = {first, second};
	struct resolver *resolver;
	struct found found;
	int fds[2];

	fixture_start(&fixture, zone);
	fds[0] = dead_server((enum death)_i, first);
	fds[1] = dead_server((enum death)_i, second);
	resolver = resolver_of(servers, 2, NULL);
	resolve_name(&fixture, resolver, "four.test", &found);
	ck_assert_uint_eq(found.count, 0);
	ck_assert_msg(strncmp(found.error.text, errors[_i], strlen(errors[_i])) == 0, "%s",
		found.error.text);
	resolver_free(resolver);
	for (int i = 0; i < 2; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	fixture_stop(&fixture);
}
END_TEST

/* Our descriptor with this address. */
static int find_socket(const struct sockaddr_in *wanted)
{
	for (int fd = 3; fd < 1024; fd++) {
		struct sockaddr_in own = {0};
		socklen_t length = sizeof(own);

		if (getsockname(fd, (struct sockaddr *)&own, &length) == 0 &&
			own.sin_port == wanted->sin_port && own.sin_family == wanted->sin_family)
			return fd;
	}
	ck_abort_msg("no such socket");
	return -1;
}

static bool has_datagrams(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
}

START_TEST(a_flood_is_read_in_turns)
{
	enum { DATAGRAMS = 100 };
	static const char junk[16];
	char flooder[32], question[512];
	const char *servers[] = {flooder};
	struct sockaddr_in client;
	socklen_t length = sizeof(client);
	struct found found = {0};
	struct resolver *resolver;
	int fd, ours, turns = 0;

	fixture_start(&fixture, zone);
	fd = dead_server(DEATH_SILENT, flooder);
	resolver = resolver_of(servers, 1, NULL);
	found.resolve = resolve_start(resolver, "four.test", 80, AF_UNSPEC, on_found, &found);
	while (!has_datagrams(fd))
		event_base_loop(fixture.base, EVLOOP_NONBLOCK);
	ck_assert(recvfrom(fd, question, sizeof(question), 0, (struct sockaddr *)&client, &length) >
		0);
	for (int i = 0; i < DATAGRAMS; i++)
		ck_assert(sendto(fd, junk, sizeof(junk), 0, (struct sockaddr *)&client, length) >
			0);
	for (ours = find_socket(&client); has_datagrams(ours); turns++)
		event_base_loop(fixture.base, EVLOOP_ONCE);
	ck_assert_int_ge(turns, 3);
	resolve_free(found.resolve);
	resolver_free(resolver);
	close(fd);
	fixture_stop(&fixture);
}
END_TEST

/* A server that fails is no reason to give up; one that says that there is no such host is. */
START_TEST(the_first_that_knows_counts)
{
	static const struct zone failing[] = {{.name = "four.test", .code = DNS_ERR_SERVERFAILED},
		{.name = "both.test", .code = DNS_ERR_REFUSED}, {.name = NULL}};
	struct name_server other;
	const char *servers[2];
	struct resolver *resolver;
	struct found found;

	fixture_start(&fixture, zone);
	name_server_start(&other, fixture.base, failing);
	servers[0] = other.address;
	servers[1] = fixture.names.address;
	resolver = resolver_of(servers, 2, NULL);
	resolve_name(&fixture, resolver, "four.test", &found);
	ck_assert_str_eq(found.addresses[0], "192.0.2.1:80");
	resolve_name(&fixture, resolver, "both.test", &found);
	ck_assert_uint_eq(found.count, 2);
	resolve_name(&fixture, resolver, "six.test", &found);
	ck_assert_str_eq(found.error.text, "cannot resolve 'six.test': no such host");
	resolver_free(resolver);
	name_server_stop(&other);
	fixture_stop(&fixture);
}
END_TEST

/* --- sharing -------------------------------------------------------------------------------- */

START_TEST(one_question_for_many)
{
	enum { MANY = 200 };
	static struct found many[MANY];
	struct resolver *resolver;

	fixture_start(&fixture, zone);
	resolver = resolver_with(NULL);
	for (int i = 0; i < MANY; i++) {
		many[i] = (struct found){0};
		many[i].resolve = resolve_start(resolver, i % 2 ? "both.test" : "BOTH.test", 80,
			AF_UNSPEC, on_found, &many[i]);
	}
	for (int i = 0; i < MANY; i++) {
		while (!many[i].complete)
			event_base_loop(fixture.base, EVLOOP_ONCE);
		ck_assert_uint_eq(many[i].count, 2);
		resolve_free(many[i].resolve);
	}
	ck_assert_uint_eq(fixture.names.questions, 2);
	resolver_free(resolver);
	fixture_stop(&fixture);
}
END_TEST

START_TEST(addresses_are_kept_and_failures_are_not)
{
	struct resolver *resolver;
	struct found found;

	fixture_start(&fixture, zone);
	resolver = resolver_with(NULL);
	resolve_name(&fixture, resolver, "both.test", &found);
	resolve_name(&fixture, resolver, "both.test", &found);
	ck_assert_uint_eq(found.count, 2);
	ck_assert_uint_eq(fixture.names.questions, 2);
	resolver_forget(resolver, "Both.Test");
	resolve_name(&fixture, resolver, "both.test", &found);
	ck_assert_uint_eq(fixture.names.questions, 4);
	resolver_flush(resolver);
	resolve_name(&fixture, resolver, "both.test", &found);
	ck_assert_uint_eq(fixture.names.questions, 6);
	resolve_name(&fixture, resolver, "gone.test", &found);
	resolve_name(&fixture, resolver, "gone.test", &found);
	ck_assert_uint_eq(fixture.names.questions, 10);
	resolver_free(resolver);
	fixture_stop(&fixture);
}
END_TEST

/* Those who wait are answered by what is asked after the change. */
START_TEST(flush_asks_anew)
{
	static const struct zone changed[] = {
		{.name = "silent.test", .ipv4 = "192.0.2.7"}, {.name = NULL}};
	struct resolver *resolver;
	struct found found = {0};

	fixture_start(&fixture, zone);
	resolver = resolver_with(NULL);
	found.resolve = resolve_start(resolver, "silent.test", 80, AF_UNSPEC, on_found, &found);
	while (fixture.names.questions < 2)
		event_base_loop(fixture.base, EVLOOP_ONCE);
	fixture.names.zone = changed;
	resolver_flush(resolver);
	resolver_flush(resolver);
	while (!found.complete)
		event_base_loop(fixture.base, EVLOOP_ONCE);
	ck_assert_str_eq(found.addresses[0], "192.0.2.7:80");
	resolve_free(found.resolve);
	resolver_free(resolver);
	fixture_stop(&fixture);
}
END_TEST

/* Freed while answers are still to come: at once (0), with the loop going on (1), while IPv4 waits
 * for IPv6 (2), after IPv4 was reported (3). The sanitizers judge. */
START_TEST(free_while_pending)
{
	struct resolver *resolver;
	struct found found = {0};

	fixture_start(&fixture, zone);
	resolver = resolver_with(NULL);
	found.resolve = resolve_start(resolver, _i == 0 ? "four.test" : "slow6.test", 80, AF_UNSPEC,
		on_found, &found);
	if (_i == 2)
		fixture_run(&fixture, 20);
	if (_i == 3) {
		while (!found.calls)
			event_base_loop(fixture.base, EVLOOP_ONCE);
	}
	ck_assert(!found.complete);
	resolve_free(found.resolve);
	found.resolve = NULL;
	if (_i == 1)
		fixture_run(&fixture, 200);
	resolver_free(resolver);
	fixture_stop(&fixture);
}
END_TEST

START_TEST(idle_net_keeps_no_loop_alive)
{
	struct found found;
	struct resolver *resolver;

	fixture_start(&fixture, zone);
	name_server_stop(&fixture.names);
	resolver = resolver_with(NULL);
	resolve_name(&fixture, resolver, "127.0.0.1", &found);
	ck_assert_int_eq(event_base_loop(fixture.base, 0), 1); /* 1: no events */
	resolver_free(resolver);
	net_free(fixture.net);
	event_base_free(fixture.base);
	log_free(fixture.log);
}
END_TEST

TCase *test_net_dns(void)
{
	TCase *tests = tcase_create("dns");

	tcase_set_timeout(tests, 30);
	tcase_add_loop_test(tests, names, 0, sizeof(name_cases) / sizeof(name_cases[0]));
	tcase_add_test(tests, hosts_file_is_honoured_and_read_again);
	tcase_add_loop_test(tests, a_shortage_is_not_remembered, 0, 2);
	tcase_add_loop_test(tests, a_dead_first_server_is_learnt, 0, DEATHS);
	tcase_add_loop_test(tests, only_dead_servers, 0, DEATHS);
	tcase_add_test(tests, a_flood_is_read_in_turns);
	tcase_add_test(tests, the_first_that_knows_counts);
	tcase_add_test(tests, one_question_for_many);
	tcase_add_test(tests, addresses_are_kept_and_failures_are_not);
	tcase_add_test(tests, flush_asks_anew);
	tcase_add_loop_test(tests, free_while_pending, 0, 4);
	tcase_add_test(tests, idle_net_keeps_no_loop_alive);
	return tests;
}
