import CGRPC
import Dispatch
import Glibc
import Synchronization

/// A C-core completion queue with its own thread, which is also the executor of the queue's actor.
///
/// Completions and the actor's code never run at the same time, so streams need no lock. C-core's rule that batches on
/// one call must be serialized (grpc.h, `grpc_call_start_batch`) holds by construction.
final class CompletionQueue: SerialExecutor, @unchecked Sendable {
    // Safety: the pointers are set once, C-core's queue is thread-safe, and all other state is in the inbox's mutex.

    /// Where jobs run.
    private enum Phase {
        /// On the thread, which is woken for them.
        case running
        /// Kept until the thread has ended, since no other thread may run them before.
        case stopping
        /// On a dispatch queue, so that late callers still get an answer.
        case stopped
    }

    private struct Inbox {
        var jobs: [UnownedJob] = []
        var phase = Phase.running
    }

    /// Owned, like the two below: freed by `stop`, after the thread has ended.
    let raw: OpaquePointer
    private let wakeChannel: OpaquePointer
    /// A call that is never made.
    ///
    /// grpc.h promises that an empty batch on a call puts its tag into the queue at once.
    private let wakeCall: OpaquePointer

    private let inbox = Mutex(Inbox())
    /// 0 before `start` and after `stop`.
    private let thread = Atomic<pthread_t>(0)
    /// Joins the thread, and runs the jobs that come after `stop`.
    private let afterStop = DispatchQueue(label: "ballast.grpc.stopped")

    init() {
        // The queue may be the first C-core object of the process.
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
    /// Until `stop`, it calls `deliver` with the tag and the success of every completed operation.
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

    /// Ends the thread once all operations on the queue have completed, and frees the queue.
    ///
    /// Call it once, when no more operations are started.
    func stop() async {
        inbox.withLock { $0.phase = .stopping }
        grpc_completion_queue_shutdown(raw)
        await withCheckedContinuation { continuation in
            afterStop.async { [self] in
                let thread = thread.load(ordering: .acquiring)
                if thread != 0 { pthread_join(thread, nil) }
                // The system may reuse the thread's identifier.
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
            // One wake-up is enough for all jobs in the inbox. It is posted under the lock, because empty batches on
            // one call must not race.
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

    /// Runs the jobs in the inbox.
    ///
    /// - Parameter last: the phase to enter once the inbox is empty, if it is `stopped`.
    /// - Returns: whether there were any jobs.
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
