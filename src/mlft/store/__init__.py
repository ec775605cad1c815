"""The sample store: the ledger and the arrays of every sample ever solved, append-only and crash-safe."""

from mlft.store.folder import SampleStore
from mlft.store.ledger import LEDGER
from mlft.store.reading import StoreReader
from mlft.store.records import Batch, Key, LedgerRow, Recovery, Samples, Tally

__all__ = ["LEDGER", "Batch", "Key", "LedgerRow", "Recovery", "SampleStore", "Samples", "StoreReader", "Tally"]
