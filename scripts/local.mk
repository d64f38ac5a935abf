EXTRA_DIST += scripts/setup scripts/test .ci/run \
	scripts/demo scripts/demo-feed scripts/demo-subscriber
