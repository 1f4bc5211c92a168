import pytest

from spotrank.base.store import InputError, whole


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
