import CoreMetrics
import Discovery
import Events
import Foundation
import History
import Intent
import Model
import Overrides
import Pacing
import Serving
import Snapshots

/// Builds and publishes a snapshot whenever something changed.
actor Publisher {
    let registry: Registry
    let service: XDSService
    let debounce: Debounce<ContinuousClock>
    let metrics: ServingMetrics
    let problems: ProblemBoard
    let events: EventFeed
    let overrides: OverrideController
    let recorder: HistoryRecorder
    let publication: PublicationRunner

    /// The builder, with all that is in force; copies are independent.
    private(set) var builder = SnapshotBuilder()
    private var changeLog = ChangeLog()
    private var isServing = false
    private var timer: Task<Void, Never>?

    init(
        _ registry: Registry, _ service: XDSService, _ debounce: Debounce<ContinuousClock>, _ metrics: ServingMetrics,
        _ problems: ProblemBoard, _ events: EventFeed, _ overrides: OverrideController, _ recorder: HistoryRecorder,
        _ publication: PublicationRunner
    ) {
        self.publication = publication
        self.recorder = recorder
        self.registry = registry
        self.service = service
        self.debounce = debounce
        self.metrics = metrics
        self.problems = problems
        self.events = events
        self.overrides = overrides
    }

    /// Runs until the task is cancelled.
    func run() async {
        await debounce.forEach { await publish() }
        timer?.cancel()
    }

    private func publish() async {
        guard let changes = await registry.takeChanges() else { return }
        let now = ContinuousClock.now
        let demand = service.demand.views(at: now)
        let progress = service.progress(ofClients: builder.waitsForClients(at: now))
        let (book, time) = (overrides.book, Date())
        let tunings = Tunings(book, at: time)
        let tuned = builder.servicesChanged(by: tunings)
        let names = (changes.intent.map { builder.names.union($0.services) } ?? Set(changes.pods.keys)).union(tuned)
        let lastTunings = builder.tunings
        let before = isServing ? names.map { ($0, builder.facts(of: $0)) } : []
        guard
            let outcome = builder.build(
                changes, for: demand.wanted, tunings: tunings, published: publication.current.published,
                progress: progress, at: now)
        else { return }
        let own = builder.ownCluster
        publication.want(
            WantedPods(
                pods: Dictionary(
                    uniqueKeysWithValues: publication.services.map { ($0, builder.pods(of: $0)[own] ?? []) }),
                isSynced: changes.isOwnSynced, gateways: changes.publicationGateways))

        if let since = changes.since { metrics.sourceToSnapshot.record(since: since) }
        if !changes.isEmpty { metrics.publications.increment() }
        metrics.staleSources.set(changes.staleCount)
        metrics.heldEndpoints.set(changes.heldCount)
        service.publish(outcome.publication)
        service.await(gateways: outcome.awaitedGateways)

        for (name, facts) in before where !facts.isSame(as: builder.facts(of: name)) {
            changeLog.note(name, before: facts)
            if changes.pods[name] != nil { recorder.note([name], because: "sources") }
            if changes.intent != nil { recorder.note([name], because: "configuration") }
            guard tuned.contains(name) else { continue }
            for id in tunings.differences(from: lastTunings, for: name) {
                recorder.note([name], because: "override \(id)")
            }
        }
        if !isServing, changes.isComplete { recorder.note(builder.names, because: "start") }
        let lines = changeLog.drain(at: now, builder.facts(of:))
        if !lines.isEmpty { events.post(.changed(lines)) }
        for change in changes.holds { events.post(.hold(change)) }
        problems.replace(.serving, with: outcome.publication.snapshot.problems.union(changes.problems))
        if !isServing, changes.isComplete { events.post(.serving(services: builder.names.count)) }
        isServing = isServing || changes.isComplete
        metrics.ready.set(isServing ? 1 : 0)
        let nextStep = book.next(after: time).map { now + .seconds(min($0.timeIntervalSince(time), 3_600)) }
        wake(at: [outcome.next, changes.nextRelease, demand.next, changeLog.next, nextStep].compactMap(\.self).min())
    }

    /// Schedules the next build; nil for none.
    private func wake(at instant: ContinuousClock.Instant?) {
        timer?.cancel()
        timer = instant.map { instant in
            Task { [debounce] in
                guard (try? await ContinuousClock().sleep(until: instant)) != nil else { return }
                debounce.signal()
            }
        }
    }
}
