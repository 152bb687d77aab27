/* A disk between a process and its files, preloaded: it journals every change below one folder, may be full, and may cut the process off.
 *
 * SHIM_STORAGE_ROOT     the folder, an absolute path without links
 * SHIM_STORAGE_JOURNAL  a file outside of it: gets one record per change and per fsync (see power_cut_disk.py)
 * SHIM_STORAGE_KILL_AT  the process that was started kills itself with SIGKILL before its n-th operation there
 * SHIM_STORAGE_FULL_AT  its n-th operation that needs room fails with ENOSPC, after half of its bytes where it writes,
 * SHIM_STORAGE_FULL_MS  and so do all others during so many milliseconds
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { WRITE = 1, TRUNCATE, SYNC, CREATE, UNLINK, RENAME, MAKE_FOLDER, REMOVE_FOLDER, LINK };

struct record {
  uint32_t length, kind;
  uint64_t inode;
  int64_t offset;
  uint32_t path, other, data;
};

static char root[PATH_MAX];
static size_t root_length;
static int journal = -1;
static long kill_at = -1, full_at = -1, full_ms = 0, operations = 0, hungry = 0;
static int owner = 0;
static struct timespec full_since;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

static long number(const char *name) {
  const char *text = getenv(name);
  return text && *text ? atol(text) : -1;
}

__attribute__((constructor)) static void begin(void) {
  const char *given = getenv("SHIM_STORAGE_ROOT"), *log = getenv("SHIM_STORAGE_JOURNAL"), *first = getenv("SHIM_STORAGE_OWNER");
  if (!given) return;
  snprintf(root, sizeof root, "%s", given);
  root_length = strlen(root);
  if (first) {
    owner = atoi(first) == (int)getpid();
  } else {
    char text[32];
    snprintf(text, sizeof text, "%d", (int)getpid());
    setenv("SHIM_STORAGE_OWNER", text, 1);
    owner = 1;
  }
  kill_at = number("SHIM_STORAGE_KILL_AT");
  full_at = number("SHIM_STORAGE_FULL_AT");
  full_ms = number("SHIM_STORAGE_FULL_MS");
  if (log) journal = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

static int inside(const char *path) {
  return root_length && !strncmp(path, root, root_length) && (path[root_length] == '/' || !path[root_length]);
}

/* The path of an open file; 0 where it lies outside. */
static int path_of(int fd, char *path) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, PATH_MAX - 1);
  if (length < 0) return 0;
  path[length] = 0;
  char *gone = length > 10 ? strstr(path + length - 10, " (deleted)") : NULL;
  if (gone) *gone = 0;
  return inside(path);
}

static int resolve(int folder, const char *name, char *path) {
  if (!root_length || !name) return 0;
  if (name[0] == '/') {
    snprintf(path, PATH_MAX, "%s", name);
    return inside(path);
  }
  char here[PATH_MAX];
  if (folder == AT_FDCWD) {
    if (!getcwd(here, sizeof here)) return 0;
  } else {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    ssize_t length = readlink(link, here, sizeof here - 1);
    if (length < 0) return 0;
    here[length] = 0;
  }
  if (snprintf(path, PATH_MAX, "%s/%s", here, name) >= PATH_MAX) return 0;
  return inside(path);
}

static void note(int kind, uint64_t inode, int64_t offset, const char *path, const char *other, const void *data, size_t size) {
  if (journal < 0) return;
  struct record head = {0, (uint32_t)kind, inode, offset, (uint32_t)strlen(path), other ? (uint32_t)strlen(other) : 0, (uint32_t)size};
  head.length = (uint32_t)(sizeof head + head.path + head.other + head.data);
  char *whole = malloc(head.length), *end = whole;
  if (!whole) abort();
  end = mempcpy(end, &head, sizeof head);
  end = mempcpy(end, path, head.path);
  end = mempcpy(end, other ? other : "", head.other);
  mempcpy(end, data ? data : "", head.data);
  if (syscall(SYS_write, journal, whole, head.length) != (long)head.length) abort();
  free(whole);
}

static uint64_t inode_of(int fd) {
  struct stat status;
  return fstat(fd, &status) ? 0 : status.st_ino;
}

