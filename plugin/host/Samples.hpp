// rtmss: samples from a file, for the tiny hosts.
// Copyright (C) 2026 the rtmss authors. SPDX-License-Identifier: GPL-3.0-or-later

#pragma once

#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

inline std::vector<float> read_samples(const char* path) {
    std::FILE* file = std::fopen(path, "rb");
    if (!file)
        throw std::runtime_error(std::string(path) + ": cannot be read");
    std::vector<float> samples;
    float part[4096];
    for (size_t n; (n = std::fread(part, sizeof(float), 4096, file)) > 0;)
        samples.insert(samples.end(), part, part + n);
    std::fclose(file);
    return samples;
}
