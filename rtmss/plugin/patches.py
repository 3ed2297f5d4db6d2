"""What DPF 1.6 lacks, as exchanges of text in a copy of its sources.

- Its plug-ins do not know whether the host renders offline.
- Its VST3 fills the first bus only, and writes beyond a buffer in blocks longer than announced.
- Automation counts from the start of its block (VST3, CLAP). Now a block is run in pieces that end
  where a value changes.
- Its CLAP takes parameters of any number; both write the start of a state again where a host takes
  less than all of it, and misread one that comes in parts.
- It is built with fast mathematics. A library linked so turns off the smallest numbers (subnormal
  ones) in the thread of whoever loads it, and that is the host's.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from rtmss.config import UserError

FAST_MATH = " -ffast-math"


class Exchange(NamedTuple):
    """One text for another, which stands there once."""

    file: str
    """Under `distrho/`."""
    old: str
    new: str


OFFLINE = (
    Exchange(
        "DistrhoPlugin.hpp",
        "    bool isSelfTestInstance() const noexcept;\n",
        """    bool isSelfTestInstance() const noexcept;

   /**
      Check if the host renders offline, so that run() may wait.
    */
    bool isOffline() const noexcept;
""",
    ),
    Exchange(
        "src/DistrhoPlugin.cpp",
        "bool Plugin::isDummyInstance() const noexcept",
        """bool Plugin::isOffline() const noexcept
{
    return pData->isOffline;
}

bool Plugin::isDummyInstance() const noexcept""",
    ),
    Exchange(
        "src/DistrhoPluginInternal.hpp",
        "    bool isProcessing;\n\n",
        "    bool isProcessing;\n    bool isOffline = false;\n\n",
    ),
    Exchange(
        "src/DistrhoPluginInternal.hpp",
        "    uint32_t getBufferSize() const noexcept\n",
        """    void setOffline(const bool offline) noexcept
    {
        DISTRHO_SAFE_ASSERT_RETURN(fData != nullptr,);
        fData->isOffline = offline;
    }

    uint32_t getBufferSize() const noexcept
""",
    ),
    Exchange(
        "src/DistrhoPluginVST3.cpp",
        "        // TODO process_mode can be V3_REALTIME, V3_PREFETCH, V3_OFFLINE\n",
        "        fPlugin.setOffline(setup->process_mode == V3_OFFLINE);\n",
    ),
    Exchange(
        "src/DistrhoPluginVST3.cpp",
        '        // d_debug("process %i", data->symbolic_sample_size);\n',
        "        fPlugin.setOffline(data->process_mode == V3_OFFLINE);\n",
    ),
    Exchange(
        "src/DistrhoPluginCLAP.cpp",
        "static CLAP_ABI const void* clap_plugin_get_extension(",
        """// clap/ext/render.h, which DPF does not come with
typedef struct clap_plugin_render {
    bool (CLAP_ABI *has_hard_realtime_requirement)(const clap_plugin_t* plugin);
    bool (CLAP_ABI *set)(const clap_plugin_t* plugin, int32_t mode);
} clap_plugin_render_t;

static CLAP_ABI bool clap_plugin_render_is_hard(const clap_plugin_t*)
{
    return false;
}

static CLAP_ABI bool clap_plugin_render_set(const clap_plugin_t* const plugin, const int32_t mode)
{
    static_cast<PluginCLAP*>(plugin->plugin_data)->setOffline(mode == 1);
    return true;
}

static const clap_plugin_render_t clap_plugin_render_ext = {
    clap_plugin_render_is_hard,
    clap_plugin_render_set
};

