public import Balancing
import EnvoyAPI
import XDS

/// Who looks at the mesh: the cluster that a client is in, and what kind of client it is.
public struct Viewer: Hashable, Sendable {
    /// Whose pods are local.
    public var cluster: ClusterName
    /// What can be sent.
    public var audience: Audience

    /// A viewer.
    public init(cluster: ClusterName, audience: Audience) {
        self.cluster = cluster
        self.audience = audience
    }
}

extension Audience {
    /// Lanes lead through listeners inside the client, which have to be there before the endpoints that name them.
    var servingOrder: ServingOrder {
        switch self {
        case .lanes: .listenersBeforeEndpoints
        case .plain, .grpc, .gateway: .listenersAfterEndpoints
        }
    }
}

extension Viewer {
    /// The view of a node.
    ///
    /// Its cluster is the one that its metadata names, or its region, or the default.
    init(_ node: Node, in snapshot: Snapshot) {
        let claims = [node.metadata["cluster"], node.locality.region].compactMap {
            $0.map(ClusterName.init(rawValue:))
        }
        self.init(
            cluster: claims.first { snapshot.views[Viewer(cluster: $0, audience: .plain)] != nil }
                ?? snapshot.defaultCluster,
            audience: Audience(node)
        )
    }
}

extension Audience {
    /// What a node says that it can take.
    fileprivate init(_ node: Node) {
        if node.metadata["role"] == "gateway" {
            self = .gateway
        } else if node.isGRPC {
            self = .grpc
        } else {
            self = node.metadata["lanes"] == "true" ? .lanes : .plain
        }
    }
}
