/* SPDX-License-Identifier: MIT
 * Claim: processes that have a file open, and locks on it, are found, each with
 * the right process, and told apart: what keeps a writer out, what keeps a
 * reader out too, what keeps nobody out; processes that vanish and files of the
 * kernel that are torn do no harm.
 * Source: COHERENCY.md C12; proc(5); QEMU's docs/system/qemu-block-drivers on
 * image locking.
 * Mechanism: a procfs of ordinary files and links. */
#include <inttypes.h>

#include "tests/unit/storage-tree.h"

static struct blockdev file;

/* A process with one descriptor on the file; info: its fdinfo. */
static void make_process(int pid, const char *comm, const char *fd_info)
{
    char path[64];

    snprintf(path, sizeof path, "proc/%d/comm", pid);
    tree_text(path, comm);
    snprintf(path, sizeof path, "proc/%d/fd/7", pid);
    tree_link(path, "../../../disk");
    snprintf(path, sizeof path, "proc/%d/fdinfo/7", pid);
    tree_text(path, fd_info);
}

static void remove_process(int pid)
{
    char path[64];

    snprintf(path, sizeof path, "proc/%d", pid);
    tree_remove(path);
}

static void check_text(unsigned i, const char *text)
{
    char got[400];

    if (CHECK(i < nr_found))
        CHECK_STR(holder_describe(&found[i], got, sizeof got), text);
}

/* --- openers -------------------------------------------------------------- */

static void check_openers(void)
{
    static const struct {
        const char *flags, *what; /* "": does not count */
    } rows[] = {
        { "flags:\t0100000\n", "read" }, { "flags:\t0100001\n", "write" },
        { "pos:\t0\nflags:\t02140002\nmnt_id:\t2\n", "write" },
        { "flags:\t010000000\n", "" }, { "", "" }, { "flags:\tx\n", "" },
    };

    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        make_process(70, "dd\n", rows[i].flags);
        if (!CHECK_EQ(find(&file), rows[i].what[0] != 0))
            NOTE("in row %u", i);
        if (!nr_found)
            continue;
        check_found(0, HOLDER_OPENER, "", rows[i].what, false);
        CHECK_EQ(found[0].pid, 70);
        CHECK_STR(found[0].process, "dd");
    }
    make_process(70, "dd\n", "flags:\t01\n");
    find(&file);
    check_text(0, "open for writing in dd, pid 70");
    remove_process(70);
}

/* One with two descriptors is one, and writes if one of them does. */
static void check_two_descriptors(void)
{
    make_process(70, "dd\n", "flags:\t0\n");
    tree_link("proc/70/fd/8", "../../../disk");
    tree_text("proc/70/fdinfo/8", "flags:\t01\n");
    tree_link("proc/70/fd/9", "../../../other");
    CHECK_EQ(find(&file), 1);
    check_found(0, HOLDER_OPENER, "", "write", false);
    remove_process(70);
}

static void check_vanishing(void)
{
    tree_make_directories("proc/1/");                 /* no fd at all */
    tree_link("proc/2/fd/3", "socket:[1]");           /* leads nowhere */
    tree_link("proc/3/fd/3", "../../../disk");        /* no fdinfo */
    make_process(4, "x\n", "flags:\t02\n");
    tree_remove("proc/4/comm");
    tree_link("proc/5/fd/x", "../../../disk");        /* no descriptor */
    CHECK_EQ(find(&file), 1);
    CHECK_EQ(found[0].pid, 4);
    check_text(0, "open for writing in pid 4");
    for (int pid = 1; pid <= 5; pid++)
        remove_process(pid);
}

static void check_odd_names(void)
{
    make_process(70, "a\033[2J\303\251\\b\nc\n", "flags:\t01\n");
    CHECK_EQ(find(&file), 1);
    CHECK_STR(found[0].process, "a\\033[2J\\303\\251\\134b");
    make_process(70, "\033\033\033\033\033\033\033\033\033\033\033",
                 "flags:\t01\n");
    CHECK_EQ(find(&file), 1);
    CHECK_EQ(strlen(found[0].process), 28);
    remove_process(70);
}

