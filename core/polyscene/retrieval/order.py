"""The order of items: by score, and where scores are equal by a rule that favors nobody.

A model that scores everything equal must get what chance gets, neither 1 (ties counted in favor) nor 0 (ties
counted against). Items with equal scores are therefore put in a fixed pseudo-random order of their own for each
user, a function of the user's key and the item's index only: results are deterministic, do not depend on the
batch, and a constant score is worth a random draw. NaN counts as the lowest score.
"""

from __future__ import annotations

import torch
from torch import Tensor

LEFT_OUT = torch.iinfo(torch.int64).min
"""The key of items that are left out: the lowest of all."""
# An odd number with well spread bits, as int32 (2,146,121,005 in the hash "lowbias32" of C. Wellons).
_ODD = 0x7FEB352D


def comparable(scores: Tensor) -> Tensor:
    """A float32 copy of scores in which every one is finite, so that minus infinity can mean 'left out'."""
    least, most = torch.finfo(torch.float32).min, torch.finfo(torch.float32).max
    return torch.nan_to_num(scores.float(), nan=least, posinf=most, neginf=least)


def order_keys(score_BC: Tensor, user_B: Tensor, code_C: Tensor) -> Tensor:
    """Int64 ``[B, C]`` keys that order the items of every row totally: by score, then by the rule for ties.

    The score's bits, made order-preserving, count 2^32 each, and the tie order at most half of that either way.

    Args:
        score_BC: :func:`comparable` scores; minus infinity gets the key of what is left out.
        user_B: int64 key of each row for the order of ties.
        code_C: the items' codes, ``[C]`` or of each row ``[B, C]``, see :func:`item_codes`.
    """
    # Adding zero turns -0.0 into 0.0, so that the two tie.
    bits_BC = (score_BC + 0.0).view(torch.int32)
    # Negative floats order backwards as integers: flip all their bits but the sign.
    bits_BC ^= (bits_BC >> 31) & 0x7FFFFFFF
    key_BC = bits_BC.long()
    key_BC <<= 32
    key_BC += _tie_order(code_C, user_B.unsqueeze(1))
    return key_BC.masked_fill_(score_BC == -torch.inf, LEFT_OUT)


def item_codes(n_items: int, device: torch.device) -> Tensor:
    """Int32 ``[N]``: distinct random codes of items, always the same for N items."""
    generator = torch.Generator().manual_seed(n_items)
    return torch.randperm(n_items, generator=generator).to(device, torch.int32) * _ODD


def _tie_order(code: Tensor, user: Tensor) -> Tensor:
    """Int32, distinct within a user: a hash of user and item that orders any set of items at random.

    Random codes of items are joined with a code of the user and mixed by steps that can be undone (xor with a
    shift, product with an odd number), so no two items of a user get the same value. Codes and users broadcast.
    """
    return _mixed(code ^ _mixed((user + 1).int()))


def _mixed(code: Tensor) -> Tensor:
    """One round of an integer hash on int32, which wraps around; done in place."""
    for _ in range(2):
        code ^= (code >> 15) & 0x1FFFF
        code *= _ODD
    code ^= (code >> 15) & 0x1FFFF
    return code
