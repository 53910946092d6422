"""Downloads, against a local server: wrong checksums, broken connections, hostile archives, full disks."""

import hashlib
import io
import json
import re
import shutil
import tarfile
import zipfile
from collections import namedtuple

import pytest

from cocola_lib.data import download
from cocola_lib.data.download import Archive, Remote
from cocola_lib.data.unpack import unpack


def tar(members, mode="w:gz"):
    """An archive of (name, text), or of ready TarInfo."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for member in members:
            info = member if isinstance(member, tarfile.TarInfo) else tarfile.TarInfo(member[0])
            text = b"" if isinstance(member, tarfile.TarInfo) else member[1].encode()
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text))
    return buffer.getvalue()


def remote(server, body, checksum=None, name="songs", into="songs"):
    server.files["/files/a.tar.gz"] = body
    checksum = checksum or f"md5:{hashlib.md5(body).hexdigest()}"
    return Remote(name, (Archive(f"{server.url}/files/a.tar.gz", checksum, into),), len(body) / 1e9, "songs", "CC0")


SONGS = [("songs/train/a/bass.wav", "bass" * 9_000), ("songs/train/a/drums.wav", "x"), ("songs/._junk", "x")]


def fetch(chosen, to, **options):
    return download.fetch(chosen, to, progress=False, **options)


def everything(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_archive_is_not_unpacked_or_left_behind(server, tmp_path):
    chosen = remote(server, tar(SONGS))
    folder = fetch(chosen, tmp_path)
    assert folder == tmp_path / "songs" and (folder / "train/a/bass.wav").read_text() == "bass" * 9_000
    assert everything(tmp_path) == [
        ".cocola-downloads.json", "songs/._junk", "songs/train/a/bass.wav", "songs/train/a/drums.wav"]  # fmt: skip
    assert download.is_there(chosen, tmp_path)
    assert fetch(chosen, tmp_path) == folder and len(server.asked) == 1  # nothing is fetched twice


def test_contents_without_the_folder_go_elsewhere(server, tmp_path):
    fetch(remote(server, tar([("train/a/bass.wav", "x")])), tmp_path, keep=True)
    assert (tmp_path / "songs/train/a/bass.wav").is_file()
    assert len(list((tmp_path / ".archives").iterdir())) == 1


def test_broken_connection_starts_over_or_gives_up(server, tmp_path):
    body = tar([("songs/a.wav", "".join(map(str, range(60_000))))], "w:")
    server.breaks, server.break_after = 3, 100_000
    fetch(remote(server, body), tmp_path)
    assert len(server.asked) == 4 and server.asked == sorted(set(server.asked)) and server.asked[3] > 150_000
    assert (tmp_path / "songs/a.wav").stat().st_size == len("".join(map(str, range(60_000))))


def test_next_run_starts_over(server, tmp_path):
    body = tar([("songs/a.wav", "".join(map(str, range(60_000))))], "w:")
    server.breaks, server.break_after = 99, 0
    (tmp_path / ".archives").mkdir()
    (tmp_path / ".archives/songs-files-a.tar.gz.part").write_bytes(body[:50_000])
    with pytest.raises(OSError, match=r"a\.tar\.gz: no connection \(.*run it again to go on"):
        fetch(remote(server, body), tmp_path)
    server.breaks = 0
    fetch(remote(server, body), tmp_path)
    assert server.asked[-1] == 50_000 and (tmp_path / "songs/a.wav").is_file()


def test_server_without_ranges_gives_a_damaged_file(server, tmp_path):
    body = tar([("songs/a.wav", "".join(map(str, range(60_000))))], "w:")
    server.ranges, server.breaks, server.break_after = False, 1, 100_000
    fetch(remote(server, body), tmp_path)
    assert (tmp_path / "songs/a.wav").is_file()


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_wrong_checksum_is_unpacked(server, tmp_path, algorithm):
    chosen = remote(server, tar(SONGS), f"{algorithm}:{'0' * (32 if algorithm == 'md5' else 64)}")
    with pytest.raises(ValueError, match="hash of downloaded file .* does not match"):
        fetch(chosen, tmp_path)
    assert everything(tmp_path) == [".cocola-downloads.json"]
    fetch(remote(server, tar(SONGS)), tmp_path)  # and the next try starts clean
    assert (tmp_path / "songs/train/a/bass.wav").is_file()


def test_part_of_another_file_is_completed(server, tmp_path):
    body = tar(SONGS)
    (tmp_path / ".archives").mkdir()
    (tmp_path / ".archives/songs-files-a.tar.gz.part").write_bytes(b"?" * (len(body) + 5))
    with pytest.raises(ValueError, match="does not match"):
        fetch(remote(server, body), tmp_path)
    fetch(remote(server, body), tmp_path)


@pytest.mark.parametrize(("status", "error"), [(404, ValueError), (503, OSError)])
def test_refusal_is_not_said(server, tmp_path, status, error):
    server.status = status
    with pytest.raises(error, match=f"the server says {status}"):
        fetch(remote(server, tar(SONGS)), tmp_path)


def link(name, to, kind=tarfile.SYMTYPE):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, to
    return info


HOSTILE = {
    "parent": [("../evil.txt", "x")],
    "deep parent": [("songs/a/../../../evil.txt", "x")],
    "absolute": [("/tmp/cocola-evil.txt", "x")],
    "backslash": [("songs\\..\\..\\evil.txt", "x")],
    "drive": [("C:/evil.txt", "x")],
    "symlink": [link("songs/out", "/tmp"), ("songs/out/cocola-evil.txt", "x")],
    "relative symlink": [link("songs/out", ".."), ("songs/out/evil.txt", "x")],
    "hard link": [link("songs/out", "/etc/passwd", tarfile.LNKTYPE)],
    "device": [link("songs/dev", "", tarfile.CHRTYPE)],
    "pipe": [link("songs/pipe", "", tarfile.FIFOTYPE)],
    "file as folder": [("songs/a", "x"), ("songs/a/b", "x")],
    "same file twice": [("songs/a", "x"), ("songs/a", "y")],
}


@pytest.mark.parametrize("members", HOSTILE.values(), ids=HOSTILE)
def test_hostile_archive_writes_elsewhere(server, tmp_path, members):
    to = tmp_path / "a/b/to"
    (to / "mine").mkdir(parents=True)
    (to / "mine/photo.jpg").write_text("precious")
    with pytest.raises(ValueError, match="refused|damaged archive"):
        fetch(remote(server, tar(members)), to)
    left = [name for name in everything(tmp_path) if "/.archives/" not in name]
    assert left == ["a/b/to/.cocola-downloads.json", "a/b/to/mine/photo.jpg"]
    assert not any(p.is_symlink() for p in tmp_path.rglob("*"))


def test_folder_that_is_not_ours_is_replaced(server, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/photo.jpg").write_text("precious")
    fetch(remote(server, tar([("mine/x", "x"), *SONGS])), tmp_path)
    assert everything(tmp_path / "mine") == ["photo.jpg"]
    other = tmp_path / "other"
    (other / "songs").mkdir(parents=True)
    with pytest.raises(ValueError, match="exists and was not downloaded here"):
        fetch(remote(server, tar(SONGS)), other)


def test_hostile_zip_writes_elsewhere(tmp_path):
    (tmp_path / "to").mkdir()
    linked = zipfile.ZipInfo("songs/out")
    linked.external_attr = 0o120777 << 16
    for name in ("../evil.txt", "/tmp/cocola-evil.txt", linked):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr(name, "/tmp")
        with pytest.raises(ValueError, match="refused"):
            unpack(tmp_path / "a.zip", tmp_path / "to")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("train/", "")
        archive.writestr("train/A - B & C/bass.wav", "x")
    unpack(tmp_path / "a.zip", tmp_path / "to")
    assert everything(tmp_path / "to") == ["train/A - B & C/bass.wav"]


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:"])
def test_cut_off_archive_is_not_named(tmp_path, mode):
    (tmp_path / "to").mkdir()
    body = tar([("a", "".join(map(str, range(20_000))))], mode)
    (tmp_path / "cut.tar").write_bytes(body[: len(body) // 2])
    with pytest.raises(ValueError, match=r"cut\.tar: damaged archive"):
        unpack(tmp_path / "cut.tar", tmp_path / "to")
    (tmp_path / "cut.tar").write_bytes(b"<html>not an archive</html>")
    with pytest.raises(ValueError, match=r"cut\.tar: damaged archive"):
        unpack(tmp_path / "cut.tar", tmp_path / "to")


def test_full_disk_is_noticed_after_hours(server, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1, 1, 10))
    with pytest.raises(OSError, match="GB needed, 0.0 GB free; choose another disk"):
        fetch(remote(server, tar(SONGS)), tmp_path)
    assert server.asked == [] and "0.0 GB free" in download.describe(remote(server, b"x"), tmp_path / "new")
    (tmp_path / "a.tar").write_bytes(tar(SONGS))
    (tmp_path / "to").mkdir()
    with pytest.raises(OSError, match="no space left for songs/train/a/bass.wav"):
        unpack(tmp_path / "a.tar", tmp_path / "to")


def test_interrupted_unpacking_starts_over_or_doubles(server, tmp_path, monkeypatch):
    chosen = remote(server, tar(SONGS))
    with monkeypatch.context() as patch:
        patch.setattr(download, "unpack", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            fetch(chosen, tmp_path)
    assert not (tmp_path / "songs").exists()
    fetch(chosen, tmp_path)
    assert server.asked == [0] and download.is_there(chosen, tmp_path)


def test_table_holds_what_is_published():
    for name, chosen in download.DATASETS.items():
        assert chosen.name == name and chosen.size_gb > 0 and chosen.licence
        for archive in chosen.archives:
            assert archive.url.startswith("https://") and archive.into.split("/")[0] == chosen.folder
            assert re.fullmatch(r"md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}", archive.checksum)
    tiny = download.DATASETS["cocochorales-tiny"].archives
    assert len(tiny) == len({a.url for a in tiny}) == len({a.checksum for a in tiny}) == 20
    assert json.loads(json.dumps(sorted(download.DATASETS))) == [
        "babyslakh", "cocochorales-tiny", "musdb18hq", "slakh2100-16k", "slakh2100-redux"]  # fmt: skip


def test_moisesdb_or_an_unknown_name_says_nothing():
    for name in ("MoisesDB", "moisesdb"):
        with pytest.raises(ValueError, match=r"MoisesDB needs a registration: .*music\.ai"):
            download.get(name)
    with pytest.raises(ValueError, match="no data set 'x' to download; there are musdb18hq"):
        download.get("x")
