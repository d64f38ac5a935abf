# Run by scripts/test against the builds, not by `make check`: they need servers that are installed.
EXTRA_DIST += \
	tests/e2e/conftest.py \
	tests/e2e/pytest.ini \
	tests/e2e/harness/__init__.py \
	tests/e2e/harness/certificates.py \
	tests/e2e/harness/config.py \
	tests/e2e/harness/control.py \
	tests/e2e/harness/daemon.py \
	tests/e2e/harness/frame.py \
	tests/e2e/harness/frames.py \
	tests/e2e/harness/misbehave.py \
	tests/e2e/harness/nginx.py \
	tests/e2e/harness/node.py \
	tests/e2e/harness/node_server.js \
	tests/e2e/harness/plan.py \
	tests/e2e/harness/process.py \
	tests/e2e/harness/server.py \
	tests/e2e/harness/subscriber.py \
	tests/e2e/harness/verify.py \
	tests/e2e/harness/wait.py \
	tests/e2e/test_chaos.py \
	tests/e2e/test_compression.py \
	tests/e2e/test_config.py \
	tests/e2e/test_connect.py \
	tests/e2e/test_control.py \
	tests/e2e/test_ctl.py \
	tests/e2e/test_disconnect.py \
	tests/e2e/test_frames.py \
	tests/e2e/test_integrity.py \
	tests/e2e/test_life.py \
	tests/e2e/test_outlets.py \
	tests/e2e/test_packaging.py \
	tests/e2e/test_protocol.py \
	tests/e2e/test_reconnect.py \
	tests/e2e/test_reload.py \
	tests/e2e/test_stats_warnings.py \
	tests/e2e/test_tls.py
