"""libwsgate of the optimised build, through the module for Python that is one of its examples."""

import importlib.util
import os

from .daemon import ROOT, build_folder

LIBRARY = build_folder(heavy=True) / ".libs/libwsgate.so.0"
MODULE = ROOT / "doc/examples/wsgate.py"


def _load():
    os.environ["WSGATE_LIBRARY"] = str(LIBRARY)
    try:
        spec = importlib.util.spec_from_file_location("wsgate", MODULE)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    finally:
        del os.environ["WSGATE_LIBRARY"]


wsgate = _load()
