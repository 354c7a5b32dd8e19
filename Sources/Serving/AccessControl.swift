import XDS
import EnvoyAPI
import GRPCTransport
import Intent
import Model
import Snapshots
import Synchronization

/// Decides which view each client is served, and whether it may be.
///
/// | client                         | without `xds.tls.allow`          | with `xds.tls.allow`                       |
/// |--------------------------------|----------------------------------|--------------------------------------------|
/// | node role `ballast`            | what `export` says               | what `export` says                         |
/// | certificate named by `export`  | nothing else                     | what a rule permits                        |
/// | any other                      | the view of its cluster and kind | what a rule permits: cluster, and role     |
final class AccessControl: Sendable {
    /// Nil if everyone who can connect may see everything.
    private let access: Mutex<Access?>

    init(_ access: Access?) { self.access = Mutex(access) }

    /// Puts other rules in force.
    ///
    /// - Returns: whether they differ.
    func replace(with next: Access?) -> Bool {
        access.withLock { access in
            defer { access = next }
            return access != next
        }
    }

    /// The view that a client asks for.
    ///
    /// - Throws: if it may not be served that.
    func view(
        of node: Node, on head: StreamHead, in federation: Federation, servesLEDS: Bool
    ) throws(GRPCStatus) -> ViewKey {
        let export = federation.exports.first { export in
            head.identities.contains { export.identity.matches($0) }
        }
        if node.isPeer {
            guard let export else { throw head.denied("nothing is exported to \(head.claim) (export)") }
            return .peer(export.peer)
        }
        let view = ClientView(node, head, in: federation, servesLEDS: servesLEDS)
        guard let access = access.withLock({ $0 }) else {
            // Whoever is there to import sees what is exported, and no more by saying less.
            guard export == nil else {
                throw head.denied(
                    "\(head.claim) may import what is exported to it, and see nothing else (export)")
            }
            return .client(view)
        }
        let rules = access.rules.filter { rule in head.identities.contains { rule.identity.matches($0) } }
        let role: Access.Role = view.kind.capabilities.isGateway ? .gateway : .client
        guard rules.contains(where: { $0.permits(view.cluster, as: role) }) else {
            throw head.denied(
                rules.isEmpty
                    ? "\(head.claim) may not connect (xds.tls.allow)"
                    : "\(head.claim) may not see the view of cluster \(view.cluster) as a \(role) (xds.tls.allow)")
        }
        return .client(view)
    }
}

extension StreamHead {
    /// Who its certificate says it is, for people.
    fileprivate var claim: String {
        identities.isEmpty ? "nobody" : identities.map(\.description).joined(separator: ", ")
    }

    fileprivate func denied(_ message: String) -> GRPCStatus { GRPCStatus(.permissionDenied, message) }
}

extension IdentityPattern {
    fileprivate func matches(_ identity: PeerIdentity) -> Bool {
        switch identity {
        case .uri(let uri): matches(uri: uri)
        case .dns(let name): matches(dns: name)
        }
    }
}

extension ClientView {
    /// The view that a node asks for on a stream.
    ///
    /// Its cluster is the one that its metadata names, or its region, or the own one.
    init(_ node: Node, _ head: StreamHead, in federation: Federation, servesLEDS: Bool) {
        let claims = [node.metadata["cluster"], node.locality.region].compactMap {
            $0.map(ClusterName.init(rawValue:))
        }
        let kind = ClientKind(node)
        self.init(
            cluster: claims.first { federation.clusters.contains($0) } ?? federation.ownCluster, kind: kind,
            usesLEDS: kind.takesLEDS(over: head) && node.wantsLEDS(unlessSaid: servesLEDS) && node.survivesLEDS)
    }
}

extension ClientKind {
    /// What a node says that it can take.
    init(_ node: Node) {
        if node.metadata["role"] == "gateway" {
            self = .gateway
        } else if node.isGRPC {
            self = .grpc
        } else {
            self = node.metadata["lanes"] == "true" ? .lanes : .plain
        }
    }

    /// Envoy takes collections over delta ADS only; a gateway's and a gRPC client's endpoints are never that many.
    func takesLEDS(over head: StreamHead) -> Bool {
        guard Method.at(head.method) == .deltaAggregatedResources else { return false }
        return switch self {
        case .plain, .lanes: true
        case .grpc, .gateway: false
        }
    }

    /// Lanes lead through listeners inside the client, which have to be there before the endpoints that name them.
    var servingOrder: ServingOrder {
        capabilities.takesEveryReach ? .listenersBeforeEndpoints : .listenersAfterEndpoints
    }
}

extension Node {
    /// The values that fields of its metadata may have; any other means nothing.
    static let knownValues = [
        ("role", ["gateway", Node.peerRole]), ("lanes", ["true", "false"]), ("leds", ["true", "false"]),
    ]

    /// Whether it asks for collections.
    ///
    /// - Parameter isWanted: what counts if it says nothing.
    func wantsLEDS(unlessSaid isWanted: Bool) -> Bool { metadata["leds"].map { $0 == "true" } ?? isWanted }

    /// False for Envoys that collections would end, or that don't say how old they are; whatever they ask for.
    var survivesLEDS: Bool {
        userAgent != Node.envoyAgent || envoyVersion.map { $0 >= .survivesCollections } == true
    }
}
