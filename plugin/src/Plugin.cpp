// rtmss: the plug-in as hosts see it.
// Copyright (C) 2026 the rtmss authors. SPDX-License-Identifier: GPL-3.0-or-later

#include <algorithm>
#include <memory>

#include "DistrhoPlugin.hpp"
#include "Keeper.hpp"
#include "Memory.hpp"
#include "Timeline.hpp"

#ifndef RTMSS_MAJOR
# error the build says which version it is
#endif

static_assert(DISTRHO_PLUGIN_NUM_OUTPUTS == rtmss::N_OUTPUTS, "main, stems, remainder");

START_NAMESPACE_DISTRHO

namespace {

constexpr float LEAST_GAIN = -60.f;  // dB; silence
constexpr float MOST_GAIN = 12.f;
constexpr float MOST_FADE = 2000.f;  // ms

// What hosts show and cannot set, behind the controls.
enum Shown : uint32_t { ENGINE = rtmss::N_CONTROLS, LATE_HOPS, NUMBER, N_PARAMETERS };

const char* const ENGINE_WORDS[] = {"no engine", "starting", "plays", "no such preset", "other weights"};

std::string bus_name(uint32_t bus) {
    if (bus == 0)
        return "Main";
    return bus <= rtmss::N_STEM_BUSES ? "Stem " + std::to_string(bus) : "Remainder";
}

std::string bus_symbol(uint32_t bus) {
    if (bus == 0)
        return "main";
    return bus <= rtmss::N_STEM_BUSES ? "stem_" + std::to_string(bus) : "remainder";
}

}  // namespace

class SeparationPlugin : public Plugin {
public:
    SeparationPlugin() : Plugin(N_PARAMETERS, 0, 1), setup_(rtmss::read_setup()), presets_(setup_.presets) {
        values_[rtmss::FADE].store(30.f);
        if (!isDummyInstance()) {
            memory_ = std::make_unique<rtmss::Memory>(rtmss::folder_of_instances());
            timeline_ = std::make_unique<rtmss::Timeline>(memory_->layout());
            write_names();
            keeper_ = std::make_unique<rtmss::Keeper>(
                memory_->layout(), *timeline_, memory_->folder(), setup_.command);
        }
        report_latency();
    }

protected:
    const char* getLabel() const override { return "rtmss"; }
    const char* getDescription() const override { return "Stems of a song, chosen by example."; }
    const char* getMaker() const override { return "rtmss"; }
    const char* getLicense() const override { return "GPL-3.0-or-later"; }
    uint32_t getVersion() const override { return d_version(RTMSS_MAJOR, RTMSS_MINOR, RTMSS_MICRO); }
    int64_t getUniqueId() const override { return d_cconst('R', 't', 'm', 's'); }

    void initAudioPort(bool input, uint32_t index, AudioPort& port) override {
        const uint32_t bus = index / 2;
        const bool is_right = index % 2;
        const std::string name = input ? "Input" : bus_name(bus), symbol = input ? "input" : bus_symbol(bus);
        port.name = String((name + (is_right ? " right" : " left")).c_str());
        port.symbol = String((symbol + (is_right ? "_right" : "_left")).c_str());
        port.groupId = bus == 0 ? uint32_t(kPortGroupStereo) : bus - 1;
    }

    void initPortGroup(uint32_t group, PortGroup& port_group) override {
        port_group.name = String(bus_name(group + 1).c_str());
        port_group.symbol = String(bus_symbol(group + 1).c_str());
    }

    void initParameter(uint32_t index, Parameter& parameter) override {
        using namespace rtmss;
        parameter.hints = kParameterIsAutomatable;
        if (index == BYPASS)
            return parameter.initDesignation(kParameterDesignationBypass);
        if (index == PRESET)
            return init_preset(parameter);
        if (index == MASTER_GAIN)
            return init_gain(parameter, "Master", "master");
        if (index == FADE)
            return init_number(parameter, "Fade", "fade", "ms", 30.f, 0.f, MOST_FADE);
        if (index == REMAINDER_GAIN)
            return init_gain(parameter, "Remainder gain", "remainder_gain");
        if (index == REMAINDER_MUTE)
            return init_switch(parameter, "Remainder mute", "remainder_mute");
        if (index == FALLBACK)
            return init_choice(parameter, "When late", "when_late", {"as the preset says", "silence", "input"});
        if (index == WAIT)
            return init_switch(parameter, "Wait for the engine", "freewheel");
        if (index >= N_CONTROLS)
            return init_shown(index, parameter);
        if (index >= FIRST_MORPH)
            return init_morph(parameter, std::to_string(index - FIRST_MORPH + 1));
        const std::string number = std::to_string((index - FIRST_GAIN) / 2 + 1);
        if ((index - FIRST_GAIN) % 2 == 0)
            init_gain(parameter, "Stem " + number + " gain", "gain_" + number);
        else
            init_switch(parameter, "Stem " + number + " mute", "mute_" + number);
    }

