"""The sample store: the ledger and the arrays of every sample ever solved, append-only and crash-safe."""

from mlft.store.folder import LEDGER, SampleStore
from mlft.store.records import Batch, Key, LedgerRow, Recovery, Samples, Tally

__all__ = ["LEDGER", "Batch", "Key", "LedgerRow", "Recovery", "SampleStore", "Samples", "Tally"]
