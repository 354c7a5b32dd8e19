import YAMLFile

extension Configuration {
    /// Limits on what one source may deliver, so that it can't exhaust memory.
    ///
    /// A source that exceeds a limit is stale: its last good state is served.
    public struct SourceLimits: Hashable, Sendable {
        /// The maximum size in bytes of a file, of all pages of a Kubernetes list, or of what another Ballast sends in
        /// one stream until its state is complete.
        public var bytes = 64 << 20
        /// The maximum number of EndpointSlices, of Services and of nodes of a Kubernetes API server, each.
        public var objects = 20_000
        /// The maximum number of services of another Ballast.
        public var services = 20_000
        /// The maximum number of endpoints of a cluster, over all services.
        public var endpoints = 200_000
        /// The maximum number of gateway addresses of a cluster; the first ones in order are used.
        public var gateways = 64

        /// Creates the default limits.
        public init() {}
    }
}

extension Configuration.SourceLimits {
    /// Reads `sources`.
    init(_ entry: YAMLReader) throws(ConfigurationError) {
        self.init()
        let numbers: [(name: String, path: WritableKeyPath<Self, Int>, most: Int)] = [
            ("bytes", \.bytes, Int(Int32.max)), ("objects", \.objects, 10_000_000), ("services", \.services, 1_000_000),
            ("endpoints", \.endpoints, 10_000_000), ("gateways", \.gateways, 1_024),
        ]
        let fields = try entry.mapping(numbers.map(\.name))
        for (name, path, most) in numbers {
            if let value = fields[name] { self[keyPath: path] = try value.integer(in: 1...most) }
        }
    }
}
