// rtmss: what Windows does in its own way. Built, and not yet tried: there is no engine for Windows.
// Copyright (C) 2026 the rtmss authors. SPDX-License-Identifier: GPL-3.0-or-later

#pragma once

#ifndef NOMINMAX
# define NOMINMAX
#endif
#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace rtmss {

// The clock of Python's `time.monotonic`, since 3.13.
inline uint64_t now_ns() {
    static const uint64_t per_second = [] {
        LARGE_INTEGER frequency;
        QueryPerformanceFrequency(&frequency);
        return uint64_t(frequency.QuadPart);
    }();
    LARGE_INTEGER count;
    QueryPerformanceCounter(&count);
    const uint64_t ticks = uint64_t(count.QuadPart);
    return ticks / per_second * 1000000000u + ticks % per_second * 1000000000u / per_second;
}

inline void nap() { Sleep(1); }

inline uint32_t process_id() { return uint32_t(GetCurrentProcessId()); }

// The folders of a user's profile are closed to other users.
inline std::string profile() {
    const char* local = std::getenv("LOCALAPPDATA");
    return std::string(local ? local : ".") + "\\rtmss";
}

inline std::string usual_folder_of_instances() { return profile() + "\\instances"; }
inline std::string usual_setup_path() { return profile() + "\\rtmss\\plugin"; }

inline bool make_folder(const std::string& folder) {
    CreateDirectoryA(profile().c_str(), nullptr);
    CreateDirectoryA(folder.c_str(), nullptr);
    const DWORD found = GetFileAttributesA(folder.c_str());
    return found != INVALID_FILE_ATTRIBUTES && (found & FILE_ATTRIBUTE_DIRECTORY) &&
           !(found & FILE_ATTRIBUTE_REPARSE_POINT);
}

constexpr DWORD SHARED = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;

// A lock lies beyond what is read and written: on Windows a locked byte is closed to others.
inline bool lock(HANDLE file) {
    OVERLAPPED place = {};
    place.OffsetHigh = 1;
    return LockFileEx(file, LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &place);
}

// Whether another process holds the lock of a file.
inline bool is_held(const std::string& path) {
    const HANDLE file = CreateFileA(path.c_str(), GENERIC_READ, SHARED, nullptr, OPEN_EXISTING, 0, nullptr);
    if (file == INVALID_HANDLE_VALUE)
        return false;
    const bool is_held = !lock(file);
    CloseHandle(file);
    return is_held;
}

inline bool is_only_ours(const std::string& path) {
    const DWORD found = GetFileAttributesA(path.c_str());
    return found != INVALID_FILE_ATTRIBUTES && !(found & (FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_REPARSE_POINT));
}

template <class Function>
std::thread quiet_thread(Function function) {
    return std::thread(function);
}

// Memory of zeros in a new file of a folder, or in none where that cannot be. Windows removes the
// file when the host ends, however it ends.
class SharedFile {
public:
    SharedFile(const std::string& folder, size_t n_bytes) : n_bytes_(n_bytes) {
        if (make_folder(folder))
            share(folder);
        if (!memory_)
            memory_ = VirtualAlloc(nullptr, n_bytes_, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
        if (memory_) {
            VirtualLock(memory_, n_bytes_);  // as far as the system lets it
            std::memset(memory_, 0, n_bytes_);  // and every page is there before sound comes
        }
    }

    ~SharedFile() {
        if (mapping_)
            UnmapViewOfFile(memory_);
        else if (memory_)
            VirtualFree(memory_, 0, MEM_RELEASE);
        drop();
    }

    SharedFile(const SharedFile&) = delete;
    SharedFile& operator=(const SharedFile&) = delete;

    void* memory() const { return memory_; }

    // Let others find it: a name that is nobody's, `prefix` and the process before it.
    void publish(const std::string& prefix) {
        if (!mapping_)
            return;
        const std::string name = folder_ + "\\" + prefix + std::to_string(process_id()) + "-" + unique_;
        MoveFileExA(path_.c_str(), name.c_str(), 0);
    }

private:
    void share(const std::string& folder) {
        folder_ = folder;
        unique_ = std::to_string(now_ns());
        path_ = folder + "\\.new-" + std::to_string(process_id()) + "-" + unique_;
        file_ = CreateFileA(path_.c_str(), GENERIC_READ | GENERIC_WRITE | DELETE, SHARED, nullptr, CREATE_NEW,
                            FILE_ATTRIBUTE_TEMPORARY | FILE_FLAG_DELETE_ON_CLOSE, nullptr);
        if (file_ == INVALID_HANDLE_VALUE)
            return;
        if (lock(file_))
            mapping_ = CreateFileMappingA(file_, nullptr, PAGE_READWRITE, 0, DWORD(n_bytes_), nullptr);
        if (mapping_)
            memory_ = MapViewOfFile(mapping_, FILE_MAP_ALL_ACCESS, 0, 0, n_bytes_);
        if (!memory_)
            drop();
    }

    void drop() {
        if (mapping_)
            CloseHandle(mapping_);
        if (file_ != INVALID_HANDLE_VALUE)
            CloseHandle(file_);
        mapping_ = nullptr;
        file_ = INVALID_HANDLE_VALUE;
    }

    const size_t n_bytes_;
    std::string folder_, unique_, path_;
    HANDLE file_ = INVALID_HANDLE_VALUE, mapping_ = nullptr;
    void* memory_ = nullptr;
};

// A program that is started, and goes on by itself.
class Child {
public:
    Child() = default;
    ~Child() { forget(); }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;

    bool is_running() {
        if (process_ && WaitForSingleObject(process_, 0) == WAIT_OBJECT_0)
            forget();
        return process_ != nullptr;
    }

    void start(const std::vector<std::string>& command) {
        std::string line;
        for (const std::string& argument : command)
            line += (line.empty() ? "" : " ") + quoted(argument);
        std::string variables = without_the_hosts();
        STARTUPINFOA start = {};
        start.cb = sizeof start;
        PROCESS_INFORMATION made = {};
        const DWORD flags = CREATE_NO_WINDOW | CREATE_NEW_PROCESS_GROUP;
        if (!CreateProcessA(nullptr, line.data(), nullptr, nullptr, FALSE, flags, variables.data(), nullptr, &start, &made))
            return;
        CloseHandle(made.hThread);
        process_ = made.hProcess;
    }

private:
    void forget() {
        if (process_)
            CloseHandle(process_);
        process_ = nullptr;
    }

    // As programs take a line apart: backslashes count before a quotation mark only.
    static std::string quoted(const std::string& argument) {
        std::string text = "\"";
        size_t n_backslashes = 0;
        for (const char c : argument) {
            if (c == '"')
                text.append(n_backslashes + 1, '\\');
            n_backslashes = c == '\\' ? n_backslashes + 1 : 0;
            text += c;
        }
        text.append(n_backslashes, '\\');
        return text + "\"";
    }

    // What a host sets for its own Python would break another one.
    static std::string without_the_hosts() {
        std::string kept;
        char* const all = GetEnvironmentStringsA();
        for (const char* variable = all; variable && *variable; variable += std::strlen(variable) + 1)
            if (std::strncmp(variable, "PYTHONHOME=", 11) != 0 && std::strncmp(variable, "PYTHONPATH=", 11) != 0)
                kept.append(variable, std::strlen(variable) + 1);
        if (all)
            FreeEnvironmentStringsA(all);
        return kept + '\0';
    }

    HANDLE process_ = nullptr;
};

}  // namespace rtmss
