"""Downloads through the real client, from a hub on loopback that refuses, fails, cuts and lies."""

import os
import socket
import time

import pytest
from bench_files import REPOSITORY, task_files
from huggingface_hub import constants
from loopback import COMMIT, TOKEN, Fault, Hub

from spotrank.base.store import InputError
from spotrank.cohorts import fetch, hest_bench, hub
from spotrank.encoders import registry, weights
from spotrank.study import doctor

HEST = ("MahmoodLab/hest", "dataset")
LARGE = os.urandom(300_000)
FILES = {"HEST_v1_1_0.csv": b"id,patient\n", "HEST_v1_10_0.csv": b"id\n", "st/A.h5ad": LARGE}


@pytest.fixture
def loopback(monkeypatch, tmp_path):
    with Hub({("dataset", "MahmoodLab/hest"): FILES}, gated=("MahmoodLab/hest",)) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
        yield server


def download(folder, name="st/A.h5ad", pauses=(0.01, 0.01)):
    file = hub.files(*HEST, hub.commit_of(*HEST, "main"), [name])[name]
    hub.download(file, folder / "x", pauses)
    return (folder / "x").read_bytes()


def left(folder):
    return [path.name for path in folder.iterdir()] if folder.exists() else []


@pytest.mark.parametrize("name", FILES)
def test_whole_files_and_no_token_to_the_store(loopback, tmp_path, name):
    assert download(tmp_path, name) == FILES[name]
    assert loopback.count(r"/resolve/.* token$") == 1
    assert loopback.count(r"^GET /store/") == (name == "st/A.h5ad")
    assert loopback.count(r"/store/.*token") == 0


@pytest.mark.parametrize(
    "faults",
    [
        [Fault("A.h5ad", status=503)],
        [Fault("A.h5ad", status=500), Fault("A.h5ad", status=504)],
        [Fault("A.h5ad", status=429)],
        [Fault("paths-info/" + COMMIT, status=502)],
        [Fault("A.h5ad", cut=100_000), Fault("A.h5ad", cut=0)],
    ],
)
def test_what_passes_by_itself_is_tried_again(loopback, tmp_path, faults):
    loopback.faults += faults
    assert download(tmp_path) == LARGE
    assert not any(fault.times for fault in faults)
    assert left(tmp_path) == ["x"]


def test_a_broken_transfer_goes_on(loopback, tmp_path):
    content = LARGE * 80  # the client writes 10 MiB at a time
    loopback.repositories["dataset", "MahmoodLab/hest"] = {"st/A.h5ad": content}
    loopback.faults.append(Fault("A.h5ad", cut=12 << 20))
    assert download(tmp_path) == content
    assert loopback.count(f"/store/.* bytes={10 << 20}-") == 1


def test_a_transfer_goes_on_in_another_run(loopback, tmp_path):
    (tmp_path / ".part-x").write_bytes(LARGE[:123_456])
    assert download(tmp_path) == LARGE
    assert loopback.count("/store/.* bytes=123456-") == 1


def test_a_spoilt_part_is_begun_anew(loopback, tmp_path):
    (tmp_path / ".part-x").write_bytes(b"?" * 1000)
    assert download(tmp_path) == LARGE


def test_the_hubs_own_cache_is_used(loopback, tmp_path):
    folder = tmp_path / "cache/datasets--MahmoodLab--hest/snapshots" / COMMIT / "st"
    folder.mkdir(parents=True)
    (folder / "A.h5ad").write_bytes(LARGE)
    assert download(tmp_path) == LARGE
    assert loopback.count("/resolve/") == 0
    (folder / "A.h5ad").write_bytes(b"spoilt")
    assert download(tmp_path) == LARGE
    assert loopback.count("/resolve/") == 1


