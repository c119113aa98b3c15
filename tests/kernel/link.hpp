// SPDX-License-Identifier: BSD-2-Clause
// A BPF link that is destroyed with its owner. That detaches its program.
#pragma once

#include <bpf/libbpf.h>

#include <memory>

namespace testbed {

struct LinkDeleter {
    void operator()(bpf_link* link) const { bpf_link__destroy(link); }
};
using Link = std::unique_ptr<bpf_link, LinkDeleter>;

}  // namespace testbed
