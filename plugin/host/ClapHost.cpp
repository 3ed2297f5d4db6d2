// rtmss: a tiny CLAP host, for tests and for `rtmss plugin check`.
// Copyright (C) 2026 the rtmss authors. SPDX-License-Identifier: GPL-3.0-or-later
//
// Plays raw float32 samples, interleaved, through a plug-in: 2 channels in, all that it has out. What
// it finds goes to standard output as JSON. `usage` below has its options.

#include <dlfcn.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "clap/entry.h"
#include "clap/ext/audio-ports.h"
#include "clap/ext/latency.h"
#include "clap/ext/params.h"
#include "clap/ext/state.h"
#include "clap/host.h"
#include "clap/plugin-factory.h"

namespace {

const char* const USAGE =
    "usage: claphost PLUGIN.clap [OPTION VALUE]...\n"
    "  in, out FILE         raw float32, interleaved; without `in` nothing is activated\n"
    "  rates HZ,HZ,...      all is played at each, with the plug-in activated anew (44100)\n"
    "  blocks N,N,...       block sizes, again and again (512)\n"
    "  announce N           largest block that the plug-in is told of (the largest that comes)\n"
    "  mode offline|paced|rush   wait for the plug-in, play as a sound card, or without waiting\n"
    "  event FRAME:NUMBER=VALUE  set a parameter at a sample; repeat it, in order\n"
    "  load, save FILE      state, before and after\n"
    "  instances N          make so many, and play with the first\n"
    "  before SECONDS       wait so long between activation and sound (0)\n"
    "  mark 1               call getppid() before and after process(), for strace\n";

// Memory asked for while `process()` runs.
thread_local bool is_processing = false;
unsigned long n_allocations = 0;

}  // namespace

extern "C" {
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void __libc_free(void*);

void* malloc(size_t size) {
    n_allocations += is_processing;
    return __libc_malloc(size);
}
void* calloc(size_t number, size_t size) {
    n_allocations += is_processing;
    return __libc_calloc(number, size);
}
void* realloc(void* memory, size_t size) {
    n_allocations += is_processing;
    return __libc_realloc(memory, size);
}
void free(void* memory) {
    n_allocations += is_processing && memory;
    __libc_free(memory);
}
}

namespace {

double seconds_now() {
    timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return double(time.tv_sec) + double(time.tv_nsec) * 1e-9;
}

void sleep_until(double due) {
    const double left = due - seconds_now();
    if (left <= 0)
        return;
    const timespec nap = {time_t(left), long((left - std::floor(left)) * 1e9)};
    nanosleep(&nap, nullptr);
}

struct Event {
    uint64_t frame;
    clap_id id;
    double value;
};

struct Options {
    std::string plugin, in, out, mode = "offline", load, save;
    std::vector<double> rates = {44100};
    std::vector<uint32_t> blocks = {512};
    std::vector<Event> events;
    uint32_t announce = 0, instances = 1;
    double before = 0;
    bool mark = false;
};

std::vector<double> numbers(const std::string& text) {
    std::vector<double> found;
    for (size_t start = 0; start <= text.size();) {
        const size_t end = std::min(text.find(',', start), text.size());
        found.push_back(std::stod(text.substr(start, end - start)));
        start = end + 1;
    }
    return found;
}

Options parse(int count, char** words) {
    if (count < 2 || count % 2)
        throw std::runtime_error(USAGE);
    Options options;
    options.plugin = words[1];
    std::map<std::string, std::string*> texts = {{"in", &options.in},     {"out", &options.out},
                                                 {"mode", &options.mode}, {"load", &options.load},
                                                 {"save", &options.save}};
    for (int i = 2; i < count; i += 2) {
        const std::string name = words[i], value = words[i + 1];
        if (texts.count(name)) {
            *texts[name] = value;
        } else if (name == "rates") {
            options.rates = numbers(value);
        } else if (name == "blocks") {
            options.blocks.clear();
            for (double size : numbers(value))
                options.blocks.push_back(uint32_t(size));
        } else if (name == "event") {
            Event event;
            if (std::sscanf(value.c_str(), "%lu:%u=%lf", &event.frame, &event.id, &event.value) != 3)
                throw std::runtime_error(USAGE);
            options.events.push_back(event);
        } else if (name == "announce") {
            options.announce = uint32_t(std::stoul(value));
        } else if (name == "instances") {
            options.instances = uint32_t(std::stoul(value));
        } else if (name == "before") {
            options.before = std::stod(value);
        } else if (name == "mark") {
            options.mark = value == "1";
        } else {
            throw std::runtime_error(USAGE);
        }
    }
    if (!options.announce)
        options.announce = *std::max_element(options.blocks.begin(), options.blocks.end());
    return options;
}

std::string read_file(const std::string& path) {
    std::FILE* file = std::fopen(path.c_str(), "rb");
    if (!file)
        throw std::runtime_error(path + ": cannot be read");
    std::string text;
    char part[1 << 16];
    for (size_t n; (n = std::fread(part, 1, sizeof part, file)) > 0;)
        text.append(part, n);
    std::fclose(file);
    return text;
}

void write_file(const std::string& path, const void* data, size_t size) {
    std::FILE* file = std::fopen(path.c_str(), "wb");
    if (!file || std::fwrite(data, 1, size, file) != size || std::fclose(file) != 0)
        throw std::runtime_error(path + ": cannot be written");
}

const clap_host_latency_t HOST_LATENCY = {[](const clap_host_t*) {}};

const void* host_extension(const clap_host_t*, const char* id) {
    return std::strcmp(id, CLAP_EXT_LATENCY) == 0 ? &HOST_LATENCY : nullptr;
}

void ignore_request(const clap_host_t*) {}

// clap/ext/render.h, which is not among DPF's headers.
struct RenderExtension {
    bool (*has_hard_realtime_requirement)(const clap_plugin_t*);
    bool (*set)(const clap_plugin_t*, int32_t mode);
};

class Instance {
public:
    Instance(const clap_plugin_factory_t& factory, const char* id) {
        plugin_ = factory.create_plugin(&factory, &host_, id);
        if (!plugin_ || !plugin_->init(plugin_))
            throw std::runtime_error("the plug-in cannot be made");
        const auto* ports = extension<clap_plugin_audio_ports_t>(CLAP_EXT_AUDIO_PORTS);
        for (uint32_t i = 0; i < ports->count(plugin_, false); ++i) {
            clap_audio_port_info_t info;
            ports->get(plugin_, i, false, &info);
            outputs.push_back(info);
            n_channels += info.channel_count;
        }
    }
    ~Instance() { plugin_->destroy(plugin_); }
    Instance(const Instance&) = delete;

    template <class T>
    const T* extension(const char* id) const {
        const void* found = plugin_->get_extension(plugin_, id);
        if (!found)
            throw std::runtime_error(std::string("the plug-in has no ") + id);
        return static_cast<const T*>(found);
    }

    void load(const std::string& state) {
        struct Source {
            const std::string& text;
            size_t place;
        } source = {state, 0};
        const clap_istream_t stream = {&source, [](const clap_istream_t* s, void* to, uint64_t size) {
            auto* from = static_cast<Source*>(s->ctx);
            const size_t n = std::min<size_t>({size, 100, from->text.size() - from->place});
            std::memcpy(to, from->text.data() + from->place, n);
            from->place += n;
            return int64_t(n);
        }};
        if (!extension<clap_plugin_state_t>(CLAP_EXT_STATE)->load(plugin_, &stream))
            throw std::runtime_error("the plug-in refuses the state");
    }

    std::string state() const {
        std::string text;
        const clap_ostream_t stream = {&text, [](const clap_ostream_t* s, const void* from, uint64_t size) {
            const size_t n = std::min<size_t>(size, 100);  // as hosts may
            static_cast<std::string*>(s->ctx)->append(static_cast<const char*>(from), n);
            return int64_t(n);
        }};
        if (!extension<clap_plugin_state_t>(CLAP_EXT_STATE)->save(plugin_, &stream))
            throw std::runtime_error("the plug-in gives no state");
        return text;
    }

    uint32_t latency() const { return extension<clap_plugin_latency_t>(CLAP_EXT_LATENCY)->get(plugin_); }
    const clap_plugin_t* get() const { return plugin_; }

