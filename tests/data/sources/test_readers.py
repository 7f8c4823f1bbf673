"""Readers: ids as categoricals over strings, and one clear message for a file that is not right."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polyscene.data.sources import csv, parquet, read_atomic, read_csv, read_frame, read_parquet
from polyscene.errors import DataError

FRAME = pd.DataFrame(
    {
        "user_id": [f"u{i % 7}" for i in range(200)],
        "item_id": [i % 11 for i in range(200)],
        "rating": np.arange(200) / 4,
        "count": pd.array([None if i == 150 else i for i in range(200)], dtype="Int64"),
        "text": [f"title {i}" if i % 3 else None for i in range(200)],
    }
)


@pytest.fixture
def parquet_file(tmp_path):
    path = tmp_path / "table.parquet"
    pq.write_table(pa.Table.from_pandas(FRAME), path, row_group_size=30)
    return path


def check(frame: pd.DataFrame) -> None:
    assert isinstance(frame["user_id"].dtype, pd.CategoricalDtype)
    assert frame["user_id"].astype("str").tolist() == FRAME["user_id"].tolist()
    assert frame["item_id"].astype("str").tolist() == FRAME["item_id"].astype(str).tolist()
    assert frame["user_id"].cat.codes.tolist() == [i % 7 for i in range(200)]  # in order of first appearance
    assert frame["rating"].tolist() == FRAME["rating"].tolist()
    assert np.isnan(frame["count"][150])
    assert frame["count"].drop(index=150).tolist() == FRAME["count"].drop(index=150).tolist()


def test_parquet(parquet_file, monkeypatch):
    monkeypatch.setattr(parquet, "_BATCH_ROWS", 13)
    frame = read_parquet(parquet_file)
    check(frame)
    assert frame["text"].fillna("").tolist() == FRAME["text"].fillna("").tolist()
    assert list(read_parquet(parquet_file, ["rating", "user_id"]).columns) == ["rating", "user_id"]


def test_csv_in_many_blocks(tmp_path, monkeypatch):
    path = tmp_path / "table.csv"
    FRAME.to_csv(path, index=False)
    monkeypatch.setattr(csv, "_BLOCK_BYTES", 512)
    frame = read_csv(path)
    check(frame)
    assert frame["text"].tolist() == FRAME["text"].fillna("").tolist()
    assert read_frame(path, ["rating"])["rating"].tolist() == FRAME["rating"].tolist()


def test_csv_without_header_and_with_quotes(tmp_path):
    path = tmp_path / "plain.csv"
    path.write_text('7;"a;b\nc";1\n8;d;2\n', encoding="utf-8")
    frame = read_csv(path, delimiter=";", names=["item_id", "text", "n"])
    assert frame["text"].tolist() == ["a;b\nc", "d"]
    assert frame["item_id"].tolist() == ["7", "8"]


def test_atomic(tmp_path):
    path = tmp_path / "films.item"
    header = "item_id:token\tmovie_title:token\tyear:float\tgenre:token_seq\r\n"
    path.write_text(header + '1\tThe "Big" One\t1995\tDrama War\r\n2\tIt\'s\t\tComedy\r\n', encoding="utf-8")
    frame = read_atomic(path, ["item_id", "movie_title", "year"], rename={"movie_title": "title"})
    assert list(frame.columns) == ["item_id", "title", "year"]
    assert frame["item_id"].tolist() == ["1", "2"]
    assert frame["title"].tolist() == ['The "Big" One', "It's"]
    assert frame["year"][0] == 1995
    assert np.isnan(frame["year"][1])
    assert read_atomic(path)["genre"].tolist() == ["Drama War", "Comedy"]


def test_parquet_cut_in_half(parquet_file):
    content = parquet_file.read_bytes()
    parquet_file.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"table\.parquet: cannot be read as Parquet[\s\S]*download it again"):
        read_parquet(parquet_file)


def test_parquet_damaged_inside(parquet_file):
    content = bytearray(parquet_file.read_bytes())
    content[40:400] = bytes(360)
    parquet_file.write_bytes(bytes(content))
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_parquet(parquet_file)


@pytest.mark.parametrize("read", [read_parquet, read_csv, read_atomic])
def test_absent_and_empty_files(tmp_path, read):
    with pytest.raises(DataError, match="no such file"):
        read(tmp_path / "absent")
    (tmp_path / "empty").touch()
    with pytest.raises(DataError, match=r"empty|has no type"):
        read(tmp_path / "empty")


def test_missing_columns_all_at_once(parquet_file, tmp_path):
    with pytest.raises(DataError, match=r"2 problems\n.*'ratings' is missing: did you mean 'rating'"):
        read_parquet(parquet_file, ["ratings", "when"])
    FRAME.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match=r"2 problems\n.*'ratings' is missing: did you mean 'rating'"):
        read_csv(tmp_path / "t.csv", ["ratings", "when"])


@pytest.mark.parametrize("line", [2, 6])
def test_csv_with_a_broken_line(tmp_path, line):
    lines = ["user_id,item_id,rating", "a,x,1", "b,y,2", "c,z,3", "d,x,4", "e,y,5"]
    lines[line - 1] = "a,x"
    path = tmp_path / "broken.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=rf"broken\.csv: 1 problem\n  - line {line} has 2 fields instead of 3"):
        read_csv(path)


def test_csv_with_a_value_of_the_wrong_type(tmp_path):
    path = tmp_path / "broken.csv"
    path.write_text("user_id,rating\na,1\nb,2\nc,many\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"line 4, column 'rating'.*'many'"):
        read_csv(path, types={"rating": "float64"})


def test_csv_with_a_repeated_column(tmp_path):
    path = tmp_path / "twice.csv"
    path.write_text("a,a\n1,2\n", encoding="utf-8")
    with pytest.raises(DataError, match="'a' occurs more than once"):
        read_csv(path)


def test_csv_in_another_encoding(tmp_path):
    path = tmp_path / "latin.csv"
    path.write_bytes("item_id,text\n1,Björk\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"encoding"):
        read_csv(path, types={"text": "string"})
    assert read_csv(path, encoding="latin-1")["text"].tolist() == ["Björk"]


def test_atomic_header_without_types(tmp_path):
    path = tmp_path / "films.item"
    path.write_text("item_id\ttitle:words\n1\tx\n", encoding="utf-8")
    with pytest.raises(DataError, match="2 problems"):
        read_atomic(path)
