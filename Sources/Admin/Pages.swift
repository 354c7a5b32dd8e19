import Balancing
import ControlPlane
import Discovery
import XDS

// What the admin API answers, field by field: docs/admin.md describes it. The types of the other rooms may change
// without it.

struct Readiness: Encodable {
    var ready: Bool
    var sources: [SourcePage]

    init(_ status: Status) {
        ready = status.isReady
        sources = status.sources.map(SourcePage.init)
    }
}

struct SourcePage: Encodable {
    var cluster: String
    var source: String
    var synced: Bool
    var stale: String?
    var pods: Int

    init(_ status: SourceStatus) {
        cluster = status.source.cluster.rawValue
        source = status.source.description
        synced = status.isSynced
        stale = status.staleReason
        pods = status.podCount
    }
}

struct ServicesPage: Encodable {
    var view: String
    var audience: String
    var sources: [SourcePage]
    var services: [ServicePage]

    init(_ status: Status, _ viewer: Viewer) {
        view = viewer.cluster.rawValue
        audience = viewer.audience.rawValue
        sources = status.sources.map(SourcePage.init)
        services = (status.services[viewer] ?? []).map(ServicePage.init)
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
        var weight: UInt64
        var priority: UInt32?
        var reason: String
        var problem: String?
        var pods: [Pod]
    }

    struct Pod: Encodable {
        var name: String
        var share: Double
        var health: String
        var note: String?
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
    var endpoints: [Endpoint]

    init(_ status: ServiceStatus) {
        name = status.service.name.rawValue
        balance = status.service.balance.rawValue
        resources = status.resources.map { Resource(name: $0.name.rawValue, version: $0.version.description) }
        intended = status.assignment.shares.map { share in
            Share(
                cluster: share.cluster.rawValue, share: share.share, weight: share.weight, priority: share.priority,
                reason: share.reason, problem: share.problem,
                pods: share.pods.map { Pod(name: $0.name, share: $0.share, health: $0.health.rawValue, note: $0.note) }
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

struct ClientsPage: Encodable {
    struct Client: Encodable {
        var node: String
        var cluster: String
        var userAgent: String
        var peer: String
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
            var sent: String?
            var acknowledged: String?
        }

        var type: String
        var sent: String?
        var acknowledged: String?
        var rejected: Rejection?
        var resources: [Resource]
    }

    var clients: [Client]

    /// A client is a node on a connection; an Envoy without ADS has a stream for each Envoy cluster.
    init(_ streams: [ClientStatus]) {
        clients = []
        for stream in streams {
            if clients.last?.node != stream.node || clients.last?.peer != stream.peer {
                clients.append(
                    Client(
                        node: stream.node, cluster: stream.nodeCluster, userAgent: stream.userAgent, peer: stream.peer,
                        view: stream.viewer?.cluster.rawValue, audience: stream.viewer?.audience.rawValue,
                        note: Self.note(on: stream), streams: []
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

    private static func note(on stream: ClientStatus) -> String? {
        guard !stream.reduced.isEmpty else { return nil }
        let clusters = stream.reduced.map(\.rawValue).joined(separator: ", ")
        return "gets gateway addresses only for \(clusters): gRPC, or its node metadata doesn't say lanes: true"
    }
}

extension ClientsPage.Subscription {
    init(_ type: TypeURL, _ status: SubscriptionStatus) {
        self.type = type.rawValue
        sent = status.sent?.description
        acknowledged = status.acknowledged?.description
        rejected = status.rejection.map { Rejection(version: $0.version.description, message: $0.message) }
        resources = status.resources.map {
            Resource(name: $0.name.rawValue, sent: $0.sent?.description, acknowledged: $0.acknowledged?.description)
        }
    }
}
