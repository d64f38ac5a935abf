#include "net/tls_verify.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/worker.h"

struct tls_verify {
	struct worker *worker; /* NULL: it is done */
	void (*done)(void *context);
	void *context;

	/* the thread's, while it works: */
	X509_STORE_CTX *store_context;
	X509_STORE *store; /* what that borrows; */
	X509 *certificate;
	STACK_OF(X509) * untrusted; /* what the server has sent */
	STACK_OF(X509) * chain;     /* that was built from it; NULL: none */
	bool accepted;
	int verdict;    /* X509_V_… */
	int file_error; /* errno: why a file of the CA directory could not be read; 0: none */
};

/* On either side. */
static void tls_verify_release(void *context)
{
	struct tls_verify *verify = context;

	X509_STORE_CTX_free(verify->store_context);
	X509_STORE_free(verify->store);
	X509_free(verify->certificate);
	sk_X509_pop_free(verify->untrusted, X509_free);
	sk_X509_pop_free(verify->chain, X509_free);
	free(verify);
}

static void tls_verify_work(void *context)
{
	struct tls_verify *verify = context;
	unsigned long code;

	ERR_clear_error();
	verify->accepted = X509_verify_cert(verify->store_context) == 1;
	verify->verdict = X509_STORE_CTX_get_error(verify->store_context);
	verify->chain = X509_STORE_CTX_get1_chain(verify->store_context);
	code = ERR_peek_error();
	if (ERR_SYSTEM_ERROR(code) && ERR_GET_REASON(code) != ENOENT)
		verify->file_error = ERR_GET_REASON(code);
	X509_STORE_CTX_free(verify->store_context);
	verify->store_context = NULL;
}

static void tls_verify_on_done(void *context)
{
	struct tls_verify *verify = context;

	verify->worker = NULL;
	verify->done(verify->context);
}

/* One that stands by itself, with the same certificates and parameters. */
static bool tls_verify_copy(struct tls_verify *verify, X509_STORE *store, X509_STORE_CTX *of)
{
	X509_STORE_CTX *own = verify->store_context;

	verify->store = store;
	X509_STORE_up_ref(verify->store);
	verify->certificate = X509_STORE_CTX_get0_cert(of);
	X509_up_ref(verify->certificate);
	verify->untrusted = X509_chain_up_ref(X509_STORE_CTX_get0_untrusted(of));
	return own && verify->untrusted &&
		X509_STORE_CTX_init(own, verify->store, verify->certificate, verify->untrusted) &&
		X509_VERIFY_PARAM_set1(X509_STORE_CTX_get0_param(own),
			X509_STORE_CTX_get0_param(of));
}

struct tls_verify *tls_verify_start(struct event_base *base, X509_STORE *store, X509_STORE_CTX *of,
	void (*done)(void *context), void *context, struct error *error)
{
	struct tls_verify *verify = alloc_zero(1, sizeof(*verify));
	const struct worker_task task = {
		tls_verify_work, tls_verify_on_done, tls_verify_release, verify};

	verify->done = done;
	verify->context = context;
	verify->store_context = X509_STORE_CTX_new();
	if (tls_verify_copy(verify, store, of))
		verify->worker = worker_start(base, &task, error);
	else
		error_set(error, ERROR_SOCKET_SSL, "OpenSSL cannot verify the certificates");
	if (verify->worker)
		return verify;
	tls_verify_release(verify);
	return NULL;
}

bool tls_verify_is_done(const struct tls_verify *verify)
{
	return !verify->worker;
}

bool tls_verify_outcome(struct tls_verify *verify, X509_STORE_CTX *of)
{
	bool refused_without_reason = !verify->accepted && verify->verdict == X509_V_OK;

	if (verify->file_error) /* where tls_trust_explain() looks for it */
		ERR_raise(ERR_LIB_SYS, verify->file_error);
	X509_STORE_CTX_set_error(of,
		refused_without_reason ? X509_V_ERR_UNSPECIFIED : verify->verdict);
	X509_STORE_CTX_set0_verified_chain(of, verify->chain);
	verify->chain = NULL;
	return verify->accepted;
}

void tls_verify_free(struct tls_verify *verify)
{
	if (!verify)
		return;
	if (verify->worker)
		worker_abandon(verify->worker);
	else
		tls_verify_release(verify);
}
