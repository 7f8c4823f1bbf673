"""Judged rows: figures of each domain and of all rows together, against a count of pairs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from polyscene.evaluation.clicks import (
    Judged,
    evaluate_clicks,
    evaluate_clicks_of_all_domains,
    ranked,
    validation_auc,
)
from tests.domains import AGES, domain_model


def pairwise_auc(score: np.ndarray, label: np.ndarray) -> float:
    """The chance that a positive scores above a negative, counted pair by pair; ties are worth half."""
    positive, negative = score[label][:, None], score[~label][None, :]
    return float((positive > negative).mean() + 0.5 * (positive == negative).mean())


def test_auc_over_all_compares_rows_of_different_domains() -> None:
    model, loaded, session = domain_model("adapter=bottleneck", shown={"domains": AGES})
    with torch.no_grad():
        model.main_task("shown-young").bias_N.add_(torch.randn(24))  # type: ignore[union-attr, operator]
        assert model.pair_bank is not None
        for parameter in model.pair_bank.parameters():
            parameter.add_(torch.randn_like(parameter))
    model.eval()
    subjects = {name: session.subject(name, one) for name, one in loaded.scenarios.items()}
    lengths = dict.fromkeys(subjects, 1)
    parts: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for name, subject in subjects.items():
        user, row = subject.events.rows([3])  # type: ignore[list-item]
        item_M = subject.events.item_R[torch.from_numpy(row)].long()
        catalogue = model.catalogue(name)
        h_Md = model.users[name](torch.from_numpy(user))
        h_Md = model._adapted({name: h_Md}, {name: h_Md})[name]
        task = model.main_task(name)
        score = model.pair_logits(name, task, h_Md, catalogue.take(item_M), item_M)  # type: ignore[arg-type]
        parts[name] = score.detach().numpy(), subject.events.value_R[torch.from_numpy(row)].numpy() > 0.5
    with torch.inference_mode():
        rows = [row for name in subjects for row in evaluate_clicks(model, subjects[name], 1, "joint", 0)]
        together = evaluate_clicks_of_all_domains(model, subjects, lengths, "joint", 0)
        steering = validation_auc(model, subjects, lengths)
    found = {
        row["scenario"]: row["value"]
        for row in rows + together
        if row["metric"] == "auc" and row["method"] == "joint"
    }
    for name, (score, label) in parts.items():
        assert found[name] == pytest.approx(pairwise_auc(score, label), abs=1e-6)
    score, label = (np.concatenate(column) for column in zip(*parts.values(), strict=True))
    assert found["shown"] == pytest.approx(pairwise_auc(score, label), abs=1e-6)
    assert found["shown"] != pytest.approx(np.mean([found[name] for name in parts]), abs=1e-4)
    assert steering.keys() == subjects.keys()


def test_joined_rows_keep_their_order() -> None:
    yes, no = torch.tensor([True]), torch.tensor([False])
    one, two = (
        Judged(torch.tensor([logit]), label, torch.tensor([user]), torch.tensor([0]), yes, *torch.rand(2, 1))
        for logit, label, user in ((1.0, yes, 4), (2.0, no, 5))
    )
    joined = Judged.join([one, two])
    assert joined.logit_M.tolist() == [1.0, 2.0]
    assert joined.user_M.tolist() == [4, 5]


def test_rows_of_a_user_are_ranked_among_themselves() -> None:
    label = torch.tensor([False, True, True, False])
    logit, user = torch.tensor([0.5, 2.0, -1.0, 3.0]), torch.tensor([7, 7, 7, 2])
    item, none = torch.tensor([10, 11, 12, 13]), torch.zeros(4)
    found = ranked(Judged(logit, label, user, item, label, none, none))
    assert found.top_BK[:, :4].tolist() == [[11, 10, 12, -1], [13, -1, -1, -1]]
    assert (found.row_M.tolist(), found.item_M.tolist(), found.rank_M.tolist()) == ([0, 0], [11, 12], [1, 3])
    assert found.candidates_B.tolist() == [3, 1]
