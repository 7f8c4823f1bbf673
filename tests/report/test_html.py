"""report.html: valid, self-contained, escaped, and equal to metrics.json."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from polyscene.errors import CheckpointError
from polyscene.report import write_html, write_metrics
from polyscene.report.schema import schema_of
from polyscene.report.vega import vega_script
from tests.report.drawn import specs

VOID = {"meta", "br", "img", "link", "input", "hr"}


class Page(HTMLParser):
    """Parses strictly: every element is closed in order; keeps attributes, texts and ids."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"attribute twice in <{tag}>"
        self.attributes.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def without_vega(text: str) -> str:
    """A page without the library that draws its charts, which names addresses that it never opens."""
    script = vega_script()
    assert text.count(script) == 1
    return text.replace(script, "")


def page(run: Path) -> Page:
    return Page(write_html(run).read_text(encoding="utf-8"))


def test_it_parses_and_ids_are_unique_and_links_lead_somewhere(run: Path) -> None:
    found = page(run)
    ids = [attributes["id"] for _, attributes in found.attributes if "id" in attributes]
    links = [attributes["href"] for tag, attributes in found.attributes if tag == "a"]
    assert len(ids) == len(set(ids))
    assert {f"#{name}" for name in ids} >= set(links)


def test_it_refers_to_nothing_outside_itself(run: Path) -> None:
    found = page(run)
    assert not {tag for tag, _ in found.attributes} & {"link", "img", "iframe", "object", "embed", "base"}
    for _, attributes in found.attributes:
        assert "src" not in attributes
        assert (attributes.get("href") or "#").startswith("#")
    text = without_vega((run / "report.html").read_text(encoding="utf-8"))
    assert not re.search(r"https?://|url\(|@import", text)


def test_the_policy_admits_our_style_and_script_and_nothing_else(run: Path) -> None:
    text = write_html(run).read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'")
    for element, count in (("style", 1), ("script", 2)):
        inner = re.findall(f"<{element}>(.*?)</{element}>", text, re.DOTALL)
        digests = [f"'sha256-{base64.b64encode(hashlib.sha256(one.encode()).digest()).decode()}'" for one in inner]
        assert len(digests) == count
        assert f"{element}-src {' '.join(digests)}" in policy[1]
    assert "unsafe" not in policy[1]
    assert " style=" not in without_vega(text), "the policy would ignore it"


def test_every_figure_equals_metrics_json(run: Path, metrics: dict[str, Any]) -> None:
    found = page(run)
    values = {attributes.get("data-value") for tag, attributes in found.attributes if tag == "td"}
    for row in metrics["results"]:
        assert str(row["value"]) in values
        assert any(f"{row['value']:.4f}" in text for text in found.texts)
    for count in metrics["parameters"]["adapters"].values():
        assert str(count) in values


def test_everything_the_run_knows_is_shown(run: Path) -> None:
    text = " ".join(page(run).texts)
    for part in (
        "One seed (0)",
        "MovieLens-1M",
        "research use, no redistribution",
        "repeated ratings: 3",
        "data not available: name a folder",
        "5 min 10 s",
        "2.2 GiB",
        "42,810",
        "adapter of video",
        "packages · torch",
        "6,040 users",
        "name: quickstart",
        "validation ndcg@10",
        "ages are groups",
        "torch 2.13.0",
        "gate",
        "NVIDIA H100",
        "512 MiB",
        "user 6040",
        "Alien (1979); Heat (1995)",
        "and 10 more",
        "Aliens (1986)",
        "came next: rank 17",
        "More examples, warm items",
        "Scenarios compared",
        "4.47%",
    ):
        assert part in text


