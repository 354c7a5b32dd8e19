import CEnvoyAPI
public import XDS

/// A decoded discovery request.
public struct DecodedRequest: Hashable, Sendable {
    /// The client's node; clients may omit it after a stream's first request.
    public var node: Node?
    /// The type URL; may be empty unless the stream is aggregated (ADS).
    public var type: String
    /// The request.
    public var request: DiscoveryRequest

    /// Decodes a request of the given variant.
    public init(_ bytes: [UInt8], _ variant: Variant) throws(DecodingFailure) {
        switch variant {
        case .sotw:
            self = try withDecoded(
                bytes, Envoy__Service__Discovery__V3__DiscoveryRequest.self,
                envoy__service__discovery__v3__discovery_request__descriptor
            ) { DecodedRequest($0, digest: Acknowledgement.digest(ofNamesIn: bytes.span.bytes)) }
        case .delta:
            self = try withDecoded(
                bytes, Envoy__Service__Discovery__V3__DeltaDiscoveryRequest.self,
                envoy__service__discovery__v3__delta_discovery_request__descriptor
            ) { DecodedRequest($0) }
        }
    }

    private init(_ message: Envoy__Service__Discovery__V3__DiscoveryRequest, digest: UInt64?) {
        node = message.node.map { Node($0.pointee) }
        type = String(message.type_url)
        request = .sotw(
            SotWRequest(
                names: names(message.resource_names, message.n_resource_names),
                version: String(message.version_info), nonce: String(message.response_nonce),
                rejection: rejection(message.error_detail), digest: digest
            )
        )
    }

    private init(_ message: Envoy__Service__Discovery__V3__DeltaDiscoveryRequest) {
        node = message.node.map { Node($0.pointee) }
        type = String(message.type_url)
        let versions = messages(message.initial_resource_versions, message.n_initial_resource_versions)
        request = .delta(
            DeltaRequest(
                subscribe: names(message.resource_names_subscribe, message.n_resource_names_subscribe),
                unsubscribe: names(message.resource_names_unsubscribe, message.n_resource_names_unsubscribe),
                initialVersions: Dictionary(
                    versions.map { (ResourceName(rawValue: String($0.key)), String($0.value)) },
                    uniquingKeysWith: { $1 }
                ),
                nonce: String(message.response_nonce), rejection: rejection(message.error_detail)
            )
        )
    }
}

private func names(_ array: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?, _ count: Int) -> [ResourceName] {
    strings(array, count).map { ResourceName(rawValue: $0) }
}

private func rejection(_ status: UnsafeMutablePointer<Google__Rpc__Status>?) -> String? {
    status.map { String($0.pointee.message) }
}
