"""Downloads through the real client, from a hub on loopback that refuses, fails, cuts and lies."""

import os

import pytest
from huggingface_hub import constants
from loopback import COMMIT, TOKEN, Fault, Hub

from spotrank.base.store import InputError
from spotrank.cohorts import fetch, hub

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


def wrong_token(loopback, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")


def not_granted(loopback, monkeypatch):
    loopback.granted = False


def fault(**what):
    return lambda loopback, _: loopback.faults.append(Fault("st/A.h5ad", times=99, **what))


REFUSED = {
    "no token": (no_token, "gated and there is no token: accept its terms at http.*/datasets/"),
    "wrong token": (wrong_token, "the hub refuses your token .401.; renew it"),
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
    assert "can't be reached (ConnectError), 2 times; check the network" in hub.access(*HEST)


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
