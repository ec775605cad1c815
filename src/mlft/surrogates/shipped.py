"""The registry of networks; a network of your own joins by assignment, `SURROGATES["mine"] = Mine`."""

from typing import TYPE_CHECKING

from mlft.registry import Registry

if TYPE_CHECKING:
    from mlft.surrogates.network import Network

SURROGATES: "Registry[type[Network]]" = Registry(
    "network",
    {
        "fno": "mlft.surrogates.fno:FNO",
        "unet": "mlft.surrogates.unet:UNet",
        "mnn-h2": "mlft.surrogates.mnn:MNNH2",
        "deeponet": "mlft.surrogates.deeponet:DeepONet",
        "pod-deeponet": "mlft.surrogates.pod:PODDeepONet",
        "linear": "mlft.surrogates.regression:Linear",
        "kernel": "mlft.surrogates.regression:Kernel",
        "auto": "mlft.surrogates.average:Average",
        "total": "mlft.surrogates.total:Total",
        "held": "mlft.surrogates.held:Held",
    },
)
"""What a configuration may name; a module is imported when its network is asked for."""
