"""Recordings: what is read, what is refused, and how they become samples."""

import shutil
import struct

import numpy as np
import pytest
import torch

from limbeck.data import Views, fit, open_data
from limbeck.data import recording as one_file
from limbeck.data.frames import FrameSource, Framing
from limbeck.data.logmel import LogMel, windows
from limbeck.errors import LimbeckError
from tones import RATE, sound, wav, write_flat, write_folders


def recording_of(frames: torch.Tensor, source: FrameSource) -> torch.Tensor:
    return torch.searchsorted(source.starts, frames, right=True) - 1


# --- one file


KINDS = [(1, 8, 2**-6), (1, 16, 2**-14), (1, 24, 2**-22), (1, 32, 1e-6), (3, 32, 1e-6), (3, 64, 1e-6)]


@pytest.mark.parametrize("long", [False, True])
@pytest.mark.parametrize(("kind", "bits", "within"), KINDS)
def test_every_kind_of_wav_gives_the_same_sound(tmp_path, kind, bits, within, long):
    path = tmp_path / "a.wav"
    path.write_bytes(wav(sound(), bits, kind, long=long))
    header, found, _ = one_file.read(path)
    assert (header.rate, header.channels, header.samples) == (RATE, 1, 1600)
    assert found.dtype == torch.float32
    assert np.abs(found.numpy() - sound()).max() <= within


def test_channels_are_averaged(tmp_path):
    left, right = sound(), sound("high")
    (tmp_path / "a.wav").write_bytes(wav(np.stack([left, right], 1)))
    assert np.abs(one_file.read(tmp_path / "a.wav")[1].numpy() - (left + right) / 2).max() < 1e-3


def test_parts_that_say_nothing_of_the_sound_are_passed_over(tmp_path):
    note = b"LIST" + struct.pack("<I", 3) + b"abc\0"  # of odd length, so padded
    (tmp_path / "a.wav").write_bytes(wav(sound(), before=note) + b"junk")
    (tmp_path / "b.wav").write_bytes(wav(sound()))
    assert torch.equal(one_file.read(tmp_path / "a.wav")[1], one_file.read(tmp_path / "b.wav")[1])


GOOD = wav(sound())


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b"ID3\x04" * 10, "is not a wav file"),
        (b"RIFX" + GOOD[4:], "is not a wav file"),
        (GOOD[:20], "ends before its sound begins"),
        (GOOD[:36], "ends before its sound begins"),
        (GOOD[:12] + GOOD[36:], "does not say how its sound is written"),
        (GOOD[:-2], "promises 3,200 bytes of sound in samples of 2, and 3,198 follow"),
        (GOOD[:40] + b"\xff\xff\xff\xff" + GOOD[44:], "promises 4,294,967,295 bytes"),
        (wav(sound()[:0]), "holds no sound"),
        (GOOD[:22] + b"\0\0" + GOOD[24:], "damaged header"),
        (GOOD[:24] + b"\0\0\0\0" + GOOD[28:], "damaged header"),
        (GOOD[:20] + struct.pack("<H", 7) + GOOD[22:], "format 7 with 16 bits"),
        (wav(np.full(1600, np.nan), 32, 3), "not finite numbers"),
        (wav(np.zeros(61 * RATE)), "61 seconds long, more than 60"),
        (wav(sound()[:250]), "too short: it has 1 frames of 25 ms, and its word has 3 parts"),
    ],
)
def test_a_bad_file_is_refused_by_its_name(tmp_path, content, told):
    path = write_flat(tmp_path / "words") / "low_anna_3.wav"
    path.write_bytes(content)
    with pytest.raises(LimbeckError, match="low_anna_3.wav.*" + told) as caught:
        open_data(f"wav:{tmp_path / 'words'}")
    assert "\n" not in str(caught.value)


def test_sizes_are_held_against_the_header_before_anything_is_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr("scipy.io.wavfile.read", lambda *_, **__: pytest.fail("it was decoded"))
    (tmp_path / "a.wav").write_bytes(GOOD[:40] + struct.pack("<I", 2**31) + GOOD[44:])
    with pytest.raises(LimbeckError, match="promises"):
        one_file.read(tmp_path / "a.wav")


