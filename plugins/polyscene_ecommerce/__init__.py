"""E-commerce: a household's next purchases, with what is new to it and what it buys again told apart."""

from __future__ import annotations

from dataclasses import dataclass, field

from polyscene import (
    Category,
    Column,
    Component,
    Id,
    Number,
    PriorSpec,
    Scenario,
    ScenarioConfig,
    TaskSpec,
    Text,
    View,
    components_of,
    hookimpl,
    imported,
)

POLYSCENE_API = "1.0"

_DEMOGRAPHICS = (
    "age",
    "income",
    "home_ownership",
    "marital_status",
    "household_size",
    "household_comp",
    "kids_count",
)


@dataclass
class EcommerceConfig(ScenarioConfig):
    """Options of the scenario.

    Args:
        households: how many households are kept, those with the most baskets first; 0 keeps all.
        min_households: an item is kept if at least this many of the kept households bought it.
        drop_categories: product categories that are no choice of goods.
    """

    households: int = 1000
    min_households: int = 5
    drop_categories: tuple[str, ...] = field(default=("COUPON/MISC ITEMS", "FUEL"))


SCENARIO = Scenario(
    name="ecommerce",
    title="Groceries: a household's next purchases, new and repeated",
    load=imported("polyscene_ecommerce.data", "load"),
    item_columns=(
        Text(),
        Id(),
        Column("department_path", encoder="hierarchy"),
        Column("brand_path", encoder="hierarchy"),
    ),
    user_columns=(Id(), *(Category(name) for name in _DEMOGRAPHICS)),
    event_columns=(Number("price"), Number("basket_size"), Number("gap_days"), Number("repeat")),
    tasks=(TaskSpec("purchase"),),
    views=(View("new", mask_history=True), View("all", mask_history=False)),
    priors=(
        PriorSpec("linear", {"half_life_days": 252.0}),
        PriorSpec("recent_popularity"),
        PriorSpec("personal_frequency"),
    ),
    together=True,
    config=EcommerceConfig,
)


@hookimpl
def polyscene_scenarios() -> list[Scenario]:
    """The ecommerce scenario."""
    return [SCENARIO]


@hookimpl
def polyscene_components() -> list[Component]:
    """The hierarchy encoder, the scale_shift adapter, the class_weighted loss and the purchase task."""
    return components_of(__name__, "features", "adapter", "loss", "task")


@hookimpl
def polyscene_config_paths() -> list[str]:
    """Configs of the scenario and its data set."""
    return [f"pkg://{__name__}.conf"]
