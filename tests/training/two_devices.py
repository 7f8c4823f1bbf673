"""A training on two processes; each one notes the weights that it sees at every validation."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

# Started as a script, by Fabric for the second process too, so the tests are not on the path.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from polyscene.training import fit
from polyscene.training import run as run_module
from polyscene.training.checkpoint import unique_state
from tests.tiny import THREE, tiny_config, tiny_host
from tests.training.balancers_two_devices import balanced_steps


def forbidden(*_: object) -> None:
    raise AssertionError("only the first process may make a directory: names of new ones hold the time")


def main(folder: Path) -> None:
    rank = os.environ.get("LOCAL_RANK", "0")
    if rank != "0":
        run_module.open_run = forbidden
    seen: list[str] = []
    validate = fit.Fitting._validate

    def noting(self: fit.Fitting, *arguments: object) -> None:
        digest = hashlib.sha256()
        for tensor in unique_state(self.model).values():
            digest.update(tensor.detach().numpy().tobytes())
        seen.append(digest.hexdigest())
        validate(self, *arguments)

    fit.Fitting._validate = noting
    # The joint model averages its gradients by itself then, the single ones leave it to DDP.
    few = ("trainer.steps=4", "trainer.eval_every=2", "controls=[single,popularity]", "balancer=pcgrad")
    config = tiny_config("", THREE, "trainer.devices=2", *few)
    config.run.root = str(folder / "runs")
    run = run_module.train(config, tiny_host())
    (folder / f"rank{rank}.json").write_text(json.dumps({"run": str(run), "weights": seen}))
    balanced_steps(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
