"""Blobs to files of a job: whole or not at all, for the newest attempt, and nothing left behind."""

from pathlib import Path

import pytest

from learner_service.blobs.blob_store import BlobStore
from learner_service.errors import Superseded, UnknownBlob
from learner_service.job_folder.commits import Commits, Place
from learner_service.job_folder.layout import JobFolder
from tally.rpc.digests import digest_of
from tally.rpc.errors import DataLoss, InvalidArgument

ABSENT = "a" * 64


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    folder = JobFolder(tmp_path / "jobs" / "one")
    folder.path.parent.mkdir()
    folder.prepare()
    return folder


@pytest.fixture
def commits(folder: JobFolder, store: BlobStore) -> Commits:
    attempt = folder.attempt(folder.fence.advance())
    return Commits(folder, attempt, store, "one", kept=2)


def put(store: BlobStore, **files: bytes) -> dict[str, str]:
    return {name: store.put_bytes(data) for name, data in files.items()}


def blobs_in(store: BlobStore) -> set[str]:
    return {path.name for path in store.root.glob("??/*")}


def test_a_checkpoint_appears_whole_and_its_blobs_go(
    folder: JobFolder, store: BlobStore, commits: Commits
):
    for step in (1, 2, 3):
        files = put(store, weights=b"weights of %d" % step, state=b"state")
        commits.commit(Place.CHECKPOINT, step, files)
    found = folder.checkpoints.find_last()
    assert (found.step, found.broken) == (3, ())
    assert (found.path / "weights").read_bytes() == b"weights of 3"
    assert sorted(path.name for path in folder.checkpoints.path.iterdir()) == [
        "checkpoint-2",
        "checkpoint-3",
    ]
    assert blobs_in(store) == set()
    assert not any(folder.staging.iterdir())


def test_the_best_checkpoint_stays_until_there_is_a_better_one(
    folder: JobFolder, store: BlobStore, commits: Commits
):
    there = []
    for step, exact_rate in ((1, 0.25), (2, 0.5), (3, 0.25), (4, 0.5), (5, 0.25), (6, 0.75)):
        commits.append_history({"step": step, "eval_exact_rate": exact_rate})
        commits.commit(Place.CHECKPOINT, step, put(store, weights=b"weights of %d" % step))
        names = (path.name for path in folder.checkpoints.path.iterdir())
        there.append(sorted(int(name.removeprefix("checkpoint-")) for name in names))
    assert there == [[1], [1, 2], [2, 3], [2, 3, 4], [2, 4, 5], [5, 6]]


def test_the_same_checkpoint_again_changes_nothing(
    folder: JobFolder, store: BlobStore, commits: Commits
):
    for _ in range(2):
        commits.commit(Place.CHECKPOINT, 5, put(store, weights=b"weights"))
    assert folder.checkpoints.find_last().step == 5


def test_a_blob_that_the_job_needs_otherwise_stays(store: BlobStore, commits: Commits):
    files = put(store, sampled_with=b"an adapter")
    commits.publish(files["sampled_with"], kept=2)
    commits.commit(Place.CHECKPOINT, 1, files)
    assert blobs_in(store) == set(files.values())


def test_a_blob_that_is_missing_leaves_everything_as_it_was(
    folder: JobFolder, store: BlobStore, commits: Commits
):
    commits.commit(Place.CHECKPOINT, 1, put(store, weights=b"weights"))
    commits.commit(Place.OUTPUT, 0, put(store, weights=b"output"))
    for place, step in ((Place.CHECKPOINT, 2), (Place.OUTPUT, 0)):
        with pytest.raises(UnknownBlob):
            commits.commit(place, step, put(store, weights=b"other") | {"state": ABSENT})
    assert folder.checkpoints.find_last().step == 1
    assert (folder.output / "weights").read_bytes() == b"output"
    assert not any(folder.staging.iterdir())


def test_an_attempt_that_others_came_after_changes_nothing(
    folder: JobFolder, store: BlobStore, commits: Commits
):
    files = put(store, weights=b"weights")
    folder.fence.advance()
    for call in (
        lambda: commits.commit(Place.CHECKPOINT, 1, files),
        lambda: commits.publish(files["weights"], kept=1),
        lambda: commits.append_history({"step": 1}),
        lambda: commits.rewind_history(0),
    ):
        with pytest.raises(Superseded):
            call()
    assert folder.checkpoints.find_last().step == 0
    assert folder.adapters.digests() == []
    assert folder.history.entries() == []


def test_small_files_take_their_place_and_results_stay_blobs(
    folder: JobFolder, store: BlobStore, commits: Commits
):
    for place in (Place.HELD_OUT, Place.RESULT, Place.REPORT, Place.MLFLOW_RUN):
        commits.commit(place, 0, put(store, file=place.value.encode()))
    assert folder.split.path.read_bytes() == b"held_out"
    assert folder.report_archive.read_bytes() == b"report"
    assert folder.mlflow_run_id.read_bytes() == b"mlflow_run"
    store.delete_unclaimed(older_than_seconds=-1)
    stays = {store.path(digest).read_bytes() for digest in blobs_in(store)}
    assert stays == {b"result", b"report"}


