import CEnvoyAPI
public import Model
public import XDS

/// A client's identity, as it states it (`Node`).
public struct Node: Hashable, Sendable {
    /// The client's ID, which should be unique.
    public var id: String
    /// Envoy's `--service-cluster`.
    public var cluster: String
    /// The client's locality.
    public var locality: Locality
    /// For example `envoy`, or `gRPC C-core linux Python`.
    public var userAgent: String
    /// Envoy's version; nil for other clients, and for an Envoy that doesn't state it.
    public var envoyVersion: EnvoyVersion?
    /// The metadata with keys in `readMetadata`.
    ///
    /// Booleans are `true` or `false`, numbers are text.
    public var metadata: [String: String]
    /// The keys of the metadata that are kept.
    ///
    /// Istio's proxies send kilobytes of other metadata.
    static let readMetadata: Set = ["cluster", "CLUSTER_ID", "role", "lanes", "leds"]
    /// The limit on the length of a text in the node, in bytes; longer ones are truncated.
    static let longestText = 256

    /// Creates a node.
    public init(
        id: String = "", cluster: String = "", locality: Locality = Locality(), userAgent: String = "",
        envoyVersion: EnvoyVersion? = nil, metadata: [String: String] = [:]
    ) {
        self.id = id
        self.cluster = cluster
        self.locality = locality
        self.userAgent = userAgent
        self.envoyVersion = envoyVersion
        self.metadata = metadata
    }

    /// Whether this is a gRPC client, which supports fewer features than Envoy.
    public var isGRPC: Bool { userAgent.hasPrefix("gRPC") }

    /// Envoy's user agent.
    public static let envoyAgent = "envoy"

    /// Whether this is another Ballast, which imports services.
    public var isPeer: Bool { metadata["role"] == Self.peerRole }

    /// The `role` of another Ballast.
    public static let peerRole = "ballast"

    /// The dialect of xDS that the client speaks.
    public var dialect: ClientDialect { isGRPC ? .grpc : .envoy }

    init(_ node: Envoy__Config__Core__V3__Node) {
        let text = { (text: UnsafeMutablePointer<CChar>?) in String(text).prefix(utf8Count: Self.longestText) }
        id = text(node.id)
        cluster = text(node.cluster)
        userAgent = text(node.user_agent_name)
        let place = node.locality?.pointee
        locality = Locality(region: text(place?.region), zone: text(place?.zone), subZone: text(place?.sub_zone))
        if node.user_agent_version_type_case
            == ENVOY__CONFIG__CORE__V3__NODE__USER_AGENT_VERSION_TYPE_USER_AGENT_BUILD_VERSION,
            userAgent == Self.envoyAgent
        {
            envoyVersion = node.user_agent_build_version?.pointee.version.map { EnvoyVersion($0.pointee) }
        }
        metadata = [:]
        for field in messages(node.metadata?.pointee.fields, node.metadata?.pointee.n_fields ?? 0) {
            let key = String(field.key)
            guard let value = field.value?.pointee, Self.readMetadata.contains(key) else { continue }
            switch value.kind_case {
            case GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE: metadata[key] = text(value.string_value)
            case GOOGLE__PROTOBUF__VALUE__KIND_BOOL_VALUE: metadata[key] = value.bool_value != 0 ? "true" : "false"
            case GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE: metadata[key] = "\(value.number_value)"
            default: continue
            }
        }
    }

    func message(in arena: Arena) -> UnsafeMutablePointer<Envoy__Config__Core__V3__Node> {
        arena.make(envoy__config__core__v3__node__init) { node in
            node.id = arena.string(id)
            node.cluster = arena.string(cluster)
            node.user_agent_name = arena.string(userAgent)
            node.locality = locality.message(in: arena)
            node.metadata = structMessage(metadata, in: arena)
            guard let envoyVersion else { return }
            node.user_agent_version_type_case =
                ENVOY__CONFIG__CORE__V3__NODE__USER_AGENT_VERSION_TYPE_USER_AGENT_BUILD_VERSION
            node.user_agent_build_version = arena.make(envoy__config__core__v3__build_version__init) { build in
                build.version = envoyVersion.message(in: arena)
            }
        }
    }
}

extension Locality {
    func message(in arena: Arena) -> UnsafeMutablePointer<Envoy__Config__Core__V3__Locality> {
        arena.make(envoy__config__core__v3__locality__init) { message in
            message.region = arena.string(region)
            message.zone = arena.string(zone)
            message.sub_zone = arena.string(subZone)
        }
    }
}
