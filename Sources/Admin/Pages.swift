import Balancing
import ControlPlane
import Discovery
import Foundation
import Model
import XDS

// What the admin API answers, field by field: docs/admin.md describes it. The types of the other rooms may change
// without it.

struct Readiness: Encodable {
    var ready: Bool
    var configuration: ConfigurationPage
    /// Nil where nothing is wrong that the sources don't say.
    var problems: [String]?
    var sources: [SourcePage]
    /// Nil where nothing is held.
    var held: [HoldPage]?

    init(_ status: Status) {
        ready = status.isReady
        configuration = ConfigurationPage(status.configuration)
        problems = status.problems.isEmpty ? nil : Array(status.problems.prefix(100))
        held = status.holds.isEmpty ? nil : status.holds.map(HoldPage.init)
        sources = status.sources.map(SourcePage.init)
    }
}

struct ConfigurationPage: Encodable {
    struct Refusal: Encodable {
        var time: Date
        var reason: String
    }

    var version: String
    var loaded: Date
    /// Nil unless a newer one can't be used.
    var refused: Refusal?
    /// What was changed and takes effect at the next start; nil for nothing.
    var pending: [String]?

    init(_ status: ConfigurationStatus) {
        version = status.version
        loaded = status.loaded
        refused = status.refusal.map { Refusal(time: $0.time, reason: $0.reason) }
        pending = status.pending.isEmpty ? nil : status.pending
    }
}

struct SourcePage: Encodable {
    /// Nil for a name in DNS.
    var cluster: String?
    var source: String
    var synced: Bool
    var stale: String?
    var staleSince: Date?
    var confirmed: Date?
    var problems: [String]?
    var pods: Int
    var gateways: [String]?

    init(_ status: SourceStatus) {
        cluster = status.cluster?.rawValue
        source = status.description
        synced = status.isSynced
        stale = status.staleReason
        staleSince = status.staleSince
        confirmed = status.confirmed
        problems = status.problems.isEmpty ? nil : status.problems
        pods = status.podCount
        gateways = status.gateways
    }
}

/// Pods that are served though their source no longer names them.
struct HoldPage: Encodable {
    var service: String
    var cluster: String
    var pods: [String]
    var reason: String
    var since: Date
    var until: Date
    /// When some of them go; nil if all go at `until`.
    var nextStep: Date?

    init(_ hold: HoldStatus) {
        service = hold.service.rawValue
        cluster = hold.cluster.rawValue
        pods = hold.pods
        reason = hold.reason
        since = hold.since
        until = hold.until
        nextStep = hold.nextStep
    }
}

struct ServicesPage: Encodable {
    var view: String
    var audience: String
    var sources: [SourcePage]
    var services: [ServicePage]

    init(_ status: Status, _ viewer: Viewer, _ services: [ServiceStatus]) {
        view = viewer.cluster.rawValue
        audience = viewer.audience.rawValue
        sources = status.sources.map(SourcePage.init)
        let observed = status.observed[viewer] ?? [:]
        let holds = Dictionary(grouping: status.holds, by: \.service)
        self.services = services.map {
            ServicePage($0, observed: observed[$0.service.name], holds: holds[$0.service.name] ?? [])
        }
    }
}

struct ServicePage: Encodable {
    struct Resource: Encodable {
        var name: String
        var version: String
    }

    struct Share: Encodable {
        var cluster: String
        var share: Double
        var observed: Observed?
        var weight: UInt64
        var priority: UInt32?
        var reason: String
        var problem: String?
        var pods: [Pod]
    }

    struct Pod: Encodable {
        var name: String
        var share: Double
        var observed: Observed?
        var health: String
        /// Until when it is served though its source no longer names it; nil for others.
        var heldUntil: Date?
        var note: String?
    }

    /// What clients reported of a target, over the window.
    struct Observed: Encodable {
        /// Of the service's requests; nil where there were none.
        var share: Double?
        var requests: UInt64
        var errors: UInt64
        /// Nil where nothing ended.
        var latencyMilliseconds: Double?
        /// Means of what targets reported themselves.
        var metrics: [String: Double]?

        /// Nil where nothing was reported of the target.
        init?(_ target: ObservedTarget, _ load: ObservedLoad?) {
            guard let load, let tally = load.targets[target] else { return nil }
            share = load.share(of: target)
            requests = tally.issued
            errors = tally.errors
            latencyMilliseconds = tally.latency.flatMap { $0 > 0 ? $0 * 1_000 : nil }
            metrics = tally.means.isEmpty ? nil : tally.means
        }
    }

    /// What clients reported of the service.
    struct ObservedService: Encodable {
        struct Locality: Encodable {
            var region: String
            var zone: String
            var subZone: String
            var observed: Observed?
        }

        var windowSeconds: Double
        var reports: Int
        var dropped: UInt64
        var total: Observed?
        var localities: [Locality]

        init(_ load: ObservedLoad) {
            windowSeconds = load.window / .seconds(1)
            reports = load.reports
            dropped = load.targets[.service]?.dropped ?? 0
            total = Observed(.service, load)
            let places = load.targets.keys.compactMap { if case .locality(let place) = $0 { place } else { nil } }
            localities = places.sorted().map { place in
                Locality(
                    region: place.region, zone: place.zone, subZone: place.subZone,
                    observed: Observed(.locality(place), load))
            }
        }
    }

