"""The ways of lifting by name, loaded when they are asked for."""

from typing import TYPE_CHECKING

from mlft.registry import Registry

if TYPE_CHECKING:
    from mlft.lifts.method import Method

LIFTS: "Registry[Method]" = Registry(
    "lift",
    {
        "none": "mlft.lifts.none:NONE",
        "richardson": "mlft.lifts.richardson:RICHARDSON",
        "local": "mlft.lifts.local:LOCAL",
        "spectral": "mlft.lifts.spectral:SPECTRAL",
    },
)
"""The ways of lifting; a user adds his own `mlft.lifts.Method` by assignment."""
