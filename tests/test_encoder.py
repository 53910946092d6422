"""The model's shapes, symmetries and start; the time head; what inference may change."""

import math

import pytest
import torch
from torch import nn

from cocola_lib.encoder import Cocola, ModelConfig
from cocola_lib.fast.inference import CHUNK, frozen, probe_clips
from cocola_lib.features import MODES
from cocola_lib.loss import contrastive_loss
from cocola_lib.models.backbones import Columns, StaticPadConv2d
from cocola_lib.training.start import data_dependent_start

SMALL = "mobilenetv3_small_050"
T, D_STEP = 32, 16


def model(**settings):
    torch.manual_seed(0)
    return Cocola(ModelConfig(**({"backbone": SMALL} | settings)))


@pytest.fixture(scope="module")
def features():
    return Cocola(ModelConfig(backbone=SMALL)).features(probe_clips(8, 2.0))  # (8, 2, 64, 201)


@pytest.mark.parametrize("pooling", ["average", "time"])
@pytest.mark.parametrize("backbone", [SMALL, "efficientnet_b0", "resnet18"])
def test_any_backbone_gives_embeddings_of_the_configured_size(pooling, backbone, features):
    m = model(backbone=backbone, pooling=pooling, embedding_dim=128).eval()
    h = m.embed(features)
    assert h.shape == (8, 128)
    assert h.abs().max() <= 1
    assert m.w().shape == (128, 128)
    assert m.similarity(h[:3], h).shape == (3, 8)


@pytest.mark.parametrize("pooling", ["average", "time", "musical"])
@pytest.mark.parametrize("initial_w", ["identity", "normal"])
def test_similarity_is_eq_2_with_w_as_a_matrix(pooling, initial_w):
    m = model(pooling=pooling, initial_w=initial_w)
    h1, h2 = torch.randn(3, 512), torch.randn(5, 512)
    loop = torch.stack([torch.stack([a @ m.w() @ b for b in h2]) for a in h1])
    torch.testing.assert_close(m.similarity(h1, h2), loop, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["both", "harmonic", "percussive"])
def test_a_mode_hears_nothing_of_the_channel_it_silences(name, features):
    m = model().eval()
    changed = features.clone()
    if name != "both":
        changed[:, 1 if name == "harmonic" else 0] = -7.0
        assert torch.equal(m.embed(features, name), m.embed(changed, name))
        assert not torch.allclose(m.embed(features, name), m.embed(features))
    else:
        assert torch.equal(m.embed(features), m.embed(features, "both"))


def test_the_encoder_sees_unit_range_and_silence_as_the_same_number_everywhere():
    m = model()
    assert torch.equal(m.unit_range(torch.zeros(1, 2, 64, 9)), torch.full((1, 2, 64, 9), 2.0))
    assert torch.equal(m.unit_range(torch.full((1, 2, 64, 9), -80.0)), torch.full((1, 2, 64, 9), -2.0))
    released = model(input_offset_db=0.0, input_scale_db=1.0)
    assert torch.equal(released.unit_range(torch.full((1, 2, 64, 9), -80.0)), torch.full((1, 2, 64, 9), -80.0))


# The time head


def test_time_w_is_block_diagonal_symmetric_and_starts_at_ten():
    m = model(pooling="time")
    nn.init.normal_(m.head.matrix)
    w = m.w().reshape(T, D_STEP, T, D_STEP)
    for t in range(T):
        for u in range(T):
            expected = m.head.m() if t == u else torch.zeros(D_STEP, D_STEP)
            torch.testing.assert_close(w[t, :, u], expected)
    torch.testing.assert_close(m.head.m(), m.head.m().T)
    fresh = model(pooling="time")
    h = fresh.eval().embed(fresh.features(probe_clips(2, 2.0)))
    torch.testing.assert_close(fresh.similarity(h, h).diag(), torch.full((2,), 10.0))


def test_time_embeddings_are_centred_over_time_and_of_length_one(features):
    h = model(pooling="time").eval().embed(features)
    torch.testing.assert_close(h.norm(dim=1), torch.ones(8))
    torch.testing.assert_close(h.unflatten(1, (T, D_STEP)).mean(dim=1), torch.zeros(8, D_STEP), atol=1e-6, rtol=0)


