# Each folder of tests describes itself, like the rooms of src/.
include tests/unit/local.mk
include tests/fuzz/local.mk
include tests/bench/local.mk
include tests/e2e/local.mk
include tests/conformance/local.mk
include tests/model/local.mk
include tests/structure/local.mk
include tests/chaos/local.mk
