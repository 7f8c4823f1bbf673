"""torch-rechub's multi-task models on domains: a tower for each, of which a row's own is taken.

Takes the file of rows, the name of a model, and how many parameters it may have outside of its tables. ``shipped``
is the library's trainer on its loader over arrays, as its multi-task examples have it, ``frame`` the same over a
data frame, as its click examples have it, ``alone`` its model, loss and optimizer on batches that are ready.
"""

# The peer is installed in its own environment only.
# pyright: reportMissingImports=false

from __future__ import annotations

import copy
import itertools
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch
from rechub_models import dense, network, widest
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch_rechub.trainers import CTRTrainer
from torch_rechub.utils.data import DataGenerator
from turns import answer

BATCH = 4096
ADAM: Any = {"lr": 1e-3, "weight_decay": 1e-5}  # what its trainers take by default


class OwnTower(nn.Module):
    """A multi-task model as a model of domains: one task for each, and a row's own is its prediction."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: dict[str, Tensor]) -> Tensor:
        return self.model(x).gather(1, x["domain"].long().unsqueeze(1))


class Rechub:
    """One model, twice: as the library trains it, and by itself."""

    def __init__(self, path: str, name: str, parameters: str) -> None:
        torch.set_num_threads(1)
        torch.set_flush_denormal(True)
        torch.manual_seed(0)
        file = np.load(path)
        self.parts = {part: _columns(file, part) for part in ("train", "validation", "test")}
        sizes = {field: int(file[f"size/{field}"]) for field in self.parts["train"][0] if field != "domain"}
        width = widest(lambda w: network(name, sizes, w), int(parameters))
        self.alone_model, self.shipped_model = (OwnTower(network(name, sizes, width)) for _ in range(2))
        self.described = {"parameters": dense(self.alone_model), "width": width}
        self.batches = self._ready()
        self.best, self.kept = 0.0, self.alone_model.state_dict()
        self.optimizer = torch.optim.Adam(self.alone_model.parameters(), **ADAM)
        self.trainer = CTRTrainer(self.shipped_model, optimizer_params=ADAM)
        x, y = self.parts["train"]
        self.loaded = _loaded(x, y)
        self.loaded_from_frame = _loaded(pd.DataFrame(x), y)

    def describe(self) -> dict[str, Any]:
        return self.described

    def alone(self, batches: int) -> dict[str, float]:
        """Steps of the model from ready tensors."""
        self.alone_model.train()
        started, rows = time.process_time(), 0
        for x, y in itertools.islice(self.batches, batches):
            loss = nn.functional.binary_cross_entropy(self.alone_model(x), y)
            self.alone_model.zero_grad()
            loss.backward()
            self.optimizer.step()
            rows += len(y)
        return {"rows": rows, "seconds": time.process_time() - started}

    def shipped(self, batches: int) -> dict[str, float]:
        """Steps of the library's trainer on its own loader over arrays."""
        return self._by_trainer(self.loaded, batches)

    def frame(self, batches: int) -> dict[str, float]:
        """The same over a data frame."""
        return self._by_trainer(self.loaded_from_frame, batches)

    def _by_trainer(self, loaded: Iterator[Any], batches: int) -> dict[str, float]:
        started = time.process_time()
        self.trainer.train_one_epoch(itertools.islice(loaded, batches))
        return {"rows": batches * BATCH, "seconds": time.process_time() - started}

    def validate(self) -> dict[str, float]:
        """AUC on validation rows of the model trained alone, which is kept if it is the best so far."""
        found = self._auc("validation")
        if found["domains"] > self.best:
            self.best, self.kept = found["domains"], copy.deepcopy(self.alone_model.state_dict())
        return found

    def test(self) -> dict[str, float]:
        """AUC on test rows of the best state."""
        self.alone_model.load_state_dict(self.kept)
        return self._auc("test")

    @torch.inference_mode()
    def _auc(self, part: str) -> dict[str, float]:
        x, y = self.parts[part]
        self.alone_model.eval()
        score = self.alone_model({name: torch.from_numpy(column) for name, column in x.items()}).squeeze(1).numpy()
        domains = [x["domain"] == k for k in np.unique(x["domain"])]
        own = [float(roc_auc_score(y[rows, 0], score[rows])) for rows in domains]
        return {"domains": sum(own) / len(own), "all": float(roc_auc_score(y[:, 0], score))}

    def _ready(self) -> Iterator[tuple[dict[str, Tensor], Tensor]]:
        """Full batches of shuffled rows without end; those of a pass are gathered at its start."""
        columns, label = self.parts["train"]
        while True:
            order = np.random.default_rng(0).permutation(len(label))
            x, y = (
                {name: torch.from_numpy(c[order]) for name, c in columns.items()},
                torch.from_numpy(label[order]),
            )
            for start in range(0, len(y) - BATCH + 1, BATCH):
                part = slice(start, start + BATCH)
                yield {name: column[part] for name, column in x.items()}, y[part]


def _loaded(x: Any, y: np.ndarray) -> Iterator[Any]:
    """The library's own loader, without end."""
    train, _, _ = DataGenerator(x, y).generate_dataloader(x, y, x, y, batch_size=BATCH)
    while True:
        yield from train


def _columns(file: Any, part: str) -> tuple[dict[str, np.ndarray], np.ndarray]:
    names = [key.split("/")[1] for key in file if key.startswith(f"{part}/") and key != f"{part}/label"]
    return {name: file[f"{part}/{name}"] for name in names}, file[f"{part}/label"][:, None]


if __name__ == "__main__":
    peer = Rechub(*sys.argv[1:])
    handlers = (peer.describe, peer.alone, peer.shipped, peer.frame, peer.validate, peer.test)
    answer({handler.__name__: handler for handler in handlers})
