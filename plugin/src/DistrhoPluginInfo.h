// rtmss: what DPF has to know at compile time.
// Copyright (C) 2026 the rtmss authors. SPDX-License-Identifier: GPL-3.0-or-later

#pragma once

#define DISTRHO_PLUGIN_BRAND "rtmss"
#define DISTRHO_PLUGIN_NAME "rtmss"
#define DISTRHO_PLUGIN_URI "urn:rtmss:plugin"
#define DISTRHO_PLUGIN_CLAP_ID "org.rtmss.plugin"
#define DISTRHO_PLUGIN_CLAP_FEATURES "audio-effect", "mixing", "stereo"
#define DISTRHO_PLUGIN_VST3_CATEGORIES "Fx|Restoration|Stereo"
#define DISTRHO_PLUGIN_LV2_CATEGORY "lv2:UtilityPlugin"

#define DISTRHO_PLUGIN_NUM_INPUTS 2
#define DISTRHO_PLUGIN_NUM_OUTPUTS 18
#define DISTRHO_PLUGIN_HAS_UI 0
#define DISTRHO_PLUGIN_IS_RT_SAFE 1
#define DISTRHO_PLUGIN_WANT_LATENCY 1
#define DISTRHO_PLUGIN_WANT_STATE 1
#define DISTRHO_PLUGIN_WANT_FULL_STATE 1
