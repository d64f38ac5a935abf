#ifndef TEST_NET_H
#define TEST_NET_H

#include <check.h>
#include <event2/event.h>
#include <openssl/types.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "base/clock.h"
#include "net/dial.h"

TCase *test_net_url(void);
TCase *test_net_proxy(void);
TCase *test_net_dns(void);
TCase *test_net_resolver(void);
TCase *test_net_dial(void);
TCase *test_net_failures(void);
TCase *test_net_tunnel(void);
TCase *test_net_tunnel_tls(void);
TCase *test_net_tls(void);
TCase *test_net_session(void);
TCase *test_net_trust(void);
TCase *test_net_load(void);

/* An answer of the name server below: NULL for the address means that there is none. */
struct zone {
	const char *name;
	const char *ipv4; /* one or more, with spaces between */
	const char *ipv6;
	unsigned ipv4_delay_ms;
	unsigned ipv6_delay_ms;
	bool silent;
	int code; /* DNS_ERR_*: it answers with this; 0: no failure */
};

/* A name server on loopback that knows `zone`; another name does not exist. */
struct name_server {
	struct event_base *base;
	struct timers *timers;
	struct evdns_server_port *port;
	char address[32]; /* "127.0.0.1:5353" */
	const struct zone *zone;
	unsigned questions;
	LIST_HEAD(, delayed_answer) delayed;
};

void name_server_start(struct name_server *server, struct event_base *base,
	const struct zone *zone);
void name_server_stop(struct name_server *server);

/* A net that asks this name server, and the outcome of one dial. */
struct fixture {
	struct event_base *base;
	struct timers *timers;
	struct log *log;
	struct name_server names;
	struct net *net;
	const struct proxy *proxy;      /* of the dials; NULL: none */
	const struct tcp_settings *tcp; /* likewise */
	struct failures *failures;      /* likewise */
	bool public_only;               /* likewise */
	struct url url;
	struct dial *dial; /* NULL: ended */
	struct stream *stream;
	struct dial_report report;
	struct error error;
	uint64_t elapsed_ms;
	uint64_t started;
	uint64_t slept; /* ns that the clock is ahead of that of the system */
};

void fixture_start(struct fixture *fixture, const struct zone *zone);
void fixture_stop(struct fixture *fixture);

/* Starts a dial; timeouts in ms. */
void fixture_dial(struct fixture *fixture, const struct tls_settings *tls, unsigned connect_timeout,
	unsigned tls_timeout, const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Runs the loop until the dial has ended; true when it has a stream. */
bool fixture_wait(struct fixture *fixture);

/* Runs the loop for so long, whatever happens. */
void fixture_run(struct fixture *fixture, unsigned ms);

/* The clock jumps, and nothing happens meanwhile. */
void fixture_sleep(struct fixture *fixture, unsigned ms);

void fixture_close(struct fixture *fixture);

/* The texts are equal. If `expected` ends within a quote, the rest is not compared: how much is
 * quoted depends on the pieces in which the peer's bytes arrive. */
void assert_error_text(const char *actual, const char *expected);

/* Whether loopback has ::1, which many a container does not; says so if not. */
bool has_ipv6(void);

/* Leaves only so many descriptors to be had, until descriptors_release(). */
struct descriptors {
	int taken[256];
	size_t count;
};
void descriptors_take_all_but(struct descriptors *descriptors, size_t left);
void descriptors_release(struct descriptors *descriptors);

/* A listening socket on loopback; `port` 0: any, and set on return. */
int listen_on(int family, uint16_t *port, int backlog);

/* A port of loopback on which nobody listens, kept from others until the process ends. */
uint16_t refused_port(void);

/* Makes an EC key and a certificate, both as PEM files. Without issuer it is self-signed. */
struct certificate {
	EVP_PKEY *key;
	X509 *x509;
	char cert_file[128];
	char key_file[128];
};

/* `names`: a subjectAltName as in openssl.cnf, "DNS:good.test,IP:127.0.0.1"; "": none; NULL: a CA.
 * `days`: how long it is valid, negative: expired. */
void certificate_make(struct certificate *certificate, const char *directory, const char *name,
	const char *names, const struct certificate *issuer, int days);
/* Appends a revocation list of that CA, for a day from `days` on, to the PEM file; `revoked` may be
 * NULL. */
void certificate_revoke(const char *file, const struct certificate *issuer,
	const struct certificate *revoked, int days);
void certificate_free(struct certificate *certificate);

/* What the server does after its handshake; the first two do without one. */
enum script {
	SCRIPT_NOT_TLS,
	SCRIPT_CLOSE_AT_ONCE,
	SCRIPT_END,      /* records, then an orderly end */
	SCRIPT_TRUNCATE, /* records, then EOF without close_notify */
	SCRIPT_ECHO,
};

enum { RECORDS = 40, RECORD_SIZE = 1000 };

/* A blocking TLS server in a thread of its own. */
struct tls_server {
	pthread_t thread;
	pid_t process;
	int listener;
	uint16_t port;
	SSL_CTX *context;
	enum script script;
	char server_name[64]; /* what the last client asked for */
	char client_name[64]; /* the subject of the last client's certificate */
};

/* Makes the server, so that its context may be changed; then lets it go. */
void tls_server_start(struct tls_server *server, const struct certificate *certificate,
	enum script script);
void tls_server_go(struct tls_server *server);
void tls_server_stop(struct tls_server *server);

/* Instead of both, in a process of its own, which takes no descriptors from this one. */
void tls_server_fork(struct tls_server *server);
void tls_server_kill(struct tls_server *server);

#endif