static void check_except(void)
{
    const pid_t except[] = { 71, 70, 0 };

    make_process(70, "vbdd\n", "flags:\t02\n"
                 "lock:\t1: FLOCK  ADVISORY  WRITE 70 00:00:1 0 EOF\n");
    make_process(72, "dd\n", "flags:\t01\n");
    CHECK_EQ(find(&file), 3);
    CHECK_EQ(find_except(&file, except), 1);
    CHECK_EQ(found[0].pid, 72);
    remove_process(70);
    remove_process(72);
}

/* --- locks ---------------------------------------------------------------- */

/* What our own claims mind, seen from outside. Of QEMU: what it does is a byte
 * from 100 on, what it lets nobody else do one from 200 on; 0 reads, 1 writes,
 * 2 writes the same again, 3 resizes. */
static void check_exclusion(void)
{
    static const struct {
        const char *lock, *what;
        bool writer, reader; /* kept out */
    } rows[] = {
        { "FLOCK  ADVISORY  WRITE 1 00:00:1 0 EOF", "flock", true, true },
        { "FLOCK  ADVISORY  READ 1 00:00:1 0 EOF", "flock, shared", true,
          false },
        { "OFDLCK ADVISORY  READ -1 00:00:1 100 100",
          "OFD lock, bytes 100, as QEMU's", true, false },
        { "POSIX ADVISORY  WRITE 1 00:00:1 100 100",
          "POSIX lock, bytes 100, as QEMU's", true, true },
        { "OFDLCK ADVISORY  READ -1 00:00:1 101 101",
          "OFD lock, bytes 101, as QEMU's", true, true },
        { "OFDLCK ADVISORY  READ -1 00:00:1 103 103",
          "OFD lock, bytes 103, as QEMU's", true, true },
        { "OFDLCK ADVISORY  WRITE -1 00:00:1 103 103",
          "OFD lock, bytes 103, as QEMU's", true, true },
        { "OFDLCK ADVISORY  READ -1 00:00:1 104 104",
          "OFD lock, bytes 104, as QEMU's", false, false },
        { "OFDLCK ADVISORY  READ -1 00:00:1 203 203",
          "OFD lock, bytes 203, as QEMU's", false, false },
        { "OFDLCK ADVISORY  WRITE -1 00:00:1 203 203",
          "OFD lock, bytes 203, as QEMU's", true, true },
        { "OFDLCK ADVISORY  READ -1 00:00:1 201 201",
          "OFD lock, bytes 201, as QEMU's", true, false },
        { "OFDLCK ADVISORY  READ -1 00:00:1 200 200",
          "OFD lock, bytes 200, as QEMU's", true, true },
        { "OFDLCK ADVISORY  WRITE -1 00:00:1 105 199",
          "OFD lock, bytes 105-199", false, false },
        { "POSIX  ADVISORY  WRITE 1 00:00:1 0 EOF",
          "POSIX lock, bytes 0-end", true, true },
        { "POSIX  ADVISORY  READ 1 00:00:1 0 99",
          "POSIX lock, bytes 0-99", false, false },
        { "OFDLCK ADVISORY  READ -1 00:00:1 205 18446744073709551615",
          "OFD lock, bytes 205-end", false, false },
    };
    char info[200];

    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(info, sizeof info, "flags:\t010000000\nlock:\t1: %s\n",
                 rows[i].lock);
        make_process(1, "x\n", info);
        CHECK_EQ(find(&file), 1);
        check_found(0, HOLDER_LOCK, "", rows[i].what, rows[i].writer);
        CHECK_EQ(found[0].excludes_reader, rows[i].reader);
    }
    remove_process(1);
}

/* The locks of a whole disk, for who wants a partition, and the other way
 * round: node is one and then the other. */
static struct stat node_status;