static CLAP_ABI const void* clap_plugin_get_extension(""",
    ),
    Exchange(
        "src/DistrhoPluginCLAP.cpp",
        "    if (std::strcmp(id, CLAP_EXT_PARAMS) == 0)\n        return &clap_plugin_params;\n",
        """    if (std::strcmp(id, CLAP_EXT_PARAMS) == 0)
        return &clap_plugin_params;
    if (std::strcmp(id, "clap.render") == 0)
        return &clap_plugin_render_ext;
""",
    ),
    Exchange(
        "src/DistrhoPluginCLAP.cpp",
        "    void onMainThread()\n",
        """    void setOffline(const bool offline) noexcept
    {
        fPlugin.setOffline(offline);
    }

    void onMainThread()
""",
    ),
)
"""Whether the host renders offline."""

AFTER_A_PART = """
            // otherwise what was there before may look like the end of a text
            buffer[read] = '\\xff';
"""
CLAP_PIECES = (
    Exchange(
        "src/DistrhoPluginCLAP.cpp",
        "            fPlugin.run(audioInputs, audioOutputs, frames);\n",
        "            runInPieces(process->in_events, audioInputs, audioOutputs, frames);\n",
    ),
    Exchange(
        "src/DistrhoPluginCLAP.cpp",
        "        if (const uint32_t frames = process->frames_count)\n",
        """        if (process->frames_count == 0)
            flushParameters(process->in_events, nullptr, 0);

        if (const uint32_t frames = process->frames_count)
""",
    ),
    Exchange(
        "src/DistrhoPluginCLAP.cpp",
        "    void setParameterValueFromEvent(const clap_event_param_value* const event)\n    {\n",
        """    // Events are in the order of their times; each counts from its sample on.
    void runInPieces(const clap_input_events_t* const events,
                     const float** const inputs, float** const outputs, const uint32_t frames)
    {
        const uint32_t count = events != nullptr ? events->size(events) : 0;

        for (uint32_t place = 0, next = 0; place < frames;)
        {
            uint32_t end = frames;

            for (; next < count; ++next)
            {
                const clap_event_header_t* const event = events->get(events, next);

                if (event->space_id != CLAP_CORE_EVENT_SPACE_ID)
                    continue;
                if (event->type != CLAP_EVENT_PARAM_VALUE)
                    continue;

                if (event->time > place)
                {
                    end = std::min(frames, event->time);
                    break;
                }

                setParameterValueFromEvent(reinterpret_cast<const clap_event_param_value*>(event));
            }

            fPlugin.run(inputs, outputs, end - place);

            for (uint32_t i = 0; i < DISTRHO_PLUGIN_NUM_INPUTS; ++i)
                inputs[i] += end - place;
            for (uint32_t i = 0; i < DISTRHO_PLUGIN_NUM_OUTPUTS; ++i)
                outputs[i] += end - place;

            place = end;
        }
    }

    void setParameterValueFromEvent(const clap_event_param_value* const event)
    {
        if (event->header.size < sizeof(clap_event_param_value))
            return;
        if (event->param_id >= fCachedParameters.numParams)
            return;

""",
    ),
    Exchange(
        "src/DistrhoPluginCLAP.cpp",
        "wrtn = stream->write(stream, buffer, size - wrtntotal);",
        "wrtn = stream->write(stream, buffer + wrtntotal, size - wrtntotal);",
    ),
    Exchange(
        "src/DistrhoPluginCLAP.cpp",
        "            if (read == 0)\n                return true;\n",
        "            if (read == 0)\n                return true;\n" + AFTER_A_PART,
    ),
)
"""Automation within a block in CLAP, and what it takes."""

VST3_RUN = """        // values count from their samples on; no piece is longer than was announced
        const int32_t longest = static_cast<int32_t>(fPlugin.getBufferSize());

        for (int32_t place = 0, end; place < data->nframes; place = end)
        {
            end = std::min(data->nframes, place + longest);
            end = setParametersDueAt(data->input_params, place, end);
            std::memset(fDummyAudioBuffer, 0, sizeof(float)*(end - place));
            fPlugin.run(inputs, outputs, end - place);

            for (int32_t i = 0; i < DISTRHO_PLUGIN_NUM_INPUTS; ++i)
                if (inputs[i] != fDummyAudioBuffer)
                    inputs[i] += end - place;
            for (int32_t i = 0; i < DISTRHO_PLUGIN_NUM_OUTPUTS; ++i)
                if (outputs[i] != fDummyAudioBuffer)
                    outputs[i] += end - place;
        }

"""
VST3_DUE = """    // set what is due at a sample; give where the next change comes, or the given end
    int32_t setParametersDueAt(v3_param_changes** const changes, const int32_t place, int32_t end)
    {
        int32_t count = 0;

        if (changes != nullptr)
            count = v3_cpp_obj(changes)->get_param_count(changes);

        for (int32_t i = 0; i < count; ++i)
        {
            v3_param_value_queue** const queue = v3_cpp_obj(changes)->get_param_data(changes, i);
            DISTRHO_SAFE_ASSERT_BREAK(queue != nullptr);

            const v3_param_id rindex = v3_cpp_obj(queue)->get_param_id(queue);

            if (rindex < kVst3InternalParameterCount || rindex >= fVst3ParameterCount)
                continue;

            int32_t offset;
            double normalized, due = -1.0;

            for (int32_t j = 0, points = v3_cpp_obj(queue)->get_point_count(queue); j < points; ++j)
            {
                if (v3_cpp_obj(queue)->get_point(queue, j, &offset, &normalized) != V3_OK)
                    break;

                if (offset > place)
                {
                    end = std::min(end, offset);
                    break;
                }

                due = normalized;
            }

            if (due >= 0.0)
                _setNormalizedPluginParameterValue(rindex - kVst3InternalParameterCount, due);
        }

        return end;
    }

    v3_result process(v3_process_data* const data)
"""
VST3_FILL = """            if (data->{side}s != nullptr)
            {{
                for (int32_t j = 0; j < data->{side}s->num_channels; ++j)
                {{
                    while (!fEnabled{Side}s[i] && i < DISTRHO_PLUGIN_NUM_{SIDE}S)
                        {side}s[i++] = fDummyAudioBuffer;

                    DISTRHO_SAFE_ASSERT_INT_BREAK(i < DISTRHO_PLUGIN_NUM_{SIDE}S, i);
                    {side}s[i++] = data->{side}s->channel_buffers_32[j];
                }}
            }}
"""
VST3_FILL_ALL = """            const int32_t buses = data->{side}s ? data->num_{side}_buses : 0;

            for (int32_t b = 0; b < buses; ++b)
            {{
                for (int32_t j = 0; j < data->{side}s[b].num_channels; ++j)
                {{
                    DISTRHO_SAFE_ASSERT_INT_BREAK(i < DISTRHO_PLUGIN_NUM_{SIDE}S, i);
                    {side}s[i] = data->{side}s[b].channel_buffers_32[j];
                    if (!fEnabled{Side}s[i] || {side}s[i] == nullptr)
                        {side}s[i] = fDummyAudioBuffer;
                    ++i;
                }}
            }}
"""


def _sides(side: str) -> dict[str, str]:
    return {"side": side, "Side": side.title(), "SIDE": side.upper()}


VST3_PIECES = (
    *(
        Exchange(
            "src/DistrhoPluginVST3.cpp",
            VST3_FILL.format(**_sides(side)),
            VST3_FILL_ALL.format(**_sides(side)),
        )
        for side in ("input", "output")
    ),
    Exchange(
        "src/DistrhoPluginVST3.cpp",
        "        std::memset(fDummyAudioBuffer, 0, sizeof(float)*data->nframes);\n\n",
        "",
    ),
    Exchange(
        "src/DistrhoPluginVST3.cpp",
        "    v3_result process(v3_process_data* const data)\n",
        VST3_DUE,
    ),
    Exchange(
        "src/DistrhoPluginVST3.cpp",
        "write(stream, const_cast<char*>(buffer), size - wrtntotal, &wrtn);",
        "write(stream, const_cast<char*>(buffer + wrtntotal), size - wrtntotal, &wrtn);",
    ),
    Exchange(
        "src/DistrhoPluginVST3.cpp",
        "            if (read == 0)\n                return V3_OK;\n",
        "            if (read == 0)\n                return V3_OK;\n" + AFTER_A_PART,
    ),
)
"""All buses, and automation within a block, in VST3."""
VST3_CUTS = (
    (
        "        if (v3_param_changes** const inparamsptr = data->input_params)\n",
        "        updateParametersFromProcessing(data->output_params, data->nframes - 1);\n",
        VST3_RUN,
    ),
)
CLAP_CUTS = (
    (
        "        if (const clap_input_events_t* const inputEvents = process->in_events)\n",
        "       #if DISTRHO_PLUGIN_HAS_UI && DISTRHO_PLUGIN_WANT_MIDI_INPUT\n"
        "        if (fMidiEventCount",
        "",
    ),
)
"""From a first text up to a second, and what comes in the place of all that."""


def patch(dpf: Path) -> None:
    """Change a copy of DPF's sources.

    Raises:
        UserError: they are not those of DPF 1.6.
    """
    for file, cuts in (
        ("src/DistrhoPluginVST3.cpp", VST3_CUTS),
        ("src/DistrhoPluginCLAP.cpp", CLAP_CUTS),
    ):
        text = _read(dpf, file)
        for start, end, new in cuts:
            text = _cut(file, text, start, end, new)
        (dpf / "distrho" / file).write_text(text, encoding="utf-8")
    for file, old, new in (*OFFLINE, *CLAP_PIECES, *VST3_PIECES):
        text = _read(dpf, file)
        if text.count(old) != 1:
            raise _other(file)
        (dpf / "distrho" / file).write_text(text.replace(old, new), encoding="utf-8")
    _leave_out_fast_math(dpf / "Makefile.base.mk")


def _leave_out_fast_math(makefile: Path) -> None:
    try:
        text = makefile.read_text(encoding="utf-8")
    except OSError as error:
        raise _other(makefile.name) from error
    if FAST_MATH not in text:
        raise _other(makefile.name)
    makefile.write_text(text.replace(FAST_MATH, ""), encoding="utf-8")


def _read(dpf: Path, file: str) -> str:
    try:
        return (dpf / "distrho" / file).read_text(encoding="utf-8")
    except OSError as error:
        raise _other(file) from error


def _cut(file: str, text: str, start: str, end: str, new: str) -> str:
    first, last = text.find(start), text.find(end)
    if not 0 <= first < last:
        raise _other(file)
    return text[:first] + new + text[last:]


def _other(file: str) -> UserError:
    return UserError(f"DPF: {file} is not that of version 1.6 (Debian: dpf-source 1.6)")