def no_token(loopback, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")


def token(text):
    return lambda loopback, monkeypatch: monkeypatch.setenv("HF_TOKEN", text)


def offline(loopback, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


UNFIT = "HF_TOKEN.* holds a sign that no token has, such as a quote or a space; copy it"


def not_granted(loopback, monkeypatch):
    loopback.granted = False


def fault(**what):
    return lambda loopback, _: loopback.faults.append(Fault("st/A.h5ad", times=99, **what))


REFUSED = {
    "no token": (no_token, "gated and there is no token: accept its terms at http.*/datasets/"),
    "wrong token": (token("hf_wrong"), "the hub refuses your token .401.; renew it"),
    "token in curly quotes": (token(f"\u201c{TOKEN}\u201d"), UNFIT),
    "token in quotes": (token(f'"{TOKEN}"'), UNFIT),
    "token with a space": (token(f"{TOKEN} {TOKEN}"), UNFIT),
    "token with a sign of no width": (token(f"\u200b{TOKEN}"), UNFIT),
    "offline": (
        offline,
        "may not be asked while HF_HUB_OFFLINE is set, but not all",
    ),
    "not granted": (not_granted, "account has no access to it: accept its terms at"),
    "busy": (fault(status=503), "answers 503, 3 times; .* wait, and run again"),
    "another hash": (fault(wrong=True), "has another hash than the hub says; run again"),
    "full disk": (fault(size=10**18), "needs 1000000000.0 GB more, but only .* make room"),
    "gone": (fault(status=410), "the hub answers 410"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_are_one_sentence(loopback, tmp_path, monkeypatch, case):
    edit, sentence = REFUSED[case]
    file = hub.files(*HEST, COMMIT, ["st/A.h5ad"])["st/A.h5ad"]
    edit(loopback, monkeypatch)
    if case == "full disk":
        file = hub.files(*HEST, COMMIT, ["st/A.h5ad"])["st/A.h5ad"]
    with pytest.raises(InputError, match=sentence) as error:
        hub.download(file, tmp_path / "x", (0.01, 0.01))
    assert "\n" not in str(error.value)
    assert "hf_" not in str(error.value)
    assert "signature" not in str(error.value)
    assert set(left(tmp_path)) <= {".part-x"}


def test_white_space_around_a_token(loopback, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", f"\u00a0{TOKEN}\r\n")
    assert hub.access(*HEST) == "granted"


@pytest.mark.parametrize(
    "ask",
    [
        lambda: hub.access(*HEST),
        lambda: hub.commit_of(*HEST, "main", (0.01,)),
        lambda: hub.files(*HEST, COMMIT, ["st/A.h5ad"], (0.01,)),
    ],
)
def test_a_hub_that_never_answers(loopback, monkeypatch, ask):
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.2)
    began = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(hub.Away, match=r"can't be reached .ReadTimeout., 2 times"):
            ask()
    assert time.monotonic() - began < 5


def test_a_disk_that_fills_up(loopback, tmp_path):
    (tmp_path / ".part-x").symlink_to("/dev/full")
    with pytest.raises(InputError, match=r"can't be written to .No space left on device"):
        download(tmp_path)


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda: hub.commit_of("MahmoodLab/hest", "dataset", "v9"), "has no such revision"),
        (lambda: hub.commit_of("MahmoodLab/best", "dataset", "main"), "is not on http"),
        (lambda: hub.files("MahmoodLab/hest", "dataset", 40 * "a", ["x"]), "has no such revision"),
    ],
)
def test_what_is_not_there(loopback, ask, sentence):
    with pytest.raises(InputError, match=sentence):
        ask()


def test_access(loopback, monkeypatch):
    assert hub.access(*HEST) == "granted"
    monkeypatch.delenv("HF_TOKEN")
    assert "hf auth login" in hub.access(*HEST)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(hub.Away, match=r"can't be reached .ConnectError., 2 times; check the net"):
        hub.access(*HEST)


def specs(*names):
    return {name: registry.resolve(name)[1] for name in names}


def needed_at(home):
    return {home: {"st": {fetch.HEST / home / "st/A.h5ad"}}}


PATCHES = {"size": 224, "um_per_px": 0.5}


def test_doctor_and_plan_ask_twice_where_the_hub_is_away(loopback, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    loopback.faults.append(Fault("", status=503, times=99))
    table, away = doctor.encoders_table(specs("uni_v2", "phikon", "resnet18"), PATCHES)
    assert [row.split().count("unknown") for row in table.splitlines()[2:5]] == [2, 2, 2]
    assert "granted" not in table
    assert "To do" not in table
    assert "answers 503, 2 times; check the network" in away
    assert len(loopback.asked) == 2
    for needed, encoders in (({}, specs("phikon", "resnet18")), (needed_at(COMMIT), {})):
        loopback.asked.clear()
        with pytest.raises(hub.Away, match="answers 503, 2 times"):
            doctor.downloads(needed, encoders)
        assert len(loopback.asked) == 2


def test_doctor_and_plan_ask_for_nothing_that_is_here(loopback, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    spec = specs("resnet18")["resnet18"]
    loopback.repositories["model", spec["repo"]] = {"model.safetensors": LARGE}
    before = doctor.downloads(needed_at("main"), {"resnet18": spec})
    weights.fetch(registry.row("resnet18", "main"), spec["weights"])
    fetch.bring("main", [fetch.HEST / "main/st/A.h5ad"])
    loopback.asked.clear()
    after = doctor.downloads(needed_at("main"), {"resnet18": spec})
    rows = [table.splitlines()[4].split() for table in (before, after)]
    assert rows == [["total", "2", "0.001", "2", "0.001"], ["total", "2", "0.001", "0", "0.000"]]
    table, away = doctor.encoders_table({"resnet18": spec}, PATCHES)
    assert table.splitlines()[2].split()[2:5] == ["not", "needed", "here"]
    assert (away, loopback.asked) == ("", [])


def test_newest_table_and_its_commit_are_kept(loopback, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert fetch.hest_table("main").name == "HEST_v1_10_0.csv"
    assert (fetch.HEST / "main/commit.txt").read_text().strip() == COMMIT
    asked = len(loopback.asked)
    assert fetch.hest_table("main").is_file()
    assert len(loopback.asked) == asked


def test_a_table_put_there_by_hand(loopback, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = fetch.HEST / "main/HEST_v1_1_0.csv"
    table.parent.mkdir(parents=True)
    table.write_text("id\nA\n")
    assert fetch.hest_table("main") == table
    assert loopback.asked == []
    fetch.bring("main", [fetch.HEST / "main/st/A.h5ad"])
    assert (fetch.HEST / "main/st/A.h5ad").read_bytes() == LARGE


def test_a_sample_that_the_data_set_lacks(loopback, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fetch.hest_table("main")
    fetch.bring("main", [fetch.HEST / "main/st/A.h5ad"])
    assert (fetch.HEST / "main/st/A.h5ad").read_bytes() == LARGE
    with pytest.raises(InputError, match=r"has no st/B.h5ad at revision 'main'"):
        fetch.bring("main", [fetch.HEST / "main/st/B.h5ad"])


def test_another_repository_in_the_same_layout(loopback, tmp_path, monkeypatch):
    """Its files lie beside HEST-1k's own, and are not taken for them."""
    monkeypatch.chdir(tmp_path)
    files = loopback.repositories["dataset", "MahmoodLab/hest"]
    loopback.repositories["dataset", "some-lab/HEST-like"] = files | {"st/A.h5ad": b"other"}
    home = fetch.home("some-lab/HEST-like", "main")
    assert fetch.hest_table(home) == fetch.HEST / "some-lab--HEST-like@main/HEST_v1_10_0.csv"
    fetch.bring(home, [fetch.HEST / home / "st/A.h5ad"])
    fetch.bring("main", [fetch.HEST / "main/st/A.h5ad"])
    assert (fetch.HEST / home / "st/A.h5ad").read_bytes() == b"other"
    assert (fetch.HEST / "main/st/A.h5ad").read_bytes() == LARGE


def test_a_task_that_the_benchmark_lacks(loopback, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    loopback.repositories[REPOSITORY] = task_files("IDC", ["A", "B"], [["A"]], ["X"])
    home = fetch.home(hest_bench.REPOSITORY, "main")
    assert hest_bench.samples(home, "IDC") == ["A", "B"]
    with pytest.raises(InputError, match=r"has no ID/splits/train_0.csv at this revision; correct"):
        hest_bench.folds(home, "ID")
    with pytest.raises(InputError, match=r"has no IDC/adata/A.h5ad at revision 'main', though it"):
        fetch.bring(home, [fetch.HEST / home / "IDC/adata/A.h5ad"])
