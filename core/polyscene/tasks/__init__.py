"""Tasks and their losses."""

from polyscene.registry.components import Component
from polyscene.tasks import losses
from polyscene.tasks.bi_encoder import BiEncoderConfig, BiEncoderTask
from polyscene.tasks.click import ClickConfig, ClickTask
from polyscene.tasks.cross import CrossConfig, CrossTask
from polyscene.tasks.kg_bert import KgBertConfig, KgBertTask
from polyscene.tasks.link import LinkConfig, LinkTask
from polyscene.tasks.ranking import RankingConfig, RankingTask
from polyscene.tasks.rating import RatingConfig, RatingTask
from polyscene.tasks.triple import TripleConfig, TripleTask

COMPONENTS = [
    Component("task", "ranking", RankingTask, RankingConfig),
    Component("task", "click", ClickTask, ClickConfig),
    Component("task", "cross", CrossTask, CrossConfig),
    Component("task", "rating", RatingTask, RatingConfig),
    Component("task", "link", LinkTask, LinkConfig),
    Component("task", "triple", TripleTask, TripleConfig),
    Component("task", "bi_encoder", BiEncoderTask, BiEncoderConfig),
    Component("task", "kg_bert", KgBertTask, KgBertConfig),
    *losses.COMPONENTS,
]
