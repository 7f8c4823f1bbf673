"""Names a folder of configs that is not there."""

from polyscene import hookimpl

POLYSCENE_API = "1.0"


@hookimpl
def polyscene_config_paths() -> list[str]:
    return ["pkg://nowhere.conf"]
