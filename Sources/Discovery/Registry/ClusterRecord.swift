import EnvoyAPI
import Foundation
import Intent
import MeshConfiguration
import Model

struct SourceRecord: Hashable, Sendable {
    var id: SourceID
    var isSynced = false
    var staleReason: String?
    var staleSince: Date?
    var confirmed: Date?
    var problems: [String] = []
    /// Whether a part of the source fails.
    ///
    /// Updates from other parts don't end that.
    private var hasStalePart = false

    init(_ id: SourceID) { self.id = id }

    /// Marks the source as current; if a part of it fails and `allParts` is false, only as synced.
    ///
    /// - Returns: whether the source was stale or not synced before, and no longer is.
    mutating func confirm(allParts: Bool) -> Bool {
        guard allParts || !hasStalePart else {
            defer { isSynced = true }
            return !isSynced
        }
        defer { (isSynced, staleReason, staleSince, confirmed, hasStalePart) = (true, nil, nil, Date(), false) }
        return staleReason != nil || !isSynced
    }

    /// - Returns: whether the reason is new.
    mutating func fail(_ reason: String, ofPart: Bool = false) -> Bool {
        hasStalePart = ofPart
        guard staleReason != reason else { return false }
        staleSince = staleSince ?? Date()
        staleReason = reason
        return true
    }
}

/// What the registry knows about one cluster, and what of that is served.
struct ClusterRecord: Sendable {
    var endpoints: SourceRecord
    /// Nil if the gateways come from the configuration or from the source of the pods.
    var gatewaySource: SourceRecord?
    var shrinkGuard: ShrinkGuard?
    /// The pods as served; nil before anything is known.
    private(set) var pods: [ServiceName: [Pod]]?
    private(set) var podCount = 0
    /// From the configuration or a source; nil before anything is known.
    private(set) var gateways: [Gateway]?
    /// The gateways that the source of the pods reported last, used or not.
    private var exportedGateways: [Gateway]?
    /// The source whose gateways are used; nil if the configuration lists them.
    private var gatewaySourceID: SourceID?
    private var shrinking: [ServiceName: ShrinkRecord] = [:]
    private var holdEvents: [(service: ServiceName, event: HoldEvent)] = []
    /// Whether any client is served a service; the shrink guard ignores the others.
    private var isServed: @Sendable (ServiceName) -> Bool
    /// The state saved before this start; emptied by `serveRemembered`.
    private var remembered: SavedCluster?
    /// Whether there are changes that have not been saved to disk.
    var isUnsaved = false

    init(_ intent: ClusterIntent, isServed: @escaping @Sendable (ServiceName) -> Bool) {
        self.isServed = isServed
        endpoints = SourceRecord(SourceID(intent))
        gatewaySource = SourceID(gatewaysOf: intent).map(SourceRecord.init)
        shrinkGuard = intent.shrinkGuard
        switch intent.gateways {
        case .listed(let listed): gateways = listed
        case .kubernetes: gatewaySourceID = gatewaySource?.id
        case .exported: gatewaySourceID = endpoints.id
        }
    }

    /// Applies new settings; the known state stays.
    ///
    /// - Returns: the services whose held pods were released.
    mutating func configure(
        _ intent: ClusterIntent, isServed: @escaping @Sendable (ServiceName) -> Bool
    ) -> Set<ServiceName> {
        let next = ClusterRecord(intent, isServed: isServed)
        self.isServed = isServed
        if next.endpoints.id != endpoints.id {
            endpoints = next.endpoints
            exportedGateways = nil
            if pods != nil { wait(for: &endpoints) }
        }
        if next.gatewaySource?.id != gatewaySource?.id {
            gatewaySource = next.gatewaySource
            if var record = gatewaySource, gateways != nil {
                wait(for: &record)
                gatewaySource = record
            }
        }
        let last = gatewaySourceID
        gatewaySourceID = next.gatewaySourceID
        if let listed = next.gateways { gateways = listed }
        // The source keeps running, and need not report them again.
        if gatewaySourceID != last, gatewaySourceID == endpoints.id, let exportedGateways {
            gateways = exportedGateways
        }
        shrinkGuard = next.shrinkGuard
        let isGuarded = shrinkGuard != nil
        return release(.released) { service, _ in !isGuarded || !isServed(service) }
    }

    private func wait(for source: inout SourceRecord) {
        _ = source.fail("its new source, \(source.id.description), has not delivered yet")
    }

    /// What a report changed.
    struct Change {
        var services: Set<ServiceName> = []
        var hasOtherGateways = false
        /// Whether the report changed anything at all.
        var isNews = false
    }

