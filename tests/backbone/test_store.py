"""The activation store keeps what it is given, or says so."""

from __future__ import annotations

import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from polyscene.backbone.digests import text_digests
from polyscene.backbone.store import ActivationStore
from polyscene.errors import BackboneError

WIDTH = 6


def filled(folder: Path, texts: list[str], dtype: torch.dtype = torch.float32) -> tuple[np.ndarray, torch.Tensor]:
    """Commits texts with 1, 2, 3, 1, 2, 3 ... random rows."""
    lengths = np.arange(len(texts)) % 3 + 1
    values = torch.randn(int(lengths.sum()), WIDTH, generator=torch.Generator().manual_seed(len(texts))).to(dtype)
    ActivationStore(folder, WIDTH, dtype).add(text_digests(texts), lengths, values)
    return lengths, values


def shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.safetensors"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_round_trip_is_bit_equal(tmp_path, dtype):
    texts = [f"text {i}" for i in range(10)]
    lengths, values = filled(tmp_path, texts, dtype)
    filled(tmp_path, [f"other {i}" for i in range(7)], dtype)
    store = ActivationStore(tmp_path, WIDTH, dtype)
    assert len(store) == 17
    rows = [8, 0, 3, 3, 5]
    states, mask = store.states(text_digests(texts)).gather(rows)
    assert mask.sum(1).tolist() == lengths[rows].tolist()
    starts = np.cumsum(lengths) - lengths
    for position, row in enumerate(rows):
        expected = values[starts[row] : starts[row] + lengths[row]].float()
        assert torch.equal(states[position][mask[position]], expected)
        assert not states[position][~mask[position]].any()


def test_states_across_shards_in_any_order(tmp_path):
    first, second = ["a", "b", "c"], ["d", "e"]
    _, a = filled(tmp_path, first)
    _, b = filled(tmp_path, second)
    states, mask = (
        ActivationStore(tmp_path, WIDTH, torch.float32).states(text_digests(["e", "a", "d"])).gather([0, 1, 2])
    )
    assert torch.equal(states[mask], torch.cat([b[1:3], a[:1], b[:1]]))


def test_no_texts_at_all(tmp_path):
    store = ActivationStore(tmp_path / "new", WIDTH, torch.float32)
    assert len(store) == 0
    assert store.has(text_digests(["a"])).tolist() == [False]
    states, mask = store.states(text_digests([])).gather([])
    assert states.shape == (0, 0, WIDTH)
    assert mask.shape == (0, 0)
    assert not (tmp_path / "new").exists()  # reading makes no folders


def test_what_is_stored_is_not_stored_again(tmp_path):
    filled(tmp_path, ["a", "b"])
    filled(tmp_path, ["a", "b"])
    filled(tmp_path, ["a", "b", "c"])
    assert len(shards(tmp_path)) == 2
    assert len(ActivationStore(tmp_path, WIDTH, torch.float32)) == 3


def test_a_missing_text_is_an_error(tmp_path):
    filled(tmp_path, ["a"])
    with pytest.raises(BackboneError, match="1 of 2 texts are missing"):
        ActivationStore(tmp_path, WIDTH, torch.float32).states(text_digests(["a", "b"]))


@pytest.mark.parametrize("place", ["header", "digests", "values"])
def test_one_flipped_bit_is_noticed(tmp_path, caplog, place):
    filled(tmp_path, [f"text {i}" for i in range(50)])
    filled(tmp_path, ["whole"])
    path = max(shards(tmp_path), key=lambda shard: shard.stat().st_size)
    content = bytearray(path.read_bytes())
    content[{"header": 20, "digests": 400, "values": -5}[place]] ^= 1
    path.write_bytes(content)
    store = ActivationStore(tmp_path, WIDTH, torch.float32)
    assert len(store) == 1
    assert "damaged" in caplog.text
    assert path.with_suffix(".damaged").exists()
    assert not path.exists()


@pytest.mark.parametrize("kept", [0, 5, 300])
def test_a_truncated_shard_is_noticed(tmp_path, caplog, kept):
    filled(tmp_path, [f"text {i}" for i in range(50)])
    path = shards(tmp_path)[0]
    path.write_bytes(path.read_bytes()[:kept])
    assert len(ActivationStore(tmp_path, WIDTH, torch.float32)) == 0
    assert "damaged" in caplog.text


def test_the_remains_of_a_killed_writer_are_ignored_and_removed(tmp_path):
    filled(tmp_path, ["a"])
    remains = tmp_path / ".0123.safetensors-abc.part"
    remains.write_bytes(shards(tmp_path)[0].read_bytes()[:100])
    assert len(ActivationStore(tmp_path, WIDTH, torch.float32)) == 1
    filled(tmp_path, ["b"])
    assert not remains.exists()


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e30])
def test_what_the_precision_cannot_hold_is_refused(tmp_path, bad):
    store = ActivationStore(tmp_path, WIDTH, torch.float16)
    with pytest.raises(BackboneError, match="not finite"):
        store.add(text_digests(["a"]), np.array([1]), torch.full((1, WIDTH), bad))
    assert not shards(tmp_path)


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BackboneError, match="cannot write"):
        filled(tmp_path / "file" / "store", ["a"])


def test_looking_up_forty_thousand_texts_takes_less_than_a_second(tmp_path):
    texts = [f"a short text, number {i}" for i in range(40_000)]
    values = torch.zeros(len(texts), 384)
    ActivationStore(tmp_path, 384, torch.float32).add(text_digests(texts), np.ones(len(texts), np.int64), values)
    start = time.process_time()
    store = ActivationStore(tmp_path, 384, torch.float32)
    vectors, _ = store.states(text_digests(texts)).gather(np.arange(len(texts)))
    assert vectors.shape == (40_000, 1, 384)
    assert time.process_time() - start < 1.0


def test_reading_gives_no_warnings(tmp_path):
    filled(tmp_path, ["a", "b"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ActivationStore(tmp_path, WIDTH, torch.float32).states(text_digests(["b"])).gather(torch.tensor([0]))


def test_digests_tell_texts_apart():
    texts = ["", " ", "a", "A", "a ", "ä", "\ud800", "a\0"]
    assert len(np.unique(text_digests(texts))) == len(texts)
    assert text_digests(texts).dtype == "S16"
