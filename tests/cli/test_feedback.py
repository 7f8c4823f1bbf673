"""``polyscene feedback`` and ``polyscene keys`` as a user meets them."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polyscene.cli.app import main
from polyscene.cli.feedback import feedback
from polyscene.cli.keys import keys
from polyscene.feedback import Reaction, open_log, to_mapping
from polyscene.feedback.files import read_events
from polyscene.serving.keys import KeyFile
from tests.feedback.conftest import click as clicked
from tests.feedback.conftest import impression
from tests.postgres import Postgres

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a file of events in each format."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    events = [impression(1), clicked(1), clicked(2, "bob", kind="rating", value=4.5)]
    lines = "".join(json.dumps(to_mapping(event)) + "\n" for event in events)
    (tmp_path / "events.jsonl").write_text(lines + "\n", encoding="utf-8")
    header = "event_id,kind,time,scenario,user,item,value,impression\n"
    rows = "csv-1,click,1.7e9,video,042,7,,shown-1\ncsv-2,rating,1700000001.5,video,ann,9,3,\n"
    (tmp_path / "clicks.csv").write_text(header + rows, encoding="utf-8")
    table = {
        "event_id": ["p1", "p2"],
        "kind": ["view", "skip"],
        "time": [1, 2],
        "user": ["7", "8"],
        "item": ["1", "2"],
    }
    pq.write_table(pa.table({**table, "value": [2.5, None]}), tmp_path / "clicks.parquet")
    return tmp_path


def examples(group: click.Group) -> Iterator[str]:
    for command in group.commands.values():
        for line in (command.epilog or "").splitlines():
            yield from re.findall(r"polyscene [^)]*", line)


def test_the_examples_run(capsys: Captured) -> None:
    made = set()
    for example in [*examples(feedback), *examples(keys)]:
        words = shlex.split(example.partition(" > ")[0])[1:]
        if words[:2] == ["keys", "revoke"]:
            main(["keys", "new", "--scope", "admin", "--name", "web"])  # each example revokes it anew
        made.update(words)
        assert main(words) == 0, (example, capsys.readouterr().err)
    assert made >= set(feedback.commands) | set(keys.commands)


def test_import_export_erase(folder: Path, capsys: Captured) -> None:
    for file, said in (
        ("events.jsonl", "3 new events; 0"),
        ("clicks.csv", "2 new"),
        ("events.jsonl", "0 new events; 3"),
    ):
        assert main(["feedback", "import", file]) == 0
        assert said in capsys.readouterr().out
    assert main(["feedback", "export", "--user", "42"]) == 0
    exported = capsys.readouterr().out
    assert [json.loads(line)["number"] for line in exported.splitlines()] == [1, 2]
    (folder / "copy.jsonl").write_text(exported, encoding="utf-8")
    assert list(read_events(folder / "copy.jsonl")) == [impression(1), clicked(1)]
    assert main(["feedback", "erase", "--user", "42", "--yes"]) == 0
    assert capsys.readouterr().out == "2 events erased.\n"
    assert main(["feedback", "export", "--user", "42"]) == 0
    assert capsys.readouterr().out == ""


def test_csv_and_parquet(folder: Path) -> None:
    first, second = read_events(folder / "clicks.csv")
    assert first == Reaction("csv-1", 1.7e9, "video", "042", "7", "click", impression="shown-1")
    assert second == Reaction("csv-2", 1700000001.5, "video", "ann", "9", "rating", 3.0)
    first, second = read_events(folder / "clicks.parquet", "music")
    assert first == Reaction("p1", 1.0, "music", "7", "1", "view", 2.5)
    assert second == Reaction("p2", 2.0, "music", "8", "2", "skip")


def test_parquet_holds_lists_as_well(folder: Path) -> None:
    events = [impression(1, propensities=(0.5, 0.25), context=(1.0,)), clicked(1)]
    pq.write_table(
        pa.Table.from_pylist([dict.fromkeys(to_mapping(events[1])) | to_mapping(e) for e in events]), "a.parquet"
    )
    assert list(read_events(folder / "a.parquet"))[1] == events[1]


def test_tail_and_stats(capsys: Captured) -> None:
    main(["feedback", "import", "events.jsonl"])
    capsys.readouterr()
    assert main(["feedback", "tail", "-n", "2"]) == 0
    shown = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["number"], one["event_id"]) for one in shown] == [(2, "click-1"), (3, "click-2")]
    assert main(["feedback", "stats", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["last"] == 3
    assert [(one["kind"], one["events"], one["users"]) for one in said["counts"]] == [
        ("click", 1, 1),
        ("impression", 1, 1),
        ("rating", 1, 1),
    ]
    assert main(["feedback", "stats"]) == 0
    assert "2023-11-14 22:13 UTC" in capsys.readouterr().out


def test_tail_follows(folder: Path) -> None:
    main(["feedback", "import", "events.jsonl"])
    command = [sys.executable, "-m", "polyscene.cli.app", "feedback", "tail", "-n", "0", "--follow"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        log = open_log("feedback.db")
        assert process.stdout is not None
        # The process has begun at some event; each new one is printed from then on.
        until = time.monotonic() + 30
        number = 10
        while not (line := _line_within(process, 0.3)):
            assert time.monotonic() < until
            log.append([clicked(number)])
            number += 1
        assert json.loads(line)["event_id"].startswith("click-")
        log.close()
    finally:
        process.kill()
        process.communicate()


def _line_within(process: subprocess.Popen[str], seconds: float) -> str:
    import select

    ready, _, _ = select.select([process.stdout], [], [], seconds)
    return process.stdout.readline() if ready and process.stdout else ""


def test_a_log_on_a_server(postgres: Postgres, capsys: Captured) -> None:
    place = postgres.new_place()
    assert main(["feedback", "import", "events.jsonl", "--log", place]) == 0
    assert main(["feedback", "stats", "--log", place, "--json"]) == 0
    assert '"last": 3' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"kind": "click"', "events.jsonl, line 4: this is no JSON"),
        ("[]", "events.jsonl, line 4: an event is a mapping of keys"),
        ('{"kind": "click", "event_id": "x"}', "line 4: reaction 'x': 4 problems"),
        (json.dumps(to_mapping(clicked(1, "eve"))), "the event id 'click-1' stands for another event already"),
        ("\udcff", "events.jsonl: cannot be read"),
    ],
)
def test_wrong_lines(folder: Path, capsys: Captured, text: str, said: str) -> None:
    lines = (folder / "events.jsonl").read_text(encoding="utf-8").strip() + "\n" + text
    (folder / "events.jsonl").write_text(lines, encoding="utf-8", errors="surrogateescape")
    assert main(["feedback", "import", "events.jsonl"]) == 2
    assert said in capsys.readouterr().err


def test_what_is_before_a_wrong_line_is_kept(folder: Path, capsys: Captured) -> None:
    whole = [json.dumps(to_mapping(clicked(number))) for number in range(1500)]
    (folder / "many.jsonl").write_text("\n".join([*whole, "{}"]), encoding="utf-8")
    assert main(["feedback", "import", "many.jsonl"]) == 2
    assert "1,000 new events before it are in the log; run the command again" in capsys.readouterr().err
    (folder / "many.jsonl").write_text("\n".join(whole), encoding="utf-8")
    assert main(["feedback", "import", "many.jsonl"]) == 0
    assert capsys.readouterr().out == "500 new events; 1,000 were there already.\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["feedback", "import", "missing.jsonl"], "missing.jsonl: cannot be read"),
        (["feedback", "import", "events.txt"], "files of the kind '.txt' hold no events"),
        (["feedback", "import", "short.csv"], "short.csv, line 2: the row has another number of cells"),
        (["feedback", "import", "empty.parquet"], "empty.parquet: cannot be read"),
        (["feedback", "stats"], "feedback.db: there is no feedback log"),
        (["feedback", "tail", "--log", "nowhere/feedback.db"], "there is no feedback log"),
        (["feedback", "export"], "Missing option '--user'"),
        (["feedback", "stats", "--log", "mysql://shop/x"], "there is no log at 'mysql://'"),
        (["keys", "list"], "keys.json: there is no file of keys"),
        (["keys", "revoke", "web"], "there is no key called 'web'"),
        (["keys", "new"], "Missing option '--scope'"),
        (["keys", "new", "--scope", "recomend"], "'recomend' is not one of"),
    ],
)
def test_mistakes(folder: Path, arguments: list[str], said: str, capsys: Captured) -> None:
    (folder / "short.csv").write_text("event_id,kind\nx\n", encoding="utf-8")
    (folder / "empty.parquet").touch()
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.out == ""
    assert not (folder / "feedback.db").exists()


def test_erasing_asks_first(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    main(["feedback", "import", "events.jsonl"])
    monkeypatch.setattr("sys.stdin", open("/dev/null"))  # noqa: PTH123, SIM115
    assert main(["feedback", "erase", "--user", "42"]) == 130
    assert len(list(open_log("feedback.db").export("42"))) == 2


def test_a_key_is_printed_once(folder: Path, capsys: Captured) -> None:
    assert (
        main(["keys", "new", "--scope", "recommend", "--scope", "feedback", "--name", "web", "--days", "3"]) == 0
    )
    shown = capsys.readouterr()
    secret = shown.out.strip()
    assert "never again" in shown.err
    assert KeyFile(folder / "keys.json").find(secret).scopes == ("recommend", "feedback")
    for arguments in (["keys", "list"], ["keys", "list", "--json"]):
        assert main(arguments) == 0
        listed = capsys.readouterr().out
        assert "web" in listed
        assert secret not in listed
        assert KeyFile(folder / "keys.json").read()[0].hash not in listed
    assert main(["keys", "revoke", "web"]) == 0
    assert KeyFile(folder / "keys.json").find(secret) is None