    struct Endpoint: Encodable {
        var address: String
        var hostname: String?
        var proxy: String?
        var region: String
        var zone: String
        var subZone: String
        var priority: UInt32
        var localityWeight: UInt32?
        var weight: UInt32
        var health: String
    }

    var name: String
    var balance: String
    var resources: [Resource]
    var intended: [Share]
    /// Nil where no client has reported lately.
    var observed: ObservedService?
    var endpoints: [Endpoint]

    init(_ status: ServiceStatus, observed load: ObservedLoad?, holds: [HoldStatus]) {
        observed = load.map(ObservedService.init)
        name = status.service.name.rawValue
        balance = status.service.balance.rawValue
        resources = status.resources.map { Resource(name: $0.name.rawValue, version: $0.version.description) }
        intended = status.assignment.shares.map { share in
            let hold = holds.first { $0.cluster == share.cluster }
            let held = Set(hold?.pods ?? [])
            let problems = [
                share.problem,
                hold.map { "\(held.count) of its pods are held until \($0.until.formatted(.iso8601)): \($0.reason)" },
                load?.failures(of: share.cluster),
            ].compactMap(\.self)
            return Share(
                cluster: share.cluster.rawValue, share: share.share, observed: Observed(.cluster(share.cluster), load),
                weight: share.weight, priority: share.priority,
                reason: held.isEmpty ? share.reason : "\(share.reason); \(held.count) of them held (guard)",
                problem: problems.isEmpty ? nil : problems.joined(separator: "; "),
                pods: share.pods.map {
                    Pod(
                        name: $0.name, share: $0.share, observed: Observed(.pod(share.cluster, $0.name), load),
                        health: $0.health.rawValue, heldUntil: held.contains($0.name) ? hold?.until : nil, note: $0.note
                    )
                }
            )
        }
        endpoints = status.assignment.localities.flatMap { locality in
            locality.endpoints.map { endpoint in
                Endpoint(
                    address: endpoint.address.description, hostname: endpoint.hostname,
                    proxy: endpoint.proxy?.description, region: locality.locality.region,
                    zone: locality.locality.zone, subZone: locality.locality.subZone,
                    priority: locality.priority, localityWeight: locality.weight, weight: endpoint.weight,
                    health: endpoint.health.rawValue
                )
            }
        }
    }
}

extension ObservedLoad {
    /// That most requests to a cluster fail; nil while they don't.
    fileprivate func failures(of cluster: ClusterName) -> String? {
        guard let failure = failure(of: .cluster(cluster), place: "it"), let tally = targets[.cluster(cluster)] else {
            return nil
        }
        return "\(failure) (\(tally.errors) of \(tally.ended))"
    }
}

struct ClientsPage: Encodable {
    /// Clients on one page.
    private static let mostClients = 1_000
    /// Resources of each type of a stream.
    static let mostResources = 100
    /// The same, where one node was asked for.
    static let mostResourcesOfNode = 10_000

    struct Client: Encodable {
        var node: String
        var cluster: String
        var userAgent: String
        var peer: String
        /// Nil without mutual TLS.
        var identities: [String]?
        var view: String?
        var audience: String?
        var note: String?
        var streams: [Stream]
    }

    struct Stream: Encodable {
        var method: String
        var subscriptions: [Subscription]
    }

    struct Subscription: Encodable {
        struct Rejection: Encodable {
            var version: String
            var message: String
        }

        struct Resource: Encodable {
            var name: String
            /// False for a resource that is not there; nil for others.
            var exists: Bool?
            var sent: String?
            var acknowledged: String?
        }

        var type: String
        var sent: String?
        var acknowledged: String?
        var rejected: Rejection?
        var resources: [Resource]
        /// How many resources are not listed; nil if all are.
        var omitted: Int?
    }

    var clients: [Client]
    /// How many streams of further clients are not listed; nil if all are.
    var omittedStreams: Int?

    /// A client is a node on a connection; an Envoy without ADS has a stream for each Envoy cluster.
    init(_ streams: [ClientStatus]) {
        clients = []
        for (index, stream) in streams.enumerated() {
            if clients.last?.node != stream.node || clients.last?.peer != stream.peer {
                guard clients.count < Self.mostClients else {
                    omittedStreams = streams.count - index
                    return
                }
                clients.append(
                    Client(
                        node: stream.node, cluster: stream.nodeCluster, userAgent: stream.userAgent, peer: stream.peer,
                        identities: stream.identities.isEmpty ? nil : stream.identities,
                        view: stream.viewer?.cluster.rawValue, audience: stream.viewer?.audience.rawValue,
                        note: stream.notes.isEmpty ? nil : stream.notes.joined(separator: "; "), streams: []
                    )
                )
            }
            clients[clients.count - 1].streams.append(
                Stream(
                    method: stream.method,
                    subscriptions: stream.subscriptions.map { Subscription($0.type, $0.subscription) })
            )
        }
    }
}

extension ClientsPage.Subscription {
    init(_ type: TypeURL, _ status: SubscriptionStatus) {
        self.type = type.rawValue
        sent = status.sent?.description
        acknowledged = status.acknowledged?.description
        rejected = status.rejection.map { Rejection(version: $0.version.description, message: $0.message) }
        resources = status.resources.map {
            Resource(
                name: $0.name.rawValue, exists: $0.sent == nil && status.sent != nil ? false : nil,
                sent: $0.sent?.description, acknowledged: $0.acknowledged?.description)
        }
        omitted = status.count > resources.count ? status.count - resources.count : nil
    }
}
