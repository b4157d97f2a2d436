/* SPDX-License-Identifier: MIT
 * The driver without an operating system: a guest that connects all of its
 * disks, writes and reads them, and says on Xen's console how that went; then
 * does what `xl shutdown`, `xl save` and `xl restore` want of it. */
#include "frontend/port-hvm/port-hvm.h"

#include <xen/errno.h>
#include <xen/xen.h>
#include <xen/sched.h>

#include "frontend/vbdfront.h"

enum {
    MEMORY = 4 << 20, MEMORY_BYTES = 16 << 20, /* above the image */
    MAX_DISKS = 4,
    TIMEOUT_US = 20000000, SLEEP_US = 200000, MAX_WAITS = 50,
    PAGE_BYTES = 4096, NR_SECTORS = 2048, SECTOR_BYTES = 512, LINE_BYTES = 16,
    DATA_BYTES = NR_SECTORS * SECTOR_BYTES,
    BARRIER_SECTOR = NR_SECTORS, DISCARD_SECTOR = 2 * NR_SECTORS,
    PIECE_SECTORS = 64,
};

struct disk {
    char node[64];
    struct vbdfront *front;
};
static struct disk disks[MAX_DISKS];
static unsigned nr_disks;
static uint8_t *data;

void example_run(void);

/* --- words --------------------------------------------------------------- */

static void say(const char *text)
{
    port_hvm_console(text, __builtin_strlen(text));
}

static void say_number(const char *before, uint64_t number)
{
    char digits[24];
    char *first = digits + sizeof digits - 1;

    *first = '\0';
    do {
        uint32_t rest = (uint32_t)number; /* nothing here is larger */

        *--first = (char)('0' + rest % 10);
        number = rest / 10;
    } while (number);
    say(before);
    say(first);
}

static void log_sentence(const char *sentence)
{
    say("EXAMPLE: log: ");
    say(sentence);
    say("\r\n");
}

static void say_result(const struct disk *disk, const char *what, int error)
{
    say("EXAMPLE: ");
    say(disk->node);
    say(": ");
    say(what);
    say_number(error ? ": error " : ": good ", (unsigned)-error);
    say("\r\n");
}

/* --- disks --------------------------------------------------------------- */

/* Each 16 bytes say where on the disk they are. */
static void number_lines(uint64_t sector)
{
    uint32_t line = (uint32_t)sector * (SECTOR_BYTES / LINE_BYTES);

    for (uint8_t *at = data; at < data + DATA_BYTES; at += LINE_BYTES, line++) {
        uint32_t rest = line;

        at[LINE_BYTES - 1] = '\n';
        for (int i = LINE_BYTES - 2; i >= 0; i--, rest /= 10)
            at[i] = (uint8_t)('0' + rest % 10);
    }
}

static uint64_t sum(void)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < DATA_BYTES; i++)
        total = (total << 1 | total >> 63) ^ data[i];
    return total;
}

static void write_and_read(struct disk *disk)
{
    uint64_t wanted;
    int error;

    number_lines(0);
    wanted = sum();
    error = vbdfront_do(disk->front, VBDFRONT_WRITE, 0, 0, NR_SECTORS, data);
    say_result(disk, "write", error);
    __builtin_memset(data, 0, DATA_BYTES);
    error = vbdfront_do(disk->front, VBDFRONT_READ, 0, 0, NR_SECTORS, data);
    say_result(disk, "read", error ? error : sum() == wanted ? 0 : -XEN_EIO);
}

static void do_offered(struct disk *disk)
{
    const struct vbdfront_info *info = vbdfront_info(disk->front);

    if (info->has_flush)
        say_result(disk, "flush", vbdfront_do(disk->front, VBDFRONT_FLUSH, 0,
                                              0, 0, NULL));
    number_lines(BARRIER_SECTOR);
    if (info->has_barrier)
        say_result(disk, "barrier",
                   vbdfront_do(disk->front, VBDFRONT_BARRIER, 0,
                               BARRIER_SECTOR, PIECE_SECTORS, data));
    if (info->has_discard)
        say_result(disk, "discard",
                   vbdfront_do(disk->front, VBDFRONT_DISCARD, 0,
                               DISCARD_SECTOR, PIECE_SECTORS, NULL));
}

