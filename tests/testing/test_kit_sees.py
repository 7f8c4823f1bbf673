"""The kit itself: each of its checks fails on a part that is broken in the way that it is there to find."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch import nn

from polyscene.adapters.gate import Gate, GateConfig
from polyscene.data.columns import Category
from polyscene.data.tables import Tables
from polyscene.evaluation.metrics.components import CutConfig, Recall
from polyscene.features.category import CategoryEncoder, CategoryEncoderConfig
from polyscene.registry.components import Component
from polyscene.sequence.mean import MeanPooling
from polyscene.tasks.losses import SoftmaxLoss
from polyscene.testing import SourceSuite, suite_of
from polyscene.training.balancers.mean import MeanBalancer


class Batchwise(Gate):
    """Statistics of the batch in eval mode."""

    def forward(self, h_Nd, routing):
        return super().forward(h_Nd, routing) - h_Nd.mean(0) + h_Nd.mean(0).detach().roll(1)


class Leaking(Gate):
    """Every row moves the weights of all scenarios."""

    def forward(self, h_Nd, routing):
        return super().forward(h_Nd, routing) + 1e-3 * self.weight_Kd.sum(0)


class Counting(Gate):
    """Moves state in eval mode, and keeps it out of checkpoints."""

    calls = 0

    def forward(self, h_Nd, routing):
        self.calls += 1
        return super().forward(h_Nd, routing) * self.calls


class Apart(Gate):
    """Starts as another function for each scenario."""

    def __init__(self, config, d_model, n_scenarios):
        super().__init__(config, d_model, n_scenarios)
        self.weight_Kd = nn.Parameter(torch.randn(n_scenarios, d_model))


class Waiting(Gate):
    """Asks the device for a value."""

    def forward(self, h_Nd, routing):
        return super().forward(h_Nd, routing) * (1.0 if h_Nd.sum().item() > -1e9 else 0.0)


class Peeking(CategoryEncoder):
    """Learns from all rows."""

    def fit(self, values, context):
        context.train_rows[:] = True
        super().fit(values, context)


class Forgetful(CategoryEncoder):
    """Returns nothing of what it learned besides parameters."""

    def fitted(self) -> dict[str, Any]:
        return {name: type(value)() for name, value in super().fitted().items()}


class Saving(CategoryEncoder):
    """Puts rows into the checkpoint."""

    def register_rows(self, name, rows):
        self.register_buffer(name, rows)


class Upside(SoftmaxLoss):
    """Rewards what did not happen."""

    def forward(self, *inputs, **options):
        return -super().forward(*inputs, **options)


class Padding(SoftmaxLoss):
    """Weighs by a mean over padded steps as well."""

    def forward(self, positive_BT, candidates_BTC, windows, *, includes_positive):
        loss_BT = super().forward(positive_BT, candidates_BTC, windows, includes_positive=includes_positive)
        return loss_BT * windows.value_BT / windows.value_BT.mean()


class Masked(SoftmaxLoss):
    """Averages over candidates that do not count."""

    def forward(self, positive_BT, candidates_BTC, windows, *, includes_positive):
        return (candidates_BTC.clamp(min=-9) - positive_BT.unsqueeze(-1)).exp().mean(-1)


class Unlearning(MeanBalancer):
    """Gives a scenario a negative weight."""

    def forward(self, losses: Mapping[str, torch.Tensor]):
        first, *others = losses.values()
        return sum(others, -first)


class Remembering(MeanBalancer):
    """Remembers in a plain attribute."""

    steps = 0

    def forward(self, losses):
        self.steps += 1
        return super().forward(losses) * self.steps


class Ahead(MeanPooling):
    """Sees the whole window in every state."""

    def forward(self, x_BTd, start_Bd, ordered_B):
        return super().forward(x_BTd, start_Bd, ordered_B) + x_BTd.sum(1, keepdim=True)


class Generous(Recall):
    """Gives lists without targets a full score."""

    def values(self, ranking, events):
        return super().values(ranking, events).nan_to_num(1.0)


class Backwards(Recall):
    """Is worth more the worse the list."""

    def values(self, ranking, events):
        return -super().values(ranking, events)


ADAPTER = ("adapter", GateConfig)
ENCODER = ("encoder", CategoryEncoderConfig)
BROKEN = [
    (Batchwise, ADAPTER, "a_row_does_not_depend_on_the_other_rows"),
    (Leaking, ADAPTER, "other_scenarios_get_a_gradient_of_exactly_zero", "index", 2),
    (Leaking, ADAPTER, "growth_leaves_the_others_bit_equal", "index", 2),
    (Counting, ADAPTER, "eval_moves_no_state_and_is_repeatable"),
    (Counting, ADAPTER, "a_step_of_training_leaves_a_state_that_a_checkpoint_holds", Path),
    (Apart, ADAPTER, "starts_as_one_function_for_all_scenarios"),
    (Waiting, ADAPTER, "a_step_waits_for_no_device", "index"),
    (Peeking, ENCODER, "rows_outside_training_teach_nothing"),
    (Forgetful, ENCODER, "round_trip_is_bit_equal", Path),
    (Saving, ENCODER, "rows_stay_out_of_the_checkpoint"),
    (Upside, ("loss", None), "a_higher_score_of_what_happened_lowers_the_loss", True),
    (Upside, ("loss", None), "a_higher_score_of_another_candidate_never_lowers_it", False),
    (Padding, ("loss", None), "padded_steps_change_nothing", False),
    (Masked, ("loss", None), "masked_candidates_do_not_count"),
    (Unlearning, ("balancer", None), "every_scenario_counts_and_none_is_unlearned", (1.0, 5.0, 3.0)),
    (Remembering, ("balancer", None), "training_goes_on_where_it_stopped", Path),
    (Ahead, ("sequence", None), "a_state_depends_on_earlier_steps_only", 1),
    (Generous, ("metric", CutConfig), "who_asks_for_nothing_does_not_count"),
    (Backwards, ("metric", CutConfig), "targets_in_front_are_worth_more"),
]


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: f"{case[0].__name__}-{case[2]}")
def test_a_broken_part_is_seen(case: tuple[Any, ...], tmp_path: Path) -> None:
    build, (kind, config), test, *arguments = case
    more = {"column": Category("brand")} if kind == "encoder" else {}
    suite = suite_of(Component(kind, "broken", build, config), **more)()
    check: Callable[..., None] = getattr(suite, f"test_{test}")
    with pytest.raises(Exception, match=r"\w") as caught:
        check(*(tmp_path if one is Path else one for one in arguments))
    assert isinstance(caught.value, AssertionError | RuntimeError) or test.endswith("device"), repr(caught.value)


class Careless(SourceSuite):
    def write(self, folder: Path) -> None:
        (folder / "plays.csv").write_text("user_id,item_id\na,x\nb,y\n", encoding="utf-8")

    def load(self, folder: Path) -> Tables:
        plays = pd.read_csv(folder / "plays.csv")
        return Tables(items=pd.DataFrame({"item_id": ["x", "y"]}), interactions=plays)


def test_a_careless_source_is_seen(tmp_path: Path) -> None:
    suite = Careless()
    suite.write(tmp_path)
    for check in (
        suite.test_it_says_where_the_data_comes_from,
        suite.test_a_missing_file_is_named,
        lambda folder: suite.test_a_damaged_file_is_a_message_and_no_traceback(folder, "without bytes"),
    ):
        with pytest.raises(AssertionError, match=r"Tables\(sources|instead of a message"):
            check(tmp_path)
        suite.write(tmp_path)
