#include <check.h>
#include <event2/event.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/loop.h"
#include "base/resume.h"
#include "net/netlink.h"
#include "net/network_watch.h"

/* --- messages of the kernel ------------------------------------------------------------------ */

static struct netlink_view view;

/* One after another, as the kernel sends them. */
static _Alignas(struct nlmsghdr) uint8_t data[4096];
static size_t length;
static struct nlmsghdr *message; /* the last one */

static void begin(unsigned short type, unsigned short flags, const void *header, size_t size)
{
	message = (void *)(data + length);
	*message = (struct nlmsghdr){
		.nlmsg_len = (uint32_t)NLMSG_LENGTH(size),
		.nlmsg_type = type,
		.nlmsg_flags = flags,
	};
	memcpy(NLMSG_DATA(message), header, size);
	length += NLMSG_SPACE(size);
}

static void add(unsigned short type, const void *value, size_t size)
{
	struct rtattr *attribute = (void *)(data + length);

	attribute->rta_type = type;
	attribute->rta_len = (unsigned short)RTA_LENGTH(size);
	memcpy(RTA_DATA(attribute), value, size);
	length += RTA_SPACE(size);
	message->nlmsg_len = (uint32_t)(data + length - (uint8_t *)message);
}

static enum netlink_news take(void)
{
	enum netlink_news news = netlink_take(&view, data, length);

	length = 0;
	return news;
}

static void put_link(unsigned short type, unsigned short flags, int index, unsigned up, int master)
{
	const struct ifinfomsg info = {.ifi_index = index, .ifi_flags = up};

	begin(type, flags, &info, sizeof(info));
	add(IFLA_IFNAME, "eth0", sizeof("eth0"));
	if (master)
		add(IFLA_MASTER, &master, sizeof(master));
}

static enum netlink_news link_is(int index, unsigned flags)
{
	put_link(RTM_NEWLINK, 0, index, flags, 0);
	return take();
}

#define RUNNING ((unsigned)(IFF_UP | IFF_RUNNING))

START_TEST(links_count_when_they_become_usable_or_no_longer_are)
{
	ck_assert_int_eq(link_is(2, 0), NETLINK_NOTHING);
	ck_assert_int_eq(link_is(2, IFF_UP), NETLINK_NOTHING); /* no carrier */
	ck_assert_int_eq(link_is(2, RUNNING), NETLINK_LINK_CHANGED);
	ck_assert_int_eq(link_is(2, RUNNING), NETLINK_NOTHING); /* a scan, statistics */
	ck_assert_int_eq(link_is(2, RUNNING | IFF_PROMISC), NETLINK_NOTHING);
	ck_assert_int_eq(link_is(2, IFF_UP), NETLINK_LINK_CHANGED);
	ck_assert_int_eq(link_is(2, RUNNING), NETLINK_LINK_CHANGED);
	put_link(RTM_DELLINK, 0, 2, RUNNING, 0);
	ck_assert_int_eq(take(), NETLINK_LINK_CHANGED);
	put_link(RTM_DELLINK, 0, 2, 0, 0);
	ck_assert_int_eq(take(), NETLINK_NOTHING);
}
END_TEST

START_TEST(links_asked_for_are_no_news)
{
	put_link(RTM_NEWLINK, NLM_F_MULTI, 2, RUNNING, 0);
	put_link(RTM_NEWLINK, NLM_F_MULTI, 3, 0, 0);
	ck_assert_int_eq(take(), NETLINK_NOTHING);
	ck_assert_int_eq(link_is(2, RUNNING), NETLINK_NOTHING);
	ck_assert_int_eq(link_is(3, RUNNING), NETLINK_LINK_CHANGED);
	netlink_forget(&view);
	ck_assert_int_eq(link_is(2, RUNNING), NETLINK_LINK_CHANGED);
}
END_TEST

START_TEST(loopback_and_the_ports_of_bridges_do_not_count)
{
	const struct ifinfomsg port = {.ifi_family = AF_BRIDGE, .ifi_index = 9};

	ck_assert_int_eq(link_is(1, RUNNING | IFF_LOOPBACK), NETLINK_NOTHING);
	/* The host's end of a container: made, made a port, up; down, no port any more, gone. */
	ck_assert_int_eq(link_is(9, 0), NETLINK_NOTHING);
	put_link(RTM_NEWLINK, 0, 9, 0, 4);
	put_link(RTM_NEWLINK, 0, 9, RUNNING, 4);
	begin(RTM_NEWLINK, 0, &port, sizeof(port));
	begin(RTM_DELLINK, 0, &port, sizeof(port));
	put_link(RTM_NEWLINK, 0, 9, IFF_UP, 4);
	put_link(RTM_NEWLINK, 0, 9, 0, 0);
	put_link(RTM_DELLINK, 0, 9, 0, 0);
	ck_assert_int_eq(take(), NETLINK_NOTHING);
}
END_TEST

