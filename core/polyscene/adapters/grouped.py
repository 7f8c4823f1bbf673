"""Products of all segments in one call, where torch has it without waiting for the host."""

from __future__ import annotations

from itertools import accumulate

import torch
from torch import Tensor, nn

Segments = tuple[tuple[int, int, int], ...]

# Many products of fewer multiplications than this go in blocks. Measured on a CPU, 2,048 rows forward and back,
# blocks take, against one call, for segments of equal and of unequal size: at 50 segments 1.1 and 1.6 of the
# time in widths 64 and 64, .9 and 1.3 in 64 and 16; at 500 segments .9 and 1.3 in 64 and 64, .4 and .5 in 64
# and 16.
_SMALL_PRODUCT = 2**16


def can_group(h_Ri: Tensor, weight_Kio: Tensor, segments: Segments, few: int) -> bool:
    """Whether torch's grouped product takes these, and they are few or large.

    On a CPU it starts the products of a loop from C++; on other devices it reads the sizes back from the device.
    One segment is a plain product. It takes float32 whose rows fill 16 bytes, and every scenario once, in order.
    """
    scenarios = [k for k, _, _ in segments]
    return (
        len(segments) > 1
        and h_Ri.device.type == "cpu"
        and h_Ri.dtype == weight_Kio.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and h_Ri.shape[-1] % 4 == weight_Kio.shape[-1] % 4 == 0
        and scenarios == sorted(set(scenarios))
        and (len(segments) <= few or h_Ri.numel() * weight_Kio.shape[-1] >= _SMALL_PRODUCT * len(segments))
    )


def grouped_product(h_Ri: Tensor, weight_Kio: Tensor, segments: Segments, vectors: int = 1) -> Tensor:
    """``h_r @ W_k`` of each segment ``[R, o]``, with so many neighboring vectors for each row of a segment."""
    counts = [0] * len(weight_Kio)
    for k, start, stop in segments:
        counts[k] = vectors * (stop - start)
    stops_K = torch.tensor(list(accumulate(counts)), dtype=torch.int32)
    out_Ro = nn.functional.grouped_mm(_dense(h_Ri), _dense(weight_Kio), offs=stops_K)
    if out_Ro.requires_grad:
        out_Ro.register_hook(Tensor.contiguous)  # an expanded gradient, that of a sum, would be refused
    return out_Ro


def _dense(matrix: Tensor) -> Tensor:
    """The matrices without gaps between rows, or between columns where they are transposed."""
    return matrix if matrix.mT.is_contiguous() else matrix.contiguous()
