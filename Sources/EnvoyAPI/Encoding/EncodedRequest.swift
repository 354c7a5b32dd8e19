import CEnvoyAPI
public import XDS

extension DiscoveryRequest {
    /// Encodes the request as a client sends it.
    public func encoded(type: String, node: Node? = nil) -> [UInt8] {
        let arena = Arena()
        let node = node?.message(in: arena)
        switch self {
        case .sotw(let request):
            return encode(
                arena.make(envoy__service__discovery__v3__discovery_request__init) { message in
                    message.node = node
                    message.type_url = arena.string(type)
                    message.version_info = arena.string(request.version)
                    message.response_nonce = arena.string(request.nonce)
                    message.n_resource_names = request.names.count
                    message.resource_names = arena.array(request.names.map { arena.string($0.rawValue) })
                    message.error_detail = request.rejection.map { status($0, in: arena) }
                }
            )
        case .delta(let request):
            let versions = request.initialVersions.sorted { $0.key < $1.key }.map { name, version in
                arena.make(
                    envoy__service__discovery__v3__delta_discovery_request__initial_resource_versions_entry__init
                ) {
                    $0.key = arena.string(name.rawValue)
                    $0.value = arena.string(version)
                }
            }
            return encode(
                arena.make(envoy__service__discovery__v3__delta_discovery_request__init) { message in
                    message.node = node
                    message.type_url = arena.string(type)
                    message.response_nonce = arena.string(request.nonce)
                    message.n_resource_names_subscribe = request.subscribe.count
                    message.resource_names_subscribe = arena.array(request.subscribe.map { arena.string($0.rawValue) })
                    message.n_resource_names_unsubscribe = request.unsubscribe.count
                    message.resource_names_unsubscribe = arena.array(
                        request.unsubscribe.map { arena.string($0.rawValue) })
                    message.n_initial_resource_versions = versions.count
                    message.initial_resource_versions = arena.array(versions)
                    message.error_detail = request.rejection.map { status($0, in: arena) }
                }
            )
        }
    }
}

extension DiscoveryRequest {
    /// Encodes an ACK that changes no subscription.
    ///
    /// In SotW, append `encodedNames`, because each request repeats the names.
    public static func encodedAcknowledgement(
        of nonce: String, version: String, type: TypeURL, _ variant: Variant
    ) -> [UInt8] {
        var writer = WireWriter()
        switch variant {
        case .sotw:
            writer.string(SotWField.version, version)
            writer.string(SotWField.type, type.rawValue)
            writer.string(SotWField.nonce, nonce)
        case .delta:
            writer.string(DeltaField.type, type.rawValue)
            writer.string(DeltaField.nonce, nonce)
        }
        return writer.bytes
    }

    /// Encodes the names of a SotW request.
    public static func encodedNames(_ names: [ResourceName]) -> [UInt8] {
        var writer = WireWriter()
        for name in names { writer.string(SotWField.names, name.rawValue) }
        return writer.bytes
    }

    // Field numbers from discovery.proto.

    private enum SotWField {
        static let version: UInt8 = 1
        static let names: UInt8 = 3
        static let type: UInt8 = 4
        static let nonce: UInt8 = 5
    }

    private enum DeltaField {
        static let type: UInt8 = 2
        static let nonce: UInt8 = 6
    }
}

private func status(_ message: String, in arena: Arena) -> UnsafeMutablePointer<Google__Rpc__Status> {
    arena.make(google__rpc__status__init) {
        $0.code = 3
        $0.message = arena.string(message)
    }
}
