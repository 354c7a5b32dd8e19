public import Intent
public import Model

extension Configuration {
    /// How gateways' host names are looked up.
    public struct DNS: Hashable, Sendable {
        /// Asked in this order; empty for those of /etc/resolv.conf.
        public var servers: [SocketAddress] = []
        /// An answer is used at least this long, whatever its TTL.
        public var shortest = Duration.seconds(5)
        /// An answer is asked for again after this long, whatever its TTL.
        public var longest = Duration.seconds(300)

        /// Which addresses are asked for; `any` for both.
        public var family = IPFamily.any

        /// The defaults.
        public init() {}
    }
}
