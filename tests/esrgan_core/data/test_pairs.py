import json
from pathlib import Path

import numpy as np
import pytest

from esrgan_core.data.pairs import PairStore, StoreFacts, add_image, write_index
from esrgan_core.files import file_sha256
from esrgan_core.io.resize import bicubic_pair
from esrgan_core.io.rgb import write_png
from tests.conftest import textured


def test_a_picture_is_stored_with_lr_made_from_the_whole(tmp_path: Path) -> None:
    pixels = textured(50, 61)
    write_png(tmp_path / "a.png", pixels)
    entry = add_image(
        tmp_path, tmp_path / "a.png", name="train/a", split="train", set_name="own", scale=4
    )
    write_index(tmp_path, [entry], StoreFacts(scale=4))
    store = PairStore(tmp_path)
    hr, lr = bicubic_pair(pixels, 4)
    assert np.array_equal(store.hr("train/a"), hr)
    assert np.array_equal(store.lr("train/a"), lr)
    assert (entry.height, entry.width) == (48, 60)
    assert entry.lr_sha256 == file_sha256(tmp_path / "lr" / "train" / "a.npy")


def test_splits_and_sets_are_listed(store: PairStore) -> None:
    assert store.names("train") == ["train/p0", "train/p1", "train/p2"]
    assert store.set_name("test/p4") == "own"


def test_a_missing_or_foreign_store_is_named(tmp_path: Path, store: PairStore) -> None:
    with pytest.raises(FileNotFoundError, match="run the bicubic stage"):
        PairStore(tmp_path)
    (tmp_path / "index.parquet").write_bytes((store.root / "index.parquet").read_bytes())
    (tmp_path / "store.json").write_text(json.dumps({"version": 99}))
    with pytest.raises(ValueError, match="has version 99"):
        PairStore(tmp_path)