    /// Applies a report from one of the cluster's sources.
    mutating func receive(_ report: SourceReport, from id: SourceID, at now: ContinuousClock.Instant) -> Change {
        var change = Change()
        switch report {
        case .update(let update):
            if let pods = update.pods { receive(pods, from: id, at: now, &change) }
            // Gateways in the configuration take precedence over those that another Ballast exports.
            if let gateways = update.gateways {
                if endpoints.id == id, !gateways.isEmpty { exportedGateways = gateways }
                if gatewaySourceID == id { receive(gateways, from: id, &change) }
            }
            change.isNews = change.isNews || !change.services.isEmpty
            isUnsaved = isUnsaved || change.isNews
        case .confirmed:
            change.isNews = confirm(id, allParts: true)
            isUnsaved = isUnsaved || change.isNews
        case .problems(let problems):
            change.isNews = source(id)?.problems != problems
            withSource(id) { $0.problems = problems }
        case .failure(let reason, let ofPart):
            change.isNews = withSource(id) { $0.fail(reason, ofPart: ofPart) } ?? false
        }
        return change
    }

    private mutating func confirm(_ id: SourceID, allParts: Bool) -> Bool {
        withSource(id) { $0.confirm(allParts: allParts) } ?? false
    }

    private mutating func receive(
        _ update: SourceUpdate.Pods, from id: SourceID, at now: ContinuousClock.Instant, _ change: inout Change
    ) {
        switch update {
        case .all(let all):
            if pods == nil {
                change.isNews = true
                // A restart is no evidence: pods that vanished meanwhile are held as if the program had been running.
                setPods(shrinkGuard == nil ? [:] : remembered?.pods ?? [:])
                change.services = Set(all.keys).union(pods?.keys ?? [:].keys)
            }
            let missing = (pods ?? [:]).keys.filter { all[$0] == nil }
            for (service, listed) in all { admit(service, listed, at: now, &change) }
            for service in missing { admit(service, SourceUpdate.ServicePods([]), at: now, &change) }
        case .changed(let changed):
            // Changes before the first whole state can't be used.
            guard pods != nil else { return }
            for (service, listed) in changed { admit(service, listed, at: now, &change) }
        }
        if confirm(id, allParts: false) { change.isNews = true }
    }

    private mutating func receive(_ listed: [Gateway], from id: SourceID, _ change: inout Change) {
        // An empty list would make all pods unreachable; some of the last gateways may still work.
        if listed.isEmpty, let last = gateways ?? remembered?.gateways, !last.isEmpty {
            change.hasOtherGateways = gateways != last
            gateways = last
            let reason = "it names no gateway; the last ones stay: \(last.map(\.description).joined(separator: ", "))"
            if withSource(id, { $0.fail(reason) }) == true || change.hasOtherGateways { change.isNews = true }
            return
        }
        change.hasOtherGateways = gateways != listed
        gateways = listed
        if confirm(id, allParts: false) || change.hasOtherGateways { change.isNews = true }
    }

    /// One of this cluster's sources; nil if the ID belongs to another cluster's.
    func source(_ id: SourceID) -> SourceRecord? {
        if endpoints.id == id { return endpoints }
        return gatewaySource?.id == id ? gatewaySource : nil
    }

    @discardableResult
    private mutating func withSource<Result>(_ id: SourceID, _ body: (inout SourceRecord) -> Result) -> Result? {
        if endpoints.id == id { return body(&endpoints) }
        guard var record = gatewaySource, record.id == id else { return nil }
        defer { gatewaySource = record }
        return body(&record)
    }

    private mutating func admit(
        _ service: ServiceName, _ listed: SourceUpdate.ServicePods, at now: ContinuousClock.Instant,
        _ change: inout Change
    ) {
        let (listed, evidence) = (listed.pods, listed.evidence)
        let served = pods?[service] ?? []
        guard listed != served || shrinking[service]?.hold != nil else { return }
        var next = listed
        if let shrinkGuard, isServed(service) {
            let last = shrinking[service]?.hold
            var evidence = evidence
            // Earlier evidence still counts, even if a later list has none.
            if evidence == .none, let last, last.nextStep != nil {
                let listed = Set(listed.map(\.name))
                if served.allSatisfy({ listed.contains($0.name) || last.held.contains($0.name) }) {
                    evidence = .deletes
                }
            }
            next = shrinkGuard.admit(listed, over: served, evidence, &shrinking[service], at: now)
            let hold = shrinking[service]?.hold
            change.isNews = change.isNews || last != hold
            if let hold, !hold.held.isSubset(of: last?.held ?? []) {
                holdEvents.append((service, .began(hold)))
            } else if let last, hold == nil {
                holdEvents.append((service, .ended(last.held, .settled)))
            }
        } else {
            shrinking[service] = nil
        }
        serve(service, next, &change)
    }

    private mutating func serve(_ service: ServiceName, _ next: [Pod], _ change: inout Change) {
        let served = pods?[service] ?? []
        guard next != served else { return }
        podCount += next.count - served.count
        pods?[service] = next.isEmpty ? nil : next
        change.services.insert(service)
        isUnsaved = true
    }

    // MARK: Holds

    var holds: [ServiceName: ShrinkRecord.Hold] { shrinking.compactMapValues(\.hold) }

    /// The start or end of a hold.
    enum HoldEvent {
        case began(ShrinkRecord.Hold)
        case ended(Set<String>, HoldChange.End)
    }

    /// When the next hold ends or releases some of its pods.
    var nextHoldStep: ContinuousClock.Instant? { holds.values.map { min($0.until, $0.nextStep ?? $0.until) }.min() }

