"""Disks that are full, files that are damaged or gone, locks, servers that are not there: told, and survived."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import event

from polyscene.errors import FeedbackError
from polyscene.feedback import Appended, open_log
from tests.feedback.conftest import Open, click, everything, impression
from tests.postgres import Postgres


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a log may be made."""
    return tmp_path / "feedback.db"


def many(count: int = 400) -> list:
    return [impression(number, view="x" * 100) for number in range(count)]


def test_a_full_disk(path: Path, opened: Open) -> None:
    log = opened(path)
    log.append([click(1)])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(
            FeedbackError, match=r"(?s)(no space|disk refuses).*nothing was half-written; free some"
        ):
            log.append(many())
        assert everything(log) == [(1, "click-1")]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert log.append(many()) == Appended(400, 0)
    assert len(everything(log)) == 401


def test_a_full_file(path: Path, opened: Open) -> None:
    log = opened(path)
    event.listen(log._database.engine, "checkout", lambda made, *_: made.execute("PRAGMA max_page_count = 16"))
    with pytest.raises(FeedbackError, match="no space is left for the log"):
        log.append(many())
    assert everything(log) == []
    assert log.append([click(1)]) == Appended(1, 0)


def test_a_locked_file(path: Path, opened: Open) -> None:
    log = opened(path, wait=0.1)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(FeedbackError, match=r"others held the log for longer than 0\.1 s"):
        log.append([click(1)])
    assert everything(log) == []
    other.execute("ROLLBACK")
    other.close()
    assert log.append([click(1)]) == Appended(1, 0)


@pytest.mark.parametrize("what", ["file", "folder"])
def test_the_file_is_removed_while_it_is_open(tmp_path: Path, what: str, opened: Open) -> None:
    folder = tmp_path / "deployment"
    folder.mkdir()
    log = opened(folder / "feedback.db")
    log.append([click(1)])
    shutil.copytree(folder, tmp_path / "backup")
    if what == "folder":
        shutil.rmtree(folder)
    else:
        (folder / "feedback.db").unlink()
    with pytest.raises(FeedbackError, match="the file was removed or replaced while it was open"):
        log.append([click(2)])
    with pytest.raises(FeedbackError, match="the file cannot be opened"):
        log.append([click(2)])
    with pytest.raises(FeedbackError, match="the file cannot be opened"):
        log.last()
    assert not (folder / "feedback.db").exists()
    shutil.copytree(tmp_path / "backup", folder, dirs_exist_ok=True)
    assert log.append([click(2)]) == Appended(1, 0)
    assert everything(log) == [(1, "click-1"), (2, "click-2")]


def test_the_file_is_replaced_while_it_is_open(path: Path, opened: Open) -> None:
    log, other = opened(path), opened(path.with_name("other.db"))
    other.append([click("theirs")])
    other.close()
    path.with_name("other.db").replace(path)
    with pytest.raises(FeedbackError, match="removed or replaced"):
        log.last()


def garbage(path: Path) -> None:
    path.write_bytes(os.urandom(20_000))


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:8192])


def scrambled(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + os.urandom(len(whole) - 4096))


@pytest.mark.parametrize(
    ("damage", "said"),
    [(garbage, "the file is no SQLite database"), (torn, "damaged"), (scrambled, "damaged")],
)
def test_a_damaged_file(path: Path, opened: Open, damage: Callable[[Path], None], said: str) -> None:
    log = opened(path)
    log.append(many())
    log.close()
    damage(path)
    with pytest.raises(FeedbackError, match=rf"(?s)feedback\.db: .*{said}.*(restore a backup|name another file)"):
        everything(opened(path))


def test_what_the_database_complains_about_names_nobody(place: str, opened: Open) -> None:
    log = opened(place)
    with log._database.writing() as connection:
        connection.exec_driver_sql("DROP TABLE feedback_events")
    with pytest.raises(FeedbackError) as error:
        log.export("Rumpelstiltskin")
    assert "Rumpelstiltskin" not in f"{error.value}{error.value.__cause__}"


