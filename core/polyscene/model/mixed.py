"""Rows of several scenarios in one call: what they share is not called once for each."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from polyscene.adapters.bank import AdapterBank, Routing


def encode_together(
    encoders: Mapping[str, nn.Module] | nn.ModuleDict, rows: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """``encoder(rows)`` by scenario, with one call for those that share an encoder.

    Args:
        encoders: by scenario; domains of one scenario have the same module.
        rows: int64 ``[...]`` by scenario, all with the same number of dimensions and the same last ones.
    """
    sharing: dict[int, list[str]] = {}
    for name in rows:
        sharing.setdefault(id(encoders[name]), []).append(name)
    found: dict[str, Tensor] = {}
    for names in sharing.values():
        if len(names) == 1:
            found[names[0]] = encoders[names[0]](rows[names[0]])
        else:
            x = encoders[names[0]](torch.cat([rows[name] for name in names]))
            found |= zip(names, x.split([len(rows[name]) for name in names]), strict=True)
    return found


def adapt_together(bank: AdapterBank, rows: Mapping[str, Tensor], index: Mapping[str, int]) -> dict[str, Tensor]:
    """Vectors ``[..., d]`` by scenario through a bank in one call.

    Args:
        bank: of all scenarios.
        rows: the vectors.
        index: the place of each scenario.
    """
    flat = {name: h.flatten(0, -2) for name, h in rows.items()}
    h_Nd = torch.cat(list(flat.values()))
    routing = Routing.of_segments([(index[name], len(h)) for name, h in flat.items()], h_Nd.device)
    pieces = bank(h_Nd, routing).split([len(h) for h in flat.values()])
    return {name: piece.view_as(h) for (name, h), piece in zip(rows.items(), pieces, strict=True)}
