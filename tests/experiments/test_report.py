"""Reports and estimates from a log, as the commands print them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from polyscene.cli.app import main
from polyscene.errors import ConfigError, ExperimentError
from polyscene.experiments.course import course
from polyscene.experiments.outcomes import Outcomes, Tally, UserOutcome, read_outcomes
from polyscene.experiments.report import Guardrail, Report, make_report
from polyscene.feedback import FeedbackLog, Impression, Reaction, open_log
from tests.browser import Browser
from tests.report.drawn import specs

EVEN = {"control": 0.5, "new": 0.5}


def outcomes(rates: dict[str, float], users: int = 2000, skips: dict[str, float] | None = None) -> Outcomes:
    generator = np.random.default_rng(0)
    found = {}
    for arm, rate in rates.items():
        for number in range(users):
            clicks = int(generator.binomial(5, rate))
            skipped = int(generator.binomial(5, (skips or {}).get(arm, 0.1)))
            found[f"{arm}-{number}"] = UserOutcome(arm, 0.0, 5, {"click": clicks, "skip": skipped})
    return Outcomes(found, now=100.0, window=10.0)


def decided(report: Report) -> str:
    return report.arms[1].decision


def test_decisions() -> None:
    assert decided(make_report(outcomes({"control": 0.1, "new": 0.15}), EVEN)) == "better"
    assert decided(make_report(outcomes({"control": 0.15, "new": 0.1}), EVEN)) == "worse"
    assert decided(make_report(outcomes({"control": 0.1, "new": 0.1}), EVEN)) == "keep looking"
    assert decided(make_report(outcomes({"control": 0.1, "new": 0.15}), {"control": 0.7, "new": 0.3})).startswith(
        "inv"
    )
    better = outcomes({"control": 0.1, "new": 0.2}, skips={"control": 0.1, "new": 0.3})
    assert decided(make_report(better, EVEN, guardrails=[Guardrail("skip", 0.05)])) == "stopped by guardrail"
    assert decided(make_report(better, EVEN, guardrails=[Guardrail("skip", 0.3)])) == "better"
    assert decided(make_report(better, EVEN, reward="skip")) == "worse"
    fallen = outcomes({"control": 0.2, "new": 0.1})
    assert decided(make_report(fallen, EVEN, guardrails=[Guardrail("click", 0.05)])) == "stopped by guardrail"
    assert decided(make_report(fallen, EVEN, guardrails=[Guardrail("click", 0.2)])) == "worse"


def test_too_few_users_or_reactions_decide_nothing() -> None:
    assert decided(make_report(outcomes({"control": 0.1, "new": 0.9}, users=99), EVEN)) == "keep looking"
    assert decided(make_report(outcomes({"control": 0.0, "new": 0.9}, users=500), EVEN)) == "keep looking"


def test_more_comparisons_make_wider_intervals() -> None:
    one = make_report(outcomes({"control": 0.1, "new": 0.15}), EVEN)
    three = {"control": 1 / 3, "new": 1 / 3, "other": 1 / 3}
    both = make_report(outcomes({"control": 0.1, "new": 0.15, "other": 0.1}), three)
    assert both.arms[1].changes["click"].low < one.arms[1].changes["click"].low


def test_users_in_several_arms_are_left_out_and_many_make_it_invalid() -> None:
    found = outcomes({"control": 0.1, "new": 0.15})
    for number in range(30):
        found.users[f"new-{number}"].moved = True
    report = make_report(found, EVEN)
    assert (report.moved, report.arms[1].counted, report.arms[1].users) == (30, 1970, 2000)
    assert decided(report) == "better"
    for number in range(60):
        found.users[f"new-{number}"].moved = True
    assert decided(make_report(found, EVEN)) == "invalid by sample ratio"


def test_what_cannot_be_compared_is_named() -> None:
    with pytest.raises(ConfigError) as caught:
        make_report(outcomes({"control": 0.1, "new": 0.1}, users=5), {"control": 1.0}, reward="clik", level=0.9)
    assert all(
        word in str(caught.value) for word in ("'new'", "did you mean 'click'", "0.9", "nothing to compare")
    )


def shown(number: int, user: str, arm: str, time: float, **more) -> Impression:
    more = {"experiment": "ranker", "propensities": (0.5, 0.25), **more}
    return Impression(f"i{number}", time, "video", user, ("a", "b"), (1.0, 0.5), "v1", "epsilon", arm=arm, **more)


def clicked(number: int, user: str, time: float, item: str = "a", kind="click") -> Reaction:
    return Reaction(f"r{number}-{item}-{kind}-{time}", time, "video", user, item, kind, impression=f"i{number}")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of 240 users, of whom those in the arm ``new`` click much more."""
    path = tmp_path_factory.mktemp("log") / "feedback.db"
    generator = np.random.default_rng(0)
    log = open_log(str(path))
    events = []
    for number in range(240):
        user, arm = f"u{number}", ("control", "new")[number % 2]
        events.append(shown(number, user, arm, 1000.0 + number))
        if generator.random() < (0.3, 0.8)[number % 2]:
            events.append(clicked(number, user, 1005.0 + number))
    log.append(events)
    log.close()
    return path


