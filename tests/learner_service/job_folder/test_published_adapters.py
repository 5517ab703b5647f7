from pathlib import Path

from learner_service.job_folder.published_adapters import PublishedAdapters


def test_the_newest_is_the_last_that_was_added(tmp_path: Path):
    adapters = PublishedAdapters(tmp_path / "published.txt")
    assert (adapters.digests(), adapters.last) == ([], None)
    for digest in ("a", "b", "a"):
        adapters.add(digest)
    assert (adapters.digests(), adapters.last) == (["b", "a"], "a")


def test_the_next_worker_knows_what_the_last_one_published(tmp_path: Path):
    PublishedAdapters(tmp_path / "published.txt").add("a")
    adapters = PublishedAdapters(tmp_path / "published.txt")
    adapters.add("b")
    adapters.forget(["a"])
    assert adapters.digests() == ["b"]


def test_of_those_that_are_too_many_the_oldest_go(tmp_path: Path):
    adapters = PublishedAdapters(tmp_path / "published.txt")
    assert [adapters.add(digest, kept=2) for digest in ("a", "b", "a", "c", "d")] == [
        [],
        [],
        [],
        ["b"],
        ["a"],
    ]
    assert adapters.digests() == ["c", "d"]


def test_the_file_stays_short_and_says_the_same(tmp_path: Path):
    path = tmp_path / "published.txt"
    adapters = PublishedAdapters(path)
    names = [f"adapter-{number}" for number in range(1_000)]
    dropped = [one for name in names for one in adapters.add(name, kept=2)]
    assert dropped == names[:-2]
    assert PublishedAdapters(path).digests() == names[-2:]
    assert len(path.read_text().splitlines()) < 100


def test_a_line_that_a_failing_machine_left_unfinished_is_passed_over(tmp_path: Path):
    path = tmp_path / "published.txt"
    path.write_text("a 2\nb 2\n\0\0\0\0\nc x\n")
    assert PublishedAdapters(path).digests() == ["a", "b"]
    assert PublishedAdapters(path).add("d", kept=2) == ["a"]


def test_what_an_earlier_release_listed_is_known(tmp_path: Path):
    path = tmp_path / "published.txt"
    path.write_text("a\nb")
    adapters = PublishedAdapters(path)
    assert adapters.digests() == ["a", "b"]
    assert adapters.add("c", kept=2) == ["a"]
    assert adapters.digests() == ["b", "c"]
