"""Variants of texts: seeded, each encoded once, drawn in training, never read in evaluation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from polyscene.data.columns import Text
from polyscene.errors import ConfigError
from polyscene.features.augment import text_variants
from polyscene.features.encoder import FitContext, SharedModules
from polyscene.features.text import TextEncoder, TextEncoderConfig

TEXTS = [f"The film number{n}, a slow story of jazz and rain in town{n}" for n in range(200)]
LIKE = {"film": ["movie"], "slow": ["quiet", "calm"]}


def variants(texts: Sequence[str] = TEXTS, **options: float) -> list[list[str]]:
    given = {"count": 3, "drop": 0.2, "swap": 0.5, "seed": 0, **options}
    return text_variants(texts, synonyms=lambda words: {word: LIKE.get(word, []) for word in words}, **given)


def test_words_are_left_out_and_replaced_as_often_as_asked() -> None:
    found = [variant.split() for one in variants() for variant in one]
    words = len(TEXTS[0].split())
    assert sum(map(len, found)) / len(found) / words == pytest.approx(0.8, abs=0.02)
    kept = sum("film" in one or "movie" in one for one in found)
    assert sum("movie" in one for one in found) / kept == pytest.approx(0.5, abs=0.06)
    assert {word for one in found for word in one} & {"quiet", "calm"} == {"quiet", "calm"}


def test_a_word_stays_and_so_do_signs_and_capitals() -> None:
    [[only]] = text_variants(["word"], 1, drop=0.99, swap=0.0, synonyms=None, seed=0)
    assert only == "word"
    [[changed]] = text_variants(["(Film),"], 1, drop=0.0, swap=0.999, synonyms=lambda _: LIKE, seed=0)
    assert changed == "(Movie),"
    assert text_variants([""], 2, drop=0.1, swap=0.1, synonyms=None, seed=0) == [["", ""]]


def test_a_texts_variants_do_not_depend_on_the_others() -> None:
    assert variants(TEXTS[5:6]) == variants()[5:6]
    assert variants(TEXTS[5:6], seed=1) != variants()[5:6]


class Texts:
    """Vectors that say which text they are of."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def embed(self, texts: Sequence[str]) -> Tensor:
        assert len(set(texts)) == len(texts), "a text goes through the backbone twice"
        start = len(self.seen)
        self.seen += texts
        return torch.arange(start, start + len(texts)).float().unsqueeze(1).expand(-1, 4).contiguous()


def context(texts: Texts, rows: int, trained: int) -> FitContext:
    train_rows = np.arange(rows) < trained
    return FitContext(4, train_rows, SharedModules(), texts.embed, 4, owner="shop/items")


def encoder(texts: Texts, column: list[str], trained: int, **options: float) -> TextEncoder:
    """An encoder whose output is the number of the text that was read."""
    config = TextEncoderConfig(own_projection=True, **options)
    made = TextEncoder(config, Text("text"))
    about = context(texts, len(column), trained)
    made.fit(pd.Series(column), about)
    torch.nn.init.eye_(made.projection.weight)
    torch.nn.init.zeros_(made.projection.bias)
    made.bind(pd.Series(column), about)
    return made


def test_training_draws_from_all_versions_and_evaluation_reads_the_text() -> None:
    texts = Texts()
    made = encoder(texts, [TEXTS[0], TEXTS[1], ""], 2, variants=3, drop=0.4)
    row = torch.tensor([0, 1] * 200)
    drawn = made.train()(row)[:, 0].long()
    for item in (0, 1):
        read = [texts.seen[n] for n in drawn[row == item]]
        assert set(read) == {
            TEXTS[item],
            *text_variants([TEXTS[item]], 3, drop=0.4, swap=0.1, synonyms=None, seed=0)[0],
        }
        assert 25 < read.count(TEXTS[item]) < 80  # 50 expected, standard deviation 6
    plain = made.eval()(row)[:, 0].long()
    assert [texts.seen[n] for n in plain[:2]] == TEXTS[:2]
    assert torch.equal(made.train()(torch.tensor([2])), made.no_text_d.unsqueeze(0))


def test_new_items_and_served_models_need_no_variants() -> None:
    texts = Texts()
    made = encoder(texts, TEXTS[:3], 2, variants=2, drop=0.3)
    assert len(texts.seen) == 3 + 4
    again = TextEncoder(made.config, Text("text"))
    served = Texts()
    about = context(served, 3, 2)
    again.load_fitted(made.fitted(), about)
    again.bind(pd.Series(TEXTS[:3]), about)
    assert served.seen == TEXTS[:3]
    again.train()(torch.tensor([0]))


@pytest.mark.parametrize("options", [{"variants": -1}, {"drop": 1.0}, {"variants": 2, "drop": 0.0, "swap": 0.0}])
def test_options_that_make_no_sense(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        TextEncoderConfig(**options)
