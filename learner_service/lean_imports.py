"""Imports without what other packages import and no process of a job uses.

It is a quarter of the processor's time that the start of a worker takes.
"""

import os
import sys
from importlib import import_module
from types import ModuleType


def import_lean(module: str) -> ModuleType:
    """The module; for a process that runs nothing else, and has not imported transformers."""
    # bitsandbytes would compile what it has for devices without kernels, and import the compiler.
    os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")
    # transformers' Trainer imports it where it is installed, and with it pandas.
    sys.modules.setdefault("datasets", None)  # type: ignore[arg-type]  # "isn't there" to import
    return import_module(module)
