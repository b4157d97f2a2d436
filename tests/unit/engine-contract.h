/* SPDX-License-Identifier: MIT
 * What backend/engine/engine.h asks of a request, for engines of tests that are
 * to notice when it is not kept. */
#ifndef VBDD_TESTS_ENGINE_CONTRACT_H
#define VBDD_TESTS_ENGINE_CONTRACT_H

#include "backend/engine/engine.h"

static inline bool engine_contract_is_kept(const struct engine_info *info,
                                           const struct engine_request *request)
{
    uint64_t bytes = request->length_bytes, at = request->offset_bytes;
    bool has_data = request->op == ENGINE_READ || request->op == ENGINE_WRITE;

    if (request->op == ENGINE_FLUSH)
        return bytes == 0 && at == 0;
    return bytes > 0 && (bytes | at) % info->block_bytes == 0 &&
           at + bytes <= info->size_bytes &&
           bytes <= (has_data ? info->max_bytes : ENGINE_LONG_BYTES) &&
           (!has_data || (uintptr_t)request->data % info->memory_align == 0);
}

#endif