    float getParameterValue(uint32_t index) const override {
        if (index < rtmss::N_CONTROLS)
            return values_[index].load(std::memory_order_relaxed);
        if (!keeper_)
            return 0.f;
        rtmss::Layout& layout = memory_->layout();
        if (index == LATE_HOPS)
            return float(layout.n_late.load(std::memory_order_relaxed));
        if (index == NUMBER)
            return float(layout.number.load(std::memory_order_relaxed));
        if (!keeper_->is_engine_alive())
            return float(rtmss::NOBODY);
        return float(std::min<uint32_t>(layout.engine_state.load(std::memory_order_relaxed), rtmss::REFUSED));
    }

    void setParameterValue(uint32_t index, float value) override {
        if (index < rtmss::N_CONTROLS)
            values_[index].store(value, std::memory_order_relaxed);
    }

    // The presets by the number that the parameter chooses. A project keeps them, so that it finds
    // its own even after others have come.
    void initState(uint32_t, State& state) override {
        state.key = "presets";
        state.label = "Presets";
        state.hints = kStateIsOnlyForDSP;
        state.defaultValue = joined_names();
    }

    String getState(const char* key) const override {
        return std::strcmp(key, "presets") == 0 ? joined_names() : String();
    }

    void setState(const char* key, const char* value) override {
        if (std::strcmp(key, "presets") != 0)
            return;
        std::vector<rtmss::NamedPreset> presets;
        std::istringstream names(value);
        for (std::string name; std::getline(names, name, ',') && presets.size() < rtmss::N_PRESETS;)
            presets.push_back({name, is_known_as_dry(name)});
        if (presets.empty())
            return;
        presets_ = std::move(presets);
        write_names();
    }

    void sampleRateChanged(double) override { report_latency(); }
    void bufferSizeChanged(uint32_t) override { report_latency(); }

    void activate() override {
        if (!timeline_)
            return;
        report_latency();
        timeline_->begin(host_rate(), getBufferSize());
        keeper_->want_engine();
    }

    void run(const float** inputs, float** outputs, uint32_t frames) override {
        if (!timeline_) {
            for (uint32_t c = 0; c < rtmss::N_OUTPUTS; ++c)
                std::memset(outputs[c], 0, frames * sizeof(float));
            return;
        }
        rtmss::Controls controls;
        for (uint32_t i = 0; i < rtmss::N_CONTROLS; ++i)
            controls[i] = values_[i].load(std::memory_order_relaxed);
        const bool is_offline = isOffline() || controls[rtmss::WAIT] > .5f;
        timeline_->run(inputs, outputs, frames, controls, is_offline, is_fallback_dry(controls));
    }

private:
    // The nearest rate that the engine plays at; others get the fallback of that one.
    uint32_t host_rate() const {
        return std::clamp(uint32_t(getSampleRate() + .5), rtmss::LEAST_RATE, rtmss::MOST_RATE);
    }

    void report_latency() {
        const rtmss::Frames frames = rtmss::Frames::at(host_rate());
        setLatency(frames.delay + frames.lag(getBufferSize()));
    }

    static void init_number(Parameter& parameter, const std::string& name, const std::string& symbol,
                            const char* unit, float usual, float least, float most) {
        parameter.name = String(name.c_str());
        parameter.symbol = String(symbol.c_str());
        parameter.unit = unit;
        parameter.ranges = ParameterRanges(usual, least, most);
    }

    static void init_gain(Parameter& parameter, const std::string& name, const std::string& symbol) {
        init_number(parameter, name, symbol, "dB", 0.f, LEAST_GAIN, MOST_GAIN);
    }

    static void init_morph(Parameter& parameter, const std::string& number) {
        init_number(parameter, "Stem " + number + " morph", "morph_" + number, "", 0.f, -1.f, 1.f);
    }

