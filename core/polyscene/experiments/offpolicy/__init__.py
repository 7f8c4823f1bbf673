"""Off-policy estimates: what another policy would have brought, from the log of the one that was followed."""

from polyscene.experiments.offpolicy.estimate import Estimate, estimate_policy
from polyscene.experiments.offpolicy.target import Target, read_targets
from polyscene.experiments.offpolicy.trials import Trials, read_trials

__all__ = ["Estimate", "Target", "Trials", "estimate_policy", "read_targets", "read_trials"]
