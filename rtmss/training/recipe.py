"""The training recipe: everything that a run depends on, in one strict YAML file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from rtmss.config import Config, Positive, SeparatorConfig

Probability = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0)]


OLD_KEYS = {
    "disguise": "augment",
    "growl": "noise_bass",
    "sub_notes": "sub_bass",
    "rivals": "distractors",
    "rival_weight": "family_weight",
}
"""What keys were called before, which are still read."""


class RecipePart(Config):
    """A part of a recipe, under the names of today or those before."""

    @model_validator(mode="before")
    @classmethod
    def _with_new_keys(cls, content: Any) -> Any:
        if not isinstance(content, Mapping):
            return content
        known = {old: new for old, new in OLD_KEYS.items() if new in cls.model_fields}
        # Where both are there, the old one is refused as unknown.
        return {
            key if known.get(key) in content else known.get(key, key): value
            for key, value in content.items()
        }


class EncoderRecipe(RecipePart):
    """Training of the clip encoder, by classifying instruments and sources, and by the contrast of
    sources.
    """

    tune: bool = False
    """Whether the clip encoder of `start_from` is trained further; else it stays as it is."""

    n_steps: Positive = 1500
    batch: Positive = 64
    learning_rate: float = 2e-3
    source_weight: float = 0.3
    """Weight of telling players and singers apart, beside telling instruments apart."""
    contrast_weight: float = 0.0
    """Weight of drawing two segments of one source together and those of others apart; where it is
    not 0, segments are drawn in pairs of one source."""
    temperature: Annotated[float, Field(gt=0)] = 0.1
    """Likeness (cosine) that counts as one in the contrast."""
    family_weight: Annotated[float, Field(gt=0)] = 1.0
    """How much more others of the same family count in the contrast than the rest."""
    label_weights: dict[str, float] = Field(default={"vocals": 4.0})
    """How often each label is drawn; those that are not named have 1. There are more voices to
    learn.
    """
    semitones: float = 4.0
    """How far segments are played faster or slower: a shift of pitch hardly changes what an
    instrument is.
    """
    short: Probability = 0.0
    """Share of batches of segments shorter than the encoder's own, from half a second."""
    bleed: Probability = 0.3
    """Share of segments in which something else is heard in the background."""
    bleed_db: tuple[float, float] = (-30.0, -10.0)
    """Its level over the segment's own, from and to."""
    max_bleeding: Positive = 1
    """How many tracks are heard there at most."""
    rough: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the bank's embeddings that are of clips as users have them: augmented, with bleed,
    some of them short. The U-Net is conditioned on these and the clean ones."""


class EpisodeRecipe(RecipePart):
    """How episodes are drawn from the bank."""

    conditioning: Literal["clips", "class"] = "clips"
    """What tells the separator what is wanted: example clips, or the family's number, which knows
    no unseen sounds:
    the baseline of Wang et al., ICASSP 2022."""
    data_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the songs, and of every family's players and singers, that is drawn from
    (`bank.choose_share`), to learn what more data would bring."""
    seconds: float = 2.0
    n_targets: Positive = 2
    """Conditions asked of every mixture; they share one encoder pass."""
    coherent: Probability = 0.3
    """Share of mixtures that are a song, rather than tracks from anywhere."""
    replaced_voice: Probability = 0.4
    """Share of songs whose singer is replaced by another."""
    added_voice: Probability = 0.5
    """Share of songs without a singer that are given one."""
    noise_bass: Probability = 0.15
    """Share of synthesizers, basses and effects with a noise bass."""
    sub_bass: Probability = 0.15
    """Share of the same with a loud, tuned sub bass."""
    formants: Probability = 0.0
    """Share of voices whose resonances move while the pitch stays, as of another singer."""
    compressed: Probability = 0.0
    """Share of parts that go through a compressor."""
    doubled: Probability = 0.0
    """Share of voices and guitars that are played again a moment apart, on another side, as by
    overdubbing.
    """
    mastered: Probability = 0.0
    """Share of mixtures that are compressed and limited, as records are."""
    over_backing: Probability = 0.0
    """Share of mixtures that are a record's whole accompaniment (a track labelled `backing`) and a
    voice from anywhere."""
    record_level: Probability = 0.0
    """Share of mixtures in which all voices together are 6 dB below all the rest together, give or
    take 4 dB, as on records; in the others voices are about as loud as any other part."""
    crowded: Probability = 0.0
    """Share of mixtures with five or more parts; songs with fewer get further parts from elsewhere,
    and the other random mixes have four at most. 0 lets them have 2 to `max_parts`, evenly, and
    songs as many as they have."""
    same_family: Probability = 0.0
    """Share of mixtures in which several sources of one family play, two singers or two guitars,
    one of which is asked for by clips of itself; the next condition asks for all of them."""
    distractors: Probability = 0.3
    """Share of the further parts of a random mix that are drawn evenly from all families, which
    hear them less often as targets: strings or winds in the register of a voice."""
    absent: Probability = 0.12
    """Share of conditions whose target is not in the mixture."""
    positives_only: Probability = 0.35
    negatives_only: Probability = 0.12
    max_clips: Positive = 10
    max_parts: Positive = 7
    augment: Probability = 1.0
    """How often tracks are augmented, as a share of the usual."""
    target_weights: dict[str, float] = Field(
        default={
            "vocals": 0.32,
            "drums": 0.14,
            "bass": 0.12,
            "guitar": 0.15,
            "piano": 0.06,
            "keys": 0.04,
            "synth": 0.04,
            "strings": 0.05,
            "winds": 0.05,
            "brass": 0.04,
            "percussion": 0.01,
        }
    )


