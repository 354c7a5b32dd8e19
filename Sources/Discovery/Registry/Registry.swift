public import Foundation
public import MeshConfiguration
public import Model

/// The current whole truth from all sources, and the wishes of the configuration.
public struct RegistryState: Hashable, Sendable {
    /// The configuration in force.
    public var configuration: Configuration
    /// Its clusters, and what is served of each.
    public var mesh: Mesh
    /// In the order of the clusters' names; names in DNS come last.
    public var sources: [SourceStatus]
    /// In the order of the clusters' and the services' names.
    public var holds: [HoldStatus]
    /// Whether there is enough to serve: something is known from each source of the first configuration.
    ///
    /// A cluster that a later configuration adds doesn't take that back: until its source delivers, it is served
    /// without pods.
    public var isSynced: Bool
    /// What sources bring that isn't used, and services that nothing is known of; each a sentence.
    public var problems: Set<String>
}

/// What has changed in a registry since it was asked last.
public struct RegistryChanges: Sendable {
    /// Whether there is enough to serve clients: see `RegistryState.isSynced`.
    ///
    /// Until then, only what this cluster exports may be served.
    public var isComplete = true
    /// The configuration, with the clusters' gateways as they are known, where one of the two is new: `pods` has all
    /// services then.
    public var configuration: Configuration?
    /// All pods of each service of which something changed.
    public var pods: [ServiceName: [ClusterName: [Pod]]] = [:]
    /// When the oldest of the changes was told; nil where there is none.
    public var since: ContinuousClock.Instant?
    /// When the next hold ends, or lets some pods go.
    public var nextRelease: ContinuousClock.Instant?
    /// How many pods are held now.
    public var heldCount = 0
    /// Holds that began or ended, in the order of time; at most 1,000.
    public var holds: [HoldChange] = []
    /// Since when this cluster's own source is stale; nil if it isn't.
    public var ownStaleSince: Date?
    /// How many sources, and names in DNS, are stale now.
    public var staleCount = 0
    /// What sources bring that isn't used, each a sentence.
    public var problems: Set<String> = []

    /// Whether nothing has changed.
    public var isEmpty: Bool { configuration == nil && pods.isEmpty && since == nil }
}

/// What became of a source's report.
public struct ReportOutcome: Hashable, Sendable {
    /// Whether it said something new.
    public var isNews = false
    /// Whether the source can't tell now.
    public var isStale = false
    /// Whether something is known from it, or from before this program started.
    public var hasState = false
}

