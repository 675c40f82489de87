/* Makes the reads of one file fail, or be short, and what is written to it, while a control file says so: see main.rs. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

struct fault {
    int error;          /* an errno, or 0 for short reads */
    long long from, to; /* the bytes of the file that it concerns */
};

/* Whether there is a fault of the file just now. The control file has one line: errno, from, to, how the file's path ends. */
static int fault_of(int fd, struct fault *fault)
{
    char text[512], link[64], path[1024], ending[256];
    const char *control = getenv("FAULTS");
    int file = control ? (int)syscall(SYS_openat, AT_FDCWD, control, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0)
        return 0;
    ssize_t len = syscall(SYS_read, file, text, sizeof text - 1);
    syscall(SYS_close, file);
    text[len > 0 ? len : 0] = 0;
    if (sscanf(text, "%d %lld %lld %255s", &fault->error, &fault->from, &fault->to, ending) != 4)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    len = readlink(link, path, sizeof path - 1);
    size_t wanted = strlen(ending);
    return len >= (ssize_t)wanted && memcmp(path + len - wanted, ending, wanted) == 0;
}

/* How much may be read of `count` bytes at `at`; -1 for an error, with errno set. */
static ssize_t allowed(int fd, size_t count, long long at)
{
    static atomic_uint reads;
    struct fault fault;
    int before = errno;
    int faulty = fault_of(fd, &fault) && at < fault.to && at + (long long)count > fault.from;
    errno = before;
    if (!faulty || count == 0)
        return count;
    unsigned number = atomic_fetch_add(&reads, 1);
    if (fault.error == 0)
        return 1 + (count - 1) % (1 + number % 977);
    /* A signal interrupts a read, but not the next. */
    if (fault.error == EINTR && number % 2)
        return count;
    errno = fault.error;
    return -1;
}

ssize_t pread64(int fd, void *buffer, size_t count, off64_t at)
{
    static ssize_t (*real)(int, void *, size_t, off64_t);
    if (!real)
        real = dlsym(RTLD_NEXT, "pread64");
    ssize_t most = allowed(fd, count, at);
    return most < 0 ? most : real(fd, buffer, most, at);
}

/* One buffer is all that is asked for. */
ssize_t preadv64v2(int fd, const struct iovec *buffers, int count, off64_t at, int flags)
{
    static ssize_t (*real)(int, const struct iovec *, int, off64_t, int);
    if (!real)
        real = dlsym(RTLD_NEXT, "preadv64v2");
    if (count != 1)
        abort();
    ssize_t most = allowed(fd, buffers->iov_len, at);
    struct iovec buffer = {buffers->iov_base, most < 0 ? 0 : most};
    return most < 0 ? most : real(fd, &buffer, 1, at, flags);
}

ssize_t read(int fd, void *buffer, size_t count)
{
    static ssize_t (*real)(int, void *, size_t);
    if (!real)
        real = dlsym(RTLD_NEXT, "read");
    int before = errno;
    long long at = syscall(SYS_lseek, fd, 0, SEEK_CUR);
    errno = before;
    /* What has no position is no file. */
    ssize_t most = at < 0 ? (ssize_t)count : allowed(fd, count, at);
    return most < 0 ? most : real(fd, buffer, most);
}

/* Only a file that is lost altogether cannot be asked about. */
int statx(int dir, const char *restrict path, int flags, unsigned mask, struct statx *restrict out)
{
    static int (*real)(int, const char *, int, unsigned, struct statx *);
    if (!real)
        real = dlsym(RTLD_NEXT, "statx");
    struct fault fault;
    int before = errno;
    int lost = (flags & AT_EMPTY_PATH) && fault_of(dir, &fault) && fault.error == ESTALE;
    errno = before;
    if (lost) {
        errno = ESTALE;
        return -1;
    }
    return real(dir, path, flags, mask, out);
}

/* What is appended, to a disk that has no room from a byte of the file on. */
ssize_t write(int fd, const void *buffer, size_t count)
{
    static ssize_t (*real)(int, const void *, size_t);
    struct fault fault;
    struct stat file;
    if (!real)
        real = dlsym(RTLD_NEXT, "write");
    int before = errno;
    int faulty = fault_of(fd, &fault) && fstat(fd, &file) == 0 && file.st_size + (long long)count > fault.from;
    errno = before;
    if (!faulty || fault.from < 0)
        return real(fd, buffer, count);
    if (file.st_size < fault.from)
        return real(fd, buffer, fault.from - file.st_size);
    errno = fault.error;
    return -1;
}

/* Where only this is to fail, the bytes are those before -1, which no read and no write concerns. */
int fdatasync(int fd)
{
    static int (*real)(int);
    struct fault fault;
    if (!real)
        real = dlsym(RTLD_NEXT, "fdatasync");
    int before = errno;
    int faulty = fault_of(fd, &fault) && fault.from < 0;
    errno = before;
    if (!faulty)
        return real(fd);
    errno = fault.error;
    return -1;
}
