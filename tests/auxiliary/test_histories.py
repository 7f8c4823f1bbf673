"""History contrast: versions of a history are what they should be, and only the right versions attract."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch

from polyscene.auxiliary.histories import HistoryContrastConfig, history_info_nce
from polyscene.auxiliary.views import CROP, MASK, REORDER, WAYS, view
from polyscene.data.sampling import WindowSampler, step_generator
from polyscene.data.windows import Windows
from polyscene.errors import ConfigError
from polyscene.training.held import freeze_others
from tests.data.test_sampling import make_events
from tests.tiny import tiny_model

CONTRAST = "auxiliary=[{name: history_contrast, weight: 0.5}]"


@pytest.fixture
def windows() -> Windows:
    torch.manual_seed(0)
    return WindowSampler(make_events(), 10).draw(400, step_generator(0, 0, "cpu"))


def kept(changed: Windows) -> list[list[int]]:
    return [rows[valid].tolist() for rows, valid in zip(changed.row_BT, changed.valid_BT, strict=True)]


@pytest.mark.parametrize("share", [0.1, 0.6, 0.95])
@pytest.mark.parametrize("way", WAYS)
def test_a_version_holds_rows_of_its_history_packed_to_the_front(windows: Windows, way: str, share: float) -> None:
    changed = view(windows, [way], share)
    for before, after, valid in zip(kept(windows), kept(changed), changed.valid_BT, strict=True):
        assert 1 <= len(after) <= len(before)
        assert set(after) <= set(before)
        assert len(set(after)) == len(after)
        assert valid.tolist() == [True] * len(after) + [False] * (10 - len(after))
    assert torch.equal(changed.item_BT, changed.row_BT)  # row r holds item r
    assert torch.equal(changed.columns["code"].long(), -changed.row_BT)


def test_crop_keeps_a_stretch_and_every_stretch_comes_up(windows: Windows) -> None:
    found = Counter()
    for before, after in zip(kept(windows), kept(view(windows, [CROP], 0.6)), strict=True):
        assert len(after) == max(1, int(0.6 * len(before)))
        assert after == list(range(after[0], after[0] + len(after)))
        found[after[0] - before[0], len(before)] += len(before) == 10
    assert {start for (start, length), count in found.items() if count} == {0, 1, 2, 3, 4}


def test_mask_leaves_each_row_out_by_itself_and_keeps_the_order(windows: Windows) -> None:
    before, after = kept(windows), kept(view(windows, [MASK], 0.6))
    assert all(rows == sorted(rows) for rows in after)
    long = [(b, a) for b, a in zip(before, after, strict=True) if len(b) == 10]
    assert sum(len(a) for _, a in long) / sum(len(b) for b, _ in long) == pytest.approx(0.6, abs=0.05)


def test_reorder_shuffles_one_stretch_and_keeps_all(windows: Windows) -> None:
    moved = 0
    for before, after in zip(kept(windows), kept(view(windows, [REORDER], 0.6)), strict=True):
        assert sorted(after) == before
        places = [i for i, (a, b) in enumerate(zip(after, before, strict=True)) if a != b]
        moved += bool(places)
        assert not places or places[-1] - places[0] < len(before) - int(0.6 * len(before))
    assert moved > 100


def test_the_loss_is_that_of_the_paper_on_a_small_case() -> None:
    one, other = torch.randn(3, 4), torch.randn(3, 4)
    states = torch.nn.functional.normalize(torch.cat([one, other]), dim=1)
    cosine = states @ states.T / 0.5
    terms = []
    for m in range(6):
        own = (m + 3) % 6
        negatives = [n for n in range(6) if n % 3 != m % 3]
        terms.append(-cosine[m, own] + torch.logsumexp(cosine[m, [own, *negatives]], 0))
    found = history_info_nce(one, other, torch.tensor([5, 6, 7]), torch.ones(3, dtype=torch.bool), 0.5)
    assert found.item() == pytest.approx(torch.stack(terms).mean().item(), rel=1e-5)


def test_the_same_user_is_no_negative_and_short_histories_take_no_part() -> None:
    one, other = torch.randn(4, 4), torch.randn(4, 4)
    user, counts = torch.tensor([1, 1, 2, 3]), torch.tensor([True, True, True, False])
    found = history_info_nce(one, other, user, counts, 0.5)
    again = history_info_nce(one + torch.tensor([[0.0], [0], [0], [9]]), other, user, counts, 0.5)
    assert torch.equal(found, again)
    alone = history_info_nce(one[:2], other[:2], user[:2], counts[:2], 0.5)
    assert alone.item() == pytest.approx(0.0)
    nobody = history_info_nce(one, other, user, torch.zeros(4, dtype=torch.bool), 0.5)
    assert nobody.item() == 0.0


@pytest.mark.parametrize("kind", ["none", "gate", "star", "ppnet"])  # plain, with statistics, by person
def test_it_trains_sequence_model_and_every_kind_of_adapter_and_no_head(kind: str) -> None:
    model, loaded, _ = tiny_model(("shop",), CONTRAST, f"adapter={kind}")
    model.train()
    freeze_others(model, loaded.scenarios)
    one = loaded.scenarios["shop"]
    windows = WindowSampler(one.events, 8).draw(40, step_generator(0, 0, "cpu"))
    losses = model({"shop": windows})["shop"]
    assert math.isfinite(losses["history_contrast"].item())
    losses["history_contrast"].backward()
    moved = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert any(name.startswith("sequence.") for name in moved)
    assert any(name.startswith("items.") for name in moved)
    assert not any(name.startswith(("tasks.", "users.")) for name in moved)
    assert kind == "none" or any(name.startswith("user_bank.") for name in moved)


def test_who_reads_no_past_is_not_concerned() -> None:
    model, _, _ = tiny_model(("shop", "facts"), CONTRAST)
    assert set(model.auxiliaries_of("shop")) == {"history_contrast"}
    assert not model.auxiliaries_of("facts")


@pytest.mark.parametrize(
    ("ways", "found"), [(["crop", "maks"], "did you mean 'mask'"), (["reorder"], "name crop")]
)
def test_ways_that_there_are_not(ways: list[str], found: str) -> None:
    with pytest.raises(ConfigError, match=found):
        HistoryContrastConfig(ways=ways)
