/* SPDX-License-Identifier: MIT
 * Claim: the map between -errno and blkif status codes loses no failure: only
 * 0 becomes OKAY, and only OKAY becomes 0 (C15; a failure taken for success is
 * what C8 is about). Source: blkif.h, "STATUS RETURN CODES". Mechanism: every
 * value of a status, and every errno, through the map. */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/io/blkif.h>

#include "common/blkif/error.h"
#include "common/blkif/status.h"
#include "tests/unit/tap.h"

_Static_assert(BLKIF_EPROTO == EPROTO && XEN_EIO == EIO &&
               XEN_EINVAL == EINVAL && XEN_EOPNOTSUPP == EOPNOTSUPP,
               "the core's errors are Linux's");

static void check_errors(void)
{
    CHECK_EQ(blkif_status_from_error(0), BLKIF_RSP_OKAY);
    CHECK_EQ(blkif_status_from_error(-EOPNOTSUPP), BLKIF_RSP_EOPNOTSUPP);
    for (int error = -4096; error <= 4096; error++)
        if (error != 0 && error != -EOPNOTSUPP)
            CHECK_EQ(blkif_status_from_error(error), BLKIF_RSP_ERROR);
}

static void check_statuses(void)
{
    for (int status = INT16_MIN; status <= INT16_MAX; status++) {
        int want = status == BLKIF_RSP_OKAY ? 0
                   : status == BLKIF_RSP_ERROR ? -EIO
                   : status == BLKIF_RSP_EOPNOTSUPP ? -EOPNOTSUPP : -EPROTO;

        CHECK_EQ(blkif_error_from_status((int16_t)status), want);
    }
}

int main(void)
{
    TEST("only success is reported as success", check_errors);
    TEST("a status that does not exist breaks the protocol", check_statuses);
    return tap_done();
}
