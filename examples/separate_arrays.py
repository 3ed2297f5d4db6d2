"""Separate a sound out of an array, by two example clips of it."""

import numpy as np

from rtmss import Separator

separator = Separator.load()
rate = 44100
rng = np.random.default_rng(0)
clips = [0.1 * rng.standard_normal((1, rate)).astype(np.float32) for _ in range(2)]
song = 0.1 * rng.standard_normal((2, 3 * rate)).astype(np.float32)  # (channels, samples)

condition = separator.condition(positive=clips, sample_rate=rate)
target = separator.separate(song, rate, condition)
remainder = song - target  # both are aligned to the song to the sample
print(f"target {target.shape}, remainder {remainder.shape}, model {separator.model_id}")
