// rtmss: how a stream at any rate is cut into hops, and how late it is.
// Copyright (C) 2026 the rtmss authors. SPDX-License-Identifier: GPL-3.0-or-later
//
// The plug-in has to say its latency before any engine runs. These are the figures of
// rtmss/engine/frames.py for the default frames; the engine refuses an instance with others.

#pragma once

#include <algorithm>
#include <cstdint>

#include "Layout.hpp"

namespace rtmss {

struct Frames {
    uint32_t hop_length;  // samples
    uint32_t delay;       // samples by which outputs lag behind inputs

    static Frames at(uint32_t sample_rate) {
        constexpr uint64_t model_rate = 44100, model_hop = 512, model_delay = 512, side = 30;
        if (sample_rate == model_rate)
            return {model_hop, model_delay};
        const uint64_t hop = (2 * model_hop * sample_rate + model_rate) / (2 * model_rate);
        const uint64_t filter = std::max(side, (side * hop + model_hop - 1) / model_hop);
        return {uint32_t(hop), uint32_t(model_delay / model_hop * hop + 2 * filter)};
    }

    // Samples for which a hop is waited: so that one in blocks of up to `max_block`, wherever it
    // begins, has the time of a hop or of a block, whichever is longer.
    uint32_t lag(uint32_t max_block) const {
        const uint32_t most = RING / 2 - hop_length;
        return hop_length + std::clamp(max_block, hop_length, most);
    }
};

}  // namespace rtmss
