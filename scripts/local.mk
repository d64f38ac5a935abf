EXTRA_DIST += scripts/setup scripts/format scripts/test scripts/test-in .ci/run \
	scripts/demo scripts/demo-feed scripts/demo-subscriber
