#include "net/tls_sessions.h"

#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum { TLS_SESSIONS_MAX = 256 };

struct tls_session {
	struct tls_session *next;
	SSL_SESSION *ssl;
	char *key;
};

/* The link to the one with this key, or to NULL. */
static struct tls_session **tls_sessions_find(struct tls_sessions *sessions, const char *key)
{
	struct tls_session **link = &sessions->newest;

	while (*link && strcmp((*link)->key, key) != 0)
		link = &(*link)->next;
	return link;
}

static void tls_sessions_drop(struct tls_sessions *sessions, struct tls_session **link)
{
	struct tls_session *session = *link;

	*link = session->next;
	sessions->count--;
	SSL_SESSION_free(session->ssl);
	free(session->key);
	free(session);
}

static void tls_sessions_drop_oldest(struct tls_sessions *sessions)
{
	struct tls_session **link = &sessions->newest;

	while ((*link)->next)
		link = &(*link)->next;
	tls_sessions_drop(sessions, link);
}

void tls_sessions_store(struct tls_sessions *sessions, const char *key, SSL_SESSION *session)
{
	SSL_SESSION *copy = SSL_SESSION_dup(session);
	struct tls_session *stored;

	if (!copy)
		return;
	tls_sessions_remove(sessions, key);
	if (sessions->count == TLS_SESSIONS_MAX)
		tls_sessions_drop_oldest(sessions);
	stored = alloc_zero(1, sizeof(*stored));
	stored->ssl = copy;
	stored->key = alloc_string(key);
	stored->next = sessions->newest;
	sessions->newest = stored;
	sessions->count++;
}

void tls_sessions_offer(const struct tls_sessions *sessions, const char *key, SSL *ssl)
{
	struct tls_session *stored = sessions->newest;
	SSL_SESSION *copy;

	while (stored && strcmp(stored->key, key) != 0)
		stored = stored->next;
	copy = stored ? SSL_SESSION_dup(stored->ssl) : NULL;
	if (!copy)
		return;
	SSL_set_session(ssl, copy);
	SSL_SESSION_free(copy);
}

void tls_sessions_remove(struct tls_sessions *sessions, const char *key)
{
	struct tls_session **link = tls_sessions_find(sessions, key);

	if (*link)
		tls_sessions_drop(sessions, link);
}

void tls_sessions_release(struct tls_sessions *sessions)
{
	while (sessions->newest)
		tls_sessions_drop(sessions, &sessions->newest);
}
