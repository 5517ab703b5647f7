"""Backup and restore by the documented commands, while the services run."""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from learner_service.events import Notice
from learner_service.queue.job_store import JobStore
from learner_service.spec import JobSpec
from tally.database.backup import main
from tests.learner_service.queue.stores import open_store
from tests.old_data.archives import unpack
from tests.postgres import Postgres
from tests.waiting import wait_until

ROOT = Path(__file__).parents[3]
SPEC = JobSpec(dataset_digest="a" * 64, base_model="small")


def documented() -> list[str]:
    """The commands of the section, block by block."""
    text = (ROOT / "docs" / "deploy.md").read_text()
    section = text.partition("### Backup and restore")[2].partition("\n### ")[0]
    return re.findall(r"```bash\n(.*?)```", section, re.DOTALL)


def run(commands: str, programs: Path | None = None, **variables: str) -> None:
    path = os.pathsep.join(filter(None, [str(Path(sys.executable).parent), os.environ["PATH"]]))
    path = f"{programs}{os.pathsep}{path}" if programs else path
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)} | variables
    subprocess.run(["bash", "-euc", commands], env=environment, check=True)


def noted(store: JobStore) -> list[str]:
    return [logged.event.message for logged in store.events("one", 0, limit=10**6)]


def test_a_copy_holds_what_was_there_at_one_moment(tmp_path: Path):
    store, enough = open_store(tmp_path / "live"), threading.Event()
    store.create("one", SPEC)

    def write() -> None:
        number = 0
        while not enough.is_set():
            number += 1
            store.append("one", Notice(message=str(number)))

    writing = threading.Thread(target=write)
    writing.start()
    wait_until(lambda: store.get("one").last_seq > 20)
    before = store.get("one").last_seq
    main([str(tmp_path / "live" / "learner.db"), str(tmp_path / "copy" / "learner.db")])
    enough.set()
    writing.join()
    written = noted(store)
    store.close()
    copy = open_store(tmp_path / "copy")
    copied = noted(copy)
    assert before <= len(copied) == copy.get("one").last_seq
    assert copied == written[: len(copied)]
    assert copy.append("one", Notice(message="after"))
    copy.close()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda folder: None, "there is no live.db; name the SQLite file of a service"),
        (lambda folder: (folder / "copy.db").touch(), "copy.db is there already; choose another"),
        (lambda folder: (folder / "live.db").write_bytes(b"x" * 4096), "file is not a database"),
    ],
)
def test_what_cannot_be_copied_is_said_and_nothing_is_left(tmp_path: Path, make, says: str):
    if "copy.db" in says:
        sqlite3.connect(tmp_path / "live.db").close()
    make(tmp_path)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(SystemExit, match=says):
        main([str(tmp_path / "live.db"), str(tmp_path / "copy.db")])
    assert sorted(tmp_path.iterdir()) == before


def test_a_data_folder_comes_back_from_the_documented_backup(tmp_path: Path):
    data, backup = tmp_path / "data", tmp_path / "backup"
    jobs = unpack("0631114", data)
    with closing(open_store(data / "learner")) as store:  # in use
        run(documented()[0], DATA=str(data), BACKUP=str(backup))
        rows = store.all()
    kept = {
        path.relative_to(data): path.read_bytes()
        for path in data.rglob("*")
        if path.is_file() and ".db" not in path.name and ".sqlite3" not in path.name
    }
    with closing(sqlite3.connect(data / "gateway" / "gateway.sqlite3")) as database:
        dumped = list(database.iterdump())
    shutil.rmtree(data)
    data.mkdir()
    run(documented()[1], DATA=str(data), BACKUP=str(backup))
    for path, content in kept.items():
        assert (data / path).read_bytes() == content
    with closing(sqlite3.connect(data / "gateway" / "gateway.sqlite3")) as database:
        assert list(database.iterdump()) == dumped
    with closing(open_store(data / "learner")) as store:
        assert store.all() == rows
        assert store.get(jobs.completed).last_seq == len(store.events(jobs.completed, 0))


def test_a_postgres_comes_back_from_the_documented_dump(tmp_path: Path, postgres: Postgres):
    url = postgres.create()
    store = open_store(tmp_path, database_url=url)
    store.create("one", SPEC)
    store.append("one", Notice(message="before"))
    dump, restore = documented()[2].strip().splitlines()
    places = {"DATABASE_URL": url.get_secret_value(), "BACKUP": str(tmp_path)}
    run(dump, postgres.programs, **places)
    store.append("one", Notice(message="after"))
    store.close()
    run(restore, postgres.programs, **places)
    with closing(open_store(tmp_path, database_url=url)) as restored:
        assert noted(restored) == ["before"]
        assert restored.append("one", Notice(message="again"))
