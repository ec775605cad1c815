"""The problems that are shipped, and how to bring your own. `PROBLEMS` is the registry.

Names are loaded when they are asked for (the list of them is in `__init__.pyi`): a problem that nobody names costs
nothing.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
