"""Three recordings made by formula, 16 kHz mono int16: what the golden numbers of tests/golden were taken from."""

from __future__ import annotations

import hashlib

import numpy as np

RATE = 16000


def tones() -> np.ndarray:
    """Return 10 s: a steady 440 Hz tone, and a 220 Hz one that sounds for the first fifth of each half second."""
    t = np.arange(10 * RATE) / RATE
    x = 0.3 * np.sin(2 * np.pi * 440 * t) + 0.2 * np.sin(2 * np.pi * 220 * t) * (t % 0.5 < 0.1)
    return (x * 32767).astype(np.int16)


def loud() -> np.ndarray:
    """Return 6.5 s at full scale, a 110 Hz square wave under noise: every frame has powers of 100 and more."""
    count = 13 * RATE // 2
    square = np.where(np.arange(count) * 110 % RATE < RATE // 2, 20000, -20000)
    x: np.ndarray = np.clip(square + _noise(b"loud", count), -32768, 32767)
    return x.astype(np.int16)


def music() -> np.ndarray:
    """Return 7.3 s and one sample: three plucked notes of four overtones each half second, and a noisy beat."""
    count = 73 * RATE // 10 + 1
    x = 0.15 * _noise(b"music", count) / 32768 * np.exp(-40 * (np.arange(count) / RATE % 0.25))
    picks = hashlib.shake_256(b"notes").digest(45)
    for number, pick in enumerate(picks):
        start = number // 3 * RATE // 2
        t = np.arange(count - start) / RATE
        pitch = 110 * 2 ** ((pick % 30) / 12)
        note = sum(np.sin(2 * np.pi * pitch * overtone * t) / overtone for overtone in (1, 2, 3, 4))
        x[start:] += 0.07 * note * np.exp(-4 * t)
    return (np.clip(x, -1, 1) * 32767).astype(np.int16)


def _noise(seed: bytes, count: int) -> np.ndarray:
    # A hash is the one generator whose bytes no library version will change.
    return np.frombuffer(hashlib.shake_256(seed).digest(2 * count), dtype="<i2").astype(np.float64)


SIGNALS = {"tones": tones, "loud": loud, "music": music}
