/* SPDX-License-Identifier: MIT
 * Claim: each xl configuration in docs/examples, and each disk line that a
 * document shows, is read by xl without a word; and each disk in them that is
 * ours has what vbdd wants: a raw format, a back end that runs scripts, and a
 * target with options that exist.
 * Source: xl-disk-configuration(5), vbdd(8) "Targets".
 * Mechanism: libxlutil, xl's own parser of both; then target_parse(). */
#include <glob.h>
#include <libxl_utils.h>
#include <libxlutil.h>
#include <stdlib.h>
#include <string.h>

#include "backend/supervisor/target.h"
#include "tests/unit/tap.h"

enum { REASON_BYTES = 512 };

static struct config config;
static unsigned nr_ours;

/* --- one line ------------------------------------------------------------- */

static int judge(const libxl_device_disk *disk, char reason[REASON_BYTES])
{
    struct target target;

    *reason = '\0';
    if (!disk->script || strcmp(disk->script, "block-vbdd") != 0)
        return 0;
    nr_ours++;
    if (disk->format != LIBXL_DISK_FORMAT_RAW ||
        (disk->backend != LIBXL_DISK_BACKEND_PHY &&
         disk->backend != LIBXL_DISK_BACKEND_TAP)) {
        strcpy(reason, "is not raw, or without phy and tap");
        return -EINVAL;
    }
    return target_parse(&target, &config, disk->pdev_path,
                        disk->readwrite ? "w" : "r", reason, REASON_BYTES);
}

/* What xl complains about, it writes to the report that cfg was made with. */
static int take_line(XLU_Config *cfg, const char *line,
                     char reason[REASON_BYTES])
{
    libxl_device_disk disk;
    int error;

    libxl_device_disk_init(&disk);
    strcpy(reason, "is not taken by xl");
    error = -xlu_disk_parse(cfg, 1, &line, &disk);
    if (!error && !disk.vdev)
        error = -EINVAL;
    if (!error)
        error = judge(&disk, reason);
    libxl_device_disk_dispose(&disk);
    return error;
}

static void check_line(XLU_Config *cfg, const char *line)
{
    char reason[REASON_BYTES];

    if (!CHECK_EQ(take_line(cfg, line, reason), 0))
        NOTE("'%s' %s", line, reason);
}

/* --- the examples --------------------------------------------------------- */

static FILE *open_report(void)
{
    FILE *report = tmpfile();

    REQUIRE(report);
    return report;
}

static void check_silent(FILE *report, const char *path)
{
    char text[REASON_BYTES];

    rewind(report);
    while (fgets(text, sizeof text, report)) {
        CHECK(!"xl says something");
        NOTE("%s: %s", path, text);
    }
    fclose(report);
}

static void check_example(const char *path)
{
    FILE *report = open_report();
    XLU_Config *cfg = xlu_cfg_init(report, path);
    XLU_ConfigList *disks;
    unsigned before = nr_ours;
    int count = 0;

    REQUIRE(cfg);
    if (CHECK_EQ(xlu_cfg_readfile(cfg, path), 0) &&
        CHECK_EQ(xlu_cfg_get_list(cfg, "disk", &disks, &count, 0), 0))
        for (int i = 0; i < count; i++)
            check_line(cfg, xlu_cfg_get_listitem(disks, i));
    if (!CHECK(nr_ours > before))
        NOTE("%s has no disk of ours", path);
    xlu_cfg_destroy(cfg);
    check_silent(report, path);
}

static void each_file(const char *pattern, void (*check)(const char *path))
{
    const char *top = getenv("top_srcdir");
    char path[1024];
    glob_t found;

    snprintf(path, sizeof path, "%s/%s", top ? top : ".", pattern);
    REQUIRE(glob(path, 0, NULL, &found) == 0);
    for (size_t i = 0; i < found.gl_pathc; i++)
        check(found.gl_pathv[i]);
    globfree(&found);
}

static void check_examples(void)
{
    each_file("docs/examples/*.cfg", check_example);
    NOTE("%u disks of ours", nr_ours);
}

/* --- the documents -------------------------------------------------------- */

/* "vdev=..." or 'vdev=...', on one line */
static void check_document(const char *path)
{
    static const char begin[] = "vdev=";
    FILE *report = open_report(), *document = fopen(path, "r");
    XLU_Config *cfg = xlu_cfg_init(report, path);
    char text[1024], *at, *end;

    REQUIRE(cfg && document);
    while (fgets(text, sizeof text, document)) {
        at = strstr(text, begin);
        if (!at || at == text || !strchr("\"'", at[-1]))
            continue;
        end = strchr(at, at[-1]);
        if (!CHECK(end))
            continue;
        *end = '\0';
        check_line(cfg, at);
    }
    fclose(document);
    xlu_cfg_destroy(cfg);
    check_silent(report, path);
}

static void check_documents(void)
{
    nr_ours = 0;
    each_file("README.md", check_document);
    each_file("docs/*.md", check_document);
    each_file("docs/*.pod", check_document);
    CHECK(nr_ours > 0);
    NOTE("%u disk lines", nr_ours);
}

/* --- what is wrong is found ----------------------------------------------- */

static void check_mistakes(void)
{
    static const char *const lines[] = {
        "vdev=xvda,fromat=raw,script=block-vbdd,backendtype=phy,target=/a",
        "vdev=xvda,access=maybe,script=block-vbdd,backendtype=phy,target=/a",
        "vdev=xvda,script=block-vbdd,backendtype=pyh,target=/a",
        "vdev=xvda,script=block-vbdd,backendtype=qdisk,target=/a",
        "vdev=xvda,format=qcow2,script=block-vbdd,backendtype=phy,target=/a",
        "script=block-vbdd,backendtype=phy,target=/a",
        "vdev=xvda,script=block-vbdd,backendtype=phy,target=qeues=2,/a",
        "vdev=xvda,script=block-vbdd,backendtype=phy,target=queues=9,/a",
        "vdev=xvda,script=block-vbdd,backendtype=phy,target=queues=2",
    };
    FILE *report = open_report();
    XLU_Config *cfg = xlu_cfg_init(report, "mistakes");
    char reason[REASON_BYTES];

    REQUIRE(cfg);
    for (unsigned i = 0; i < sizeof lines / sizeof *lines; i++)
        if (!CHECK(take_line(cfg, lines[i], reason) != 0))
            NOTE("taken: %s", lines[i]);
    xlu_cfg_destroy(cfg);
    fclose(report);
}

int main(void)
{
    config_init(&config);
    TEST("xl and vbdd take each disk of the examples", check_examples);
    TEST("and each disk line that a document shows", check_documents);
    TEST("a line with a mistake is refused by one of them", check_mistakes);
    config_free(&config);
    return tap_done();
}
