"""Encoders one by one: what each computes, against cases worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from polyscene.data.columns import Category, Id, Number, Tags, Text, Timestamp
from polyscene.errors import ConfigError
from polyscene.features.category import CategoryEncoder, CategoryEncoderConfig
from polyscene.features.encoder import FitContext, SharedModules, safe_key
from polyscene.features.identity import IdEncoder, IdEncoderConfig
from polyscene.features.number import NumberEncoder, NumberEncoderConfig
from polyscene.features.tags import TagsEncoder, TagsEncoderConfig
from polyscene.features.text import ParametricWhitening, TextEncoder, TextEncoderConfig
from polyscene.features.tfidf import TfidfEncoder, TfidfEncoderConfig
from polyscene.features.time import TimeEncoder, TimeEncoderConfig


class Texts:
    """Counts what goes through the backbone; the vector of a text is its length and number of words."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __call__(self, texts: Sequence[str]) -> Tensor:
        self.seen.extend(texts)
        return torch.tensor([[float(len(text)), float(len(text.split()))] for text in texts])


def make(rows: int, *, train: Sequence[int] | None = None, embed: Texts | None = None, **options) -> FitContext:
    train_rows = np.ones(rows, dtype=bool) if train is None else np.isin(np.arange(rows), train)
    options.setdefault("shared", SharedModules())
    return FitContext(4, train_rows, embed_texts=embed or Texts(), embedding_dim=2, owner="shop/items", **options)


def fitted(encoder, values, context=None):
    series = pd.Series(values, name=encoder.column.name)
    context = context or make(len(series))
    encoder.fit(series, context)
    encoder.bind(series, context)
    return encoder


def test_equal_texts_go_through_the_backbone_once_and_empty_ones_never():
    embed = Texts()
    context = make(6, embed=embed)
    encoder = fitted(TextEncoder(TextEncoderConfig(), Text()), ["a b", "", "a b", None, "  ", "ccc"], context)
    assert embed.seen == ["a b", "ccc"]
    vectors = encoder(torch.arange(6))
    assert torch.equal(vectors[0], vectors[2])
    for empty in (1, 3, 4):
        assert torch.equal(vectors[empty], encoder.no_text_d)
    expected = context.shared.modules_by_key["text"](torch.tensor([3.0, 2.0]))
    torch.testing.assert_close(vectors[0], expected)


def test_text_projection_is_shared_unless_asked_otherwise():
    context = make(2)
    first, second, own = (
        fitted(TextEncoder(TextEncoderConfig(own_projection=own), Text()), ["a", "b"], context)
        for own in (False, False, True)
    )
    assert torch.equal(first(torch.arange(2)), second(torch.arange(2)))
    assert not torch.equal(first(torch.arange(2)), own(torch.arange(2)))
    assert {name for name, _ in first.named_parameters()} == {"no_text_d"}
    assert {name for name, _ in own.named_parameters()} == {"no_text_d", "projection.weight", "projection.bias"}


def test_no_text_at_all_never_calls_the_backbone():
    embed = Texts()
    encoder = fitted(TextEncoder(TextEncoderConfig(dtype="float16"), Text()), ["", ""], make(2, embed=embed))
    assert encoder(torch.arange(2)).shape == (2, 4)
    assert not embed.seen


def test_parametric_whitening_is_the_formula():
    torch.manual_seed(0)
    whitening = ParametricWhitening(3, 4, experts=2)
    torch.nn.init.normal_(whitening.shift_gh)
    x = torch.randn(5, 3)
    share = whitening.gate(x).softmax(-1)
    expected = sum(share[:, g : g + 1] * ((x - whitening.shift_gh[g]) @ whitening.weight_ghd[g]) for g in range(2))
    torch.testing.assert_close(whitening(x), expected)


def test_whitening_replaces_the_projection():
    context = make(2)
    encoder = fitted(TextEncoder(TextEncoderConfig(whitening=2), Text()), ["a", "b c"], context)
    assert set(context.shared.modules_by_key) == {"text-whitening-2"}
    assert encoder(torch.arange(2)).shape == (2, 4)


