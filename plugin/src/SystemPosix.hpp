// rtmss: what Linux does in its own way.
// Copyright (C) 2026 the rtmss authors. SPDX-License-Identifier: GPL-3.0-or-later

#pragma once

#include <fcntl.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <thread>
#include <vector>

extern char** environ;

namespace rtmss {

// The engine's clock is the same one.
inline uint64_t now_ns() {
    timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return uint64_t(time.tv_sec) * 1000000000u + uint64_t(time.tv_nsec);
}

inline void nap() {
    const timespec time = {0, 100000};
    nanosleep(&time, nullptr);
}

inline uint32_t process_id() { return uint32_t(getpid()); }

inline std::string usual_folder_of_instances() {
    return "/dev/shm/rtmss-" + std::to_string(getuid());
}

inline std::string usual_setup_path() {
    const char* config = std::getenv("XDG_CONFIG_HOME");
    const char* home = std::getenv("HOME");
    if (config && *config)
        return std::string(config) + "/rtmss/plugin";
    return std::string(home ? home : "") + "/.config/rtmss/plugin";
}

// Whether a folder is there, this user's, and closed to all others; made if need be.
inline bool make_folder(const std::string& folder) {
    struct stat found;
    mkdir(folder.c_str(), 0700);
    return lstat(folder.c_str(), &found) == 0 && S_ISDIR(found.st_mode) && found.st_uid == getuid() &&
           (found.st_mode & 077) == 0;
}

// Whether another process holds the lock of a file.
inline bool is_held(const std::string& path) {
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (file < 0)
        return false;
    const bool is_held = flock(file, LOCK_SH | LOCK_NB) != 0;
    close(file);
    return is_held;
}

// Whether a file is there, and nobody else may write to it.
inline bool is_only_ours(const std::string& path) {
    struct stat found;
    return stat(path.c_str(), &found) == 0 && S_ISREG(found.st_mode) && found.st_uid == getuid() &&
           (found.st_mode & 022) == 0;
}

// A thread that no signal comes to: signals are the host's.
template <class Function>
std::thread quiet_thread(Function function) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    std::thread thread(function);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return thread;
}

// Memory of zeros in a new file of a folder, or in none where that cannot be.
class SharedFile {
public:
    SharedFile(const std::string& folder, size_t n_bytes) : n_bytes_(n_bytes) {
        if (make_folder(folder))
            share(folder);
        if (!memory_)
            memory_ = map(MAP_PRIVATE | MAP_ANONYMOUS, -1);
    }

    ~SharedFile() {
        if (memory_)
            munmap(memory_, n_bytes_);
        if (file_ >= 0)
            drop();
    }

    SharedFile(const SharedFile&) = delete;
    SharedFile& operator=(const SharedFile&) = delete;

    void* memory() const { return memory_; }

    // Let others find it: a name that is nobody's, `prefix` and the process before it.
    void publish(const std::string& prefix) {
        if (file_ < 0)
            return;
        const size_t slash = path_.rfind('/'), dash = path_.rfind('-');
        const std::string name = path_.substr(0, slash + 1) + prefix + std::to_string(getpid()) + path_.substr(dash);
        if (rename(path_.c_str(), name.c_str()) == 0)
            path_ = name;
        else
            drop();
    }

private:
    // A lock says that the host lives, and room is there for certain: without it the host would be
    // killed by writing.
    void share(const std::string& folder) {
        path_ = folder + "/.new-XXXXXX";
        file_ = mkostemp(path_.data(), O_CLOEXEC);  // of mode 0600
        if (file_ < 0)
            return;
        if (flock(file_, LOCK_EX | LOCK_NB) == 0 && posix_fallocate(file_, 0, off_t(n_bytes_)) == 0)
            memory_ = map(MAP_SHARED, file_);
        if (!memory_)
            drop();
    }

    void drop() {
        unlink(path_.c_str());
        close(file_);
        file_ = -1;
    }

    void* map(int flags, int file) const {
        void* memory = mmap(nullptr, n_bytes_, PROT_READ | PROT_WRITE, flags, file, 0);
        if (memory == MAP_FAILED)
            return nullptr;
        mlock(memory, n_bytes_);  // as far as the system lets it
        std::memset(memory, 0, n_bytes_);  // and every page is there before sound comes
        return memory;
    }

    const size_t n_bytes_;
    std::string path_;
    int file_ = -1;
    void* memory_ = nullptr;
};

// A program that is started, leaves at once, and has its own child go on: so nothing of the engine
// is the host's.
class Child {
public:
    bool is_running() {
        if (process_ > 0 && waitpid(process_, nullptr, WNOHANG) != 0)
            process_ = 0;
        return process_ > 0;
    }

    void start(std::vector<std::string> command) {
        std::vector<char*> arguments, variables;
        for (std::string& argument : command)
            arguments.push_back(argument.data());
        arguments.push_back(nullptr);
        for (char** variable = environ; *variable; ++variable)
            if (!is_of_the_host(*variable))
                variables.push_back(*variable);
        variables.push_back(nullptr);
        posix_spawn_file_actions_t files;
        posix_spawn_file_actions_init(&files);
        for (int file = 0; file < 3; ++file)
            posix_spawn_file_actions_addopen(&files, file, "/dev/null", O_RDWR, 0);
        posix_spawnattr_t attributes;
        posix_spawnattr_init(&attributes);
        sigset_t none, all;
        sigemptyset(&none);
        sigfillset(&all);
        posix_spawnattr_setsigmask(&attributes, &none);
        posix_spawnattr_setsigdefault(&attributes, &all);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
        if (posix_spawnp(&process_, arguments[0], &files, &attributes, arguments.data(), variables.data()) != 0)
            process_ = 0;
        posix_spawnattr_destroy(&attributes);
        posix_spawn_file_actions_destroy(&files);
    }

private:
    // What a host sets for its own libraries and its own Python would break another one.
    static bool is_of_the_host(const char* variable) {
        for (const char* name : {"LD_LIBRARY_PATH=", "LD_PRELOAD=", "PYTHONHOME=", "PYTHONPATH="})
            if (std::strncmp(variable, name, std::strlen(name)) == 0)
                return true;
        return false;
    }

    pid_t process_ = 0;
};

}  // namespace rtmss
