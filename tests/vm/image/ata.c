/* SPDX-License-Identifier: MIT
 * ATA/ATAPI-8's registers and PIIX3's bus master, as QEMU's pc has them. */
#include <xen/errno.h>

#include <string.h>

#include "tests/vm/image/ata.h"
#include "tests/vm/image/machine.h"

enum {
    DATA = 0x1f0, ERROR_FEATURE = 0x1f1, COUNT = 0x1f2, LBA_LOW = 0x1f3,
    LBA_MIDDLE = 0x1f4, LBA_HIGH = 0x1f5, DEVICE = 0x1f6, COMMAND = 0x1f7,
    CONTROL = 0x3f6,           /* read: status, without clearing anything */
    MASTER_LBA = 0xe0,
    BUSY = 0x80, HAS_DATA = 0x08, FAILED = 0x21, NO_DISK = 0x00,
};
enum {
    READ_SECTORS_EXT = 0x24, WRITE_SECTORS_EXT = 0x34, READ_DMA_EXT = 0x25,
    WRITE_DMA_EXT = 0x35, WRITE_DMA_FUA_EXT = 0x3d, DATA_SET_MANAGEMENT = 0x06,
    FLUSH_CACHE = 0xe7, FLUSH_CACHE_EXT = 0xea, IDENTIFY_DEVICE = 0xec,
    SET_FEATURES = 0xef, CACHE_ON = 0x02, CACHE_OFF = 0x82, TRIM = 1,
};
enum { /* the bus master's registers, and bits */
    MASTER_COMMAND = 0, MASTER_STATUS = 2, MASTER_TABLE = 4,
    MASTER_RUN = 1, MASTER_TO_MEMORY = 8, MASTER_FAILED = 2, MASTER_CLEAR = 6,
};
enum {
    PCI_ADDRESS = 0xcf8, PCI_DATA = 0xcfc, PCI_COMMAND = 0x04,
    PCI_CLASS = 0x08, PCI_BAR4 = 0x20, PCI_IO_AND_MASTER = 5,
    PCI_IDE = 0x0101, PCI_FUNCTIONS = 256,
};
enum {
    SECTOR_BYTES = 512, SECTOR_WORDS = 256, PIECE_BYTES = 0x10000,
    TIMEOUT_US = 60000000, LOOK_AGAIN_US = 200,
};

static const struct {
    uint8_t command, feature;
    bool is_dma, is_write;
} commands[] = {
    [ATA_PIO_READ] = { READ_SECTORS_EXT, 0, false, false },
    [ATA_PIO_WRITE] = { WRITE_SECTORS_EXT, 0, false, true },
    [ATA_DMA_READ] = { READ_DMA_EXT, 0, true, false },
    [ATA_DMA_WRITE] = { WRITE_DMA_EXT, 0, true, true },
    [ATA_DMA_FUA] = { WRITE_DMA_FUA_EXT, 0, true, true },
    [ATA_TRIM] = { DATA_SET_MANAGEMENT, TRIM, true, true },
    [ATA_FLUSH] = { FLUSH_CACHE_EXT, 0, false, false },
};

/* What the bus master reads: pieces of memory, none over a border of 64 KiB. */
static struct piece {
    uint32_t address;
    uint16_t bytes; /* 0: 65536 */
    uint16_t is_last; /* 8000h */
} pieces[32] __attribute__((aligned(256)));

static struct ata_info disk;
static uint16_t master; /* its ports, or 0 */
static bool runs_dma;

/* ---- commands ----------------------------------------------------------- */

/* Its status when none of `bits` is in it. All ones is no controller, zeros no
 * disk. (Each look at a register costs as much as a hundred sectors by DMA,
 * when it is emulated twice over.) */
static int wait_for_none(uint8_t bits)
{
    uint64_t end = clock_in_us(TIMEOUT_US);
    uint8_t status;

    in8(CONTROL); /* not to be believed for 400 ns */
    while ((status = in8(COMMAND)) & bits) {
        if (status == 0xff)
            return -XEN_ENODEV;
        if (clock_is_past(end))
            return -XEN_ETIMEDOUT;
        clock_wait_us(LOOK_AGAIN_US);
    }
    return status == NO_DISK || status == 0x7f ? -XEN_ENODEV : status;
}

static int issue(uint8_t command, uint8_t feature, uint64_t sector,
                 uint32_t count)
{
    int error;

    out8(DEVICE, MASTER_LBA);
    error = wait_for_none(BUSY);
    if (error < 0)
        return error;
    out8(COUNT, (uint8_t)(count >> 8)); /* the registers are two deep */
    out8(LBA_LOW, (uint8_t)(sector >> 24));
    out8(LBA_MIDDLE, (uint8_t)(sector >> 32));
    out8(LBA_HIGH, (uint8_t)(sector >> 40));
    if (feature)
        out8(ERROR_FEATURE, feature);
    out8(COUNT, (uint8_t)count);
    out8(LBA_LOW, (uint8_t)sector);
    out8(LBA_MIDDLE, (uint8_t)(sector >> 8));
    out8(LBA_HIGH, (uint8_t)(sector >> 16));
    out8(COMMAND, command);
    return 0;
}

static int judge(int status)
{
    return status < 0 ? status : status & FAILED ? -XEN_EIO : 0;
}

/* Is it done? By DMA it has data until then. */
static int outcome(void)
{
    return judge(wait_for_none(BUSY | HAS_DATA));
}