def test_tfidf_weights_by_hand():
    # 4 train rows; 'film' in 3 of them, 'war' in 2. Row 0 holds 'film' twice and 'war' once.
    texts = ["film film war", "film", "film rare", "war", "film unheard"]
    encoder = fitted(TfidfEncoder(TfidfEncoderConfig(), Text()), texts, make(5, train=[0, 1, 2, 3]))
    assert encoder.words == ["film", "war"]
    film, war = 1 + math.log(5 / 4), 1 + math.log(5 / 3)
    torch.testing.assert_close(encoder.idf_w, torch.tensor([film, war]))
    # With as many components as words the singular vectors only rotate: lengths and angles stay.
    unit = encoder.vector_Mr[encoder.text_N]
    torch.testing.assert_close(unit[1], unit[4])
    first = (1 + math.log(2)) * film
    assert float(unit[0] @ unit[1]) == pytest.approx(first / math.hypot(first, war), abs=1e-6)
    assert float(unit[1] @ unit[3]) == pytest.approx(0, abs=1e-6)


def test_truncated_svd_keeps_the_leading_part_and_the_seed_decides_nothing_else():
    rng = np.random.default_rng(0)
    words = np.array([f"word{n}" for n in range(30)])
    texts = [" ".join(rng.choice(words, 8)) for _ in range(60)]
    encoders = [
        fitted(TfidfEncoder(TfidfEncoderConfig(dimensions=5), Text()), texts, make(60, seed=seed))
        for seed in (0, 1)
    ]
    components = [encoder.component_wr for encoder in encoders]
    torch.testing.assert_close(components[0], components[1], rtol=0, atol=1e-5)
    torch.testing.assert_close(components[0].T @ components[0], torch.eye(5), rtol=0, atol=1e-5)
    code_N, lists = encoders[0]._words(pd.Series(texts))
    dense = encoders[0]._tfidf(lists, encoders[0].idf_w.double().numpy()).toarray()[code_N]
    exact = np.linalg.svd(dense)[2][:5]
    overlap = np.abs(exact @ components[0].double().numpy())
    np.testing.assert_allclose(overlap, np.eye(5), atol=1e-5)


def test_tfidf_of_tags_keeps_a_tag_whole():
    encoder = fitted(TfidfEncoder(TfidfEncoderConfig(), Tags("t")), ["new wave|rock", "new wave", "rock"])
    assert encoder.words == ["new wave", "rock"]


def test_ids_of_a_space_are_shared_and_trained_anywhere():
    shared = SharedModules()
    everyone = {"person": np.array(["a", "b", "c", "d"])}
    users = make(3, train=[0], shared=shared, spaces=everyone)
    friends = make(3, train=[2], shared=shared, spaces=everyone)
    first, second = (
        IdEncoder(IdEncoderConfig(), Id(space="person")),
        IdEncoder(IdEncoderConfig(), Id(space="person")),
    )
    first = fitted(first, ["a", "b", "c"], users)
    second = fitted(second, ["d", "a", "c"], friends)
    by_first, by_second, unknown = first(torch.arange(3)), second(torch.arange(3)), first.unknown()
    assert torch.equal(by_first[0], by_second[1]), "one id, one vector"
    assert not torch.equal(by_first[2], unknown), "c was trained by the other table, after this one was bound"
    assert torch.equal(by_first[1], unknown)
    assert torch.equal(by_second[0], unknown)
    assert [name for name, _ in shared.named_parameters()] == ["modules_by_key.id-person.vector_Md"]


def test_ids_without_a_space_are_the_tables_own():
    context = make(2)
    fitted(IdEncoder(IdEncoderConfig(), Id()), ["a", "b"], context)
    assert set(context.shared.modules_by_key) == {f"id-{safe_key('shop/items')}"}


def test_category_gives_missing_rare_and_unseen_labels_the_unknown_vector():
    values = ["x", "x", "y", "y", "once", None, "", "unseen"]
    encoder = fitted(CategoryEncoder(CategoryEncoderConfig(), Category("c")), values, make(8, train=range(7)))
    assert encoder.labels == ["x", "y"]
    assert encoder.label_N.tolist() == [1, 1, 2, 2, 0, 0, 0, 0]


def test_category_reads_integers_and_floats_with_gaps_alike():
    encoder = fitted(CategoryEncoder(CategoryEncoderConfig(), Category("c")), [3, 3, 7, 7])
    encoder.bind(pd.Series([3.0, np.nan, 7.0]), make(3))
    assert encoder.label_N.tolist() == [1, 0, 2]


@pytest.mark.parametrize("values", [["A|B", "A", "", "C| A "], [["A", "B"], ["A"], None, np.array(["C", "A"])]])
def test_tags_are_a_weighted_mean(values):
    encoder = fitted(TagsEncoder(TagsEncoderConfig(weights="idf"), Tags("t")), values)
    a, b, c = encoder.vector_Td[1:]
    # A is in 3 of 4 rows, B and C in one.
    often, once = 1 + math.log(5 / 4), 1 + math.log(5 / 2)
    expected = [
        (often * a + once * b) / (often + once),
        a,
        encoder.vector_Td[0],
        (once * c + often * a) / (often + once),
    ]
    torch.testing.assert_close(encoder(torch.arange(4)), torch.stack(expected))