START_TEST(more_links_than_are_known_count)
{
	for (int i = 0; i < NETLINK_LINKS + 10; i++)
		ck_assert_int_eq(link_is(100 + i, RUNNING), NETLINK_LINK_CHANGED);
	ck_assert_int_eq(link_is(100, RUNNING), NETLINK_NOTHING);
	ck_assert_int_eq(link_is(100 + NETLINK_LINKS, RUNNING), NETLINK_LINK_CHANGED);
}
END_TEST

static enum netlink_news address_is(unsigned short type, unsigned char scope, uint32_t flags,
	uint32_t age, unsigned index)
{
	const struct ifaddrmsg address = {
		.ifa_family = AF_INET6,
		.ifa_scope = scope,
		.ifa_index = index,
		.ifa_flags = (uint8_t)flags,
	};
	const struct ifa_cacheinfo times = {.cstamp = 500, .tstamp = 500 + age};

	begin(type, 0, &address, sizeof(address));
	add(IFA_ADDRESS, "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\2", 16);
	add(IFA_CACHEINFO, &times, sizeof(times));
	add(IFA_FLAGS, &flags, sizeof(flags));
	return take();
}

START_TEST(addresses_count_when_they_come_and_go)
{
	link_is(1, RUNNING | IFF_LOOPBACK);
	link_is(2, RUNNING);
	ck_assert_int_eq(address_is(RTM_NEWADDR, RT_SCOPE_UNIVERSE, 0, 0, 2),
		NETLINK_ADDRESS_CHANGED);
	ck_assert_int_eq(address_is(RTM_DELADDR, RT_SCOPE_UNIVERSE, 0, 9, 2),
		NETLINK_ADDRESS_CHANGED);
	/* not usable yet, or never */
	ck_assert_int_eq(address_is(RTM_NEWADDR, RT_SCOPE_UNIVERSE, IFA_F_TENTATIVE, 0, 2),
		NETLINK_NOTHING);
	ck_assert_int_eq(address_is(RTM_NEWADDR, RT_SCOPE_UNIVERSE, IFA_F_DADFAILED, 0, 2),
		NETLINK_NOTHING);
	/* renewed by a router */
	ck_assert_int_eq(address_is(RTM_NEWADDR, RT_SCOPE_UNIVERSE, IFA_F_MANAGETEMPADDR, 1, 2),
		NETLINK_NOTHING);
	ck_assert_int_eq(address_is(RTM_NEWADDR, RT_SCOPE_LINK, 0, 0, 2), NETLINK_NOTHING);
	ck_assert_int_eq(address_is(RTM_DELADDR, RT_SCOPE_LINK, 0, 0, 2), NETLINK_NOTHING);
	ck_assert_int_eq(address_is(RTM_NEWADDR, RT_SCOPE_UNIVERSE, 0, 0, 1), NETLINK_NOTHING);
}
END_TEST

static enum netlink_news route_is(unsigned short type, struct rtmsg route, const char *to,
	const char *gateway, uint32_t age)
{
	const struct rta_cacheinfo times = {.rta_lastuse = age};

	begin(type, 0, &route, sizeof(route));
	if (to)
		add(RTA_DST, to, route.rtm_family == AF_INET6 ? 16 : 4);
	add(RTA_CACHEINFO, &times, sizeof(times));
	add(RTA_GATEWAY, gateway, 4);
	return take();
}

START_TEST(routes_count_unless_they_are_there_already)
{
	const struct rtmsg route = {
		.rtm_family = AF_INET,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_type = RTN_UNICAST,
	};
	struct rtmsg other = route;

	ck_assert_int_eq(route_is(RTM_NEWROUTE, route, NULL, "\12M\0\1", 0), NETLINK_ROUTE_CHANGED);
	ck_assert_int_eq(route_is(RTM_NEWROUTE, route, NULL, "\12M\0\1", 9), NETLINK_NOTHING);
	ck_assert_int_eq(route_is(RTM_NEWROUTE, route, NULL, "\12M\0\2", 0), NETLINK_ROUTE_CHANGED);
	ck_assert_int_eq(route_is(RTM_DELROUTE, route, NULL, "\12M\0\1", 0), NETLINK_ROUTE_CHANGED);
	ck_assert_int_eq(route_is(RTM_NEWROUTE, route, NULL, "\12M\0\1", 0), NETLINK_ROUTE_CHANGED);

	other.rtm_dst_len = 24;
	ck_assert_int_eq(route_is(RTM_NEWROUTE, other, "\12N\0\0", "\12M\0\1", 0),
		NETLINK_ROUTE_CHANGED);
	other.rtm_flags = RTM_F_CLONED;
	ck_assert_int_eq(route_is(RTM_NEWROUTE, other, "\12O\0\0", "\12M\0\1", 0), NETLINK_NOTHING);
}
END_TEST

