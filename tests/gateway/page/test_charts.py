"""uPlot's files: fetched once, known by their digests, and not needed to go on."""

import base64
import hashlib
import io
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from gateway.page import charts
from gateway.page.charts import ChartFile, ChartsError, are_installed, install

ROOT = Path(__file__).parents[3]


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    """A package whose files are the ones that are known."""
    known = {name: file._replace(integrity=integrity(name)) for name, file in charts.FILES.items()}
    monkeypatch.setattr(charts, "FILES", known)
    return packed(tmp_path / "uplot.tgz", {file.member: name for name, file in known.items()})


def integrity(text: str) -> str:
    return "sha384-" + base64.b64encode(hashlib.sha384(text.encode()).digest()).decode()


def packed(path: Path, texts: dict[str, str]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, text in texts.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    return path


def test_the_files_of_a_package_are_put_in_place(tmp_path, package):
    install(tmp_path / "vendor", package)
    assert are_installed(tmp_path / "vendor")
    assert {path.name for path in (tmp_path / "vendor").iterdir()} == set(charts.FILES)


def test_files_that_are_there_are_not_fetched_again(tmp_path, package, monkeypatch):
    install(tmp_path / "vendor", package)
    monkeypatch.setenv("PATH", "")
    install(tmp_path / "vendor")


def test_a_file_of_another_digest_leaves_nothing(tmp_path, package, monkeypatch):
    changed = ChartFile("package/LICENSE", integrity("another"))
    monkeypatch.setitem(charts.FILES, "uplot.LICENSE", changed)
    with pytest.raises(ChartsError, match="package/LICENSE is not that of uplot"):
        install(tmp_path / "vendor", package)
    assert not (tmp_path / "vendor").exists()


def test_a_package_that_lacks_a_file_is_refused(tmp_path):
    with pytest.raises(ChartsError, match="holds no package/dist"):
        install(tmp_path / "vendor", packed(tmp_path / "empty.tgz", {}))


def test_without_npm_a_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ChartsError, match=r"install Node\.js with npm, then run `make charts`"):
        install(tmp_path / "vendor")


def test_the_command_says_in_one_line_why_there_are_no_curves(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "gateway.page.charts", tmp_path / "missing.tgz"],
        cwd=copy_of_the_page(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("The page has no curves yet: ")
    assert "Traceback" not in done.stderr


def test_what_is_no_package_is_said_in_a_line_too(tmp_path, monkeypatch):
    monkeypatch.setattr(charts, "FOLDER", tmp_path / "vendor")
    (tmp_path / "page.html").write_text("not found")
    with pytest.raises(SystemExit, match="The page has no curves yet: "):
        charts.main([str(tmp_path / "page.html")])


def copy_of_the_page(folder: Path) -> Path:
    """A folder with a `gateway` of its own, into which nothing has been fetched."""
    page = folder / "gateway" / "page"
    page.mkdir(parents=True)
    for name in ("__init__.py", "page/__init__.py", "page/charts.py"):
        (folder / "gateway" / name).write_bytes((ROOT / "gateway" / name).read_bytes())
    return folder
