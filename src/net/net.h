#ifndef NET_NET_H
#define NET_NET_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/log.h"
#include "base/timers.h"
#include "net/tls.h"

/*
 * Shared by all connections to get onto the network: the resolver, and the TLS contexts, one for
 * each distinct set of TLS settings, because a context with the system's CA certificates takes
 * megabytes.
 */
struct net;

/* True if the text is the address of a name server; else the text of the error follows the name of
 * the setting ("must be …"). */
bool net_check_server(const char *text, struct error *error);

/* `servers`: name servers as "ADDRESS[:PORT]", or none to look names up as the system does. Borrows
 * base, timers and log. */
struct net *net_new(struct event_base *base, struct timers *timers, struct log *log,
	const char *const *servers, size_t server_count);

/* Every dial and check must have ended or been cancelled, every stream been closed. NULL is ignored. */
void net_free(struct net *net);

/* The network has changed: forgets the addresses of names. */
void net_flush(struct net *net);

/*
 * tls_check() of all these settings without the loop waiting: `done` is called once, never from within
 * net_check_tls(), with an error or NULL; the check is gone then. What it reads is there for the dial
 * that follows.
 */
enum { NET_CHECK_MAX = 2 };
struct net_check;
struct net_check *net_check_tls(struct net *net, const struct tls_settings *settings, size_t count,
	void (*done)(const struct error *error, void *context), void *context);

/* Without a call to `done`. NULL is ignored. */
void net_check_cancel(struct net_check *check);

#endif