START_TEST(routes_to_this_host_and_its_links_do_not_count)
{
	static const unsigned char types[] = {RTN_LOCAL, RTN_BROADCAST, RTN_ANYCAST, RTN_MULTICAST};
	const uint32_t local = RT_TABLE_LOCAL;
	struct rtmsg route = {.rtm_family = AF_INET6, .rtm_table = RT_TABLE_MAIN};

	for (size_t i = 0; i < sizeof(types); i++) {
		route.rtm_type = types[i];
		ck_assert_int_eq(route_is(RTM_NEWROUTE, route, NULL, "gate", 0), NETLINK_NOTHING);
	}
	route.rtm_type = RTN_UNICAST;
	begin(RTM_NEWROUTE, 0, &route, sizeof(route));
	add(RTA_TABLE, &local, sizeof(local));
	ck_assert_int_eq(take(), NETLINK_NOTHING);
	route.rtm_dst_len = 64;
	ck_assert_int_eq(route_is(RTM_NEWROUTE, route, "\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
				 "gate", 0),
		NETLINK_NOTHING);
}
END_TEST

START_TEST(the_greatest_of_several_is_told)
{
	const struct rtmsg route = {.rtm_family = AF_INET, .rtm_type = RTN_UNICAST};

	begin(RTM_NEWROUTE, 0, &route, sizeof(route));
	put_link(RTM_NEWLINK, 0, 2, RUNNING, 0);
	begin(RTM_NEWROUTE, 0, &route, sizeof(route));
	ck_assert_int_eq(take(), NETLINK_LINK_CHANGED);
	begin(NLMSG_OVERRUN, 0, &route, sizeof(route));
	ck_assert_int_eq(take(), NETLINK_OVERRUN);
	begin(RTM_NEWNEIGH, 0, &route, sizeof(route));
	ck_assert_int_eq(take(), NETLINK_NOTHING);
}
END_TEST

/* Whole messages, each byte of which is cut off or changed; the sanitizers watch. */
START_TEST(malformed_messages_are_survived)
{
	const struct rtmsg route = {
		.rtm_family = AF_INET6, .rtm_dst_len = 64, .rtm_type = RTN_UNICAST};
	uint8_t whole[sizeof(data)];
	size_t size;

	put_link(RTM_NEWLINK, 0, 2, RUNNING, 7);
	begin(RTM_NEWROUTE, 0, &route, sizeof(route));
	add(RTA_DST, "\xfe\x80", 2);
	add(RTA_GATEWAY, "abcd", 4);
	size = length;
	memcpy(whole, data, size);
	for (size_t cut = 0; cut <= size; cut++) {
		void *copy = malloc(cut ? cut : 1);

		memcpy(copy, whole, cut);
		netlink_take(&view, copy, cut);
		free(copy);
	}
	for (size_t at = 0; at < size; at++) {
		for (unsigned value = 0; value < 256; value++) {
			uint8_t *copy = malloc(size);

			memcpy(copy, whole, size);
			copy[at] = (uint8_t)value;
			netlink_take(&view, copy, size);
			free(copy);
		}
	}
}
END_TEST

START_TEST(the_kernel_answers_a_request)
{
	struct netlink_request request;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	ssize_t got;

	if (fd < 0)
		return; /* no netlink here */
	netlink_ask_for_links(&request);
	ck_assert_int_eq(send(fd, &request, sizeof(request), 0), sizeof(request));
	got = recv(fd, data, sizeof(data), 0);
	ck_assert_int_gt(got, 0);
	ck_assert_int_eq(netlink_take(&view, data, (size_t)got), NETLINK_NOTHING);
	ck_assert_uint_gt(view.link_count, 0);
	close(fd);
}
END_TEST

/* --- the watch ------------------------------------------------------------------------------- */

#define MS     CLOCK_NS_PER_MS
#define SECOND CLOCK_NS_PER_SECOND

