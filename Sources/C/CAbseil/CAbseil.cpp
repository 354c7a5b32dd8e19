#include "CAbseil.h"

#include <absl/synchronization/mutex.h>

void ballast_disable_deadlock_detection(void) {
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
}