static int move_words(bool is_write, void *data, uint32_t nr_sectors)
{
    for (uint32_t i = 0; i < nr_sectors; i++) {
        uint32_t words = SECTOR_WORDS;
        int status = wait_for_none(BUSY);

        if (judge(status) || !(status & HAS_DATA))
            return status < 0 ? status : -XEN_EIO;
        if (is_write)
            __asm__ volatile("rep outsw" : "+S"(data), "+c"(words)
                             : "d"(DATA) : "memory");
        else
            __asm__ volatile("rep insw" : "+D"(data), "+c"(words)
                             : "d"(DATA) : "memory");
    }
    return outcome();
}

/* ---- the bus master ----------------------------------------------------- */

static uint32_t pci_register(unsigned function, unsigned offset)
{
    out32(PCI_ADDRESS, UINT32_C(1) << 31 | function << 8 | offset);
    return in32(PCI_DATA);
}

static void find_master(void)
{
    for (unsigned function = 0; function < PCI_FUNCTIONS; function++) {
        if (pci_register(function, PCI_CLASS) >> 16 != PCI_IDE)
            continue;
        master = pci_register(function, PCI_BAR4) & 0xfffc;
        out32(PCI_DATA, pci_register(function, PCI_COMMAND) |
                            PCI_IO_AND_MASTER);
        return;
    }
}

static void start_master(bool is_write, void *data, uint32_t bytes)
{
    uint32_t address = (uintptr_t)data;
    struct piece *piece = pieces;

    for (; bytes > 0; piece++) {
        uint32_t room = PIECE_BYTES - address % PIECE_BYTES;

        if (room > bytes)
            room = bytes;
        *piece = (struct piece){ .address = address, .bytes = (uint16_t)room };
        address += room;
        bytes -= room;
    }
    piece[-1].is_last = 0x8000;
    out8(master + MASTER_COMMAND, is_write ? 0 : MASTER_TO_MEMORY);
    out8(master + MASTER_STATUS, MASTER_CLEAR);
    out32(master + MASTER_TABLE, (uintptr_t)pieces);
    out8(master + MASTER_COMMAND,
         MASTER_RUN | (is_write ? 0 : MASTER_TO_MEMORY));
}

static int stop_master(int error)
{
    runs_dma = false;
    if (!error && in8(master + MASTER_STATUS) & MASTER_FAILED)
        error = -XEN_EIO;
    out8(master + MASTER_COMMAND, 0);
    return error;
}

/* ---- what it is for ----------------------------------------------------- */

int ata_begin(enum ata_op op, uint64_t sector, uint32_t nr_sectors, void *data)
{
    uint8_t command = commands[op].command;
    int error;

    if (op == ATA_FLUSH && !disk.has_lba48)
        command = FLUSH_CACHE;
    if (commands[op].is_dma && !disk.has_dma)
        return -XEN_EOPNOTSUPP;
    error = issue(command, commands[op].feature, sector, nr_sectors);
    if (error || op == ATA_FLUSH)
        return error;
    if (!commands[op].is_dma)
        return move_words(commands[op].is_write, data, nr_sectors);
    start_master(commands[op].is_write, data, nr_sectors * SECTOR_BYTES);
    runs_dma = true;
    return 0;
}

int ata_end(void)
{
    int error = outcome();

    return runs_dma ? stop_master(error) : error;
}

bool ata_is_busy(void)
{
    return in8(CONTROL) & BUSY;
}

int ata_do(enum ata_op op, uint64_t sector, uint32_t nr_sectors, void *data)
{
    int error = ata_begin(op, sector, nr_sectors, data);

    return error ? error : ata_end();
}

int ata_set_write_cache(bool is_on)
{
    int error = issue(SET_FEATURES, is_on ? CACHE_ON : CACHE_OFF, 0, 0);

    return error ? error : outcome();
}

static void understand(const uint16_t words[SECTOR_WORDS])
{
    for (unsigned i = 0; i < 20; i++) {
        disk.model[2 * i] = (char)(words[27 + i] >> 8);
        disk.model[2 * i + 1] = (char)words[27 + i];
    }
    for (unsigned i = 40; i > 0 && disk.model[i - 1] == ' '; i--)
        disk.model[i - 1] = '\0';
    disk.has_lba48 = words[83] & 1 << 10;
    disk.has_flush = words[83] & 1 << 12;
    disk.has_fua = words[84] & 1 << 6;
    disk.has_trim = words[169] & 1;
    memcpy(&disk.nr_sectors, &words[disk.has_lba48 ? 100 : 60],
           disk.has_lba48 ? 8 : 4);
    /* word 106 means something if its top bits are 01 */
    disk.physical_sector_bytes = SECTOR_BYTES;
    if ((words[106] & 0xe000) == 0x6000)
        disk.physical_sector_bytes <<= words[106] & 15;
}

int ata_start(void)
{
    uint16_t words[SECTOR_WORDS];
    int error = issue(IDENTIFY_DEVICE, 0, 0, 0);

    if (!error)
        error = move_words(false, words, 1);
    if (error)
        return error;
    understand(words);
    find_master();
    disk.has_dma = master && words[49] & 1 << 8;
    return disk.has_lba48 ? 0 : -XEN_EOPNOTSUPP;
}

const struct ata_info *ata_info(void)
{
    return &disk;
}
