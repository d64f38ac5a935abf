#include "net/tls_stores.h"

#include <openssl/x509.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "net/tls_trust.h"

enum { TLS_STORES_MAX = 16 };

/* One set of files. */
struct tls_shelf {
	struct tls_shelf *next;
	unsigned users; /* threads that wait for the lock or hold it */

	pthread_mutex_t lock; /* of what follows, while the files are read */
	struct tls_trust trust;
	X509_STORE *store; /* NULL: not read, or it failed */
	uint64_t number;
};

struct tls_stores {
	atomic_uint
		users; /* the loop is one: it takes no lock, which a thread could keep for long */
	pthread_mutex_t lock;     /* of what follows */
	uint64_t numbers;         /* that have been given */
	struct tls_shelf *newest; /* the last used first */
};

struct tls_stores *tls_stores_new(void)
{
	struct tls_stores *stores = alloc_zero(1, sizeof(*stores));

	pthread_mutex_init(&stores->lock, NULL);
	atomic_init(&stores->users, 1);
	return stores;
}

struct tls_stores *tls_stores_hold(struct tls_stores *stores)
{
	atomic_fetch_add(&stores->users, 1);
	return stores;
}

static void tls_shelf_free(struct tls_shelf *shelf)
{
	X509_STORE_free(shelf->store);
	tls_trust_release(&shelf->trust);
	pthread_mutex_destroy(&shelf->lock);
	free(shelf);
}

void tls_stores_release(struct tls_stores *stores)
{
	struct tls_shelf *next;

	if (atomic_fetch_sub(&stores->users, 1) > 1)
		return;
	for (struct tls_shelf *shelf = stores->newest; shelf; shelf = next) {
		next = shelf->next;
		tls_shelf_free(shelf);
	}
	pthread_mutex_destroy(&stores->lock);
	free(stores);
}

static struct tls_shelf *tls_shelf_new(const struct tls_settings *settings)
{
	struct tls_shelf *shelf = alloc_zero(1, sizeof(*shelf));

	pthread_mutex_init(&shelf->lock, NULL);
	tls_trust_init(&shelf->trust, settings);
	return shelf;
}

static struct tls_shelf *tls_stores_find(struct tls_stores *stores,
	const struct tls_settings *settings)
{
	struct tls_shelf **link = &stores->newest;
	struct tls_shelf *shelf;

	pthread_mutex_lock(&stores->lock);
	while (*link && !tls_trust_matches(&(*link)->trust, settings))
		link = &(*link)->next;
	shelf = *link;
	if (shelf)
		*link = shelf->next;
	else
		shelf = tls_shelf_new(settings);
	shelf->next = stores->newest;
	stores->newest = shelf;
	shelf->users++;
	pthread_mutex_unlock(&stores->lock);
	return shelf;
}

/* Gives the shelf back, and clears those away that have not been used for long. */
static void tls_stores_leave(struct tls_stores *stores, struct tls_shelf *left)
{
	struct tls_shelf **link = &stores->newest;
	struct tls_shelf *shelf;
	unsigned kept = 0;

	pthread_mutex_lock(&stores->lock);
	left->users--;
	while ((shelf = *link)) {
		if (kept++ < TLS_STORES_MAX || shelf->users) {
			link = &shelf->next;
			continue;
		}
		*link = shelf->next;
		tls_shelf_free(shelf);
	}
	pthread_mutex_unlock(&stores->lock);
}

static uint64_t tls_stores_next_number(struct tls_stores *stores)
{
	uint64_t number;

	pthread_mutex_lock(&stores->lock);
	number = ++stores->numbers;
	pthread_mutex_unlock(&stores->lock);
	return number;
}

X509_STORE *tls_stores_get(struct tls_stores *stores, const struct tls_settings *settings,
	uint64_t *number, struct error *error)
{
	struct tls_shelf *shelf = tls_stores_find(stores, settings);
	X509_STORE *store;

	pthread_mutex_lock(&shelf->lock);
	if (!shelf->store || !tls_trust_is_fresh(&shelf->trust)) {
		X509_STORE_free(shelf->store);
		shelf->store = tls_trust_load(&shelf->trust, error);
		shelf->number = tls_stores_next_number(stores);
	}
	store = shelf->store;
	*number = shelf->number;
	if (store)
		X509_STORE_up_ref(store);
	pthread_mutex_unlock(&shelf->lock);
	tls_stores_leave(stores, shelf);
	return store;
}
