"""The parts that the music plugin brings: encoder, adapter, loss."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch

from polyscene import Column, DataError, Routing, SoftmaxLoss, Tables
from polyscene_music.adapter import RotationBank, RotationConfig
from polyscene_music.features import TagProfileConfig, TagProfileEncoder, tag_counts
from polyscene_music.loss import ListenerConfidenceConfig, ListenerConfidenceLoss, listener_confidence
from tests.plugins.small import context, pairs, windows

# Of u's two artists a is trained and b is held out; v listens to a only; nobody's listening holds c.
LISTENING = pairs([("u", "a"), ("u", "b"), ("v", "a")])
TRAIN = LISTENING.drop(1)
ASSIGNED = pairs(
    [
        ("u", "a", "rock"),
        ("v", "a", "rock"),
        ("v", "a", "rock"),  # said twice by one listener
        ("u", "b", "secret"),  # a held-out pair
        ("v", "b", "jazz"),  # v is not known to listen to b
        ("v", "c", "jazz"),
        ("v", "c", "rock"),
        ("v", "a", "unique"),
    ],
    ("user_id", "item_id", "tag"),
)
ITEMS = pd.DataFrame({"item_id": ["a", "b", "c", "d"], "text": ["", "", "", ""]})


def music_context(assigned=ASSIGNED):
    tables = Tables(items=ITEMS, interactions=LISTENING, extra={"tag_assignments": assigned})
    return context([True, False, False, False], train_interactions=TRAIN, tables=tables)


def profile(**options) -> TagProfileEncoder:
    torch.manual_seed(0)
    encoder = TagProfileEncoder(TagProfileConfig(**({"min_items": 1} | options)), Column("item_id"))
    encoder.fit(ITEMS["item_id"], music_context())
    encoder.bind(ITEMS["item_id"], music_context())
    return encoder


class TestTagProfile:
    def test_tags_of_held_out_pairs_are_unknown(self):
        for scope in ("not_held_out", "train"):
            counts = tag_counts(music_context(), scope)
            assert "secret" not in set(counts["tag"]), scope
            assert "secret" not in profile(pairs=scope).tags

    def test_train_keeps_no_tag_of_artists_that_training_never_saw(self):
        assert set(tag_counts(music_context(), "train")["item_id"]) == {"a"}
        assert set(tag_counts(music_context(), "not_held_out")["item_id"]) == {"a", "b", "c"}

    def test_counts_listeners_once(self):
        counts = tag_counts(music_context(), "not_held_out").set_index(["item_id", "tag"])["listeners"]
        assert counts["a", "rock"] == 2
        assert counts["c", "rock"] == 1

    def test_weights_by_hand(self):
        encoder = profile()
        assert encoder.tags == ["jazz", "rock", "unique"]
        # Three artists carry tags: jazz and rock are on two of them, unique on one.
        rock, unique = math.log(3) * (1 + math.log(4 / 3)), math.log(2) * (1 + math.log(4 / 2))
        row = dict(zip(encoder.tag_NM[0].tolist(), encoder.weight_NM[0].tolist(), strict=True))
        norm = math.hypot(rock, unique)
        assert row == pytest.approx({1: rock / norm, 2: unique / norm})

    def test_only_the_heaviest_tags_are_kept(self):
        encoder = profile(tags_per_item=1)
        assert encoder.tag_NM.shape == (4, 1)
        assert encoder.tag_NM[0].item() == encoder.tags.index("rock")

    def test_the_output_is_the_weighted_sum_of_tag_vectors(self):
        encoder = profile()
        out = encoder(torch.arange(4))
        text_Td = encoder.projection(music_context().embed_texts(encoder.tags))
        tag_Td = text_Td + encoder.own_Td
        expected = (encoder.weight_NM[0].unsqueeze(-1) * tag_Td[encoder.tag_NM[0].long()]).sum(0)
        torch.testing.assert_close(out[0], expected)
        assert torch.equal(out[3], encoder.no_tags_d), "an artist without tags"

    def test_no_tag_at_all(self):
        encoder = TagProfileEncoder(TagProfileConfig(min_items=99), Column("item_id"))
        encoder.fit(ITEMS["item_id"], music_context())
        encoder.bind(ITEMS["item_id"], music_context())
        assert torch.equal(encoder(torch.arange(4)), encoder.no_tags_d.expand(4, -1))

    def test_tables_without_assignments_are_named(self):
        encoder = TagProfileEncoder(TagProfileConfig(), Column("item_id"))
        tables = Tables(items=ITEMS, interactions=LISTENING)
        with pytest.raises(DataError, match="tag_assignments"):
            encoder.fit(ITEMS["item_id"], context([True] * 4, train_interactions=TRAIN, tables=tables))


class TestRotation:
    def bank(self) -> RotationBank:
        torch.manual_seed(0)
        bank = RotationBank(RotationConfig(), 16, 3)
        torch.nn.init.normal_(bank.second_Kdr)
        return bank

    def turns(self, bank: RotationBank) -> torch.Tensor:
        """The matrices ``Q_k``: what becomes of the unit vectors."""
        return torch.stack([bank(torch.eye(16), Routing(index_N=torch.full((16,), k))) for k in range(3)])

    def test_matrices_are_rotations(self):
        turn_Kdd = self.turns(self.bank())
        identity = torch.eye(16).expand(3, -1, -1)
        torch.testing.assert_close(turn_Kdd @ turn_Kdd.transpose(1, 2), identity, atol=1e-5, rtol=0)
        torch.testing.assert_close(torch.linalg.det(turn_Kdd), torch.ones(3))

    def test_equals_the_cayley_formula(self):
        bank = self.bank()
        skew = bank.first_Kdr[0] @ bank.second_Kdr[0].T
        skew = skew - skew.T
        expected = (torch.eye(16) - skew) @ torch.linalg.inv(torch.eye(16) + skew)
        torch.testing.assert_close(self.turns(bank)[0], expected, atol=1e-4, rtol=1e-4)

    def test_works_under_bfloat16_autocast(self):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            out = self.bank()(torch.randn(4, 16), Routing(index_N=torch.arange(4) % 3))
        assert out.isfinite().all()


class TestListenerConfidence:
    plays = torch.tensor([[0.0, 9.0, 99.0], [5000.0, 5000.0, 1.0]])
    valid = torch.tensor([[True, True, True], [True, True, False]])

    def test_weights_by_hand(self):
        weight = listener_confidence(windows(torch.zeros(2, 3).long(), self.plays, self.valid), alpha=1.0)
        confidence = 1 + np.log1p([0, 9, 99])
        np.testing.assert_allclose(weight[0], confidence / confidence.mean(), rtol=1e-6)
        np.testing.assert_allclose(weight[1], [1, 1, 0], rtol=1e-6)

    def test_alpha_zero_is_the_plain_loss(self):
        step = windows(torch.zeros(2, 3).long(), self.plays)
        positive, candidates = torch.randn(2, 3), torch.randn(2, 3, 5)
        weighted = ListenerConfidenceLoss(ListenerConfidenceConfig(alpha=0.0))
        plain = SoftmaxLoss(None)(positive, candidates, step, includes_positive=True)
        torch.testing.assert_close(weighted(positive, candidates, step, includes_positive=True), plain)
