import codecs

import pytest

from spotrank.base.store import InputError, read_text, whole


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_a_killed_job_left_is_removed_and_nothing_else(tmp_path):
    (tmp_path / ".part-0123abcd-a.h5").touch()
    (tmp_path / ".part-0123abcd-b-a.h5").touch()  # of b-a.h5, which is being written
    with whole(tmp_path / "a.h5") as path:
        path.write_text("new")
    assert names(tmp_path) == [".part-0123abcd-b-a.h5", "a.h5"]


def test_of_two_writers_the_later_wins(tmp_path):
    with pytest.raises(InputError, match="another run writes it too"), whole(tmp_path / "a") as old:
        old.write_text("old")
        with whole(tmp_path / "a") as new:
            new.write_text("new")
    assert (tmp_path / "a").read_text() == "new"
    assert names(tmp_path) == ["a"]


def test_nothing_stays_of_what_failed(tmp_path):
    (tmp_path / "a").write_text("old")
    with pytest.raises(ZeroDivisionError), whole(tmp_path / "a") as path:
        path.write_text("half")
        1 / 0  # noqa: B018
    assert (tmp_path / "a").read_text() == "old"
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize(
    "content",
    [
        "é,b\n1\n".encode(),
        "é,b\r\n1\r".encode(),
        "é,b\n1\n".encode("utf-8-sig"),
        "é,b\r\n1\r\n".encode("utf-16"),
        codecs.BOM_UTF16_BE + "é,b\n1\n".encode("utf-16-be"),
    ],
)
def test_text_is_read_as_editors_save_it(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    assert read_text(tmp_path / "a") == "é,b\n1\n"


@pytest.mark.parametrize("content", [b"\xe9", b"\xff\xfea", "é,b".encode("utf-16-le")])
def test_what_is_no_text_is_refused(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(InputError, match=r"a: not readable as text .* save it in UTF-8"):
        read_text(tmp_path / "a")
