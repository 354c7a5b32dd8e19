import Balancing
import EnvoyAPI
import HashTreeCollections
import Model
import XDS

/// Keeps one view up to date, part by part.
///
/// Content that hasn't changed is not encoded again, and keeps its slices.
///
/// What is no longer wanted but may still be in use is kept for a while: make before break. Endpoints go at once. The
/// listeners that they named go when every client has had time to take that, and the Envoy clusters that those led to
/// go last; a gateway's clusters of single pods not before clients have said that they took it.
struct ViewBuilder {
    /// What a change replaces as a whole.
    enum Part: Hashable {
        case service(ServiceName)
        /// What leads to the gateways of other clusters.
        case paths
    }

    private struct Entry {
        var content: ResourceContent
        var resource: ServedResource
    }

    private struct Key: Hashable {
        var type: TypeURL
        var name: ResourceName
    }

    /// When a resource goes that is no longer wanted.
    private struct Retirement {
        /// The publication that clients were first served without it.
        var publication: UInt64
        /// Not before.
        var earliest: ContinuousClock.Instant
        /// Whatever clients say.
        var latest: ContinuousClock.Instant
    }

    /// How much longer than its type's `removalDelay` a gateway's resource is served for clients that have not acknowledged
    /// the endpoints without it.
    private static let patience = Duration.seconds(15)
    /// How often clients are looked at meanwhile.
    private static let lookInterval = Duration.milliseconds(500)

    /// Whether it is what leads clients to pods, and has to be there as long as they use it.
    private let outlivesClients: Bool
    private var view = Snapshot.View.Content()
    /// The names that came, went or changed since `takeView`.
    private var changes: [TypeURL: Set<ResourceName>] = [:]
    private var parts: [Part: [Key: Entry]] = [:]
    /// How many parts have a resource: pods of two services may share an address, and a gateway's cluster for it.
    private var holders: [Key: Int] = [:]
    /// The services whose endpoints are resources of their own (LEDS).
    private var listed: [ServiceName: Assignment] = [:]
    private var retiring: [Key: Retirement] = [:]

    init(outlivesClients: Bool) { self.outlivesClients = outlivesClients }

    /// When to look at what is no longer wanted.
    func next(after now: ContinuousClock.Instant) -> ContinuousClock.Instant? {
        retiring.values.map { $0.earliest > now ? $0.earliest : min($0.latest, now + Self.lookInterval) }.min()
    }

    /// Whether something goes as soon as clients have taken that it does.
    func waitsForClients(at now: ContinuousClock.Instant) -> Bool {
        retiring.values.contains { $0.earliest <= now && now < $0.latest }
    }

    /// Notes what of other clusters' ways the view has: see `Snapshot.View`.
    mutating func note(reduced: [ClusterName], gatewayed: [ClusterName]) {
        (view.reduced, view.gatewayed) = (reduced, gatewayed)
    }

    /// Replaces a part's content.
    ///
    /// - Parameter other: another view's builder, which may have encoded the same content already.
    mutating func replace(
        _ part: Part, with contents: [NamedContent], sharing other: ViewBuilder? = nil, at moment: Moment
    ) {
        var last = parts.removeValue(forKey: part) ?? [:]
        let shared = other?.parts[part] ?? [:]
        var entries: [Key: Entry] = [:]
        for (name, content) in contents {
            let form = content.form
            let key = Key(type: form.type, name: name)
            guard entries[key] == nil else { continue }
            let known = last.removeValue(forKey: key)
            if let known, known.content == content {
                entries[key] = known
                continue
            }
            let equal = shared[key].flatMap { $0.content == content ? $0.resource : nil }
            var resource = equal ?? ServedResource(form.encode(name), collections: form.collections)
            // Content may change in what isn't sent, such as the reason for a share.
            if let last = known?.resource, last.version == resource.version { resource = last }
            entries[key] = Entry(content: content, resource: resource)
            if known == nil { holders[key, default: 0] += 1 }
            put(resource, key)
        }
        for key in last.keys { release(key, at: moment) }
        parts[part] = entries.isEmpty ? nil : entries
    }

