"""The parts that the ecommerce plugin brings: encoder, adapter, loss, task."""

from __future__ import annotations

import math
from dataclasses import replace

import pandas as pd
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from polyscene import Column, DataError, TaskContext
from polyscene.registry.components import Registry
from polyscene.tasks import COMPONENTS as TASKS
from polyscene_ecommerce.features import HierarchyConfig, HierarchyEncoder
from polyscene_ecommerce.loss import COMPONENTS as LOSSES
from polyscene_ecommerce.loss import ClassWeightedConfig, ClassWeightedLoss, class_weights
from polyscene_ecommerce.task import PurchaseConfig, PurchaseTask
from tests.plugins.small import FixedCatalogue, context, events, windows

PATHS = pd.Series(["A > B > C", "A > B > C", "A > B > D", "A > E", "", "A > B > unseen", "unseen > B", "A > B"])
TRAINED = [True] * 4 + [False] * 4


def hierarchy() -> HierarchyEncoder:
    torch.manual_seed(0)
    encoder = HierarchyEncoder(HierarchyConfig(), Column("path", encoder="hierarchy"))
    encoder.fit(PATHS, context(TRAINED))
    encoder.bind(PATHS, context(TRAINED))
    return encoder


class TestHierarchy:
    def test_a_level_has_a_vector_if_enough_train_rows_lie_below_it(self):
        assert hierarchy().fitted() == {"levels": ["A", "A > B", "A > B > C"]}

    def test_unknown_and_rare_children_stand_at_their_parent(self):
        encoder = hierarchy()
        out = encoder(torch.arange(len(PATHS)))
        assert out.shape == (8, encoder.out_dim)
        assert torch.equal(out[5], out[7]), "a child that training never saw"
        assert torch.equal(out[2], out[7]), "a child of one train row"
        assert torch.equal(out[4], out[6]), "no path and an unknown department say the same"
        assert torch.equal(out[4], encoder.root_d)
        assert not torch.equal(out[0], out[7])

    def test_the_vector_is_the_sum_of_the_levels(self):
        encoder = hierarchy()
        vector = encoder.level_vectors.weight
        torch.testing.assert_close(encoder(torch.tensor(0)), encoder.root_d + vector[1] + vector[2] + vector[3])


class TestClassWeights:
    repeat = torch.tensor([[1.0, 1, 1, 0], [1, 1, 0, 0]])
    valid = torch.tensor([[True] * 4, [True, True, False, False]])

    def weights(self, **options):
        step = windows(torch.zeros(2, 4, dtype=torch.int64), valid_BT=self.valid, columns={"repeat": self.repeat})
        return class_weights(step, ClassWeightedConfig(**options))

    def test_balanced_classes_have_the_same_total(self):
        weight = self.weights()
        assert weight[self.valid & (self.repeat == 1)].sum().item() == pytest.approx(3)
        assert weight[self.valid & (self.repeat == 0)].sum().item() == pytest.approx(3)
        assert (weight[~self.valid] == 0).all()

    def test_without_balance_only_the_given_weights_count(self):
        weight = self.weights(balance=0.0, weights=(3.0, 1.0))
        assert weight[0, 3] / weight[0, 0] == pytest.approx(3)
        assert weight.sum().item() == pytest.approx(6)

    def test_one_class_alone_is_the_plain_loss(self):
        step = windows(torch.zeros(1, 3, dtype=torch.int64), columns={"repeat": torch.zeros(1, 3)})
        loss, plain = ClassWeightedLoss(ClassWeightedConfig()), ClassWeightedLoss(ClassWeightedConfig(balance=0.0))
        positive, candidates = torch.randn(1, 3), torch.randn(1, 3, 5)
        first = loss(positive, candidates, step, includes_positive=False)
        torch.testing.assert_close(first, plain(positive, candidates, step, includes_positive=False))


# Items 0 and 1 are only ever new, item 2 is only ever repeated.
LOG = events([[0, 2, 2], [1, 2]], 3, columns={"repeat": torch.tensor([0.0, 1, 1, 0, 1])})


def purchase(events=LOG, **options) -> PurchaseTask:
    torch.manual_seed(0)
    return PurchaseTask(PurchaseConfig(**options), TaskContext(4, events, Registry([*LOSSES, *TASKS]), "shop"))


