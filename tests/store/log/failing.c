/* A disk with EIO, and what a failed fsync leaves of it.

   Loaded before a program (LD_PRELOAD), it looks at the file EIO_SWITCH at each call on a file below EIO_ROOT: with a 'w' in
   it write, pwrite and ftruncate fail with EIO, with an 's' fsync and fdatasync do.

   After a failed fsync Linux takes the pages for clean: the next fsync returns 0 and writes none of them, though whoever
   reads the file still sees them (P. Rebello et al., Can Applications Recover from fsync Failures?, USENIX ATC 2020). Where
   EIO_DISK names a folder, it is that disk: a sync that returns 0 copies the blocks of 4096 bytes that were written since
   the last sync of that file, failed or not, to a file of the same name; what a failed one should have written is never
   copied unless it is written again. Names count as synced: that is unsynced.c's matter. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK 4096
#define FILES 64
#define BLOCKS (1 << 16) /* 256 MiB a file */

static struct { ino_t inode; unsigned char dirty[BLOCKS]; } files[FILES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int path_of(int file, char *path) {
    const char *root = getenv("EIO_ROOT");
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t n = root ? readlink(link, path, PATH_MAX - 1) : -1;
    if (n < 0) return 0;
    path[n] = 0;
    return !strncmp(path, root, strlen(root));
}

static int fails(int file, char how) {
    char path[PATH_MAX], told[8] = "";
    if (!path_of(file, path)) return 0;
    int on = open(getenv("EIO_SWITCH"), O_RDONLY);
    if (on < 0) return 0;
    ssize_t n = read(on, told, sizeof told - 1);
    close(on);
    return n > 0 && strchr(told, how) != NULL;
}

static unsigned char *dirty_of(int file) {
    struct stat seen;
    char path[PATH_MAX];
    if (!getenv("EIO_DISK") || !path_of(file, path) || fstat(file, &seen) || !S_ISREG(seen.st_mode)) return NULL;
    for (int i = 0; i < FILES; i++) {
        if (!files[i].inode) files[i].inode = seen.st_ino;
        if (files[i].inode == seen.st_ino) return files[i].dirty;
    }
    abort();
}

static void note(int file, off_t at, ssize_t n) {
    int before = errno;
    pthread_mutex_lock(&lock);
    unsigned char *dirty = n > 0 ? dirty_of(file) : NULL;
    if (dirty && at + n >= (off_t)BLOCKS * BLOCK) abort();
    for (off_t i = at / BLOCK; dirty && i <= (at + n - 1) / BLOCK; i++) dirty[i] = 1;
    pthread_mutex_unlock(&lock);
    errno = before;
}

static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_write)(int, const void *, size_t);
static int (*real_ftruncate)(int, off_t);

__attribute__((constructor)) static void begin(void) {
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_write = dlsym(RTLD_NEXT, "write");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
}

static void keep(int file, unsigned char *dirty) {
    char path[PATH_MAX], to[PATH_MAX], block[BLOCK];
    struct stat seen;
    if (!path_of(file, path) || fstat(file, &seen)) abort();
    if (snprintf(to, sizeof to, "%s/%s", getenv("EIO_DISK"), strrchr(path, '/') + 1) >= (int)sizeof to) abort();
    int out = open(to, O_WRONLY | O_CREAT, 0600);
    if (out < 0 || real_ftruncate(out, seen.st_size)) abort();
    for (off_t i = 0; i * BLOCK < seen.st_size; i++) {
        ssize_t n = dirty[i] ? pread(file, block, BLOCK, i * BLOCK) : 0;
        if (n > 0 && real_pwrite(out, block, n, i * BLOCK) != n) abort();
    }
    close(out);
}

static int sync_(int file) {
    int failed = fails(file, 's');
    pthread_mutex_lock(&lock);
    unsigned char *dirty = dirty_of(file);
    if (dirty && !failed) keep(file, dirty);
    if (dirty) memset(dirty, 0, BLOCKS);
    pthread_mutex_unlock(&lock);
    errno = failed ? EIO : errno;
    return failed ? -1 : 0;
}

int fsync(int file) { return sync_(file); }
int fdatasync(int file) { return sync_(file); }

ssize_t pwrite64(int file, const void *from, size_t n, off_t at) {
    if (fails(file, 'w')) return errno = EIO, -1;
    ssize_t done = real_pwrite(file, from, n, at);
    note(file, at, done);
    return done;
}

ssize_t pwrite(int file, const void *from, size_t n, off_t at) { return pwrite64(file, from, n, at); }

ssize_t write(int file, const void *from, size_t n) {
    if (fails(file, 'w')) return errno = EIO, -1;
    off_t at = lseek(file, 0, SEEK_CUR);
    ssize_t done = real_write(file, from, n);
    if (at >= 0) note(file, at, done);
    return done;
}

int ftruncate64(int file, off_t size) {
    if (fails(file, 'w')) return errno = EIO, -1;
    return real_ftruncate(file, size);
}

int ftruncate(int file, off_t size) { return ftruncate64(file, size); }
