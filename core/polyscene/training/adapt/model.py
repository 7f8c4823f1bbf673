"""A trained model with a place for one scenario more, and without the parts of those it knows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from polyscene.config.declared import adapter_of
from polyscene.errors import CheckpointError
from polyscene.features.encoder import Encoder
from polyscene.model import PolysceneModel
from polyscene.model.growth import add_place
from polyscene.training.adapt.start import Start
from polyscene.training.assembly import build_model, build_parts, judges_pairs, trunk
from polyscene.training.checkpoint import unique_state
from polyscene.training.loading import Loaded, LoadedScenario
from polyscene.training.session import Session

_OWN_PARTS = ("items", "users", "events", "tasks", "priors")


def grown_model(
    session: Session, start: Start, one: LoadedScenario, seed: int
) -> tuple[PolysceneModel, Any, frozenset[str]]:
    """The trained model with one scenario more.

    It has the trained sequence model, banks, router and shared modules, and parts of the new scenario only, which
    is enough to train and to judge it: no other scenario's data is needed.

    The new scenario starts from what the trained ones know. Shared modules (the projection of texts) are those of
    the model; of the vectors of an id space it gets a copy. What several trained scenarios have under the same
    name and in the same shape (norms and fusion weights of a column, the scale of a task) starts at their mean;
    vectors of labels and ids do not, as they mean something else in each. Adapters start as at the beginning of
    training.

    Args:
        session: config with the new scenario and plugins.
        start: the trained model.
        one: the new scenario's data.
        seed: of what is initialized at random.

    Returns:
        The model, what the scenario's encoders learned besides parameters, and keys of shared modules that are
        not the scenario's own.
    """
    torch.manual_seed(seed)
    config, name, names = session.config, one.scenario.name, list(start.learned)
    shared = start.modules()
    inherited = frozenset(shared.keys())
    loaded = Loaded({name: one}, {}, ())
    built = build_parts(session, loaded, shared.branch(name), loaded.spaces(), None)
    pairs = judges_pairs(built.parts) or any(key.startswith("pair_bank.") for key in start.state)
    base = [other for other in names if other not in start.config.adapted]
    model = trunk(session, base, shared, {}, pairs=pairs)
    for other in names[len(base) :]:
        add_place(model, adapter_of(config, config.scenario[other], session.host))
    _load(model, start)
    model.grow(name, built.parts[name], adapter_of(config, one.config, session.host))
    _start_from_others(model, name, start)
    built.bind()
    return model.to(session.device), built.learned()[name], inherited


def fresh_model(session: Session, one: LoadedScenario, seed: int) -> PolysceneModel:
    """The same model for this scenario alone, that nothing has trained: what the start is compared with."""
    alone = session.under(replace(session.config, seed=seed, adapted=[]))
    return build_model(alone, Loaded({one.scenario.name: one}, {}, ()))[0]


@torch.no_grad()
def _load(model: PolysceneModel, start: Start) -> None:
    """Sequence model, banks and router as they were trained."""
    for key, tensor in unique_state(model).items():
        if key.startswith("shared."):
            continue  # read already, and what is new in it is not in the checkpoint
        if key in start.state:
            tensor.copy_(start.state[key])
        elif not key.startswith("pair_bank."):  # none of the trained scenarios needs one
            raise CheckpointError(
                f"'{key}' is missing", where=str(start.folder), fix="use the plugins of the run, or train again"
            )


@torch.no_grad()
def _start_from_others(model: PolysceneModel, name: str, start: Start) -> None:
    for part in _OWN_PARTS:
        modules: nn.ModuleDict = getattr(model, part)
        if name not in modules:
            continue
        vectors = {id(parameter) for module in modules[name].modules() for parameter in _looked_up(module)}
        for key, parameter in modules[name].named_parameters():
            # How much an item's popularity says depends on the rows that are known, which are few here.
            if id(parameter) in vectors or key.endswith("_N") or key.startswith("weight_2VE"):
                continue
            found = (start.state.get(f"{part}.{other}.{key}") for other in start.learned)
            others = [tensor for tensor in found if tensor is not None]
            if key.startswith("gate_2VE"):  # what a part is worth, in however many views
                others = [gate_2VE.mean(1, keepdim=True).expand_as(parameter) for gate_2VE in others]
            alike = [tensor for tensor in others if tensor.shape == parameter.shape]
            if alike:
                parameter.copy_(torch.stack(alike).mean(0))


def _looked_up(module: nn.Module) -> list[Tensor]:
    names = module.looked_up if isinstance(module, Encoder) else ()
    return [getattr(module, name) for name in names]
