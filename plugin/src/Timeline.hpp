// rtmss: between the host's blocks and the engine's hops.
// Copyright (C) 2026 the rtmss authors. SPDX-License-Identifier: GPL-3.0-or-later
//
// The audio thread's part: it copies, counts and fades. In real time it makes no system call, takes
// no lock and allocates nothing; when the host renders offline it waits for the engine.

#pragma once

#include <array>
#include <cstring>

#include "Frames.hpp"
#include "System.hpp"

namespace rtmss {

using Controls = std::array<float, N_CONTROLS>;

constexpr uint64_t SECOND = 1000000000u;
constexpr uint64_t ALIVE_NS = SECOND;            // an engine that was heard of within this is alive
constexpr uint64_t MISSING_NS = 2 * SECOND;      // how long an offline host waits for one that is not
constexpr uint64_t STARTING_NS = 20 * SECOND;    // for one that is being started
constexpr uint64_t HANGING_NS = 60 * SECOND;     // for a single hop of one that is there
constexpr uint64_t REFUSED_NS = SECOND / 2;      // for one that refuses: it may not have looked yet

class Timeline {
public:
    explicit Timeline(Layout& layout) : layout_(layout) {}

    // Begin a stream: silence before it. Not while `run` is at work.
    void begin(uint32_t sample_rate, uint32_t max_block) {
        frames_ = Frames::at(sample_rate);
        lag_ = frames_.lag(max_block);
        const uint64_t odd = layout_.epoch.load() | 1;
        layout_.epoch.store(odd);
        layout_.sample_rate = sample_rate;
        layout_.hop_length = frames_.hop_length;
        layout_.delay = frames_.delay;
        layout_.lag = lag_;
        layout_.max_block = max_block;
        layout_.n_in.store(0);
        std::memset(layout_.input, 0, sizeof layout_.input);
        epoch_ = odd + 1;
        layout_.epoch.store(epoch_, std::memory_order_release);
        place_ = next_row_ = 0;
        counted_ = -1;
        source_ = PLAYED;
        n_fading_ = 0;
        has_hung_ = has_played_ = false;
        last_.fill(0.f);
    }

    // Play (2, n) -> (N_OUTPUTS, n); outputs may be the inputs' memory. Where a host begins to render
    // offline a new stream begins, so that a bounce does not depend on what was played before.
    void run(const float* const* inputs, float* const* outputs, uint32_t n, const Controls& controls,
             bool is_offline, bool is_fallback_dry) {
        layout_.is_offline.store(is_offline, std::memory_order_relaxed);
        if (is_offline && !was_offline_ && place_ > 0)
            begin(layout_.sample_rate, layout_.max_block);
        was_offline_ = is_offline;
        for (uint32_t done = 0; done < n;) {
            const uint32_t most = std::min(n - done, frames_.hop_length);
            const float* in[2] = {inputs[0] + done, inputs[1] + done};
            float* out[N_OUTPUTS];
            for (uint32_t c = 0; c < N_OUTPUTS; ++c)
                out[c] = outputs[c] + done;
            exchange(in, out, most, controls, is_offline, is_fallback_dry);
            done += most;
        }
    }

    // Whether an engine is being started, so that an offline host waits longer; any thread.
    void set_starting(bool is_starting) { is_starting_.store(is_starting); }

private:
    enum Source { PLAYED, PASSED, NOTHING };
    static constexpr uint32_t FADE_SAMPLES = 64;

    void exchange(const float* const* in, float* const* out, uint32_t n, const Controls& controls,
                  bool is_offline, bool is_fallback_dry) {
        put(layout_.input[0], in[0], n);
        put(layout_.input[1], in[1], n);
        write_rows(place_ + n, controls);
        layout_.n_in.store(place_ + n, std::memory_order_release);  // only now: the engine reads on
        const bool is_bypassed = controls[BYPASS] > .5f;
        int64_t at = int64_t(place_) - lag_;
        place_ += n;
        float* part[N_OUTPUTS];
        std::memcpy(part, out, sizeof part);
        for (uint32_t done = 0; done < n;) {
            const uint32_t m = std::min(n - done, left_in_hop(at));
            play(at, part, m, is_offline, is_bypassed || is_fallback_dry);
            for (float*& channel : part)
                channel += m;
            at += m;
            done += m;
        }
    }

    // What is set now counts from this place of the input on: for the step whose output begins
    // there, which comes `delay` samples later.
    void write_rows(uint64_t end, const Controls& controls) {
        for (; next_row_ * frames_.hop_length < end + frames_.delay; ++next_row_)
            std::memcpy(layout_.controls[next_row_ % HOPS], controls.data(), sizeof controls);
    }

    uint32_t left_in_hop(int64_t at) const {
        const uint32_t hop = frames_.hop_length;
        return at < 0 ? uint32_t(std::min<int64_t>(-at, hop)) : hop - uint32_t(at % hop);
    }

