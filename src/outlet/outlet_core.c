#include "outlet/outlet_core.h"

enum { OUTLET_NAME_ROOM = 512 }; /* bytes of the ledger for each source: several of its names */

void outlet_core_record_names(struct outlet_core *core, unsigned from, unsigned end)
{
	struct buffer names = {0};
	struct error error;

	if (!core->ring.memory)
		return;
	if (ring_names_size(&core->ring) >
		(uint64_t)OUTLET_NAME_ROOM * (core->sources.count + 64)) {
		ring_clear_names(&core->ring); /* most of them are of sources that are gone */
		from = 0;
		end = core->sources.count;
	}
	for (unsigned i = from; i < end; i++)
		ring_append_name(&names, i, core->sources.items[i].name);
	if (!ring_write_names(&core->ring, &names, &error))
		log_write(core->log, LOG_ERR, &core->subject, "%s", error.text);
	buffer_release(&names);
}

bool outlet_core_open_ring(struct outlet_core *core)
{
	struct error error;

	if (core->ring.memory)
		return true;
	if (ring_open(&core->ring, &error)) {
		outlet_core_record_names(core, 0, core->sources.count);
		core->ring_failed = false;
		return true;
	}
	if (!core->ring_failed)
		log_write(core->log, LOG_ERR, &core->subject, "messages are lost: %s", error.text);
	core->ring_failed = true;
	return false;
}
