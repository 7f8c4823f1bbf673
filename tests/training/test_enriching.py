"""Enrichment: links among users come to the tables, and broken ones are refused with the plugin's name."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from polyscene.data.columns import Category
from polyscene.data.generated import generate
from polyscene.data.scenario import ScenarioConfig
from polyscene.errors import DataError, PluginError
from polyscene.graph.enrichment import Enrichment
from polyscene.registry.contributions import checked_enrichment
from polyscene.training import enriching
from tests.tiny import SHOP, tiny_host

GIVEN = generate(users=6, items=5, interactions=40, seed=0, clusters=2)
BARE = replace(GIVEN, links=None, facts=None)
FIRST, SECOND, *_ = GIVEN.user_ids
LINKS = pd.DataFrame({"user_id": [FIRST, "nobody", SECOND], "friend_id": [SECOND, FIRST, "nobody"]})


class Asked:
    """A host of which one plugin answers."""

    def __init__(self, answer: Enrichment) -> None:
        self.answer = answer

    def call(self, hook: str, check, **given):
        assert hook == "polyscene_enrich"
        return {"lender": check(self.answer)}

    def require(self, names) -> None:
        assert set(names) == {SHOP}


def enriched(answer: Enrichment, tables=BARE) -> enriching.Enriched:
    scenario = tiny_host().scenario(SHOP)
    return enriching.enriched(scenario, {SHOP: tables}, {SHOP: None}, {SHOP: ScenarioConfig()}, Asked(answer))


def test_links_of_known_users_are_added() -> None:
    found = enriched(Enrichment(links=LINKS, note="lent"))
    assert found.tables.links.astype(str).to_numpy().tolist() == [[FIRST, SECOND]]
    assert found.tables.items.equals(BARE.items)
    assert found.gated == ()
    assert found.notes == (f"{SHOP}: lent",)


def test_links_that_are_there_already_are_not_mixed_with_others() -> None:
    with pytest.raises(DataError, match="brings links among users, and there are some already") as caught:
        enriched(Enrichment(links=LINKS), GIVEN)
    assert caught.value.where == "plugin lender"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Enrichment(links=LINKS[["user_id"]]), "links need the columns user_id and friend_id; they have"),
        (Enrichment(item_columns=(Category("mood"),)), "declares columns and brings no frame of items"),
    ],
)
def test_what_is_wrong_with_it_is_said(answer: Enrichment, says: str) -> None:
    with pytest.raises(PluginError, match=says):
        checked_enrichment(answer, BARE)
