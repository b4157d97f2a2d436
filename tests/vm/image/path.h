/* SPDX-License-Identifier: MIT
 * The ways to the disk: the BIOS's int13, the controller's registers by PIO and
 * by DMA, and the PV ring. A case says which of them it is about; what it does
 * is the same for all. Sectors are 512 bytes. */
#ifndef VBDD_VM_PATH_H
#define VBDD_VM_PATH_H

#include <stdint.h>

struct path {
    const char *name;
    uint32_t writer;      /* of its stamps */
    uint32_t max_sectors; /* what one read() or write() takes */
    const char *missing;  /* why it cannot be used; NULL: it can */
    /* 0 or -XEN_E... */
    int (*read)(uint64_t sector, uint32_t nr_sectors, void *data);
    int (*write)(uint64_t sector, uint32_t nr_sectors, void *data);
    int (*flush)(void);
};

/* int13 has no flush of its own: its path has the controller's. */
extern struct path path_int13, path_pio, path_dma, path_pv;

/* Makes the emulated paths ready, and says which of them are missing. */
void path_start_emulated(void);
/* After unplug. */
void path_end_emulated(void);

/* As the BIOS knows it. */
uint64_t int13_nr_sectors(void);

#endif
