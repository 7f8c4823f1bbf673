"""Plain peft and our bank of adapters, both around MiniLM with the same LoRA weights.

64 texts of 32 tokens, LoRA of rank 8 on queries and values of all six layers, one thread. Training: a step of one
scenario, and a step of five in one batch, which peft takes scenario by scenario. Serving: rows of 50 scenarios in
any order, each through its own adapter: by peft's ``adapter_names``, and by ``set_adapter`` for each scenario.
Before anything is timed, both must give the same vectors to 1e-4. peft is one of our own dependencies, so both
sides run in one process. Times are processor seconds.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import peft
import torch
from rich.console import Console
from torch import Tensor, nn

from benchmarks.speed.peers.rows import Rows
from benchmarks.speed.suffix import LORA, RANK, ROWS, SCENARIOS, TOKENS, Texts, forward, in_turns
from polyscene.adapters.bank import Routing
from polyscene.backbone import Backbone, BackboneConfig
from polyscene.backbone.adapters.load import load_adapter
from polyscene.backbone.loading import load_encoder
from polyscene.backbone.pooling import pool
from polyscene.data.access import DataAccess

PEER = f"peft {peft.__version__}"
PROTOCOL = (
    f"MiniLM, {ROWS} texts of {TOKENS} tokens, LoRA of rank {RANK} in all layers, one thread, processor seconds"
)
TOLERANCE, TOGETHER = 1e-4, 5

Run = Callable[[], Any]


def measure(quick: bool) -> Rows:
    """The rows of ``results/peers_peft.json``."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rows, texts = Rows("peft", PROTOCOL), Texts()
    for scenarios in (1, TOGETHER, SCENARIOS):
        both = Both(texts, scenarios)
        if (difference := both.difference()) > TOLERANCE:
            sys.exit(f"{scenarios} scenarios: the vectors differ by {difference:.1e}")
        for what, method, mine, its in both.compared():
            Console().print(f"{what}: {method}")
            one, other = in_turns(mine, its, 2 if quick else 9, 0.2 if quick else 1.0)
            rows.add(what, f"polyscene against {method}", "seconds", one)
            rows.add(what, method, "seconds", other)
            rows.add(what, method, "our speed in terms of its", [b / a for a, b in zip(one, other, strict=True)])
    return rows


class Both:
    """Our layers and peft's, with the same adapters of so many scenarios, and a scenario for each row."""

    def __init__(self, texts: Texts, scenarios: int) -> None:
        self.texts, self.scenarios = texts, scenarios
        self.suffix, self.states = texts.suffix("full", LORA, scenarios)
        self.names = [f"scenario{number}" for number in range(scenarios)]
        self.peft = _peft_model(self.names)
        with tempfile.TemporaryDirectory() as folder:
            self.peft.save_pretrained(folder)
            for number, name in enumerate(self.names):
                load_adapter(self.suffix, number, Path(folder) / name, None)
        self.k_B = torch.arange(ROWS) % scenarios
        self.own = [(name, (self.k_B == number).nonzero()[:, 0]) for number, name in enumerate(self.names)]

    def compared(self) -> Iterator[tuple[str, str, Run, Run]]:
        """What is done, how peft does it, our way and peft's."""
        if self.scenarios < SCENARIOS:
            how = f"{PEER}, one adapter" if self.scenarios == 1 else f"{PEER}, set_adapter for each scenario"
            what = "one scenario" if self.scenarios == 1 else f"{self.scenarios} scenarios"
            yield f"training, {what}", how, self.our_step(), self.its_step()
            return
        mine = forward(self.texts, self.suffix, self.states, Routing(index_N=self.k_B))
        yield f"serving, {self.scenarios} scenarios", f"{PEER}, adapter_names", mine, self.by_names
        yield f"serving, {self.scenarios} scenarios", f"{PEER}, set_adapter for each scenario", mine, self.by_turns

    def our_step(self) -> Run:
        """A step on all rows in one batch."""
        parameters = list(self.suffix.scenario_parameters().values())
        optimizer, routing = _optimizer(parameters), Routing(index_N=self.k_B)

        def run() -> None:
            optimizer.zero_grad(set_to_none=True)
            vectors = self.suffix(self.states.float(), self.texts.mask, routing)
            (vectors * self.texts.goal).sum().backward()
            optimizer.step()

        return run

    def its_step(self) -> Run:
        """The same, scenario by scenario."""
        for name in self.names:  # those of other adapters are switched off
            self.peft.set_adapter(name)
        optimizer = _optimizer([p for key, p in self.peft.named_parameters() if "lora_" in key])

        def run() -> None:
            optimizer.zero_grad(set_to_none=True)
            for name, rows in self.own:
                if len(self.own) > 1:
                    self.peft.set_adapter(name)
                (self._vectors(rows) * self.texts.goal[rows]).sum().backward()
            optimizer.step()

        return run

    @torch.inference_mode()
    def by_names(self) -> Tensor:
        """All rows at once, each with the name of its adapter."""
        return self._vectors(slice(None), adapter_names=[self.names[k] for k in self.k_B.tolist()])

    @torch.inference_mode()
    def by_turns(self) -> Tensor:
        """Scenario by scenario."""
        vectors = torch.empty_like(self.texts.goal)
        for name, rows in self.own:
            self.peft.set_adapter(name)
            vectors[rows] = self._vectors(rows)
        return vectors

    @torch.inference_mode()
    def difference(self) -> float:
        """The largest difference between our vectors and peft's."""
        mine = self.suffix(self.states.float(), self.texts.mask, Routing(index_N=self.k_B))
        return float((mine - self.by_turns()).abs().max())

    def _vectors(self, rows: Any, **options: Any) -> Tensor:
        mask = self.texts.mask[rows]
        states = self.peft(input_ids=self.texts.ids[rows], attention_mask=mask, **options).last_hidden_state
        return pool(states, mask, "mean", normalize=True)


def _peft_model(names: list[str]) -> Any:
    """MiniLM with adapters that change something."""
    config = peft.LoraConfig(r=RANK, lora_alpha=16, target_modules=["query", "value"])
    folder = Backbone(BackboneConfig(dtype="float32"), DataAccess()).folder
    model: Any = peft.get_peft_model(load_encoder(folder, torch.device("cpu"), "mean"), config, names[0])
    for name in names[1:]:
        model.add_adapter(name, config)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if "lora_" in key:
                parameter.copy_(0.05 * torch.randn_like(parameter))
    return model.eval()


def _optimizer(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, lr=1e-3, fused=True)
