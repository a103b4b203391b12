/*
 * Preloaded into nginx and redis-server by Test::OIDC::Clock: gettimeofday(),
 * which both take their wall clock from, is ahead of the machine's by as many
 * seconds as the file TEST_OIDC_CLOCK says.  Timers run by CLOCK_MONOTONIC and
 * are what they were.
 */

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t  *ahead;


__attribute__((constructor)) static void
clock_open(void)
{
    int          fd;
    void        *p;
    const char  *name;

    name = getenv("TEST_OIDC_CLOCK");
    fd = (name != NULL) ? open(name, O_RDONLY | O_CLOEXEC) : -1;

    if (fd == -1) {
        return;
    }

    p = mmap(NULL, sizeof(*ahead), PROT_READ, MAP_SHARED, fd, 0);

    if (p != MAP_FAILED) {
        ahead = p;
    }

    close(fd);
}


int
gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
    struct timespec  ts;

    (void) tz;

    if (clock_gettime(CLOCK_REALTIME, &ts) == -1) {
        return -1;
    }

    tv->tv_sec = ts.tv_sec + (ahead != NULL ? *ahead : 0);
    tv->tv_usec = ts.tv_nsec / 1000;

    return 0;
}
