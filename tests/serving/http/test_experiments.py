"""A live experiment on a real server: arms, policies and versions, figures, the page, swaps and erasure."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from selenium.webdriver.support.ui import WebDriverWait

from polyscene.cli.app import main
from polyscene.errors import CheckpointError
from polyscene.experiments.plan import Plan, read_plan
from polyscene.feedback import Impression, Reaction, open_log
from polyscene.serving.config import ServeConfig
from polyscene.serving.deployment import Deployment
from polyscene.serving.startup import load_others
from tests.browser import PATIENCE, Browser
from tests.serving.http.server import Server, until

USERS = [f"reader-{number}" for number in range(400)]


def planned(version: str) -> dict:
    """Books with two arms, one of them with a version and a policy of its own; songs with a policy."""
    policy = {"name": "linucb", "options": {"epsilon": 0.2, "pool": 10}, "within": "1s"}
    arms = {"control": {}, "new": {"policy": policy, "version": version}}
    return {
        "policies": {"songs": {"name": "epsilon", "options": {"epsilon": 0.5, "pool": 10}}},
        "experiments": {
            "ranker": {"scenarios": ["books"], "arms": arms, "window": "1m", "guardrails": {"skip": 0.1}}
        },
    }


def live_before(plan: Plan, place: Path) -> None:
    """A log in which the arm ``new`` is clicked more often."""
    generator, events, now = np.random.default_rng(0), [], time.time() - 7200
    for number, user in enumerate(USERS):
        side, moment = plan.side("books", user), now + 10 * number
        told = {"scenario": "books", "user": user, "time": moment}
        events.append(
            Impression(f"s{number}", items=("i01", "i02"), scores=(1.0, 0.5), model="v0", policy="greedy",
                       experiment=side.experiment, arm=side.arm, **told)
        )  # fmt: skip
        if generator.random() < {"control": 0.3, "new": 0.7}[side.arm or ""]:
            events.append(Reaction(f"c{number}", item="i01", kind="click", impression=f"s{number}", **told))
    log = open_log(str(place / "feedback.db"))
    log.append(events)
    log.close()


def test_an_experiment_from_lists_to_figures(
    serve: Callable[..., Server],
    runs: tuple[Path, Path],
    tmp_path: Path,
    browser: Browser,
    capsys: pytest.CaptureFixture[str],
) -> None:
    place = tmp_path / "deployment"
    first, second = (Deployment(place).adopt(run, by="test") for run in runs)
    (place / "config.json").write_text(json.dumps(planned(second)), encoding="utf-8")
    plan = read_plan(place)
    live_before(plan, place)
    server = serve(f"run={runs[0]}", "texts=false")
    with server.client() as client:
        # Who is in which arm is asked by nobody but the hash; what is shown says so, and is logged with it.
        arms = {}
        for user in USERS[:12]:
            found = client.recommend("books", user=user, k=3)
            side = plan.side("books", user)
            assert (found.experiment, found.arm) == (side.experiment, side.arm) == ("ranker", side.arm)
            expected = (first, "greedy") if side.arm == "control" else (second, "linucb")
            assert (found.model, found.policy) == expected
            arms[found.arm] = user
            shown = client.export_user(user).events[-1]
            assert (shown["event_id"], shown["arm"], shown["model"]) == (found.impression, found.arm, found.model)
            assert len(shown["propensities"]) == 3
            assert ("context" in shown) == (found.arm == "new")
        assert arms.keys() == {"control", "new"}
        nobody = client.recommend("books", k=3)
        assert (nobody.experiment, nobody.policy) == (None, "greedy")
        assert client.recommend(history=[{"item": "i01"}], k=2).policy in ("greedy", "epsilon")
        song = client.recommend("songs", user="u01", k=3)
        chances = client.export_user("u01").events[-1]["propensities"]
        assert song.policy == "epsilon"
        assert all(chance == pytest.approx(0.05) or chance == pytest.approx(0.55) for chance in chances)
        assert {one.name: one.policy for one in client.scenarios()} == {"books": "greedy", "songs": "epsilon"}

        # The figures are those of the command.
        [told] = client.experiments()
        asked = ["experiment", "report", "ranker", "--log", str(place / "feedback.db"), "--window", "1m", "--json"]
        assert main([*asked, "--guardrail", "skip=0.1", "--arms", "control=1,new=1"]) == 0
        report = json.loads(capsys.readouterr().out)
        assert told.ratio == report["ratio"]
        for arm, same in zip(told.arms, report["arms"], strict=True):
            assert (arm.arm, arm.users, arm.counted, arm.lists) == tuple(
                same[key] for key in ("arm", "users", "counted", "lists")
            )
            assert arm.rates == same["rates"]
            assert {kind: one.model_dump() for kind, one in arm.changes.items()} == same["changes"]
        assert [arm.decision for arm in told.arms] == ["control", "better"]
        assert told.arms[1].course[-1].estimate == told.arms[1].changes["click"].estimate

        # Arms without a version follow what is promoted; the other stays.
        def served() -> list[str]:
            return [client.recommend("books", user=arms[arm], k=1).model for arm in ("control", "new")]

        client.promote(second)
        assert served() == [second, second]
        client.roll_back()
        assert served() == [first, second]

        watched(server, browser)

        def users() -> int:
            return sum(arm.users for arm in client.experiments()[0].arms)

        gone, before = USERS[0], users()
        client.erase_user(gone)
        assert users() == before - 1
        until(lambda: not client.recommend("books", user=gone, k=1).user_known)
    assert server.stop() == 0


def watched(server: Server, browser: Browser) -> None:
    """The page shows the arms, with their course, and brings itself up to date."""
    driver, wait = browser.driver, WebDriverWait(browser.driver, PATIENCE)
    driver.get(server.url)

    def rows() -> list[list[str]]:
        return browser.run(
            "return [...document.querySelectorAll('#experiments tbody tr')]"
            ".map((row) => [...row.children].map((cell) => cell.textContent))"
        )

    wait.until(lambda _: len(rows()) == 2)
    control, new = rows()
    assert (control[0], control[-1], new[-1]) == ("control", "control", "better")
    assert new[0].startswith("newlinucb, ")
    assert new[5].startswith("+0.")
    said = browser.run("return document.querySelector('#experiments section').textContent")
    assert "Sample ratio: p = 1.00" in said or "Sample ratio: p = 0." in said
    assert browser.run("return document.querySelectorAll('#experiments polygon').length") == 1
    with server.client() as client:
        client.recommend("books", user="somebody-new", k=1)
    total = int(control[1]) + int(new[1])
    wait.until(lambda _: sum(int(row[1]) for row in rows()) == total + 1)
    assert browser.complaints() == []


def test_a_version_that_cannot_be_loaded_stops_its_experiment_alone(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(planned("v2")), encoding="utf-8")
    plan, said = read_plan(tmp_path), []

    def load(version: str) -> None:
        raise CheckpointError("the files are damaged", where=version)

    left, others, problems = load_others(plan, ServeConfig(), load, said.append)  # type: ignore[arg-type]
    assert (left.experiments, others) == ({}, {})
    assert left.policies == plan.policies
    [problem] = problems
    assert said == problems
    assert (
        problem == "experiment 'ranker' does not run, as a version of it cannot be loaded: the files are damaged"
    )


def test_a_plan_that_names_what_is_not_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    Deployment("deployment")
    given = {"policies": {"books": {"name": "tompson"}}}
    (tmp_path / "deployment" / "config.json").write_text(json.dumps(given), encoding="utf-8")
    assert main(["serve", "port=0", "run=nowhere"]) == 2
    said = capsys.readouterr().err
    assert "did you mean 'thompson'" in said
    assert "config.json" in said
    assert "Traceback" not in said
