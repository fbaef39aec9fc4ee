/* Counts the calls that change files below some places, and has one of them fail. Loaded into a daemon by LD_PRELOAD.
 *
 *   FAULTS_BELOW   paths, separated by ':'; a call on one, or below it, or on one with `-` and more behind it, counts
 *   FAULTS_TRACE   a file that gets a line for each such call: its number, its name, its path
 *   FAULTS_FAIL    which is to fail, and how: NUMBER:HOW:ERRNO
 *                    lost    nothing is done
 *                    done    it is done, and reported as failed
 *                    torn    a write does half of its bytes, and the next call on that file is lost
 *                    stands  this call and all after it that need room are lost while the file FAULTS_STAND is there
 *   FAULTS_STAND   see `stands`
 *
 * What the program calls without the C library's symbols is not seen.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum how { NONE, LOST, DONE, TORN, STANDS };

static const char *below;
static const char *stand;
static int trace = -1;
static long fail_at = -1;
static enum how fail_how = NONE;
static int fail_errno = EIO;
static atomic_long calls;
/* The path of the file that a torn write was to, while its next call is still to come. */
static char torn_path[PATH_MAX];
static atomic_int torn_waits;

__attribute__((constructor)) static void begin(void)
{
    below = getenv("FAULTS_BELOW");
    stand = getenv("FAULTS_STAND");
    const char *trace_path = getenv("FAULTS_TRACE");
    const char *fail = getenv("FAULTS_FAIL");
    if (trace_path) {
        int made = syscall(SYS_openat, AT_FDCWD, trace_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        /* Out of the way of numbers that the program may count on. */
        trace = fcntl(made, F_DUPFD_CLOEXEC, 200);
        syscall(SYS_close, made);
    }
    char how[16];
    if (fail && sscanf(fail, "%ld:%15[a-z]:%d", &fail_at, how, &fail_errno) == 3) {
        fail_how = !strcmp(how, "lost")     ? LOST
                   : !strcmp(how, "done")   ? DONE
                   : !strcmp(how, "torn")   ? TORN
                   : !strcmp(how, "stands") ? STANDS
                                            : NONE;
    }
}

static int counts(const char *path)
{
    for (const char *place = below; place && *place;) {
        size_t length = strcspn(place, ":");
        if (!strncmp(path, place, length) && (path[length] == 0 || path[length] == '/' || path[length] == '-'))
            return 1;
        place += length + (place[length] == ':');
    }
    return 0;
}

static const char *path_of(int fd, char *out)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, out, PATH_MAX - 1);
    out[length < 0 ? 0 : length] = 0;
    return out;
}

/* How this call fails, if it does. */
static enum how strike(const char *name, const char *path)
{
    int before = errno;
    if (!counts(path))
        return NONE;
    long number = atomic_fetch_add(&calls, 1);
    char line[PATH_MAX + 64];
    int length = snprintf(line, sizeof line, "%ld %s %s\n", number, name, path);
    if (trace >= 0)
        syscall(SYS_write, trace, line, length);
    enum how how = NONE;
    if (number == fail_at)
        how = fail_how;
    else if (fail_how == STANDS && fail_at >= 0 && number > fail_at)
        how = STANDS;
    else if (atomic_load(&torn_waits) && !strcmp(path, torn_path) && atomic_exchange(&torn_waits, 0))
        how = LOST;
    if (how == STANDS) {
        int needs_room = !strcmp(name, "write") || !strcmp(name, "make") || !strcmp(name, "mkdir");
        how = needs_room && stand && syscall(SYS_faccessat, AT_FDCWD, stand, F_OK) == 0 ? LOST : NONE;
    }
    errno = before;
    return how;
}

static int report(void)
{
    errno = fail_errno;
    return -1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* A call that answers 0 and changes the file at `path`. */
#define SIMPLE(called, path, real)                     \
    do {                                               \
        enum how how_ = strike(called, path);          \
        if (how_ == NONE || how_ == TORN)              \
            return real;                               \
        if (how_ == DONE && (real) != 0)               \
            return -1;                                 \
        return report();                               \
    } while (0)

/* A call that answers how many of `count` bytes it wrote. */
#define WRITING(called, real_of)                       \
    do {                                               \
        char path[PATH_MAX];                           \
        enum how how_ = strike(called, path_of(fd, path)); \
        if (how_ == NONE)                              \
            return real_of(count);                     \
        if (how_ == TORN) {                            \
            if (count < 2)                             \
                return report();                       \
            strcpy(torn_path, path);                   \
            atomic_store(&torn_waits, 1);              \
            return real_of(count / 2);                 \
        }                                              \
        if (how_ == DONE && real_of(count) < 0)        \
            return -1;                                 \
        return report();                               \
    } while (0)

ssize_t write(int fd, const void *bytes, size_t count)
{
#define REAL_WRITE(n) REAL(write)(fd, bytes, n)
    WRITING("write", REAL_WRITE);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset)
{
#define REAL_PWRITE(n) REAL(pwrite)(fd, bytes, n, offset)
    WRITING("write", REAL_PWRITE);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset)
{
#define REAL_PWRITE64(n) REAL(pwrite64)(fd, bytes, n, offset)
    WRITING("write", REAL_PWRITE64);
}

int fsync(int fd)
{
    char path[PATH_MAX];
    SIMPLE("sync", path_of(fd, path), REAL(fsync)(fd));
}

int fdatasync(int fd)
{
    char path[PATH_MAX];
    SIMPLE("sync", path_of(fd, path), REAL(fdatasync)(fd));
}

int ftruncate(int fd, off_t length)
{
    char path[PATH_MAX];
    SIMPLE("cut", path_of(fd, path), REAL(ftruncate)(fd, length));
}

int ftruncate64(int fd, off64_t length)
{
    char path[PATH_MAX];
    SIMPLE("cut", path_of(fd, path), REAL(ftruncate64)(fd, length));
}

int rename(const char *from, const char *to)
{
    SIMPLE("rename", to, REAL(rename)(from, to));
}

int unlink(const char *path)
{
    SIMPLE("remove", path, REAL(unlink)(path));
}

int mkdir(const char *path, mode_t mode)
{
    SIMPLE("mkdir", path, REAL(mkdir)(path, mode));
}

/* Opening a file changes something where it may make or empty one. */
static int opened(int (*real)(const char *, int, ...), const char *path, int flags, mode_t mode)
{
    enum how how = flags & (O_CREAT | O_TRUNC) ? strike("make", path) : NONE;
    if (how == NONE || how == TORN)
        return real(path, flags, mode);
    if (how == DONE) {
        int fd = real(path, flags, mode);
        if (fd < 0)
            return -1;
        syscall(SYS_close, fd);
    }
    return report();
}

#define MODE                                           \
    mode_t mode = 0;                                   \
    if (flags & (O_CREAT | __O_TMPFILE)) {             \
        va_list more;                                  \
        va_start(more, flags);                         \
        mode = va_arg(more, mode_t);                   \
        va_end(more);                                  \
    }

int open(const char *path, int flags, ...)
{
    MODE return opened(REAL(open), path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    MODE return opened(REAL(open64), path, flags, mode);
}
