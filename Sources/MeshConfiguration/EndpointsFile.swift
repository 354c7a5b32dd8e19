public import Model
public import YAMLFile

/// One cluster's pods in a YAML file, written by hand or by a tool.
///
///     services:
///       httpbin:
///         - {name: w1, address: "127.0.0.1:2101", weight: 1, zone: a, health: healthy}
public struct EndpointsFile: Hashable, Sendable {
    /// The lines of a service's pods.
    public struct Lines: Hashable, Sendable {
        /// The line of the first pod, counted from 1.
        var first: Int
        /// How many lines below the first each pod is, in the order of the pods.
        var offsets: [Int]

        /// The line of a pod, counted from 1.
        public subscript(index: Int) -> Int { first + offsets[index] }
    }

    /// The pods of each service, in the order of the file.
    public var pods: [ServiceName: [Pod]]
    /// The lines of each service's pods.
    public var lines: [ServiceName: Lines]

    init(pods: [ServiceName: [Pod]], lines: [ServiceName: Lines]) {
        self.pods = pods
        self.lines = lines
    }

    /// Reads a file.
    public init(path: String) throws(ConfigurationError) { try self.init(text: TextFile.read(path), file: path) }

    /// Reads a file's text; `file` is used in errors.
    public init(text: String, file: String) throws(ConfigurationError) {
        self.init(pods: [:], lines: [:])
        let root = try YAMLReader(text: text, file: file)
        var errors: [ConfigurationError] = []
        for (name, list) in try root.mapping("services").required("services", of: root).entries() {
            let service = ServiceName(rawValue: name)
            do throws(ConfigurationError) {
                try read(list, of: service)
            } catch {
                // Every entry of a large file may be wrong; more than 20 errors don't help.
                if errors.count < 20 { errors.append(error) }
            }
        }
        guard errors.isEmpty else { throw ConfigurationError(errors) }
    }

    private mutating func read(_ list: YAMLReader, of service: ServiceName) throws(ConfigurationError) {
        var pods: [Pod] = []
        var lines = Lines(first: 0, offsets: [])
        var check = UniquePods()
        for entry in try list.list() {
            let pod = try Pod(entry)
            let fields = try entry.entries()
            switch check.insert(pod) {
            case .name?:
                throw fields.first { $0.key == "name" }?.value.error("another pod of this service has this name")
                    ?? entry.error("another pod of this service has this name")
            case .address(let other)?:
                let field = fields.first { $0.key == "address" }?.value ?? entry
                throw field.error("pod \(other) has this address too; one address can only be served once")
            case nil: break
            }
            if pods.isEmpty { lines.first = entry.line ?? 0 }
            pods.append(pod)
            lines.offsets.append((entry.line ?? lines.first) - lines.first)
        }
        self.pods[service] = pods
        self.lines[service] = lines
    }

    /// Finds pods of a service that have a name or an address in common.
    struct UniquePods {
        enum Conflict {
            case name
            /// With the pod of this name.
            case address(String)
        }

        private var names: Set<String> = []
        private var addresses: [SocketAddress: String] = [:]

        /// Adds a pod; returns what it has in common with another.
        mutating func insert(_ pod: Pod) -> Conflict? {
            guard names.insert(pod.name).inserted else { return .name }
            return addresses.updateValue(pod.name, forKey: pod.address).map { .address($0) }
        }

        /// Whether a pod has something in common with one that was added.
        func conflicts(with pod: Pod) -> Bool {
            // Mostly one pod has changed, and there are many to compare it with.
            if addresses.count == 1, let (address, name) = addresses.first {
                return address == pod.address || name == pod.name
            }
            return addresses[pod.address] != nil || names.contains(pod.name)
        }
    }
}

extension Pod {
    /// Reads one entry of an endpoints file.
    init(_ entry: YAMLReader) throws(ConfigurationError) {
        let fields = try entry.mapping("name", "address", "weight", "zone", "health", "sni", "metadata")
        self.init(
            name: try fields.required("name", of: entry).text(),
            address: try fields.required("address", of: entry).socketAddress())
        if let weight = fields["weight"] {
            let range = Int(Weight.range.lowerBound)...Int(Weight.range.upperBound)
            self.weight = Weight(try weight.integer(in: range)) ?? .one
        }
        if let zone = fields["zone"] { self.zone = try zone.text() }
        if let health = fields["health"] { self.health = try health.choice(Pod.Health.self) }
        if let sni = fields["sni"] { self.sni = try sni.value("should be a host name") { DNSName($0) } }
        if let metadata = fields["metadata"] { self.metadata = try metadata.endpointMetadata() }
    }
}

extension YAMLReader {
    /// Reads the metadata of endpoints: values by filter and key.
    func endpointMetadata() throws(ConfigurationError) -> EndpointMetadata {
        var metadata: EndpointMetadata = [:]
        for (filter, values) in try entries() {
            for (key, value) in try values.entries() { metadata[filter, default: [:]][key] = try value.text() }
        }
        return metadata
    }

    /// Reads an IP address and port that a client can connect to.
    func socketAddress() throws(ConfigurationError) -> SocketAddress {
        try value("should be one machine's IP address and a port, such as 127.0.0.1:8000 or [::1]:8000") { text in
            SocketAddress(text).flatMap { $0.port > 0 && $0.host.isUnicast ? $0 : nil }
        }
    }
}
