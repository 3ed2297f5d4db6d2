// rtmss: says every offset and size of the layout, one a line, for a test.
// Copyright (C) 2026 the rtmss authors. SPDX-License-Identifier: GPL-3.0-or-later

#include <cstdio>

#include "../src/Frames.hpp"

using namespace rtmss;

#define FIELD(name) std::printf("field %s %zu %zu\n", #name, offsetof(Layout, name), sizeof(Layout::name))
#define CONSTANT(name) std::printf("constant %s %u\n", #name, unsigned(name))

static void say_fields() {
    FIELD(magic); FIELD(version); FIELD(n_bytes); FIELD(ring); FIELD(hops); FIELD(n_outputs);
    FIELD(n_controls); FIELD(n_presets); FIELD(pid);
    FIELD(sample_rate); FIELD(hop_length); FIELD(delay); FIELD(lag); FIELD(max_block);
    FIELD(epoch); FIELD(n_in); FIELD(host_beat); FIELD(presets_version); FIELD(is_offline);
    FIELD(n_late); FIELD(n_fallbacks); FIELD(n_waits);
    FIELD(engine_beat); FIELD(served); FIELD(engine_state); FIELD(engine_fallback);
    FIELD(number);
    FIELD(presets); FIELD(playing); FIELD(controls); FIELD(stamps); FIELD(input); FIELD(output);
}

static void say_constants() {
    CONSTANT(VERSION); CONSTANT(RING); CONSTANT(HOPS); CONSTANT(N_STRIPS); CONSTANT(N_STEM_BUSES);
    CONSTANT(N_BUSES); CONSTANT(N_OUTPUTS); CONSTANT(N_PRESETS); CONSTANT(NAME_BYTES);
    CONSTANT(PLAYING_BYTES);
    CONSTANT(LEAST_RATE); CONSTANT(MOST_RATE);
    CONSTANT(BYPASS); CONSTANT(PRESET); CONSTANT(MASTER_GAIN); CONSTANT(FADE);
    CONSTANT(REMAINDER_GAIN); CONSTANT(REMAINDER_MUTE); CONSTANT(FIRST_GAIN); CONSTANT(FIRST_MUTE);
    CONSTANT(FALLBACK); CONSTANT(WAIT); CONSTANT(FIRST_MORPH); CONSTANT(N_CONTROLS);
    CONSTANT(AS_PRESET); CONSTANT(SILENCE); CONSTANT(DRY);
    CONSTANT(NOBODY); CONSTANT(PREPARING); CONSTANT(PLAYING); CONSTANT(NO_PRESET); CONSTANT(REFUSED);
}

int main() {
    std::printf("magic %.8s\nsize %zu\nstamp %llu\n", MAGIC, sizeof(Layout),
                static_cast<unsigned long long>(stamp(6, 41)));
    say_fields();
    say_constants();
    for (uint32_t rate : {8000u, 16000u, 22050u, 32000u, 44100u, 48000u, 88200u, 96000u, 176400u, 192000u}) {
        const Frames frames = Frames::at(rate);
        std::printf("frames %u %u %u\n", rate, frames.hop_length, frames.delay);
    }
}
