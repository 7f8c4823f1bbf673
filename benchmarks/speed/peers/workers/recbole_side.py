"""RecBole's SASRec with its own loader and trainer, on sequences from a file.

Takes the file of sequences (``user``, ``item`` and ``place`` of each row, in order) and a folder to work in. The
last row of a user is the test, the one before it the validation.
"""

# The peer is installed in its own environment only.
# pyright: reportMissingImports=false

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.data.interaction import Interaction
from recbole.model.sequential_recommender import SASRec
from recbole.trainer import Trainer
from recbole.utils import init_seed
from torch import Tensor
from turns import answer

TOP, USERS = 10, 512
CONFIG = {
    "USER_ID_FIELD": "user_id",
    "ITEM_ID_FIELD": "item_id",
    "TIME_FIELD": "timestamp",
    "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
    "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "mode": "full", "group_by": "user"},
    "train_neg_sample_args": None,
    "loss_type": "CE",
    "show_progress": False,
    "use_gpu": False,
}


class Sasrec:
    """The model, its trainer and its loader."""

    def __init__(self, path: str, folder: str) -> None:
        torch.set_num_threads(1)
        torch.set_flush_denormal(True)
        file = np.load(path)
        user, item, place = (file[name] for name in ("user", "item", "place"))
        _write(Path(folder), user, item, place)
        config = Config(
            model="SASRec",
            dataset="rows",
            config_dict={**CONFIG, "data_path": folder, "checkpoint_dir": folder},
        )
        init_seed(config["seed"], config["reproducibility"])
        dataset = create_dataset(config)
        self.train_data, _, _ = data_preparation(config, dataset)
        self.model = SASRec(config, self.train_data.dataset)
        self.trainer = Trainer(config, self.model)
        self.length, self.batches = int(config["MAX_ITEM_LIST_LENGTH"]), self._batches()
        number = dataset.token2id("item_id", np.arange(item.max() + 1).astype(str))
        ends = np.flatnonzero(np.diff(user, append=-1)) + 1
        self.sequences = np.split(number[item], ends[:-1])

    def describe(self) -> dict[str, int]:
        parameters = sum(parameter.numel() for parameter in self.model.parameters())
        return {"parameters": parameters, "rows": len(self.train_data.dataset)}

    def train(self, batches: int) -> dict[str, float]:
        """Batches of the library's trainer on its own loader; a row is one item to predict."""
        self.rows, started = 0, time.process_time()
        self.trainer._train_epoch(itertools.islice(self.batches, batches), 0)
        return {"rows": self.rows, "seconds": time.process_time() - started}

    def ndcg(self, last: int) -> dict[str, float]:
        """NDCG@10 over all users and items, history left out, of the row that is ``last`` from the end."""
        gains = [
            self._gain(self.sequences[start : start + USERS], last)
            for start in range(0, len(self.sequences), USERS)
        ]
        return {"ndcg": float(torch.cat(gains).mean())}

    @torch.inference_mode()
    def _gain(self, sequences: list[np.ndarray], last: int) -> Tensor:
        self.model.eval()
        known = [sequence[: len(sequence) - last] for sequence in sequences]
        recent = torch.zeros(len(known), self.length, dtype=torch.long)
        for row, sequence in enumerate(known):
            own = torch.from_numpy(sequence[-self.length :])
            recent[row, : len(own)] = own
        asked = {"item_id_list": recent, "item_length": (recent > 0).sum(1)}
        scores = self.model.full_sort_predict(Interaction(asked))
        target = torch.tensor([sequence[-last] for sequence in sequences])
        goal = scores.gather(1, target[:, None])
        scores[:, 0] = -torch.inf
        for row, sequence in enumerate(known):
            scores[row, sequence] = -torch.inf
        rank = (scores > goal).sum(1) + 1.0
        return torch.where(rank <= TOP, 1 / torch.log2(rank + 1), 0.0)

    def _batches(self) -> Iterator[Any]:
        while True:
            for batch in self.train_data:
                self.rows += len(batch)
                yield batch


def _write(folder: Path, user: np.ndarray, item: np.ndarray, place: np.ndarray) -> None:
    """The rows as the library reads them."""
    (folder / "rows").mkdir()
    lines = (f"{u}\t{i}\t{p}\n" for u, i, p in zip(user, item, place, strict=True))
    with (folder / "rows" / "rows.inter").open("w", encoding="utf-8") as file:
        file.write("user_id:token\titem_id:token\ttimestamp:float\n")
        file.writelines(lines)


if __name__ == "__main__":
    peer = Sasrec(*sys.argv[1:])
    answer({handler.__name__: handler for handler in (peer.describe, peer.train, peer.ndcg)})
