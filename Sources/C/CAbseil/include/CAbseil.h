#ifndef BALLAST_CABSEIL_H
#define BALLAST_CABSEIL_H

#ifdef __cplusplus
extern "C" {
#endif

/// Turns off abseil's deadlock detection for the whole process; can be called at any time.
///
/// Debug builds of abseil, such as Debian 12's, run it at every lock of a mutex, and libgrpc locks a dozen mutexes for
/// each message.
void ballast_disable_deadlock_detection(void);

#ifdef __cplusplus
}
#endif

#endif
