# Run by scripts/test chaos, and by hand with tests/chaos/run.
EXTRA_DIST += \
	tests/chaos/clocks.py \
	tests/chaos/daemon.py \
	tests/chaos/ending.py \
	tests/chaos/events.py \
	tests/chaos/message.py \
	tests/chaos/names.py \
	tests/chaos/probe.py \
	tests/chaos/programs.py \
	tests/chaos/readers.py \
	tests/chaos/round.py \
	tests/chaos/run \
	tests/chaos/schedule.py \
	tests/chaos/servers.py \
	tests/chaos/sitting.py \
	tests/chaos/topology.py \
	tests/chaos/verdict.py
