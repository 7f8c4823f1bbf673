"""``key=value`` arguments of commands without config files."""

from __future__ import annotations

import pytest

from polyscene.config.arguments import from_arguments
from polyscene.config.schema import EvaluateConfig, RecommendConfig
from polyscene.errors import ConfigError

EXAMPLE = "polyscene recommend run=latest scenario=video user=1"


def recommend(*arguments: str) -> RecommendConfig:
    return from_arguments(RecommendConfig, arguments, where="polyscene recommend", example=EXAMPLE)


def test_text_stays_as_it_was_typed() -> None:
    config = recommend("run=runs/1", "scenario=video", "user=007", "k=3", "data.offline=true", "data.root=~/a=b")
    assert (config.run, config.user, config.k) == ("runs/1", "007", 3)
    assert (config.data.offline, config.data.root) == (True, "~/a=b")


@pytest.mark.parametrize("text", ["scenario=[video,music]", "scenario=video,music"])
def test_lists(text: str) -> None:
    config = from_arguments(EvaluateConfig, ["run=latest", text], where="", example="")
    assert config.scenario == ["video", "music"]


def test_one_value_stands_for_a_list_of_one() -> None:
    assert from_arguments(EvaluateConfig, ["run=x", "scenario=kg"], where="", example="").scenario == ["kg"]


def test_all_problems_at_once_with_a_complete_call() -> None:
    with pytest.raises(ConfigError) as caught:
        recommend("user=5", "k=many", "scenari=video", "oops")
    text = str(caught.value)
    assert text.startswith("polyscene recommend: 6 problems")
    for expected in (
        "'oops' is not of the form key=value",
        "there is no option 'scenari': did you mean 'scenario'?",
        "'run' is missing",
        "'scenario' is missing",
        "'k' is 'many' (str); a whole number is expected",
        f"a complete call: {EXAMPLE}",
    ):
        assert expected in text


def test_bounds() -> None:
    with pytest.raises(ConfigError, match="'k' is 0; at least 1 is expected"):
        recommend("run=x", "scenario=video", "user=1", "k=0")
