"""Before training: data is loaded and identified, and every text has gone through the backbone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from polyscene.config.choice import chosen
from polyscene.config.controls import MODELS
from polyscene.data.domains import scenario_of
from polyscene.data.phases import Phase
from polyscene.data.splits import save_split
from polyscene.errors import DataError
from polyscene.evaluation.subject import Subject
from polyscene.routing import check_worth_routing
from polyscene.training.assembly import task_context
from polyscene.training.controls import check_controls
from polyscene.training.folder import write_fingerprint
from polyscene.training.loading import Loaded, LoadedScenario
from polyscene.training.reporter import Reporter
from polyscene.training.session import Session

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(frozen=True)
class Prepared:
    """What the models of a run share.

    Args:
        session: config, plugins, backbone and device.
        loaded: the scenarios' data.
        subjects: the same as something to evaluate.
    """

    session: Session
    loaded: Loaded
    subjects: Mapping[str, Subject]


def prepare(session: Session, fabric: Fabric, reporter: Reporter, folder: Path) -> Prepared:
    """Load the scenarios of a session's config, and keep splits and fingerprint in the run directory.

    Raises:
        ConfigError: a control changes nothing, the balancer needs a package that is not installed, or a router is
            left with one scenario.
        DataError: data is missing or wrong.
    """
    session.config.balancer.build(names=list(session.config.scenario))  # one that lacks something says so by now
    with reporter.stage("data"):
        loaded = session.load()
        # As the config was checked, but without the scenarios whose data is not at hand.
        check_worth_routing(session.config.router.name, [list(loaded.scenarios)])
        check_controls(session.config.controls, loaded, priors=session.config.model.priors)
        _check_labels(loaded)
    with reporter.stage("fingerprint"):
        fingerprints = {name: one.tables.fingerprint() for name, one in loaded.scenarios.items()}
        if fabric.is_global_zero:
            for name, one in loaded.scenarios.items():
                save_split(folder / "split" / f"{name}.safetensors", one.split)
            write_fingerprint(folder, session.config, fingerprints)
    with reporter.stage("encode"), fabric.rank_zero_first():
        encode_texts(session, loaded)
    return Prepared(session, loaded, {name: session.subject(name, one) for name, one in loaded.scenarios.items()})


def _check_labels(loaded: Loaded) -> None:
    empty = [name for name, one in loaded.scenarios.items() if not one.split.count(Phase.TRAIN)]
    if empty:
        raise DataError(
            f"{', '.join(empty)}: no row is labelled, so nothing can be learned",
            where=f"scenario.{empty[0]}.shots",
            fix="ask for 1 shot or more, or leave it out to label all rows",
        )


def encode_texts(session: Session, loaded: Loaded) -> None:
    """Every text through the backbone once, before anything else needs it."""
    by_scenario = {name: _texts(session, name, one) for name, one in loaded.scenarios.items()}
    texts = [text for own in by_scenario.values() for text in own]
    if not texts:
        return
    config, backbone = session.config, session.backbone
    backbone.check_tuning([scenario_of(name) for name, own in by_scenario.items() if own])
    if config.backbone.tune != "frozen":
        backbone.token_states(texts)
    if config.backbone.tune == "frozen" or set(config.controls) - set(MODELS):
        backbone.keep(texts)
    session.say(
        f"texts: {len(texts):,} in use, {backbone.forwards:,} went through the backbone, "
        "the others were in the store"
    )


def _texts(session: Session, name: str, loaded: LoadedScenario) -> list[str]:
    """The texts of a scenario's columns, and those that its tasks make."""
    texts = [text for column in loaded.text_columns() for text in column.tolist()]
    for spec in loaded.scenario.tasks:
        choice = chosen("task", {**spec.options, "name": spec.name}, session.host, where=f"scenario '{name}'")
        own: Callable[..., Sequence[str]] | None = getattr(choice.component.build, "texts", None)
        if own is not None:
            texts += own(choice.options, task_context(session, name, loaded))
    return texts