    /// Serves the endpoints of a service as resources of their own; none of no assignment.
    ///
    /// Looks at all, and makes only those that changed.
    mutating func list(_ service: ServiceName, _ assignment: Assignment?) {
        let last = listed[service]
        listed[service] = assignment
        let isEqual = { (left: Assignment.Endpoint, right: Assignment.Endpoint) in
            left == right && last?.metadata == assignment?.metadata
        }
        for entry in assignment?.localities ?? [] {
            let known = last?.localities.first { $0.locality == entry.locality && $0.priority == entry.priority }
            let (gone, changed) = difference(known?.endpoints ?? [], entry.endpoints, isEqual)
            for address in gone { remove(Key(type: .endpoint, name: ResourceName(address, of: service, entry))) }
            for endpoint in changed {
                let name = ResourceName(endpoint.address, of: service, entry)
                let content = EncodedResource(endpoint, metadata: assignment?.metadata ?? [:], name: name)
                put(ServedResource(content), Key(type: .endpoint, name: name))
            }
        }
        for entry in last?.localities ?? [] {
            let isKept = assignment?.localities.contains {
                $0.locality == entry.locality && $0.priority == entry.priority
            }
            guard isKept != true else { continue }
            for endpoint in entry.endpoints {
                remove(Key(type: .endpoint, name: ResourceName(endpoint.address, of: service, entry)))
            }
        }
    }

    /// Tells what is served of a service.
    mutating func describe(_ service: Service, _ assignment: Assignment) {
        let resources = (parts[.service(service.name)] ?? [:]).filter { $0.key.type == .clusterLoadAssignment }
            .map { VersionedName(name: $0.key.name, version: $0.value.resource.version) }
            .sorted { $0.name < $1.name }
        forget(service.name, but: Set(resources.map(\.name)))
        view.services[service.name] = ServiceStatus(service: service, resources: resources, assignment: assignment)
        for resource in resources { view.owners[resource.name] = service.name }
    }

    /// Takes a service away.
    mutating func remove(_ service: ServiceName, at moment: Moment) {
        forget(service, but: [])
        list(service, nil)
        view.services[service] = nil
        replace(.service(service), with: [], at: moment)
    }

    /// Lets go what has been kept long enough.
    ///
    /// - Parameter taken: the newest publication that all clients have taken.
    mutating func expire(at now: ContinuousClock.Instant, clientsHaveTaken taken: UInt64) {
        for (key, end) in retiring where end.latest <= now || end.earliest <= now && end.publication <= taken {
            remove(key)
        }
    }

    /// What there is now, and what came, went or changed since the last time.
    mutating func takeView() -> Snapshot.View {
        defer { changes = [:] }
        return Snapshot.View(view, changes: changes.map { ($0.key, ChangedNames($0.value)) })
    }

    private mutating func forget(_ service: ServiceName, but names: Set<ResourceName>) {
        for resource in view.services[service]?.resources ?? [] where !names.contains(resource.name) {
            if view.owners[resource.name] == service { view.owners[resource.name] = nil }
        }
    }

    private mutating func put(_ resource: ServedResource, _ key: Key) {
        retiring[key] = nil
        guard view.resources[key.type]?.version(of: key.name) != resource.version else { return }
        view.resources[key.type, default: ResourceIndex()].add(resource)
        changes[key.type, default: []].insert(key.name)
    }

    private mutating func release(_ key: Key, at moment: Moment) {
        let count = (holders[key] ?? 1) - 1
        holders[key] = count > 0 ? count : nil
        guard count == 0 else { return }
        guard let delay = key.type.removalDelay else { return remove(key) }
        let earliest = moment.time + delay
        retiring[key] = Retirement(
            publication: moment.publication, earliest: earliest,
            latest: outlivesClients ? earliest + Self.patience : earliest)
    }

    private mutating func remove(_ key: Key) {
        retiring[key] = nil
        view.resources[key.type]?.remove(key.name)
        changes[key.type, default: []].insert(key.name)
    }
}

/// The addresses that are gone, and the endpoints that are new or changed; both lists are in the order of addresses.
private func difference(
    _ last: [Assignment.Endpoint], _ now: [Assignment.Endpoint],
    _ isEqual: (Assignment.Endpoint, Assignment.Endpoint) -> Bool
) -> (gone: [Assignment.Endpoint.Address], changed: [Assignment.Endpoint]) {
    var (gone, changed): ([Assignment.Endpoint.Address], [Assignment.Endpoint]) = ([], [])
    var index = 0
    for endpoint in now {
        while index < last.count, last[index].address < endpoint.address {
            gone.append(last[index].address)
            index += 1
        }
        if index < last.count, last[index].address == endpoint.address {
            if !isEqual(last[index], endpoint) { changed.append(endpoint) }
            index += 1
        } else {
            changed.append(endpoint)
        }
    }
    return (gone + last[index...].map(\.address), changed)
}
