"""The page in a real browser: two versions side by side, a click that counts, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx2
from selenium.webdriver.support.ui import WebDriverWait

from polyscene.serving.deployment import Deployment
from tests.browser import PATIENCE, Browser
from tests.serving.http.server import Server


def test_two_versions_side_by_side_and_a_click_that_counts(
    serve: Callable[..., Server], runs: tuple[Path, Path], tmp_path: Path, browser: Browser
) -> None:
    first, second = (Deployment(tmp_path / "deployment").adopt(run, by="test") for run in runs)
    server = serve(f"run={runs[0]}", f"beside={second}", "texts=false")
    with server.client() as client:
        client.ready()
        driver, wait = browser.driver, WebDriverWait(browser.driver, 4 * PATIENCE)
        driver.get(server.url)
        wait.until(lambda _: browser.run("return document.querySelectorAll('#scenario option').length") == 2)

        def ask(user: str) -> str:
            browser.run(
                """const value = (id, text) => { document.getElementById(id).value = text; };
                value("scenario", "books"); value("user", arguments[0]); value("k", "4");
                document.getElementById("ask").requestSubmit();""",
                user,
            )
            wait.until(lambda _: "user" in status() or "new" in status())
            return status()

        def status() -> str:
            return browser.run("return document.getElementById('status').textContent")

        def items(where: str) -> list[str]:
            return browser.run(
                "return [...document.querySelectorAll(arguments[0] + ' li')].map((row) => row.dataset.item || '')",
                where,
            )

        assert ask("u01") == "A known user."
        assert items("#first") == [one.item for one in client.recommend("books", user="u01", k=4).items]
        assert len(items("#second")) == 4
        wait.until(lambda _: items("#history"))
        assert items("#history") == [one.item for one in client.history("books", "u01").items]
        headings = browser.run("return [...document.querySelectorAll('h2')].map((one) => one.textContent)")
        assert headings == ["Had, latest first", f"Promoted: {first}", f"Beside it: {second}"]

        stranger = "<img src=x onerror=alert(1)>"
        assert ask(stranger) == "Somebody new."
        wait.until(lambda _: items("#history") == [])
        clicked = items("#first")[0]
        browser.run("document.querySelector('#first li button').click()")
        wait.until(lambda _: status().startswith("Kept: click of"))
        wait.until(lambda _: items("#history") == [clicked])
        [event] = [one for one in client.export_user(stranger).events if one["kind"] == "click"]
        assert event["item"] == clicked
        assert event["impression"].startswith("shown-")

        assert all(name.startswith(server.url) for name in browser.requests())
        assert browser.complaints() == []
    assert server.stop() == 0


def test_nothing_may_be_loaded_from_elsewhere(server: Server) -> None:
    response = httpx2.get(server.url)
    assert response.headers["content-type"].startswith("text/html")
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "<script>" not in response.text
    assert "style=" not in response.text
