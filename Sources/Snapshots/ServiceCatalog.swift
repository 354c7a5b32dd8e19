import Intent
import MeshConfiguration
import Model

/// The services that are served, and the resource names of each.
///
/// A listed service always exists. An unlisted service, which a source reports and `services.*` applies to, exists
/// while a cluster has pods of it, and for `removalDelay` after. During that time its clients learn that it has no
/// endpoints. So the catalog doesn't depend on history, and replicas and restarted processes agree.
///
/// A name belongs to one service: a listed one first, otherwise the first in the order of names. A value without a
/// clock: the caller passes the time.
struct ServiceCatalog {
    /// How long an unlisted service is served without endpoints before it is removed.
    static let removalDelay = Duration.seconds(30)

    /// A name that at most one service can have.
    private enum Claim: Hashable {
        /// The name of an xDS resource.
        case resource(String)
        /// The service's own name in lower case, as it appears in SNIs.
        case name(String)
    }

    private struct Unlisted {
        var service: ServiceIntent
        /// When it is removed; nil while it has pods.
        var end: ContinuousClock.Instant?
    }

    private var listed: [ServiceName: ServiceIntent] = [:]
    private var template: ServiceTemplate?
    private var unlisted: [ServiceName: Unlisted] = [:]
    /// The owners of names by configuration; a nil owner marks the names of paths to gateways, which belong to no
    /// service.
    private var owners: [Claim: ServiceName?] = [:]
    /// The unlisted services that claim a name.
    private var claimants: [Claim: Set<ServiceName>] = [:]
    private var lost: [ServiceName: [String]] = [:]

    /// The names of all services that are served.
    var names: Set<ServiceName> { Set(listed.keys).union(unlisted.keys.filter { self[$0] != nil }) }

    /// Why unlisted services are not served as `services.*` says.
    var problems: Set<String> { Set(lost.values.joined()) }

    /// When the next service is removed; nil for never.
    var next: ContinuousClock.Instant? { unlisted.values.compactMap(\.end).min() }

    /// Whether the service is listed, or unlisted with pods now or recently.
    func knows(_ name: ServiceName) -> Bool { listed[name] != nil || unlisted[name] != nil }

    /// A service with the resource names that it owns; nil if it isn't served.
    subscript(name: ServiceName) -> ServiceIntent? {
        if let service = listed[name] { return service }
        guard var service = unlisted[name]?.service, owner(of: .name(name.rawValue.lowercased())) == name else {
            return nil
        }
        service.resources.removeAll { owner(of: .resource($0)) != name }
        return service.resources.isEmpty ? nil : service
    }

    /// Replaces the intent; unlisted services stay, with the settings of its template.
    ///
    /// - Returns: the services to rebuild, because they changed or are no longer served.
    mutating func replaceIntent(with change: IntentChange) -> Set<ServiceName> {
        let candidates = change.services.union(unlisted.keys)
        let before = Dictionary(uniqueKeysWithValues: candidates.map { ($0, self[$0]) })
        let intent = change.intent
        listed = Dictionary(intent.services.map { ($0.service.name, $0) }, uniquingKeysWith: { first, _ in first })
        template = intent.template
        owners = [:]
        for name in intent.clusters.flatMap(\.listeners) { owners[.resource(name)] = .some(nil) }
        for (name, service) in listed { for claim in Self.claims(name, service) { owners[claim] = name } }
        let last = unlisted
        (unlisted, claimants, lost) = ([:], [:], [:])
        for (name, entry) in last { add(name, until: entry.end) }
        for name in unlisted.keys { noteLosses(of: name) }
        return candidates.filter { before[$0] ?? nil != self[$0] }
    }

    /// Notes whether any cluster has pods of a service.
    ///
    /// - Returns: the services to rebuild: this one, and others that claim one of its names.
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

    /// Removes the unlisted services whose time is over.
    ///
    /// - Returns: the services to rebuild: those removed, and others that claimed one of their names.
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

    /// The service, the services that claim one of its names, and those that claim a name of a service whose own name
    /// it shares.
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
        // A service that lost its own name owns no resource names either.
        return claimants[claim]?.filter { owner(of: .name($0.rawValue.lowercased())) == $0 }.min()
    }

    private static func claims(_ name: ServiceName, _ service: ServiceIntent) -> [Claim] {
        [.name(name.rawValue.lowercased())] + service.resources.map { .resource($0) }
    }
}
