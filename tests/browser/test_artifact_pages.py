"""What people look at, as they see it: each report, in Prefect's own UI, in a real browser.

With RUNWRIGHT_WRITE_PICTURES=1 the pictures in docs/pictures are taken anew.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.ui import WebDriverWait

from tests.browser.stories import PAGES
from tests.fixtures.prefect import LOGIN

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "pictures"
WRITE = "RUNWRIGHT_WRITE_PICTURES"
MAX_BYTES = 150_000
SECONDS = 240.0
REPORT = "article.artifact-data-markdown"

HEADINGS = {
    "requests": "Requests: cleanwithsnapshot v2.9.0 to production",
    "plan": "Plan: cleanwithsnapshot to production",
    "checklist": "Checklist: cleanwithsnapshot v2.9.0 to production",
    "watch": "Watch: cleanwithsnapshot v2.9.0 in production",
    "log": "Deployment log",
    "rollback": "Way back of cleanwithsnapshot-production-20261121-140431-4f2a",
}
CELLS = {
    "requests": "50 %",
    "plan": "Retry the reminder e-mail when SMTP answers 421",
    "checklist": "The last proven backup is 1d02h old;",
    "watch": "answered 200 in 14 ms, as expected",
    "rollback": "changes were begun that users could notice",
}
"""What one cell of a table must hold. The log has no table."""
QUICK = ("plan", "watch")
"""The pages that `make test` looks at. The others are made of the same parts; their words are told by tests/unit/reports."""


@pytest.fixture(scope="module")
def artifacts(prefect_server: str) -> dict[str, str]:
    """The pages, made: {kind: the address of its page}."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import ArtifactCreate

    with get_client(sync_client=True) as client:
        made = {
            kind: client.create_artifact(
                ArtifactCreate(
                    key=f"{kind}-cleanwithsnapshot-production",
                    type="markdown",
                    data=page(),
                    description=f"The {kind} of cleanwithsnapshot-production-20261121-140431-4f2a",
                )
            )
            for kind, page in PAGES.items()
        }
    ui = prefect_server.removesuffix("/api")
    return {kind: f"{ui}/artifacts/artifact/{artifact.id}" for kind, artifact in made.items()}


def shown(browser: WebDriver, address: str, theme: str) -> Any:
    """Open a page in a theme and return its report, once it is there with everything in it."""
    browser.set_window_size(1280, 900)
    server = address.partition("/artifacts/")[0]
    if not browser.current_url.startswith(server):
        browser.get(f"{server}/ui-settings")  # the theme and the login are kept by address of the server
    browser.execute_script("localStorage.setItem('color-scheme', JSON.stringify(arguments[0]))", theme)
    browser.execute_script("localStorage.setItem('prefect-password', btoa(arguments[0]))", LOGIN)
    browser.get(address)
    WebDriverWait(browser, SECONDS, 0.1).until(lambda b: b.find_elements(By.CSS_SELECTOR, f"{REPORT} h1"))
    WebDriverWait(browser, SECONDS, 0.1).until(
        lambda b: b.execute_script(
            "return document.documentElement.classList.contains(arguments[0]) &&"
            " [...document.images].every(i => i.complete)", theme
        )
    )  # fmt: skip
    return browser.find_element(By.CSS_SELECTOR, REPORT)


def picture(browser: WebDriver, name: str) -> None:
    """Take a picture of the whole page, if pictures are wanted."""
    if os.environ.get(WRITE) != "1":
        return
    bottom = browser.execute_script(
        f"return document.querySelector('{REPORT}').getBoundingClientRect().bottom + window.scrollY"
    )
    around = browser.execute_script("return window.outerHeight - window.innerHeight")
    browser.set_window_size(1280, int(bottom + around) + 24)
    PICTURES.mkdir(exist_ok=True)
    (PICTURES / f"{name}.png").write_bytes(_small(browser.get_screenshot_as_png()))


def _small(png: bytes) -> bytes:
    """Return the same picture with a palette of 256 colours: a third of the bytes."""
    import io

    from PIL import Image

    out = io.BytesIO()
    image = (
        Image.open(io.BytesIO(png)).convert("RGB").quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    )
    image.save(out, format="PNG", optimize=True)
    return out.getvalue()


def test_nothing_is_shown_to_who_does_not_know_the_login(browser: WebDriver, prefect_server: str) -> None:
    """The pages ask for it, as it is in the file that `up` names; with it they show what there is."""
    browser.get(prefect_server.removesuffix("/api"))
    browser.execute_script("localStorage.clear()")  # whichever test came before, and was logged in
    browser.get(prefect_server.removesuffix("/api"))
    asked = WebDriverWait(browser, SECONDS, 0.1).until(
        lambda b: b.find_elements(By.CSS_SELECTOR, "input[type=password]")
    )
    assert "/login" in browser.current_url
    asked[0].send_keys(LOGIN + Keys.ENTER)
    WebDriverWait(browser, SECONDS, 0.1).until(lambda b: b.current_url.partition("?")[0].endswith("/dashboard"))
    WebDriverWait(browser, SECONDS, 0.1).until(lambda b: "Work Pools" in b.find_element(By.TAG_NAME, "body").text)


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=() if kind in QUICK else pytest.mark.story) for kind in PAGES]
)
def test_a_report_is_rendered(browser: WebDriver, artifacts: dict[str, str], kind: str) -> None:
    """The heading is a heading, the table is a table, nothing of Markdown is left, and every cell can be seen."""
    report = shown(browser, artifacts[kind], "light")
    assert report.find_element(By.TAG_NAME, "h1").text == HEADINGS[kind]
    if kind in CELLS:
        cells = [cell.text for cell in report.find_elements(By.TAG_NAME, "td")]
        assert any(CELLS[kind] in cell for cell in cells), cells
        cut = browser.execute_script(
            f"return [...document.querySelectorAll('{REPORT} .p-table')]"
            ".filter(t => t.scrollWidth > t.clientWidth).map(t => t.innerText)"
        )
        assert cut == [], "a table is wider than the page, and what is on its right cannot be seen"
    for markup in ("**", "| ---", "```", "](data:", "&lt;", "<br"):
        assert markup not in report.text
    picture(browser, kind)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_chart_is_drawn(browser: WebDriver, artifacts: dict[str, str], theme: str) -> None:
    """The image of the watch is loaded and has a size, in both themes."""
    report = shown(browser, artifacts["watch"], theme)
    image = report.find_element(By.TAG_NAME, "img")
    width, height = browser.execute_script("return [arguments[0].naturalWidth, arguments[0].naturalHeight]", image)
    assert width > 400 and height > 300
    assert image.is_displayed() and image.size["width"] > 400
    if theme == "dark":
        picture(browser, "watch-dark")


@pytest.mark.parametrize("name", [*PAGES, "watch-dark"])
def test_the_pictures_in_the_documentation_are_small(name: str) -> None:
    """Each is a PNG under 150 kB: the repository is cloned by many."""
    data = (PICTURES / f"{name}.png").read_bytes()
    assert data.startswith(b"\x89PNG") and len(data) < MAX_BYTES