class LoopRecipe(Config):
    """The optimisation of the U-Net."""

    n_steps: Positive = 12000
    batch: Positive = 4
    accumulate: Positive = 1
    """Batches whose gradients make one step, in each process."""
    windows: Positive = 1
    """Parts of a crop that are heard one after the other, one step each, with the memory going
    on.
    """
    crops_per_stream: Positive = 1
    """Crops heard one after the other with the memory going on, as a player goes from song to song;
    then it is empty again. 1 begins every crop with empty memory."""
    first_batches: Positive = 12
    """Batches in the pool at the start."""
    fresh: Probability = 0.15
    """Share of crops that are new and join the pool; the others have been heard before. 1 keeps no
    pool.
    """
    optimiser: Literal["adam", "muon"] = "adam"
    """Muon learns the matrices inside the U-Net, and Adam the rest (see `optimiser`)."""
    learning_rate: float = 2e-3
    recurrent_share: Probability = 0.3
    """Learning rate of the recurrent layers, as a share of the others'."""
    warmup_steps: int = 200
    weight_decay: float = 1e-2
    clip_norm: float = 1.0
    ema_decay: Probability = 0.999
    log_weight: Probability = 0.5
    """Share of the logarithm of the relative error; the rest is the tamed ratio (see `losses`)."""
    wave_weight: Weight = 0.5
    """Weight of the error of the waveform, which is what an SDR measures. The error of the spectrum
    with compressed magnitudes has 1."""
    magnitude_weight: Weight = 0.5
    """Weight of the error of the compressed magnitudes alone."""
    remainder_weight: float = 0.25
    decay_share: Probability = 0.35
    """Last share of the run, over which the learning rate falls to nothing."""
    cold_share: Probability = 0.2
    """Share of steps whose decoders start with empty memory while the encoder goes on, as after a
    live switch.
    """
    checkpoint_minutes: float = 10.0

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.n_steps % self.steps_per_stream:
            factors = f"windows ({self.windows}) times crops_per_stream ({self.crops_per_stream})"
            raise ValueError(f"n_steps {self.n_steps} must be a multiple of {factors}")
        return self

    @property
    def steps_per_stream(self) -> int:
        """Steps from one empty memory to the next."""
        return self.windows * self.crops_per_stream


class Recipe(Config):
    """A whole training run."""

    seed: int = 1
    model: SeparatorConfig = SeparatorConfig()
    encoder: EncoderRecipe = EncoderRecipe()
    episodes: EpisodeRecipe = EpisodeRecipe()
    loop: LoopRecipe = LoopRecipe()
    start_from: Path | None = None
    """Weights to go on from; relative to the recipe's folder. None starts from chance. A `model`
    beside it may have further dual-path blocks, which begin by changing nothing."""
    compile: bool = True
    """Compile network and loss; needs a C++ compiler."""
    n_workers: Annotated[int, Field(ge=0)] = 1
    """Processes that draw episodes; with 0 the training process draws them itself."""
    n_threads: Positive = 2
    """Threads of the training process."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        hop, delay = self.model.stft.hop_length, self.model.delay
        window = (
            int(self.episodes.seconds * self.model.sample_rate) // hop // self.loop.windows * hop
        )
        if window <= delay:
            raise ValueError(
                f"a window of {window} samples is not longer than the network's delay, {delay}"
            )
        return self
