/* A disk that loses power: what fsync was not called for is gone.

   Loaded before a program (LD_PRELOAD), it copies a file's content to POWER_DISK whenever fsync or fdatasync returns for a
   file below POWER_ROOT, and a folder's list of names whenever a folder is synced. A name that was never synced with
   its folder, and content that was never synced with its file, are not there. After the program was killed the test
   builds from these copies what a disk may hold: the strictest reading of POSIX. Files are told apart by inode and
   moment of birth, so that a new file with an old one's number is not taken for it. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int name_of(int folder, const char *path, int flags, char *out, size_t size) {
    struct statx seen;
    if (statx(folder, path, flags | AT_SYMLINK_NOFOLLOW, STATX_INO | STATX_BTIME | STATX_TYPE, &seen)) return -1;
    snprintf(out, size, "%llu-%lld-%u", (unsigned long long)seen.stx_ino, (long long)seen.stx_btime.tv_sec,
             seen.stx_btime.tv_nsec);
    return S_ISDIR(seen.stx_mode) ? 1 : 0;
}

static void copy_file(int from, const char *to) {
    /* Read through the very descriptor: opening the file and closing it would let all its POSIX locks go. */
    char block[65536];
    off_t at = 0;
    ssize_t n;
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    while (out >= 0 && (n = pread(from, block, sizeof block, at)) > 0) {
        if (write(out, block, n) != n) abort();
        at += n;
    }
    close(out);
}

static void copy_names(int folder, const char *to) {
    char path[64], name[128];
    snprintf(path, sizeof path, "/proc/self/fd/%d", folder);
    DIR *open_ = opendir(path);
    FILE *out = fopen(to, "w");
    struct dirent *entry;
    while (open_ && out && (entry = readdir(open_))) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        int is_folder = name_of(dirfd(open_), entry->d_name, 0, name, sizeof name);
        if (is_folder >= 0) fprintf(out, "%c %s %s\n", is_folder ? 'd' : 'f', name, entry->d_name);
    }
    if (out) fclose(out);
    if (open_) closedir(open_);
}

static void keep(int file) {
    const char *root = getenv("POWER_ROOT"), *disk = getenv("POWER_DISK");
    char link[64], path[PATH_MAX], name[128], draft[PATH_MAX], final[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t n = root && disk ? readlink(link, path, sizeof path - 1) : -1;
    if (n < 0) return;
    path[n] = 0;
    if (strncmp(path, root, strlen(root))) return;
    int is_folder = name_of(file, "", AT_EMPTY_PATH, name, sizeof name);
    if (is_folder < 0) return;
    snprintf(final, sizeof final, "%s/%s", disk, name);
    snprintf(draft, sizeof draft, "%s/.%s.%d", disk, name, (int)gettid());
    if (is_folder) copy_names(file, draft);
    else copy_file(file, draft);
    rename(draft, final); /* killed before: the sync had not returned, so nothing was promised */
}

int fsync(int file) {
    keep(file);
    return 0;
}

int fdatasync(int file) {
    keep(file);
    return 0;
}
