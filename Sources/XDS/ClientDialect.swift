/// How a client understands the parts of the protocol that Envoy and gRPC understand differently.
public enum ClientDialect: Hashable, Sendable {
    /// A version from an earlier stream vouches for what it still holds.
    case envoy
    /// It drops resources that it unsubscribes from, and keeps the version.
    case grpc
}
