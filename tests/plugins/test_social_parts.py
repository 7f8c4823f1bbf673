"""The parts that the social plugin brings: encoder, adapter, loss, enrichment."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from polyscene import Column, Phase, Routing, SoftmaxLoss, Tables
from polyscene.data.splits import Split
from polyscene_social import polyscene_enrich
from polyscene_social.adapter import KroneckerBank
from polyscene_social.features import FriendsConfig, FriendsEncoder
from polyscene_social.loss import ActivityDebiasedConfig, ActivityDebiasedLoss, activity_weights
from tests.plugins.small import context, pairs, windows

PEOPLE = pd.Series(list("abcde"), name="item_id")
# b knows a, c and d; e is known by nobody. The link c-d is held out.
TRAIN = pairs([("a", "b"), ("b", "a"), ("c", "b"), ("b", "d")])


def social_context(people=PEOPLE):
    return context(
        [True, True, True, True, False][: len(people)], train_interactions=TRAIN, spaces={"people": PEOPLE}
    )


def friends(**options) -> FriendsEncoder:
    torch.manual_seed(0)
    encoder = FriendsEncoder(FriendsConfig(**({"space": "people"} | options)), Column("item_id"))
    encoder.fit(PEOPLE, social_context())
    encoder.bind(PEOPLE, social_context())
    return encoder.eval()


class TestFriends:
    def test_the_mean_of_friends_over_train_links_in_both_directions(self):
        encoder = friends()
        space = encoder.shared["space"]
        vector = {name: space.vector_Md[space.position[name]] for name in PEOPLE}
        out = encoder(torch.arange(5))
        degree = encoder.degree_N.unsqueeze(-1) * encoder.degree_d
        torch.testing.assert_close(out[0], vector["b"] + degree[0])
        torch.testing.assert_close(out[1], (vector["a"] + vector["c"] + vector["d"]) / 3 + degree[1])
        torch.testing.assert_close(out[2], vector["b"] + degree[2])
        assert torch.equal(out[4], encoder.no_friends_d), "nobody's friend"

    def test_a_held_out_link_is_not_read(self):
        encoder = friends()
        space = encoder.shared["space"]
        friends_of_c = set(encoder.friend_NM[2].tolist()) - {0}
        assert friends_of_c == {space.position["b"]}

    def test_of_many_friends_those_with_few_friends_are_kept(self):
        encoder = friends(max_friends=1)
        space = encoder.shared["space"]
        assert encoder.friend_NM.shape == (5, 1)
        assert encoder.friend_NM[1].item() in {space.position[name] for name in "acd"}

    def test_degree_is_standardized_over_people_with_links(self):
        degree = friends().degree_N[:4]
        np.testing.assert_allclose(degree.mean(), 0, atol=1e-6)
        np.testing.assert_allclose(degree.std(correction=0), 1, rtol=1e-5)

    def test_links_are_left_out_in_training_only(self):
        encoder = friends(edge_dropout=0.9)
        still = encoder(torch.arange(5))
        assert torch.equal(encoder(torch.arange(5)), still)
        encoder.train()
        assert not torch.equal(encoder(torch.arange(5)), still)

    def test_shares_the_id_vectors_and_trains_them(self):
        encoder = friends()
        encoder(torch.tensor([1])).sum().backward()
        space = encoder.shared["space"]
        touched = space.vector_Md.grad.abs().sum(dim=1) > 0
        assert {name for name in PEOPLE if touched[space.position[name]]} == {"a", "c", "d"}
        assert all("vector_Md" not in name for name, _ in encoder.named_parameters()), "one name in the checkpoint"


@pytest.mark.parametrize(("d_model", "outer"), [(64, 8), (16, 4), (12, 3), (7, 1)])
def test_kronecker_equals_torch_kron(d_model, outer):
    torch.manual_seed(0)
    bank = KroneckerBank(None, d_model, 2)
    torch.nn.init.normal_(bank.inner_Kbb)
    assert bank.outer_Kaa.shape[1] == outer
    h = torch.randn(3, d_model)
    expected = h + h @ torch.kron(bank.outer_Kaa[1], bank.inner_Kbb[1])
    torch.testing.assert_close(bank(h, Routing(index_N=torch.ones(3, dtype=torch.long))), expected)


class TestActivityWeights:
    item = torch.tensor([[5, 5, 7], [5, 9, 5]])
    valid = torch.tensor([[True, True, True], [True, True, False]])

    def test_weights_by_hand(self):
        weight = activity_weights(windows(self.item, valid_BT=self.valid), 0.5)
        raw = np.array([[3**-0.5, 3**-0.5, 1], [3**-0.5, 1, 0]])
        np.testing.assert_allclose(weight, raw * 5 / raw.sum(), rtol=1e-6)

    def test_power_zero_is_the_plain_loss(self):
        step = windows(self.item)
        positive, candidates = torch.randn(2, 3), torch.randn(2, 3, 5)
        weighted = ActivityDebiasedLoss(ActivityDebiasedConfig(power=0.0))
        plain = SoftmaxLoss(None)(positive, candidates, step, includes_positive=False)
        torch.testing.assert_close(weighted(positive, candidates, step, includes_positive=False), plain)


class TestListening:
    people = Tables(items=pd.DataFrame({"item_id": ["u", "v", "w"]}), interactions=pairs([("u", "v"), ("v", "u")]))
    music = Tables(
        items=pd.DataFrame(
            {"item_id": ["1", "2", "3"], "title": ["ABBA", "Björk", "Can"], "text": ["x", "y", "z"]}
        ),
        interactions=pairs([("u", "1"), ("u", "2"), ("v", "3"), ("x", "1")]).assign(weight=[1.0, 9.0, 5.0, 1.0]),
        value="weight",
    )

    def split(self, *phases):
        return Split(np.array(phases, dtype=np.int8), np.zeros(3, bool), np.zeros(3, bool), "", False, "")

    def enrich(self, scenario="social", **more):
        split = self.split(Phase.TRAIN, Phase.TRAIN, Phase.TEST, Phase.TRAIN)
        arguments = {"tables": self.people, "loaded": {"music": self.music}, "splits": {"music": split}} | more
        return polyscene_enrich(scenario=scenario, **arguments)

    def test_most_played_artists_first_from_train_rows(self):
        found = self.enrich()
        assert found is not None
        assert found.items.to_dict("list") == {"item_id": ["u"], "listening": ["Björk, ABBA"], "artists": ["1|0"]}
        assert [column.name for column in found.item_columns] == ["listening"]

    def test_adds_nothing_elsewhere(self):
        assert self.enrich("video") is None
        assert self.enrich("music") is None
        assert self.enrich(loaded={}, splits={}) is None
        strangers = Tables(
            items=pd.DataFrame({"item_id": ["filmtrust-1", "filmtrust-2"]}),
            interactions=pairs([("filmtrust-1", "filmtrust-2"), ("filmtrust-2", "filmtrust-1")]),
        )
        assert self.enrich(tables=strangers) is None


class TestFriendship:
    music = TestListening.music

    def enrich(self, people: Tables):
        split = Split(
            np.array([Phase.TRAIN, Phase.TRAIN, Phase.TEST], dtype=np.int8),
            np.zeros(3, bool),
            np.zeros(3, bool),
            "",
            False,
            "",
        )
        return polyscene_enrich(
            scenario="music", tables=self.music, loaded={"social": people}, splits={"social": split}
        )

    def people(self, *ties: tuple[str, str]) -> Tables:
        ids = sorted({person for tie in ties for person in tie})
        return Tables(items=pd.DataFrame({"item_id": ids}), interactions=pairs(list(ties)))

    def test_links_of_training_rows_only(self):
        found = self.enrich(self.people(("u", "v"), ("v", "friend"), ("x", "u")))
        assert found is not None
        assert (found.items, found.item_columns) == (None, ())
        assert found.links.to_dict("list") == {"user_id": ["u", "v"], "friend_id": ["v", "friend"]}
        assert found.note == "friends of 3 of 3 listeners, from training rows of social"

    def test_nothing_of_people_who_are_no_listeners(self):
        assert self.enrich(self.people(("f-1", "f-2"), ("f-2", "f-1"), ("f-1", "f-3"))) is None
