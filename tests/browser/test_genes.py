"""Genes and slides of the page in a real browser: what is chosen is drawn."""

import re

import anndata
import numpy as np
import pandas as pd
import pytest
from chromium import until
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

YELLOW = [253, 231, 37]  # viridis' last


@pytest.fixture
def genes(opened):
    until(opened, "document.querySelector('#genes .gene-chart svg')")
    return opened.find_element(By.ID, "genes")


@pytest.fixture
def scores(finished):
    """Means over slides and seeds of each gene, by the linear head and each loss."""
    scores = pd.read_parquet(finished / "results/small/tables/scores.parquet")
    scores = scores[scores["head"] == "linear"]
    columns = ["spearman", "ceiling_spearman", "mean_count"]
    by_gene = scores.groupby(["loss", "gene"], observed=True)
    # each fold has genes of its own
    return by_gene[columns].mean().assign(n_slides=by_gene["sample"].nunique())


def status(genes):
    return genes.find_element(By.CLASS_NAME, "gene-status").text


def drawn(genes):
    """`{label: pixels, as text}` of all maps, once they are drawn."""
    all_drawn = "[...document.querySelectorAll('.pair .sides canvas')].every(c => c.dataset.drawn)"
    until(genes.parent, all_drawn)
    maps = genes.find_elements(By.CSS_SELECTOR, ".pair .sides canvas")
    return {
        map_.get_attribute("aria-label"): genes.parent.execute_script(
            "return arguments[0].toDataURL()", map_
        )
        for map_ in maps
    }


def best_loss(scores):
    return scores["spearman"].groupby("loss").mean().idxmax()


def test_a_click_on_a_point_shows_its_maps(genes, scores, finished):
    driver, loss = genes.parent, best_loss(scores)
    before = drawn(genes)
    shown = status(genes).partition(":")[0]
    everywhere = scores.loc[loss].query("n_slides == 3")["spearman"]
    other = everywhere.drop(shown, errors="ignore").idxmin()
    point = driver.execute_script(
        "return [...document.querySelectorAll('.gene-chart circle')]"
        ".find(c => c.textContent.startsWith(arguments[0] + ':'))",
        other,
    )
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", point)
    ActionChains(driver).move_to_element(point).click().perform()
    row = scores.loc[loss, other]
    assert status(genes).startswith(f"{other}: Spearman {printed(row['spearman'])} by {loss}, ")
    assert f"ceiling {printed(row['ceiling_spearman'])}, " in status(genes)
    after = drawn(genes)
    assert len(before) == 2 * scores.loc[(loss, shown), "n_slides"]
    assert len(after) == 2 * 3
    assert not set(after.values()) & set(before.values())
    observed = {}
    for sample in ("SIM1", "SIM2", "SIM3"):
        spots = anndata.read_h5ad(finished / f"results/spots/sim/{sample}.h5ad")
        counts = spots[:, other].X.toarray().ravel()
        observed[sample] = np.log1p(counts / spots.obs["library"].to_numpy() * 1e4)
        ends = f"{observed[sample].min():.3g} to {observed[sample].max():.3g}"
        label = f"{other} on {sample}, observed: {ends} log1p expression"
        assert label in after
    sample = max(observed, key=lambda sample: observed[sample].max())
    brightest = driver.execute_script(
        """const [sample, spot] = arguments;
        const {x, y, ends} = data.slides.slides.find(slide => slide.sample === sample);
        const at = [x, y].map((text, i) => ends[i][0] + (ends[i][1] - ends[i][0]) *
          new Uint16Array(Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer)[spot] / 65534);
        const map = [...document.querySelectorAll('.pair canvas')]
          .find(canvas => canvas.getAttribute('aria-label').includes(` on ${sample}, observed`));
        return [...map.getContext('2d').getImageData(
          Math.round(at[0] * map.width), Math.round(at[1] * map.height), 1, 1).data].slice(0, 3)""",
        sample,
        int(observed[sample].argmax()),
    )
    assert brightest == YELLOW


def printed(score):
    return f"{float(f'{score:.3g}'):.3f}".replace("0.", ".").replace("-", "−")


def test_search_finds_a_gene(genes, scores):
    names = sorted(scores.index.unique("gene"))
    search = genes.find_element(By.CSS_SELECTOR, "input[type=search]")
    search.send_keys(names[3].lower())  # the whole name will do
    assert status(genes).startswith(f"{names[3]}:")
    search.send_keys(Keys.CONTROL, "a")
    search.send_keys("nothing", Keys.ENTER)
    assert status(genes) == "No gene is called nothing."
    search.send_keys(Keys.CONTROL, "a")
    search.send_keys("sim")
    marked = genes.find_elements(By.CSS_SELECTOR, ".gene-chart circle[stroke-width='3']")
    assert len(marked) == len(names)
    search.send_keys(Keys.ENTER)
    assert status(genes).partition(":")[0] in names


def test_arrow_keys_go_from_gene_to_gene(genes, scores):
    chart = genes.find_element(By.CLASS_NAME, "gene-chart")
    own = scores.loc[best_loss(scores)]
    for against, column in (("ceiling", "ceiling_spearman"), ("mean count", "mean_count")):
        choice = Select(genes.find_element(By.XPATH, ".//label[starts-with(., 'Against')]/select"))
        choice.select_by_visible_text(
            next(option.text for option in choice.options if against in option.text)
        )
        assert against in chart.find_element(By.TAG_NAME, "svg").get_attribute("aria-label")
        chart.send_keys(Keys.HOME)
        for name in own[column].sort_values().index[:3]:
            assert status(genes).startswith(f"{name}:")
            chart.send_keys(Keys.ARROW_RIGHT)


def test_another_loss_is_drawn(genes, scores):
    before = drawn(genes)
    gene = status(genes).partition(":")[0]
    other = next(loss for loss in scores.index.unique("loss") if loss != best_loss(scores))
    Select(genes.find_element(By.CSS_SELECTOR, "select")).select_by_visible_text(other)
    assert f"{printed(scores.loc[(other, gene), 'spearman'])} by {other}" in status(genes)
    predicted = [label for label in drawn(genes) if f"predicted by {other}" in label]
    assert len(predicted) == scores.loc[(other, gene), "n_slides"]
    assert not set(predicted) & set(before)
    chosen = genes.find_element(By.CSS_SELECTOR, ".gene-numbers .chosen").text
    assert chosen.startswith(other)


def test_slides_show_what_was_lost_and_patches(opened, finished):
    slides = opened.find_element(By.ID, "slides")
    samples = pd.read_csv(finished / "results/small/tables/samples.tsv", sep="\t")
    for row in samples.to_dict("records"):
        Select(slides.find_element(By.TAG_NAME, "select")).select_by_visible_text(
            next(
                name for name in slides.text.split("\n") if name.startswith(f"sim, {row['sample']}")
            )
        )
        lost = row["measured"] - row["spots"]
        label = f"{row['sample']}: {row['spots']} spots kept, {lost} lost"
        map_ = f"#slides canvas[aria-label='{label}']"
        until(opened, f'document.querySelector("{map_}").dataset.drawn')
        legend = slides.find_element(By.CLASS_NAME, "legend").text
        assert f"kept: {row['spots']}" in legend
        assert sum(map(int, re.findall(r": (\d+)", legend))) == row["measured"]
        sizes = "[...document.querySelectorAll('.patches img')].map(image => image.naturalWidth)"
        assert until(opened, f"({sizes}).every(Boolean) && {sizes}") == [96] * 8
