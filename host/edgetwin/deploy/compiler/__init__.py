"""The model compiler: an int8 .tflite becomes a bundle (.etm) that a board runs in place.

``tflite`` reads a file into a ``graph``; ``passes`` simplify it; ``lowering`` turns operators into the ``layers`` that
device/src/kernels run; ``planner`` gives every buffer its place; ``emit`` writes the bundle.
"""

from edgetwin.deploy.compiler.compile import compile_model

__all__ = ["compile_model"]
