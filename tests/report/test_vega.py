"""The script that draws charts: made once, kept in the cache, and made again where nothing can be kept."""

from __future__ import annotations

from pathlib import Path

import pytest
import vl_convert

from polyscene.report.vega import vega_script


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("POLYSCENE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Notes every time the script is put together, without doing it."""
    calls: list[str] = []

    def bundle(snippet: str) -> str:
        calls.append(snippet)
        return f"/* Vega */ {snippet}"

    monkeypatch.setattr(vl_convert, "javascript_bundle", bundle)
    return calls


def test_it_is_made_once_and_found_in_the_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = made(monkeypatch)
    first = vega_script.__wrapped__()
    assert vega_script.__wrapped__() == first == "/* Vega */ window.vegaEmbed = vegaEmbed;"
    assert len(calls) == 1
    [kept] = (cache / "charts").iterdir()
    assert kept.read_text() == first


def test_another_version_of_the_library_makes_another_script(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = made(monkeypatch)
    vega_script.__wrapped__()
    monkeypatch.setattr("polyscene.report.vega.version", lambda _: "99.0")
    vega_script.__wrapped__()
    assert len(calls) == len(list((cache / "charts").iterdir())) == 2


def test_a_cache_that_cannot_be_written_is_no_obstacle(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(monkeypatch)
    cache.write_text("a file where the folder should be")
    assert "vegaEmbed" in vega_script.__wrapped__()


def test_the_real_script_is_whole_and_cannot_end_its_element() -> None:
    script = vega_script()
    assert script.rstrip().endswith(";")
    assert "window.vegaEmbed" in script
    assert "</script" not in script.lower()
    assert len(script) < 1_000_000, "as large as a report may be for its charts"