    std::vector<clap_audio_port_info_t> outputs;
    uint32_t n_channels = 0;

private:
    clap_host_t host_ = {CLAP_VERSION_INIT, nullptr, "claphost", "rtmss", "", "1", host_extension,
                         ignore_request, ignore_request, ignore_request};
    const clap_plugin_t* plugin_ = nullptr;
};

// What a run plays, and what it finds.
class Run {
public:
    Run(Instance& instance, const Options& options) : instance_(instance), options_(options) {
        if (!options.in.empty()) {
            const std::string bytes = read_file(options.in);
            input_.resize(bytes.size() / sizeof(float));
            std::memcpy(input_.data(), bytes.data(), input_.size() * sizeof(float));
        }
        seconds_.reserve(1 << 20);
        events_.ctx = this;
        events_.size = [](const clap_input_events_t* list) {
            return uint32_t(static_cast<Run*>(list->ctx)->due_.size());
        };
        events_.get = [](const clap_input_events_t* list, uint32_t i) {
            return &static_cast<const Run*>(list->ctx)->due_[i].header;
        };
        due_.reserve(options.events.size());
    }

    void play(double rate) {
        const clap_plugin_t* plugin = instance_.get();
        instance_.extension<RenderExtension>("clap.render")->set(plugin, options_.mode == "offline");
        if (!plugin->activate(plugin, rate, 1, options_.announce))
            throw std::runtime_error("the plug-in cannot be activated");
        plugin->start_processing(plugin);
        latencies.push_back(instance_.latency());
        sleep_until(seconds_now() + options_.before);
        const double start = seconds_now();
        const uint64_t n_frames = input_.size() / 2;
        size_t turn = 0, next_event = 0;
        for (uint64_t place = 0; place < n_frames;) {
            const uint32_t size = options_.blocks[turn++ % options_.blocks.size()];
            const uint32_t n = uint32_t(std::min<uint64_t>(size, n_frames - place));
            due_.clear();
            for (; next_event < options_.events.size() && options_.events[next_event].frame < place + n; ++next_event)
                add_event(options_.events[next_event], place);
            process(place, n);
            place += n;
            if (options_.mode == "paced")
                sleep_until(start + double(place) / rate);
        }
        wall_seconds += seconds_now() - start;
        plugin->stop_processing(plugin);
        plugin->deactivate(plugin);
    }

    std::vector<uint32_t> latencies;
    double wall_seconds = 0;

    void report() {
        std::sort(seconds_.begin(), seconds_.end());
        const auto at = [this](double share) {
            return seconds_.empty() ? 0. : 1e6 * seconds_[size_t(share * double(seconds_.size() - 1))];
        };
        std::printf("\"n_blocks\": %zu, \"n_allocations\": %lu, \"wall_seconds\": %.3f, ", seconds_.size(),
                    n_allocations, wall_seconds);
        std::printf("\"process_us\": {\"p50\": %.1f, \"p99.9\": %.1f, \"max\": %.1f}", at(.5), at(.999), at(1));
    }

    const std::vector<float>& output() const { return output_; }

private:
    void add_event(const Event& event, uint64_t place) {
        clap_event_param_value_t value = {};
        value.header = {sizeof value, uint32_t(event.frame - std::min(event.frame, place)),
                        CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_PARAM_VALUE, 0};
        value.param_id = event.id;
        value.note_id = value.port_index = value.channel = value.key = -1;
        value.value = event.value;
        due_.push_back(value);
    }

    void process(uint64_t place, uint32_t n) {
        std::vector<std::vector<float>> channels(2 + instance_.n_channels, std::vector<float>(n));
        std::vector<float*> pointers;
        for (uint32_t c = 0; c < 2; ++c)
            for (uint32_t i = 0; i < n; ++i)
                channels[c][i] = input_[2 * (place + i) + c];
        for (auto& channel : channels)
            pointers.push_back(channel.data());
        clap_audio_buffer_t input = {pointers.data(), nullptr, 2, 0, 0};
        std::vector<clap_audio_buffer_t> outputs;
        for (uint32_t i = 0, c = 2; i < instance_.outputs.size(); c += instance_.outputs[i++].channel_count)
            outputs.push_back({pointers.data() + c, nullptr, instance_.outputs[i].channel_count, 0, 0});
        const clap_output_events_t ignored = {
            nullptr, [](const clap_output_events_t*, const clap_event_header_t*) { return true; }};
        clap_process_t process = {};
        process.steady_time = int64_t(place);
        process.frames_count = n;
        process.audio_inputs = &input;
        process.audio_inputs_count = 1;
        process.audio_outputs = outputs.data();
        process.audio_outputs_count = uint32_t(outputs.size());
        process.in_events = &events_;
        process.out_events = &ignored;
        seconds_.push_back(timed(process));
        if (!options_.out.empty())
            for (uint32_t i = 0; i < n; ++i)
                for (uint32_t c = 0; c < instance_.n_channels; ++c)
                    output_.push_back(channels[2 + c][i]);
    }

    double timed(const clap_process_t& process) {
        const clap_plugin_t* plugin = instance_.get();
        if (options_.mark)
            syscall(SYS_getppid);
        const double start = seconds_now();
        is_processing = true;
        const clap_process_status status = plugin->process(plugin, &process);
        is_processing = false;
        const double seconds = seconds_now() - start;
        if (options_.mark)
            syscall(SYS_getppid);
        if (status == CLAP_PROCESS_ERROR)
            throw std::runtime_error("the plug-in fails to process");
        return seconds;
    }

    Instance& instance_;
    const Options& options_;
    std::vector<float> input_, output_;
    std::vector<double> seconds_;
    std::vector<clap_event_param_value_t> due_;
    clap_input_events_t events_ = {};
};

void report_parameters(const Instance& instance) {
    const auto* parameters = instance.extension<clap_plugin_params_t>(CLAP_EXT_PARAMS);
    std::printf("\"parameters\": {");
    for (uint32_t i = 0; i < parameters->count(instance.get()); ++i) {
        clap_param_info_t info;
        double value = 0;
        char text[256] = "";
        parameters->get_info(instance.get(), i, &info);
        parameters->get_value(instance.get(), info.id, &value);
        parameters->value_to_text(instance.get(), info.id, value, text, sizeof text);
        std::printf("%s\"%s\": {\"id\": %u, \"value\": %.9g, \"text\": \"%s\", \"is_automatable\": %s}",
                    i ? ", " : "", info.name, info.id, value, text,
                    info.flags & CLAP_PARAM_IS_AUTOMATABLE ? "true" : "false");
    }
    std::printf("}, ");
}

void run(const Options& options) {
    void* library = dlopen(options.plugin.c_str(), RTLD_NOW);
    if (!library)
        throw std::runtime_error(dlerror());
    const auto* entry = static_cast<const clap_plugin_entry_t*>(dlsym(library, "clap_entry"));
    if (!entry || !entry->init(options.plugin.c_str()))
        throw std::runtime_error("no CLAP plug-in");
    const auto* factory =
        static_cast<const clap_plugin_factory_t*>(entry->get_factory(CLAP_PLUGIN_FACTORY_ID));
    const char* id = factory->get_plugin_descriptor(factory, 0)->id;
    {
        std::vector<std::unique_ptr<Instance>> instances;
        for (uint32_t i = 0; i < options.instances; ++i)
            instances.push_back(std::make_unique<Instance>(*factory, id));
        Instance& first = *instances.front();
        if (!options.load.empty())
            first.load(read_file(options.load));
        Run run(first, options);
        if (options.in.empty())
            sleep_until(seconds_now() + options.before);
        for (double rate : options.rates)
            if (!options.in.empty())
                run.play(rate);
        std::printf("{\"id\": \"%s\", \"outputs\": [", id);
        for (size_t i = 0; i < first.outputs.size(); ++i)
            std::printf("%s[\"%s\", %u]", i ? ", " : "", first.outputs[i].name, first.outputs[i].channel_count);
        std::printf("], \"latencies\": [");
        for (size_t i = 0; i < run.latencies.size(); ++i)
            std::printf("%s%u", i ? ", " : "", run.latencies[i]);
        std::printf("], ");
        report_parameters(first);
        run.report();
        std::printf("}\n");
        if (!options.out.empty())
            write_file(options.out, run.output().data(), run.output().size() * sizeof(float));
        if (!options.save.empty()) {
            const std::string state = first.state();
            write_file(options.save, state.data(), state.size());
        }
    }
    entry->deinit();
}

}  // namespace

int main(int count, char** words) {
    try {
        run(parse(count, words));
    } catch (const std::exception& error) {
        std::fprintf(stderr, "claphost: %s\n", error.what());
        return 1;
    }
}