class TestPurchase:
    x = torch.randn(3, 4, generator=torch.Generator().manual_seed(1))
    h = torch.randn(2, 4, generator=torch.Generator().manual_seed(2))
    steps = windows([[0, 2], [1, 2]], columns={"repeat": torch.tensor([[0.0, 1.0], [0.0, 1.0]])})

    def test_starts_at_the_log_share_of_each_kind(self):
        task = purchase()
        nothing = torch.zeros(1, 4)
        new = task.scores(nothing, self.x, torch.arange(3), "new")[0]
        # Smoothed counts among new purchases: 2, 2, 1 of 5; among repeats: 1, 1, 4 of 6.
        torch.testing.assert_close(new - new[2], torch.tensor([math.log(2), math.log(2), 0.0]))
        with torch.no_grad():
            task.kind.weight.zero_()
            task.kind.bias.fill_(100.0)
        repeat = task.scores(nothing, self.x, torch.arange(3), "all")[0]
        torch.testing.assert_close(repeat - repeat[0], torch.tensor([0.0, 0.0, math.log(4)]))

    def test_older_purchases_count_less_with_a_half_life(self):
        log = replace(LOG, time_R=torch.tensor([0, 0, 86_400, 86_400, 86_400]))
        task = purchase(log, popularity_half_life_days=1.0)
        score = task.scores(torch.zeros(1, 4), self.x, torch.arange(3), "new")[0]
        # New purchases: item 0 a day ago (half), item 1 now, item 2 never; one is added to each.
        torch.testing.assert_close(score - score[2], torch.tensor([math.log(1.5), math.log(2), 0.0]))

    def test_views_differ_and_the_mix_lies_between(self):
        task = purchase()
        new, mixed = (task.scores(self.h, self.x, torch.arange(3), view) for view in ("new", "all"))
        with torch.no_grad():
            task.kind.weight.zero_()
            task.kind.bias.fill_(100.0)
        repeat = task.scores(self.h, self.x, torch.arange(3), "all")
        assert ((mixed - new) * (mixed - repeat) <= 1e-6).all()
        assert not torch.allclose(new, repeat)

    def test_scores_of_some_items_are_those_of_all(self):
        task, chosen = purchase(), torch.tensor([2, 0])
        for view in ("new", "all"):
            whole = task.scores(self.h, self.x, torch.arange(3), view)
            torch.testing.assert_close(task.scores(self.h, self.x[chosen], chosen, view), whole[:, chosen])

    def test_the_loss_is_the_class_weighted_cross_entropy_of_the_kinds_own_query(self):
        task = purchase(kind_weight=0.0)
        with torch.no_grad():
            task.query_scale_Kd.normal_()
            task.query_shift_Kd.normal_()
        h_BTd = torch.randn(2, 2, 4)
        loss = task.loss(h_BTd, self.steps, FixedCatalogue(self.x))
        kind = torch.tensor([[0, 1], [0, 1]])
        query = h_BTd * (1 + task.query_scale_Kd[kind]) + task.query_shift_Kd[kind]
        bias_KN = torch.stack([bias.all() for bias in task.popularity_of_kind])
        score = query @ self.x.T * task.scale + bias_KN[kind]
        expected = torch.nn.functional.cross_entropy(score.transpose(1, 2), self.steps.item_BT, reduction="none")
        torch.testing.assert_close(loss, expected)

    def test_a_new_purchase_teaches_the_new_query_only(self):
        task = purchase(kind_weight=0.0)
        loss = task.loss(torch.randn(2, 2, 4), self.steps, FixedCatalogue(self.x))
        loss[0, 0].backward()
        for parameter in (task.query_scale_Kd, task.query_shift_Kd):
            assert parameter.grad[0].abs().sum() > 0
            assert (parameter.grad[1] == 0).all()

    def test_it_learns_which_kind_comes_next(self):
        task = purchase()
        h_BTd = torch.tensor([[[1.0, 0, 0, 0], [-1.0, 0, 0, 0]]] * 2)
        optimizer = torch.optim.Adam(task.parameters(), lr=0.1)
        for _ in range(60):
            optimizer.zero_grad()
            task.loss(h_BTd, self.steps, FixedCatalogue(self.x)).mean().backward()
            optimizer.step()
        chance = torch.sigmoid(task.kind(h_BTd[0])).squeeze(-1)
        assert chance[0] < 0.2
        assert chance[1] > 0.8

    def test_sampled_candidates_work_as_well(self):
        task = purchase(full_softmax_items=1, candidates=64)
        loss = task.loss(torch.randn(2, 2, 4), self.steps, FixedCatalogue(self.x))
        assert loss.shape == (2, 2)
        assert loss.isfinite().all()

    def test_missing_kinds_are_named(self):
        with pytest.raises(DataError, match="event column 'repeat'"):
            purchase(events([[0], [1]], 3))

    def test_it_waits_for_no_device(self):
        task = purchase().to("meta")
        zeros, ones = torch.zeros(2, 3, dtype=torch.int64, device="meta"), torch.ones(2, 3, device="meta")
        with FakeTensorMode(allow_non_fake_inputs=True):
            vectors = torch.randn(3, 4, device="meta")
            steps = windows(zeros, ones, ones.bool(), {"repeat": ones})
            task.loss(torch.randn(2, 3, 4, device="meta"), steps, FixedCatalogue(vectors)).sum().backward()
            assert task.scores(vectors, vectors, torch.arange(3, device="meta"), "all").shape == (3, 3)
