import YAMLFile

extension Configuration {
    /// How much one source may bring, so that none can fill the memory.
    ///
    /// A source that brings more is stale: its last good state is served.
    public struct SourceLimits: Hashable, Sendable {
        /// Of a file, of all pages of a Kubernetes list, or of all that another Ballast tells in one stream before it has
        /// told everything.
        public var bytes = 64 << 20
        /// EndpointSlices, Services or nodes of a Kubernetes API server, each.
        public var objects = 20_000
        /// Services of another Ballast.
        public var services = 20_000
        /// Endpoints of all services of a cluster.
        public var endpoints = 200_000
        /// Addresses of gateways of a cluster; the first ones in order are used if there are more.
        public var gateways = 64

        /// The defaults.
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
