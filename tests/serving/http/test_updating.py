"""A server under requests takes up what an update promotes, and what is rolled back, without a failure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from polyscene.serving.deployment import Deployment
from polyscene.testing.runs import host_of
from polyscene.training.reporter import Reporter
from polyscene.updating.back import roll_back
from polyscene.updating.config import LearnConfig, RollbackConfig, UpdateConfig
from polyscene.updating.run import update
from tests.serving.http import served_plugin
from tests.serving.http.server import Server, until
from tests.serving.http.test_swapping import Load

Serve = Callable[..., Server]


def test_a_server_follows_updates_under_load(serve: Serve, runs: tuple[Path, Path]) -> None:
    server = serve(f"run={runs[0]}", "limits.rate=0", "texts=false")
    deployment, host = Deployment(server.deployment), host_of(served_plugin)
    [first] = deployment.versions()
    with server.client() as client:
        # Everybody clicks some of the same dozen books, which the data does not say.
        clicks = [
            {
                "kind": "click",
                "scenario": "books",
                "user": f"u{number % 40:02}",
                "item": f"i{(number + number // 40 * 5) % 12:02}",
            }
            for number in range(240)
        ]
        client.feedback(clicks)
        with Load(server) as load:
            config = UpdateConfig(
                deployment=str(server.deployment),
                budget=1.0,
                budget_in_all=1.0,
                learn=LearnConfig(steps=30, lr=0.05, encoders=True),
                device="cpu",
            )
            outcome = update(config, host, Reporter(host, speaks=False))
            assert outcome.promoted, outcome.updated["books"].decision.reasons
            until(lambda: client.models().serving == outcome.version)
            roll_back(RollbackConfig(str(server.deployment), "to see"))
            until(lambda: client.models().serving == first)
        assert load.failures == []
        assert {first, outcome.version} == set(load.versions)
    actions = [(entry["action"], entry["by"]) for entry in deployment.audit.entries()][-4:]
    assert actions == [
        ("adopt", "polyscene update"),
        ("update", "polyscene update"),
        ("promote", "polyscene update"),
        ("roll back", "polyscene rollback"),
    ]
    assert server.stop() == 0
