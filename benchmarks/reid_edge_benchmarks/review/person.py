"""A scripted person answers questions with the keyboard, knowing the truth, and the browser times each key to the next pair."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from reid_edge_benchmarks.review.browser import open_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

# From the key press until the pictures of the next pair are decoded and a frame with them is painted.
_TIMER = """
window.stays = true; window.pairs = 0; window.times = []; let pressed = 0;
document.addEventListener("keydown", () => { pressed = performance.now(); }, true);
document.addEventListener("htmx:afterSettle", async (event) => {
  if (!document.querySelector("#question-title") || event.detail.elt.matches?.("figure")) return;
  await Promise.all([...document.querySelectorAll("svg.pair image")].map((each) => {
    const image = new Image(); image.src = each.getAttribute("href"); return image.decode().catch(() => null);
  }));
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  if (pressed) window.times.push(performance.now() - pressed);
  window.pairs += 1;
});
"""
# Not Playwright's own waiting, which evaluates text: the page forbids that.
_NEXT_PAIR = """(pairs) => new Promise((done) => {
  const look = () => { if (window.pairs > pairs) done(); else setTimeout(look, 5); };
  look();
})"""
_MOST_CANDIDATES = 5


@dataclass(frozen=True)
class Answered:
    """What the person did.

    Attributes:
        milliseconds: of each key to the next pair.
        questions, keys: how many were answered, and keys pressed for it; the keys between are those that step through candidates.
        page_loads: of whole pages, after the first.
    """

    milliseconds: tuple[float, ...]
    questions: int
    keys: int
    page_loads: int

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        times = np.array(self.milliseconds)
        percentiles = {f"p{share}": round(float(np.percentile(times, share)), 1) for share in (50, 95, 99)}
        facts = {"questions": self.questions, "keys": self.keys, "page_loads": self.page_loads}
        return {**facts, **percentiles, "worst": round(float(times.max()), 1)}


def answer(browser: Browser, address: str, truth: Mapping[str, str], count: int, think_seconds: float) -> Answered:
    """Answer `count` questions.

    Args:
        browser: to do it in.
        address: of the page.
        truth: the individual on each photo, by file name.
        count: of questions, at most as many as there are.
        think_seconds: how long the person looks at a pair before pressing a key.
    """
    page = open_page(browser, address, "Scripted person", "/?show=all")
    page.wait_for_selector("svg.pair")
    page.evaluate(_TIMER)
    questions = keys = 0
    while questions < count and page.query_selector("svg.pair"):
        time.sleep(think_seconds)
        keys += _decide(page, truth)
        questions += 1
    stayed = page.evaluate("window.stays === true")
    times = page.evaluate("window.times")
    page.context.close()
    return Answered(tuple(times), questions, keys, 0 if stayed else 1)


def _decide(page: Page, truth: Mapping[str, str]) -> int:
    """Answer one question; returns how many keys that took."""
    photo = page.inner_text("figcaption span bdi >> nth=0")
    keys = 0
    for _ in range(_MOST_CANDIDATES):
        shown = page.inner_text("#question-title bdi") if page.query_selector("#question-title bdi") else ""
        if shown == truth.get(photo):
            return keys + _press(page, "Enter")
        if not page.query_selector("[data-keys=ArrowRight]"):
            break
        keys += _press(page, "ArrowRight")
    return keys + _press(page, "n")


def _press(page: Page, key: str) -> int:
    pairs = page.evaluate("window.pairs")
    page.keyboard.press(key)
    page.evaluate(_NEXT_PAIR, pairs)
    return 1
