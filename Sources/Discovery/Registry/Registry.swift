public import EnvoyAPI
import Foundation
public import Intent
public import Model

/// Collects the sources' reports for the clusters and services of an intent.
///
/// A failing source changes nothing: its last good state stays, even if its settings change.
public actor Registry {
    private var intent: MeshIntent
    private let maxGateways: Int
    private let advice: HoldAdvice
    private var known: [ClusterName: ClusterRecord] = [:]
    private var names: [String: NameRecord] = [:]
    /// The state saved before this start; emptied by `serveRemembered`.
    private var remembered: [ClusterName: SavedCluster] = [:]
    private var isSynced = false
    private var spelling = Spelling()
    /// Whether any client is served a service, according to the configuration.
    private var isServed: @Sendable (ServiceName) -> Bool
    /// The intent and the clusters' gateways as of the last `takeChanges`.
    private var taken: (intent: MeshIntent?, gateways: [ClusterName: [SocketAddress]]) = (nil, [:])
    private var changedServices: Set<ServiceName> = []
    private var changedSince: ContinuousClock.Instant?
    private let changed: @Sendable () -> Void
    private let namesChanged: @Sendable (Set<String>) -> Void

    /// - Parameters:
    ///   - maxGateways: the limit on gateway addresses for each cluster.
    ///   - namesChanged: called with all gateway host names when they change.
    ///   - changed: called after every change of the state, but not if a report brings nothing new.
    public init(
        _ intent: MeshIntent, maxGateways: Int = 64, advice: HoldAdvice = HoldAdvice(),
        namesChanged: @escaping @Sendable (Set<String>) -> Void = { _ in }, changed: @escaping @Sendable () -> Void
    ) {
        self.intent = intent
        self.maxGateways = maxGateways
        self.advice = advice
        self.changed = changed
        self.namesChanged = namesChanged
        isServed = Self.isServed(intent)
        for cluster in intent.clusters { known[cluster.name] = ClusterRecord(cluster, isServed: isServed) }
        let wanted = Self.names(of: known, intent.publication)
        names = Dictionary(uniqueKeysWithValues: wanted.map { ($0, NameRecord()) })
        namesChanged(wanted)
    }

    /// Calls `body` with the intent in force, which doesn't change meanwhile.
    ///
    /// Calls from several tasks can't leave the state of an older intent behind.
    public func withIntent(_ body: @Sendable (MeshIntent) -> Void) { body(intent) }

    /// Replaces the intent.
    public func replaceIntent(with intent: MeshIntent) {
        guard intent != self.intent else { return }
        self.intent = intent
        var next: [ClusterName: ClusterRecord] = [:]
        isServed = Self.isServed(intent)
        for cluster in intent.clusters {
            var record = known.removeValue(forKey: cluster.name) ?? ClusterRecord(cluster, isServed: isServed)
            changedServices.formUnion(record.configure(cluster, isServed: isServed))
            next[cluster.name] = record
        }
        for gone in known.values { changedServices.formUnion(gone.pods?.keys ?? [:].keys) }
        known = next
        updateNames()
        noteChange()
    }

    /// Whether any client or peer is served a service.
    private static func isServed(_ intent: MeshIntent) -> @Sendable (ServiceName) -> Bool {
        guard intent.template == nil, intent.exports.isEmpty else { return { _ in true } }
        let listed = Set(intent.services.map(\.service.name))
        return { listed.contains($0) }
    }

    /// Applies a source's report.
    ///
    /// A report from a source that is no longer configured is ignored.
    ///
    /// - Returns: whether the report brought anything new, and the source's state.
    @discardableResult
    public func receive(_ report: SourceReport, from source: SourceID) -> ReportOutcome {
        let isNews = apply(report, from: source)
        guard let record = known[source.cluster] else { return ReportOutcome() }
        return ReportOutcome(
            isNews: isNews, isStale: record.source(source)?.staleReason != nil,
            hasState: record.endpoints.id == source ? record.pods != nil : record.gateways != nil)
    }

    private func apply(_ report: SourceReport, from source: SourceID) -> Bool {
        // Removed from the dictionary while it changes, so that its pods are changed in place and not copied.
        guard var record = known.removeValue(forKey: source.cluster) else { return false }
        guard record.endpoints.id == source || record.gatewaySource?.id == source else {
            known[source.cluster] = record
            return false
        }
        let change = record.receive(report, from: source, at: .now)
        known[source.cluster] = record
        guard change.isNews else { return false }
        changedServices.formUnion(change.services)
        if change.hasOtherGateways { updateNames() }
        noteChange()
        return true
    }

    /// Applies the DNS answer for a gateway's host name.
    ///
    /// - Returns: whether the answer is new.
    @discardableResult
    public func receive(_ answer: NameAnswer, for name: String) -> Bool {
        guard var record = names[name] else { return false }
        let last = record
        record.receive(answer)
        names[name] = record
        if record.addresses != last.addresses {
            for cluster in known.keys where known[cluster]?.gateways?.contains(where: { $0.isNamed(name) }) == true {
                known[cluster]?.isUnsaved = true
            }
        }
        guard record.addresses != last.addresses || record.staleReason != last.staleReason else { return false }
        noteChange()
        return true
    }

    /// Keeps the state saved before this start.
    ///
    /// None of it is served yet: the shrink guard compares the sources' first reports with it.
    public func remember(_ saved: [ClusterName: SavedCluster]) {
        remembered = saved
        for (cluster, saved) in saved { known[cluster]?.remember(saved) }
    }

    /// Serves the state saved before this start, where no source has delivered yet.
    ///
    /// - Returns: the clusters that needed it.
    @discardableResult
    public func serveRemembered() -> [ClusterName] {
        var restored: Set<ClusterName> = []
        for cluster in known.keys where known[cluster]?.serveRemembered() == true { restored.insert(cluster) }
        updateNames()
        for (cluster, saved) in remembered {
            let gateways = known[cluster]?.gateways ?? []
            for (name, addresses) in saved.resolved where gateways.contains(where: { $0.isNamed(name) }) {
                guard names[name]?.addresses.isEmpty == true else { continue }
                names[name]?.restore(addresses, at: saved.confirmed)
                restored.insert(cluster)
            }
        }
        remembered = [:]
        guard !restored.isEmpty else { return [] }
        for cluster in restored { changedServices.formUnion(known[cluster]?.pods?.keys ?? [:].keys) }
        noteChange()
        return restored.sorted()
    }

    /// The state to save, for each cluster that changed since the last call.
    public func takeUnsaved() -> [ClusterName: SavedCluster] {
        var saved: [ClusterName: SavedCluster] = [:]
        let addresses = names.mapValues(\.addresses)
        for (cluster, record) in known where record.isUnsaved {
            saved[cluster] = record.saved(names: addresses)
            known[cluster]?.isUnsaved = false
        }
        return saved
    }

    /// Ends the hold on a service, in one cluster or in all.
    ///
    /// - Returns: the clusters where pods were held.
    public func release(_ service: ServiceName, in cluster: ClusterName? = nil) -> [ClusterName] {
        var released: [ClusterName] = []
        for name in known.keys where cluster == nil || cluster == name {
            guard let services = known[name]?.release(service), !services.isEmpty else { continue }
            changedServices.formUnion(services)
            released.append(name)
        }
        if !released.isEmpty { noteChange() }
        return released.sorted()
    }

    /// Releases some of the held pods of a service because requests to them fail.
    public func releaseFailing(_ pods: Set<String>, of service: ServiceName, in cluster: ClusterName) {
        guard let services = known[cluster]?.release(pods, of: service, at: .now), !services.isEmpty else { return }
        changedServices.formUnion(services)
        noteChange()
    }

    /// Whether any pods are held.
    public var hasHolds: Bool { known.values.contains { !$0.holds.isEmpty } }

    /// The changes since the last call; everything on the first call.
    ///
    /// Nil until there is enough to serve (see `RegistryState.isSynced`) or to export. Exporting needs only this
    /// cluster's own sources, so two clusters that import from each other can start at the same time.
    public func takeChanges(at now: ContinuousClock.Instant = .now) -> RegistryChanges? {
        guard isSynced || !intent.exports.isEmpty && known[intent.cluster].map(isKnown) == true else { return nil }
        for cluster in known.keys { changedServices.formUnion(known[cluster]?.expireHolds(at: now) ?? []) }
        var changes = RegistryChanges()
        changes.isComplete = isSynced
        changes.since = changedSince
        changes.intent = intent.changes(since: taken.intent)
        let gateways = known.compactMapValues(gateways(of:))
        changes.gateways = gateways.filter { taken.gateways[$0.key] != $0.value }
        // Pods of a cluster without a known gateway are unreachable: they appear and disappear with its gateways.
        for cluster in known.keys where (gateways[cluster] == nil) != (taken.gateways[cluster] == nil) {
            changedServices.formUnion(known[cluster]?.pods?.keys ?? [:].keys)
        }
        let served = known.filter { gateways[$0.key] != nil }
        for service in changedServices {
            changes.pods[service] = served.compactMapValues { $0.pods?[service] }
        }
        changes.nextRelease = known.values.compactMap(\.nextHoldStep).min()
        changes.heldCount = known.values.reduce(0) { $0 + $1.holds.values.reduce(0) { $0 + $1.held.count } }
        changes.holds = takeHoldChanges()
        changes.ownStaleSince = known[intent.cluster]?.endpoints.staleSince
        changes.isOwnSynced = known[intent.cluster]?.endpoints.isSynced == true
        changes.publicationGateways = publicationGateways
        changes.staleCount =
            known.values.reduce(0) { $0 + $1.staleCount } + names.values.count { $0.staleReason != nil }
        spelling.update(
            changes.intent == nil ? changedServices : nil, of: intent,
            clustersWith: { [known] service in known.keys.filter { known[$0]?.pods?[service] != nil } },
            all: { [known] in known.values.reduce(into: []) { $0.formUnion($1.pods?.keys ?? [:].keys) } })
        changes.problems = problems.union(isSynced ? spelling.problems : [])
        taken = (intent, gateways)
        changedServices = []
        changedSince = nil
        return changes
    }

    private func noteChange() {
        // Either a report or a new configuration can complete the state.
        isSynced = isSynced || known.values.allSatisfy(isKnown)
        changedSince = changedSince ?? .now
        changed()
    }

    private func isKnown(_ record: ClusterRecord) -> Bool { record.pods != nil && gateways(of: record) != nil }

    // MARK: Gateways

    private static func names(
        of known: [ClusterName: ClusterRecord], _ publication: IstioPublication?
    ) -> Set<String> {
        var names: Set<String> = []
        for gateways in known.values.compactMap(\.gateways) + [publication?.gateways ?? []] {
            for case .name(let name, _) in gateways { names.insert(name) }
        }
        return names
    }

    private var publicationGateways: [SocketAddress] {
        guard let publication = intent.publication else { return [] }
        let listed = publication.gateways
        return addresses(of: listed.isEmpty ? known[intent.cluster]?.gateways ?? [] : listed).sorted()
    }

    private func updateNames() {
        let wanted = Self.names(of: known, intent.publication)
        guard wanted != Set(names.keys) else { return }
        names = Dictionary(uniqueKeysWithValues: wanted.map { ($0, names[$0] ?? NameRecord()) })
        namesChanged(wanted)
    }

    private func addresses(of gateways: [Gateway]) -> Set<SocketAddress> {
        var known: Set<SocketAddress> = []
        for gateway in gateways {
            switch gateway {
            case .address(let address): known.insert(address)
            case .name(let name, let port):
                known.formUnion((names[name]?.addresses ?? []).map { SocketAddress(host: $0, port: port) })
            }
        }
        return known
    }

    /// The addresses of a cluster's gateways; nil if it has gateways but no address is known.
    private func gateways(of record: ClusterRecord) -> [SocketAddress]? {
        guard let gateways = record.gateways else { return nil }
        let known = addresses(of: gateways)
        return known.isEmpty && !gateways.isEmpty
            ? nil : Array(known.sorted().prefix(maxGateways))
    }

    /// Input that is left out, one sentence each.
    private var problems: Set<String> {
        Set(
            known.compactMap { cluster, record in
                let count = addresses(of: record.gateways ?? []).count
                guard count > maxGateways else { return nil }
                return "\(cluster) has \(count) gateways; the first \(maxGateways) are used (sources.gateways)"
            })
    }

    /// The current state.
    public var state: RegistryState {
        let moment = (now: ContinuousClock.now, date: Date())
        let ordered = known.sorted { $0.key < $1.key }
        return RegistryState(
            intent: intent,
            clusters: intent.clusters.map { cluster in
                cluster.cluster(gateways: known[cluster.name].flatMap { gateways(of: $0) } ?? [])
            },
            pods: known.compactMapValues(\.pods),
            sources: ordered.flatMap(\.value.statuses)
                + names.sorted { $0.key < $1.key }.map { SourceStatus(name: $0.key, $0.value) },
            holds: ordered.flatMap { cluster, record in
                record.holds.sorted { $0.key < $1.key }.map { service, hold in
                    HoldStatus(
                        hold, of: service, in: cluster, advice: advice(hold, of: service, in: cluster), at: moment)
                }
            },
            isSynced: isSynced,
            problems: problems.union(isSynced ? spelling.problems : [])
        )
    }

    /// How to end a hold.
    ///
    /// If the held pods' addresses now belong to a service that no client is served, they are not gone, and the advice
    /// names that service.
    private func advice(_ hold: ShrinkRecord.Hold, of service: ServiceName, in cluster: ClusterName) -> String {
        let addresses = Set(
            (known[cluster]?.pods?[service] ?? []).filter { hold.held.contains($0.name) }.map(\.address))
        let moved = known[cluster]?.pods?.first { name, pods in
            name != service && !isServed(name) && pods.contains { addresses.contains($0.address) }
        }
        if let moved { return "they stand under \(moved.key) now, which nobody is served: is that \(service)?" }
        return "if they are gone: ballast release \(service) --cluster \(cluster)\(advice.options)"
    }

    private func takeHoldChanges() -> [HoldChange] {
        let moment = (now: ContinuousClock.now, date: Date())
        var changes: [HoldChange] = []
        for cluster in known.keys.sorted() {
            for (service, event) in known[cluster]?.takeHoldEvents() ?? [] where changes.count < 1_000 {
                switch event {
                case .began(let hold):
                    let status = HoldStatus(
                        hold, of: service, in: cluster, advice: advice(hold, of: service, in: cluster), at: moment)
                    changes.append(HoldChange(cluster: cluster, service: service, event: .began(status)))
                case .ended(let pods, let end):
                    changes.append(
                        HoldChange(cluster: cluster, service: service, event: .ended(pods: pods.sorted(), end)))
                }
            }
        }
        return changes
    }
}
