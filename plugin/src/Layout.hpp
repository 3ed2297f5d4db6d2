// rtmss: the memory that one plug-in instance shares with the engine.
// Copyright (C) 2026 the rtmss authors. SPDX-License-Identifier: GPL-3.0-or-later
//
// One mapped file for each instance, of this user alone. The other half is rtmss/serve/layout.py; a
// test compares every offset and size. All numbers are little endian.
//
// The time line is that of rtmss/live/buffers/timeline.py: every sample has a place, counted from
// the start of the stream, and what is heard at a place never moves. The plug-in lays its input at
// `place`, and hears what the engine has made of the hop that holds `place - lag`. A sample lies in
// the rings at its place modulo RING, a hop in the tables at its number modulo HOPS.
//
// A stream has an epoch: odd while the plug-in lays it out, even while it plays; 0 is no stream. A
// hop is there when its stamp is that of the epoch and its number, so nothing has to be cleared.
// Every field has one writer.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace rtmss {

constexpr char MAGIC[8] = {'r', 't', 'm', 's', 's', '-', 'p', 'l'};
constexpr uint32_t VERSION = 2;

constexpr uint32_t RING = 1u << 15;   // samples of a ring
constexpr uint32_t HOPS = 512;        // hops of a table; none is shorter than RING / HOPS samples
constexpr uint32_t N_STRIPS = 8;      // stems that a preset may have
constexpr uint32_t N_STEM_BUSES = 7;  // stems with outputs of their own
constexpr uint32_t N_BUSES = 2 + N_STEM_BUSES;  // main, stems, remainder
constexpr uint32_t N_OUTPUTS = 2 * N_BUSES;
constexpr uint32_t N_PRESETS = 32;
constexpr uint32_t NAME_BYTES = 72;   // of a preset, zeros behind it; at least one

constexpr uint32_t PLAYING_BYTES = 128;

constexpr uint32_t LEAST_RATE = 8000;  // Hz
constexpr uint32_t MOST_RATE = 192000;

// What a host may set, in the order of its parameters. A row of these is kept for every hop.
enum Control : uint32_t {
    BYPASS,
    PRESET,
    MASTER_GAIN,
    FADE,
    REMAINDER_GAIN,
    REMAINDER_MUTE,
    FIRST_GAIN,  // of every strip a gain and a mute
    FIRST_MUTE,
    FALLBACK = FIRST_GAIN + 2 * N_STRIPS,
    WAIT,
    FIRST_MORPH,  // of every strip
    N_CONTROLS = FIRST_MORPH + N_STRIPS,
};

enum Fallback : uint32_t { AS_PRESET, SILENCE, DRY };

// What the engine says of an instance.
enum EngineState : uint32_t {
    NOBODY,     // nothing was said yet
    PREPARING,  // a session is being made
    PLAYING,
    NO_PRESET,  // no preset of this name can be played: the input goes through
    REFUSED,    // the engine's frames are others than the plug-in's, so nothing is played
};

struct Layout {
    // What it is; the plug-in writes `magic` last.
    char magic[8];
    uint32_t version;
    uint32_t n_bytes;
    uint32_t ring;
    uint32_t hops;
    uint32_t n_outputs;
    uint32_t n_controls;
    uint32_t n_presets;
    uint32_t pid;  // of the host, for messages
    uint32_t reserved_1[6];

    // The stream, in samples; the plug-in writes them while the epoch is odd.
    uint32_t sample_rate;  // Hz
    uint32_t hop_length;
    uint32_t delay;      // by which what the engine gives lags behind its input
    uint32_t lag;        // samples for which the plug-in waits for a hop
    uint32_t max_block;  // as the host announced it
    uint32_t reserved_2[11];

    // The plug-in writes these while it plays.
    std::atomic<uint64_t> epoch;
    std::atomic<uint64_t> n_in;       // samples laid
    std::atomic<uint64_t> host_beat;  // CLOCK_MONOTONIC, ns
    std::atomic<uint64_t> presets_version;  // odd while names are being written
    std::atomic<uint32_t> is_offline;
    std::atomic<uint32_t> n_late;       // hops that were not ready for their place, after the first that was
    std::atomic<uint32_t> n_fallbacks;  // times that the fallback was faded in
    std::atomic<uint32_t> n_waits;      // times that an offline host waited for the engine
    uint32_t reserved_3[4];

    // The engine writes these.
    std::atomic<uint64_t> engine_beat;  // CLOCK_MONOTONIC, ns
    std::atomic<uint64_t> served;       // the epoch that it plays
    std::atomic<uint32_t> engine_state;
    std::atomic<uint32_t> engine_fallback;  // of the scene that plays
    std::atomic<uint32_t> number;           // by which OSC knows the instance; 0 for none
    uint32_t reserved_4[9];

    char presets[N_PRESETS][NAME_BYTES];  // by the value of PRESET; the plug-in writes them
    char playing[PLAYING_BYTES];          // the preset that plays; the engine writes it
    float controls[HOPS][N_CONTROLS];     // for the step of each hop, before the hop is whole
    std::atomic<uint64_t> stamps[HOPS];   // of the hops in `output`
    float input[2][RING];
    float output[N_OUTPUTS][RING];
};

// The stamp of a hop that is there.
inline uint64_t stamp(uint64_t epoch, uint64_t hop) {
    return (epoch << 32) | ((hop + 1) & 0xffffffffu);
}

static_assert(std::atomic<uint64_t>::is_always_lock_free && sizeof(std::atomic<uint64_t>) == 8);
static_assert(std::atomic<uint32_t>::is_always_lock_free && sizeof(std::atomic<uint32_t>) == 4);
static_assert(offsetof(Layout, sample_rate) == 64 && offsetof(Layout, epoch) == 128);
static_assert(offsetof(Layout, engine_beat) == 192 && offsetof(Layout, presets) == 256);
static_assert(offsetof(Layout, stamps) % 8 == 0 && offsetof(Layout, input) % 64 == 0);

}  // namespace rtmss
