"""Networks that stand in for a solution map, and the normaliser inside them. `SURROGATES` is the registry.

Names are loaded when they are asked for; the list of them is in `__init__.pyi`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
