"""From the scenarios' texts to a folder with a backbone that has read them."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from polyscene.backbone import Backbone
from polyscene.backbone.digests import ORIGIN
from polyscene.backbone.pretraining import Corpus
from polyscene.config.plain import to_mapping
from polyscene.config.pretrain import PretrainConfig
from polyscene.data.files import write_error
from polyscene.errors import CheckpointError, ConfigError
from polyscene.evaluation.texts import Figure, content_rankings, crowding, halves
from polyscene.registry.host import Host
from polyscene.training.devices import launch_fabric
from polyscene.training.files import write_json
from polyscene.training.folder import CHECKPOINTS, open_run, versions, write_fingerprint
from polyscene.training.loading import Loaded
from polyscene.training.pretraining.loop import LanguageFitting, State
from polyscene.training.pretraining.report import show
from polyscene.training.pretraining.texts import Texts, item_texts, training_texts
from polyscene.training.reporter import Reporter
from polyscene.training.session import Session, prepare_torch

BACKBONE = "backbone"
"""The folder of the result in the run."""


@dataclass(frozen=True)
class _Ground:
    """What is measured before and after."""

    session: Session
    loaded: Loaded
    texts: Texts

    def figures(self, backbone: Backbone) -> dict[str, Figure]:
        subjects = {name: self.session.subject(name, one) for name, one in self.loaded.scenarios.items()}
        of_items = item_texts(self.loaded.scenarios)
        found = {"mean cosine of different texts": crowding(self.texts.held, backbone.embed)}
        paired = halves(self.texts.held, backbone.embed)
        found |= {"MRR of a text's other half": paired} if paired else {}
        ranked = content_rankings(subjects, of_items, backbone.embed)
        return found | {f"content NDCG@10, {name}": figure for name, figure in ranked.items()}


def pretrain(config: PretrainConfig, host: Host) -> Path:
    """Train the backbone of a config on the scenarios' texts.

    Args:
        config: a checked config.
        host: the plugins.

    Returns:
        The folder with the new backbone, for ``backbone.model``.

    Raises:
        PolysceneError: for everything that a user can mend.
    """
    fabric = launch_fabric(config.trainer)
    reporter = Reporter(host, speaks=fabric.is_global_zero)
    prepare_torch(config)
    folder: Path = fabric.broadcast(_open(config) if fabric.is_global_zero else Path())
    session = Session(config, host, fabric.device, reporter.say)
    with reporter.running(folder, config):
        loaded = session.load()
        texts = training_texts(loaded.scenarios, config.held_out, config.seed)
        ground = _Ground(session, loaded, texts)

        # transformers comes late, so that everything that may be wrong above is told at once.
        from polyscene.backbone.pretraining.language_model import load_language_model

        model = load_language_model(session.backbone.folder, config.seed)
        kind = "causal" if model.causal else "masked"
        reporter.say(
            f"texts: {len(texts.learned):,} to learn from, {len(texts.held):,} held out; {kind} language modeling"
        )
        if model.new_head:
            reporter.say(
                "the checkpoint has no head for it: a new one, tied to the input embeddings, is trained alone for "
                f"{config.head_steps} steps first"
            )
        if fabric.is_global_zero:
            write_fingerprint(folder, config, {n: one.tables.fingerprint() for n, one in loaded.scenarios.items()})
        with fabric.rank_zero_first():
            before = ground.figures(session.backbone)
        rate = None if model.causal else config.mask
        learned, held = (
            Corpus(model.tokenizer, some, config.backbone.max_len, rate) for some in (texts.learned, texts.held)
        )
        if config.tune == "lora":
            model.adapt(config.rank, config.alpha)
        steps = config.trainer.steps + (config.head_steps if model.new_head else 0)
        with reporter.stage("train"), reporter.bar("Training on texts", steps) as advance:
            state = LanguageFitting(model, learned, held, config, fabric, folder / CHECKPOINTS, advance).run()
        if fabric.is_global_zero:
            with _published(folder) as partial:
                model.save(partial)
                origin = _origin(session, texts, state, objective=kind, new_head=model.new_head)
                after = ground.figures(_reading(partial, session))
                document = {**origin, "figures": _compared(before, after)}
                write_json(partial / ORIGIN, document)
            shutil.rmtree(folder / CHECKPOINTS)
            show(document, reporter)
            reporter.say(f"use it with: polyscene train backbone.model={folder / BACKBONE}")
    fabric.barrier()
    return folder / BACKBONE


def _open(config: PretrainConfig) -> Path:
    if config.run.dir and (Path(config.run.dir) / BACKBONE).exists():
        raise ConfigError(
            f"it holds a finished {BACKBONE}",
            where=str(config.run.dir),
            fix="choose another run.dir, or remove that folder",
        )
    return open_run(config)


@contextmanager
def _published(folder: Path) -> Iterator[Path]:
    """A folder that takes its place as the result when it is complete, and vanishes if it never is."""
    for left in folder.glob(f".{BACKBONE}-*"):  # by a process that was killed
        shutil.rmtree(left, ignore_errors=True)
    partial = folder / f".{BACKBONE}-unfinished"
    try:
        partial.mkdir()
        yield partial
        partial.replace(folder / BACKBONE)
    except OSError as error:
        raise write_error(error, folder / BACKBONE, CheckpointError) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _reading(folder: Path, session: Session) -> Backbone:
    """A backbone of the same options with the weights of a folder."""
    config = replace(session.config.backbone, model=str(folder))
    return Backbone(config, session.access, session.access.cache, session.device)


def _origin(session: Session, texts: Texts, state: State, *, objective: str, new_head: bool) -> dict[str, Any]:
    """What the new backbone came from."""
    config = session.config
    assert isinstance(config, PretrainConfig)
    options = ("tune", "rank", "alpha", "mask", "held_out", "head_steps", "head_lr")
    return {
        "from": {"model": config.backbone.model or config.backbone.requirement, "digest": session.backbone.digest},
        "objective": objective,
        "new_head": new_head,
        "options": {name: getattr(config, name) for name in options},
        "trainer": to_mapping(config.trainer),
        "max_len": config.backbone.max_len,
        "seed": config.seed,
        "texts": {"learned": len(texts.learned), "held_out": len(texts.held), "by_scenario": dict(texts.counts)},
        "perplexity": [{"step": step, "held_out": math.exp(min(loss, 700.0))} for step, loss in state.curve],
        "versions": versions(),
    }


def _compared(before: Mapping[str, Figure], after: Mapping[str, Figure]) -> dict[str, Any]:
    return {name: {"before": asdict(before[name]), "after": asdict(after[name])} for name in before}
