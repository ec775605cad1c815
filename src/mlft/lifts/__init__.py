"""Lifts: labels of coarse levels made fit for the finest, one a file. `LIFTS` is the registry."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