def test_time_scores_are_the_same_in_either_order(features):
    m = model(pooling="time").eval()
    nn.init.normal_(m.head.matrix)
    h = m.embed(features)
    torch.testing.assert_close(m.similarity(h, h), m.similarity(h, h).T)


def test_a_clip_that_never_changes_scores_zero_and_not_nan():
    head = model(pooling="time").eval().head
    steady = torch.ones(2, 1, head.convolutions[0].in_channels, 63)
    nn.init.zeros_(head.convolutions[0].weight)  # no edge effects of the padding either
    h = head(steady)
    assert h.norm(dim=1).max() < 0.01


def test_later_stages_are_not_built_for_the_time_head():
    whole, tap = model(backbone="efficientnet_b0"), model(backbone="efficientnet_b0", pooling="time")
    assert sum(p.numel() for p in tap.backbone.parameters()) < 0.02 * sum(
        p.numel() for p in whole.backbone.parameters()
    )
    assert tap.pooled(torch.zeros(1, 2, 64, 501)).shape == (1, 40, 8, 63)  # 8 bands, 63 steps of 80 ms
    assert tap.head.convolutions[0].in_channels == 320


def test_time_head_notices_a_delay_that_average_pooling_can_ignore(features):
    m = model(pooling="time").eval()
    h, late = m.embed(features), m.embed(torch.roll(features, 50, dims=-1))
    assert (m.similarity(h, h).diag() - m.similarity(h, late).diag()).mean() > 1


# Our own backbone, and the head that keeps rhythm, harmony and key apart


@pytest.mark.parametrize("pooling", ["time", "musical"])
def test_columns_give_steps_of_80_ms_and_512_numbers_within_one(pooling):
    m = model(backbone="columns", pooling=pooling).eval()
    x = torch.randn(3, 2, 64, 501) * 20 - 40
    assert m.pooled(x).shape == (3, 384, 1, 63)
    h = m.embed(x)
    assert h.shape == (3, 512) and h.abs().max() <= 1
    torch.testing.assert_close(m.similarity(h, h), m.similarity(h, h).T)


def test_whitening_leaves_bands_uncorrelated_and_channels_apart():
    torch.manual_seed(1)
    mixing = torch.randn(64, 64) / 8
    x = (mixing @ torch.randn(40, 2, 64, 100)) * torch.tensor([1.0, 5.0])[:, None, None]
    columns = Columns(2)
    columns.start_from(x, floor=0.0)
    white = (columns.whitening @ x.flatten(1, 2)).transpose(1, 2).reshape(-1, 128)
    torch.testing.assert_close(white.T.cov()[:64, :64], torch.eye(64), atol=2e-3, rtol=0)
    torch.testing.assert_close(white.T.cov()[64:, 64:], torch.eye(64), atol=2e-3, rtol=0)
    assert columns.whitening[:64, 64:].abs().max() == 0


def test_the_start_whitens_columns(features):
    m = data_dependent_start(model(backbone="columns", pooling="musical"), features)
    assert (m.backbone.whitening - torch.eye(128)).abs().max() > 0.1


def test_the_second_stack_and_the_context_add_nothing_at_first_and_learn():
    m = model(backbone="columns", pooling="musical").eval()
    x = torch.randn(2, 2, 64, 501)
    first = m.backbone.layers(x.flatten(1, 2).unsqueeze(2))
    torch.testing.assert_close(m.backbone(x), first)
    h = m.head.convolutions(first.flatten(1, 2))
    torch.testing.assert_close(m.head.read(first)[1], m.head.pitch_classes(h))
    m.head.read(m.backbone(x))[1].square().sum().backward()
    for added in (m.backbone.plain, *m.head.context):
        norm = [layer for layer in added if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d))][-1]
        assert norm.weight.grad.abs().min() > 0


def test_a_step_hears_2_6_s_before_and_after_it():
    head = model(backbone="columns", pooling="musical").eval().head
    for wider in head.context:
        nn.init.ones_(wider[1].weight)
    x = torch.randn(2, 384, 1, 200)
    x[1] = x[0]
    x[1, :, :, 100] += 10
    logits = head.read(x)[1]
    changed = (logits[0] != logits[1]).any(dim=0).nonzero().flatten()
    assert (changed.min().item(), changed.max().item()) == (100 - 32, 100 + 32)  # steps of 80 ms