def test_the_newest_adapters_stay(folder: JobFolder, store: BlobStore, commits: Commits):
    digests = [store.put_bytes(b"adapter %d" % number) for number in range(4)]
    for digest in digests:
        commits.publish(digest, kept=2)
    assert folder.adapters.digests() == digests[2:]
    assert blobs_in(store) == set(digests[2:])
    with pytest.raises(UnknownBlob):
        commits.publish(ABSENT, kept=2)
    assert folder.adapters.digests() == digests[2:]


def test_what_the_job_was_given_stays_when_it_is_no_longer_the_newest(
    folder: JobFolder, store: BlobStore
):
    given, later = [store.put_bytes(data) for data in (b"given", b"later")]
    store.claim(given, "one")
    attempt = folder.attempt(folder.fence.advance())
    commits = Commits(folder, attempt, store, "one", kept=2, needed=[given])
    for digest in (given, later):
        commits.publish(digest, kept=1)
    assert folder.adapters.digests() == [later]
    assert blobs_in(store) == {given, later}


def test_what_another_job_has_published_too_stays_for_that_job(store: BlobStore, commits: Commits):
    shared = store.put_bytes(b"shared")
    store.claim(shared, "earlier")
    for digest in (shared, store.put_bytes(b"newer")):
        commits.publish(digest, kept=1)
    assert store.path(shared).read_bytes() == b"shared"


def test_an_adapter_may_come_with_the_call(folder: JobFolder, store: BlobStore, commits: Commits):
    data = b"adapter"
    digest = digest_of(data)
    for _ in range(2):
        commits.publish(digest, 1, data)
    assert store.path(digest).read_bytes() == data
    with pytest.raises(DataLoss, match="the bytes are not those"):
        commits.publish(ABSENT, 1, data)
    assert folder.adapters.digests() == [digest]
    store.delete_unclaimed(older_than_seconds=-1)
    assert blobs_in(store) == {digest}
    store.release(digest, "one")
    assert blobs_in(store) == set()


def test_files_may_come_with_the_call(folder: JobFolder, store: BlobStore, commits: Commits):
    data = b"rows"
    digest = digest_of(data)
    with pytest.raises(DataLoss, match="the bytes are not those"):
        commits.commit(Place.HELD_OUT, 0, {"split.json": ABSENT}, {"split.json": data})
    assert not folder.split.path.exists()
    for _ in range(2):
        commits.commit(Place.HELD_OUT, 0, {"split.json": digest}, {"split.json": data})
    assert folder.split.path.read_bytes() == data
    assert blobs_in(store) == set()


def test_what_a_worker_goes_on_from_is_lent_for_as_long_as_it_runs(
    folder: JobFolder, store: BlobStore, commits: Commits
):
    commits.commit(Place.CHECKPOINT, 7, put(store, weights=b"weights"))
    commits.commit(Place.CHECKPOINT, 8, put(store, weights=b"torn"))
    (folder.checkpoints.path_of(8) / "weights").write_bytes(b"other")
    commits.append_history({"step": 7})
    digests, damaged = commits.files()
    assert damaged == ("checkpoint-8",)
    assert {path: store.path(digest).read_bytes() for path, digest in digests.items()} == {
        "checkpoints/checkpoint-7/weights": b"weights",
        "checkpoints/checkpoint-7/manifest.json": (
            folder.checkpoints.path_of(7) / "manifest.json"
        ).read_bytes(),
        "history.jsonl": b'{"step": 7}\n',
    }
    commits.close()
    assert blobs_in(store) == set()


@pytest.mark.parametrize(
    ("place", "step", "files", "words"),
    [
        (Place.CHECKPOINT, 0, {"x": ABSENT}, "step: expected at least 1"),
        (Place.OUTPUT, 3, {"x": ABSENT}, "step: expected at least 1"),
        (Place.OUTPUT, 0, {}, "files: expected 1 to 1,000"),
        (Place.RESULT, 0, {"x": ABSENT, "y": ABSENT}, "files: expected one"),
        (Place.CHECKPOINT, 1, {"manifest.json": ABSENT}, "manifest.json is written here"),
        *((Place.OUTPUT, 0, {name: ABSENT}, "files.name: expected") for name in ("../x", "a/b")),
        *((Place.OUTPUT, 0, {name: ABSENT}, "files.name: expected") for name in ("", ".", "..")),
        *((Place.OUTPUT, 0, {name: ABSENT}, "files.name: expected") for name in ("\0", "x" * 201)),
    ],
)
def test_what_can_be_no_file_of_a_job_is_refused(
    commits: Commits, place: Place, step: int, files: dict[str, str], words: str
):
    with pytest.raises(InvalidArgument, match=words):
        commits.commit(place, step, files)
