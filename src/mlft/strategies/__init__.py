"""Strategies: the ways of spending a budget, each a planner and a learner. `STRATEGIES` is the registry."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