static void check_parts(void)
{
    static const struct {
        const char *lock;
        bool part_writer, part_reader;
    } rows[] = {
        { "FLOCK  ADVISORY  WRITE 1 00:00:1 0 EOF", false, false },
        { "OFDLCK ADVISORY  READ -1 00:00:1 100 103", false, false },
        { "OFDLCK ADVISORY  READ -1 00:00:1 200 200", true, true },
        { "OFDLCK ADVISORY  READ -1 00:00:1 201 201", true, false },
    };
    struct blockdev part = { .is_block = true, .device = makedev(200, 1),
                             .whole = node_status.st_rdev };
    struct blockdev whole = { .is_block = true, .device = makedev(200, 0),
                              .whole = makedev(200, 0) };
    unsigned node_major = major(node_status.st_rdev),
             node_minor = minor(node_status.st_rdev);
    char info[200];

    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(info, sizeof info, "flags:\t010000000\nlock:\t1: %s\n",
                 rows[i].lock);
        tree_text("proc/1/fdinfo/7", info);
        tree_device("sda", node_major, node_minor);
        tree_device("sda/sda1", 200, 1);
        CHECK_EQ(find(&part), 1);
        CHECK_STR(found[0].device, "sda");
        CHECK_EQ(found[0].excludes, rows[i].part_writer);
        CHECK_EQ(found[0].excludes_reader, rows[i].part_reader);
        tree_device("sdb", 200, 0);
        tree_device("sdb/sdb1", node_major, node_minor);
        CHECK_EQ(find(&whole), 1);
        CHECK_STR(found[0].device, "sdb1");
        CHECK(!found[0].excludes && !found[0].excludes_reader);
    }
    remove_process(1);
}

static void check_no_locks(void)
{
    static const char *const rows[] = {
        "1: -> FLOCK  ADVISORY  WRITE 1 00:00:1 0 EOF",
        "1: LEASE  ACTIVE    READ 1 00:00:1 0 EOF",
        "1: FLOCK  ADVISORY  WRITE 1 00:00:1 0", "1: FLOCK", "", "x: y",
        "1: FLOCKADVISORYWRITEANDMUCHMORE a WRITE 1 00:00:1 0 EOF",
    };
    char info[200];

    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(info, sizeof info, "flags:\t010000000\nlock:\t%s\n", rows[i]);
        make_process(1, "x\n", info);
        if (!CHECK_EQ(find(&file), 0))
            NOTE("in row %u", i);
    }
    remove_process(1);
}

#define QEMU_INFO "flags:\t02\n" \
    "lock:\t1: OFDLCK ADVISORY  READ -1 00:00:1 100 101\n" \
    "lock:\t2: OFDLCK ADVISORY  READ -1 00:00:1 103 103\n" \
    "lock:\t3: OFDLCK ADVISORY  READ -1 00:00:1 201 201\n"

/* All of one process are one; /proc/locks has no more to say of them, and
 * nothing of other files. */
static void check_qemu(void)
{
    char text[1000];
    unsigned dev_major = major(file.device), dev_minor = minor(file.device);
    unsigned long inode = file.inode;

    make_process(12, "qemu-img\n", QEMU_INFO);
    snprintf(text, sizeof text,
             "1: OFDLCK ADVISORY  READ -1 %02x:%02x:%lu 100 101\n"
             "2: OFDLCK ADVISORY  READ -1 %02x:%02x:%lu 103 103\n"
             "2: -> OFDLCK ADVISORY  WRITE -1 %02x:%02x:%lu 103 103\n"
             "3: OFDLCK ADVISORY  READ -1 %02x:%02x:%lu 201 201\n"
             "4: FLOCK  ADVISORY  WRITE 1 %02x:%02x:%lu 0 EOF\n"
             "5: FLOCK  ADVISORY  WRITE 1 %02x:%02x:%lu 0 EOF\n", dev_major,
             dev_minor, inode, dev_major, dev_minor, inode, dev_major,
             dev_minor, inode, dev_major, dev_minor, inode, dev_major,
             dev_minor, inode + 1, dev_major, dev_minor + 1, inode);
    tree_text("proc/locks", text);
    CHECK_EQ(find(&file), 2);
    check_found(0, HOLDER_LOCK, "",
                "OFD lock, bytes 100-101, 103, 201, as QEMU's", true);
    check_text(0, "locked by qemu-img, pid 12 "
               "(OFD lock, bytes 100-101, 103, 201, as QEMU's)");
    check_found(1, HOLDER_OPENER, "", "write", false);
}

