import CoreMetrics
import Discovery
import Events
import Intent
import Pacing
import Serving
import Snapshots

/// Builds and publishes a snapshot whenever something changed.
struct Publisher {
    let registry: Registry
    let service: XDSService
    let debounce: Debounce<ContinuousClock>
    let metrics: ServingMetrics
    let problems: ProblemBoard
    let events: EventFeed

    private var builder = SnapshotBuilder()
    private var changeLog = ChangeLog()
    private var isServing = false
    private var timer: Task<Void, Never>?

    init(
        _ registry: Registry, _ service: XDSService, _ debounce: Debounce<ContinuousClock>, _ metrics: ServingMetrics,
        _ problems: ProblemBoard, _ events: EventFeed
    ) {
        self.registry = registry
        self.service = service
        self.debounce = debounce
        self.metrics = metrics
        self.problems = problems
        self.events = events
    }

    /// Runs until the task is cancelled.
    mutating func run() async {
        let debounce = debounce
        await debounce.forEach { await publish() }
        timer?.cancel()
    }

    private mutating func publish() async {
        guard let changes = await registry.takeChanges() else { return }
        let now = ContinuousClock.now
        let demand = service.demand.views(at: now)
        let progress = service.progress(ofClients: builder.waitsForClients(at: now))
        let names = changes.intent.map { builder.names.union($0.services) } ?? Set(changes.pods.keys)
        let before = isServing ? names.map { ($0, builder.facts(of: $0)) } : []
        guard let outcome = builder.build(changes, for: demand.wanted, progress: progress, at: now) else { return }

        if let since = changes.since { metrics.sourceToSnapshot.record(since: since) }
        if !changes.isEmpty { metrics.publications.increment() }
        metrics.staleSources.set(changes.staleCount)
        metrics.heldEndpoints.set(changes.heldCount)
        service.publish(outcome.publication)
        service.await(gateways: outcome.awaitedGateways)

        for (name, facts) in before where !facts.isSame(as: builder.facts(of: name)) {
            changeLog.note(name, before: facts)
        }
        let lines = changeLog.drain(at: now, builder.facts(of:))
        if !lines.isEmpty { events.post(.changed(lines)) }
        for change in changes.holds { events.post(.hold(change)) }
        problems.replace(.serving, with: outcome.publication.snapshot.problems.union(changes.problems))
        if !isServing, changes.isComplete { events.post(.serving(services: builder.names.count)) }
        isServing = isServing || changes.isComplete
        metrics.ready.set(isServing ? 1 : 0)
        wake(at: [outcome.next, changes.nextRelease, demand.next, changeLog.next].compactMap(\.self).min())
    }

    /// Schedules the next build; nil for none.
    private mutating func wake(at instant: ContinuousClock.Instant?) {
        timer?.cancel()
        timer = instant.map { instant in
            Task { [debounce] in
                guard (try? await ContinuousClock().sleep(until: instant)) != nil else { return }
                debounce.signal()
            }
        }
    }
}