def test_users_count_when_their_window_is_over(tmp_path: Path) -> None:
    log: FeedbackLog = open_log(str(tmp_path / "log.db"))
    log.append(
        [
            clicked(1, "ann", 102.0),  # before its list, as a queue may have it
            shown(1, "ann", "new", 100.0),
            clicked(1, "ann", 103.0, "b"),  # the list has its click already
            shown(2, "ann", "new", 105.0),
            clicked(2, "ann", 111.0),  # after ann's window
            shown(3, "ann", "new", 112.0),
            shown(4, "ben", "control", 101.0),
            shown(5, "ben", "new", 103.0),
            shown(6, "eve", "control", 115.0),
            shown(7, "zoe", "control", 100.0, experiment="page"),
        ]
    )
    found = read_outcomes(log, "ranker", window=10)
    ann = found.users["ann"]
    assert (ann.lists, ann.rewards, ann.rate("click")) == (2, {"click": 1}, 0.5)
    assert found.users["ben"].moved
    assert [len(found.counted(arm)) for arm in ("control", "new")] == [0, 1]
    with pytest.raises(ExperimentError, match="did you mean 'page'"):
        read_outcomes(log, "pages", window=10)
    log.close()


def test_a_tally_goes_on_where_it_was(place: Path) -> None:
    log = open_log(str(place))
    whole, tally, middle = read_outcomes(log, "ranker", 10), Tally("ranker", 10, early=5), log.last() // 2
    for start, end in ((0, middle), (middle, log.last())):
        for batch in log.read(start, until=end):
            for logged in batch:
                tally.add(logged.event)
        found = tally.outcomes()
    log.close()
    assert found == whole
    assert tally.outcomes() == whole


def test_the_course_leads_to_the_report() -> None:
    found = outcomes({"control": 0.1, "new": 0.15}, users=500)
    for number, user in enumerate(found.users.values()):
        user.first = float(number % 500)
    late = Outcomes(found.users, now=600.0, window=10.0)
    report = make_report(late, EVEN)
    looks = course(late, report, "new", looks=20)
    assert len(looks) == 20
    assert (looks[-1].users, looks[-1].change) == (1000, report.arms[1].changes["click"])
    assert [look.time for look in looks] == sorted(look.time for look in looks)
    middle = looks[9]
    then = make_report(Outcomes(found.users, now=middle.time, window=10.0), EVEN)
    assert middle.change == then.arms[1].changes["click"]
    assert looks[0].change.high == float("inf")


