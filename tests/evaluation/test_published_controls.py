"""Controls on real data against the published figures, on the same rows (all: benchmarks/quality/controls.py)."""

from pathlib import Path

import pytest

from benchmarks.quality import protocols
from benchmarks.quality.controls import build
from polyscene.evaluation.metrics import ndcg, recall, summarize

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def data(shared_data: Path) -> protocols.RealData:
    return protocols.RealData(shared_data)


def test_popularity_and_ease_on_artists(data: protocols.RealData) -> None:
    """Random 8:1:1 per user, history masked, all artists ranked: figures to four digits."""
    protocol = protocols.warm_artists(data)
    published = {
        "popularity": ({}, 0.0681, 0.0760),
        "ease": ({"l2": 2000.0, "log_weights": True}, 0.2173, 0.2195),
    }
    for method, (options, *expected) in published.items():
        baseline = build(method, options)
        baseline.fit(protocol.events, None, phases=protocol.learned)
        ranking = protocol.rank(baseline)
        found = [summarize(ndcg(ranking, 10)), summarize(recall(ranking, 10))]
        assert found[0].users == 1883
        assert [one.mean for one in found] == pytest.approx(expected, abs=3e-4), method


def test_adamic_adar_on_friends(data: protocols.RealData) -> None:
    """Within the standard error over people; exact agreement would need the same order of ties, which are many."""
    protocol = protocols.friends(data)
    baseline = build("adamic_adar", {})
    baseline.fit(protocol.events, None, phases=protocol.learned)
    ranking = protocol.rank(baseline)
    for metric, published in ((ndcg, 0.1550), (recall, 0.1898)):
        found = summarize(metric(ranking, 10))
        assert found.users == 1255
        assert abs(found.mean - published) < found.standard_error
