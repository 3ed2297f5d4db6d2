// rtmss: where the plug-in and the engine find one another.
// Copyright (C) 2026 the rtmss authors. SPDX-License-Identifier: GPL-3.0-or-later
//
// The other half is rtmss/serve/places.py, and rtmss/plugin/setup.py for the small file.

#pragma once

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "Layout.hpp"
#include "System.hpp"

namespace rtmss {

struct NamedPreset {
    std::string name;
    bool is_dry;  // what it plays in place of late hops: the input, or nothing
};

// What the installation has written down: how the engine is started, and the presets there are.
struct Setup {
    std::vector<std::string> command;  // empty: nothing starts an engine
    std::vector<NamedPreset> presets;

    // Those that come with rtmss, where nothing was written down.
    static std::vector<NamedPreset> shipped() {
        return {{"four-stems", true},      {"karaoke", false},       {"no-drums", true},
                {"practice-bass", true},   {"practice-guitar", true}, {"practice-keys", true},
                {"vocals-only", false}};
    }
};

inline std::string folder_of_instances() {
    if (const char* named = std::getenv("RTMSS_PLUGIN_DIR"))
        if (*named)
            return named;
    return usual_folder_of_instances();
}

// Whether a supervisor of engines lives: it holds the lock.
inline bool is_engine_there(const std::string& folder) { return is_held(folder + "/engine.lock"); }

inline std::string setup_path() {
    if (const char* named = std::getenv("RTMSS_PLUGIN_SETUP"))
        if (*named)
            return named;
    return usual_setup_path();
}

// Lines `engine ARGUMENT` and `preset FALLBACK NAME`. A file that others may write to is not read:
// it says what is run.
inline Setup read_setup() {
    Setup setup;
    const std::string path = setup_path();
    std::ifstream file(is_only_ours(path) ? path : "");
    for (std::string line; std::getline(file, line);) {
        if (line.rfind("engine ", 0) == 0)
            setup.command.push_back(line.substr(7));
        std::istringstream words(line);
        std::string kind, fallback, name;
        if (words >> kind >> fallback && kind == "preset" && std::getline(words >> std::ws, name))
            setup.presets.push_back({name, fallback != "silence"});
    }
    if (setup.presets.empty())
        setup.presets = Setup::shipped();
    if (setup.presets.size() > N_PRESETS)
        setup.presets.resize(N_PRESETS);
    return setup;
}

}  // namespace rtmss
