"""Tensors that processes share as files: the same answers, the same pages, and nothing that a file can spoil."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from polyscene.errors import PolysceneError
from polyscene.feedback.events import Reaction
from polyscene.serving.engine import Engine, Request
from polyscene.serving.sharing import share_tensors, tensors_of
from polyscene.training.restore import RestoredRun
from tests.serving.engine.films_plugin import FILMS
from tests.tiny import LIKES, PEOPLE, SHOP

REQUESTS = [Request(name, user=user, k=5) for name in (SHOP, PEOPLE, LIKES, FILMS) for user in ("user1", "nobody")]


@pytest.fixture
def make(restored: Callable[[], RestoredRun]) -> Callable[[], Engine]:
    return lambda: Engine.of_run(restored(), version="v1")


def answers(engine: Engine) -> list[object]:
    found = engine.answer(REQUESTS)
    assert not [one for one in found if isinstance(one, PolysceneError)]
    return [(one.items, one.scores) for one in found if not isinstance(one, PolysceneError)]


def mapped(folder: Path) -> list[str]:
    """The files of a folder that this process has mapped, each as often as it has."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return sorted(line.split()[-1] for line in lines if str(folder) in line)


def test_answers_stay_and_all_large_tensors_move(make: Callable[[], Engine], tmp_path: Path) -> None:
    engine, other = make(), make()
    before = answers(engine)
    shared = share_tensors(engine, tmp_path / "v1", least=64)
    assert shared > 0.9 * sum(one.numel() * one.element_size() for _, one in tensors_of(engine))
    assert answers(engine) == before == answers(other)
    files = set(mapped(tmp_path))
    assert files == {str(path) for path in (tmp_path / "v1").iterdir()}
    written = {path: Path(path).stat().st_mtime_ns for path in files}
    share_tensors(other, tmp_path / "v1", least=64)
    assert answers(other) == before
    assert {path: Path(path).stat().st_mtime_ns for path in files} == written, "the second one writes nothing"
    assert set(mapped(tmp_path)) == files
    assert len(mapped(tmp_path)) == 2 * len(files)


def test_what_happens_to_one_is_not_seen_by_the_other(make: Callable[[], Engine], tmp_path: Path) -> None:
    one, other, plain = make(), make(), make()
    for engine in (one, other):
        share_tensors(engine, tmp_path / "v1", least=64)
    before = answers(other)
    item, film = one.shelves[SHOP].ids[3], one.shelves[FILMS].ids[0]
    for engine in (one, plain):
        engine.observe([Reaction("1", 1.0, SHOP, "user1", item, "purchase")])
        engine.put_items(FILMS, [{"item_id": film, "text": "something else altogether"}])
        with torch.inference_mode():
            next(engine.retriever.model.parameters()).add_(1)
    assert answers(one) == answers(plain) != before
    assert answers(other) == before


@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_a_damaged_file_is_replaced(damage: str, make: Callable[[], Engine], tmp_path: Path) -> None:
    engine = make()
    before = answers(engine)
    share_tensors(engine, tmp_path / "v1", least=64)
    del engine
    for path in (tmp_path / "v1").iterdir():
        data = path.read_bytes()
        path.unlink()  # others may have it mapped
        path.write_bytes(data[:-1] if damage == "cut" else bytes(255 - one for one in data))
    again = make()
    share_tensors(again, tmp_path / "v1", least=64)
    assert answers(again) == before


def test_only_the_last_versions_are_kept(make: Callable[[], Engine], tmp_path: Path) -> None:
    engine = make()
    before = answers(engine)
    for version in range(6):
        share_tensors(engine, tmp_path / f"v{version}", least=4096)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["v2", "v3", "v4", "v5"]
    assert answers(engine) == before
