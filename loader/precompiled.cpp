// SPDX-License-Identifier: BSD-2-Clause
// Holds the precompiled headers that the directories share; see loader/CMakeLists.txt.