    static void init_switch(Parameter& parameter, const std::string& name, const std::string& symbol) {
        init_number(parameter, name, symbol, "", 0.f, 0.f, 1.f);
        parameter.hints |= kParameterIsBoolean;
    }

    static void init_choice(Parameter& parameter, const std::string& name, const std::string& symbol,
                            const std::vector<std::string>& words) {
        const float most = float(words.size() - 1);
        init_number(parameter, name, symbol, "", 0.f, 0.f, most);
        parameter.hints |= kParameterIsInteger;
        auto* values = new ParameterEnumerationValue[words.size()];
        for (size_t i = 0; i < words.size(); ++i) {
            values[i].label = String(words[i].c_str());
            values[i].value = float(i);
        }
        parameter.enumValues.count = uint8_t(words.size());
        parameter.enumValues.restrictedMode = true;
        parameter.enumValues.values = values;  // the enumeration deletes them
    }

    void init_preset(Parameter& parameter) const {
        std::vector<std::string> words;
        for (uint32_t i = 0; i < rtmss::N_PRESETS; ++i)
            words.push_back(i < presets_.size() ? presets_[i].name : "(" + std::to_string(i + 1) + ")");
        init_choice(parameter, "Preset", "preset", words);
    }

    static void init_shown(uint32_t index, Parameter& parameter) {
        if (index == ENGINE)
            init_choice(parameter, "Engine", "engine", {std::begin(ENGINE_WORDS), std::end(ENGINE_WORDS)});
        else if (index == LATE_HOPS)
            init_number(parameter, "Late hops", "late_hops", "", 0.f, 0.f, 1e6f);
        else
            init_number(parameter, "OSC number", "osc_number", "", 0.f, 0.f, 1e3f);
        parameter.hints = kParameterIsOutput | (index == LATE_HOPS ? 0 : kParameterIsInteger);
    }

    String joined_names() const {
        std::string names;
        for (const rtmss::NamedPreset& preset : presets_)
            names += (names.empty() ? "" : ",") + preset.name;
        return String(names.c_str());
    }

    bool is_known_as_dry(const std::string& name) const {
        for (const rtmss::NamedPreset& preset : setup_.presets)
            if (preset.name == name)
                return preset.is_dry;
        return false;
    }

    // For the engine, and for the audio thread which presets pass the input on when late.
    void write_names() {
        uint32_t dry = 0;
        for (uint32_t i = 0; i < presets_.size(); ++i)
            dry |= uint32_t(presets_[i].is_dry) << i;
        dry_presets_.store(dry, std::memory_order_relaxed);
        if (!memory_)
            return;
        rtmss::Layout& layout = memory_->layout();
        layout.presets_version.fetch_add(1);
        std::memset(layout.presets, 0, sizeof layout.presets);
        for (uint32_t i = 0; i < presets_.size(); ++i)
            std::memcpy(layout.presets[i], presets_[i].name.data(),
                        std::min<size_t>(presets_[i].name.size(), rtmss::NAME_BYTES - 1));
        layout.presets_version.fetch_add(1);
    }

    // The engine knows best; before it has been heard, what was written down counts.
    bool is_fallback_dry(const rtmss::Controls& controls) const {
        const uint32_t chosen = uint32_t(controls[rtmss::FALLBACK] + .5f);
        if (chosen != rtmss::AS_PRESET)
            return chosen == rtmss::DRY;
        const uint32_t told = memory_->layout().engine_fallback.load(std::memory_order_relaxed);
        if (told != rtmss::AS_PRESET)
            return told == rtmss::DRY;
        const uint32_t preset = std::min(uint32_t(controls[rtmss::PRESET] + .5f), rtmss::N_PRESETS - 1);
        return dry_presets_.load(std::memory_order_relaxed) >> preset & 1;
    }

    const rtmss::Setup setup_;
    std::vector<rtmss::NamedPreset> presets_;
    std::array<std::atomic<float>, rtmss::N_CONTROLS> values_{};
    std::atomic<uint32_t> dry_presets_{0};
    // In this order: the keeper uses the others, and ends first.
    std::unique_ptr<rtmss::Memory> memory_;
    std::unique_ptr<rtmss::Timeline> timeline_;
    std::unique_ptr<rtmss::Keeper> keeper_;

    DISTRHO_DECLARE_NON_COPYABLE_WITH_LEAK_DETECTOR(SeparationPlugin)
};

Plugin* createPlugin() {
    return new SeparationPlugin();
}

END_NAMESPACE_DISTRHO
