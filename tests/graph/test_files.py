"""Facts and links from files, and what is said of bad ones."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from polyscene.errors import DataError
from polyscene.graph import KnowledgeGraph, check_links, read_facts, read_links

ROWS = [["alien", "genre", "horror"], ["heat", "genre", "crime"]]
LINES = "\n".join("\t".join(row) for row in ROWS) + "\n"


def write(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_every_kind_of_file_says_the_same(tmp_path: Path) -> None:
    pd.DataFrame(ROWS, columns=["head", "relation", "tail"]).to_parquet(tmp_path / "facts.parquet")
    paths = [
        write(tmp_path, "facts.tsv", LINES),
        write(tmp_path, "headed.txt", "head\trelation\ttail\n" + LINES),
        write(tmp_path, "facts.csv", LINES.replace("\t", ",")),
        write(tmp_path, "facts.kg", "head_id:token\trelation_id:token\ttail_id:token\n" + LINES),
        tmp_path / "facts.parquet",
    ]
    for path in paths:
        assert read_facts(path).to_numpy().tolist() == ROWS
    links = write(tmp_path, "films.link", "item_id:token\tentity_id:token\n1\talien\n")
    assert read_links(links).to_dict("list") == {"item_id": ["1"], "entity": ["alien"]}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.tsv", LINES + "alien\tgenre\n", "line 3 has 2 fields instead of 3"),
        ("b.tsv", "head\trelation\ttail\n" + LINES + "x\ty\tz\tw\n", "line 4 has 4 fields instead of 3"),
        ("c.tsv", LINES + "alien\t\thorror\n", "1 facts have an empty field, the first in line 3"),
        ("d.tsv", "", "the file is empty"),
        ("e.tsv", "head\trelation\ttail\n", "holds no fact|is empty"),
        ("f.kg", "head_id:token\trelation_id:token\ttail_id:token\n" + LINES + "a\tb\n", "line 4 has 2 fields"),
        ("g.json", "{}", "cannot end in '.json'"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as error:
        read_facts(write(tmp_path, name, text))
    assert name in str(error.value)


def test_links_to_another_graph_are_refused() -> None:
    graph = KnowledgeGraph.from_facts(pd.DataFrame(ROWS, columns=["head", "relation", "tail"]))
    with pytest.raises(DataError, match="none of 1 linked entities is in the graph"):
        check_links(graph, ["m.01"], [["horror"]])
    check = check_links(graph, ["alien", "m.01"], [["horror"], ["crime"]])
    assert (check.linked, check.unknown) == (1, 1)