static struct event_base *base;
static struct timers *timers;
static struct log *log_;
static struct network_watch *watch;
static uint64_t now;
static unsigned changes;
static enum network_change last;

static uint64_t read_clock(void *context)
{
	return *(uint64_t *)context;
}

static void on_changed(enum network_change change, void *context)
{
	ck_assert_ptr_eq(context, &changes);
	changes++;
	last = change;
}

static void setup(void)
{
	view = (struct netlink_view){0};
	length = 0;
	base = loop_new();
	now = SECOND;
	timers = timers_new(base, read_clock, &now);
	log_ = log_new(LOG_FORMAT_TEXT, LOG_EMERG);
	watch = network_watch_new(base, timers, log_, on_changed, &changes);
	changes = 0;
}

static void teardown(void)
{
	network_watch_free(watch);
	timers_free(timers);
	log_free(log_);
	event_base_free(base);
}

static void pass(uint64_t ns)
{
	now += ns;
	timers_run(timers);
}

START_TEST(a_burst_is_one_change)
{
	network_watch_note(watch, NETWORK_UNCHANGED);
	pass(SECOND);
	ck_assert_uint_eq(changes, 0);
	for (int i = 0; i < 100; i++) {
		network_watch_note(watch, i == 50 ? NETWORK_LINK : NETWORK_ROUTE);
		pass(2 * MS);
	}
	ck_assert_uint_eq(changes, 0);
	pass(100 * MS);
	ck_assert_uint_eq(changes, 1);
	ck_assert_int_eq(last, NETWORK_LINK);
	pass(60 * SECOND);
	ck_assert_uint_eq(changes, 1);
}
END_TEST

START_TEST(a_link_that_flaps_is_reported_every_ten_seconds)
{
	for (int i = 0; i < 60; i++) {
		network_watch_note(watch, NETWORK_LINK);
		pass(SECOND);
	}
	ck_assert_uint_ge(changes, 3 + 5);
	ck_assert_uint_le(changes, 3 + 6);
	changes = 0;
	network_watch_note(watch, NETWORK_ADDRESS);
	pass(11 * SECOND);
	ck_assert_uint_eq(changes, 1); /* the last one is not lost */
	ck_assert_int_eq(last, NETWORK_LINK);
	pass(60 * SECOND);
	network_watch_note(watch, NETWORK_ADDRESS);
	pass(300 * MS);
	ck_assert_uint_eq(changes, 2);
	ck_assert_int_eq(last, NETWORK_ADDRESS);
	ck_assert_str_eq(network_change_name(last), "address");
}
END_TEST

/* --- suspend --------------------------------------------------------------------------------- */

static void on_resumed(void *context)
{
	ck_assert_ptr_eq(context, &changes);
	changes++;
}

START_TEST(a_resume_is_noticed_once)
{
	struct resume_watch resume;
	uint64_t before = clock_suspended();

	changes = 0;
	ck_assert(resume_watch_init(&resume, base, on_resumed, &changes));
	resume_watch_look(&resume, before);
	resume_watch_look(&resume, before + SECOND / 10); /* the clocks are not read together */
	ck_assert_uint_eq(changes, 0);
	resume_watch_look(&resume, before + 60 * SECOND);
	ck_assert_uint_eq(changes, 1);
	resume_watch_look(&resume, before + 60 * SECOND);
	ck_assert_uint_eq(changes, 1);
	resume_watch_look(&resume, before + 65 * SECOND);
	ck_assert_uint_eq(changes, 2);
	resume_watch_release(&resume);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("network");
	TCase *tests = tcase_create("network");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, links_count_when_they_become_usable_or_no_longer_are);
	tcase_add_test(tests, links_asked_for_are_no_news);
	tcase_add_test(tests, loopback_and_the_ports_of_bridges_do_not_count);
	tcase_add_test(tests, more_links_than_are_known_count);
	tcase_add_test(tests, addresses_count_when_they_come_and_go);
	tcase_add_test(tests, routes_count_unless_they_are_there_already);
	tcase_add_test(tests, routes_to_this_host_and_its_links_do_not_count);
	tcase_add_test(tests, the_greatest_of_several_is_told);
	tcase_add_test(tests, malformed_messages_are_survived);
	tcase_add_test(tests, the_kernel_answers_a_request);
	tcase_add_test(tests, a_burst_is_one_change);
	tcase_add_test(tests, a_link_that_flaps_is_reported_every_ten_seconds);
	tcase_add_test(tests, a_resume_is_noticed_once);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
