from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from esrgan_core.data.pairs import PairStore
from esrgan_core.data.sampling import PatchSampler
from esrgan_core.ops import symmetry


def sampler(store: PairStore, seed: int = 0) -> PatchSampler:
    return PatchSampler(store, patch_size=32, batch_size=4, seed=seed)


@given(step=st.integers(1, 10**9))
def test_a_batch_depends_on_seed_and_step_alone(store: PairStore, step: int) -> None:
    first, again = sampler(store).batch(step), sampler(store).batch(step)
    assert torch.equal(first.hr, again.hr)
    assert torch.equal(first.lr, again.lr)
    assert not torch.equal(first.hr, sampler(store).batch(step + 1).hr)
    assert not torch.equal(first.hr, sampler(store, seed=1).batch(step).hr)


@given(step=st.integers(1, 1000))
def test_lr_and_hr_show_the_same_place(store: PairStore, step: int) -> None:
    lr, hr = sampler(store).patch(step, 0)
    for name in store.names("train"):
        whole_lr, whole_hr = store.lr(name), store.hr(name)
        for which in range(8):
            for top in range(whole_lr.shape[0] - 7):
                for left in range(whole_lr.shape[1] - 7):
                    cut = symmetry(whole_lr[top : top + 8, left : left + 8], which)
                    if np.array_equal(cut, lr):
                        place = whole_hr[4 * top : 4 * top + 32, 4 * left : 4 * left + 32]
                        assert np.array_equal(symmetry(place, which), hr)
                        return
    pytest.fail("the LR patch is in no picture")


def test_pictures_come_equally_often(store: PairStore) -> None:
    drawn = sampler(store)
    shapes = {picture[0].shape: number for number, picture in enumerate(drawn.pictures)}
    assert len(shapes) == 3
    random = Counter(
        np.random.Generator(np.random.Philox(key=0, counter=[0, 0, 0, step])).integers(3)
        for step in range(3000)
    )
    assert all(900 < count < 1100 for count in random.values())


def test_a_batch_is_channels_last(store: PairStore) -> None:
    batch = sampler(store).batch(1)
    assert batch.hr.is_contiguous(memory_format=torch.channels_last)
    assert 0 <= float(batch.hr.min()) <= float(batch.hr.max()) <= 1


@pytest.mark.parametrize(
    ("patch_size", "message"),
    [(30, "no multiple of scale 4"), (72, r"train/p0 is 80x68, under 72")],
)
def test_impossible_patches_are_refused(store: PairStore, patch_size: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PatchSampler(store, patch_size=patch_size, batch_size=1, seed=0)