def test_harmony_is_about_intervals_both_sides_transposed_alike_score_alike():
    head = model(backbone="columns", pooling="musical").eval().head
    nn.init.normal_(head.intervals)
    nn.init.normal_(head.pitch_classes.weight)
    a, b = torch.randn(2, 4, 384, 1, 63).unbind()
    score = (head.project(head(a)) * head(b)).sum(1)
    for semitones in (1, 7):
        turned = model(backbone="columns", pooling="musical").eval().head
        turned.load_state_dict(head.state_dict())
        for own, other in zip(turned.pitch_classes.parameters(), head.pitch_classes.parameters(), strict=True):
            own.data = other.data.roll(semitones, 0)
        both = (turned.project(turned(a)) * turned(b)).sum(1)
        torch.testing.assert_close(both, score, rtol=1e-4, atol=1e-4)
        assert ((turned.project(turned(a)) * head(b)).sum(1) - score).abs().max() > 0.1  # one side alone does not


def test_the_parts_of_the_musical_head_are_compared_with_themselves_only():
    head = model(backbone="columns", pooling="musical", time_steps=64).head
    assert head.sizes == (320, 180, 12)
    h = torch.randn(2, 512)
    rhythm, harmony, key = (torch.zeros(2, 512) for _ in range(3))
    rhythm[:, :320], harmony[:, 320:500], key[:, 500:] = h[:, :320], h[:, 320:500], h[:, 500:]
    for a in (rhythm, harmony, key):
        for b in (rhythm, harmony, key):
            assert (a is b) == bool((head.project(a) * b).sum(1).abs().max() > 0)


def test_rhythm_keeps_every_step_of_a_window_and_averages_longer_clips():
    head = model(backbone="columns", pooling="musical", time_steps=64).eval().head
    x = torch.randn(1, 384, 1, 200)
    rhythm = head(x[..., :63]).split(head.sizes, dim=1)[0].view(64, 5)
    assert not rhythm[63].any() and rhythm[:63].abs().min() > 0
    assert head(x).shape == (1, 512) and head(x).split(head.sizes, dim=1)[0].view(64, 5)[63].any()


def test_silence_scores_zero_in_the_musical_head():
    m = model(backbone="columns", pooling="musical").eval()
    nn.init.zeros_(m.head.pitch_classes.weight), nn.init.zeros_(m.head.pitch_classes.bias)
    nn.init.zeros_(m.head.rhythm.weight)
    h = m.embed(torch.full((2, 2, 64, 501), -80.0))
    assert h.abs().max() < 1e-6 and m.similarity(h, h).abs().max() < 1e-6


# The start


def test_data_dependent_start_gives_every_dimension_mean_0_and_deviation_1(features):
    m = data_dependent_start(model(), features)
    m.train()
    h = m.head.projection(m.pooled(features))
    torch.testing.assert_close(h.mean(dim=0), torch.zeros(512), atol=1e-3, rtol=0)
    torch.testing.assert_close(h.std(dim=0), torch.ones(512), atol=1e-2, rtol=0)


def test_data_dependent_start_leaves_the_models_mode_as_it_was(features):
    assert not data_dependent_start(model().eval(), features).training
    assert data_dependent_start(model().train(), features).training


@pytest.mark.parametrize("pooling", ["average", "time"])
def test_identity_starts_the_loss_near_log_k_and_the_papers_normal_far_above(pooling, features):
    losses = {}
    for initial_w in ("identity", "normal"):
        m = data_dependent_start(model(pooling=pooling, initial_w=initial_w), features).train()
        with torch.no_grad():
            h = m.embed(features)
            losses[initial_w] = contrastive_loss(m.similarity(h[:4], h[4:])).item()
    assert losses["identity"] < math.log(4) + (0.6 if pooling == "average" else 1.0)
    if pooling == "average":
        assert losses["normal"] > 2 * math.log(4)


