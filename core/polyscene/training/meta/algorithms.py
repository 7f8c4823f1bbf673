"""The algorithms by name."""

from __future__ import annotations

from polyscene.training.meta.algorithm import Algorithm
from polyscene.training.meta.anil import Anil
from polyscene.training.meta.boil import Boil
from polyscene.training.meta.cavia import Cavia
from polyscene.training.meta.fomaml import Fomaml
from polyscene.training.meta.maml import Maml
from polyscene.training.meta.metasgd import Metasgd
from polyscene.training.meta.protonet import Protonet
from polyscene.training.meta.reptile import Reptile

ALGORITHMS: dict[str, type[Algorithm]] = {
    "maml": Maml,
    "fomaml": Fomaml,
    "anil": Anil,
    "boil": Boil,
    "metasgd": Metasgd,
    "cavia": Cavia,
    "reptile": Reptile,
    "protonet": Protonet,
}
