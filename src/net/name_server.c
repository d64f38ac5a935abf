#define CARES_NO_DEPRECATED /* of the socket functions, c-ares 1.18 has only the old ones */

#include "net/name_server.h"

#include <ares.h>
#include <errno.h>
#include <event2/event_struct.h>
#include <event2/util.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "net/address.h"
#include "net/resolve.h"

/* A datagram may be lost: it is sent again after 700 ms and 1.4 s, and given up after 4.9 s. */
enum { NAME_SERVER_TIMEOUT_MS = 700, NAME_SERVER_TRIES = 3 };

/* Beyond that the server has to answer first. */
enum { NAME_SERVER_QUESTIONS = 512 };

enum { NAME_SERVER_READS = 32 }; /* a turn, of a socket */

/*
 * A channel of c-ares with this server only: with several, c-ares would wait for a dead one again
 * and again. An answer that does not fit into a datagram is asked for again by TCP.
 */
struct name_server {
	struct event_base *base;
	ares_channel channel;
	struct event timer; /* when c-ares wants to be called again */
	LIST_HEAD(, name_server_socket) sockets;
	size_t questions; /* under way */
	unsigned reads;   /* left in this turn */
	char text[ADDRESS_TEXT_SIZE];
};

struct name_server_socket {
	LIST_ENTRY(name_server_socket) entry;
	struct name_server *server;
	struct event event;
};

struct name_server_question {
	struct name_server *server;
	name_server_answered answered;
	void *context;
	int family;
};

/* --- events --------------------------------------------------------------------------------- */

/* After each call of c-ares. */
static void name_server_set_timer(struct name_server *server)
{
	struct timeval time;

	if (ares_timeout(server->channel, NULL, &time))
		event_add(&server->timer, &time);
	else
		event_del(&server->timer);
}

static void name_server_on_timer(evutil_socket_t fd, short events, void *context)
{
	struct name_server *server = context;

	(void)fd, (void)events;
	ares_process_fd(server->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	name_server_set_timer(server);
}

/* The socket may be gone after this. */
static void name_server_on_socket(evutil_socket_t fd, short events, void *context)
{
	struct name_server_socket *sock = context;
	struct name_server *server = sock->server;

	server->reads = NAME_SERVER_READS;
	ares_process_fd(server->channel, events & EV_READ ? fd : ARES_SOCKET_BAD,
		events & EV_WRITE ? fd : ARES_SOCKET_BAD);
	name_server_set_timer(server);
}

static struct name_server_socket *name_server_find_socket(struct name_server *server, int fd)
{
	struct name_server_socket *sock;

	LIST_FOREACH (sock, &server->sockets, entry) {
		if (event_get_fd(&sock->event) == fd)
			return sock;
	}
	return NULL;
}

static void name_server_on_socket_state(void *context, ares_socket_t fd, int readable, int writable)
{
	struct name_server *server = context;
	struct name_server_socket *sock = name_server_find_socket(server, fd);
	short events = (short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));

	if (sock)
		event_del(&sock->event);
	if (sock && !events) {
		LIST_REMOVE(sock, entry);
		free(sock);
	}
	if (!events)
		return;
	if (!sock) {
		sock = alloc_zero(1, sizeof(*sock));
		sock->server = server;
		LIST_INSERT_HEAD(&server->sockets, sock, entry);
	}
	event_assign(&sock->event, server->base, fd, (short)(events | EV_PERSIST),
		name_server_on_socket, sock);
	event_add(&sock->event, NULL);
}

/* --- sockets -------------------------------------------------------------------------------- */

static ares_socket_t name_server_socket(int family, int type, int protocol, void *context)
{
	int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
	int yes = 1;

	(void)context;
	if (fd >= 0 && type == SOCK_STREAM)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	return fd;
}

static int name_server_close(ares_socket_t fd, void *context)
{
	(void)context;
	return close(fd);
}

static int name_server_connect(ares_socket_t fd, const struct sockaddr *address,
	ares_socklen_t length, void *context)
{
	(void)context;
	return connect(fd, address, length);
}

