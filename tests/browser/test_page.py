"""The page of a study in a real browser: what it says, and what a reader does with it."""

import csv
import io
import json
import re
from base64 import b64decode
from importlib import resources

import pandas as pd
import pytest
from chromium import click, requests, show, until
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from spotrank.report.page import answer, page
from spotrank.verdicts.compare import read

AXE = resources.files("axe_playwright_python") / "axe.min.js"
SIZES = {"phone": 360, "desktop": 1280, "wide": 1920}


def column(driver, table, i):
    """Text of a column of a table that is shown."""
    rows = f"#table-{table} tbody tr:not(.behind) td:nth-child({i + 1})"
    return [cell.text for cell in driver.find_elements(By.CSS_SELECTOR, rows)]


def sign_and_size(text):
    return float(text.replace("−", "-"))


def heads(driver, table):
    return driver.find_elements(By.CSS_SELECTOR, f"#table-{table} thead button")


def test_the_first_screen_has_the_answer(opened, finished):
    tables = finished / "results/small/tables"
    said = answer.answers(page.read(tables / "summary.tsv"), read(tables / "comparisons.tsv"))[0][
        "said"
    ]
    headline = opened.find_element(By.ID, "said")
    assert headline.text == said[0]
    assert "2 patients" in headline.text
    picture = opened.find_element(By.CSS_SELECTOR, "#picture svg")
    for part in (headline, picture):
        assert part.rect["y"] + part.rect["height"] < 800
    for loss in ("mse", "strank_list", "nearest"):
        assert f"{loss} " in picture.get_attribute("aria-label")
        assert loss in picture.text
    assert re.search("ceiling .\\d\\d\\d", picture.text)
    made = opened.find_element(By.CLASS_NAME, "made").text
    assert json.loads((finished / "results/small/provenance.json").read_text())["id"] in made


def test_a_click_on_a_head_sorts(opened):
    names = [head.text for head in heads(opened, "scores")]
    spearman, loss = names.index("Spearman"), names.index("loss")
    down = column(opened, "scores", spearman)
    assert len(down) == 6
    assert list(map(sign_and_size, down)) == sorted(map(sign_and_size, down), reverse=True)
    heads(opened, "scores")[spearman].click()
    assert column(opened, "scores", spearman) == down[::-1]
    heads(opened, "scores")[loss].send_keys(Keys.ENTER)  # by keyboard, too
    assert column(opened, "scores", loss) == sorted(column(opened, "scores", loss))
    sorted_by = opened.find_elements(By.CSS_SELECTOR, "#table-scores th[aria-sort]")
    assert [head.get_attribute("aria-sort") for head in sorted_by] == ["ascending"]


def test_filters_leave_the_rows_asked_for(opened):
    table = opened.find_element(By.ID, "t-scores")
    search = table.find_element(By.CSS_SELECTOR, "input[type=search]")
    search.send_keys("RANK_l")
    assert column(opened, "scores", 0) == ["strank_list"]
    assert table.find_element(By.CLASS_NAME, "status").text == "1 of 6 rows"
    search.send_keys(Keys.BACKSPACE * 6)
    kind = table.find_element(By.CSS_SELECTOR, "select[aria-label='kind of Scores']")
    kind.find_element(By.CSS_SELECTOR, "option[value=floor]").click()
    assert set(column(opened, "scores", 0)) == {"depth", "stain", "place", "nearest"}


def test_a_mean_opens_what_lies_behind_it(opened, finished):
    opened.find_element(By.CSS_SELECTOR, "#t-scores input").send_keys("mse")
    opened.find_element(By.CSS_SELECTOR, "#table-scores .open").click()
    charts = opened.find_elements(By.CSS_SELECTOR, ".behind svg")
    titles = [chart.get_attribute("aria-label").partition(":")[0] for chart in charts]
    assert titles == ["Folds", "Seeds", "Slides", "Best and worst genes, over all slides"]
    scores = pd.read_parquet(finished / "results/small/tables/scores.parquet")
    mine = scores[scores["loss"] == "mse"]
    for sample, mean in mine.groupby("sample")["spearman"].mean().items():
        assert f"{sample} {answer.number(mean)}" in charts[2].get_attribute("aria-label")
    opened.find_element(By.CSS_SELECTOR, "#table-scores .open").click()
    assert not opened.find_elements(By.CLASS_NAME, "behind")


def test_a_table_is_copied(opened, finished):
    opened.execute_script(
        "navigator.clipboard.writeText = async (text) => { window.copied = text; }"
    )
    opened.find_element(By.CSS_SELECTOR, "#t-samples summary").click()
    opened.find_element(By.CSS_SELECTOR, "#t-samples .copy").click()
    rows = list(csv.DictReader(io.StringIO(until(opened, "window.copied")), delimiter="\t"))
    samples = page.read(finished / "results/small/tables/samples.tsv")
    assert [row["sample"] for row in rows] == list(samples["sample"])
    assert [int(row["spots"]) for row in rows] == list(samples["spots"])


def test_the_config_is_there_to_be_run_again(opened, finished):
    config = opened.find_element(By.ID, "config").get_attribute("textContent")
    known = json.loads((finished / "results/small/provenance.json").read_text())
    assert page.methods.yaml.safe_load(config) == known["config"]


def test_print_shows_what_is_folded(opened):
    opened.execute_script(
        "addEventListener('beforeprint', () => { window.folded = "
        "document.querySelectorAll('details:not([open])').length; });"
    )
    before = opened.execute_script("return document.querySelectorAll('details:not([open])').length")
    printed = b64decode(opened.execute_cdp_cmd("Page.printToPDF", {})["data"])
    assert printed.startswith(b"%PDF")
    assert before > 0
    assert until(opened, "window.folded === 0")
    after = "document.querySelectorAll('details:not([open])').length"
    assert until(opened, f"{after} === {before}")


def test_paper_has_no_controls(opened):
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    for kind in ("nav", ".controls", ".copy"):
        parts = opened.find_elements(By.CSS_SELECTOR, kind)
        assert parts
        assert [part.text for part in parts if part.is_displayed()] == []
    colour = "getComputedStyle(document.body).color"
    assert opened.execute_script(f"return {colour}") == "rgb(26, 31, 38)"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", SIZES.values(), ids=SIZES)
def test_the_page_fits_asks_for_nothing_and_has_no_error(driver, page_of_study, width, scheme):
    show(driver, page_of_study, width, prefers_color_scheme=scheme)
    until(driver, "document.querySelectorAll('#training svg').length > 1")
    assert driver.execute_script("return document.documentElement.scrollWidth") == width
    for opener in driver.find_elements(By.CSS_SELECTOR, "details:not([open]) > summary"):
        click(driver, opener)
    click(driver, driver.find_element(By.CSS_SELECTOR, "#table-scores .open"))
    driver.execute_script(AXE.read_text())
    found = driver.execute_async_script("axe.run().then(arguments[0])")["violations"]
    grave = [
        (one["id"], node["html"][:200], node["failureSummary"])
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]
    assert grave == []
    assert driver.execute_script("return document.documentElement.scrollWidth") == width
    assert driver.get_log("browser") == []
    asked = requests(driver)
    assert page_of_study.as_uri() in asked
    assert [url for url in asked if url.split(":")[0] not in ("file", "data", "blob")] == []


def test_the_page_is_light_and_the_reports_first_result(page_of_study, finished):
    assert page_of_study.stat().st_size < 5_000_000
    report = (finished / "results/small/report.html").read_text()
    categories = re.search(r"var categories = (\{.*\});", report).group(1)
    assert next(iter(json.loads(categories))) == "Answer"