/// Gathers what the sources tell.
///
/// A failing source changes nothing: its last good state stays. That holds over a change of its settings too.
public actor Registry {
    private var configuration: Configuration
    private var known: [ClusterName: ClusterRecord] = [:]
    private var names: [String: NameRecord] = [:]
    /// From before this program started; let go once it has been served where it was needed.
    private var remembered: [ClusterName: SavedCluster] = [:]
    private var isSynced = false
    private var spelling = Spelling()
    /// Whether anybody is served a service, by the configuration.
    private var isServed: @Sendable (ServiceName) -> Bool
    /// Not yet taken.
    private var isReconfigured = true
    private var changedServices: Set<ServiceName> = []
    private var changedSince: ContinuousClock.Instant?
    private let changed: @Sendable () -> Void
    private let namesChanged: @Sendable (Set<String>) -> Void

    /// - Parameters:
    ///   - namesChanged: called with all host names of gateways when they are others.
    ///   - changed: called after every change of the state; not called when a report says nothing new.
    public init(
        _ configuration: Configuration, namesChanged: @escaping @Sendable (Set<String>) -> Void = { _ in },
        changed: @escaping @Sendable () -> Void
    ) {
        self.configuration = configuration
        self.changed = changed
        self.namesChanged = namesChanged
        isServed = Self.isServed(configuration)
        for source in configuration.clusters {
            known[source.cluster.name] = ClusterRecord(source, isServed: isServed)
        }
        let wanted = Self.names(of: known)
        names = Dictionary(uniqueKeysWithValues: wanted.map { ($0, NameRecord()) })
        namesChanged(wanted)
    }

    /// Puts a new configuration in force.
    public func configure(_ configuration: Configuration) {
        self.configuration = configuration
        var next: [ClusterName: ClusterRecord] = [:]
        isServed = Self.isServed(configuration)
        for source in configuration.clusters {
            var record = known[source.cluster.name] ?? ClusterRecord(source, isServed: isServed)
            record.configure(source, isServed: isServed)
            next[source.cluster.name] = record
        }
        known = next
        updateNames()
        isReconfigured = true
        noteChange()
    }

    /// Whether anybody is served a service.
    private static func isServed(_ configuration: Configuration) -> @Sendable (ServiceName) -> Bool {
        guard configuration.template == nil, configuration.exports.isEmpty else { return { _ in true } }
        let listed = Set(configuration.services.map(\.service.name))
        return { listed.contains($0) }
    }

    /// Takes a source's report.
    ///
    /// One that the configuration no longer names is ignored.
    ///
    /// - Returns: whether the report says anything new.
    @discardableResult
    public func receive(_ report: SourceReport, from source: SourceID) -> ReportOutcome {
        let isNews = take(report, from: source)
        guard let record = known[source.cluster] else { return ReportOutcome() }
        return ReportOutcome(
            isNews: isNews, isStale: record.source(source)?.staleReason != nil,
            hasState: record.endpoints.id == source ? record.pods != nil : record.gateways != nil)
    }

    private func take(_ report: SourceReport, from source: SourceID) -> Bool {
        // Taken out, so that its pods are changed in place.
        guard var record = known.removeValue(forKey: source.cluster) else { return false }
        guard record.endpoints.id == source || record.gatewaySource?.id == source else {
            known[source.cluster] = record
            return false
        }
        let change = record.receive(report, from: source, at: .now)
        known[source.cluster] = record
        guard change.isNews else { return false }
        changedServices.formUnion(change.services)
        if change.hasOtherGateways {
            updateNames()
            isReconfigured = true
        }
        noteChange()
        return true
    }

    /// Takes what DNS says of a gateway's host name.
    ///
    /// - Returns: whether that is news.
    @discardableResult
    public func receive(_ answer: NameAnswer, for name: String) -> Bool {
        guard var record = names[name] else { return false }
        let last = record
        record.take(answer)
        names[name] = record
        if record.addresses != last.addresses {
            isReconfigured = true
            for cluster in known.keys where known[cluster]?.gateways?.contains(where: { $0.isNamed(name) }) == true {
                known[cluster]?.isUnsaved = true
            }
        }
        guard record.addresses != last.addresses || record.staleReason != last.staleReason else { return false }
        noteChange()
        return true
    }

    /// Takes what was known before this program started.
    ///
    /// Nothing is served of it yet: it is what the guard compares the sources' first reports with.
    public func remember(_ saved: [ClusterName: SavedCluster]) {
        remembered = saved
        for (cluster, saved) in saved { known[cluster]?.remember(saved) }
    }

    /// Serves what was known before this program started, as far as nothing is known yet.
    ///
    /// - Returns: the clusters of which something was missing.
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
        isReconfigured = true
        noteChange()
        return restored.sorted()
    }

    /// What is to be kept for the next start of each cluster of which something changed since the last time.
    public func takeUnsaved() -> [ClusterName: SavedCluster] {
        var saved: [ClusterName: SavedCluster] = [:]
        let addresses = names.mapValues(\.addresses)
        for (cluster, record) in known where record.isUnsaved {
            saved[cluster] = record.saved(names: addresses)
            known[cluster]?.isUnsaved = false
        }
        return saved
    }

    /// Lets go what is held of a service, in one cluster or in all.
    ///
    /// - Returns: the clusters where something was held.
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

    /// Lets go some of the pods that are held of a service, since requests to them fail.
    public func releaseFailing(_ pods: Set<String>, of service: ServiceName, in cluster: ClusterName) {
        guard let services = known[cluster]?.release(pods, of: service, at: .now), !services.isEmpty else { return }
        changedServices.formUnion(services)
        noteChange()
    }

    /// Whether anything is held.
    public var hasHolds: Bool { known.values.contains { !$0.holds.isEmpty } }

    /// What has changed since the last time; everything, the first time.
    ///
    /// Nil until there is enough to serve (see `RegistryState.isSynced`), or to export: what this cluster exports needs
    /// its own sources only, so that two that import from each other can start at the same time.
    public func takeChanges(at now: ContinuousClock.Instant = .now) -> RegistryChanges? {
        guard isSynced || !configuration.exports.isEmpty && known[configuration.cluster].map(isKnown) == true else {
            return nil
        }
        for cluster in known.keys { changedServices.formUnion(known[cluster]?.expireHolds(at: now) ?? []) }
        var changes = RegistryChanges(isComplete: isSynced, since: changedSince)
        if isReconfigured {
            changes.configuration = effectiveConfiguration
            for record in known.values { changedServices.formUnion(record.pods?.keys ?? [:].keys) }
        }
        let served = known.filter { gateways(of: $0.value) != nil }
        for service in changedServices {
            changes.pods[service] = served.compactMapValues { $0.pods?[service] }
        }
        changes.nextRelease = known.values.compactMap(\.nextHoldStep).min()
        changes.heldCount = known.values.reduce(0) { $0 + $1.holds.values.reduce(0) { $0 + $1.held.count } }
        changes.holds = takeHoldChanges()
        changes.ownStaleSince = known[configuration.cluster]?.endpoints.staleSince
        changes.staleCount =
            known.values.reduce(0) { $0 + $1.staleCount } + names.values.count { $0.staleReason != nil }
        spelling.update(
            isReconfigured ? nil : changedServices, of: configuration,
            clustersWith: { [known] service in known.keys.filter { known[$0]?.pods?[service] != nil } },
            all: { [known] in known.values.reduce(into: []) { $0.formUnion($1.pods?.keys ?? [:].keys) } })
        changes.problems = problems.union(isSynced ? spelling.problems : [])
        isReconfigured = false
        changedServices = []
        changedSince = nil
        return changes
    }

    private func noteChange() {
        // A report and a configuration can both be what was still missing.
        isSynced = isSynced || known.values.allSatisfy(isKnown)
        changedSince = changedSince ?? .now
        changed()
    }

    private func isKnown(_ record: ClusterRecord) -> Bool { record.pods != nil && gateways(of: record) != nil }

    // MARK: Gateways

    private static func names(of known: [ClusterName: ClusterRecord]) -> Set<String> {
        var names: Set<String> = []
        for record in known.values {
            for case .name(let name, _) in record.gateways ?? [] { names.insert(name) }
        }
        return names
    }

    private func updateNames() {
        let wanted = Self.names(of: known)
        guard wanted != Set(names.keys) else { return }
        names = Dictionary(uniqueKeysWithValues: wanted.map { ($0, names[$0] ?? NameRecord()) })
        namesChanged(wanted)
    }

    private func addresses(of record: ClusterRecord) -> Set<SocketAddress> {
        var known: Set<SocketAddress> = []
        for gateway in record.gateways ?? [] {
            switch gateway {
            case .address(let address): known.insert(address)
            case .name(let name, let port):
                known.formUnion((names[name]?.addresses ?? []).map { SocketAddress(host: $0, port: port) })
            }
        }
        return known
    }

    /// A cluster's gateways by their addresses; nil where it has some, and no address is known.
    private func gateways(of record: ClusterRecord) -> [SocketAddress]? {
        guard let gateways = record.gateways else { return nil }
        let known = addresses(of: record)
        return known.isEmpty && !gateways.isEmpty
            ? nil : Array(known.sorted().prefix(configuration.sources.gateways))
    }

    /// What sources bring that isn't used, each a sentence.
    private var problems: Set<String> {
        let most = configuration.sources.gateways
        return Set(
            known.compactMap { cluster, record in
                let count = addresses(of: record).count
                guard count > most else { return nil }
                return "\(cluster) has \(count) gateways; the first \(most) are used (sources.gateways)"
            })
    }

    private var effectiveConfiguration: Configuration {
        var effective = configuration
        for index in effective.clusters.indices {
            let name = effective.clusters[index].cluster.name
            effective.clusters[index].cluster.gateways = known[name].flatMap { gateways(of: $0) } ?? []
        }
        return effective
    }

    /// The current state.
    public var state: RegistryState {
        let moment = (now: ContinuousClock.now, date: Date())
        let ordered = known.sorted { $0.key < $1.key }
        return RegistryState(
            configuration: configuration,
            mesh: Mesh(clusters: effectiveConfiguration.clusters.map(\.cluster), pods: known.compactMapValues(\.pods)),
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

    /// What to do about a hold: pods that stand under a name that nobody is served are not gone.
    private func advice(_ hold: ShrinkRecord.Hold, of service: ServiceName, in cluster: ClusterName) -> String {
        let addresses = Set(
            (known[cluster]?.pods?[service] ?? []).filter { hold.held.contains($0.name) }.map(\.address))
        let moved = known[cluster]?.pods?.first { name, pods in
            name != service && !isServed(name) && pods.contains { addresses.contains($0.address) }
        }
        if let moved { return "they stand under \(moved.key) now, which nobody is served: is that \(service)?" }
        let admin = configuration.admin
        var command = "ballast release \(service) --cluster \(cluster)"
        if admin.listen.description != "127.0.0.1:18080" { command += " --admin http://\(admin.listen)" }
        if let file = admin.tokenFile { command += " --token-file \(file)" }
        return "if they are gone: \(command)"
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
