"""What goes wrong on the way: an error or a correct result, never a wrong table."""

import os
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager

import anndata
import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest
from kill import tables, torment
from runs import SMALL, snakemake, start

FIT = "sim/leave_one_patient_out/stain_statistics/variance-10/linear/none/fold0"
FLOOR = FIT.replace("stain_statistics", "none").replace("linear", "floor")
# a file of each kind of output
OUTPUTS = {
    "slide": "resources/cohorts/sim/wsis/SIM1.tif",
    "spots": "results/spots/sim/SIM1.h5ad",
    "embeddings": "results/embeddings/sim/stain_statistics/SIM1.h5",
    "panel": "results/small/panels/sim/leave_one_patient_out/variance-10/fold0.tsv",
    "weights": f"results/small/fits/{FIT}/weights.safetensors",
    "predictions": f"results/small/fits/{FIT}/predictions.h5",
    "scores": f"results/small/scores/{FIT}/scores.parquet",
    "tables": "results/small/tables/scores.parquet",
    "figures": "results/small/figures/scores.png",
}
LOT = "fit/sim/leave_one_patient_out/fold0.json"
# whose job makes some
LOTS = {"weights": f"results/small/lots/{LOT}", "scores": f"results/small/lots/score/{LOT}"}
LOTS["predictions"] = LOTS["weights"]
LOTS["embeddings"] = "results/small/lots/embed/sim/stain_statistics-0.json"
LOTS["spots"] = "results/small/lots/pair/sim/0.json"
LOTS["panel"] = "results/small/lots/panel/sim/leave_one_patient_out/0.json"

PAYLOAD = {"spots": "X/data", "embeddings": "embeddings", "predictions": "predictions"}


