/* A clock that can be stepped while a program runs, for LD_PRELOAD: the wall clock is the machine's plus what the file
 * named by STEPPED_CLOCK says, a binary 64 bit number of microseconds. The monotonic clocks stay as they are, and a
 * wait until a moment of the wall clock is a wait until that moment as the program sees it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *offset;

__attribute__((constructor)) static void open_offset(void) {
    const char *path = getenv("STEPPED_CLOCK");
    int descriptor = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (descriptor < 0) return;
    void *mapped = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, descriptor, 0);
    if (mapped != MAP_FAILED) offset = mapped;
    close(descriptor);
}

static void shift(struct timespec *moment, int64_t micros) {
    int64_t nanos = moment->tv_nsec + (micros % 1000000) * 1000;
    moment->tv_sec += micros / 1000000;
    while (nanos < 0) { nanos += 1000000000; moment->tv_sec--; }
    while (nanos >= 1000000000) { nanos -= 1000000000; moment->tv_sec++; }
    moment->tv_nsec = nanos;
}

int clock_gettime(clockid_t clock, struct timespec *moment) {
    int failed = syscall(SYS_clock_gettime, clock, moment);
    if (!failed && offset && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) shift(moment, *offset);
    return failed;
}

int gettimeofday(struct timeval *restrict moment, void *restrict zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    if (moment) { moment->tv_sec = now.tv_sec; moment->tv_usec = now.tv_nsec / 1000; }
    return 0;
}

time_t time(time_t *result) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (result) *result = now.tv_sec;
    return now.tv_sec;
}

int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict until) {
    static int (*real)(sem_t *, const struct timespec *);
    if (!real) real = (int (*)(sem_t *, const struct timespec *))dlsym(RTLD_NEXT, "sem_timedwait");
    struct timespec there = *until;
    if (offset) shift(&there, -*offset);
    return real(semaphore, &there);
}
