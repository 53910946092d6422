"""Embedders on tiny random weights: shapes, what silence gives, the cache, and one line for what is missing."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import clip, tiny_scorer

from cocola_lib.accompaniment import clap as clap_module
from cocola_lib.accompaniment import fad_embedders, vggish
from cocola_lib.accompaniment.fad_embedders import Cached, LogMel, Unavailable, open_embedder


@pytest.fixture(autouse=True)
def no_hub(tmp_path, monkeypatch):
    """An empty cache, and a network that is never asked."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))


@pytest.fixture
def small_vggish(tmp_path, monkeypatch):
    monkeypatch.setattr(vggish, "LAYERS", (4, "M", 4, "M", 4, "M", 4, "M"))
    monkeypatch.setattr(vggish, "HIDDEN", 8)
    torch.manual_seed(0)
    torch.save(vggish.VGGish().state_dict(), tmp_path / "vggish.pth")
    return tmp_path / "vggish.pth"


@pytest.fixture
def small_clap(tmp_path):
    from transformers import ClapConfig, ClapFeatureExtractor, ClapModel

    audio = {"depths": [1, 1], "num_attention_heads": [1, 1], "patch_embeds_hidden_size": 8, "hidden_size": 16}
    text = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    torch.manual_seed(0)
    config = ClapConfig(
        audio_config=audio | {"num_hidden_layers": 2, "projection_dim": 12},
        text_config=text | {"vocab_size": 10, "projection_dim": 12},
        projection_dim=12,
    )
    ClapModel(config).save_pretrained(tmp_path / "clap")
    ClapFeatureExtractor(truncation="rand_trunc").save_pretrained(tmp_path / "clap")
    return tmp_path / "clap"


@pytest.fixture
def small_encodec(tmp_path):
    from transformers import EncodecConfig, EncodecModel

    torch.manual_seed(0)
    config = EncodecConfig(num_filters=2, num_lstm_layers=1, hidden_size=16, codebook_dim=16, codebook_size=8)
    EncodecModel(config).save_pretrained(tmp_path / "encodec")
    return tmp_path / "encodec"


def test_log_mel_of_silence_is_the_floor_without_deviation_and_a_row_a_second():
    rows = LogMel().embed(np.zeros(3 * 16_000, np.float32))
    assert rows.shape == (3, 64)
    np.testing.assert_allclose(rows[:, :32], -100, rtol=1e-5)
    np.testing.assert_allclose(rows[:, 32:], 0, atol=1e-4)


def test_log_mel_hears_loudness_and_not_sign():
    x = clip(2)
    quiet, loud, turned = (LogMel().embed(y) for y in (x / 10, x, -x))
    np.testing.assert_allclose(loud[:, :32] - quiet[:, :32], 20, atol=0.2)
    np.testing.assert_allclose(turned, loud, atol=1e-3)


def test_our_own_embeddings_leave_silent_windows_out():
    scorer = tiny_scorer()
    embedder = open_embedder("COCOLA", scorer=scorer)
    x = np.concatenate([clip(5), np.zeros(5 * 16_000, np.float32)])
    rows = embedder.embed(x)
    assert rows.shape == (2, 64) and np.isfinite(rows).all(), "the last of three windows is silent"
    np.testing.assert_allclose(rows[0], scorer.embed([x[:80_000]])[0], rtol=1e-4, atol=1e-5)


def test_vggish_frames_equal_a_slow_loop_over_the_definition():
    x = clip(1.2)
    found = vggish.examples(x)
    assert found.shape == (1, 96, 64)
    frame = x[5 * 160 : 5 * 160 + 400].astype(np.float64)
    windowed = frame * [0.5 - 0.5 * np.cos(2 * np.pi * n / 400) for n in range(400)]
    spectrum = [abs(sum(windowed * np.exp(-2j * np.pi * k * np.arange(400) / 512))) for k in range(257)]
    mel = 1127 * np.log(1 + np.arange(257) * 16_000 / 512 / 700)
    edges = np.linspace(1127 * np.log(1 + 125 / 700), 1127 * np.log(1 + 7500 / 700), 66)
    for band in (0, 20, 63):
        low, top, high = edges[band : band + 3]
        weights = [max(0, min((m - low) / (top - low), (high - m) / (high - top))) for m in mel]
        assert found[0, 5, band] == pytest.approx(np.log(np.dot(spectrum, weights) + 0.01), rel=1e-5)


def test_vggish_reads_published_weights_and_gives_a_row_per_096_s(small_vggish):
    embedder = open_embedder("VGGish", small_vggish)
    assert embedder.embed(clip(3)).shape == (3, 128)
    assert embedder.embed(clip(0.3)).shape == (1, 128), "shorter clips are padded"
    broken = small_vggish.with_name("other.pth")
    torch.save({"a": torch.zeros(2)}, broken)
    with pytest.raises(ValueError, match=r"other\.pth: not the weights of VGGish"):
        open_embedder("VGGish", broken)


def test_clap_reads_a_local_folder_and_gives_a_row_per_second_after_ten(small_clap):
    embedder = open_embedder("CLAP", small_clap)
    assert embedder.embed(clip(3, rate=48_000)).shape == (1, 12)
    rows = embedder.embed(clip(12, rate=48_000))
    assert rows.shape == (3, 12) and np.isfinite(rows).all()


