import Intent
import MeshConfiguration
import Model

/// Which services there are, and the resource names that each is served under.
///
/// Those that the configuration lists are always there. One that sources bring and nobody listed (`services.*`) is there
/// while some cluster has pods of it, and for a while after: its clients are told first that it has no endpoints.
/// So replicas, and a process that starts anew, come to the same.
///
/// A name belongs to one service: a listed one goes first, else the first in the order of names. A value without a
/// clock: whoever asks says what time it is.
struct ServiceCatalog {
    /// How long an unlisted service is served without endpoints before it goes.
    static let removalDelay = Duration.seconds(30)

    /// A name that one service has at most.
    private enum Claim: Hashable {
        /// Of an xDS resource.
        case resource(String)
        /// The service's own, which SNIs show in lower case.
        case name(String)
    }

    private struct Unlisted {
        var service: ServiceIntent
        /// When it goes; nil while it has pods.
        var end: ContinuousClock.Instant?
    }

    private var listed: [ServiceName: ServiceIntent] = [:]
    private var template: ServiceTemplate?
    private var unlisted: [ServiceName: Unlisted] = [:]
    /// Who has a name by configuration; nil for the ways to clusters' gateways, which are no service.
    private var owners: [Claim: ServiceName?] = [:]
    /// Which unlisted services want a name.
    private var claimants: [Claim: Set<ServiceName>] = [:]
    private var lost: [ServiceName: [String]] = [:]

    /// The names of all services that are served.
    var names: Set<ServiceName> { Set(listed.keys).union(unlisted.keys.filter { self[$0] != nil }) }

    /// Why unlisted services are not served as `services.*` says.
    var problems: Set<String> { Set(lost.values.joined()) }

    /// When the next service goes.
    var next: ContinuousClock.Instant? { unlisted.values.compactMap(\.end).min() }

    /// Whether it is listed, or unlisted and on record.
    func knows(_ name: ServiceName) -> Bool { listed[name] != nil || unlisted[name] != nil }

    /// A service as it is served; nil if there is none.
    subscript(name: ServiceName) -> ServiceIntent? {
        if let service = listed[name] { return service }
        guard var service = unlisted[name]?.service, owner(of: .name(name.rawValue.lowercased())) == name else {
            return nil
        }
        service.resources.removeAll { owner(of: .resource($0)) != name }
        return service.resources.isEmpty ? nil : service
    }

    /// Puts an intent in force; unlisted services stay, as its template says now.
    ///
    /// - Returns: the services that have to be looked at: those that are served otherwise than before, or no longer.
    mutating func replaceIntent(with change: IntentChange) -> Set<ServiceName> {
        let candidates = change.services.union(unlisted.keys)
        let before = Dictionary(uniqueKeysWithValues: candidates.map { ($0, self[$0]) })
        let intent = change.intent
        listed = Dictionary(intent.services.map { ($0.service.name, $0) }, uniquingKeysWith: { first, _ in first })
        template = intent.template
        owners = [:]
        for cluster in intent.clusters { owners[.resource(cluster.name.gatewayListener)] = .some(nil) }
        for (name, service) in listed { for claim in Self.claims(name, service) { owners[claim] = name } }
        let last = unlisted
        (unlisted, claimants, lost) = ([:], [:], [:])
        for (name, entry) in last { add(name, until: entry.end) }
        for name in unlisted.keys { noteLosses(of: name) }
        return candidates.filter { before[$0] ?? nil != self[$0] }
    }

    /// Notes whether any cluster has pods of a service.
    ///
    /// - Returns: the services that have to be looked at: this one, and those that want a name of its.
    mutating func note(_ name: ServiceName, hasPods: Bool, at now: ContinuousClock.Instant) -> Set<ServiceName> {
        guard listed[name] == nil else { return [name] }
        if let known = unlisted[name] {
            unlisted[name]?.end = hasPods ? nil : known.end ?? now + Self.removalDelay
            return [name]
        }
        guard hasPods, template != nil else { return [] }
        add(name, until: nil)
        let touched = rivals(of: name)
        for rival in touched { noteLosses(of: rival) }
        return touched
    }

    /// Lets go the services whose time has come.
    ///
    /// - Returns: the services that have to be looked at: those that went, and those that wanted a name of theirs.
    mutating func expire(at now: ContinuousClock.Instant) -> Set<ServiceName> {
        let gone = unlisted.filter { $0.value.end.map { $0 <= now } == true }
        var touched: Set<ServiceName> = []
        for name in gone.keys { touched.formUnion(rivals(of: name)) }
        for (name, entry) in gone {
            for claim in Self.claims(name, entry.service) {
                claimants[claim]?.remove(name)
                if claimants[claim]?.isEmpty == true { claimants[claim] = nil }
            }
            unlisted[name] = nil
            lost[name] = nil
        }
        for name in touched { noteLosses(of: name) }
        return touched
    }

    private mutating func add(_ name: ServiceName, until end: ContinuousClock.Instant?) {
        guard let template, listed[name] == nil else { return }
        let service = template.served(as: name)
        unlisted[name] = Unlisted(service: service, end: end)
        for claim in Self.claims(name, service) { claimants[claim, default: []].insert(name) }
    }

    /// The service, those that want a name of its, and those that want one of a service whose own name it takes or leaves.
    private func rivals(of name: ServiceName) -> Set<ServiceName> {
        let namesakes = claimants[.name(name.rawValue.lowercased())] ?? []
        return namesakes.union([name]).reduce(into: [name]) { rivals, namesake in
            guard let service = unlisted[namesake]?.service else { return }
            for claim in Self.claims(namesake, service) { rivals.formUnion(claimants[claim] ?? []) }
        }
    }

    private mutating func noteLosses(of name: ServiceName) {
        guard let service = unlisted[name]?.service else { return }
        if let namesake = owner(of: .name(name.rawValue.lowercased())), namesake != name {
            lost[name] = ["\(name): it is not served, since its name and that of \(namesake) differ only in case"]
            return
        }
        let losses = service.resources.filter { owner(of: .resource($0)) != name }.map { resource in
            let owner =
                owner(of: .resource(resource)).map { "a resource of \($0)" }
                ?? "the name of the way to a cluster's gateways"
            return """
                \(name): it is not served as \(resource), which is \(owner); list it under `services` with `resources` of its own
                """
        }
        lost[name] = losses.isEmpty ? nil : losses
    }

    private func owner(of claim: Claim) -> ServiceName? {
        if let owner = owners[claim] { return owner }
        guard case .resource = claim else { return claimants[claim]?.min() }
        // One that isn't served for its own name's sake has no resource either.
        return claimants[claim]?.filter { owner(of: .name($0.rawValue.lowercased())) == $0 }.min()
    }

    private static func claims(_ name: ServiceName, _ service: ServiceIntent) -> [Claim] {
        [.name(name.rawValue.lowercased())] + service.resources.map { .resource($0) }
    }
}
