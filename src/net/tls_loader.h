#ifndef NET_TLS_LOADER_H
#define NET_TLS_LOADER_H

#include <event2/event.h>

#include "net/tls_material.h"

/*
 * Reads the files of TLS settings without blocking the loop: at most one thread at a time for each
 * distinct set of files, since one of them may be on a file system that has gone. A load that starts
 * while they are being read gets what is read afterwards, which costs little if they are unchanged.
 */
struct tls_loader;

struct tls_loader *tls_loader_new(struct event_base *base);

/* All loads must have ended or been cancelled. Does not wait for threads. */
void tls_loader_free(struct tls_loader *loader);

struct tls_load;

/* Called once, never from within tls_load_start(); the load is gone then. `material` is the taker's;
 * on failure it is NULL, and `error` says why. */
typedef void (*tls_load_done)(struct tls_material *material, const struct error *error,
	void *context);

/* Copies what it needs of the settings. */
struct tls_load *tls_load_start(struct tls_loader *loader, const struct tls_settings *settings,
	tls_load_done done, void *context);

/* Ends it without a call to `done`. NULL is ignored. */
void tls_load_cancel(struct tls_load *load);

#endif
