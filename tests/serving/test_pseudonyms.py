"""Pseudonyms stay the same for a deployment, and say nothing without its secret."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from polyscene.errors import AccessError
from polyscene.serving.pseudonyms import FILE, pseudonyms_in


def test_a_deployment_keeps_its_pseudonyms(tmp_path: Path) -> None:
    names = pseudonyms_in(tmp_path)
    ids = [str(number) for number in range(2000)]
    found = {names.of("user", one) for one in ids}
    assert len(found) == 2000
    again = pseudonyms_in(tmp_path)
    assert [again.of("user", one) for one in ids[:5]] == [names.of("user", one) for one in ids[:5]]
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    assert names.of("user", "42").partition("-")[2] != names.of("item", "42").partition("-")[2]


def test_another_secret_gives_other_pseudonyms(tmp_path: Path) -> None:
    before = pseudonyms_in(tmp_path).of("user", "42")
    (tmp_path / FILE).unlink()
    assert pseudonyms_in(tmp_path).of("user", "42") != before


def test_any_id_has_one(tmp_path: Path) -> None:
    names = pseudonyms_in(tmp_path)
    assert len({names.of("user", one) for one in ("", "\0", "\ud800", "ü", "x" * 10_000)}) == 5


def test_several_that_begin_at_once_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        found = set(threads.map(lambda _: pseudonyms_in(tmp_path).of("user", "42"), range(8)))
    assert len(found) == 1


@pytest.mark.parametrize("damaged", ["", "00", "zz" * 32])
def test_a_damaged_secret(tmp_path: Path, damaged: str) -> None:
    (tmp_path / FILE).write_text(damaged)
    with pytest.raises(AccessError, match=r"pseudonyms\.secret: the secret of pseudonyms cannot be used"):
        pseudonyms_in(tmp_path)
    with pytest.raises(AccessError, match="the folder does not exist"):
        pseudonyms_in(tmp_path / "missing")
