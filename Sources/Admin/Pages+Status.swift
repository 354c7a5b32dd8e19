import AdminAPI
import Balancing
import ControlPlane
import Discovery
import Events
import Foundation
import Intent
import Model
import Serving
import Snapshots
import XDS

// Builds the admin API's pages from the control plane's status.

extension ReadinessPage {
    init(_ status: Status) {
        let problems = status.problems.prefix(100).map(\.sentence)
        self.init(
            ready: status.isReady, configuration: Configuration(status.configuration),
            problems: problems.isEmpty ? nil : problems, sources: status.sources.map(SourcePage.init),
            held: status.holds.isEmpty ? nil : status.holds.map(HoldPage.init))
    }
}

extension ReadinessPage.Configuration {
    fileprivate init(_ status: ConfigurationStatus) {
        self.init(
            version: status.version, loaded: status.loaded,
            refused: status.refusal.map { Refusal(time: $0.time, reason: $0.reason) },
            pending: status.pending.isEmpty ? nil : status.pending)
    }
}

extension SourcePage {
    init(_ status: SourceStatus) {
        self.init(
            cluster: status.cluster?.rawValue, source: status.description, synced: status.isSynced,
            stale: status.staleReason, staleSince: status.staleSince, confirmed: status.confirmed,
            problems: status.problems.isEmpty ? nil : status.problems, pods: status.podCount,
            gateways: status.gateways)
    }
}

extension HoldPage {
    fileprivate init(_ hold: HoldStatus) {
        self.init(
            service: hold.service.rawValue, cluster: hold.cluster.rawValue, pods: hold.pods, reason: hold.reason,
            since: hold.since, until: hold.until, nextStep: hold.nextStep)
    }
}

// MARK: Services

extension ServicesPage {
    init(_ status: Status, _ view: ClientView, _ services: [ServiceStatus], continue next: String? = nil) {
        let observed = status.observed[view] ?? [:]
        let holds = Dictionary(grouping: status.holds, by: \.service)
        self.init(
            view: view.cluster.rawValue, audience: view.kind.rawValue, sources: status.sources.map(SourcePage.init),
            services: services.map { service in
                let name = service.service.name
                return ServicePage(service, observed: observed[name], holds: holds[name] ?? [])
            }, continue: next)
    }
}

extension ServicePage {
    fileprivate init(_ status: ServiceStatus, observed load: ObservedLoad?, holds: [HoldStatus]) {
        self.init(
            name: status.service.name.rawValue, balance: status.service.balance.rawValue,
            resources: status.resources.map { Resource(name: $0.name.rawValue, version: $0.version.description) },
            intended: status.assignment.shares.map { share in
                Share(share, observed: load, hold: holds.first { $0.cluster == share.cluster })
            },
            observed: load.map(ObservedService.init),
            endpoints: status.assignment.localities.flatMap { locality in
                locality.endpoints.map { Endpoint($0, in: locality) }
            })
    }
}

extension ServicePage.Share {
    fileprivate init(_ share: ClusterShare, observed load: ObservedLoad?, hold: HoldStatus?) {
        let held = Set(hold?.pods ?? [])
        let problems = [
            share.problem,
            hold.map { "\(held.count) of its pods are held until \($0.until.formatted(.iso8601)): \($0.reason)" },
            load?.failures(of: share.cluster),
        ].compactMap(\.self)
        self.init(
            cluster: share.cluster.rawValue, share: share.share,
            observed: ServicePage.Observed(.cluster(share.cluster), load), weight: share.weight,
            priority: share.priority,
            reason: held.isEmpty ? share.reason : "\(share.reason); \(held.count) of them held (guard)",
            problem: problems.isEmpty ? nil : problems.joined(separator: "; "),
            pods: share.pods.map {
                ServicePage.Pod(
                    name: $0.name, share: $0.share, observed: ServicePage.Observed(.pod(share.cluster, $0.name), load),
                    health: $0.health.rawValue, heldUntil: held.contains($0.name) ? hold?.until : nil, note: $0.note)
            })
    }
}

extension ServicePage.Endpoint {
    fileprivate init(_ endpoint: Assignment.Endpoint, in entry: Assignment.LocalityEndpoints) {
        self.init(
            address: endpoint.address.description, hostname: endpoint.hostname, proxy: endpoint.proxy?.description,
            region: entry.locality.region, zone: entry.locality.zone, subZone: entry.locality.subZone,
            priority: entry.priority, localityWeight: entry.weight, weight: endpoint.weight,
            health: endpoint.health.rawValue)
    }
}

extension ServicePage.Observed {
    /// Nil if the target has no reports.
    fileprivate init?(_ target: ObservedTarget, _ load: ObservedLoad?) {
        guard let load, let tally = load.targets[target] else { return nil }
        self.init(
            share: load.share(of: target), requests: tally.issued, errors: tally.errors,
            latencyMilliseconds: tally.latency.flatMap { $0 > 0 ? $0 * 1_000 : nil },
            metrics: tally.means.isEmpty ? nil : tally.means)
    }
}

extension ServicePage.ObservedService {
    fileprivate init(_ load: ObservedLoad) {
        let places = load.targets.keys.compactMap { if case .locality(let place) = $0 { place } else { nil } }
        self.init(
            windowSeconds: load.window / .seconds(1), reports: load.reports,
            dropped: load.targets[.service]?.dropped ?? 0, total: ServicePage.Observed(.service, load),
            localities: places.sorted().map { place in
                Locality(
                    region: place.region, zone: place.zone, subZone: place.subZone,
                    observed: ServicePage.Observed(.locality(place), load))
            })
    }
}

