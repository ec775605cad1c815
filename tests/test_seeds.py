import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mlft.seeds import _mix, generator


def numbers(*names, seed=0):
    return torch.randint(2**62, (4,), generator=generator(seed, *names)).tolist()


def test_a_stream_is_the_same_whenever_it_is_made():
    assert numbers("train", 7) == numbers("train", 7)


def test_streams_differ_by_seed_purpose_and_index():
    streams = [numbers("train", 7), numbers("train", 8), numbers("test", 7), numbers("train", 7, seed=1)]
    assert len({tuple(s) for s in streams}) == 4


def test_indices_of_one_purpose_never_share_a_stream_where_hashed_seeds_would():
    # Mixed one to one: as many seeds as indices, here on a stretch that crosses the end of the 32 bits.
    assert len({generator(0, "train", i).initial_seed() for i in range(200_000)}) == 200_000


@given(st.integers(0, 2**32 - 1))
def test_the_mixing_can_be_undone(x):
    def unshift(y, k):
        out = y
        for _ in range(32 // k + 1):
            out = y ^ (out >> k)
        return out

    y = _mix(x)
    y = unshift(y, 16) * pow(0xC2B2AE35, -1, 2**32) % 2**32
    y = unshift(y, 13) * pow(0x85EBCA6B, -1, 2**32) % 2**32
    assert unshift(y, 16) == x


def test_a_stream_without_purpose_or_with_an_impossible_index_is_refused():
    with pytest.raises(ValueError, match="purpose"):
        generator(0, 3)
    with pytest.raises(ValueError, match="index"):
        generator(0, "train", -1)
