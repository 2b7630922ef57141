/* A process of the host (POSIX) that is a node. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "board.h"
#include "link.h"

#define SLOT_SIZE (4u << 20)
#define ARENA_SIZE (8u << 20)

static const char usage[] =
    "usage: " BOARD_NAME " [--port N | --pty | --stdio] [--slots FILE]\n"
    "  --port N      listen on 127.0.0.1:N; 0, the default, takes a free port and prints the URL\n"
    "  --pty         make a pseudo-terminal and print its path\n"
    "  --stdio       speak on standard input and output\n"
    "  --slots FILE  keep the bundle slots in FILE (made if missing); without it they are lost at exit\n";

static board_resources resources = {.slot_memory = "ram"};
static uint64_t arena[ARENA_SIZE / sizeof(uint64_t)];
static uint64_t slots_in_ram[ET_NODE_SLOTS * SLOT_SIZE / sizeof(uint64_t)];
static uint8_t *slots = (uint8_t *)slots_in_ram;
static int slots_in_file;

static void stop(int number)
{
    (void)number;
    _exit(0); /* a slot is whole at every moment, and a node keeps nothing else */
}

__attribute__((noreturn)) static void fail(const char *what)
{
    fprintf(stderr, BOARD_NAME ": %s: %s\n", what, strerror(errno));
    exit(2);
}

__attribute__((noreturn)) static void fail_usage(void)
{
    fputs(usage, stderr);
    exit(2);
}

static void map_slots(const char *path)
{
    int file = open(path, O_RDWR | O_CREAT, 0600);
    struct stat status;
    off_t size = (off_t)ET_NODE_SLOTS * SLOT_SIZE;
    if (file < 0 || fstat(file, &status) != 0)
        fail(path);
    if (status.st_size != 0 && status.st_size != size) {
        fprintf(stderr, BOARD_NAME ": %s: not a slots file (%lld bytes, expected %lld)\n", path,
                (long long)status.st_size, (long long)size);
        exit(2);
    }
    if (ftruncate(file, size) != 0)
        fail(path);
    void *mapped = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (mapped == MAP_FAILED)
        fail(path);
    close(file);
    slots = mapped;
    slots_in_file = 1;
    resources.slot_memory = "file";
}

static unsigned parse_port(const char *text)
{
    char *end;
    unsigned long port = strtoul(text, &end, 10);
    if (*text == '\0' || *end != '\0' || port > 65535u)
        fail_usage();
    return (unsigned)port;
}

const board_resources *board_init(int argc, char **argv)
{
    unsigned port = 0;
    int pty = 0, stdio = 0;
    for (int i = 1; i < argc; ++i) {
        if (strcmp(argv[i], "--pty") == 0) {
            pty = 1;
        } else if (strcmp(argv[i], "--stdio") == 0) {
            stdio = 1;
        } else if (strcmp(argv[i], "--port") == 0 && i + 1 < argc) {
            port = parse_port(argv[++i]);
        } else if (strcmp(argv[i], "--slots") == 0 && i + 1 < argc) {
            map_slots(argv[++i]);
        } else {
            fail_usage();
        }
    }
    signal(SIGTERM, stop);
    signal(SIGINT, stop);
    signal(SIGPIPE, SIG_IGN);
    if (stdio) {
        link_use_stdio();
    } else if ((pty ? link_open_pty() : link_listen(port)) != 0) {
        fail(pty ? "no pseudo-terminal" : "cannot listen");
    }
    for (unsigned slot = 0; slot < ET_NODE_SLOTS; ++slot) {
        resources.slots[slot] = (et_slot){slots + (size_t)slot * SLOT_SIZE, SLOT_SIZE};
    }
    resources.arena = (uint8_t *)arena;
    resources.arena_size = sizeof arena;
    return &resources;
}

uint32_t board_clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)((uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u);
}

uint32_t board_ticks(void) { return 0; }

void board_feed(void) {}

void board_entropy(uint8_t bytes[ET_NODE_NONCE])
{
    int source = open("/dev/urandom", O_RDONLY);
    size_t size = 0;
    while (source >= 0 && size < ET_NODE_NONCE) {
        ssize_t got = read(source, bytes + size, ET_NODE_NONCE - size);
        if (got > 0) {
            size += (size_t)got;
        } else if (errno != EINTR) {
            break;
        }
    }
    if (size < ET_NODE_NONCE)
        fail("/dev/urandom");
    close(source);
}

/* So that a slot survives the machine, too: what was written before is on the disk before what is written next. */
static et_status keep(unsigned slot)
{
    if (!slots_in_file)
        return ET_OK;
    return msync(slots + (size_t)slot * SLOT_SIZE, SLOT_SIZE, MS_SYNC) == 0 ? ET_OK : ET_ERR_FLASH;
}

et_status board_slot_erase(unsigned slot)
{
    memset(slots + (size_t)slot * SLOT_SIZE, 0xFF, SLOT_SIZE);
    return keep(slot);
}

et_status board_slot_program(unsigned slot, size_t offset, const uint8_t *bytes, size_t size)
{
    memcpy(slots + (size_t)slot * SLOT_SIZE + offset, bytes, size);
    return keep(slot);
}

void board_exit(int code) { exit(code); }
