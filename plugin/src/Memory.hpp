// rtmss: the file of one instance, or memory of its own where none can be made.
// Copyright (C) 2026 the rtmss authors. SPDX-License-Identifier: GPL-3.0-or-later

#pragma once

#include <sys/mman.h>

#include <cstdio>
#include <cstring>
#include <new>

#include "Places.hpp"

namespace rtmss {

class Memory {
public:
    explicit Memory(const std::string& folder) : folder_(folder) {
        if (make_folder(folder))
            share();
        if (!layout_)  // nobody finds this; everything else is as ever, and the fallback plays
            layout_ = map(MAP_PRIVATE | MAP_ANONYMOUS, -1);
        if (!layout_)
            throw std::bad_alloc();
    }

    ~Memory() {
        munmap(layout_, sizeof(Layout));
        if (file_ >= 0) {
            unlink(path_.c_str());
            close(file_);
        }
    }

    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;

    Layout& layout() { return *layout_; }
    const std::string& folder() const { return folder_; }

private:
    // A name that is nobody's, a lock that says that the host lives, and room that is there for
    // certain: without it the host would be killed by writing.
    void share() {
        std::string hidden = folder_ + "/.new-XXXXXX";
        const int file = mkostemp(hidden.data(), O_CLOEXEC);  // of mode 0600
        if (file < 0)
            return;
        path_ = folder_ + "/instance-" + std::to_string(getpid()) + hidden.substr(hidden.rfind('-'));
        if (flock(file, LOCK_EX | LOCK_NB) == 0 && posix_fallocate(file, 0, sizeof(Layout)) == 0)
            layout_ = map(MAP_SHARED, file);
        if (layout_) {
            write_head();
            if (rename(hidden.c_str(), path_.c_str()) == 0) {
                file_ = file;
                return;
            }
            munmap(layout_, sizeof(Layout));
            layout_ = nullptr;
        }
        unlink(hidden.c_str());
        close(file);
    }

    static Layout* map(int flags, int file) {
        void* memory = mmap(nullptr, sizeof(Layout), PROT_READ | PROT_WRITE, flags, file, 0);
        if (memory == MAP_FAILED)
            return nullptr;
        mlock(memory, sizeof(Layout));  // as far as the system lets it
        std::memset(memory, 0, sizeof(Layout));  // and every page is there before sound comes
        return static_cast<Layout*>(memory);
    }

    void write_head() {
        layout_->version = VERSION;
        layout_->n_bytes = sizeof(Layout);
        layout_->ring = RING;
        layout_->hops = HOPS;
        layout_->n_outputs = N_OUTPUTS;
        layout_->n_controls = N_CONTROLS;
        layout_->n_presets = N_PRESETS;
        layout_->pid = uint32_t(getpid());
        std::atomic_thread_fence(std::memory_order_release);
        std::memcpy(layout_->magic, MAGIC, sizeof MAGIC);
    }

    std::string folder_, path_;
    int file_ = -1;
    Layout* layout_ = nullptr;
};

}  // namespace rtmss
