/// The metadata of an endpoint: values by filter and key.
///
/// Istio's sidecars choose TLS by the `tlsMode` of `envoy.transport_socket_match`.
public typealias EndpointMetadata = [String: [String: String]]

extension EndpointMetadata {
    /// The metadata of endpoints with an Istio sidecar.
    public static let istioSidecar: EndpointMetadata = ["envoy.transport_socket_match": ["tlsMode": "istio"]]

    /// The metadata of endpoints that are reached through tunnels, in which there is no TLS.
    public static let tunnelled: EndpointMetadata = ["envoy.transport_socket_match": ["ballast": "tunnelled"]]

    /// The metadata with other values added; the other ones count where both have a key.
    public func overridden(by other: EndpointMetadata) -> EndpointMetadata {
        if isEmpty { return other }
        if other.isEmpty { return self }
        return merging(other) { $0.merging($1) { $1 } }
    }
}
