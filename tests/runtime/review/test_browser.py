"""The page in a real browser: by keyboard alone, on a phone, for two people at once, and as an assistive technology sees it."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from reid_edge.gallery import Gallery
from reid_edge.gallery.sync import synchronise

pytest.importorskip("fastapi", reason="the page is the extra `review`")
pytest.importorskip("playwright", reason="drives the browser")

import uvicorn
from playwright.sync_api import Browser, expect, sync_playwright

from reid_edge.review.identification import PackChoice
from reid_edge.review.server import listen
from reid_edge.review.services import Services, Sources
from reid_edge.review.web.application import application
from reid_edge.review.web.security import Access

HOSTILE = "<img src=x onerror=alert(1)>"
_LONGEST_MS = 600_000  # only ends a failure
_ANSWERS_A_KEY = re.compile(
    r"/question/[^/?]+(\?|/decide|/box)|/undo|/groups/pair/|/name|/questions/\d+/|/questions/undo"
)  # not what the page asks by itself


@dataclass
class Site:
    """A page that is served: its address, and the gallery under it."""

    address: str
    gallery: Path
    services: Services

    def reviews(self) -> list[tuple[str, str | None, str]]:
        return [(each.kind, each.identity, each.person) for each in self.services.gallery.reviews()]


@pytest.fixture(scope="module")
def site(sample_gallery: Any, answers: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One server for the tests of this module; each begins with nothing decided."""
    with site_of(sample_gallery.path, answers, tmp_path_factory.mktemp("site")) as made:
        yield made


@contextmanager
def site_of(gallery_file: Path, answers: dict[str, Any], folder: Path) -> Iterator[Site]:
    """A page over a copy of a gallery and these answers, by the photo's name."""
    gallery = Path(shutil.copy(gallery_file, folder / "gallery.sqlite"))
    path = folder / "answers.jsonl"
    path.write_text("".join(json.dumps(decision.as_json()) + "\n" for decision in answers.values()), encoding="utf-8")
    services = Services(gallery, PackChoice("field", "cpu", 1), Sources(answers=path), Access())
    with served(services) as address:
        yield Site(address, gallery, services)