def test_uniform_tags_and_the_limit_on_them():
    encoder = fitted(TagsEncoder(TagsEncoderConfig(max_tags=2), Tags("t")), ["A|A|B|C", "C"])
    a, b, c = encoder.vector_Td[1:]
    torch.testing.assert_close(encoder(torch.arange(2)), torch.stack([(a + b) / 2, c]))


def test_number_is_standardized_on_train_rows_and_cut():
    encoder = fitted(
        NumberEncoder(NumberEncoderConfig(), Number("n")), [1, 3, np.nan, 1e9, np.inf], make(5, train=[0, 1])
    )
    assert (encoder.mean, encoder.std) == (2, 1)
    assert encoder.value_N[[0, 1, 3]].tolist() == [-1, 1, 10]
    vectors = encoder(torch.arange(5))
    assert torch.equal(vectors[2], encoder.missing_d)
    assert torch.equal(vectors[4], encoder.missing_d)


def test_number_in_logarithms():
    config = NumberEncoderConfig(log=True, hidden=0)
    encoder = fitted(NumberEncoder(config, Number("n")), [0.0, math.e - 1, -(math.e - 1)])
    assert encoder.mean == pytest.approx(0)
    torch.testing.assert_close(encoder.value_N, torch.tensor([0, 1, -1]) * math.sqrt(3 / 2))


@pytest.mark.parametrize("values", [[5.0, 5.0], [np.nan, np.nan], pd.array([1, None], dtype="Int64")])
def test_number_without_spread_is_finite(values):
    encoder = fitted(NumberEncoder(NumberEncoderConfig(), Number("n")), values)
    assert encoder(torch.arange(2)).isfinite().all()


def test_time_features_by_hand():
    # Thursday 1970-01-08 06:00 UTC is a quarter of a day into a week that began on a Thursday.
    week, quarter, day = 7 * 86400, 6 * 3600, 86400
    times = [week + quarter, week + quarter + 3 * day, 0, float("nan")]
    encoder = fitted(TimeEncoder(TimeEncoderConfig(), Timestamp()), times)
    read: list[Tensor] = []
    encoder.network.register_forward_pre_hook(lambda _, inputs: read.append(inputs[0]))
    vectors = encoder(torch.arange(4))
    ages = np.log1p([3, 0])
    expected = [
        [1, 0, math.sin(math.pi / 14), math.cos(math.pi / 14), (ages[0] - ages.mean()) / ages.std()],
        [1, 0, math.sin(math.pi * 13 / 14), math.cos(math.pi * 13 / 14), (ages[1] - ages.mean()) / ages.std()],
    ]
    torch.testing.assert_close(read[0][:2], torch.tensor(expected, dtype=torch.float32), rtol=0, atol=1e-5)
    assert torch.equal(vectors[2], encoder.missing_d)
    assert torch.equal(vectors[3], encoder.missing_d)


def test_time_gap_is_since_the_users_previous_event():
    day = 86400
    times = pd.Series([10 * day, 11 * day, 14 * day, 2 * day, 2 * day])
    context = make(5, user_of_row=np.array([0, 0, 0, 1, 1]))
    encoder = fitted(TimeEncoder(TimeEncoderConfig(), Timestamp()), times, context)
    gaps = np.log1p([1, 3, 0])
    expected = np.array([0, *((gaps[:2] - gaps.mean()) / gaps.std()), 0, (gaps[2] - gaps.mean()) / gaps.std()])
    np.testing.assert_allclose(encoder.gap_N.numpy(), expected, atol=1e-6)


@pytest.mark.parametrize(
    "make_config",
    [
        lambda: TextEncoderConfig(whitening=-1),
        lambda: TextEncoderConfig(dtype="int8"),
        lambda: TfidfEncoderConfig(dimensions=0),
        lambda: IdEncoderConfig(init_std=0.0),
        lambda: CategoryEncoderConfig(min_rows=0),
        lambda: TagsEncoderConfig(weights="x"),
        lambda: NumberEncoderConfig(hidden=-1),
        lambda: TimeEncoderConfig(hidden=-1),
    ],
)
def test_options_are_checked(make_config):
    with pytest.raises(ConfigError, match="use "):
        make_config()
