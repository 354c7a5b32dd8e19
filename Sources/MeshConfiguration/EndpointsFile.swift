public import Model
public import YAMLFile

/// One cluster's pods in a YAML file, written by hand or by a tool.
///
///     services:
///       httpbin:
///         - {name: w1, address: "127.0.0.1:2101", weight: 1, zone: a, health: healthy}
public struct EndpointsFile: Hashable, Sendable {
    /// The pods of each service, in the order of the file.
    public var pods: [ServiceName: [Pod]]

    /// Reads a file.
    public init(path: String) throws(ConfigurationError) { try self.init(text: TextFile.read(path), file: path) }

    /// Reads a file's text; `file` is used in errors.
    public init(text: String, file: String) throws(ConfigurationError) { pods = try Self.read(text, file: file).pods }

    /// Reads a file's text.
    ///
    /// - Returns: the pods, and the services in the order of the file.
    static func read(
        _ text: String, file: String
    ) throws(ConfigurationError) -> (pods: [ServiceName: [Pod]], services: [ServiceName]) {
        let root = try YAMLReader(text: text, file: file)
        var all: [ServiceName: [Pod]] = [:]
        var services: [ServiceName] = []
        var errors: [ConfigurationError] = []
        for (name, list) in try root.mapping("services").required("services", of: root).entries() {
            let service = ServiceName(rawValue: name)
            do throws(ConfigurationError) {
                all[service] = try Self.pods(list)
            } catch {
                // Every entry of a large file may be wrong; more than 20 errors don't help.
                if errors.count < 20 { errors.append(error) }
            }
            services.append(service)
        }
        guard errors.isEmpty else { throw ConfigurationError(errors) }
        return (all, services)
    }

    /// The line of each pod of a service, by pod name.
    static func lines(of service: ServiceName, in text: String) throws(ConfigurationError) -> [String: Int] {
        let root = try YAMLReader(text: text, file: "")
        var lines: [String: Int] = [:]
        for (name, list) in try root.mapping("services").required("services", of: root).entries()
        where name == service.rawValue {
            for entry in try list.list() {
                for (key, value) in try entry.entries() where key == "name" { lines[try value.text()] = entry.line }
            }
        }
        return lines
    }

    private static func pods(_ list: YAMLReader) throws(ConfigurationError) -> [Pod] {
        var pods: [Pod] = []
        var names: Set<String> = []
        var addresses: [SocketAddress: String] = [:]
        for entry in try list.list() {
            let fields = try entry.mapping("name", "address", "weight", "zone", "health")
            let name = try fields.required("name", of: entry)
            let address = try fields.required("address", of: entry)
            var pod = Pod(name: try name.text(), address: try address.socketAddress())
            if let weight = fields["weight"] {
                let range = Int(Weight.range.lowerBound)...Int(Weight.range.upperBound)
                pod.weight = Weight(try weight.integer(in: range)) ?? .one
            }
            if let zone = fields["zone"] { pod.zone = try zone.text() }
            if let health = fields["health"] { pod.health = try health.choice(Pod.Health.self) }
            guard names.insert(pod.name).inserted else { throw name.error("another pod of this service has this name") }
            if let other = addresses.updateValue(pod.name, forKey: pod.address) {
                throw address.error("pod \(other) has this address too; one address can only be served once")
            }
            pods.append(pod)
        }
        return pods
    }
}

extension YAMLReader {
    /// Reads an IP address and port that a client can connect to.
    func socketAddress() throws(ConfigurationError) -> SocketAddress {
        try value("should be one machine's IP address and a port, such as 127.0.0.1:8000 or [::1]:8000") { text in
            SocketAddress(text).flatMap { $0.port > 0 && $0.host.isUnicast ? $0 : nil }
        }
    }
}
