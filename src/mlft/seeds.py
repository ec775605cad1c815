"""One named random stream per purpose and sample index.

Two traps are avoided. `torch.randn(n)` is not a prefix of `torch.randn(m)`, so each sample owns a stream and never
depends on how many others are drawn. And torch's CPU generator keeps only the low 32 bits of its seed, so hashing
(purpose, index) into a seed would make streams collide by the birthday bound (about even odds at 77,000 samples);
here the indices of one purpose are mapped one-to-one into the 32 bits, and cannot collide.
"""

import hashlib

import torch

_MASK = 0xFFFFFFFF


def generator(seed: int, *names: str | int) -> torch.Generator:
    """Return the stream named by a root seed, a purpose and (last, optional) an index.

    The seed of the stream is mix(hash(seed, names) + index mod 2³²), with `mix` a bijection of the 32-bit integers,
    so that different indices of one purpose never share a stream.

    Args:
        seed: the root seed of the run.
        names: the purpose, in one or more words; a final integer in [0, 2³²) is the index in that purpose.

    Raises:
        ValueError: for an index outside [0, 2³²), or no purpose.

    Source: the finalizer of MurmurHash3 (Appleby 2011), which is a bijection.

    >>> a, b = generator(0, "draw", 3), generator(0, "draw", 3)
    >>> torch.equal(torch.randn(4, generator=a), torch.randn(4, generator=b))
    True
    """
    *words, last = names if names and isinstance(names[-1], int) else (*names, 0)
    if not words:
        raise ValueError("a stream needs a purpose: generator(seed, 'purpose', index)")
    if not 0 <= int(last) <= _MASK:
        raise ValueError(f"the index of a stream must lie in [0, 2**32), got {last}")
    name = "/".join([str(seed), *map(str, words)])
    base = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "little")
    return torch.Generator().manual_seed(_mix((base + int(last)) & _MASK))


def _mix(x: int) -> int:
    x = ((x ^ (x >> 16)) * 0x85EBCA6B) & _MASK
    x = ((x ^ (x >> 13)) * 0xC2B2AE35) & _MASK
    return x ^ (x >> 16)
