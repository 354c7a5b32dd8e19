import CEnvoyAPI
public import XDS

extension DiscoveryRequest {
    /// The request as a client sends it.
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

private func status(_ message: String, in arena: Arena) -> UnsafeMutablePointer<Google__Rpc__Status> {
    arena.make(google__rpc__status__init) {
        $0.code = 3
        $0.message = arena.string(message)
    }
}
