EXTRA_DIST += scripts/setup scripts/test scripts/test-in .ci/run \
	scripts/demo scripts/demo-feed scripts/demo-subscriber
