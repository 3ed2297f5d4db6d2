// rtmss: a tiny LV2 host, for tests and for `rtmss plugin check`.
// Copyright (C) 2026 the rtmss authors. SPDX-License-Identifier: GPL-3.0-or-later
//
// lv2host LIBRARY IN OUT RATE BLOCK N_PARAMETERS [NUMBER=VALUE]...
// Plays raw float32 samples, interleaved: 2 channels in, 18 out; prints the latency. It knows the
// order of DPF's ports, so it reads no description: audio, events in and out, latency, parameters.
// Values are those of the ports; that of the first parameter is `enabled`, the contrary of bypass.

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "Samples.hpp"
#include "lv2/atom.h"
#include "lv2/buf-size.h"
#include "lv2/lv2.h"
#include "lv2/options.h"
#include "lv2/urid.h"
#include "lv2/worker.h"

namespace {

constexpr uint32_t N_IN = 2, N_OUT = 18;

LV2_URID map_uri(LV2_URID_Map_Handle, const char* uri) {
    static std::map<std::string, LV2_URID> known;
    const auto found = known.emplace(uri, LV2_URID(known.size() + 1));
    return found.first->second;
}

const char* unmap_uri(LV2_URID_Unmap_Handle, LV2_URID) {
    return "";
}

LV2_Worker_Status pass_over_work(LV2_Worker_Schedule_Handle, uint32_t, const void*) {
    return LV2_WORKER_SUCCESS;  // only states that are set while sound plays would need it
}

struct Events {
    LV2_Atom_Sequence head;
    char room[4096];
};

void play(int count, char** words) {
    if (count < 7)
        throw std::runtime_error("usage: lv2host LIBRARY IN OUT RATE BLOCK N_PARAMETERS [NUMBER=VALUE]...");
    void* library = dlopen(words[1], RTLD_NOW);
    if (!library)
        throw std::runtime_error(dlerror());
    const auto describe = reinterpret_cast<LV2_Descriptor_Function>(dlsym(library, "lv2_descriptor"));
    const LV2_Descriptor* plugin = describe ? describe(0) : nullptr;
    if (!plugin)
        throw std::runtime_error("no LV2 plug-in");

    LV2_URID_Map map = {nullptr, map_uri};
    LV2_URID_Unmap unmap = {nullptr, unmap_uri};
    LV2_Worker_Schedule worker = {nullptr, pass_over_work};
    const double rate = std::atof(words[4]);
    const int32_t block = std::atoi(words[5]);
    const LV2_Options_Option options[] = {
        {LV2_OPTIONS_INSTANCE, 0, map_uri(nullptr, LV2_BUF_SIZE__maxBlockLength), sizeof block,
         map_uri(nullptr, LV2_ATOM__Int), &block},
        {LV2_OPTIONS_INSTANCE, 0, 0, 0, 0, nullptr}};
    const LV2_Feature features[] = {{LV2_URID__map, &map}, {LV2_URID__unmap, &unmap},
                                    {LV2_WORKER__schedule, &worker},
                                    {LV2_OPTIONS__options, const_cast<LV2_Options_Option*>(options)}};
    const LV2_Feature* const list[] = {&features[0], &features[1], &features[2], &features[3], nullptr};
    const std::string folder = std::string(words[1]).substr(0, std::string(words[1]).rfind('/') + 1);
    LV2_Handle handle = plugin->instantiate(plugin, rate, folder.c_str(), list);
    if (!handle)
        throw std::runtime_error("the plug-in cannot be made");

    const std::vector<float> input = read_samples(words[2]);
    std::vector<std::vector<float>> audio(N_IN + N_OUT, std::vector<float>(size_t(block)));
    uint32_t port = 0;
    for (auto& channel : audio)
        plugin->connect_port(handle, port++, channel.data());
    static Events in, out;
    plugin->connect_port(handle, port++, &in);
    plugin->connect_port(handle, port++, &out);
    float latency = 0;
    plugin->connect_port(handle, port++, &latency);
    std::vector<float> values(size_t(std::atoi(words[6])), 0.f);
    values[0] = 1.f;
    for (int i = 7; i < count; ++i) {
        unsigned number;
        float value;
        if (std::sscanf(words[i], "%u=%f", &number, &value) != 2 || number >= values.size())
            throw std::runtime_error(std::string("no parameter: ") + words[i]);
        values[number] = value;
    }
    for (float& value : values)
        plugin->connect_port(handle, port++, &value);

    std::FILE* file = std::fopen(words[3], "wb");
    if (!file)
        throw std::runtime_error(std::string(words[3]) + ": cannot be written");
    plugin->activate(handle);
    const size_t n_frames = input.size() / N_IN;
    for (size_t place = 0; place < n_frames;) {
        const uint32_t n = uint32_t(std::min<size_t>(size_t(block), n_frames - place));
        for (uint32_t i = 0; i < N_IN * n; ++i)
            audio[i % N_IN][i / N_IN] = input[N_IN * place + i];
        in.head.atom = {sizeof(LV2_Atom_Sequence_Body), map_uri(nullptr, LV2_ATOM__Sequence)};
        out.head.atom = {sizeof out.room, 0};
        plugin->run(handle, n);
        for (uint32_t i = 0; i < n; ++i)
            for (uint32_t c = 0; c < N_OUT; ++c)
                std::fwrite(&audio[N_IN + c][i], sizeof(float), 1, file);
        place += n;
    }
    std::fclose(file);
    plugin->deactivate(handle);
    plugin->cleanup(handle);
    std::printf("%d\n", int(latency));
}

}  // namespace

int main(int count, char** words) {
    try {
        play(count, words);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "lv2host: %s\n", error.what());
        return 1;
    }
}
