import CGRPC
import Dispatch
import Glibc
import Synchronization

/// A C-core completion queue with a thread of its own, which also runs the jobs of the actor that is pinned to it.
///
/// So an operation's completion and the actor's own code never run at the same time, and streams need no lock.
/// C-core's rule that operations on one call come one after the other (grpc.h, `grpc_call_start_batch`) holds by
/// construction.
final class CompletionQueue: SerialExecutor, @unchecked Sendable {
    // Safety: the pointers are set once; C-core's queue is safe from any thread; all else is in the inbox's mutex.

    /// Where jobs are run.
    private enum Phase {
        /// On the thread, which is woken for them.
        case running
        /// Kept until the thread has ended: nothing may run beside it.
        case stopping
        /// On a dispatch queue: a late caller waits for an answer and not for ever.
        case stopped
    }

    private struct Inbox {
        var jobs: [UnownedJob] = []
        var phase = Phase.running
    }

    /// Owned, as are the two below: freed by `stop`, after the thread has ended.
    let raw: OpaquePointer
    private let wakeChannel: OpaquePointer
    /// A call that is never made: grpc.h promises that an empty batch on any call puts its tag into the queue at
    /// once.
    private let wakeCall: OpaquePointer

    private let inbox = Mutex(Inbox())
    /// 0 before `start`.
    private let thread = Atomic<pthread_t>(0)
    /// Runs what comes after `stop`.
    private let afterStop = DispatchQueue(label: "ballast.grpc.stopped")

    init() {
        // A queue may be the first thing that a process makes of C-core.
        CoreLibrary.initialize()
        guard let raw = grpc_completion_queue_create_for_next(nil),
            let channel = grpc_lame_client_channel_create("wake", GRPC_STATUS_UNAVAILABLE, "never called"),
            let call = grpc_channel_create_call(
                channel, nil, 0, raw, grpc_slice_from_static_string("/wake"), nil,
                gpr_inf_future(GPR_CLOCK_MONOTONIC), nil
            )
        else { preconditionFailure("C-core returns these or ends the process") }
        self.raw = raw
        wakeChannel = channel
        wakeCall = call
    }

    /// Starts the thread.
    ///
    /// It calls `deliver` with the tag and the success of every completed operation, until `stop`.
    func start(deliver: @escaping @Sendable (_ tag: UnsafeMutableRawPointer, _ isOK: Bool) -> Void) {
        let body = ThreadBody { [self] in
            thread.store(pthread_self(), ordering: .releasing)
            while true {
                let event = grpc_completion_queue_next(raw, gpr_inf_future(GPR_CLOCK_MONOTONIC), nil)
                if event.type == GRPC_QUEUE_SHUTDOWN { return }
                guard event.type == GRPC_OP_COMPLETE else { continue }
                if let tag = event.tag { deliver(tag, event.success != 0) } else { runJobs() }
            }
        }
        var identifier = pthread_t()
        let status = pthread_create(
            &identifier, nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<ThreadBody>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            },
            Unmanaged.passRetained(body).toOpaque()
        )
        precondition(status == 0, "the system refuses a thread: \(status)")
        thread.store(identifier, ordering: .releasing)
    }

    /// Ends the thread once every operation on the queue has completed, and frees the queue.
    ///
    /// Call it once, when there are no more.
    func stop() async {
        inbox.withLock { $0.phase = .stopping }
        grpc_completion_queue_shutdown(raw)
        await withCheckedContinuation { continuation in
            afterStop.async { [self] in
                let thread = thread.load(ordering: .acquiring)
                if thread != 0 { pthread_join(thread, nil) }
                // The system may give another thread the same number.
                self.thread.store(0, ordering: .releasing)
                while runJobs(last: .stopped) {}
                grpc_call_unref(wakeCall)
                grpc_channel_destroy(wakeChannel)
                grpc_completion_queue_destroy(raw)
                grpc_shutdown()
                continuation.resume()
            }
        }
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let isLate = inbox.withLock { inbox in
            guard inbox.phase != .stopped else { return true }
            inbox.jobs.append(job)
            // One wake-up for a full inbox; under the lock, since empty batches on one call must not race.
            if inbox.jobs.count == 1, inbox.phase == .running { grpc_call_start_batch(wakeCall, nil, 0, nil, nil) }
            return false
        }
        if isLate { afterStop.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) } }
    }

    func isIsolatingCurrentContext() -> Bool? {
        thread.load(ordering: .acquiring) == pthread_self()
    }

    func checkIsolated() {
        precondition(isIsolatingCurrentContext() == true, "not on this completion queue's thread")
    }

    /// Runs what is in the inbox.
    ///
    /// - Parameter last: the phase that begins once the inbox is empty.
    /// - Returns: whether there was anything.
    @discardableResult
    private func runJobs(last: Phase = .running) -> Bool {
        let jobs = inbox.withLock { inbox in
            if inbox.jobs.isEmpty, last == .stopped { inbox.phase = .stopped }
            defer { inbox.jobs = [] }
            return inbox.jobs
        }
        for job in jobs { job.runSynchronously(on: asUnownedSerialExecutor()) }
        return !jobs.isEmpty
    }
}

private final class ThreadBody: Sendable {
    let run: @Sendable () -> Void

    init(run: @escaping @Sendable () -> Void) { self.run = run }
}