static uint64_t inode_at(const char *path) {
  struct stat status;
  return lstat(path, &status) ? 0 : status.st_ino;
}

static void pass(void) {
  if (!owner) return;
  if (++operations == kill_at) syscall(SYS_kill, getpid(), SIGKILL);
}

/* Whether there is no room: 0, 1 for the first operation that meets it, 2 for the others. */
static int full(void) {
  if (!owner || full_at < 0) return 0;
  struct timespec now;
  syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
  if (++hungry == full_at) {
    full_since = now;
    return 1;
  }
  if (hungry < full_at) return 0;
  long since = (now.tv_sec - full_since.tv_sec) * 1000 + (now.tv_nsec - full_since.tv_nsec) / 1000000;
  return since < full_ms ? 2 : 0;
}

#define REAL(name, type) static __typeof__(type) real; if (!real) real = (__typeof__(type))dlsym(RTLD_NEXT, name)
#define LOCK pthread_mutex_lock(&turn)
#define UNLOCK do { int kept = errno; pthread_mutex_unlock(&turn); errno = kept; } while (0)

typedef int (*opener)(const char *, int, ...);
typedef int (*opener_at)(int, const char *, int, ...);

static int opened(opener real, opener_at real_at, int folder, const char *name, int flags, mode_t mode) {
  char path[PATH_MAX];
  int changes = (flags & (O_CREAT | O_TRUNC)) && resolve(folder, name, path);
  if (!changes) return real ? real(name, flags, mode) : real_at(folder, name, flags, mode);
  LOCK;
  int fresh = (flags & O_CREAT) && !inode_at(path), fd = -1;
  pass();
  if (fresh && full()) {
    errno = ENOSPC;
  } else {
    fd = real ? real(name, flags, mode) : real_at(folder, name, flags, mode);
    if (fd >= 0 && fresh) note(CREATE, inode_of(fd), 0, path, NULL, NULL, 0);
    else if (fd >= 0 && (flags & O_TRUNC)) note(TRUNCATE, inode_of(fd), 0, path, NULL, NULL, 0);
  }
  UNLOCK;
  return fd;
}

#define MODE mode_t mode = 0; if (flags & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); }

int open(const char *name, int flags, ...) { MODE REAL("open", opener); return opened(real, NULL, AT_FDCWD, name, flags, mode); }
int open64(const char *name, int flags, ...) { MODE REAL("open64", opener); return opened(real, NULL, AT_FDCWD, name, flags, mode); }
int openat(int folder, const char *name, int flags, ...) { MODE REAL("openat", opener_at); return opened(NULL, real, folder, name, flags, mode); }
int openat64(int folder, const char *name, int flags, ...) { MODE REAL("openat64", opener_at); return opened(NULL, real, folder, name, flags, mode); }
int creat(const char *name, mode_t mode) { return open64(name, O_CREAT | O_WRONLY | O_TRUNC, mode); }

ssize_t write(int fd, const void *data, size_t size) {
  REAL("write", ssize_t (*)(int, const void *, size_t));
  char path[PATH_MAX];
  if (fd == journal || !root_length || !path_of(fd, path)) return real(fd, data, size);
  LOCK;
  pass();
  int state = full();
  ssize_t done = -1;
  if (state == 1 && size > 1) done = real(fd, data, size / 2);
  else if (state) errno = ENOSPC;
  else done = real(fd, data, size);
  if (done > 0) note(WRITE, inode_of(fd), lseek(fd, 0, SEEK_CUR) - done, path, NULL, data, (size_t)done);
  UNLOCK;
  return done;
}