/* The same locks of a process that cannot be looked at. */
static void check_unseen_process(void)
{
    char text[200];

    remove_process(12);
    CHECK_EQ(find(&file), 3);
    check_text(0, "locked by a process that cannot be seen "
               "(OFD lock, bytes 100-101, as QEMU's)");
    snprintf(text, sizeof text,
             "1: FLOCK  ADVISORY  WRITE 77 %02x:%02x:%lu 0 EOF\n",
             major(file.device), minor(file.device),
             (unsigned long)file.inode);
    tree_text("proc/locks", text);
    tree_text("proc/77/comm", "nightly\n");
    CHECK_EQ(find(&file), 1);
    check_text(0, "locked by nightly, pid 77 (flock)");
    remove_process(77);
    tree_remove("proc/locks");
}

/* More of them than anybody has: nothing is written behind a text's end. */
static void check_many(void)
{
    char *info = malloc(100000), *end = info;

    for (unsigned i = 0; i < 1000; i++)
        end += sprintf(end, "lock:\t1: POSIX ADVISORY READ 1 00:00:1 %u %u\n",
                       1000 + 2 * i, 1000 + 2 * i);
    make_process(1, "x\n", info);
    CHECK_EQ(find(&file), 1);
    CHECK(strlen(found[0].what) < sizeof found[0].what);
    CHECK(strncmp(found[0].what, "POSIX lock, bytes 1000, 1002", 28) == 0);
    remove_process(1);
    free(info);
}

/* What excludes comes before what only has it open, whatever the order. */
static void check_named(void)
{
    char text[200];

    make_process(5, "dd\n", "flags:\t01\n");
    CHECK(holders_name(&file, text, sizeof text));
    CHECK_STR(text, "open for writing in dd, pid 5");
    make_process(6, "qemu-io\n", "flags:\t02\n"
                 "lock:\t1: OFDLCK ADVISORY  READ -1 00:00:1 101 101\n");
    CHECK(holders_name(&file, text, sizeof text));
    CHECK_STR(text, "locked by qemu-io, pid 6 "
              "(OFD lock, bytes 101, as QEMU's)");
    CHECK(holders_name(&file, text, 12));
    CHECK_STR(text, "locked by q");
}

/* What an attach asks for, each time, may not depend on how many processes
 * there are. */
static void check_lockless(void)
{
    char line[512];

    make_process(70, "dd\n", "flags:\t01\n"
                 "lock:\t1: FLOCK  ADVISORY  WRITE 70 08:01:9 0 EOF\n");
    snprintf(line, sizeof line, "%s/disk file 1 0 -2\n", tree);
    tree_text("proc/swaps", line);
    CHECK(find(&file) > 2);
    nr_found = 0;
    holders_find_lockless(&file, take_found, NULL);
    CHECK_EQ(nr_found, 1);
    check_found(0, HOLDER_SWAP, "", tree_path("disk"), true);
    tree_remove("proc/swaps");
    remove_process(70);
}

int main(void)
{
    const char *node;
    struct stat status;

    tree_begin();
    tree_text("disk", "x");
    tree_text("other", "x");
    REQUIRE(stat(tree_path("disk"), &status) == 0);
    file = (struct blockdev){ .device = status.st_dev, .inode = status.st_ino,
                              .node_device = status.st_dev,
                              .node_inode = status.st_ino };
    TEST("readers and writers are found, O_PATH is neither", check_openers);
    TEST("a process is found once, and writes if any descriptor does",
         check_two_descriptors);
    TEST("processes that vanish are passed over", check_vanishing);
    TEST("odd names are printable, and cut between characters",
         check_odd_names);
    TEST("excepted processes are passed over", check_except);
    TEST("each lock keeps out whom it keeps out", check_exclusion);
    node = tree_find_node(&node_status);
    if (node) {
        tree_link("proc/1/fd/7", node);
        TEST("locks of a disk and of its partitions keep out whom they must",
             check_parts);
    } else {
        tap_skip("locks of a disk and of its partitions", "a block device");
    }
    TEST("who waits, leases and torn lines are no locks", check_no_locks);
    TEST("QEMU's locks are one, and found once", check_qemu);
    TEST("locks of processes that cannot be seen are found",
         check_unseen_process);
    TEST("a thousand locks fit", check_many);
    TEST("who excludes is named before who has it open", check_named);
    TEST("who asks for no lock is found without a look at processes",
         check_lockless);
    return tree_end();
}
