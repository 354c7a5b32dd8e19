/// Which of two readings of the protocol a client has.
public enum ClientDialect: Hashable, Sendable {
    /// Envoy: it still holds the resources of the version that it sends.
    case envoy
    /// gRPC: it drops resources when it unsubscribes, but keeps the version.
    case grpc
}