def test_the_command_reports(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["experiment", "report", "ranker", "--log", str(place), "--window", "10s"]
    assert main([*command, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [(arm["arm"], arm["users"]) for arm in report["arms"]] == [("control", 120), ("new", 120)]
    assert main([*command, "--guardrail", "purchase=0.1"]) == 0
    printed = capsys.readouterr().out
    assert all(word in printed for word in ("better", "control", "Sample ratio", "Guardrail: purchase"))
    for wrong in (["--window", "1"], ["--arms", "control=0.5"], ["--guardrail", "click"], ["--control", "newer"]):
        assert main([*command[:5], *wrong]) == 2
        assert "Traceback" not in capsys.readouterr().err


def test_the_command_knows_the_plan_and_writes_a_page(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arms = {"control": {"weight": 2}, "new": {"weight": 2}}
    spec = {"arms": arms, "window": "10s", "reward": "purchase", "guardrails": {"click": 0.01}}
    (tmp_path / "config.json").write_text(json.dumps({"experiments": {"ranker": spec}}), encoding="utf-8")
    command = ["experiment", "report", "ranker", "--deployment", str(tmp_path), "--log", str(place)]
    assert main([*command, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["reward"], list(report["arms"][1]["changes"])) == ("purchase", ["purchase", "click"])
    assert main([*command, "--reward", "click", "--page", str(tmp_path / "page")]) == 0
    assert "Guardrail: click may not get worse by more than 0.01." in capsys.readouterr().out
    text = (tmp_path / "page" / "report.html").read_text(encoding="utf-8")
    assert "<h1>ranker</h1>" in text
    [drawn] = specs(text).values()
    points = drawn["data"]["values"]
    assert main([*command, "--reward", "click", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["arms"]
    change = found[1]["changes"]["click"]
    assert points[-1]["x"] == sum(arm["counted"] for arm in found) < 240
    assert points[-1]["y"] == pytest.approx(change["estimate"], abs=1e-4)
    assert (points[-1]["low"], points[-1]["high"]) == pytest.approx((change["low"], change["high"]), abs=1e-4)
    assert change["low"] > 0
    assert "better" in text


def test_the_page_is_drawn_and_refers_to_nothing_outside(place: Path, tmp_path: Path, browser: Browser) -> None:
    command = ["experiment", "report", "ranker", "--log", str(place), "--window", "10s"]
    assert main([*command, "--page", str(tmp_path)]) == 0
    browser.open(tmp_path / "report.html")
    assert browser.run("return document.querySelectorAll('figure.chart svg').length") == 1
    assert browser.run("return document.querySelectorAll('tbody tr').length") == 2
    assert browser.requests() == []
    assert browser.complaints() == []


def test_the_command_estimates(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generator = np.random.default_rng(1)
    # As if half of the lists had been exchanged at random: weights of 1 on average.
    chances = [(0.5, 0.25) if generator.random() < 0.5 else (0.4, 0.2) for _ in range(240)]
    lines = [{"event_id": f"i{n}", "propensities": [1.1 * one for one in each]} for n, each in enumerate(chances)]
    targets = tmp_path / "targets.jsonl"
    targets.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    command = ["experiment", "estimate", str(targets), "--log", str(place)]
    assert main([*command, "--json"]) == 0
    found = {one["method"]: one for one in json.loads(capsys.readouterr().out)}
    assert found.keys() == {"logged", "ips", "snips"}
    assert 0.3 < found["logged"]["value"] < 0.8
    assert main([*command, "--places", "1", "--clip", "1"]) == 0
    assert "240 lists" in capsys.readouterr().out
    assert main([*command, "--reward", "clik"]) == 2
    assert "did you mean 'click'" in capsys.readouterr().err


def test_lists_without_propensities_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = open_log(str(tmp_path / "log.db"))
    log.append([shown(1, "ann", "new", 100.0, propensities=None), shown(2, "ann", "new", 101.0)])
    log.close()
    for event_id, count, message in (
        ("i1", 2, "1 of 1 lists have no propensities"),
        ("i2", 1, "has 2 items"),
        ("x", 2, "none of"),
    ):
        targets = tmp_path / "targets.jsonl"
        targets.write_text(json.dumps({"event_id": event_id, "propensities": [0.5] * count}), encoding="utf-8")
        assert main(["experiment", "estimate", str(targets), "--log", str(tmp_path / "log.db")]) == 2
        assert message in " ".join(capsys.readouterr().err.split())
