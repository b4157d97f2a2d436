/* SPDX-License-Identifier: MIT
 * The emulated disk by its controller's own registers: PIIX3's first channel,
 * master; 48-bit addresses, PIO and bus-master DMA. Polled; nothing is flushed
 * that is not asked for. One command at a time. Errors: -XEN_EIO (the disk says
 * so), -XEN_ENODEV (there is no disk, or no more), -XEN_ETIMEDOUT,
 * -XEN_EOPNOTSUPP. */
#ifndef VBDD_VM_ATA_H
#define VBDD_VM_ATA_H

#include <stdbool.h>
#include <stdint.h>

enum ata_op {
    ATA_PIO_READ,  /* READ SECTORS EXT */
    ATA_PIO_WRITE, /* WRITE SECTORS EXT */
    ATA_DMA_READ,  /* READ DMA EXT */
    ATA_DMA_WRITE, /* WRITE DMA EXT */
    ATA_DMA_FUA,   /* WRITE DMA FUA EXT */
    ATA_TRIM,      /* DATA SET MANAGEMENT; the sectors are in data */
    ATA_FLUSH,     /* FLUSH CACHE EXT, or FLUSH CACHE */
};

/* What IDENTIFY DEVICE says. */
struct ata_info {
    char model[41];
    uint64_t nr_sectors;
    uint32_t physical_sector_bytes;
    bool has_lba48, has_flush, has_dma, has_fua, has_trim;
};

/* Asks the disk who it is, and looks for the bus master. */
int ata_start(void);
const struct ata_info *ata_info(void);

/* nr_sectors: 1 to 2048 (PIO: 256). A DMA command, a TRIM and a FLUSH only
 * begin: ata_end() waits for them, and nothing else may be asked meanwhile. */
int ata_begin(enum ata_op op, uint64_t sector, uint32_t nr_sectors,
              void *data);
int ata_end(void);
/* Is what was begun still under way? Waits for nothing. */
bool ata_is_busy(void);
/* From begin to end. */
int ata_do(enum ata_op op, uint64_t sector, uint32_t nr_sectors, void *data);

/* SET FEATURES: without its write cache a disk answers a write when it is
 * durable. */
int ata_set_write_cache(bool is_on);

#endif
