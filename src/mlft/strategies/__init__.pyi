from .names import STRATEGIES as STRATEGIES
from .names import strategy as strategy
from .record import Family as Family
from .record import Strategy as Strategy
