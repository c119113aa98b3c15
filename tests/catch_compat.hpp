// SPDX-License-Identifier: BSD-2-Clause
// The header of Catch2: the single one of version 2, or the equivalent of version 3.
#pragma once
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif
