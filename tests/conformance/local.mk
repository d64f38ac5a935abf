# Run by tests/e2e/test_conformance.py, and by hand with tests/conformance/run.
EXTRA_DIST += \
	tests/conformance/__init__.py \
	tests/conformance/case.py \
	tests/conformance/cases_bombs.py \
	tests/conformance/cases_closing.py \
	tests/conformance/cases_control.py \
	tests/conformance/cases_fragments.py \
	tests/conformance/cases_framing.py \
	tests/conformance/cases_inflate.py \
	tests/conformance/cases_limits.py \
	tests/conformance/cases_negotiation.py \
	tests/conformance/cases_parameters.py \
	tests/conformance/cases_reserved.py \
	tests/conformance/cases_sizes.py \
	tests/conformance/cases_utf8.py \
	tests/conformance/deflate.py \
	tests/conformance/messages.py \
	tests/conformance/peer.py \
	tests/conformance/run \
	tests/conformance/suite.py