/* c-ares reads until there is nothing more: a flood would keep the loop for as long as it lasts. */
static ares_ssize_t name_server_receive(ares_socket_t fd, void *data, size_t size, int flags,
	struct sockaddr *from, ares_socklen_t *from_length, void *context)
{
	struct name_server *server = context;

	if (server->reads == 0) {
		errno = EWOULDBLOCK;
		return -1;
	}
	server->reads--;
	return recvfrom(fd, data, size, flags, from, from_length);
}

static ares_ssize_t name_server_send(ares_socket_t fd, const struct iovec *parts, int count,
	void *context)
{
	(void)context;
	return writev(fd, parts, count);
}

static const struct ares_socket_functions name_server_socket_functions = {
	.asocket = name_server_socket,
	.aclose = name_server_close,
	.aconnect = name_server_connect,
	.arecvfrom = name_server_receive,
	.asendv = name_server_send,
};

/* --- answers -------------------------------------------------------------------------------- */

static void name_server_take(const struct ares_addrinfo *found, int family,
	struct address addresses[RESOLVE_PER_FAMILY], struct lookup_answer *answer)
{
	uint64_t lifetime = UINT64_MAX, own;

	for (const struct ares_addrinfo_node *node = found->nodes; node; node = node->ai_next) {
		if (answer->count == RESOLVE_PER_FAMILY || node->ai_family != family ||
			(size_t)node->ai_addrlen > sizeof(addresses[0]))
			continue;
		addresses[answer->count] = (struct address){0};
		memcpy(&addresses[answer->count++], node->ai_addr, (size_t)node->ai_addrlen);
		own = node->ai_ttl > 0 ? (uint64_t)node->ai_ttl * CLOCK_NS_PER_SECOND : 0;
		if (own < lifetime)
			lifetime = own;
	}
	for (const struct ares_addrinfo_cname *name = found->cnames; name; name = name->next) {
		own = name->ttl > 0 ? (uint64_t)name->ttl * CLOCK_NS_PER_SECOND : 0;
		if (own < lifetime)
			lifetime = own;
	}
	answer->addresses = addresses;
	answer->lifetime = lifetime; /* without limit where there is nothing */
	answer->outcome = answer->count ? LOOKUP_FOUND : LOOKUP_NO_ADDRESS;
}

/* c-ares does not tell why it has no socket. */
static void name_server_fail_to_connect(struct lookup_answer *answer)
{
	int shortage = file_shortage();

	answer->outcome = shortage ? LOOKUP_FAILED : LOOKUP_NO_ANSWER;
	answer->reason = shortage ? strerror(shortage) : "no name server can be reached";
}

static void name_server_fail(int status, struct lookup_answer *answer)
{
	answer->lifetime = UINT64_MAX; /* of what the host does not have */
	switch (status) {
	case ARES_ENOTFOUND:
	case ARES_EBADNAME:
		answer->outcome = LOOKUP_NO_HOST;
		break;
	case ARES_ENODATA:
		answer->outcome = LOOKUP_NO_ADDRESS;
		break;
	case ARES_ETIMEOUT:
		answer->outcome = LOOKUP_NO_ANSWER;
		break;
	case ARES_ECONNREFUSED:
		name_server_fail_to_connect(answer);
		break;
	case ARES_ESERVFAIL:
		answer->outcome = LOOKUP_FAILED;
		answer->reason = "the name servers failed (SERVFAIL)";
		break;
	case ARES_EREFUSED:
		answer->outcome = LOOKUP_FAILED;
		answer->reason = "the name servers refuse to answer (REFUSED)";
		break;
	default:
		answer->outcome = LOOKUP_FAILED;
		answer->reason = ares_strerror(status);
	}
}

static void name_server_on_answer(void *context, int status, int timeouts,
	struct ares_addrinfo *found)
{
	struct name_server_question *question = context;
	struct address addresses[RESOLVE_PER_FAMILY];
	struct lookup_answer answer = {0};
	bool cancelled = status == ARES_ECANCELLED || status == ARES_EDESTRUCTION;

