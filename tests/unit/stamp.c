/* SPDX-License-Identifier: MIT
 * Claim: a sector's stamp is the 32 bytes that stamp.h describes, on any
 * machine; whatever has happened to a stamped sector is told by its state.
 * Source: tools/stamp/stamp.h; CRC-32 as IEEE 802.3 (and zlib) has it.
 * Mechanism: bytes that were made by other means (Python's struct and zlib);
 * every single byte changed; sectors torn at every 32 bytes. */
#include "tests/unit/tap.h"

#include "tools/stamp/stamp.h"

static const struct stamp example = {
    .writer = 3, .sequence = UINT64_C(0x1122334455667788),
    .sector = 2958215, .run = 0xcafe1234 };
static const uint8_t wire[STAMP_BYTES] = {
    0x56, 0x42, 0x44, 0x44, 0x03, 0x00, 0x00, 0x00, 0x88, 0x77, 0x66,
    0x55, 0x44, 0x33, 0x22, 0x11, 0x87, 0x23, 0x2d, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x34, 0x12, 0xfe, 0xca, 0x17, 0x89, 0xaa, 0xab };

static void check_example(const struct stamp *stamp)
{
    CHECK_EQ(stamp->magic, STAMP_MAGIC);
    CHECK_EQ(stamp->writer, example.writer);
    CHECK_EQ(stamp->sequence, example.sequence);
    CHECK_EQ(stamp->sector, example.sector);
    CHECK_EQ(stamp->run, example.run);
}

static void check_bytes(void)
{
    uint8_t bytes[STAMP_BYTES + 1];
    struct stamp stamp;

    stamp_put(bytes + 1, &example); /* at an odd address */
    CHECK(memcmp(bytes + 1, wire, STAMP_BYTES) == 0);
    CHECK(stamp_get(bytes + 1, &stamp));
    check_example(&stamp);
    CHECK_EQ(stamp.checksum, UINT32_C(0xabaa8917));
}

static void check_each_byte(void)
{
    uint8_t bytes[STAMP_BYTES], sector[STAMP_SECTOR_BYTES];
    struct stamp stamp;

    memcpy(bytes, wire, sizeof bytes);
    for (unsigned i = 0; i < STAMP_BYTES; i++) {
        bytes[i] ^= 0x10;
        CHECK(!stamp_get(bytes, &stamp));
        bytes[i] ^= 0x10;
    }
    stamp_fill(sector, &example);
    CHECK_EQ(stamp_look(sector, &stamp), STAMP_GOOD);
    check_example(&stamp);
    for (unsigned i = 0; i < STAMP_SECTOR_BYTES; i++) {
        sector[i] ^= 0x10;
        CHECK_EQ(stamp_look(sector, &stamp), STAMP_TORN);
        check_example(&stamp);
        sector[i] ^= 0x10;
    }
}

static void fill_sequence(uint8_t sector[STAMP_SECTOR_BYTES],
                          uint64_t sequence)
{
    struct stamp stamp = example;

    stamp.sequence = sequence;
    stamp_fill(sector, &stamp);
}

static void check_torn(void)
{
    uint8_t old[STAMP_SECTOR_BYTES], torn[STAMP_SECTOR_BYTES];
    struct stamp stamp;

    for (unsigned cut = STAMP_BYTES; cut < STAMP_SECTOR_BYTES;
         cut += STAMP_BYTES) {
        fill_sequence(old, 1);
        fill_sequence(torn, 2);
        memcpy(torn + cut, old + cut, STAMP_SECTOR_BYTES - cut);
        CHECK_EQ(stamp_look(torn, &stamp), STAMP_TORN);
        CHECK_EQ(stamp.sequence, 2);
        memset(torn, 0, cut); /* then the first that is valid is the other */
        CHECK_EQ(stamp_look(torn, &stamp), STAMP_TORN);
        CHECK_EQ(stamp.sequence, 1);
    }
}

static void check_others(void)
{
    uint8_t sector[STAMP_SECTOR_BYTES] = { 0 };
    struct stamp stamp;

    CHECK_EQ(stamp_look(sector, &stamp), STAMP_ZEROS);
    for (unsigned i = 0; i < STAMP_SECTOR_BYTES; i++) {
        sector[i] = 1;
        CHECK_EQ(stamp_look(sector, &stamp), STAMP_FOREIGN);
        sector[i] = 0;
    }
    memset(sector, 0xa5, sizeof sector);
    CHECK_EQ(stamp_look(sector, &stamp), STAMP_FOREIGN);
    stamp_fill(sector, &example);
    for (unsigned i = 0; i < STAMP_COPIES; i++)
        sector[i * STAMP_BYTES + 8] ^= 1; /* alike, and none valid */
    CHECK_EQ(stamp_look(sector, &stamp), STAMP_FOREIGN);
}

int main(void)
{
    TEST("a stamp is these 32 bytes", check_bytes);
    TEST("no byte of a stamp, or of a sector, can change unseen",
         check_each_byte);
    TEST("a sector of two writes is torn", check_torn);
    TEST("zeros and all else are told from stamps", check_others);
    return tap_done();
}
