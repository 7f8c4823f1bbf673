"""A place in the router: a new scenario is recognized from its shots and from rows remembered of the others."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.func import functional_call

from polyscene.model import PolysceneModel
from polyscene.routing import Router
from polyscene.training.loading import LoadedScenario
from polyscene.training.remembered import router_rows

_RIDGE = 0.01
_ITERATIONS = 100


def learn_to_recognize(
    model: PolysceneModel, one: LoadedScenario, others: Mapping[int, Tensor], seed: int
) -> Tensor | None:
    """Fit a scenario's own part of the router, and nothing else of it: the others' logits stay bit-equal.

    Args:
        model: the adapted model, in eval mode.
        one: the new scenario's data; its labelled rows are read.
        others: rows ``[M, d]`` of the scenarios that the router knows, by index.
        seed: of the choice of rows, where there are many.

    Returns:
        The scenario's rows that it learned from; ``None``, and nothing is recognized, without a router, without
        rows of others, or where no shot has a past to recognize it by.
    """
    router = model.router
    if router is None or not others:
        return None
    own_Md = router_rows(model, one, seed)
    if not len(own_Md):
        return None
    index = model.index[one.scenario.name]
    fit_place(router, index, {**{k: x.to(own_Md.device) for k, x in others.items()}, index: own_Md})
    return own_Md


def fit_place(router: Router, index: int, rows: Mapping[int, Tensor]) -> None:
    """Fit one scenario's slice of a router's parameters to rows ``[M, d]`` of all, by index.

    It is the router's own cross-entropy, averaged within each scenario and then over them, so that many rows of
    one do not outweigh the few of another. All but the slice being fixed, that is logistic regression with a small
    ridge (16 shots are separable), which L-BFGS solves: no rate or number of steps to choose.
    """
    whole = {name: parameter.detach() for name, parameter in router.scenario_parameters().items()}
    own = {name: tensor[index].clone().requires_grad_() for name, tensor in whole.items()}
    place = torch.tensor([index], device=next(iter(whole.values())).device)
    unknown_K = ~router.seen_K.index_fill(0, place, value=True)
    optimizer = torch.optim.LBFGS(own.values(), max_iter=_ITERATIONS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        slices = {name: tensor.index_copy(0, place, own[name].unsqueeze(0)) for name, tensor in whole.items()}
        means = []
        for k, x_Md in rows.items():
            logits_MK = functional_call(router, slices, (x_Md,)).float().masked_fill(unknown_K, -torch.inf)
            means.append(-logits_MK.log_softmax(-1)[:, k].mean())
        total = torch.stack(means).mean() + _RIDGE * torch.stack([x.square().sum() for x in own.values()]).sum()
        total.backward(inputs=list(own.values()))
        return total

    with torch.enable_grad():
        optimizer.step(loss)
    with torch.no_grad():
        for name, tensor in whole.items():
            tensor[index] = own[name]
        router.seen_K[index] = True