	(void)timeouts;
	question->server->questions--;
	if (status == ARES_SUCCESS && found)
		name_server_take(found, question->family, addresses, &answer);
	else
		name_server_fail(status, &answer);
	question->answered(cancelled ? NULL : &answer, question->context);
	if (found)
		ares_freeaddrinfo(found);
	free(question);
}

void name_server_ask(struct name_server *server, const char *host, int family,
	name_server_answered answered, void *context)
{
	static const struct lookup_answer busy = {
		.outcome = LOOKUP_FAILED, .reason = "too many queries are under way"};
	const struct ares_addrinfo_hints hints = {
		.ai_flags = ARES_AI_NOSORT, /* the race has an order of its own */
		.ai_family = family,
		.ai_socktype = SOCK_STREAM,
	};
	struct name_server_question *question;

	if (server->questions == NAME_SERVER_QUESTIONS) {
		answered(&busy, context);
		return;
	}
	question = alloc_zero(1, sizeof(*question));
	question->server = server;
	question->answered = answered;
	question->context = context;
	question->family = family;
	server->questions++;
	ares_getaddrinfo(server->channel, host, NULL, &hints, name_server_on_answer, question);
	name_server_set_timer(server);
}

/* --- the server ----------------------------------------------------------------------------- */

static bool name_server_open(struct name_server *server, struct error *error)
{
	struct in_addr none = {0};
	char lookups[] = "b"; /* DNS only */
	/* Everything that c-ares would otherwise read from the system's files. */
	struct ares_options options = {
		.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES |
			ARES_FLAG_NOCHECKRESP, /* a failure is an answer: others are asked next */
		.timeout = NAME_SERVER_TIMEOUT_MS,
		.tries = NAME_SERVER_TRIES,
		.ndots = 1,
		.servers = &none, /* set below */
		.nservers = 1,
		.lookups = lookups,
		.sock_state_cb = name_server_on_socket_state,
		.sock_state_cb_data = server,
	};
	int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS |
		ARES_OPT_SERVERS | ARES_OPT_DOMAINS | ARES_OPT_LOOKUPS | ARES_OPT_SORTLIST |
		ARES_OPT_SOCK_STATE_CB;
	int status;

#ifdef ARES_OPT_QUERY_CACHE
	mask |= ARES_OPT_QUERY_CACHE; /* of 0 s: the resolver has its own */
#endif
	status = ares_init_options(&server->channel, &options, mask);
	if (status == ARES_SUCCESS) {
		ares_set_socket_functions(server->channel, &name_server_socket_functions, server);
		status = ares_set_servers_ports_csv(server->channel, server->text);
		if (status == ARES_SUCCESS)
			return true;
		ares_destroy(server->channel);
	}
	return error_set(error, ERROR_SYSTEM, "%s", ares_strerror(status));
}

/* "192.0.2.1" and "[2001:db8::1]:53" become what c-ares and a person can read. */
static bool name_server_parse(struct name_server *server, const char *text)
{
	struct address address = {0};
	struct sockaddr_storage storage = {0};
	int length = sizeof(storage);

	if (evutil_parse_sockaddr_port(text, (struct sockaddr *)&storage, &length) != 0)
		return false;
	memcpy(&address, &storage, sizeof(address));
	if (address.ipv4.sin_port == 0) /* at the same place for IPv6 */
		address_set_port(&address, 53);
	address_format(&address, server->text);
	return true;
}

struct name_server *name_server_new(struct event_base *base, const char *text, struct error *error)
{
	struct name_server *server = alloc_zero(1, sizeof(*server));

	server->base = base;
	LIST_INIT(&server->sockets);
	evtimer_assign(&server->timer, base, name_server_on_timer, server);
	if (!name_server_parse(server, text))
		error_set(error, ERROR_SETTINGS, "it is not an address");
	else if (name_server_open(server, error))
		return server;
	free(server);
	return NULL;
}

void name_server_cancel(struct name_server *server)
{
	ares_cancel(server->channel);
	name_server_set_timer(server);
}

void name_server_free(struct name_server *server)
{
	if (!server)
		return;
	ares_destroy(server->channel);
	event_del(&server->timer);
	free(server);
}

const char *name_server_text(const struct name_server *server)
{
	return server->text;
}
