"""Whatever happens to an update, its deployment is as it was or wholly updated, and says who decided what."""

from __future__ import annotations

import os
import traceback
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from polyscene.cli.app import main
from polyscene.errors import ConfigError, FeedbackError, ServingError
from polyscene.feedback import open_log
from polyscene.serving.deployment import Deployment
from polyscene.updating import run as stages
from tests.tiny import LIKES
from tests.updating.feeding import everything, feed, new_taste, updated

QUICK: dict[str, Any] = {"steps": 25, "budget": 1.0, "budget_in_all": 1.0}


def test_without_new_feedback_nothing_changes(deployment: Deployment) -> None:
    with pytest.raises(FeedbackError):
        updated(deployment)
    feed(deployment, new_taste(200))
    assert updated(deployment, **QUICK).promoted
    before = everything(deployment.folder)
    again = updated(deployment, **QUICK)
    assert not again.updated
    assert not again.version
    assert everything(deployment.folder) == before


def test_a_dry_run_changes_nothing(deployment: Deployment) -> None:
    feed(deployment, new_taste(200))
    before = everything(deployment.folder)
    outcome = updated(deployment, dry_run=True, **QUICK)
    assert outcome.updated[LIKES].held is not None
    assert everything(deployment.folder) == before


def test_too_few_rows_wait(deployment: Deployment) -> None:
    feed(deployment, new_taste(20))
    before = everything(deployment.folder)
    assert updated(deployment, **QUICK).waits == {LIKES: "20 new rows, fewer than least=50"}
    assert everything(deployment.folder) == before


def test_one_update_at_a_time(deployment: Deployment) -> None:
    feed(deployment, new_taste(200))
    with (
        FileLock(deployment.folder / ".update.lock"),
        pytest.raises(ServingError, match="another update of this deployment is at work"),
    ):
        updated(deployment, **QUICK)


def test_killed_at_any_moment_it_is_as_it_was_or_wholly_updated(deployment: Deployment) -> None:
    feed(deployment, new_taste(200))
    before = deployment.promoted()
    assert before is not None
    for moment in ("write_version", "check_erased", "adopt", "_try", "promote"):
        assert _killed(deployment, moment) == 9
        assert deployment.promoted() == before, moment
    assert _killed(deployment, "never") == 0
    now = deployment.promoted()
    assert now is not None
    assert now.before == (before.version,)
    assert not (deployment.folder / ".update").exists()
    assert deployment.versions() == sorted([before.version, now.version]), "the same update is the same version"
    assert not updated(deployment, **QUICK).updated, "nothing is learned twice"


def _killed(deployment: Deployment, moment: str) -> int:
    """An update in a process that ends at once where a step begins, without any cleaning up."""
    child = os.fork()
    if not child:
        code = 1
        try:
            for owner in (stages._Update, Deployment, stages):
                if hasattr(owner, moment):
                    setattr(owner, moment, lambda *_, **__: os._exit(9))
            updated(deployment, **QUICK)
            code = 0
        except Exception:
            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def test_erased_events_are_not_learned_from(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    events = new_taste(200)
    feed(deployment, events)
    user = events[0].user
    own = sum(event.user == user for event in events)
    address = str(deployment.folder / "feedback.db")
    with closing(open_log(address)) as log:
        assert log.erase(user) == own > 0
    outcome = updated(deployment, dry_run=True, **QUICK)
    assert len(outcome.updated[LIKES].prepared.rows) == 200 - own
    # One who is erased while the model learns.
    plain = stages.update_scenario

    def erasing(*given: Any, **options: Any) -> Any:
        with closing(open_log(address)) as log:
            log.erase(events[1].user)
        return plain(*given, **options)

    monkeypatch.setattr(stages, "update_scenario", erasing)
    before = everything(deployment.folder)
    with pytest.raises(ServingError, match="events were erased while the update learned"):
        updated(deployment, **QUICK)
    assert everything(deployment.folder) == before


def test_what_somebody_else_promoted_meanwhile_stays(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed(deployment, new_taste(200))
    other = updated(deployment, promotion="never", **QUICK).version
    plain = stages.update_scenario

    def promoting(*given: Any, **options: Any) -> Any:
        deployment.promote(other, by="ann")
        return plain(*given, **options)

    monkeypatch.setattr(stages, "update_scenario", promoting)
    with pytest.raises(ServingError, match=f"it now serves '{other}'"):
        updated(deployment, **{**QUICK, "steps": 26})
    now = deployment.promoted()
    assert now is not None
    assert now.version == other


def test_rolling_back_is_one_command(deployment: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    feed(deployment, new_taste(200))
    outcome = updated(deployment, **QUICK)
    assert main(["rollback", f"deployment={deployment.folder}", "why=complaints"]) == 0
    assert f"Version '{outcome.base}' serves again in place of '{outcome.version}'." in capsys.readouterr().out
    now = deployment.promoted()
    assert now is not None
    assert now.version == outcome.base
    actions = [(entry["action"], entry.get("why")) for entry in deployment.audit.entries()][-2:]
    assert actions[0][0] == "promote"
    assert actions[1] == ("roll back", "complaints")
    # What the version that is gone had learned is learned anew.
    assert len(updated(deployment, dry_run=True, **QUICK).updated[LIKES].prepared.rows) == 200
    assert main(["rollback", f"deployment={deployment.folder}"]) == 2
    assert "no version served before this one" in " ".join(capsys.readouterr().err.split())


def test_mistakes_are_told(deployment: Deployment, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*arguments: str) -> str:
        assert main([*arguments]) == 2
        return " ".join(capsys.readouterr().err.split())

    assert "there is no such deployment, and no run to begin one with" in said(
        "update", f"deployment={tmp_path / 'x'}"
    )
    assert not (tmp_path / "x").exists()
    assert "did you mean 'budget'" in said("update", "budgte=1")
    assert "'skip' is no kind that says what a user had or liked" in said("update", "kinds=[skip]")
    assert "'held' is 2.0" in said("update", "held=2.0")
    assert "there is no kind 'clik'" in said("update", "offpolicy.reward=clik")
    assert "there is no such folder" in said("rollback", f"deployment={tmp_path / 'x'}")
    feed(deployment, new_taste(1))
    with pytest.raises(ConfigError, match="did you mean 'likes'"):
        updated(deployment, scenario=["like"])
    other = tmp_path / "other"
    other.mkdir()
    (other / "resolved.yaml").write_text("seed: 1")
    with pytest.raises(ConfigError, match="does not go back to run="):
        updated(deployment, run=str(other), **QUICK)
