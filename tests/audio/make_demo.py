"""Twelve seconds of music, made by formula: drums, bass, chords and a melody in A minor. Writes demo.flac beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

RATE = 22050
BEAT = 0.5
"""Seconds: 120 beats a minute."""
BARS = 6
SECONDS = 4 * BARS * BEAT

CHORDS = ((57, 60, 64), (53, 57, 60), (48, 55, 64), (55, 59, 62), (53, 57, 60), (57, 60, 64))
"""Notes of each bar, as MIDI numbers: Am F C G F Am."""
MELODY = (
    "69:1 72:.5 71:.5 69:1 64:1",
    "65:1.5 67:.5 69:1 72:1",
    "76:1 74:.5 72:.5 67:1 72:1",
    "74:1.5 71:.5 67:1 71:1",
    "72:1 69:.5 65:.5 69:1 72:1",
    "76:.5 74:.5 72:.5 71:.5 69:2",
)
"""Each bar's notes with their length in beats."""


def demo() -> np.ndarray:
    """Return the piece: int16, (frames, 2), at RATE, peak 0.8."""
    left, right = np.zeros((2, round(SECONDS * RATE)))
    for instrument, pan in ((_drums(), 0.5), (_bass(), 0.5), (_chords(-1), 0.8), (_chords(1), 0.2), (_lead(), 0.6)):
        left += np.sqrt(pan) * instrument
        right += np.sqrt(1 - pan) * instrument
    mix = np.tanh(np.stack([left + _echo(right, 0.75), right + _echo(left, 0.5)], axis=1))
    mix *= np.clip((SECONDS - _time(len(mix))) / 0.4, 0, 1)[:, None]
    # Steps of 8 cannot be heard, and let FLAC leave out three bits of sixteen.
    steps: np.ndarray = np.round(mix * (0.8 * 32767 / 8 / np.abs(mix).max()))
    return 8 * steps.astype(np.int16)


def _drums() -> np.ndarray:
    track = np.zeros(round(SECONDS * RATE))
    t = _time(RATE // 2)
    kick = np.sin(2 * np.pi * (50 * t - 3 * np.exp(-25 * t))) * np.exp(-9 * t)
    snare = 0.5 * _noise("snare", len(t)) * np.exp(-22 * t) + 0.4 * np.sin(2 * np.pi * 185 * t) * np.exp(-28 * t)
    hat = np.diff(_noise("hat", len(t) + 1)) * np.exp(-70 * t)
    for bar in range(BARS):
        for beat in (0, 2, 3.5):
            _add(track, kick, 4 * bar + beat, 0.55)
        for beat in (1, 3):
            _add(track, snare, 4 * bar + beat, 0.35)
        for eighth in range(8):
            _add(track, hat, 4 * bar + eighth / 2, 0.07 if eighth % 2 else 0.04)
    return track


def _bass() -> np.ndarray:
    track = np.zeros(round(SECONDS * RATE))
    for bar, chord in enumerate(CHORDS):
        for beat, octave in ((0, 0), (1, 0), (1.5, 12), (2, 0), (3, 0), (3.5, 12)):
            note = _note(min(chord) - 24 + octave, 0.4, overtones=6, decay=5)
            _add(track, note, 4 * bar + beat, 0.3)
    return track


def _chords(side: int) -> np.ndarray:
    """Return one of two players, slightly out of tune with each other, who come in before and after the beat."""
    track = np.zeros(round(SECONDS * RATE))
    for bar, chord in enumerate(CHORDS):
        for beat in (0, 1, 2, 3.5) if side < 0 else (0.5, 2, 3):
            for pitch in chord:
                _add(track, _note(pitch + 0.05 * side, 0.9, overtones=4, decay=4), 4 * bar + beat, 0.07)
    return track


def _lead() -> np.ndarray:
    track = np.zeros(round(SECONDS * RATE))
    for pitch, start, length in _melody():
        t = _time(round(length * BEAT * RATE))
        vibrato = 0.15 * np.sin(2 * np.pi * 5.5 * t) * np.clip(4 * t - 0.8, 0, 1)
        phase = 2 * np.pi * np.cumsum(_hertz(pitch + vibrato)) / RATE
        tone = np.sin(phase) + np.sin(3 * phase) / 6 + np.sin(5 * phase) / 15
        _add(track, tone * np.clip(t / 0.02, 0, 1) * np.clip((t[-1] - t) / 0.03, 0, 1) * np.exp(-1.5 * t), start, 0.2)
    return track


def _melody() -> Iterator[tuple[int, float, float]]:
    start = 0.0
    for word in " ".join(MELODY).split():
        pitch, length = word.split(":")
        yield int(pitch), start, float(length)
        start += float(length)


def _note(pitch: float, seconds: float, overtones: int, decay: float) -> np.ndarray:
    t = _time(round(seconds * RATE))
    tone = sum(
        np.sin(2 * np.pi * number * _hertz(pitch) * t) / number * np.exp(-decay * number**0.5 * t)
        for number in range(1, overtones + 1)
    )
    faded: np.ndarray = tone * np.clip(t / 0.005, 0, 1) * np.clip((seconds - t) / 0.03, 0, 1)
    return faded


def _echo(track: np.ndarray, beats: float) -> np.ndarray:
    delay = round(beats * BEAT * RATE)
    return 0.2 * np.concatenate([np.zeros(delay), track[:-delay]])


def _add(track: np.ndarray, sound: np.ndarray, beat: float, volume: float) -> None:
    start = round(beat * BEAT * RATE)
    track[start : start + len(sound)] += volume * sound[: len(track) - start]


def _hertz(pitch: np.ndarray | float) -> np.ndarray | float:
    return 440 * 2 ** ((pitch - 69) / 12)


def _time(frames: int) -> np.ndarray:
    return np.arange(frames) / RATE


def _noise(seed: str, frames: int) -> np.ndarray:
    # A hash is the one generator whose bytes no library version will change.
    return np.frombuffer(hashlib.shake_256(seed.encode()).digest(2 * frames), dtype="<i2") / 32768


if __name__ == "__main__":
    import soundfile

    soundfile.write(Path(__file__).with_name("demo.flac"), demo(), RATE)
