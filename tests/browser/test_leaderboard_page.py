"""The leaderboard in a real browser: what it says, what a reader does, that it asks for nothing."""

import pandas as pd
import pytest
from chromium import click, requests, show, until
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select
from test_leaderboard import TASKS, measured
from test_page import AXE, SIZES, column, heads

from spotrank.report import leaderboard
from spotrank.report.page import board, page


@pytest.fixture(scope="session")
def leaders(tmp_path_factory):
    """A page of three encoders and one that leaks, on two tasks."""
    lines, numbers = measured(TASKS)
    leaky, _ = measured({cohort: {"d": [0.9] * 4} for cohort in TASKS}, leak="d has seen it")
    cells, left_out = leaderboard.cells(pd.concat([lines, leaky]))
    found = list(leaderboard.boards(cells, numbers))
    printed = pd.DataFrame({"cohort": ["one"], "encoder": ["a"], "pooled_pearson": [0.4]})
    tables = {"t": (printed, ["cohort", "encoder"], "pooled_pearson")}
    shown = board.data(cells, found, leaderboard.printed(cells, tables), left_out)
    path = tmp_path_factory.mktemp("leaders") / "leaderboard.html"
    path.write_text(page.html(shown, "leaderboard.html", board.SCRIPTS, page.STYLES[:1]))
    return path


@pytest.fixture
def opened(driver, leaders):
    show(driver, leaders)
    until(driver, "document.querySelector('#picture svg')")
    return driver


def test_the_first_screen_has_the_answer_and_the_ranks(opened):
    said = opened.find_element(By.ID, "said")
    assert said.text.startswith("a leads 3 encoders with a mean Spearman of .575 over 2 tasks")
    picture = opened.find_element(By.CSS_SELECTOR, "#picture svg")
    for part in (said, picture):
        assert part.rect["y"] + part.rect["height"] < 800
    label = picture.get_attribute("aria-label")
    assert label == "Ranks with 95 % intervals: a 1 (1), b 2 (2), c 3 (3)"
    warning = opened.find_element(By.CSS_SELECTOR, "#warnings li").text
    assert warning == "d is not ranked: leaks in 4 of 4 folds: d has seen it."


def test_a_click_on_a_head_sorts_and_on_a_score_tells_its_source(opened):
    assert column(opened, "standing", 0) == ["d", "a", "b", "c"]
    names = [head.text for head in heads(opened, "standing")]
    heads(opened, "standing")[names.index("encoder")].click()
    assert column(opened, "standing", 0) == ["a", "b", "c", "d"]
    assert column(opened, "standing", names.index("one"))[-1] == ".900†"
    click(opened, opened.find_element(By.CSS_SELECTOR, "#table-standing .open"))
    facts = opened.find_element(By.CSS_SELECTOR, ".behind").text
    assert "f00 and changes" in facts
    assert "0123" in facts


def test_another_board_is_drawn(opened):
    choice = Select(opened.find_element(By.CSS_SELECTOR, "#choice select"))
    choice.select_by_visible_text("pooled Pearson")
    assert "mean pooled Pearson" in opened.find_element(By.ID, "said").text
    assert "so none of a rank" in opened.find_element(By.ID, "further").text
    until(opened, "document.querySelector('#picture svg')")
    assert column(opened, "printed", 1)[0] == "a"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", SIZES.values(), ids=SIZES)
def test_it_fits_asks_for_nothing_and_has_no_error(driver, leaders, width, scheme):
    show(driver, leaders, width, prefers_color_scheme=scheme)
    until(driver, "document.querySelector('#picture svg')")
    click(driver, driver.find_element(By.CSS_SELECTOR, "#table-standing .open"))
    driver.execute_script(AXE.read_text())
    found = driver.execute_async_script("axe.run().then(arguments[0])")["violations"]
    grave = [(one["id"], one["nodes"][0]["html"][:200]) for one in found
             if one["impact"] in ("serious", "critical")]  # fmt: skip
    assert grave == []
    assert driver.execute_script("return document.documentElement.scrollWidth") == width
    assert driver.get_log("browser") == []
    asked = requests(driver)
    assert leaders.as_uri() in asked
    assert [url for url in asked if url.split(":")[0] not in ("file", "data", "blob")] == []
