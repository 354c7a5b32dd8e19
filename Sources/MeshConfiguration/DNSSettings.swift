public import Intent
public import Model

extension Configuration {
    /// How gateways' host names are resolved.
    public struct DNS: Hashable, Sendable {
        /// The name servers, in the order in which they are tried; empty for those of /etc/resolv.conf.
        public var servers: [SocketAddress] = []
        /// The minimum time for which an answer is used, whatever its TTL.
        public var shortest = Duration.seconds(5)
        /// The maximum time until an answer is refreshed, whatever its TTL.
        public var longest = Duration.seconds(300)

        /// The address families to resolve; `any` for both.
        public var family = IPFamily.any

        /// Creates the default settings.
        public init() {}
    }
}
