/* SPDX-License-Identifier: MIT
 * The emulated disk's paths: int13 (EDD), and the ATA driver's commands. */
#include <xen/errno.h>

#include <stddef.h>
#include <string.h>

#include "tests/vm/image/ata.h"
#include "tests/vm/image/memory.h"
#include "tests/vm/image/path.h"

enum {
    EDD_READ = 0x4200, EDD_WRITE = 0x4300, EDD_PARAMETERS = 0x4800,
    EDD_MAX_SECTORS = 64, ATA_MAX_SECTORS = 256, SECTOR_BYTES = 512,
};

/* boot.S: 0, or 100h and the BIOS's code */
unsigned bios_disk_call(unsigned ax, const void *packet);

/* ---- int13 -------------------------------------------------------------- */

static struct {
    uint8_t bytes, zero;
    uint16_t nr_sectors, offset, segment;
    uint64_t sector;
} address_packet;

static struct {
    uint16_t bytes, flags;
    uint32_t cylinders, heads, sectors_per_track;
    uint64_t nr_sectors;
    uint16_t sector_bytes;
} __attribute__((packed)) parameters;

static int int13_transfer(unsigned function, uint64_t sector,
                          uint32_t nr_sectors)
{
    address_packet.bytes = sizeof(address_packet);
    address_packet.nr_sectors = (uint16_t)nr_sectors;
    address_packet.segment = BIOS_BUFFER >> 4;
    address_packet.sector = sector;
    return bios_disk_call(function, &address_packet) ? -XEN_EIO : 0;
}

static int int13_read(uint64_t sector, uint32_t nr_sectors, void *data)
{
    int error = int13_transfer(EDD_READ, sector, nr_sectors);

    memcpy(data, (const void *)BIOS_BUFFER, nr_sectors * SECTOR_BYTES);
    return error;
}

static int int13_write(uint64_t sector, uint32_t nr_sectors, void *data)
{
    memcpy((void *)BIOS_BUFFER, data, nr_sectors * SECTOR_BYTES);
    return int13_transfer(EDD_WRITE, sector, nr_sectors);
}

uint64_t int13_nr_sectors(void)
{
    parameters.bytes = sizeof(parameters);
    return bios_disk_call(EDD_PARAMETERS, &parameters) ? 0
                                                       : parameters.nr_sectors;
}

/* ---- ATA ---------------------------------------------------------------- */

static int pio_read(uint64_t sector, uint32_t nr_sectors, void *data)
{
    return ata_do(ATA_PIO_READ, sector, nr_sectors, data);
}

static int pio_write(uint64_t sector, uint32_t nr_sectors, void *data)
{
    return ata_do(ATA_PIO_WRITE, sector, nr_sectors, data);
}

static int dma_read(uint64_t sector, uint32_t nr_sectors, void *data)
{
    return ata_do(ATA_DMA_READ, sector, nr_sectors, data);
}

static int dma_write(uint64_t sector, uint32_t nr_sectors, void *data)
{
    return ata_do(ATA_DMA_WRITE, sector, nr_sectors, data);
}

static int ata_flush(void)
{
    return ata_do(ATA_FLUSH, 0, 0, NULL);
}

struct path path_int13 = {
    "int13", 13, EDD_MAX_SECTORS, NULL, int13_read, int13_write, ata_flush,
};
struct path path_pio = {
    "ATA PIO", 20, ATA_MAX_SECTORS, NULL, pio_read, pio_write, ata_flush,
};
struct path path_dma = {
    "ATA DMA", 21, ATA_MAX_SECTORS, NULL, dma_read, dma_write, ata_flush,
};

void path_start_emulated(void)
{
    if (int13_nr_sectors() == 0)
        path_int13.missing = "the BIOS tells no size of the disk";
    if (ata_start())
        path_pio.missing = path_dma.missing =
            "the disk is no ATA disk with 48-bit addresses";
    else if (!ata_info()->has_dma)
        path_dma.missing = "there is no bus-master DMA";
}

void path_end_emulated(void)
{
    path_int13.missing = path_pio.missing = path_dma.missing =
        "the emulated disk has been unplugged";
}