def test_hostile_texts_stay_texts(run: Path, metrics: dict[str, Any], hostile: str) -> None:
    clean = len(page(run).attributes)
    for row in metrics["results"]:
        if row["scenario"] == "social":
            row.update(scenario=hostile, view=hostile, method=hostile, metric=hostile, protocol=hostile)
    metrics["sources"]["video"] |= {"title": hostile, "notes": [hostile], "counts": {hostile: 1}}
    metrics["skipped"] = {hostile: hostile}
    metrics["seconds"][hostile] = 1.0
    write_metrics(run, metrics)
    metrics["examples"][0] |= {"asked": hostile, "past": [hostile], "next": [hostile]}
    metrics["by_count"][0]["method"] = hostile
    (run / "resolved.yaml").write_text(f"title: {hostile}\n")
    (run / "fingerprint.json").write_text("{}")
    found = page(run)
    scripts = [attributes for tag, attributes in found.attributes if tag == "script"]
    assert [one for one in scripts if one != {"type": "application/json"}] == [{}, {}]
    assert "img" not in {tag for tag, _ in found.attributes}
    assert not {name for _, attributes in found.attributes for name in attributes if name.startswith("on")}
    assert any("{{ 7 * 7 }}" in text for text in found.texts)
    assert abs(len(found.attributes) - clean) < 60, "no element comes from data"


def test_what_is_drawn_is_what_was_measured(run: Path) -> None:
    drawn = specs(write_html(run).read_text(encoding="utf-8"))
    first = drawn["video, warm items, ndcg@10"]["data"]["values"]
    assert [(row["label"], row["value"]) for row in first] == [
        ("joint model", 0.123457),
        ("single-scenario model", 0.111111),
        ("popularity", 0.0178),
    ]
    count = {(row["label"], row["x"]): row["y"] for row in drawn["video by count"]["data"]["values"]}
    assert count["joint model", "0\n100 targets"] == 0.05
    assert count["popularity", "256 and more\n100 targets"] == 0.1
    cells = drawn["All scenarios and methods"]["data"]["values"]
    assert {(cell["row"], cell["text"], cell["framed"]) for cell in cells} >= {("joint model", "0.1235", True)}
    words = drawn["Running words of the one (down) that the other (across) has as well"]["data"]["values"]
    assert [(row["row"], row["column"], row["text"]) for row in words] == [
        ("video", "social", "25%"),
        ("social", "video", "75%"),
    ]
    cosine = drawn["Cosine between the gradients of scenarios"]["data"]["values"]
    assert {row["text"] for row in cosine} == {"-0.250"}
    assert [row["y"] for row in drawn["video loss"]["data"]["values"]][:2] == [8.0, 7.9]
    assert [row["written"] for row in drawn["Seconds by stage"]["data"]["values"]] == ["12.5 s", "5 min 10 s"]


def test_curves_of_several_scenarios_share_a_chart(run: Path) -> None:
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 10, "scenario": "social", "loss": 3.5}\n')
        file.write('{"step": 10, "metric": "learning rate", "value": 0.5}\n')
    drawn = specs(write_html(run).read_text(encoding="utf-8"))
    both = drawn["loss in training"]["encoding"]["color"]["scale"]["domain"]
    assert both == ["video", "social"]
    assert [row["y"] for row in drawn["learning rate in training"]["data"]["values"]] == [0.5]
    assert "validation ndcg@10 in training" not in drawn, "the only curve of its kind stands with its scenario"


@pytest.mark.parametrize("missing", ["metrics.jsonl", "resolved.yaml", "fingerprint.json"])
def test_missing_parts_are_said_to_be_missing(run: Path, missing: str) -> None:
    (run / missing).unlink()
    assert "0.1235" in " ".join(page(run).texts)


def test_a_torn_line_and_a_torn_fingerprint_do_no_harm(run: Path) -> None:
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 999, "sce')
    (run / "fingerprint.json").write_text('{"seed": ')
    assert "not valid JSON" in " ".join(page(run).texts)


def test_a_run_without_results_or_sources(run: Path, metrics: dict[str, Any]) -> None:
    empty = {"results": [], "sources": {}, "seconds": {}}
    parameters = {"backbone": 0, "trainable": 0, "adapters": {}}
    write_metrics(run, metrics | empty | {"parameters": parameters})
    assert "This run has no results yet." in " ".join(page(run).texts)


def test_a_run_that_kept_only_what_every_run_keeps(run: Path, metrics: dict[str, Any]) -> None:
    required = schema_of("metrics.json")["required"]
    write_metrics(run, {key: value for key, value in metrics.items() if key in required})
    (run / "metrics.jsonl").unlink()
    text = " ".join(page(run).texts)
    assert "0.1235" in text
    assert "Examples" not in text


def test_no_metrics_no_report(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError):
        write_html(tmp_path)
    assert list(tmp_path.iterdir()) == []
