"""Checkpoints of others that are small and want a lot: measured before they are read."""

import pickle
import struct
import zipfile

import pytest
import torch

from cocola_lib.models import checkpoints
from cocola_lib.models.pickles import check_program


def write(path, program, compression=zipfile.ZIP_STORED, **parts):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in {"data.pkl": program, "version": "3\n", "byteorder": "little", **parts}.items():
            archive.writestr(f"archive/{name}", content)
    return path


def doubled(n):
    """Instructions for a tuple of twice the same tuple, n times over."""
    return b")" + b"q\0" + b"".join(b"h\0h\0\x86q\0" for _ in range(n))


def nested(n):
    """Instructions for a tuple in a tuple, n times over."""
    return b")" + b"\x85" * n


HOSTILE = {
    "for ever as a key": b"\x80\2}X\1\0\0\0a" + b"0" + doubled(60) + b"K\1s.",
    "for ever among hyper-parameters": b"\x80\2}X\x10\0\0\0hyper_parameters}" + doubled(90) + b"K\1ss.",
    "too deep to look up": b"\x80\2}" + nested(200_000) + b"K\1s.",
}


@pytest.mark.parametrize("program", HOSTILE.values(), ids=HOSTILE)
def test_a_few_bytes_run_for_ever_or_end_python(tmp_path, program):
    path = write(tmp_path / "x.ckpt", program)
    with pytest.raises(ValueError, match=r"x\.ckpt: a value of \d+ parts, \d+ deep; refused") as caught:
        checkpoints.load(path)
    assert "\n" not in str(caught.value)


def test_a_small_zip_unpacks_to_gigabytes(tmp_path):
    path = write(tmp_path / "x.ckpt", b"\x80\2}.", zipfile.ZIP_DEFLATED, **{"data/0": bytes(50_000_000)})
    assert path.stat().st_size < 100_000
    with pytest.raises(ValueError, match=r"x\.ckpt: its parts are compressed"):
        checkpoints.load(path)


def test_a_tensor_claims_more_than_the_file_holds(tmp_path):
    stem = torch.zeros(32, 2, 3, 3)
    wide = torch.zeros(1).expand(40_000, 1_280)  # with W beside it, 6 GB
    state = {"encoder.encoder.model.0._conv_stem.weight": stem, "encoder.projection.weight": wide}
    torch.save({"state_dict": state}, tmp_path / "x.ckpt")
    assert (tmp_path / "x.ckpt").stat().st_size < 10_000
    with pytest.raises(ValueError, match=r"x\.ckpt: 'encoder\.projection\.weight' has more values than the file holds"):
        checkpoints.load(tmp_path / "x.ckpt")


class Setting:
    """Pickled by its class, made without a call."""

    def __init__(self):
        self.values = [1, 2]


def test_an_object_among_hyper_parameters_is_a_traceback(tmp_path):
    from cocola_lib.models.official import _plain, read_lightning

    path = tmp_path / "x.ckpt"
    torch.save({"state_dict": {"a": torch.zeros(3)}, "hyper_parameters": {"thing": Setting(), "rate": 0.1}}, path)
    hyper = read_lightning(path)["hyper_parameters"]
    assert {key: _plain(value) for key, value in hyper.items()} == {"thing": None, "rate": 0.1}


def test_what_checkpoints_hold_is_refused():
    deep = {"a": [(1, 2), {"b": ({"c": [1] * 3_000},)}]}
    for protocol in range(5):
        check_program(pickle.dumps({str(i): deep | {"n": i} for i in range(3_000)}, protocol))
    shared = [float(i) for i in range(50)]
    check_program(pickle.dumps([shared] * 2_000))


def test_a_program_that_is_damaged_is_a_traceback(tmp_path):
    for program in (b"", b"\x80\2h\7.", b"\x80\2\x86.", b"\x80\2(", struct.pack("<Q", 3)):
        path = write(tmp_path / "x.ckpt", program)
        with pytest.raises(ValueError, match=r"x\.ckpt: ") as caught:
            checkpoints.load(path)
        assert "\n" not in str(caught.value)