@contextmanager
def mounted(folder, *options):
    """A file system in memory on `folder`, for as long as the block runs; needs root."""
    mount = [shutil.which("mount") or "mount", "-t", "tmpfs", "-o", ",".join(options)]
    try:
        done = subprocess.run([*mount, "tmpfs", folder], capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no mount here")
    if done.returncode:
        pytest.skip(f"mounting a small file system needs root: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run([shutil.which("umount"), "--lazy", folder], check=True)


def test_killed_runs_are_continued(two_runs, tmp_path):
    """With the same tables, on one core or two, wherever they run."""
    finished, _, seconds = two_runs
    for _, found in torment(tmp_path, kills=30, longest=min(8, seconds / 4)):
        assert found == tables(finished)


@pytest.mark.parametrize("kind", OUTPUTS)
def test_disk_full(copy, kind):
    """The disk is full after half of the file, or at once if it is small."""
    output = copy / OUTPUTS[kind]
    pages = -(-output.stat().st_size // 8192)
    output.unlink()
    with mounted(output.parent, f"size={(pages + 1) * 4096}"):
        (output.parent / "filler").write_bytes(bytes(4096 if pages > 1 else 8192))
        printed, code = snakemake(copy, SMALL, "--force", LOTS.get(kind, OUTPUTS[kind]))
        assert code == 1
        assert "No space left on device; make room, or allow to write there" in printed
        # h5py has words of its own when it closes the file
        assert "Traceback" not in printed or kind in ("embeddings", "predictions")
        assert [path.name for path in output.parent.iterdir()] == ["filler"]


def test_unwritable_folder(copy):
    output = copy / OUTPUTS["spots"]
    with mounted(output.parent, "ro"):
        printed, code = snakemake(copy, SMALL, "--force", LOTS["spots"])
    assert code == 1
    assert "Read-only file system" in printed


def test_two_runs_at_once(two_runs):
    """The second is refused, and the first is none the worse: other tests compare with it."""
    printed, code = two_runs[1]
    assert code == 1
    assert "cannot be locked" in printed


def test_clock_that_was_set_back(finished, copy):
    """All that there is seems to come from tomorrow, when the tables are made again."""
    for path in copy.rglob("*.*"):
        if path.is_file():
            os.utime(path, times=(path.stat().st_mtime + 1e5,) * 2)
    shutil.rmtree(copy / "results/small/tables")
    printed, code = snakemake(copy, SMALL, "tables", "splits")
    if code:
        assert "has older modification time" in printed
    else:
        assert tables(copy) == tables(finished)


def payload(path, kind):
    """Place of a byte among the numbers of a file."""
    if kind in PAYLOAD:
        with h5py.File(path) as file:
            return file[PAYLOAD[kind]].id.get_chunk_info(0).byte_offset + 20
    if kind == "panel":
        return path.read_bytes().index(b"SIM0") + 4  # a digit of a gene's name
    group = pq.read_metadata(path).row_group(0)
    columns = [group.column(i) for i in range(group.num_columns)]
    mine = next(column for column in columns if column.path_in_schema == "spearman")
    return mine.data_page_offset + mine.total_compressed_size - 5


def spoilt(path, kind, spoil):
    content = bytearray(path.read_bytes())
    if spoil == "truncated":
        del content[len(content) // 2 :]
    else:
        content[payload(path, kind)] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("spoil", ["truncated", "flipped"])
def test_spoiled_spots(finished, copy, spoil):
    """They are made again, for their lot is looked at, and so is what rests on them: the ceilings
    of other samples do not."""
    path = copy / OUTPUTS["spots"]
    before = ceilings(copy)
    spoilt(path, "spots", spoil)
    printed, code = snakemake(copy, SMALL, "tables")
    assert code == 0, printed
    after = ceilings(copy)
    assert [own for own in after if after[own] != before[own]] == [path.stem]
    assert tables(copy) == tables(finished)


def ceilings(folder):
    """When those of each sample were written."""
    paths = sorted((folder / "results/ceilings/sim/library").iterdir())
    return {path.stem: path.stat().st_mtime_ns for path in paths}


@pytest.mark.parametrize("spoil", ["truncated", "flipped"])
def test_spoiled_embeddings(finished, copy, spoil):
    """They are made again, for their lot is looked at."""
    path = copy / OUTPUTS["embeddings"]
    spoilt(path, "embeddings", spoil)
    printed, code = snakemake(copy, SMALL, "tables")
    assert code == 0, printed
    assert all(map(np.array_equal, read(path), read(finished / OUTPUTS["embeddings"])))
    assert tables(copy) == tables(finished)


@pytest.mark.parametrize("spoil", ["truncated", "flipped", "deleted"])
def test_spoiled_panel(finished, copy, spoil):
    """It is made again, and what rests on it; the other fold's stands."""
    path, stages = copy / OUTPUTS["panel"], ("panels", "fits", "scores")
    before = written(copy, *stages)
    path.unlink() if spoil == "deleted" else spoilt(path, "panel", spoil)
    printed, code = snakemake(copy, SMALL, "tables")
    assert code == 0, printed
    after = written(copy, *stages)
    assert after.keys() == before.keys()
    assert (
        path.read_text().partition("#")[0]
        == ((finished / OUTPUTS["panel"]).read_text().partition("#")[0])
    )
    assert all((before[own] != after[own]) == ("fold0" in str(own)) for own in after)
    assert tables(copy) == tables(finished)


def written(folder, *stages):
    """When each file was; a number of inode would be taken again."""
    return {
        path: path.stat().st_mtime_ns
        for stage in stages
        for path in (folder / "results/small" / stage).rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(
    ("kind", "spoil"),
    [
        ("predictions", "flipped"),
        ("scores", "truncated"),
        ("scores", "flipped"),
        ("weights", "truncated"),
        ("scores", "deleted"),
        ("predictions", "deleted"),
        ("floor", "deleted"),
    ],
)
def test_spoiled_cell(finished, copy, kind, spoil):
    """One of a lot's cells that is damaged or gone is made again, and it alone."""
    cell, outputs = FIT, OUTPUTS
    if kind == "floor":
        cell, kind = FLOOR, "predictions"
        outputs = {name: path.replace(FIT, FLOOR) for name, path in OUTPUTS.items()}
    path = copy / outputs[kind]
    if spoil == "deleted":
        path.unlink()
    else:
        spoilt(path, kind, spoil)
    before = written(copy, "fits", "scores")
    printed, code = snakemake(copy, SMALL, "tables")
    assert code == 0, printed
    after = written(copy, "fits", "scores")
    again = {str(path.relative_to(copy)) for path in after if before.get(path) != after[path]}
    mine = {outputs["scores"]} | ({outputs[kind]} if kind != "scores" else set())
    assert mine <= again
    assert all(cell in path for path in again), again
    assert tables(copy) == tables(finished)


def test_a_killed_lot_of_embeddings_goes_on(cohort, tmp_path):
    """What was embedded stays, and the rest is what it is where an encoder is alone."""
    vits = [
        {"model": model, "weights": "random", "name": model} for model in ("test_vit", "test_vit2")
    ]
    config = SMALL | {"cohorts": {"c": {"source": "local", "folder": str(cohort)}}}
    alone, shared = config | {"encoders": vits[1:]}, config | {"encoders": vits}
    folders = [tmp_path / name for name in ("shared", "alone")]
    for folder in folders:
        folder.mkdir()
    found = folders[0] / "results/embeddings/c"
    run = start(folders[0], shared, "--until", "embed", "--cores", "2")
    while run.poll() is None and len(list(found.glob("*/[!.]*.h5"))) < 3:
        time.sleep(0.01)
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    for left in folders[0].glob(".snakemake/locks/*"):
        left.unlink()
    kept = {path: path.stat().st_mtime_ns for path in found.glob("*/[!.]*.h5")}
    for folder, config in zip(folders, (shared, alone), strict=True):
        printed, code = snakemake(folder, config, "--until", "embed")
        assert code == 0, printed
    assert kept == {path: path.stat().st_mtime_ns for path in kept} != {}
    names = sorted(path.stem for path in (cohort / "st").iterdir())
    assert len(kept) < 2 * len(names)
    for vit in vits:
        assert sorted(path.stem for path in (found / vit["name"]).iterdir()) == names
    for name in names:
        same = f"results/embeddings/c/test_vit2/{name}.h5"
        for of_one, of_other in zip(*(read(folder / same) for folder in folders), strict=True):
            np.testing.assert_array_equal(of_one, of_other)


def test_another_folder_of_older_files(cohort, tmp_path):
    """A cohort that lies elsewhere now is another, however old its files are."""
    other = tmp_path / "other"
    shutil.copytree(cohort, other)
    for path in other.rglob("SIM1.h5ad"):
        anndata.read_h5ad(path)[:30].write_h5ad(path)
    for path in other.rglob("*.*"):
        os.utime(path, (0, 0))
    found = []
    for folder in (cohort, other):
        own = {"source": "local", "folder": str(folder), "samples": ["SIM1", "SIM3"]}
        printed, code = snakemake(
            tmp_path, SMALL | {"cohorts": {"c": own}}, "--until", "pair", "embed"
        )
        assert code == 0, printed
        paths = [*tmp_path.glob("results/spots/c/*"), *tmp_path.glob("results/embeddings/c/*/*")]
        found.append({path: barcodes(path) for path in paths})
    before, after = found
    assert len(before) == 4
    of_thirty = set(barcodes(other / "st/SIM1.h5ad"))
    for path, own in before.items():
        kept = own if path.stem == "SIM3" else [one for one in own if one in of_thirty]
        assert after[path] == kept


def barcodes(path):
    if path.suffix == ".h5ad":
        return list(anndata.read_h5ad(path).obs_names)
    return [own.decode() for own in read(path)[1].ravel()]


def read(path):
    with h5py.File(path) as file:
        return [file[name][:] for name in ("embeddings", "barcode", "coords")]
