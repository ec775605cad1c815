"""Multi-level fine-tuning: from a numerical solver and a budget of solver time to a trained surrogate.

What is named here is loaded when it is asked for.
"""

from importlib.metadata import version

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

__version__ = version("mlft")