static ssize_t written_at(ssize_t (*real)(int, const void *, size_t, off_t), int fd, const void *data, size_t size, off_t offset) {
  char path[PATH_MAX];
  if (!root_length || !path_of(fd, path)) return real(fd, data, size, offset);
  LOCK;
  pass();
  int state = full();
  ssize_t done = -1;
  if (state == 1 && size > 1) done = real(fd, data, size / 2, offset);
  else if (state) errno = ENOSPC;
  else done = real(fd, data, size, offset);
  if (done > 0) note(WRITE, inode_of(fd), offset, path, NULL, data, (size_t)done);
  UNLOCK;
  return done;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
  REAL("pwrite", ssize_t (*)(int, const void *, size_t, off_t));
  return written_at(real, fd, data, size, offset);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset) {
  REAL("pwrite64", ssize_t (*)(int, const void *, size_t, off_t));
  return written_at(real, fd, data, size, offset);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  REAL("writev", ssize_t (*)(int, const struct iovec *, int));
  char path[PATH_MAX];
  if (!root_length || !path_of(fd, path)) return real(fd, parts, count);
  ssize_t sum = 0;
  for (int i = 0; i < count; i++) {
    ssize_t done = write(fd, parts[i].iov_base, parts[i].iov_len);
    if (done < 0) return sum ? sum : -1;
    sum += done;
    if ((size_t)done < parts[i].iov_len) break;
  }
  return sum;
}

/* What another call copied into the file is read back for the journal. */
static void note_copied(int fd, off_t offset, ssize_t size, const char *path) {
  char own[64], *data = malloc((size_t)size);
  snprintf(own, sizeof own, "/proc/self/fd/%d", fd);
  int back = (int)syscall(SYS_openat, AT_FDCWD, own, O_RDONLY | O_CLOEXEC, 0);
  if (!data || back < 0 || pread(back, data, (size_t)size, offset) != size) abort();
  note(WRITE, inode_of(fd), offset, path, NULL, data, (size_t)size);
  close(back);
  free(data);
}

static ssize_t sent(ssize_t (*real)(int, int, off_t *, size_t), int out, int in, off_t *offset, size_t size) {
  char path[PATH_MAX];
  if (!root_length || !path_of(out, path)) return real(out, in, offset, size);
  LOCK;
  pass();
  ssize_t done = -1;
  if (full()) errno = ENOSPC;
  else done = real(out, in, offset, size);
  if (done > 0) note_copied(out, lseek(out, 0, SEEK_CUR) - done, done, path);
  UNLOCK;
  return done;
}
ssize_t sendfile(int out, int in, off_t *offset, size_t size) {
  REAL("sendfile", ssize_t (*)(int, int, off_t *, size_t));
  return sent(real, out, in, offset, size);
}
ssize_t sendfile64(int out, int in, off_t *offset, size_t size) {
  REAL("sendfile64", ssize_t (*)(int, int, off_t *, size_t));
  return sent(real, out, in, offset, size);
}
ssize_t copy_file_range(int in, off_t *in_offset, int out, off_t *out_offset, size_t size, unsigned flags) {
  REAL("copy_file_range", ssize_t (*)(int, off_t *, int, off_t *, size_t, unsigned));
  char path[PATH_MAX];
  if (!root_length || !path_of(out, path)) return real(in, in_offset, out, out_offset, size, flags);
  LOCK;
  pass();
  ssize_t done = -1;
  off_t at = out_offset ? *out_offset : lseek(out, 0, SEEK_CUR);
  if (full()) errno = ENOSPC;
  else done = real(in, in_offset, out, out_offset, size, flags);
  if (done > 0) note_copied(out, at, done, path);
  UNLOCK;
  return done;
}

static int cut(int (*real)(int, off_t), int fd, off_t size) {
  char path[PATH_MAX];
  if (!root_length || !path_of(fd, path)) return real(fd, size);
  LOCK;
  pass();
  int result = real(fd, size);
  if (!result) note(TRUNCATE, inode_of(fd), size, path, NULL, NULL, 0);
  UNLOCK;
  return result;
}
int ftruncate(int fd, off_t size) { REAL("ftruncate", int (*)(int, off_t)); return cut(real, fd, size); }
int ftruncate64(int fd, off_t size) { REAL("ftruncate64", int (*)(int, off_t)); return cut(real, fd, size); }

static int allocated(int (*real)(int, off_t, off_t), int fd, off_t offset, off_t size) {
  char path[PATH_MAX];
  if (!root_length || !path_of(fd, path)) return real(fd, offset, size);
  LOCK;
  pass();
  int result = full() ? ENOSPC : real(fd, offset, size);
  struct stat status;
  if (!result && !fstat(fd, &status)) note(TRUNCATE, status.st_ino, status.st_size, path, NULL, NULL, 0);
  UNLOCK;
  return result;
}
int posix_fallocate(int fd, off_t o, off_t n) { REAL("posix_fallocate", int (*)(int, off_t, off_t)); return allocated(real, fd, o, n); }
int posix_fallocate64(int fd, off_t o, off_t n) { REAL("posix_fallocate64", int (*)(int, off_t, off_t)); return allocated(real, fd, o, n); }