def laion_file(path, audio, **extra):
    """Random weights under LAION's names, as training left them: in a pickle that holds more than tensors."""
    from transformers import ClapConfig, ClapModel

    torch.manual_seed(0)
    model = ClapModel(
        ClapConfig(
            audio_config=audio,
            text_config={"num_hidden_layers": 1, "hidden_size": 12, "intermediate_size": 8, "vocab_size": 9},
        )
    )
    theirs, state = {ours: name for name, ours in clap_module.NAMES.items()}, {}
    for key, tensor in model.state_dict().items():
        if not key.startswith("audio_"):
            continue
        for ours, name in theirs.items():
            key = key.replace(ours, name)
        state[f"module.{key}"] = tensor
    for key in [key for key in state if ".query." in key]:
        parts = [state.pop(key.replace("query", part)) for part in ("query", "key", "value")]
        state[key.replace("query", "qkv")] = torch.cat(parts)
    state["module.audio_branch.tscam_conv.weight"] = state["module.logit_scale_a"] = torch.zeros(3)
    torch.save({"epoch": 15, "name": np.float64(0.9), "state_dict": state | extra}, path)
    return model


SMALL_AUDIO = {"depths": [1, 1], "num_attention_heads": [1, 1], "patch_embeds_hidden_size": 8, "hidden_size": 16}
SMALL_AUDIO |= {"num_hidden_layers": 2}


def test_the_clap_of_the_literature_is_read_from_laions_file_tensors_only(tmp_path, monkeypatch):
    """The same embedding as `transformers` gives with the same weights; an object beside the tensors is refused."""
    from transformers import ClapFeatureExtractor

    monkeypatch.setattr(clap_module, "HTSAT_BASE", SMALL_AUDIO)
    path = tmp_path / clap_module.FILE
    model = laion_file(path, SMALL_AUDIO).eval()
    x = clip(3, rate=48_000)
    extractor = ClapFeatureExtractor(truncation="rand_trunc", padding="repeatpad")
    with torch.inference_mode():
        expected = model.get_audio_features(**extractor([x], sampling_rate=48_000, return_tensors="pt"))
    found = open_embedder("CLAP", path)
    assert found.name == "CLAP"
    np.testing.assert_allclose(found.embed(x), getattr(expected, "pooler_output", expected), rtol=1e-5, atol=1e-6)
    laion_file(path, SMALL_AUDIO, hostile=Path("a"))
    with pytest.raises(Unavailable, match="FAD-CLAP: .*state_dict holds something that is no tensor"):
        open_embedder("CLAP", path)
    laion_file(path, SMALL_AUDIO)
    monkeypatch.setattr(clap_module, "HTSAT_BASE", SMALL_AUDIO | {"hidden_size": 32, "patch_embeds_hidden_size": 16})
    with pytest.raises(Unavailable, match="has shape .*, the model needs"):
        open_embedder("CLAP", path)


def test_encodec_reads_a_local_folder_and_gives_75_rows_a_second(small_encodec):
    rows = open_embedder("EnCodec", small_encodec).embed(clip(2, rate=24_000))
    assert rows.shape == (150, 16) and rows.dtype == np.float32


def test_the_same_clip_is_never_embedded_twice_and_other_weights_are_not_confused(tmp_path):
    class Counting(LogMel):
        calls, identity = 0, "counting"

        def embed(self, x):
            Counting.calls += 1
            return super().embed(x)

    cached = Cached(Counting(), tmp_path)
    first, again = cached.embed(clip(1)), cached.embed(clip(1))
    np.testing.assert_array_equal(first, again)
    assert Counting.calls == 1
    cached.embed(clip(1, seed=1))
    assert Counting.calls == 2
    (stored, _) = sorted(tmp_path.rglob("*.npy"))
    stored.write_bytes(b"cut off")
    for seed in (0, 1):
        cached.embed(clip(1, seed=seed))
    assert Counting.calls == 3, "the broken file was made again, the other one read"


def test_identity_names_exactly_these_weights(small_vggish):
    same, other = vggish.load(small_vggish), vggish.load(small_vggish)
    assert fad_embedders.weights_hash(same) == fad_embedders.weights_hash(other)
    with torch.no_grad():
        other.features[0].weight[0] += 1e-3
    assert fad_embedders.weights_hash(same) != fad_embedders.weights_hash(other)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("CLAP", r"FAD-CLAP: music_audioset_epoch_15_esc_90\.14\.pt of .* not .*--download.*--weights CLAP=FILE"),
        ("larger_clap_music", r"the weights of laion/larger_clap_music are not .*--weights larger_clap_music=FOLDER"),
        ("EnCodec", r"FAD-EnCodec: the weights of facebook/encodec_24khz are not .*--weights EnCodec=FOLDER"),
        (
            "VGGish",
            r"FAD-VGGish: vggish-10086976\.pth is not here; cocola accompany .*--download.*--weights VGGish=FILE",
        ),
    ],
)
def test_missing_weights_say_in_one_line_how_to_get_them(name, message):
    with pytest.raises(Unavailable, match=message) as error:
        open_embedder(name)
    assert "\n" not in str(error.value)


def test_a_missing_package_a_foreign_folder_and_an_unknown_name_are_said(tmp_path, monkeypatch):
    with pytest.raises(Unavailable, match=r"holds no config\.json; give a folder as save_pretrained writes it"):
        open_embedder("CLAP", tmp_path)
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(Unavailable, match="FAD-EnCodec: .* cannot be loaded"):
        open_embedder("EnCodec", tmp_path)
    with pytest.raises(ValueError, match="embedder is 'clap'; use log-mel, COCOLA, CLAP"):
        open_embedder("clap")
    monkeypatch.setattr(fad_embedders.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Unavailable, match=r"needs the package transformers; pip install 'cocola-lib\[fad\]'"):
        open_embedder("CLAP")