    // Fill a stretch within one hop.
    void play(int64_t at, float* const* out, uint32_t n, bool is_offline, bool is_dry) {
        const bool is_there = is_ready(at) || (is_offline && wait(at));
        const Source source = is_there ? PLAYED : is_dry ? PASSED : NOTHING;
        has_played_ |= is_there && at >= 0;
        for (uint32_t c = 0; c < N_OUTPUTS; ++c) {
            if (source == PLAYED)
                get(layout_.output[c], out[c], at, n);
            else if (source == PASSED && c < 2)
                get(layout_.input[c], out[c], at - frames_.delay, n);
            else
                std::memset(out[c], 0, n * sizeof(float));
        }
        if (!is_there)
            count(at, is_offline);
        join(out, n, source);
    }

    // In real time, what comes before the engine's first hop is its start, and not late.
    void count(int64_t at, bool is_offline) {
        const int64_t hop = at / frames_.hop_length;
        if (hop != counted_ && (has_played_ || is_offline))
            layout_.n_late.fetch_add(1, std::memory_order_relaxed);
        if (source_ == PLAYED)
            layout_.n_fallbacks.fetch_add(1, std::memory_order_relaxed);
        counted_ = hop;
    }

    // Where one source follows another, what the first sample jumps by dies away.
    void join(float* const* out, uint32_t n, Source source) {
        if (source != source_) {
            for (uint32_t c = 0; c < N_OUTPUTS; ++c)
                jump_[c] = last_[c] - out[c][0];
            n_fading_ = FADE_SAMPLES;
            source_ = source;
        }
        const uint32_t m = std::min(n, n_fading_);
        for (uint32_t c = 0; c < N_OUTPUTS; ++c) {
            for (uint32_t i = 0; i < m; ++i)
                out[c][i] += jump_[c] * float(n_fading_ - 1 - i) / FADE_SAMPLES;
            last_[c] = out[c][n - 1];
        }
        n_fading_ -= m;
    }

    bool is_ready(int64_t at) const {
        if (at < 0)
            return true;
        const uint64_t hop = uint64_t(at) / frames_.hop_length;
        return layout_.stamps[hop % HOPS].load(std::memory_order_acquire) == stamp(epoch_, hop);
    }

    // Only for a host that renders offline: its thread is no real-time one. An engine that is missing
    // is waited for once, until it is there again; one that hangs, once for each stream.
    bool wait(int64_t at) {
        const uint64_t start = now_ns();
        if (has_hung_ || (has_given_up_ && !is_alive(start)))
            return false;
        has_given_up_ = false;
        layout_.n_waits.fetch_add(1, std::memory_order_relaxed);
        while (!is_ready(at)) {
            const uint64_t now = now_ns();
            const bool is_there = is_alive(now);
            const bool is_refused = layout_.engine_state.load(std::memory_order_relaxed) == REFUSED;
            const uint64_t most = is_there              ? (is_refused ? REFUSED_NS : HANGING_NS)
                                  : is_starting_.load() ? STARTING_NS
                                                        : MISSING_NS;
            if (now - start > most) {
                (is_there ? has_hung_ : has_given_up_) = true;
                return false;
            }
            nap();
        }
        return true;
    }

    // A beat that comes while this looks is later than `now`.
    bool is_alive(uint64_t now) const {
        const uint64_t beat = layout_.engine_beat.load(std::memory_order_relaxed);
        return beat != 0 && (beat > now || now - beat < ALIVE_NS);
    }

    void put(float* ring, const float* from, uint32_t n) const {
        const uint32_t start = place_ % RING, first = std::min(n, RING - start);
        std::memcpy(ring + start, from, first * sizeof(float));
        std::memcpy(ring, from + first, (n - first) * sizeof(float));
    }

    static void get(const float* ring, float* to, int64_t at, uint32_t n) {
        for (uint32_t i = 0; i < n; ++i)
            to[i] = at + i < 0 ? 0.f : ring[uint64_t(at + i) % RING];
    }

    Layout& layout_;
    Frames frames_ = Frames::at(44100);
    uint32_t lag_ = frames_.lag(0);
    uint64_t epoch_ = 0;
    uint64_t place_ = 0;     // samples laid
    uint64_t next_row_ = 0;  // hop whose controls are not written yet
    int64_t counted_ = -1;   // the latest hop that was counted as late
    Source source_ = PLAYED;
    std::array<float, N_OUTPUTS> last_{}, jump_{};
    uint32_t n_fading_ = 0;
    bool was_offline_ = false;
    bool has_hung_ = false;
    bool has_played_ = false;  // the engine, in this stream
    bool has_given_up_ = false;  // also in the next stream: hosts begin many
    std::atomic<bool> is_starting_{false};
};

}  // namespace rtmss
