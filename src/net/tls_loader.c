#include "net/tls_loader.h"

#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/alloc.h"
#include "base/worker.h"

TAILQ_HEAD(tls_loads, tls_load);

/* A caller that waits for a job. */
struct tls_load {
	TAILQ_ENTRY(tls_load) entry;
	struct tls_loads *list; /* NULL: the outcome is there, and the event active */
	struct event event;
	struct tls_material material;
	struct error *error; /* NULL: none */
	tls_load_done done;
	void *context;
};

/* One set of files. */
struct tls_job {
	LIST_ENTRY(tls_job) entry;
	struct tls_loader *loader; /* for the loop */
	struct worker *worker;
	struct tls_loads present; /* for what is being read */
	struct tls_loads next;    /* for what is read afterwards */

	/* the thread's, while it works: */
	struct tls_stores *stores;
	struct tls_settings settings; /* as far as they matter; its strings owned */
	struct tls_material material;
	bool loaded;
	struct error error;
};

struct tls_loader {
	struct event_base *base;
	struct tls_stores *stores;
	LIST_HEAD(, tls_job) jobs;
};

/* Of the settings: all that a load depends on. */
static const size_t tls_job_strings[] = {
	offsetof(struct tls_settings, group),
	offsetof(struct tls_settings, ca_file),
	offsetof(struct tls_settings, ca_path),
	offsetof(struct tls_settings, crl_file),
	offsetof(struct tls_settings, cert_file),
	offsetof(struct tls_settings, key_file),
	offsetof(struct tls_settings, key_passphrase),
	offsetof(struct tls_settings, ciphers),
};

enum { TLS_JOB_STRINGS = sizeof(tls_job_strings) / sizeof(tls_job_strings[0]) };

static char **tls_job_string(const struct tls_settings *settings, size_t number)
{
	return (char **)((char *)settings + tls_job_strings[number]);
}

static bool tls_job_matches(const struct tls_job *job, const struct tls_settings *settings)
{
	for (size_t i = 0; i < TLS_JOB_STRINGS; i++) {
		const char *own = *tls_job_string(&job->settings, i);
		const char *wanted = *tls_job_string(settings, i);

		if (!string_equal(own, wanted))
			return false;
	}
	return job->settings.verify == settings->verify &&
		job->settings.min_version == settings->min_version;
}

static struct tls_job *tls_job_new(struct tls_loader *loader, const struct tls_settings *settings)
{
	struct tls_job *job = alloc_zero(1, sizeof(*job));

	job->loader = loader;
	job->stores = tls_stores_hold(loader->stores);
	job->settings.verify = settings->verify;
	job->settings.min_version = settings->min_version;
	for (size_t i = 0; i < TLS_JOB_STRINGS; i++)
		*tls_job_string(&job->settings, i) = alloc_string(*tls_job_string(settings, i));
	TAILQ_INIT(&job->present);
	TAILQ_INIT(&job->next);
	LIST_INSERT_HEAD(&loader->jobs, job, entry);
	return job;
}

/* On the thread, too: when nobody waits for it any more. */
static void tls_job_free(struct tls_job *job)
{
	tls_material_release(&job->material);
	tls_stores_release(job->stores);
	for (size_t i = 0; i < TLS_JOB_STRINGS; i++)
		alloc_wipe(*tls_job_string(&job->settings, i));
	free(job);
}

static void tls_job_work(void *context)
{
	struct tls_job *job = context;

	job->loaded = tls_material_load(&job->material, &job->settings, job->stores, &job->error);
}

static void tls_job_discard(void *context)
{
	tls_job_free(context);
}

/* --- on the loop ---------------------------------------------------------------------------- */

/* Each goes on in a callback of its own: there may be thousands. */
static void tls_job_answer(struct tls_job *job)
{
	struct tls_load *load;

	while ((load = TAILQ_FIRST(&job->present))) {
		TAILQ_REMOVE(&job->present, load, entry);
		load->list = NULL;
		if (job->loaded) {
			load->material = tls_material_copy(&job->material);
		} else {
			load->error = alloc_zero(1, sizeof(*load->error));
			*load->error = job->error;
		}
		event_active(&load->event, EV_TIMEOUT, 0);
	}
}

static void tls_job_start(struct tls_job *job);

static void tls_job_on_done(void *context)
{
	struct tls_job *job = context;

	job->worker = NULL;
	tls_job_answer(job);
	if (!TAILQ_EMPTY(&job->next)) {
		tls_job_start(job);
		return;
	}
	LIST_REMOVE(job, entry);
	tls_job_free(job);
}

static void tls_job_start(struct tls_job *job)
{
	const struct worker_task task = {tls_job_work, tls_job_on_done, tls_job_discard, job};

	tls_material_release(&job->material);
	job->loaded = false;
	TAILQ_CONCAT(&job->present, &job->next, entry);
	for (struct tls_load *load = TAILQ_FIRST(&job->present); load;
		load = TAILQ_NEXT(load, entry))
		load->list = &job->present;
	job->worker = worker_start(job->loader->base, &task, &job->error);
	if (!job->worker)
		tls_job_on_done(job);
}

static void tls_load_free(struct tls_load *load)
{
	tls_material_release(&load->material);
	free(load->error);
	free(load);
}

static void tls_load_on_outcome(evutil_socket_t fd, short what, void *context)
{
	struct tls_load *load = context;
	struct tls_material material = load->material;

	(void)fd, (void)what;
	load->material = (struct tls_material){0};
	load->done(load->error ? NULL : &material, load->error, load->context);
	tls_load_free(load);
}

struct tls_load *tls_load_start(struct tls_loader *loader, const struct tls_settings *settings,
	tls_load_done done, void *context)
{
	struct tls_load *load = alloc_zero(1, sizeof(*load));
	struct tls_job *job;

	LIST_FOREACH (job, &loader->jobs, entry) {
		if (tls_job_matches(job, settings))
			break;
	}
	if (!job)
		job = tls_job_new(loader, settings);
	evtimer_assign(&load->event, loader->base, tls_load_on_outcome, load);
	load->done = done;
	load->context = context;
	load->list = &job->next;
	TAILQ_INSERT_TAIL(&job->next, load, entry);
	if (!job->worker)
		tls_job_start(job);
	return load;
}

void tls_load_cancel(struct tls_load *load)
{
	if (!load)
		return;
	if (load->list)
		TAILQ_REMOVE(load->list, load, entry);
	event_del(&load->event);
	tls_load_free(load);
}

struct tls_loader *tls_loader_new(struct event_base *base)
{
	struct tls_loader *loader = alloc_zero(1, sizeof(*loader));

	loader->base = base;
	loader->stores = tls_stores_new();
	LIST_INIT(&loader->jobs);
	return loader;
}

void tls_loader_free(struct tls_loader *loader)
{
	struct tls_job *job;

	while ((job = LIST_FIRST(&loader->jobs))) {
		LIST_REMOVE(job, entry);
		worker_abandon(job->worker);
	}
	tls_stores_release(loader->stores);
	free(loader);
}
