// rtmss: what each system does in its own way.
// Copyright (C) 2026 the rtmss authors. SPDX-License-Identifier: GPL-3.0-or-later

#pragma once

#ifdef _WIN32
# include "SystemWindows.hpp"
#else
# include "SystemPosix.hpp"
#endif
