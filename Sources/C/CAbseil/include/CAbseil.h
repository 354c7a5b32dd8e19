#ifndef BALLAST_CABSEIL_H
#define BALLAST_CABSEIL_H

#ifdef __cplusplus
extern "C" {
#endif

/// Turns off the search for deadlocks that abseil's mutexes do at every lock, where abseil was built for debugging, as
/// Debian 12 builds it. libgrpc takes a dozen of them for each message. For the whole process; at any time.
void ballast_disable_deadlock_detection(void);

#ifdef __cplusplus
}
#endif

#endif