def test_an_unreadable_file_is_left_out_when_asked_and_listed(tmp_path):
    root = write_flat(tmp_path / "words", 12)
    (root / "low_anna_0.wav").write_bytes(b"")
    (root / "high_anna_7.wav").write_bytes(GOOD[:-1])
    with pytest.raises(LimbeckError, match=r"1 more files are like it"):
        open_data(f"wav:{root}")
    data = open_data(f"wav:{root}", skip_bad=True)
    assert data.skipped == (str(root / "high_anna_7.wav"), str(root / "low_anna_0.wav"))
    assert len(data.source.words) == 22


def test_one_rate_for_all(tmp_path):
    root = write_flat(tmp_path / "words")
    (root / "low_anna_3.wav").write_bytes(wav(sound(rate=16000), rate=16000))
    for skip_bad in (False, True):
        with pytest.raises(
            LimbeckError, match=r"low_anna_3.wav has 16,000 samples a second, but .*high_anna_0.wav has 8,000"
        ):
            open_data(f"wav:{root}", skip_bad=skip_bad)


# --- log-mel


def naive(values, rate, mels=40, window=25, hop=10):
    """Return log-mel vectors by loops in float64, by the definition in the docstring."""
    cut, step = round(window * rate / 1000), round(hop * rate / 1000)
    mel = lambda f: 2595 * np.log10(1 + f / 700)  # noqa: E731
    corners = np.linspace(mel(20), mel(rate / 2), mels + 2)
    n = 2
    while n < cut:
        n *= 2
    while True:
        weights = np.zeros((n // 2 + 1, mels))
        for k in range(n // 2 + 1):
            at = mel(k * rate / n)
            for m in range(mels):
                low, middle, high = corners[m : m + 3]
                side = (at - low) / (middle - low) if at < middle else (high - at) / (high - middle)
                weights[k, m] = max(0, side)
        if (weights.sum(0) > 0).all():
            break
        n *= 2
    taper = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(cut) / cut)
    rows = []
    for start in range(0, len(values) - cut + 1, step):
        power = np.abs(np.fft.fft(values[start : start + cut] * taper, n)[: n // 2 + 1]) ** 2
        rows.append(np.log(power @ weights + 1e-6))
    return np.array(rows)


@pytest.mark.parametrize(("rate", "mels"), [(8000, 40), (8000, 64), (11025, 23)])
def test_log_mel_is_its_definition(rate, mels):
    values = sound(rate=rate)
    found = LogMel(rate, mels)(torch.tensor(values, dtype=torch.float32))
    expected = naive(values, rate, mels)
    assert found.shape == expected.shape
    assert len(found) == LogMel(rate, mels).frames(len(values))
    assert np.abs(found.numpy() - expected).max() < 1e-3


def test_a_tone_is_loudest_where_it_sounds():
    mel = LogMel(RATE)
    low, high = (mel(torch.tensor(sound(word)).float()).mean(0).argmax() for word in ("low", "high"))
    assert low < high


def test_silence_and_what_is_shorter_than_a_window():
    mel = LogMel(RATE)
    assert torch.isfinite(mel(torch.zeros(400))).all()
    assert mel(torch.zeros(10)).shape == (0, 40)
    assert mel.frames(10) == 0


# --- frames as samples


def test_windows_are_those_of_a_loop():
    lengths, context, bins = [5, 1, 3], 2, 4
    vectors = torch.randn(sum(lengths), bins)
    starts = torch.tensor([0, 5, 6, 9])
    source = FrameSource(vectors, starts, torch.tensor([1, 0, 1]), states=3, context=context)
    expected = []
    for first, length in zip(starts.tolist(), lengths, strict=False):
        for t in range(length):
            row = [vectors[first + min(max(t + d, 0), length - 1)] for d in range(-context, context + 1)]
            expected.append(torch.cat(row))
    assert torch.equal(source.read_many(torch.arange(9)), torch.stack(expected))
    some = torch.tensor([8, 0, 5, 5])
    assert torch.equal(source.read_many(some), torch.stack(expected)[some])
    assert torch.equal(source.read(6), expected[6])
    assert source.width == 20


def test_a_word_is_cut_into_equal_parts():
    source = FrameSource(
        torch.zeros(12, 1), torch.tensor([0, 7, 12]), torch.tensor([2, 0]), states=3, context=0
    )
    assert source.targets.tolist() == [6, 6, 6, 7, 7, 8, 8, 0, 0, 1, 1, 2]


def test_vectors_are_kept_once(tmp_path):
    data = open_data(f"wav:{write_flat(tmp_path / 'words')}")
    source = data.source
    kept = sum(each.numel() for each in vars(source).values() if isinstance(each, torch.Tensor))
    assert kept < 3 * source.vectors.numel() < len(source) * source.width / 4
    assert data.shape == (source.width,) == (21 * 40,)


def test_standardised_without_making_the_windows(tmp_path, monkeypatch):
    data = open_data(f"wav:{write_flat(tmp_path / 'words')}?context=1&mels=8")
    every = data.source.read_many(data.train)
    monkeypatch.setattr("limbeck.data.frames.windows", lambda *_: pytest.fail("windows were made"))
    found = fit(data.source, data.train, data.shape)
    middle = every[:, 8:16]
    assert torch.allclose(torch.tensor(found.mean[8:16]), middle.mean(0), atol=1e-4)
    assert torch.allclose(torch.tensor(found.std[8:16]), middle.std(0, correction=0), atol=1e-4)
    assert found.mean[:8] == found.mean[8:16] == found.mean[16:]


def test_a_served_client_makes_the_same_windows(tmp_path):
    root = write_flat(tmp_path / "words")
    source = open_data(f"wav:{root}").source
    sound = one_file.read(sorted(root.glob("*.wav"))[1])[1]
    vectors = LogMel(RATE)(sound)
    count = len(vectors)
    made = windows(
        vectors,
        torch.arange(count),
        torch.zeros(count, dtype=torch.int64),
        torch.full((count,), count - 1),
        10,
    )
    first = int(source.starts[1])
    assert torch.equal(made, source.read_many(torch.arange(first, first + count)))


def test_views_read_many_at_once(tmp_path):
    data = open_data(f"wav:{write_flat(tmp_path / 'words')}")
    batch = Views.plain(data).read(data.test[:5], torch.zeros(5, dtype=torch.int64))
    assert batch.inputs.shape == (5, 840)
    assert torch.equal(batch.targets, data.source.targets[data.test[:5]])
    assert torch.equal(batch.index, data.test[:5])


# --- parts


@pytest.mark.parametrize("write", [write_flat, write_folders])
def test_a_recording_is_in_one_part_alone(tmp_path, write):
    data = open_data(f"wav:{write(tmp_path / 'words')}")
    parts = [
        set(recording_of(each, data.source).tolist()) for each in (data.train, data.validation, data.test)
    ]
    assert sorted(each for part in parts for each in part) == list(range(20))
    frames = torch.cat([data.train, data.validation, data.test])
    assert torch.equal(frames.sort().values, torch.arange(len(data.source)))
    for part, size in zip(parts, (13, 3, 4), strict=True):
        assert len(part) == size
        assert len(set(data.source.words[list(part)].tolist())) == 2
    assert data.task == "frames"
    assert data.classes == ("high/0", "high/1", "high/2", "low/0", "low/1", "low/2")
    assert data.notes[-1].endswith(
        "Recordings are never divided: 13 for train, 3 for validation, 4 for test."
    )


def test_recordings_0_to_4_are_the_test_part_where_there_are_many(tmp_path):
    data = open_data(f"wav:{write_flat(tmp_path / 'words', 25)}")
    names = sorted(each.name for each in (tmp_path / "words").iterdir())
    tested = {names[each] for each in recording_of(data.test, data.source).tolist()}
    assert tested == {f"{word}_anna_{number}.wav" for word in ("low", "high") for number in range(5)}
    assert data.notes[0] == "Recordings of index 0 to 4 are the test part."
    other = open_data(f"wav:{tmp_path / 'words'}", seed=1)
    assert torch.equal(other.test, data.test)
    assert not torch.equal(other.validation, data.validation)


def test_a_word_may_have_underscores(tmp_path):
    root = write_flat(tmp_path / "words", words=("low",))
    for each in sorted(root.iterdir()):
        shutil.copy(each, root / each.name.replace("low_", "very_low_"))
    assert open_data(f"wav:{root}").classes[::3] == ("low/0", "very_low/0")


def test_folders_for_the_parts_are_kept(tmp_path):
    for part, count in (("train", 8), ("val", 3), ("test", 2)):
        write_folders(tmp_path / "words" / part, count)
    data = open_data(f"wav:{tmp_path / 'words'}")
    counts = [
        len(set(recording_of(each, data.source).tolist()))
        for each in (data.train, data.validation, data.test)
    ]
    assert counts == [16, 6, 4]


def test_limit_leaves_some_frames_of_each_class(tmp_path):
    data = open_data(f"wav:{write_flat(tmp_path / 'words')}", limit=30)
    assert len(data.train) == 30
    assert len(data.source.targets[data.train].unique()) == 6


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda root: (root / "seven.wav").write_bytes(GOOD), "seven.wav must be called WORD_SPEAKER_INDEX.wav"),
        (lambda root: (root / "low_anna_x.wav").write_bytes(GOOD), "must be called WORD_SPEAKER_INDEX.wav"),
        (lambda root: write_folders(root / "more"), "both beside and in the folder 'more'"),
        (lambda root: [each.unlink() for each in root.glob("low*")], "two or more classes"),
        (lambda root: [each.unlink() for each in root.iterdir()], "neither recordings nor folders"),
        (lambda root: [each.unlink() for each in root.glob("low_anna_[1-9].wav")], "'low' of .* has 1 sample"),
    ],
)  # fmt: skip
def test_a_folder_that_is_no_such_data(tmp_path, spoil, told):
    root = write_flat(tmp_path / "words")
    spoil(root)
    with pytest.raises(LimbeckError, match=told):
        open_data(f"wav:{root}")


def test_a_folder_without_recordings_and_a_word_unknown_in_training(tmp_path):
    root = tmp_path / "words"
    write_folders(root / "train")
    write_folders(root / "test", words=("low", "high", "rising"))
    with pytest.raises(LimbeckError, match=r"rising is a word that .*train has no folder for"):
        open_data(f"wav:{root}")
    shutil.rmtree(root / "test" / "rising")
    for each in (root / "test" / "low").iterdir():
        each.unlink()
    with pytest.raises(LimbeckError, match="test/low has no wav files"):
        open_data(f"wav:{root}")


# --- settings


def test_settings_decide_the_samples_and_the_fingerprint(tmp_path):
    root = write_flat(tmp_path / "words")
    seen = set()
    for settings in (
        "",
        "?mels=20",
        "?context=3",
        "?states=5",
        "?window=20",
        "?hop=12",
        "?mels=20&context=3",
    ):
        data = open_data(f"wav:{root}{settings}")
        assert data.fingerprint() == open_data(f"wav:{root}{settings}").fingerprint()
        seen.add(data.source.fingerprint())
    assert len(seen) == 7
    assert open_data(f"wav:{root}?mels=20&context=3").shape == (140,)
    assert len(open_data(f"wav:{root}?states=5").classes) == 10


def test_the_fingerprint_sees_names_and_bytes_but_not_the_place(tmp_path):
    root = write_flat(tmp_path / "words")
    before = open_data(f"wav:{root}").source.fingerprint()
    moved = shutil.copytree(root, tmp_path / "elsewhere")
    assert open_data(f"wav:{moved}").source.fingerprint() == before
    (moved / "low_anna_0.wav").write_bytes(wav(sound("low", seed=99)))
    assert open_data(f"wav:{moved}").source.fingerprint() != before


def test_a_question_mark_may_be_in_the_folders_own_name(tmp_path):
    assert open_data(f"wav:{write_flat(tmp_path / 'what?')}").shape == (840,)
    assert open_data(f"wav:{tmp_path / 'what?'}?mels=8").shape == (168,)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("mel=20", "no setting 'mel' .* Did you mean 'mels'"),
        ("mels=many", "mels of wav: data is a whole number, not 'many'"),
        ("mels=0", "mels of wav: data goes from 1 to 256, not to 0"),
        ("context=1000", "from 0 to 100"),
    ],
)
def test_settings_that_are_none(settings, told):
    with pytest.raises(LimbeckError, match=told):
        Framing.parsed(settings)


def test_a_folder_of_recordings_is_recognised(tmp_path):
    with pytest.raises(LimbeckError, match="Did you mean 'wav:"):
        open_data(str(write_flat(tmp_path / "words")))
