"""Plans: who chooses what is shown, by policies and experiments, as a deployment's ``config.json`` says it."""

from polyscene.experiments.plan.plan import NONE, Plan, Side
from polyscene.experiments.plan.reading import FILE, check_scenarios, read_plan
from polyscene.experiments.plan.specs import ArmSpec, ExperimentSpec, PolicySpec

__all__ = [
    "FILE",
    "NONE",
    "ArmSpec",
    "ExperimentSpec",
    "Plan",
    "PolicySpec",
    "Side",
    "check_scenarios",
    "read_plan",
]
