#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "outlet/ring_ledger.h"

/*
 * The names of the sources in the ledger. Records of some formats have a source's number only, so a
 * successor must know which number stands for which name. The daemon itself never reads them: an
 * outlet has names before it has a ring.
 */

void ring_append_name(struct buffer *names, uint32_t source, const char *name)
{
	const struct ring_name head = {
		.source = source,
		.length = name ? (uint32_t)strlen(name) : 0,
	};

	buffer_append(names, &head, sizeof(head));
	buffer_append(names, name, head.length);
}

uint64_t ring_names_size(const struct ring *ring)
{
	return ring->ledger->names;
}

void ring_clear_names(struct ring *ring)
{
	ring->ledger->names = 0;
}

bool ring_write_names(struct ring *ring, const struct buffer *names, struct error *error)
{
	size_t start = ring_ledger_size(ring->size) + ring->ledger->names;
	size_t done = 0;

	while (done < names->length) {
		ssize_t written = pwrite(ring->ledger_fd, buffer_data(names) + done,
			names->length - done, (off_t)(start + done));

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return error_set(error, ERROR_SYSTEM, "cannot record names in the ring: %s",
				strerror(errno));
		done += (size_t)written;
	}
	ring->ledger->names += done;
	return true;
}

static bool ring_read_names(const struct ring *ring, struct buffer *names)
{
	size_t length = ring->ledger->names;
	off_t start = (off_t)ring_ledger_size(ring->size);

	while (names->length < length) {
		size_t missing = length - names->length;
		ssize_t got = pread(ring->ledger_fd, buffer_reserve(names, missing), missing,
			start + (off_t)names->length);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		buffer_commit(names, (size_t)got);
	}
	return true;
}

static bool ring_visit_names(struct buffer *names,
	void (*visit)(uint32_t source, const char *name, size_t length, void *context),
	void *context)
{
	struct ring_name head;

	while (names->length >= sizeof(head)) {
		memcpy(&head, buffer_data(names), sizeof(head));
		buffer_consume(names, sizeof(head));
		if (head.length > names->length)
			return false;
		visit(head.source, head.length ? (const char *)buffer_data(names) : NULL,
			head.length, context);
		buffer_consume(names, head.length);
	}
	return names->length == 0;
}

bool ring_each_name(const struct ring *ring,
	void (*visit)(uint32_t source, const char *name, size_t length, void *context),
	void *context, struct error *error)
{
	struct buffer names = {0};
	bool good = ring_read_names(ring, &names) && ring_visit_names(&names, visit, context);

	buffer_release(&names);
	return good || error_set(error, ERROR_SYSTEM, "cannot read names from the ring");
}
