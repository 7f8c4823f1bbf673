"""Two looks at one history: parts of it are left out or shuffled, on the device, for a whole batch at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from polyscene.data.windows import Windows

CROP, MASK, REORDER = "crop", "mask", "reorder"
WAYS = (CROP, MASK, REORDER)


def view(windows: Windows, ways: Sequence[str], share: float) -> Windows:
    """Each window changed in one way, drawn for each by itself.

    ``crop`` keeps a stretch of ``share`` of the rows (one at least), ``mask`` leaves ``1 - share`` of the rows out
    (each by itself, one stays), ``reorder`` shuffles a stretch of ``1 - share`` of them [CL4SRec, Xie et al., ICDE
    2022; their mask stands for a hidden item, here the row goes, because no item means nothing]. Where rows happen
    together, ``reorder`` would tear them apart.

    Args:
        windows: B windows of T rows; what is left of each comes first again.
        ways: of those above.
        share: how much of a history its changed version keeps as it was.
    """
    device, (n, length) = windows.row_BT.device, windows.row_BT.shape
    place_T = torch.arange(length, device=device)
    count_B1 = windows.length_B.unsqueeze(1)
    chance_BT = torch.rand(n, length, device=device).masked_fill(~windows.valid_BT, 2.0)

    kept_B1 = (share * count_B1).long().clamp(min=1)
    begin_B1 = _begin(count_B1 - kept_B1)
    inside_BT = (place_T >= begin_B1) & (place_T < begin_B1 + kept_B1)
    left_BT = (chance_BT < share) | (chance_BT == chance_BT.min(dim=1, keepdim=True).values)
    moved_B1 = count_B1 - kept_B1
    first_B1 = _begin(count_B1 - moved_B1)
    shuffled_BT = first_B1 + moved_B1 * torch.rand(n, length, device=device)
    among_BT = (place_T >= first_B1) & (place_T < first_B1 + moved_B1)

    keep = {CROP: inside_BT, MASK: left_BT, REORDER: torch.ones_like(inside_BT)}
    key = {
        CROP: place_T.float().expand(n, -1),
        MASK: place_T.float().expand(n, -1),
        # Between the rows before the stretch and those after it.
        REORDER: torch.where(among_BT, shuffled_BT, place_T.float()),
    }
    way_B1 = torch.randint(len(ways), (n, 1), device=device)
    keep_BT = torch.stack([keep[way] for way in ways]).gather(0, way_B1.expand(n, length).unsqueeze(0))[0]
    key_BT = torch.stack([key[way] for way in ways]).gather(0, way_B1.expand(n, length).unsqueeze(0))[0]
    keep_BT = keep_BT & windows.valid_BT
    order_BT = key_BT.masked_fill(~keep_BT, torch.inf).argsort(dim=1, stable=True)
    return rearranged(windows, order_BT, keep_BT.gather(1, order_BT))


def rearranged(windows: Windows, order_BT: Tensor, valid_BT: Tensor) -> Windows:
    """The windows with their rows in another order, of which some count; nothing is a label."""
    return replace(
        windows,
        row_BT=windows.row_BT.gather(1, order_BT),
        valid_BT=valid_BT,
        item_BT=windows.item_BT.gather(1, order_BT),
        value_BT=windows.value_BT.gather(1, order_BT),
        time_BT=windows.time_BT.gather(1, order_BT),
        columns={name: column.gather(1, order_BT) for name, column in windows.columns.items()},
        labelled_BT=None,
    )


def _begin(room_B1: Tensor) -> Tensor:
    """A whole number from 0 to ``room``, each as likely."""
    return (torch.rand(room_B1.shape, device=room_B1.device) * (room_B1 + 1)).long().clamp(max=room_B1)