extension ObservedLoad {
    /// A sentence about failed requests to a cluster; nil unless most fail.
    fileprivate func failures(of cluster: ClusterName) -> String? {
        guard let failure = failure(of: .cluster(cluster), place: "it"), let tally = targets[.cluster(cluster)] else {
            return nil
        }
        return "\(failure) (\(tally.errors) of \(tally.ended))"
    }
}

// MARK: One service

extension ServiceDetailPage {
    init(
        _ status: Status, _ view: ClientView, _ service: ServiceStatus, _ origins: [ClusterName: [String: PodOrigin]]
    ) {
        let name = service.service.name
        let holds = status.holds.filter { $0.service == name }
        let weightOrigins = status.configuration.weightOrigins[name] ?? [:]
        self.init(
            view: view.cluster.rawValue, audience: view.kind.rawValue,
            service: ServicePage(service, observed: status.observed[view]?[name], holds: holds),
            sources: status.sources.map(SourcePage.init), held: holds.isEmpty ? nil : holds.map(HoldPage.init),
            pods: service.assignment.shares.flatMap { share in
                let source = status.sources.first { $0.cluster == share.cluster }
                let hold = holds.first { $0.cluster == share.cluster }
                return share.pods.map { pod in
                    // Before the source has synced, pods come from the last-known-good state, and their origin is
                    // unknown.
                    let origin = source?.isSynced == true ? origins[share.cluster]?[pod.name] : nil
                    return Pod(
                        cluster: share.cluster.rawValue, pod: pod.name, address: pod.address.description,
                        region: pod.locality.region, zone: pod.locality.zone, health: pod.health.rawValue,
                        source: source?.description, object: origin?.object, version: origin?.version,
                        line: origin?.line, confirmed: source?.confirmed, stale: source?.staleReason,
                        held: hold?.pods.contains(pod.name) == true ? hold?.reason : nil,
                        weight: Weight(pod, in: share, origin: weightOrigins[share.cluster]?.description))
                }
            })
    }
}

extension ServiceDetailPage.Weight {
    fileprivate init(_ pod: ClusterShare.PodShare, in share: ClusterShare, origin: String?) {
        var words = "pod weight \(pod.ownWeight.value) x multiplier \(share.multiplier)"
        if pod.weight == 0 {
            words += ", but it gets nothing: \(pod.note ?? share.reason)"
        } else {
            words += ", \(pod.weight) on the service's scale"
        }
        if let split = share.split {
            words += "; its cluster's \(share.weight) is split over \(split) \(split == 1 ? "endpoint" : "endpoints")"
        }
        self.init(
            pod: pod.ownWeight.value, multiplier: share.multiplier.description, origin: origin, scaled: pod.weight,
            split: share.split, derivation: words)
    }
}

// MARK: Clients

extension ClientsPage {
    /// The maximum number of clients on a page.
    private static let maxClients = 1_000

    /// Groups streams into clients: a client is a node on a connection, and an Envoy without ADS has a stream per Envoy
    /// cluster.
    ///
    /// - Parameter limit: the maximum number of resources listed for each type of a stream.
    init(_ streams: [ClientStatus], listing limit: Int) {
        self.init(clients: [])
        for (index, stream) in streams.enumerated() {
            if clients.last?.node != stream.node || clients.last?.peer != stream.peer {
                guard clients.count < Self.maxClients else {
                    omittedStreams = streams.count - index
                    return
                }
                clients.append(Client(stream))
            }
            clients[clients.count - 1].note(stream)
            let subscriptions = stream.subscriptions(listing: limit).map { Subscription($0.type, $0.subscription) }
            clients[clients.count - 1].streams.append(Stream(method: stream.method, subscriptions: subscriptions))
        }
    }
}

extension ClientsPage.Client {
    fileprivate init(_ stream: ClientStatus) {
        // Another Ballast is shown with the view of this Ballast's own cluster.
        let view = stream.view.map { $0.client ?? ClientView(cluster: stream.ownCluster, kind: .plain) }
        self.init(
            node: stream.node, cluster: stream.nodeCluster, userAgent: stream.userAgent, peer: stream.peer,
            identities: stream.identities.isEmpty ? nil : stream.identities, view: view?.cluster.rawValue,
            audience: view?.kind.rawValue, note: stream.notes.isEmpty ? nil : stream.notes.joined(separator: "; "),
            streams: [])
    }
}

extension ClientsPage.Client {
    /// Notes the state of another stream of the client; the worst counts.
    fileprivate mutating func note(_ stream: ClientStatus) {
        if let started = stream.started { since = min(since ?? started, started) }
        guard let sync = stream.sync else { return }
        let order = SyncState.allCases
        let known = state.flatMap(SyncState.init(rawValue:)).flatMap(order.firstIndex) ?? 0
        if state == nil || order.firstIndex(of: sync) ?? 0 > known { state = sync.rawValue }
        guard let rejection = stream.rejection else { return }
        let type = rejection.type.rawValue.split(separator: ".").last.map(String.init) ?? ""
        let words = "rejects \(type): \"\(rejection.message.prefix(200))\""
        if note?.contains(words) != true { note = [note, words].compactMap(\.self).joined(separator: "; ") }
    }
}

extension ClientsPage.Subscription {
    fileprivate init(_ type: TypeURL, _ status: SubscriptionStatus) {
        self.init(
            type: type.rawValue, sent: status.sent?.description, acknowledged: status.acknowledged?.description,
            rejected: status.rejection.map { Rejection(version: $0.version.description, message: $0.message) },
            resources: status.resources.map {
                Resource(
                    name: $0.name.rawValue, exists: $0.sent == nil && status.sent != nil ? false : nil,
                    sent: $0.sent?.description, acknowledged: $0.acknowledged?.description)
            },
            omitted: status.count > status.resources.count ? status.count - status.resources.count : nil)
    }
}
