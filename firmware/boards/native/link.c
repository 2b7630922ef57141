#include "link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "board.h"

#define IDLE_MS 2

static int listener = -1; /* TCP only */
static int input = -1, output = -1;
static int uses_stdio;
static const char *terminal_path; /* pseudo-terminal only */
static int terminal = -1;         /* its host's end, while no host has it */
static int hung_up;

static int set_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

int link_listen(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t size = sizeof address;
    int on = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
        return -1;
    if (bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 4) != 0)
        return -1;
    if (set_nonblocking(listener) != 0 || getsockname(listener, (struct sockaddr *)&address, &size) != 0)
        return -1;
    printf("socket://127.0.0.1:%u\n", (unsigned)ntohs(address.sin_port));
    return fflush(stdout);
}

/* Without anyone at the host's end every read would fail; and it is set here for hosts that set nothing themselves. */
static int hold_terminal(void)
{
    struct termios raw;
    terminal = open(terminal_path, O_RDWR | O_NOCTTY);
    if (terminal < 0 || tcgetattr(terminal, &raw) != 0)
        return -1;
    raw.c_iflag &= ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    raw.c_oflag &= ~(tcflag_t)OPOST;
    raw.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
    raw.c_cflag = (raw.c_cflag & ~(tcflag_t)(CSIZE | PARENB)) | CS8;
    return tcsetattr(terminal, TCSANOW, &raw);
}

/* The first bytes show that a host has opened it: from then on the host's leaving must be seen. */
static void leave_terminal(void)
{
    if (terminal < 0)
        return;
    close(terminal);
    terminal = -1;
}

int link_open_pty(void)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0)
        return -1;
    terminal_path = ptsname(master);
    if (terminal_path == NULL || hold_terminal() != 0 || set_nonblocking(master) != 0)
        return -1;
    input = output = master;
    printf("%s\n", terminal_path);
    return fflush(stdout);
}

void link_use_stdio(void)
{
    uses_stdio = 1;
    input = STDIN_FILENO;
    output = STDOUT_FILENO;
}

static void link_lost(void)
{
    if (uses_stdio)
        exit(0);
    hung_up = 1;
    if (terminal_path != NULL) { /* outlives its hosts */
        if (terminal < 0 && hold_terminal() != 0)
            exit(2);
        return;
    }
    close(input);
    input = output = -1;
}

static void accept_host(void)
{
    int on = 1;
    int host = accept(listener, NULL, NULL);
    if (host < 0)
        return;
    (void)setsockopt(host, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)set_nonblocking(host);
    input = output = host;
}

static int would_block(void) { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

size_t board_read(uint8_t *bytes, size_t capacity)
{
    struct pollfd ready = {.fd = input, .events = POLLIN};
    if (input < 0 || poll(&ready, 1, 0) <= 0)
        return 0;
    ssize_t size = read(input, bytes, capacity);
    if (size == 0 || (size < 0 && !would_block()))
        link_lost();
    if (size > 0)
        leave_terminal();
    return size > 0 ? (size_t)size : 0;
}

void board_write(const uint8_t *bytes, size_t size)
{
    while (size > 0 && output >= 0) { /* without a host the bytes are lost, as on a wire */
        ssize_t taken = write(output, bytes, size);
        if (taken > 0) {
            bytes += taken;
            size -= (size_t)taken;
        } else if (would_block()) {
            struct pollfd ready = {.fd = output, .events = POLLOUT};
            (void)poll(&ready, 1, -1);
            if ((ready.revents & POLLHUP) != 0) {
                link_lost();
                return;
            }
        } else {
            link_lost();
            return;
        }
    }
}

int board_hung_up(void)
{
    int was_lost = hung_up;
    hung_up = 0;
    return was_lost;
}

void board_idle(void)
{
    struct pollfd ready = {.fd = input >= 0 ? input : listener, .events = POLLIN};
    if (poll(&ready, 1, IDLE_MS) > 0 && input < 0)
        accept_host();
}
