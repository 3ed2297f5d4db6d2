// rtmss: a tiny VST3 host, for tests: all buses, and automation within a block.
// Copyright (C) 2026 the rtmss authors. SPDX-License-Identifier: GPL-3.0-or-later
//
// vst3host LIBRARY IN OUT RATE BLOCK [FRAME:NUMBER=NORMALISED]...
// Plays raw float32 samples, interleaved, offline: 2 channels in, all buses out. Prints the latency.
// Parameters are counted from Bypass on, as everywhere else; values go from 0 to 1.

#include <dlfcn.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "Samples.hpp"
#include "travesty/audio_processor.h"
#include "travesty/component.h"
#include "travesty/edit_controller.h"
#include "travesty/factory.h"

namespace {

constexpr uint32_t N_IN = 2;

v3_result find_nothing(void*, const v3_tuid, void** object) {
    *object = nullptr;
    return V3_NO_INTERFACE;
}

uint32_t count_nothing(void*) {
    return 1;
}

// The values of one parameter in a block, as the plug-in asks for them. A COM object: its first
// field points to its functions.
struct Queue {
    const v3_param_value_queue_cpp* functions;
    v3_param_id id;
    std::vector<std::pair<int32_t, double>> points;

    static v3_param_id get_id(void* self) { return static_cast<Queue*>(self)->id; }
    static int32_t get_count(void* self) { return int32_t(static_cast<Queue*>(self)->points.size()); }
    static v3_result get_point(void* self, int32_t index, int32_t* offset, double* value) {
        const auto& points = static_cast<Queue*>(self)->points;
        if (index < 0 || size_t(index) >= points.size())
            return V3_INVALID_ARG;
        *offset = points[size_t(index)].first;
        *value = points[size_t(index)].second;
        return V3_OK;
    }
    static v3_result add_point(void* self, int32_t offset, double value, int32_t*) {
        static_cast<Queue*>(self)->points.emplace_back(offset, value);
        return V3_OK;
    }
};

v3_param_value_queue_cpp queue_functions() {
    v3_param_value_queue_cpp functions = {};
    functions.query_interface = find_nothing;
    functions.ref = functions.unref = count_nothing;
    functions.queue = {Queue::get_id, Queue::get_count, Queue::get_point, Queue::add_point};
    return functions;
}

const v3_param_value_queue_cpp QUEUE = queue_functions();

// All values of a block.
struct Changes {
    const v3_param_changes_cpp* functions;
    std::vector<Queue> queues;

    static int32_t get_count(void* self) { return int32_t(static_cast<Changes*>(self)->queues.size()); }
    static v3_param_value_queue** get_queue(void* self, int32_t index) {
        return reinterpret_cast<v3_param_value_queue**>(&static_cast<Changes*>(self)->queues[size_t(index)]);
    }
    static v3_param_value_queue** add_queue(void* self, v3_param_id* id, int32_t* index) {
        auto& queues = static_cast<Changes*>(self)->queues;
        *index = int32_t(queues.size());
        queues.push_back({&QUEUE, *id, {}});
        return get_queue(self, *index);
    }

    void add(v3_param_id id, int32_t offset, double value) {
        for (Queue& queue : queues)
            if (queue.id == id)
                return queue.points.emplace_back(offset, value), void();
        queues.push_back({&QUEUE, id, {{offset, value}}});
    }
};

v3_param_changes_cpp changes_functions() {
    v3_param_changes_cpp functions = {};
    functions.query_interface = find_nothing;
    functions.ref = functions.unref = count_nothing;
    functions.changes = {Changes::get_count, Changes::get_queue, Changes::add_queue};
    return functions;
}

const v3_param_changes_cpp CHANGES = changes_functions();

struct Event {
    size_t frame;
    uint32_t number;
    double value;
};

void must(v3_result result, const char* what) {
    if (result != V3_OK)
        throw std::runtime_error(std::string(what) + " fails: " + std::to_string(result));
}

v3_component** make_component(void* library) {
    const auto enter = reinterpret_cast<bool (*)(void*)>(dlsym(library, "ModuleEntry"));
    const auto get_factory = reinterpret_cast<v3_plugin_factory** (*)()>(dlsym(library, "GetPluginFactory"));
    if (!enter || !get_factory || !enter(library))
        throw std::runtime_error("no VST3 plug-in");
    v3_plugin_factory** factory = get_factory();
    v3_class_info info;
    must(v3_cpp_obj(factory)->get_class_info(factory, 0, &info), "get_class_info");
    v3_component** component = nullptr;
    must(v3_cpp_obj(factory)->create_instance(factory, info.class_id, v3_component_iid,
                                              reinterpret_cast<void**>(&component)),
         "create_instance");
    must(v3_cpp_obj_initialize(component, nullptr), "initialize");
    return component;
}

// The number of Bypass among the parameters, whose ids are their numbers.
uint32_t first_parameter(v3_component** component) {
    v3_edit_controller** controller = nullptr;
    must(v3_cpp_obj_query_interface(component, v3_edit_controller_iid, &controller), "the controller");
    const int32_t count = v3_cpp_obj(controller)->get_parameter_count(controller);
    for (int32_t i = 0; i < count; ++i) {
        v3_param_info info;
        must(v3_cpp_obj(controller)->get_parameter_info(controller, i, &info), "get_parameter_info");
        if (info.flags & V3_PARAM_IS_BYPASS) {
            v3_cpp_obj_unref(controller);
            return info.param_id;
        }
    }
    throw std::runtime_error("no bypass");
}

// The channels of the buses of one direction, and the structures that the plug-in gets of them.
struct Buses {
    std::vector<std::vector<float>> channels;
    std::vector<std::vector<float*>> pointers;
    std::vector<v3_audio_bus_buffers> buffers;