@contextmanager
def served(services: Services) -> Iterator[str]:
    """The address of a server of these services, which it closes."""
    services.start = lambda: None  # type: ignore[method-assign]  # nothing is described behind the tests
    with listen("127.0.0.1", 0) as socket:
        server = uvicorn.Server(uvicorn.Config(application(services), log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{socket.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(autouse=True)
def _nothing_decided(site: Site) -> Iterator[None]:
    yield
    gallery = site.services.gallery
    for batch in dict.fromkeys(each.batch for each in gallery.history() if each.kind not in ("add", "undo") and not each.undone):
        gallery.undo_batch(batch)


@pytest.fixture(scope="module")
def browser(program: Callable[[str], str]) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program("chromium"), args=["--no-sandbox"], timeout=_LONGEST_MS)
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, site: Site, person: str = "Ana", path: str = "/?show=all", **options: Any) -> Iterator[Any]:
    """The queue (or another page) in a browser of its own, when its first question is shown; fails where a script failed."""
    errors: list[str] = []
    context = browser.new_context(**options)
    context.add_cookies([{"name": "reid_edge_person", "value": person, "url": site.address}])
    page = context.new_page()
    page.set_default_timeout(_LONGEST_MS)
    expect.set_options(timeout=_LONGEST_MS)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("dialog", lambda dialog: errors.append(dialog.message))
    page.goto(site.address + path)
    page.wait_for_selector("svg.pair")
    yield page
    context.close()
    assert not errors


def press(page: Any, key: str) -> None:
    """Press a key, and wait until its answer is on the page."""
    with page.expect_response(lambda response: _ANSWERS_A_KEY.search(response.url)):
        page.keyboard.press(key)
    expect(page.locator(":is(.htmx-request, .htmx-swapping, .htmx-settling):not([data-background])")).to_have_count(0)


def test_all_questions_are_answered_with_the_keyboard_at_one_key_each_without_loading_a_page(browser, site):
    with opened(browser, site) as page:
        page.evaluate("window.stays = true")
        for key in ("Enter", "n", "x") * 2:
            expect(page.locator("svg.pair")).to_be_visible()
            press(page, key)
        expect(page.locator("#question-title")).to_contain_text("Nothing is left")
        assert page.evaluate("window.stays")
    assert [kind for kind, *_ in site.reviews()] == ["confirmed", "new", "not_an_animal"] * 2


def test_keys_step_through_candidates_photos_and_lines_and_undo(browser, site):
    with opened(browser, site) as page:
        first = page.inner_text("#question-title")
        pictures = [page.get_attribute("svg.pair image >> nth=1", "href")]
        press(page, "ArrowDown")
        pictures.append(page.get_attribute("svg.pair image >> nth=1", "href"))
        assert pictures[0] != pictures[1]
        press(page, "ArrowRight")
        assert page.inner_text("#question-title") != first
        press(page, "ArrowLeft")
        assert page.inner_text("#question-title") == first
        shown = []
        for _ in range(4):
            shown.append(page.locator("svg.pair .matches > g:visible").count())
            page.keyboard.press("l")
        lines = page.locator("svg.pair .matches > g").count()
        assert lines > 5
        assert shown[:2] == [min(12, lines), min(40, lines)]  # the strongest, then more
        assert 0.95 * lines <= shown[2] <= lines  # then all; a line without a length is not seen
        assert shown[3] == 0
        press(page, "s")
        press(page, "u")
        assert page.inner_text("#question-title") == first
    assert site.reviews() == []


@pytest.fixture
def site_without_points(sample_gallery: Any, answers: dict[str, Any], tmp_path: Path) -> Iterator[Site]:
    """A server of one's own, whose answer for trail_6.jpg has no matched points: a page asks for them, and the server keeps them."""
    last = answers["trail_6.jpg"]
    bare = replace(last, ranking=tuple(replace(each, matches=()) for each in last.ranking))
    with site_of(sample_gallery.path, {**answers, "trail_6.jpg": bare}, tmp_path) as made:
        yield made


def test_keys_are_heard_while_the_matched_points_are_made_again(browser, site_without_points):
    site = site_without_points
    answer = next(each for each in site.services.source.answers() if each.photo == "trail_6.jpg")
    held: list[Any] = []
    with opened(browser, site) as page:
        assert "trail_6.jpg" not in page.inner_text("#question-title")  # nothing is asked before it is held
        page.route(re.compile(r"/lines\?"), lambda route: held.append(route))
        with page.expect_request(re.compile(r"/lines\?")):
            page.goto(f"{site.address}/?show=all&at={answer.id}")
        press(page, "n")
        expect(page.locator("#question-title")).not_to_contain_text("Farida")
    assert len(held) == 1
    assert [kind for kind, *_ in site.reviews()] == ["new"]


def test_a_name_is_typed_and_kept_from_the_keys_of_the_page(browser, site):
    with opened(browser, site) as page:
        page.keyboard.press("e")
        page.keyboard.type("Suns x u")
        press(page, "Enter")
    assert site.reviews() == [("new", "Suns x u", "Ana")]


def test_the_box_is_moved_with_the_keyboard_and_the_photo_answered_again(browser, site):
    with opened(browser, site) as page:
        press(page, "b")
        page.wait_for_selector("#box-editor[data-ready]")
        stored = page.get_attribute("#box-editor", "data-box")
        page.keyboard.press("Shift+ArrowLeft")
        page.keyboard.press("ArrowDown")
        assert page.input_value("#box-value") != stored
        press(page, "Enter")
        expect(page.locator(".status")).to_contain_text("answered again")
        press(page, "n")
    ((kind, *_),) = site.reviews()
    assert kind == "new"
    edges = ",".join(f"{edge:g}" for edge in site.services.gallery.reviews()[0].box or ())
    assert edges != stored


def test_on_a_phone_everything_fits_and_is_reached_by_touch(browser, site):
    with opened(browser, site, viewport={"width": 360, "height": 740}, has_touch=True) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        box = page.locator("svg.pair").bounding_box()
        assert box["height"] > box["width"] * 0.9  # one below the other
        with page.expect_response(lambda response: "/decide" in response.url):
            page.locator(".decide .primary").tap()
        for address in ("/individuals", "/individual?name=Chipo", "/history", "/doubles", "/docs"):
            page.goto(site.address + address)
            assert page.evaluate("document.documentElement.scrollWidth") <= 360, address
    assert len(site.reviews()) == 1


def test_two_people_with_two_browsers_see_the_conflict(browser, site):
    with opened(browser, site, "Ana") as ana, opened(browser, site, "Ben") as ben:
        press(ana, "Enter")
        press(ben, "x")
        expect(ben.locator("[role=alert].problem")).to_contain_text("Ana confirmed")
        assert [person for *_, person in site.reviews()] == ["Ana"]
        press(ben, "s")
    assert len(site.reviews()) == 2


def test_a_name_that_wants_to_be_a_script_is_text_in_the_browser(browser, site):
    names = site.services.gallery.names()
    site.services.gallery.rename(names[0], HOSTILE)
    with opened(browser, site, HOSTILE.replace(" ", "%20")) as page:
        press(page, "n")
        for address in ("/individuals", "/history"):
            page.goto(site.address + address)
            assert HOSTILE in page.inner_text("main")
        page.click(f"text={HOSTILE}") if address == "/individuals" else None


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_stands_in_the_way_of_assistive_technologies(browser, site, scheme):
    found = []
    with opened(browser, site, color_scheme=scheme) as page:
        for address in ("/", "box", "/individuals", "/individual?name=Chipo", "/history", "/doubles", "/docs"):
            if address == "box":
                press(page, "b")
            elif address != "/":
                page.goto(site.address + address)
            found += violations(page, address)
    assert not found


def test_questions_of_stations_are_answered_with_the_keyboard_and_are_accessible(browser, own_gallery, answers_file, tmp_path):
    with Gallery.create(tmp_path / "station.sqlite") as station, Gallery.open(own_gallery) as gallery:
        synchronise(station, gallery)
        for name, other in (("Chipo", "Zora"), ("Asha", "Zita")):
            station.merge([name], "Enzi")
            gallery.rename(name, other)
        synchronise(station, gallery)
    services = Services(own_gallery, PackChoice("field", "cpu", 1), Sources(answers=answers_file), Access())
    with served(services) as address:
        site = Site(address, own_gallery, services)
        with opened(browser, site, viewport={"width": 360, "height": 740}) as page:
            page.click("text=Questions (2)")
            expect(page.locator("#question-title")).to_contain_text("merge Chipo into Enzi")
            assert violations(page, "/questions") == []
            assert page.evaluate("document.documentElement.scrollWidth") <= 360
            press(page, "s")
            expect(page.locator("#question-title")).to_contain_text("merge Asha into Enzi")
            press(page, "y")
            expect(page.locator(".status")).to_contain_text("Merge Zita into Enzi")
            press(page, "u")
            press(page, "n")
            press(page, "n")
            expect(page.locator("#question-title")).to_contain_text("No question is open")
        assert {"Zora", "Zita", "Enzi"} <= set(services.gallery.names())


def violations(page: Any, address: str) -> list[tuple[str, str, list[str]]]:
    """What axe-core finds on the page that is serious or critical."""
    pytest.importorskip("axe_core_python", reason="holds the checks of axe-core")
    page.evaluate(resources.files("axe_core_python").joinpath("axe.min.js").read_text("utf-8"))
    return [
        (address, each["id"], [node["html"][:120] for node in each["nodes"][:3]])
        for each in page.evaluate("axe.run()")["violations"]
        if each["impact"] in ("serious", "critical")
    ]


def test_pairs_are_answered_and_groups_named_with_the_keyboard_and_all_of_it_is_accessible(browser, work, tmp_path):
    services = Services(tmp_path / "new.sqlite", PackChoice("field", "cpu", 1), Sources(discovery=work), Access())
    groups = services.groups
    assert groups is not None
    narrow = {"viewport": {"width": 360, "height": 740}}
    with served(services) as address:
        site = Site(address, tmp_path / "new.sqlite", services)
        with opened(browser, site, path="/groups") as page:
            found = violations(page, "/groups")
            for key in "ync":
                expect(page.locator("svg.pair .matches")).to_be_attached()
                press(page, key)
            assert [each.answer for each in groups.answers()] == ["unsure", "different", "same"]
            press(page, "u")
            assert [each.answer for each in groups.answers()] == ["different", "same"]
            page.keyboard.press("e")
            page.keyboard.type("Kito")
            press(page, "Enter")
            assert services.gallery.names() == ["Kito"]
            page.locator("article h3 a").first.click()
            page.wait_for_selector("input[name=animal]")
            found += violations(page, "/groups/...")
            page.locator("input[name=animal]").first.check()
            page.keyboard.press("t")
            expect(page.locator(".status")).to_contain_text("taken out")
        with opened(browser, site, path="/groups", color_scheme="dark", **narrow) as page:
            found += violations(page, "/groups, dark and narrow")
            assert page.evaluate("document.documentElement.scrollWidth") <= 360
            box = page.locator("svg.pair").bounding_box()
            assert box["height"] > box["width"] * 0.9  # one below the other
    assert not found


def test_a_decision_that_was_answered_survives_the_kill_of_the_server(command, environment, site, tmp_path):
    gallery = shutil.copy(site.gallery, tmp_path / "gallery.sqlite")
    answer = site.services.source.answers()[0]
    for number in (1, 2):
        arguments = ["serve", "--gallery", str(gallery), "--port", "0", "--threads", "1"]
        server = subprocess.Popen([*command, *arguments], stderr=subprocess.PIPE, text=True, env=environment)
        assert server.stderr is not None
        address = server.stderr.readline().split()[5].removesuffix("docs")
        body = {"photo_sha256": answer.sha256, "animal_index": number, "kind": "skipped", "person": "Ana"}
        request = urllib.request.Request(
            f"{address}api/decisions", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        for _ in range(600):
            try:
                with urllib.request.urlopen(request) as answered:
                    assert answered.status == 201
                break
            except OSError:
                time.sleep(0.1)
        server.send_signal(signal.SIGKILL)
        server.wait()
        server.stderr.close()
        with Gallery.open(gallery) as opened_again:
            assert [each.animal_index for each in opened_again.reviews()] == list(range(1, number + 1))
