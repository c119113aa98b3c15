// SPDX-License-Identifier: BSD-2-Clause
// Catch2's one header of version 2, or what stands for it in version 3.
#pragma once
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif
