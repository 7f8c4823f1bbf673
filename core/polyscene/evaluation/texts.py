"""What vectors of texts are good for, before any model stands on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from polyscene.data.phases import Phase
from polyscene.evaluation.baselines.content import Content
from polyscene.evaluation.evaluator import TOP, baseline_scorer, evaluate_scorer
from polyscene.evaluation.requests import VALIDATION
from polyscene.evaluation.subject import Subject

Embed = Callable[[Sequence[str]], Tensor]

_TEXTS = 1000
"""Texts that are compared with each other at most."""
_FEWEST_WORDS = 4
"""Texts of fewer words have no halves that say anything."""


@dataclass(frozen=True)
class Figure:
    """A value and the standard error of its mean, over texts or users.

    Args:
        value: the mean.
        error: its standard error; 0 where there is one case only.
        count: how many texts or users.
    """

    value: float
    error: float
    count: int


def halves(texts: Sequence[str], embed: Embed) -> Figure | None:
    """Mean reciprocal rank of a text's second half among those of all texts, by cosine with its first half.

    Two halves of a title or description are about the same thing, so they are pairs that nobody had to label.
    None where no two texts are long enough.

    Args:
        texts: distinct texts; at most the first 1,000 that are long enough take part.
        embed: ``embed(texts) -> [n, h]``.
    """
    words = [words for text in texts if len(words := text.split()) >= _FEWEST_WORDS][:_TEXTS]
    if len(words) < 2:
        return None
    first_Nh = functional.normalize(embed([" ".join(one[: len(one) // 2]) for one in words]), dim=1)
    second_Nh = functional.normalize(embed([" ".join(one[len(one) // 2 :]) for one in words]), dim=1)
    cosine_NN = first_Nh @ second_Nh.T
    # Equal halves of different texts share the better half of their places.
    own_N1 = cosine_NN.diagonal().unsqueeze(1)
    rank_N = 1 + (cosine_NN > own_N1).sum(1) + 0.5 * ((cosine_NN == own_N1).sum(1) - 1)
    return _figure(1 / rank_N)


def crowding(texts: Sequence[str], embed: Embed) -> Figure:
    """Mean cosine of vectors of different texts: near 1, all texts look the same (a collapsed space).

    Args:
        texts: distinct texts; at most the first 1,000 take part.
        embed: ``embed(texts) -> [n, h]``.
    """
    vector_Nh = functional.normalize(embed(texts[:_TEXTS]), dim=1)
    others = max(1, len(vector_Nh) - 1)
    return _figure(((vector_Nh @ vector_Nh.T).sum(1) - 1) / others)


def content_rankings(
    subjects: Mapping[str, Subject], item_texts: Mapping[str, Sequence[str]], embed: Embed
) -> dict[str, Figure]:
    """NDCG@10 on validation rows of ranking items by their cosine with the mean of the user's past items.

    Args:
        subjects: the scenarios; those that rank nothing, or whose requests are no users, are passed over.
        item_texts: the text of every item, by scenario.
        embed: ``embed(texts) -> [n, h]``.
    """
    found = {}
    for name, texts in item_texts.items():
        subject = subjects[name]
        if not (subject.ranked and subject.from_history):
            continue
        content = Content()
        content.fit(subject.events, embed(texts).numpy(), (Phase.TRAIN,))
        scorer = baseline_scorer(content, subject, VALIDATION)
        summaries = evaluate_scorer(subject, VALIDATION, subject.scenario.views[0], scorer)
        summary = summaries.get(f"ndcg@{TOP}")
        if summary is not None and summary.users:
            error = summary.standard_error if summary.users > 1 else 0.0
            found[name] = Figure(summary.mean, error, summary.users)
    return found


def _figure(values_N: Tensor) -> Figure:
    count = len(values_N)
    error = values_N.double().std().item() / count**0.5 if count > 1 else 0.0
    return Figure(values_N.double().mean().item(), error, count)
