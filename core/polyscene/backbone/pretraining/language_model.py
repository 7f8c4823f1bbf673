"""A backbone with a head that guesses tokens. Importing this module imports transformers, which takes seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
)

from polyscene.backbone.loading import FROM_FOLDER, WEIGHTS, load_tokenizer, quiet, telling_why
from polyscene.errors import BackboneError


class LanguageModel(nn.Module):
    """A pretrained model with its head: ``forward(ids_BL, mask_BL, position_M, label_M) -> loss``.

    The head, which is as wide as the vocabulary, works on the places that are asked for only.

    Args:
        model: of transformers, masked or causal.
        tokenizer: of the model.
        causal: whether it reads from left to right.
        new_head: whether its head was not in the checkpoint, and starts from nothing but the input embeddings that
            its last layer shares.

    Attributes:
        head_only: the body is left as it is.
    """

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, causal: bool, new_head: bool
    ) -> None:
        super().__init__()
        self.model, self.tokenizer, self.causal, self.new_head = model, tokenizer, causal, new_head
        self.head_only = False
        self._lora: list[Any] = []  # in a list, so that its modules, which are the model's, have one name
        self._asked: Tensor | None = None
        self.body.register_forward_hook(self._only_asked)

    @property
    def body(self) -> nn.Module:
        """All below the head: what the rest of the package calls the backbone."""
        return self.model.base_model

    def forward(self, ids_BL: Tensor, mask_BL: Tensor, position_M: Tensor, label_M: Tensor) -> Tensor:
        """Mean cross-entropy over the places that are asked for, in nats."""
        self._asked = position_M
        logits_1MV = self.model(input_ids=ids_BL, attention_mask=mask_BL).logits
        self._asked = None
        return functional.cross_entropy(logits_1MV[0].float(), label_M)

    def body_parameters(self) -> list[nn.Parameter]:
        """Parameters below the head; those that the head shares are among them."""
        return list(self.body.parameters())

    def adapt(self, rank: int, alpha: float) -> None:
        """Freeze the body and train a change of low rank of each of its linear layers, by peft's LoRA."""
        from peft import LoraConfig, get_peft_model

        self.body.requires_grad_(False)
        config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=0.0, target_modules="all-linear")  # type: ignore[arg-type]
        self._lora = [get_peft_model(self.body, config)]  # type: ignore[arg-type]

    def save(self, folder: Path) -> None:
        """Write config, weights (LoRA merged) and tokenizer as transformers does, in float32."""
        with quiet():
            if self._lora:
                self._lora.pop().merge_and_unload()
            self.model.float().save_pretrained(folder)
            self.tokenizer.save_pretrained(folder)

    def _only_asked(self, module: nn.Module, given: Any, output: Any) -> Any:
        if self._asked is not None:
            states_1Mh = output.last_hidden_state.flatten(0, 1)[self._asked].unsqueeze(0)
            output.last_hidden_state = states_1Mh.detach() if self.head_only else states_1Mh
        return output


def load_language_model(folder: Path, seed: int = 0) -> LanguageModel:
    """The model of a folder in float32 with its masked-language head, or the causal one of a decoder.

    A checkpoint without a head gets a new one, whose output layer is the table of input embeddings.

    Args:
        folder: as ``save_pretrained`` writes it; only safetensors are read and no code in it runs.
        seed: of a new head.

    Raises:
        BackboneError: neither kind of head is known for the model, or the weights do not fit.
    """
    with telling_why(folder):
        config = AutoConfig.from_pretrained(folder, **FROM_FOLDER)
        kind = config.model_type
        masked, causal = kind in MODEL_FOR_MASKED_LM_MAPPING_NAMES, kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
        if config.is_encoder_decoder or not (masked or causal):
            raise BackboneError(
                f"a model of type '{kind}' has neither a masked nor a causal language-modeling head",
                where=str(folder),
                fix="choose a text encoder such as a BERT model, or a decoder",
            )
        torch.manual_seed(seed)
        head: Any = AutoModelForMaskedLM if masked else AutoModelForCausalLM
        model, report = head.from_pretrained(folder, config=config, **WEIGHTS, **FROM_FOLDER)
    missing = sorted(report["missing_keys"])
    lacking = [name for name in missing if name.startswith(f"{model.base_model_prefix}.")]
    if lacking:
        raise BackboneError(
            f"the weights lack {len(lacking)} of the model's tensors ({', '.join(lacking[:3])})",
            where=str(folder),
            fix="the file belongs to another model or is incomplete: fetch or save it again",
        )
    tokenizer = load_tokenizer(folder)
    if masked and (tokenizer.mask_token_id is None or not tokenizer.is_fast):
        raise BackboneError(
            "the tokenizer has no mask token, or cannot tell which tokens are one word",
            where=str(folder),
            fix="save it with the tokenizers library (tokenizer.json) and its special tokens",
        )
    return LanguageModel(model, tokenizer, causal=not masked, new_head=bool(missing))
