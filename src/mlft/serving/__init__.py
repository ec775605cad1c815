"""A finished run over HTTP: UM-Bridge, plain JSON, and a page.

Names are loaded when they are asked for; the list of them is in `__init__.pyi`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
