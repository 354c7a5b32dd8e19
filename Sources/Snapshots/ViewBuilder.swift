import Balancing
import EnvoyAPI
import HashTreeCollections
import Model
import XDS

/// Keeps one view up to date, part by part.
///
/// Unchanged content is not encoded again and keeps its slices.
///
/// Removed resources that may still be in use are served longer (make before break). Endpoints are removed at once.
/// Listeners that they named are removed after their type's `removalDelay`, and the Envoy clusters behind those
/// listeners last. In a gateway's view, a removed Envoy cluster also waits until clients have answered the removal of
/// its endpoints, up to `patience`.
struct ViewBuilder {
    /// A unit of replacement.
    enum Part: Hashable {
        case service(ServiceName)
        /// The listeners and Envoy clusters that lead to other clusters' gateways, or a peer's status resource.
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

    /// When a removed resource stops being served.
    private struct Retirement {
        /// The first publication without it; its clients have to answer this one.
        var publication: UInt64
        /// The resource is served at least until then.
        var earliest: ContinuousClock.Instant
        /// The resource is served at most until then, even if clients have not answered.
        var latest: ContinuousClock.Instant
    }

    /// In a gateway's view, how much longer than `removalDelay` a resource is served for clients that have not answered
    /// the endpoints without it.
    private static let patience = Duration.seconds(15)
    /// How often clients' answers are checked during that time.
    private static let lookInterval = Duration.milliseconds(500)

    /// Whether resources outlive their use by clients: true for the views of gateways.
    private let outlivesClients: Bool
    private var view = Snapshot.View.Content()
    /// The names added, removed or changed since `takeView`.
    private var changes: [TypeURL: Set<ResourceName>] = [:]
    private var parts: [Part: [Key: Entry]] = [:]
    /// The number of parts that contain a resource; two services' pods may share an address, and so a gateway's Envoy
    /// cluster.
    private var holders: [Key: Int] = [:]
    /// The services whose endpoints are separate resources (LEDS), with their last assignment.
    private var listed: [ServiceName: Assignment] = [:]
    private var retiring: [Key: Retirement] = [:]

    init(outlivesClients: Bool) { self.outlivesClients = outlivesClients }

    /// When to call `expire` next; nil if no removed resource is still served.
    func next(after now: ContinuousClock.Instant) -> ContinuousClock.Instant? {
        retiring.values.map { $0.earliest > now ? $0.earliest : min($0.latest, now + Self.lookInterval) }.min()
    }

    /// Whether a removed resource is served only because clients have not answered yet.
    func waitsForClients(at now: ContinuousClock.Instant) -> Bool {
        retiring.values.contains { $0.earliest <= now && now < $0.latest }
    }

    /// Notes the view's `reduced`, `unreached` and `gatewayed` clusters: see `Snapshot.View`.
    mutating func note(reduced: [ClusterName], unreached: [ClusterName], gatewayed: [ClusterName]) {
        (view.reduced, view.unreached, view.gatewayed) = (reduced, unreached, gatewayed)
    }

    /// Replaces the content of a part.
    ///
    /// - Parameter other: the builder of another view, which may have encoded the same content already.
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
            // The content may differ in what isn't sent, such as the reason for a share.
            if let last = known?.resource, last.version == resource.version { resource = last }
            entries[key] = Entry(content: content, resource: resource)
            if known == nil { holders[key, default: 0] += 1 }
            put(resource, key)
        }
        for key in last.keys { release(key, at: moment) }
        parts[part] = entries.isEmpty ? nil : entries
    }

    /// Serves the endpoints of a service as separate resources; nil removes them all.
    ///
    /// Compares all endpoints but encodes only those that changed.
    mutating func replaceEndpoints(of service: ServiceName, with assignment: Assignment?) {
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

    /// Updates the status that the admin API shows for a service.
    mutating func updateStatus(of service: Service, _ assignment: Assignment) {
        let resources = (parts[.service(service.name)] ?? [:]).filter { $0.key.type == .clusterLoadAssignment }
            .map { VersionedName(name: $0.key.name, version: $0.value.resource.version) }
            .sorted { $0.name < $1.name }
        forget(service.name, but: Set(resources.map(\.name)))
        view.services[service.name] = ServiceStatus(service: service, resources: resources, assignment: assignment)
        for resource in resources { view.owners[resource.name] = service.name }
    }

    /// Removes a service from the view.
    mutating func remove(_ service: ServiceName, at moment: Moment) {
        forget(service, but: [])
        replaceEndpoints(of: service, with: nil)
        view.services[service] = nil
        replace(.service(service), with: [], at: moment)
    }

    /// Removes resources that have been served long enough.
    ///
    /// - Parameter taken: the newest publication that all clients have answered.
    mutating func expire(at now: ContinuousClock.Instant, answeredByClients taken: UInt64) {
        for (key, end) in retiring where end.latest <= now || end.earliest <= now && end.publication <= taken {
            remove(key)
        }
    }

    /// The view's current content, with the changes since the last call.
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

/// The addresses that were removed, and the endpoints that are new or changed; both lists are sorted by address.
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
