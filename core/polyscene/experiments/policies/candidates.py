"""What goes into a policy and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from polyscene.errors import ExperimentError


@dataclass(frozen=True)
class Candidates:
    """What may be shown to one user.

    Args:
        score_K: the model's scores, higher is better.
        vector_Kd: the items' vectors, for policies that read them (``reads_vectors``).
        user_d: the user's state, in the space of the vectors.

    Raises:
        ExperimentError: shapes do not fit, or a number is not finite.
    """

    score_K: Tensor
    vector_Kd: Tensor | None = None
    user_d: Tensor | None = None

    def __post_init__(self) -> None:
        given = [one for one in (self.score_K, self.vector_Kd, self.user_d) if one is not None]
        shapes = [list(one.shape) for one in given]
        width = None if self.user_d is None else self.user_d.shape[-1]
        wanted = (len(self.score_K), width)
        if self.score_K.dim() != 1 or (
            self.vector_Kd is not None and (tuple(self.vector_Kd.shape) != wanted or self.user_d is None)
        ):
            raise ExperimentError(
                f"scores, vectors and state have the shapes {shapes}",
                where="candidates of a policy",
                fix="give scores [K], and for policies that read them vectors [K, d] and a state [d]",
            )
        if not all(bool(one.isfinite().all()) for one in given):
            raise ExperimentError(
                "a score, vector or state holds a number that is not finite",
                where="candidates of a policy",
                fix="leave out items that have no score",
            )

    def taken(self, at_P: Tensor) -> Candidates:
        """Some of them, by position."""
        vector_Pd = None if self.vector_Kd is None else self.vector_Kd[at_P]
        return Candidates(self.score_K[at_P], vector_Pd, self.user_d)


@dataclass(frozen=True)
class Chances:
    """The probability of every item of the pool at every place of a list.

    Args:
        at_P: positions of the pool's items among the candidates, the best score first.
        chance_kP: a row for each place, which sums to 1; each item's column sums to at most 1.
    """

    at_P: Tensor
    chance_kP: Tensor


@dataclass(frozen=True)
class Choice:
    """A list that was chosen.

    Args:
        order_k: positions among the candidates, in the order shown.
        propensity_k: the probability of each of them at its place, exact and above 0.
        context: what a policy that learns must see again with the rewards; to be logged with the impression.
    """

    order_k: Tensor
    propensity_k: Tensor
    context: tuple[float, ...] | None


@dataclass(frozen=True)
class Rewards:
    """What B shown items brought.

    Args:
        context_Bc: the ``context`` of the choice that each was part of.
        vector_Bd: the items' vectors.
        score_B: the model's scores, as the choice saw them.
        reward_B: what each brought; about 0 to 1, as with clicks.
    """

    context_Bc: Tensor
    vector_Bd: Tensor
    score_B: Tensor
    reward_B: Tensor
