"""What a server bears."""

from dataclasses import dataclass
from typing import final

from mlft.errors import ConfigError


@final
@dataclass(frozen=True)
class Limits:
    """What one request may take, and how requests are answered together.

    Attributes:
        body: mebibytes of a request.
        seconds: of a request, its body included.
        rows: samples of requests that are answered by one call of the network, at most; 1: one request at a time.
        wait: seconds that a request waits for others to be answered with.
        values: numbers in the inputs, or in the solutions, of one request.

    Raises:
        ConfigError: for a limit that is not positive, or a negative wait.
    """

    body: float = 16.0
    seconds: float = 30.0
    rows: int = 256
    wait: float = 0.002
    values: int = 2**20

    def __post_init__(self) -> None:
        if not (self.body > 0 and self.seconds > 0 and self.rows >= 1 and self.values >= 1 and self.wait >= 0):
            raise ConfigError(f"the limits of a server are positive numbers, the wait 0 at least; got {self}")

    @property
    def bytes(self) -> int:
        """Bytes of a body, at most."""
        return int(self.body * 2**20)
