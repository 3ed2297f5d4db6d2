// rtmss: a thread beside the sound that shows that the host lives, and starts an engine.
// Copyright (C) 2026 the rtmss authors. SPDX-License-Identifier: GPL-3.0-or-later

#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "Places.hpp"
#include "Timeline.hpp"

namespace rtmss {

class Keeper {
public:
    Keeper(Layout& layout, Timeline& timeline, std::string folder, std::vector<std::string> command)
        : layout_(layout), timeline_(timeline), folder_(std::move(folder)), command_(std::move(command)) {
        thread_ = quiet_thread([this] { live(); });
    }

    ~Keeper() {
        {
            const std::lock_guard<std::mutex> guard(mutex_);
            is_ending_ = true;
        }
        ending_.notify_all();
        thread_.join();
    }

    Keeper(const Keeper&) = delete;
    Keeper& operator=(const Keeper&) = delete;

    // From now on an engine is needed: hosts that only look at the plug-in start none.
    void want_engine() { is_wanted_.store(true); }

    // Whether an engine was heard of lately; any thread.
    bool is_engine_alive() const { return is_alive_.load(std::memory_order_relaxed); }

private:
    static constexpr uint64_t RETRY_NS = 10 * SECOND;

    void live() {
        std::unique_lock<std::mutex> lock(mutex_);
        while (!is_ending_) {
            lock.unlock();
            look();
            lock.lock();
            ending_.wait_for(lock, std::chrono::milliseconds(50), [this] { return is_ending_; });
        }
    }

    void look() {
        const uint64_t now = now_ns();
        layout_.host_beat.store(now, std::memory_order_relaxed);
        const bool is_running = child_.is_running();
        const uint64_t beat = layout_.engine_beat.load(std::memory_order_relaxed);
        const bool is_alive = beat != 0 && (beat > now || now - beat < ALIVE_NS);
        is_alive_.store(is_alive, std::memory_order_relaxed);
        if (!is_wanted_.load())
            return;
        const bool is_there = is_alive || is_engine_there(folder_);
        // One that has played and is silent now is no longer being started, unless it is anew.
        const bool was_started = started_ != 0 && now - started_ < STARTING_NS && started_ > beat;
        timeline_.set_starting(!is_alive && (was_started || (is_there && beat == 0)));
        if (!is_there && !is_running && (started_ == 0 || now - started_ > RETRY_NS))
            start(now);
    }

    void start(uint64_t now) {
        if (command_.empty())
            return;
        started_ = now;
        child_.start(command_);
    }

    Layout& layout_;
    Timeline& timeline_;
    const std::string folder_;
    std::vector<std::string> command_;
    std::atomic<bool> is_wanted_{false}, is_alive_{false};
    uint64_t started_ = 0;
    Child child_;
    std::mutex mutex_;
    std::condition_variable ending_;
    bool is_ending_ = false;
    std::thread thread_;
};

}  // namespace rtmss