    /// Ends the holds whose time is over, and releases the next pods of those that go in steps.
    mutating func expireHolds(at now: ContinuousClock.Instant) -> Set<ServiceName> {
        var change = Change()
        for (service, hold) in holds where hold.until > now && hold.nextStep.map({ $0 <= now }) == true {
            admit(service, SourceUpdate.ServicePods(hold.listed, .deletes), at: now, &change)
        }
        return change.services.union(release(.expired) { $1.until <= now })
    }

    /// Ends the hold on a service.
    mutating func release(_ service: ServiceName) -> Set<ServiceName> {
        release(.released) { name, _ in name == service }
    }

    /// Releases some of the held pods of a service.
    mutating func release(
        _ pods: Set<String>, of service: ServiceName, at now: ContinuousClock.Instant
    ) -> Set<ServiceName> {
        guard let hold = shrinking[service]?.hold else { return [] }
        let gone = hold.held.intersection(pods)
        guard !gone.isEmpty else { return [] }
        guard gone != hold.held else { return release(.failing) { name, _ in name == service } }
        // The rest stays held; its reference stays the count from before this release.
        let count = (self.pods?[service] ?? []).count { $0.health != .draining }
        shrinking[service]?.peaks.note(count, until: now)
        shrinking[service]?.hold?.held.subtract(gone)
        holdEvents.append((service, .ended(gone, .failing)))
        var change = Change()
        serve(service, (self.pods?[service] ?? []).filter { !gone.contains($0.name) }, &change)
        return change.services
    }

    private mutating func release(
        _ end: HoldChange.End, where isDue: (ServiceName, ShrinkRecord.Hold) -> Bool
    ) -> Set<ServiceName> {
        var change = Change()
        for (service, hold) in holds where isDue(service, hold) {
            shrinking[service] = nil
            serve(service, hold.listed, &change)
            change.services.insert(service)
            holdEvents.append((service, .ended(hold.held, end)))
        }
        return change.services
    }

    /// Holds that began or ended since the last call.
    mutating func takeHoldEvents() -> [(service: ServiceName, event: HoldEvent)] {
        defer { holdEvents = [] }
        return holdEvents
    }

    // MARK: Last known good

    /// Keeps the state saved before this start, as the reference for the first report.
    mutating func remember(_ saved: SavedCluster) { remembered = saved }

    /// Serves the state saved before this start, where no source has delivered yet.
    ///
    /// - Returns: whether any of it was needed.
    mutating func serveRemembered() -> Bool {
        guard let saved = remembered.take() else { return false }
        var isNews = false
        if pods == nil {
            setPods(saved.pods)
            Self.restore(&endpoints, saved)
            isNews = true
        }
        if gateways == nil, let restored = saved.gateways {
            gateways = restored
            if var record = gatewaySource {
                Self.restore(&record, saved)
                gatewaySource = record
            }
            isNews = true
        }
        return isNews
    }

    private mutating func setPods(_ all: [ServiceName: [Pod]]) {
        pods = all.filter { !$0.value.isEmpty }
        podCount = all.values.reduce(0) { $0 + $1.count }
    }

    private static func restore(_ source: inout SourceRecord, _ saved: SavedCluster) {
        let time = saved.confirmed.formatted(.iso8601)
        let reason = source.staleReason.map { ": \($0)" } ?? ""
        _ = source.fail("what was known at \(time) is served; it has not delivered since this start\(reason)")
        source.confirmed = saved.confirmed
    }

    /// The state to save for the next start; nil before the pods' source has delivered.
    func saved(names: [String: [IPAddress]]) -> SavedCluster? {
        guard let pods, endpoints.isSynced, let confirmed = endpoints.confirmed else { return nil }
        var resolved: [String: [IPAddress]] = [:]
        for case .name(let name, _) in gateways ?? [] { resolved[name] = names[name] }
        return SavedCluster(
            source: endpoints.id.description, confirmed: confirmed, pods: pods, gateways: gateways, resolved: resolved)
    }

    // MARK: Status

    /// The number of this cluster's stale sources.
    var staleCount: Int { [endpoints.staleReason, gatewaySource?.staleReason].compactMap(\.self).count }

    var statuses: [SourceStatus] {
        let listed = endpoints.id.providesGateways ? gateways.map { $0.map(\.description) } : nil
        var statuses = [SourceStatus(endpoints, podCount: podCount, gateways: listed)]
        if let gatewaySource {
            statuses.append(
                SourceStatus(gatewaySource, podCount: 0, gateways: (gateways ?? []).map(\.description)))
        }
        return statuses
    }
}

extension SourceID {
    fileprivate var providesGateways: Bool {
        if case .endpoints(.ballast) = kind { true } else { false }
    }
}

extension SourceStatus {
    fileprivate init(_ record: SourceRecord, podCount: Int, gateways: [String]?) {
        self.init(
            cluster: record.id.cluster, description: record.id.description, isSynced: record.isSynced,
            staleReason: record.staleReason, staleSince: record.staleSince, confirmed: record.confirmed,
            problems: record.problems, podCount: podCount, gateways: gateways)
    }
}
