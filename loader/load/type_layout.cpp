// SPDX-License-Identifier: BSD-2-Clause
// Whether two BTF types lay out the same bytes under the same names.
#include "load/type_layout.hpp"

#include <bpf/btf.h>

#include <cstring>
#include <utility>

namespace jsguard {
namespace {

class Comparison {
  public:
    Comparison(const btf* a, const btf* b) : a_(a), b_(b) {}

    bool same(std::uint32_t a_id, std::uint32_t b_id) const {
        const btf_type* a = resolved(a_, a_id);
        const btf_type* b = resolved(b_, b_id);
        if (!a || !b || btf_kind(a) != btf_kind(b)) return false;
        switch (btf_kind(a)) {
            case BTF_KIND_INT:
                return a->size == b->size && btf_int_encoding(a) == btf_int_encoding(b);
            case BTF_KIND_ENUM:
                return a->size == b->size && same_values(a, b);
            case BTF_KIND_ARRAY:
                return btf_array(a)->nelems == btf_array(b)->nelems &&
                       same(btf_array(a)->type, btf_array(b)->type);
            case BTF_KIND_STRUCT:
            case BTF_KIND_UNION:
                return a->size == b->size && same_members(a, b);
            default:
                return false;  // shared maps have no other kinds
        }
    }

  private:
    static const btf_type* resolved(const btf* types, std::uint32_t id) {
        const int to = btf__resolve_type(types, id);
        return to < 0 ? nullptr : btf__type_by_id(types, static_cast<std::uint32_t>(to));
    }

    bool same_name(std::uint32_t a, std::uint32_t b) const {
        return std::strcmp(btf__name_by_offset(a_, a), btf__name_by_offset(b_, b)) == 0;
    }

    bool same_values(const btf_type* a, const btf_type* b) const {
        if (btf_vlen(a) != btf_vlen(b)) return false;
        for (int i = 0; i < btf_vlen(a); ++i) {
            const struct btf_enum &one = btf_enum(a)[i], &other = btf_enum(b)[i];
            if (one.val != other.val || !same_name(one.name_off, other.name_off)) return false;
        }
        return true;
    }

    bool same_members(const btf_type* a, const btf_type* b) const {
        if (btf_vlen(a) != btf_vlen(b)) return false;
        for (int i = 0; i < btf_vlen(a); ++i) {
            const btf_member &one = btf_members(a)[i], &other = btf_members(b)[i];
            if (one.offset != other.offset || !same_name(one.name_off, other.name_off) ||
                !same(one.type, other.type))
                return false;
        }
        return true;
    }

    const btf* a_;
    const btf* b_;
};

}  // namespace

bool same_layout(const btf* a, std::uint32_t a_type, const btf* b, std::uint32_t b_type) {
    return Comparison(a, b).same(a_type, b_type);
}

}  // namespace jsguard
