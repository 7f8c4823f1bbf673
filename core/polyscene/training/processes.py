"""Several processes that train one model: what they send each other in a step."""

from __future__ import annotations

from lightning_fabric.strategies.ddp import DDPStrategy
from torch import nn
from torch.nn.parallel import DistributedDataParallel


class Processes(DDPStrategy):
    """Gradients averaged over processes, in the memory of what is sent.

    What training counts besides parameters follows the first process. Buffers that no checkpoint holds are rows of
    tables, the same in every process, and are not sent: before each step that would be all that is bound.
    """

    def __init__(self) -> None:
        # A step may hold some of the scenarios only, so some parameters get no gradient in it.
        super().__init__(find_unused_parameters=True, gradient_as_bucket_view=True)

    def setup_module(self, module: nn.Module) -> DistributedDataParallel:
        kept = module.state_dict().keys()
        rows = [name for name, _ in module.named_buffers() if name not in kept]
        DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(module, rows)
        return super().setup_module(module)
