"""Keys open what their scopes say, until they expire or are revoked, and are kept nowhere."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from polyscene.errors import AccessError
from polyscene.serving import keys as module
from polyscene.serving.keys import KeyFile, read_keys


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of keys that is not there yet."""
    return tmp_path / "keys.json"


def test_a_key_is_found_by_its_secret_alone(path: Path) -> None:
    file = KeyFile(path)
    assert file.read() == []
    secret, key = file.new(["recommend", "feedback", "recommend"], "web")
    other, _ = file.new(["admin"])
    assert key.scopes == ("recommend", "feedback")
    assert file.find(secret) == key
    assert file.find(other).scopes == ("admin",)
    for wrong in ("", secret[:-1], secret + "x", secret.upper(), key.hash, "ps_", "\udcff"):
        assert file.find(wrong) is None


def test_secrets_have_256_bits_and_are_kept_nowhere(path: Path, tmp_path: Path) -> None:
    secrets = {KeyFile(path).new(["recommend"])[0] for _ in range(20)}
    assert len(secrets) == 20
    assert all(len(secret) == len("ps_") + 43 for secret in secrets)  # 43 letters of 6 bits
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert not any(secret.encode()[5:30] in kept for secret in secrets)


def test_the_file_is_nobody_elses(path: Path) -> None:
    file = KeyFile(path)
    for change in (lambda: file.new(["admin"], "a"), lambda: file.new(["admin"], "b"), lambda: file.revoke("a")):
        change()
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_running_service_sees_changes_of_others(path: Path) -> None:
    secret, _ = KeyFile(path).new(["recommend"], "web")
    running = read_keys(path)
    assert running.find(secret)
    KeyFile(path).revoke("web")
    assert running.find(secret) is None
    again, _ = KeyFile(path).new(["recommend"], "web")
    assert running.find(again)
    path.unlink()
    assert running.find(again) is None


def test_a_key_expires(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret, key = KeyFile(path).new(["recommend"], days=2)
    assert key.expires == pytest.approx(key.created + 2 * 86_400)
    assert KeyFile(path).find(secret)
    monkeypatch.setattr(module.time, "time", lambda: key.expires)
    assert KeyFile(path).find(secret) is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((["recomend"],), "there is no scope 'recomend': did you mean 'recommend'?"),
        (([],), "it has no scope: give some of recommend, feedback, admin"),
        ((["admin"], "two words"), "a name has up to 60 letters"),
        ((["admin"], "web"), "there is a key called 'web' already"),
        ((["admin"], "short", 0), "a key cannot be valid for 0 days"),
        ((["admin"], "short", float("nan")), "a key cannot be valid for nan days"),
    ],
)
def test_wrong_keys_are_refused(path: Path, arguments: tuple, said: str) -> None:
    file = KeyFile(path)
    file.new(["recommend"], "web")
    before = path.read_bytes()
    with pytest.raises(AccessError) as error:
        file.new(*arguments)
    assert said in str(error.value)
    assert path.read_bytes() == before


def test_what_is_not_there(path: Path) -> None:
    with pytest.raises(AccessError, match="there is no file of keys"):
        read_keys(path)
    with pytest.raises(AccessError, match="the folder does not exist"):
        KeyFile(path.parent / "missing" / "keys.json").new(["admin"])
    KeyFile(path).new(["recommend"], "web")
    with pytest.raises(AccessError, match=r"there is no key called 'wep'\ndid you mean 'web'\?"):
        KeyFile(path).revoke("wep")


@pytest.mark.parametrize(
    "change",
    [
        lambda kept: "{",
        lambda kept: "[]",
        lambda kept: json.dumps({"keys": [{"name": "web"}]}),
        lambda kept: kept.replace('"recommend"', '"everything"'),
        lambda kept: kept.replace('"hash": "', '"hash": "0'),
        lambda kept: kept.replace('"expires": null', '"expires": "never"'),
    ],
)
def test_a_damaged_file_lets_nobody_in(path: Path, change) -> None:
    file = KeyFile(path)
    secret, _ = file.new(["recommend"], "web")
    path.write_text(change(path.read_text()))
    assert file.find(secret) is None
    with pytest.raises(AccessError, match="the file of keys cannot be read"):
        read_keys(path)
    damaged = path.read_bytes()
    with pytest.raises(AccessError):
        file.new(["admin"], "other")
    assert path.read_bytes() == damaged


def test_keys_made_at_once_are_all_kept(path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom polyscene.serving.keys import KeyFile\n"
        "for number in range(5): KeyFile(Path(sys.argv[1])).new(['feedback'], f'{sys.argv[2]}-{number}')\n"
    )
    command = [sys.executable, "-c", code, str(path)]
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda name: subprocess.run([*command, name], check=True), ["a", "b"]))
    assert {key.name for key in read_keys(path).read()} == {f"{name}-{n}" for name in "ab" for n in range(5)}


def test_every_key_is_compared(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the wanted key stands among the others must not show in the time taken."""
    file = KeyFile(path)
    made = [file.new(["recommend"])[0] for _ in range(4)]
    compared: list[str] = []
    honest = module.hmac.compare_digest

    def counted(one: str, two: str) -> bool:
        compared.append(one)
        return honest(one, two)

    monkeypatch.setattr(module.hmac, "compare_digest", counted)
    for secret in (made[0], made[3], "wrong"):
        compared.clear()
        file.find(secret)
        assert len(compared) == 4