    Buses(v3_component** component, int32_t direction, size_t block) {
        const int32_t count = v3_cpp_obj(component)->get_bus_count(component, V3_AUDIO, direction);
        for (int32_t i = 0; i < count; ++i) {
            v3_bus_info info;
            must(v3_cpp_obj(component)->get_bus_info(component, V3_AUDIO, direction, i, &info), "get_bus_info");
            must(v3_cpp_obj(component)->activate_bus(component, V3_AUDIO, direction, i, true), "activate_bus");
            pointers.emplace_back(size_t(info.channel_count));
            channels.resize(channels.size() + size_t(info.channel_count), std::vector<float>(block));
        }
        auto channel = channels.begin();
        for (auto& bus : pointers) {
            for (float*& pointer : bus)
                pointer = (channel++)->data();
            v3_audio_bus_buffers buffer = {};
            buffer.num_channels = int32_t(bus.size());
            buffer.channel_buffers_32 = bus.data();
            buffers.push_back(buffer);
        }
    }
};

void play(int count, char** words) {
    if (count < 6)
        throw std::runtime_error("usage: vst3host LIBRARY IN OUT RATE BLOCK [FRAME:NUMBER=NORMALISED]...");
    void* library = dlopen(words[1], RTLD_NOW);
    if (!library)
        throw std::runtime_error(dlerror());
    v3_component** component = make_component(library);
    const uint32_t bypass = first_parameter(component);
    std::vector<Event> events;
    for (int i = 6; i < count; ++i) {
        Event event;
        if (std::sscanf(words[i], "%zu:%u=%lf", &event.frame, &event.number, &event.value) != 3)
            throw std::runtime_error(std::string("no event: ") + words[i]);
        events.push_back(event);
    }
    const size_t block = size_t(std::atoi(words[5]));
    const std::vector<float> input = read_samples(words[2]);
    Buses in(component, V3_INPUT, block), out(component, V3_OUTPUT, block);
    v3_audio_processor** processor = nullptr;
    must(v3_cpp_obj_query_interface(component, v3_audio_processor_iid, &processor), "the processor");
    v3_process_setup setup = {V3_OFFLINE, V3_SAMPLE_32, int32_t(block), std::atof(words[4])};
    must(v3_cpp_obj(processor)->setup_processing(processor, &setup), "setup_processing");
    must(v3_cpp_obj(component)->set_active(component, true), "set_active");
    must(v3_cpp_obj(processor)->set_processing(processor, true), "set_processing");

    std::FILE* file = std::fopen(words[3], "wb");
    if (!file)
        throw std::runtime_error(std::string(words[3]) + ": cannot be written");
    const size_t n_frames = input.size() / N_IN;
    for (size_t place = 0; place < n_frames;) {
        const size_t n = std::min(block, n_frames - place);
        for (size_t i = 0; i < N_IN * n; ++i)
            in.channels[i % N_IN][i / N_IN] = input[N_IN * place + i];
        Changes changes = {&CHANGES, {}}, ignored = {&CHANGES, {}};
        for (const Event& event : events)
            if (place <= event.frame && event.frame < place + n)
                changes.add(bypass + event.number, int32_t(event.frame - place), event.value);
        v3_process_data data = {};
        data.process_mode = V3_OFFLINE;
        data.nframes = int32_t(n);
        data.num_input_buses = int32_t(in.buffers.size());
        data.num_output_buses = int32_t(out.buffers.size());
        data.inputs = in.buffers.data();
        data.outputs = out.buffers.data();
        data.input_params = reinterpret_cast<v3_param_changes**>(&changes);
        data.output_params = reinterpret_cast<v3_param_changes**>(&ignored);
        must(v3_cpp_obj(processor)->process(processor, &data), "process");
        for (size_t i = 0; i < n; ++i)
            for (const auto& channel : out.channels)
                std::fwrite(&channel[i], sizeof(float), 1, file);
        place += n;
    }
    std::fclose(file);
    std::printf("%u\n", v3_cpp_obj(processor)->get_latency_samples(processor));
    v3_cpp_obj(processor)->set_processing(processor, false);
    v3_cpp_obj(component)->set_active(component, false);
    v3_cpp_obj_unref(processor);
    v3_cpp_obj_terminate(component);
    v3_cpp_obj_unref(component);
}

}  // namespace

int main(int count, char** words) {
    try {
        play(count, words);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "vst3host: %s\n", error.what());
        return 1;
    }
}