@pytest.mark.parametrize("pooling", ["average", "time"])
def test_a_few_steps_on_one_batch_lower_the_loss(pooling, features):
    m = data_dependent_start(model(pooling=pooling, dropout=0.0), features).train()
    m = m.to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(m.parameters(), 1e-3)
    losses = []
    for _ in range(8):
        h = m.embed(torch.cat([features, features + 0.1]))
        loss = contrastive_loss(m.similarity(*h.chunk(2)))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
    assert all(p.grad is not None for p in m.parameters())


# Padding and BatchNorm of the released checkpoints


@pytest.mark.parametrize(("kernel", "before", "after"), [(3, 0, 1), (5, 1, 2)])
@pytest.mark.parametrize("width", [8, 501])
def test_static_padding_puts_the_surplus_behind(kernel, before, after, width):
    conv = StaticPadConv2d(1, 1, kernel, stride=2, bias=False)
    x = torch.randn(1, 1, width, width)
    padded = nn.functional.pad(x, (before, after, before, after))
    torch.testing.assert_close(conv(x), nn.functional.conv2d(padded, conv.weight, stride=2))


def test_norm_settings_reach_every_batchnorm():
    m = model(norm_eps=1e-3, norm_momentum=0.01)
    norms = [n for n in m.backbone.modules() if isinstance(n, nn.BatchNorm2d)]
    assert norms and {(n.eps, n.momentum) for n in norms} == {(1e-3, 0.01)}


# Inference


@pytest.mark.parametrize("pooling", ["average", "time"])
@pytest.mark.parametrize(
    "settings",
    [{}, {"padding": "static224", "backbone": "efficientnet_b0"}, {"backbone": "columns", "pooling": "musical"}],
)
def test_inference_folds_norms_without_changing_the_embedding(pooling, settings):
    m = model(**({"pooling": pooling} | settings))
    for norm in m.modules():
        if isinstance(norm, nn.BatchNorm2d):  # statistics that a missing fold would show
            nn.init.uniform_(norm.running_var, 0.5, 2)
            nn.init.normal_(norm.running_mean, std=0.1)
    m.eval()
    fast = frozen(m, precision="float32")
    assert not any(isinstance(n, nn.BatchNorm2d) for n in fast.backbone.modules())
    many = probe_clips(8, 2.0).repeat(3, 1)  # more than one chunk
    assert len(many) > CHUNK
    for found, expected in zip(fast.embed_modes(many, MODES), m.embed_modes(many, MODES), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
    assert any(isinstance(n, nn.BatchNorm2d) for n in m.backbone.modules())  # the model itself is left alone


def test_bfloat16_is_used_only_when_the_scores_hardly_move():
    strict = frozen(model().eval(), scale=1e-9)
    assert strict.report["precision"] == "float32"
    if strict.report["bfloat16_error"] is not None:  # the processor has bfloat16
        assert frozen(model().eval(), scale=1e9).report["precision"] == "bfloat16"
    with pytest.raises(ValueError, match="choose one of auto, float32, bfloat16"):
        frozen(model(), precision="int8")


# Bad settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"features": "chroma"}, "features is 'chroma': choose one of hps"),
        ({"pooling": "max"}, "choose one of average, mlp, time, musical"),
        ({"padding": "same"}, "choose one of symmetric, static224"),
        ({"pooling": "time", "embedding_dim": 500}, "no multiple of time_steps 32"),
        ({"pooling": "musical", "embedding_dim": 200}, "needs embedding_dim 192 . a multiple of time_steps"),
        ({"backbone": "columns"}, "unknown backbone 'columns'"),
        ({"embedding_dim": 0}, "at least 1"),
        ({"embedding_dim": 10**9}, "8192 at most"),  # W alone would be 4e18 bytes
        ({"pooling": "time", "time_steps": 10**9}, "8192 at most"),
        ({"backbone": "efficientnet_b00"}, "timm knows efficientnet_b0"),
    ],
)
def test_bad_settings_are_refused_in_one_line(settings, message):
    with pytest.raises(ValueError, match=message) as error:
        Cocola(ModelConfig(**settings))
    assert "\n" not in str(error.value)


def test_settings_survive_a_round_trip_and_unknown_ones_are_refused():
    config = ModelConfig(pooling="time", backbone=SMALL)
    assert ModelConfig.from_dict(config.to_dict()) == config
    with pytest.raises(ValueError, match="unknown model settings depth"):
        ModelConfig.from_dict({"depth": 3})
