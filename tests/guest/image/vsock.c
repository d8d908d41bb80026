/* Speaks AF_VSOCK for shell scripts, which busybox cannot.

   vsock cid              prints this machine's own context id
   vsock answer PORT LINE waits for one connection and sends it LINE
   vsock ask CID PORT     connects and prints the line it is sent

   `ask` also takes the path of a vhost-device-vsock socket in place of CID. */

#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int fail(const char *what) {
    perror(what);
    return 1;
}

static struct sockaddr_vm vsock_addr(unsigned cid, const char *port) {
    struct sockaddr_vm addr = {
        .svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = strtoul(port, NULL, 10)};
    return addr;
}

static int print_cid(void) {
    unsigned cid;
    int fd = open("/dev/vsock", O_RDONLY);
    if (fd < 0 || ioctl(fd, IOCTL_VM_SOCKETS_GET_LOCAL_CID, &cid) < 0)
        return fail("/dev/vsock");
    printf("%u\n", cid);
    return 0;
}

static int answer(const char *port, const char *line) {
    struct sockaddr_vm addr = vsock_addr(VMADDR_CID_ANY, port);
    int listener = socket(AF_VSOCK, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&addr, sizeof addr) < 0 || listen(listener, 1) < 0)
        return fail("listen on vsock");
    printf("vsock: listening on port %s\n", port);
    fflush(stdout);
    int peer = accept(listener, NULL, NULL);
    if (peer < 0)
        return fail("accept on vsock");
    dprintf(peer, "%s\n", line);
    /* The other side says that it has read the line: the guest may power off next. */
    char c;
    return read(peer, &c, 1) == 1 ? 0 : fail("wait for the reader of the line");
}

/* Copies a line to `out`, if there is one; fails where the connection ends before the line. */
static int read_line(int fd, FILE *out) {
    char c = 0;
    while (c != '\n') {
        if (read(fd, &c, 1) != 1)
            return -1;
        if (out)
            fputc(c, out);
    }
    return 0;
}

static int connect_by_socket(const char *path, const char *port) {
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof addr.sun_path) {
        fprintf(stderr, "%s: longer than a socket's path can be\n", path);
        return -1;
    }
    strcpy(addr.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&addr, sizeof addr) < 0)
        return -1;
    dprintf(fd, "CONNECT %s\n", port);
    /* The reply is `OK PORT` and a newline, or the end of the connection. */
    return read_line(fd, NULL) < 0 ? -1 : fd;
}

static int connect_by_cid(const char *cid, const char *port) {
    struct sockaddr_vm addr = vsock_addr(strtoul(cid, NULL, 10), port);
    int fd = socket(AF_VSOCK, SOCK_STREAM, 0);
    return connect(fd, (struct sockaddr *)&addr, sizeof addr) < 0 ? -1 : fd;
}

static int ask(const char *whom, const char *port) {
    int fd = strchr(whom, '/') ? connect_by_socket(whom, port) : connect_by_cid(whom, port);
    if (fd < 0)
        return fail("connect over vsock");
    if (read_line(fd, stdout) < 0 || write(fd, "\n", 1) < 0)
        return fail("read over vsock");
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 2 && !strcmp(argv[1], "cid"))
        return print_cid();
    if (argc == 4 && !strcmp(argv[1], "answer"))
        return answer(argv[2], argv[3]);
    if (argc == 4 && !strcmp(argv[1], "ask"))
        return ask(argv[2], argv[3]);
    fprintf(stderr, "usage: vsock cid | answer PORT LINE | ask CID PORT\n");
    return 2;
}
