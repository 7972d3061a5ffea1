from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view

from esrgan_core.data.loading import load_batches
from esrgan_core.data.pairs import PairStore, StoreFacts, add_image, write_index
from esrgan_core.data.sampling import PatchSampler
from esrgan_core.io.geometry import symmetry
from esrgan_core.io.rgb import write_png


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
    drawn = sampler(store).batch(step)
    lr, hr = drawn.lr[0].numpy(), drawn.hr[0].numpy()
    for name in store.names("train"):
        whole_hr = store.hr(name)
        # every patch: 8 x 8 at each row and column
        patches = np.moveaxis(sliding_window_view(store.lr(name), (8, 8), axis=(0, 1)), 2, 4)
        patches = np.moveaxis(patches, (2, 3), (0, 1))
        for which in range(8):
            equal = (symmetry(patches, which) == lr[:, :, None, None]).all(axis=(0, 1, 4))
            for top, left in np.argwhere(equal):
                place = whole_hr[4 * top : 4 * top + 32, 4 * left : 4 * left + 32]
                assert np.array_equal(symmetry(place, which), hr)
                return
    pytest.fail("the LR patch is in no image")


@given(step=st.integers(1, 10**9), cut=st.integers(0, 4))
def test_shares_of_a_batch_are_the_batch(store: PairStore, step: int, cut: int) -> None:
    whole = sampler(store).batch(step)
    shares = [sampler(store).batch(step, part) for part in (range(cut), range(cut, 4))]
    assert torch.equal(torch.cat([share.hr for share in shares]), whole.hr)
    assert torch.equal(torch.cat([share.lr for share in shares]), whole.lr)


def test_pictures_places_and_symmetries_come_equally_often(tmp_path: Path) -> None:
    entries = []
    for number in range(3):
        pixels = np.zeros((12, 12, 3), np.uint8)
        # the image, the row and the column of each pixel
        pixels[..., 0], pixels[..., 1], pixels[..., 2] = number, *np.indices((12, 12))
        path = tmp_path / f"{number}.png"
        write_png(path, pixels)
        entries.append(
            add_image(tmp_path, path, name=f"train/{number}", split="train", set_name="", scale=1)
        )
    write_index(tmp_path, entries, StoreFacts(scale=1))
    drawn = PatchSampler(PairStore(tmp_path), patch_size=10, batch_size=6000, seed=0)
    hr = drawn.batch(1).hr
    for channel, values in ((0, 3), (1, 3), (2, 3)):
        counts = np.bincount(hr[..., channel].amin((1, 2)).numpy(), minlength=values)
        assert len(counts) == values
        assert all(abs(count - 6000 / values) < 150 for count in counts)
    turned = (hr[:, 0, 0, 1:].int() - hr[:, 0, 1, 1:].int()).numpy() @ (1, 3)
    mirrored = (hr[:, 0, 0, 1:].int() - hr[:, 1, 0, 1:].int()).numpy() @ (9, 27)
    _, counts = np.unique(turned + mirrored, return_counts=True)
    assert len(counts) == 8
    assert all(abs(count - 750) < 120 for count in counts)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_batches_are_those_of_their_steps_for_any_number_of_workers(
    store: PairStore, workers: int
) -> None:
    drawn, cpu = sampler(store), torch.device("cpu")
    with load_batches(drawn, 7, positions=range(1, 3), device=cpu, workers=workers) as found:
        for step in range(7, 30):
            expected = drawn.batch(step, range(1, 3)).to(cpu)
            pair = next(found)
            assert torch.equal(pair.hr, expected.hr)
            assert torch.equal(pair.lr, expected.lr)


def test_an_error_of_a_worker_reaches_the_training(store: PairStore) -> None:
    drawn = sampler(store)
    drawn.images.clear()
    with (
        pytest.raises(ZeroDivisionError),
        load_batches(drawn, 1, positions=range(4), device=torch.device("cpu")) as found,
    ):
        next(found)


def test_a_batch_is_channels_last(store: PairStore) -> None:
    batch = sampler(store).batch(1).to(torch.device("cpu"))
    assert batch.hr.is_contiguous(memory_format=torch.channels_last)
    assert 0 <= float(batch.hr.min()) <= float(batch.hr.max()) <= 1


@pytest.mark.parametrize(
    ("patch_size", "message"),
    [(30, "not a multiple of scale 4"), (72, r"train/p0 is 80x68, under 72")],
)
def test_impossible_patches_are_refused(store: PairStore, patch_size: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PatchSampler(store, patch_size=patch_size, batch_size=1, seed=0)


@given(step=st.integers(1, 1000))
@pytest.mark.parametrize("factor", [1, 4])
def test_semantic_maps_are_cut_and_turned_with_their_patch(
    store: PairStore, step: int, factor: int
) -> None:
    # a semantic_map that says where in the image each of its pixels lies
    semantic_maps = {}
    for name in store.names("train"):
        height, width = (factor * side for side in store.lr(name).shape[:2])
        whole = np.asarray(store.lr(name) if factor == 1 else store.hr(name))
        semantic_maps[name] = np.ascontiguousarray(whole[:height, :width])
    with_maps = PatchSampler(
        store, patch_size=32, batch_size=4, seed=0, semantic_maps=semantic_maps
    )
    drawn = with_maps.batch(step)
    assert drawn.semantic_map is not None
    assert torch.equal(drawn.semantic_map, drawn.lr if factor == 1 else drawn.hr)
    assert torch.equal(drawn.hr, sampler(store).batch(step).hr)
    image = drawn.to(torch.device("cpu"))
    assert image.semantic_map is not None
    assert image.semantic_map.shape == (4, 3, 8 * factor, 8 * factor)
