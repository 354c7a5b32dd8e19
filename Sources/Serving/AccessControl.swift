import EnvoyAPI
import GRPCTransport
import Intent
import Model
import Snapshots
import Synchronization
import XDS

/// Decides which view each client is served, and whether it is authorized.
///
/// | client                         | without `xds.tls.allow`          | with `xds.tls.allow`                       |
/// |--------------------------------|----------------------------------|--------------------------------------------|
/// | node role `ballast`            | the exports to it                | the exports to it                          |
/// | certificate named by `export`  | nothing else                     | what a rule permits                        |
/// | any other                      | the view of its cluster and kind | what a rule permits: cluster, and role     |
final class AccessControl: Sendable {
    /// The rules; nil if every client may see every view.
    private let access: Mutex<Access?>

    init(_ access: Access?) { self.access = Mutex(access) }

    /// Replaces the rules.
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
    /// - Throws: if the client isn't authorized for it.
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
            // A peer that leaves out its node role must not see more than the exports to it.
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
    /// The names in the client's certificate, for messages.
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
    /// The cluster is the one named in the node's metadata by `cluster` or, as Istio's sidecars do, by `CLUSTER_ID`, or
    /// else its region, or else Ballast's own.
    init(_ node: Node, _ head: StreamHead, in federation: Federation, servesLEDS: Bool) {
        let claims = [node.metadata["cluster"], node.metadata["CLUSTER_ID"], node.locality.region].compactMap {
            $0.map(ClusterName.init(rawValue:))
        }
        let kind = ClientKind(node, hasTunnels: federation.hasTunnels)
        self.init(
            cluster: claims.first { federation.clusters.contains($0) } ?? federation.ownCluster, kind: kind,
            usesLEDS: kind.supportsLEDS(over: head) && node.wantsLEDS(unlessSaid: servesLEDS)
                && node.supportsCollections)
    }
}

extension ClientKind {
    /// The kind of client that a node describes.
    ///
    /// - Parameter hasTunnels: whether the mesh has clusters that are reached through tunnels.
    init(_ node: Node, hasTunnels: Bool) {
        if node.metadata["role"] == "gateway" {
            self = .gateway
        } else if node.isGRPC {
            self = .grpc
        } else {
            let isOlder = hasTunnels && node.envoyVersion.map { $0 < .firstWithTunnels } ?? false
            self = node.metadata["lanes"] != "true" ? .plain : isOlder ? .olderLanes : .lanes
        }
    }

    /// Whether LEDS is possible: Envoy supports collections over delta ADS only, and gateways and gRPC don't need them.
    func supportsLEDS(over head: StreamHead) -> Bool {
        guard Method.at(head.method) == .deltaAggregatedResources else { return false }
        return switch self {
        case .plain, .lanes, .olderLanes: true
        case .grpc, .gateway: false
        }
    }

    /// Lanes lead through internal listeners, which must exist before endpoints name them.
    var servingOrder: ServingOrder {
        capabilities.supportsEveryReach ? .listenersBeforeEndpoints : .listenersAfterEndpoints
    }
}

extension Node {
    /// The valid values of node metadata fields; any other value is ignored.
    static let knownValues = [
        ("role", ["gateway", Node.peerRole]), ("lanes", ["true", "false"]), ("leds", ["true", "false"]),
    ]

    /// Whether the node asks for LEDS.
    ///
    /// - Parameter isWanted: the default if its metadata doesn't say.
    func wantsLEDS(unlessSaid isWanted: Bool) -> Bool { metadata["leds"].map { $0 == "true" } ?? isWanted }

    /// Whether the client survives LEDS: false for Envoys that would crash, and for those without a version.
    var supportsCollections: Bool {
        userAgent != Node.envoyAgent || envoyVersion.map { $0 >= .firstWithStableCollections } == true
    }
}
