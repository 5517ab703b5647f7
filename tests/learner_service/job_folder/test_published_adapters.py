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
