"""A model is found in a folder, in the package, or on the hub (here a stand-in: tests reach no network)."""

import shutil

import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from cocola_lib import Scorer
from cocola_lib.models import hub
from cocola_lib.models.formats import CONFIG, WEIGHTS
from cocola_lib.scoring import BUNDLED


@pytest.fixture
def asked(monkeypatch):
    """What was asked of the hub, which has the bundled model under every name."""
    calls = []

    def download(name, revision, allow_patterns):
        calls.append((name, revision, sorted(allow_patterns)))
        return str(BUNDLED)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    return calls


def test_a_folder_and_a_name_in_the_package_need_no_hub(asked, tmp_path):
    copy = shutil.copytree(BUNDLED, tmp_path / "owner" / "model")
    assert Scorer.from_pretrained(copy, device="cpu").hash == Scorer.from_pretrained(BUNDLED.name).hash
    assert not asked


def test_a_name_on_the_hub_is_fetched_with_its_revision(asked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Scorer.from_pretrained("owner/model@v1").checkpoint == BUNDLED
    assert hub.fetch("owner/model") == BUNDLED
    files = sorted([CONFIG, WEIGHTS])
    assert asked == [("owner/model", "v1", files), ("owner/model", None, files)]


def test_what_is_nowhere_is_said_in_one_line(tmp_path, monkeypatch):
    def unreachable(*arguments, **options):
        raise LocalEntryNotFoundError("no connection\nand a long story")

    monkeypatch.setattr("huggingface_hub.snapshot_download", unreachable)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"^owner/model: no such folder here, .*\(no connection\)$"):
        Scorer.from_pretrained("owner/model")
    with pytest.raises(FileNotFoundError, match="no such checkpoint"):
        Scorer.from_pretrained("nothing")
