"""Scores of triples from structural vectors: how plausible is (head, relation, tail)?"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from polyscene.errors import ConfigError, did_you_mean


class TripleScoring(ABC):
    """A scoring function, split into a query (what the missing entity should look like) and a comparison.

    B triples, N entities, d width; relations have the width of entities. The split makes ranking all N
    candidates one matrix product: ``scores(tail_query(h_Bd, r_Bd), entity_Nd)``. Queries may have further leading
    dimensions.

    Attributes:
        is_distance: whether scores are negative distances, which say nothing of how sharply to tell apart.
        is_complex: whether the first half of a vector holds real parts and the second half imaginary parts.
    """

    is_distance: ClassVar[bool] = False
    is_complex: ClassVar[bool] = False

    @abstractmethod
    def tail_query(self, h_Bd: Tensor, r_Bd: Tensor) -> Tensor:
        """What a tail of (head, relation, ?) is compared with, ``[B, d]``."""

    @abstractmethod
    def head_query(self, r_Bd: Tensor, t_Bd: Tensor) -> Tensor:
        """What a head of (?, relation, tail) is compared with, ``[B, d]``."""

    def scores(self, query_Bd: Tensor, entity_Nd: Tensor) -> Tensor:
        """Scores ``[B, N]`` of all entities for each query; higher is more plausible."""
        return query_Bd @ entity_Nd.T

    def paired(self, query_Bd: Tensor, entity_Bd: Tensor) -> Tensor:
        """Scores ``[B]`` of one entity per query."""
        return (query_Bd * entity_Bd).sum(-1)


class DistMult(TripleScoring):
    """``sum_i h_i r_i t_i``: symmetric in head and tail (Yang et al., ICLR 2015, arXiv 1412.6575)."""

    def tail_query(self, h_Bd: Tensor, r_Bd: Tensor) -> Tensor:
        return h_Bd * r_Bd

    def head_query(self, r_Bd: Tensor, t_Bd: Tensor) -> Tensor:
        return r_Bd * t_Bd


class ComplEx(TripleScoring):
    """``Re(sum_i h_i r_i conj(t_i))`` over complex numbers (Trouillon et al., ICML 2016, arXiv 1606.06357).

    The first half of a vector holds real parts, the second half imaginary parts, so d must be even. Unlike
    DistMult it tells (h, r, t) from (t, r, h).
    """

    is_complex: ClassVar[bool] = True

    def tail_query(self, h_Bd: Tensor, r_Bd: Tensor) -> Tensor:
        return _complex_product(h_Bd, r_Bd)

    def head_query(self, r_Bd: Tensor, t_Bd: Tensor) -> Tensor:
        real, imaginary = r_Bd.chunk(2, dim=-1)
        return _complex_product(torch.cat([real, -imaginary], dim=-1), t_Bd)


class Distance(TripleScoring):
    """Scores ``-||query - entity||_2``."""

    is_distance: ClassVar[bool] = True

    def scores(self, query_Bd: Tensor, entity_Nd: Tensor) -> Tensor:
        return -torch.cdist(query_Bd, entity_Nd)

    def paired(self, query_Bd: Tensor, entity_Bd: Tensor) -> Tensor:
        return -torch.linalg.vector_norm(query_Bd - entity_Bd, dim=-1)


class TransE(Distance):
    """``-||h + r - t||_2``: relations are translations (Bordes et al., NeurIPS 2013)."""

    def tail_query(self, h_Bd: Tensor, r_Bd: Tensor) -> Tensor:
        return h_Bd + r_Bd

    def head_query(self, r_Bd: Tensor, t_Bd: Tensor) -> Tensor:
        return t_Bd - r_Bd


class RotatE(Distance):
    """``-||h r - t||_2`` over complex numbers with ``|r_i| = 1``: relations are rotations (Sun et al., ICLR 2019).

    Only the angles of r count. The norm is over all planes together, where the authors' code adds up the distances
    of single planes: so ranking is a matrix product.
    """

    is_complex: ClassVar[bool] = True

    def tail_query(self, h_Bd: Tensor, r_Bd: Tensor) -> Tensor:
        return _complex_product(h_Bd, _rotation(r_Bd))

    def head_query(self, r_Bd: Tensor, t_Bd: Tensor) -> Tensor:
        real, imaginary = _rotation(r_Bd).chunk(2, dim=-1)
        return _complex_product(torch.cat([real, -imaginary], dim=-1), t_Bd)


SCORINGS: dict[str, TripleScoring] = {
    "distmult": DistMult(),
    "complex": ComplEx(),
    "transe": TransE(),
    "rotate": RotatE(),
}


def triple_scoring(name: str, d_model: int) -> TripleScoring:
    """The scoring function called ``name`` for vectors of width ``d_model``.

    Raises:
        ConfigError: there is no such function, or it cannot work with this width.
    """
    if name not in SCORINGS:
        raise ConfigError(f"there is no triple scoring called '{name}'", fix=did_you_mean(name, SCORINGS))
    if SCORINGS[name].is_complex and d_model % 2:
        raise ConfigError(
            f"triple scoring '{name}' needs an even width and that of the vectors is {d_model}",
            fix="choose an even model.d_model (or own_width), or scoring distmult",
        )
    return SCORINGS[name]


def cubed_moduli(scoring: TripleScoring, vector_Bd: Tensor) -> Tensor:
    """``sum_i |v_i|^3`` as ``[B]``, the nuclear 3-norm's part of one vector [Lacroix et al., ICML 2018]."""
    if scoring.is_complex:
        real, imaginary = vector_Bd.chunk(2, dim=-1)
        # The root has no finite derivative at 0.
        return (real**2 + imaginary**2 + torch.finfo(real.dtype).tiny).pow(1.5).sum(-1)
    return vector_Bd.abs().pow(3).sum(-1)


def _rotation(r_Bd: Tensor) -> Tensor:
    real, imaginary = r_Bd.chunk(2, dim=-1)
    modulus = (real**2 + imaginary**2).clamp(min=1e-12).sqrt()
    return torch.cat([real / modulus, imaginary / modulus], dim=-1)


def _complex_product(a_Bd: Tensor, b_Bd: Tensor) -> Tensor:
    a_real, a_imaginary = a_Bd.chunk(2, dim=-1)
    b_real, b_imaginary = b_Bd.chunk(2, dim=-1)
    return torch.cat(
        [a_real * b_real - a_imaginary * b_imaginary, a_real * b_imaginary + a_imaginary * b_real], dim=-1
    )
