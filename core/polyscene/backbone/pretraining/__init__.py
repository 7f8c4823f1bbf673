"""Language modeling: what further training of a backbone on texts needs."""

from polyscene.backbone.pretraining.corpus import Batch, Corpus
from polyscene.backbone.pretraining.masking import mask_words

__all__ = ["Batch", "Corpus", "mask_words"]
