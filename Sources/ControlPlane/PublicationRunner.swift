import Intent
import Model
import Pacing
import Snapshots
import Synchronization

/// Runs the publisher that the configuration asks for, and keeps what it reports.
final class PublicationRunner: Sendable {
    private struct Job: Hashable {
        var publication: IstioPublication
        var cluster: ClusterName
    }

    private struct State {
        var job: Job?
        var wanted: WantedPods?
        var feed: AsyncStream<WantedPods>.Continuation?
        var reported = PublicationState()
    }

    private let makePublisher: @Sendable (IstioPublication, ClusterName) -> (any PodPublisher)?
    private let changed: @Sendable (PublicationState) -> Void
    private let tasks = KeyedTasks<Job>()
    private let state: Mutex<State>

    /// - Parameters:
    ///   - makePublisher: creates the publisher of a cluster; nil if there is none.
    ///   - changed: called with each new state.
    init(
        _ intent: MeshIntent, makePublisher: @escaping @Sendable (IstioPublication, ClusterName) -> (any PodPublisher)?,
        changed: @escaping @Sendable (PublicationState) -> Void
    ) {
        self.makePublisher = makePublisher
        self.changed = changed
        var initial = State()
        // Until the publisher knows what gateways lead to, nobody is told anything.
        initial.reported.published.isKnown = intent.publication == nil
        state = Mutex(initial)
    }

    /// The current state.
    var current: PublicationState { state.withLock(\.reported) }

    /// The services of the publication in force.
    var services: Set<ServiceName> { state.withLock { $0.job.map { Set($0.publication.services.keys) } ?? [] } }

    /// Applies a new intent.
    func replace(_ intent: MeshIntent) {
        let job = intent.publication.map { Job(publication: $0, cluster: intent.cluster) }
        let reported = state.withLock { state -> PublicationState? in
            guard job != state.job else { return nil }
            state.job = job
            guard let services = job?.publication.services else {
                state.reported = PublicationState()
                return state.reported
            }
            // Clients lose the SNIs of services that are no longer published before their objects are deleted.
            state.reported.published.services = state.reported.published.services.filter { services[$0.key] != nil }
            return state.reported
        }
        tasks.replaceKeys(with: Set([job].compactMap(\.self)))
        if let reported { changed(reported) }
    }

    /// Tells the publisher what it has to publish.
    func want(_ wanted: WantedPods) {
        let feed = state.withLock { state -> AsyncStream<WantedPods>.Continuation? in
            guard state.wanted != wanted else { return nil }
            state.wanted = wanted
            return state.feed
        }
        feed?.yield(wanted)
    }

    /// Runs until the task is cancelled.
    func run() async {
        await tasks.run { job in
            guard let publisher = self.makePublisher(job.publication, job.cluster) else { return }
            let feed = AsyncStream.makeStream(of: WantedPods.self, bufferingPolicy: .bufferingNewest(1))
            let wanted = self.state.withLock { state in
                state.feed = feed.continuation
                return state.wanted
            }
            if let wanted { feed.continuation.yield(wanted) }
            await publisher.run(feed.stream) { self.receive($0, from: job) }
        }
    }

    private func receive(_ next: PublicationState, from job: Job) {
        let reported = state.withLock { state -> PublicationState? in
            guard state.job == job else { return nil }
            var next = next
            // While a publisher with other settings starts, what the last one knew stays.
            if !next.published.isKnown, state.reported.published.isKnown { next.published = state.reported.published }
            state.reported = next
            return next
        }
        if let reported { changed(reported) }
    }
}