/* Nobody has much to say (xen-blkback, just connected, some 20 times): time ends
 * it. Who does not sleep at all waits some thousand times. */
static void sleep(void)
{
    const struct vbdfront_port *port = port_hvm_table();
    uint64_t start_us = port->now_us(port->context), slept_us = 0;
    unsigned nr_waits = 0;

    for (; slept_us < SLEEP_US; nr_waits++) {
        port->wait(port->context, SLEEP_US - slept_us);
        slept_us = port->now_us(port->context) - start_us;
    }
    say(nr_waits <= MAX_WAITS ? "EXAMPLE: sleep: good " : "EXAMPLE: sleep: bad ");
    say_number("", nr_waits);
    say("\r\n");
}

static void use(struct disk *disk)
{
    for (unsigned by_upcall = 0; by_upcall < 2; by_upcall++) {
        port_hvm_use_upcall(by_upcall);
        write_and_read(disk);
        do_offered(disk);
        sleep();
    }
}

static void connect(struct disk *disk)
{
    int error = vbdfront_open(port_hvm_table(), disk->node, NULL,
                              &disk->front);

    if (!error)
        error = vbdfront_connect(disk->front, TIMEOUT_US);
    say_result(disk, "connect", error);
    if (!error)
        use(disk);
}

static void add(char *to, const char *text)
{
    while (*to)
        to++;
    while ((*to++ = *text++) != '\0')
        ;
}

static void find_disks(void)
{
    static char names[256];
    int length = port_hvm_store_list("device/vbd", names, sizeof names);
    const char *name = names;

    while (name < names + length && nr_disks < MAX_DISKS) {
        add(disks[nr_disks].node, "device/vbd/");
        add(disks[nr_disks++].node, name);
        name += __builtin_strlen(name) + 1;
    }
}

/* --- the toolstack ------------------------------------------------------- */

static void suspend(void)
{
    int result = port_hvm_shutdown(SHUTDOWN_suspend);

    say_number(result == 1 ? "EXAMPLE: not suspended, domain "
                           : "EXAMPLE: restored as domain ",
               port_hvm_domid());
    say("\r\n");
    for (unsigned i = 0; i < nr_disks; i++) {
        if (result == 0)
            say_result(&disks[i], "resume",
                       vbdfront_resume(disks[i].front, TIMEOUT_US));
        use(&disks[i]);
    }
    say("EXAMPLE: ready again\r\n");
}

static void power_off(void)
{
    for (unsigned i = 0; i < nr_disks; i++) {
        say_result(&disks[i], "disconnect",
                   vbdfront_disconnect(disks[i].front, TIMEOUT_US));
        vbdfront_close(disks[i].front);
    }
    say("EXAMPLE: end\r\n");
    port_hvm_shutdown(SHUTDOWN_poweroff);
}

static void obey(const struct vbdfront_port *port)
{
    const char *node = "control/shutdown";
    char command[16];

    port->store_watch(port->context, node);
    for (;;) {
        port->wait(port->context, TIMEOUT_US);
        if (port->store_read(port->context, node, command,
                             sizeof command) <= 0)
            continue;
        port->store_write(port->context, node, ""); /* the answer */
        if (command[0] == 's') {
            suspend();
            port->store_watch(port->context, node);
        } else {
            power_off();
        }
    }
}

/* --- the guest ----------------------------------------------------------- */

static void unplug(void)
{
    const struct vbdfront_product product = { .number = 0xffff };
    int error = vbdfront_unplug(port_hvm_io_ports(), product,
                                VBDFRONT_UNPLUG_DISKS);

    say_number("EXAMPLE: unplug ", (unsigned)-error);
    say("\r\n");
}

void example_run(void)
{
    const struct vbdfront_port *port = port_hvm_table();

    if (port_hvm_start((void *)MEMORY, MEMORY_BYTES, log_sentence) != 0)
        return;
    say_number("EXAMPLE: domain ", port_hvm_domid());
    say_number(" on Xen ", port_hvm_xen_version() >> 16);
    say_number(".", port_hvm_xen_version() & 0xffff);
    say("\r\n");
    unplug();
    data = port->page_alloc(port->context, DATA_BYTES / PAGE_BYTES);
    find_disks();
    for (unsigned i = 0; i < nr_disks; i++)
        connect(&disks[i]);
    say("EXAMPLE: ready\r\n");
    obey(port);
}