static int synced(int (*real)(int), int fd) {
  char path[PATH_MAX];
  if (!root_length || !path_of(fd, path)) return real(fd);
  LOCK;
  pass();
  int result = real(fd);
  if (!result) note(SYNC, inode_of(fd), 0, path, NULL, NULL, 0);
  UNLOCK;
  return result;
}
int fsync(int fd) { REAL("fsync", int (*)(int)); return synced(real, fd); }
int fdatasync(int fd) { REAL("fdatasync", int (*)(int)); return synced(real, fd); }

/* One operation on names: `call` is the real one. */
#define ON_ONE(kind, hungry_one, folder, name, call)                                   \
  char path[PATH_MAX];                                                                 \
  if (!resolve(folder, name, path)) return call;                                       \
  LOCK;                                                                                \
  pass();                                                                              \
  int result = -1;                                                                     \
  if ((hungry_one) && full()) errno = ENOSPC;                                          \
  else if (!(result = call)) note(kind, inode_at(path), 0, path, NULL, NULL, 0);       \
  UNLOCK;                                                                              \
  return result;

#define ON_TWO(kind, from_folder, from, to_folder, to, call)                           \
  char path[PATH_MAX], other[PATH_MAX];                                                \
  int leaves = resolve(from_folder, from, path), comes = resolve(to_folder, to, other); \
  if (!leaves && !comes) return call;                                                  \
  LOCK;                                                                                \
  pass();                                                                              \
  int result = -1;                                                                     \
  if (full()) errno = ENOSPC;                                                          \
  else if (!(result = call)) note(kind, inode_at(other), 0, path, other, NULL, 0);     \
  UNLOCK;                                                                              \
  return result;

int unlink(const char *name) { REAL("unlink", int (*)(const char *)); ON_ONE(UNLINK, 0, AT_FDCWD, name, real(name)) }
int unlinkat(int folder, const char *name, int flags) {
  REAL("unlinkat", int (*)(int, const char *, int));
  ON_ONE((flags & AT_REMOVEDIR) ? REMOVE_FOLDER : UNLINK, 0, folder, name, real(folder, name, flags))
}
int rmdir(const char *name) { REAL("rmdir", int (*)(const char *)); ON_ONE(REMOVE_FOLDER, 0, AT_FDCWD, name, real(name)) }
int mkdir(const char *name, mode_t mode) { REAL("mkdir", int (*)(const char *, mode_t)); ON_ONE(MAKE_FOLDER, 1, AT_FDCWD, name, real(name, mode)) }
int mkdirat(int folder, const char *name, mode_t mode) {
  REAL("mkdirat", int (*)(int, const char *, mode_t));
  ON_ONE(MAKE_FOLDER, 1, folder, name, real(folder, name, mode))
}
int rename(const char *from, const char *to) {
  REAL("rename", int (*)(const char *, const char *));
  ON_TWO(RENAME, AT_FDCWD, from, AT_FDCWD, to, real(from, to))
}
int renameat(int from_folder, const char *from, int to_folder, const char *to) {
  REAL("renameat", int (*)(int, const char *, int, const char *));
  ON_TWO(RENAME, from_folder, from, to_folder, to, real(from_folder, from, to_folder, to))
}
int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags) {
  REAL("renameat2", int (*)(int, const char *, int, const char *, unsigned));
  ON_TWO(RENAME, from_folder, from, to_folder, to, real(from_folder, from, to_folder, to, flags))
}
int link(const char *from, const char *to) {
  REAL("link", int (*)(const char *, const char *));
  ON_TWO(LINK, AT_FDCWD, from, AT_FDCWD, to, real(from, to))
}
int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags) {
  REAL("linkat", int (*)(int, const char *, int, const char *, int));
  ON_TWO(LINK, from_folder, from, to_folder, to, real(from_folder, from, to_folder, to, flags))
}
