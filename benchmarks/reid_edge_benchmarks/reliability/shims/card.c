/* A card that may be pulled, preloaded: below SHIM_CARD_ROOT everything fails with EIO while it is out.
 *
 * The file SHIM_CARD_STATE holds two int64: whether the card is out, and how many bytes may still be read before it is; -1 for any number.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static char root[PATH_MAX];
static size_t root_length;
static volatile int64_t *state;

__attribute__((constructor)) static void begin(void) {
  const char *given = getenv("SHIM_CARD_ROOT"), *name = getenv("SHIM_CARD_STATE");
  if (!given || !name) return;
  int fd = (int)syscall(SYS_openat, AT_FDCWD, name, O_RDWR | O_CLOEXEC, 0);
  void *page = fd < 0 ? MAP_FAILED : mmap(NULL, 2 * sizeof *state, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (fd >= 0) close(fd);
  if (page == MAP_FAILED) return;
  state = page;
  snprintf(root, sizeof root, "%s", given);
  root_length = strlen(root);
}

static int inside(const char *path) {
  return root_length && path && !strncmp(path, root, root_length) && (path[root_length] == '/' || !path[root_length]);
}

static int held(int fd) {
  char link[64], path[PATH_MAX];
  if (!root_length || fd < 0) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return inside(path);
}

static int out(int on_card) {
  if (!on_card || !state || !state[0]) return 0;
  errno = EIO;
  return 1;
}

#define REAL(name, type) static __typeof__(type) real; if (!real) real = (__typeof__(type))dlsym(RTLD_NEXT, name)
#define AT(folder, path) (inside(path) || ((path)[0] != '/' && (folder) != AT_FDCWD && held(folder)))

typedef int (*opener)(const char *, int, ...);
typedef int (*opener_at)(int, const char *, int, ...);
#define MODE mode_t mode = 0; if (flags & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); }

int open(const char *name, int flags, ...) { MODE REAL("open", opener); return out(inside(name)) ? -1 : real(name, flags, mode); }
int open64(const char *name, int flags, ...) { MODE REAL("open64", opener); return out(inside(name)) ? -1 : real(name, flags, mode); }
int openat(int folder, const char *name, int flags, ...) { MODE REAL("openat", opener_at); return out(AT(folder, name)) ? -1 : real(folder, name, flags, mode); }
int openat64(int folder, const char *name, int flags, ...) { MODE REAL("openat64", opener_at); return out(AT(folder, name)) ? -1 : real(folder, name, flags, mode); }
DIR *opendir(const char *name) { REAL("opendir", DIR *(*)(const char *)); return out(inside(name)) ? NULL : real(name); }
DIR *fdopendir(int fd) { REAL("fdopendir", DIR *(*)(int)); return out(held(fd)) ? NULL : real(fd); }
int stat(const char *name, struct stat *s) { REAL("stat", int (*)(const char *, struct stat *)); return out(inside(name)) ? -1 : real(name, s); }
int stat64(const char *name, struct stat64 *s) { REAL("stat64", int (*)(const char *, struct stat64 *)); return out(inside(name)) ? -1 : real(name, s); }
int lstat(const char *name, struct stat *s) { REAL("lstat", int (*)(const char *, struct stat *)); return out(inside(name)) ? -1 : real(name, s); }
int lstat64(const char *name, struct stat64 *s) { REAL("lstat64", int (*)(const char *, struct stat64 *)); return out(inside(name)) ? -1 : real(name, s); }
int fstatat(int folder, const char *name, struct stat *s, int flags) {
  REAL("fstatat", int (*)(int, const char *, struct stat *, int));
  return out(AT(folder, name)) ? -1 : real(folder, name, s, flags);
}
int fstatat64(int folder, const char *name, struct stat64 *s, int flags) {
  REAL("fstatat64", int (*)(int, const char *, struct stat64 *, int));
  return out(AT(folder, name)) ? -1 : real(folder, name, s, flags);
}

/* Reads bytes until the card is pulled in their middle. */
static size_t allowed(int on_card, size_t size) {
  if (!on_card || state[1] < 0) return size;
  int64_t left = __atomic_sub_fetch(&state[1], (int64_t)size, __ATOMIC_SEQ_CST);
  if (left > 0) return size;
  state[0] = 1;
  left += (int64_t)size;
  return left > 0 ? (size_t)left : 0;
}

ssize_t read(int fd, void *data, size_t size) {
  REAL("read", ssize_t (*)(int, void *, size_t));
  int on_card = held(fd);
  if (out(on_card)) return -1;
  size = allowed(on_card, size);
  return out(on_card) && !size ? -1 : real(fd, data, size);
}

static ssize_t read_at(ssize_t (*real)(int, void *, size_t, off_t), int fd, void *data, size_t size, off_t offset) {
  int on_card = held(fd);
  if (out(on_card)) return -1;
  size = allowed(on_card, size);
  return out(on_card) && !size ? -1 : real(fd, data, size, offset);
}
ssize_t pread(int fd, void *data, size_t size, off_t offset) {
  REAL("pread", ssize_t (*)(int, void *, size_t, off_t));
  return read_at(real, fd, data, size, offset);
}
ssize_t pread64(int fd, void *data, size_t size, off_t offset) {
  REAL("pread64", ssize_t (*)(int, void *, size_t, off_t));
  return read_at(real, fd, data, size, offset);
}