def test_a_damaged_event(place: str, opened: Open) -> None:
    log = opened(place)
    log.append([click(1), click(2)])
    with log._database.writing() as connection:
        connection.exec_driver_sql("UPDATE feedback_events SET content = '{' WHERE number = 2")
    with pytest.raises(FeedbackError, match="event 2 is damaged"):
        everything(log)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE feedback_state SET schema_version = 9", "reads 2\nuse the Polyscene that wrote it, or a newer"),
        ("UPDATE feedback_state SET schema_version = 1", "reads 2\nuse the Polyscene that wrote it$"),
        ("ALTER TABLE feedback_state DROP COLUMN last_reaction", "no 'last_reaction' in 'feedback_state'"),
        ("DELETE FROM feedback_state", "there is 0 rows in 'feedback_state' in place of one"),
        ("ALTER TABLE feedback_events DROP COLUMN content", "no 'content' in 'feedback_events'"),
        ("DROP TABLE feedback_events", "no 'number' in 'feedback_events'"),
    ],
)
def test_another_schema(place: str, opened: Open, change: str, said: str) -> None:
    log = opened(place)
    with log._database.writing() as connection:
        connection.exec_driver_sql(change)
    log.close()
    with pytest.raises(FeedbackError, match=said):
        open_log(place)


def test_somebody_elses_file(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE runs (id)")
    with pytest.raises(FeedbackError, match="this is no feedback log: there is a table 'runs'"):
        open_log(str(path))
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("runs",)]


def test_a_database_is_shared_with_tables_of_others(postgres: Postgres, opened: Open) -> None:
    place = postgres.new_place()
    with psycopg.connect(place) as other:
        other.execute("CREATE TABLE runs (id int)")
    assert opened(place).append([click(1)]) == Appended(1, 0)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "'' names no file"),
        (":memory:", "':memory:' names no file"),
        ("sqlite://", "the address names no file"),
        ("mysql://root@localhost/shop", r"there is no log at 'mysql://'"),
        ("postgresql://user:secret@host:port/x", "cannot be read"),
        ("missing/feedback.db", r"missing: the log's folder does not exist\ncreate it"),
        (".", "this is a folder"),
    ],
)
def test_wrong_addresses(url: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FeedbackError, match=said) as error:
        open_log(url)
    assert "secret" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_who_only_reads_makes_no_log(place: str, path: Path, opened: Open) -> None:
    with pytest.raises(FeedbackError, match="there is no feedback log"):
        open_log(place, create=False)
    assert not path.exists()
    assert opened(place).last() == 0


def test_no_server(postgres: Postgres) -> None:
    url = postgres.url().replace(str(postgres.port), "1")
    with pytest.raises(
        FeedbackError, match=r"postgresql://shop:\*\*\*@127\.0\.0\.1:1/postgres: no server answers"
    ):
        open_log(url, wait=1)


def test_wrong_password_and_wrong_database(postgres: Postgres) -> None:
    with pytest.raises(FeedbackError, match="password authentication failed") as error:
        open_log(postgres.url().replace(postgres.password, "guess"))
    assert postgres.password not in str(error.value)
    with pytest.raises(FeedbackError, match='database "nowhere" does not exist'):
        open_log(postgres.url("nowhere"))


def test_a_locked_table(postgres: Postgres, opened: Open) -> None:
    place = postgres.new_place()
    log = opened(place, wait=0.1)
    with psycopg.connect(place) as other:
        other.execute("SELECT last FROM feedback_state FOR UPDATE")
        with pytest.raises(FeedbackError, match="others held the log"):
            log.append([click(1)])
        assert everything(log) == []
    assert log.append([click(1)]) == Appended(1, 0)


@pytest.mark.parametrize(
    ("state", "said"),
    [("53100", "no space is left for the log"), ("25006", "takes no writes"), ("57014", "the server broke off")],
)
def test_what_the_server_refuses(postgres: Postgres, opened: Open, state: str, said: str) -> None:
    place = postgres.new_place()
    log = opened(place)
    raising = f"BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '{state}'; END"
    with psycopg.connect(place) as other:
        other.execute(f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $${raising}$$")
        other.execute("CREATE TRIGGER refuse AFTER INSERT ON feedback_events EXECUTE FUNCTION refuse()")
    with pytest.raises(FeedbackError, match=said):
        log.append([click(1)])
    with psycopg.connect(place) as other:
        other.execute("DROP TRIGGER refuse ON feedback_events")
    assert log.append([click(1)]) == Appended(1, 0)


def test_a_server_that_acknowledges_too_early_is_told_not_to(postgres: Postgres, opened: Open) -> None:
    log = opened(postgres.new_place() + "%20-csynchronous_commit%3Doff")
    with log._database.writing() as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar_one() == "on"


def test_a_file_is_synced_at_each_commit(path: Path, opened: Open) -> None:
    with opened(path)._database.writing() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
