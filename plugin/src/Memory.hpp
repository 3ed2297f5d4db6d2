// rtmss: the file of one instance, or memory of its own where none can be made.
// Copyright (C) 2026 the rtmss authors. SPDX-License-Identifier: GPL-3.0-or-later

#pragma once

#include <cstring>
#include <new>

#include "Places.hpp"

namespace rtmss {

class Memory {
public:
    explicit Memory(const std::string& folder) : folder_(folder), file_(folder, sizeof(Layout)) {
        if (!file_.memory())
            throw std::bad_alloc();
        layout_ = static_cast<Layout*>(file_.memory());
        write_head();
        file_.publish("instance-");  // where there is no file, nobody finds this, and the fallback plays
    }

    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;

    Layout& layout() { return *layout_; }
    const std::string& folder() const { return folder_; }

private:
    void write_head() {
        layout_->version = VERSION;
        layout_->n_bytes = sizeof(Layout);
        layout_->ring = RING;
        layout_->hops = HOPS;
        layout_->n_outputs = N_OUTPUTS;
        layout_->n_controls = N_CONTROLS;
        layout_->n_presets = N_PRESETS;
        layout_->pid = process_id();
        std::atomic_thread_fence(std::memory_order_release);
        std::memcpy(layout_->magic, MAGIC, sizeof MAGIC);
    }

    const std::string folder_;
    SharedFile file_;
    Layout* layout_ = nullptr;
};

}  // namespace rtmss
