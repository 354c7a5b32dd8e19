/// A DNS name in lower case: at most 253 bytes, in labels of 1 to 63 letters, digits, `-` and `_`.
///
/// RFC 1123 doesn't allow underscores in host names, but Istio's SNIs contain them.
public struct DNSName: Hashable, Sendable, CustomStringConvertible {
    /// The name in lower case, since Envoy compares SNIs in lower case.
    public let description: String

    /// Parses a name; nil if the text isn't one.
    public init?(_ text: String) {
        guard text.utf8.count <= 253 else { return nil }
        // One pass over the bytes: large services have a name for each pod.
        var (length, last, hasCapitals) = (0, UInt8(ascii: "-"), false)
        for byte in text.utf8 {
            if byte == UInt8(ascii: ".") {
                guard (1...63).contains(length), last != UInt8(ascii: "-") else { return nil }
                length = 0
            } else {
                guard Self.isAllowed(byte), length > 0 || byte != UInt8(ascii: "-") else { return nil }
                hasCapitals = hasCapitals || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
                length += 1
            }
            last = byte
        }
        guard (1...63).contains(length), last != UInt8(ascii: "-") else { return nil }
        description = hasCapitals ? text.lowercased() : text
    }

    static func isLabel(_ label: Substring) -> Bool {
        let hyphen = UInt8(ascii: "-")
        return (1...63).contains(label.utf8.count) && label.utf8.first != hyphen && label.utf8.last != hyphen
            && label.utf8.allSatisfy(isAllowed)
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        let letters = UInt8(ascii: "a")...UInt8(ascii: "z")
        return digits.contains(byte) || letters.contains(byte | 0x20) || byte == UInt8(ascii: "-")
            || byte == UInt8(ascii: "_")
    }
}

/// A template for pods' SNIs: text with `{pod}`, `{service}`, `{port}` and `{cluster}`.
///
/// Two pods of a cluster never get the same SNI: `{service}` is a label of its own, `{pod}` shares its label with fixed
/// text only, and pods' names contain no dot.
public struct SNITemplate: Hashable, Sendable, CustomStringConvertible {
    /// Why a template, or the SNI that it makes, is invalid.
    public struct Problem: Error, Hashable, Sendable, CustomStringConvertible {
        /// The problem as a sentence.
        public let description: String

        /// Creates a problem.
        public init(description: String) { self.description = description }
    }

    /// The template as written in the configuration.
    public let description: String

    /// The default template of `reach: pods`.
    public static let standard = SNITemplate(unchecked: "{pod}.{service}.{cluster}.ballast")

    private static let placeholders = ["{pod}", "{service}", "{port}", "{cluster}"]

    private init(unchecked text: String) { description = text }

    /// Parses and validates a template.
    public init(_ text: String) throws(Problem) {
        description = text
        let labels = text.split(separator: ".", omittingEmptySubsequences: false)
        guard labels.contains("{service}") else {
            throw Problem(description: "needs {service} between points: without it two pods could get the same SNI")
        }
        guard labels.contains(where: { $0.contains("{pod}") && !$0.replacing("{pod}", with: "").contains("{") }) else {
            throw Problem(
                description: """
                    needs {pod} between points, with fixed text beside it at most, such as {pod}_: without it two pods \
                    could get the same SNI
                    """)
        }
        var sample = text
        for placeholder in Self.placeholders { sample = sample.replacing(placeholder, with: "1") }
        guard !sample.contains("{"), !sample.contains("}") else {
            throw Problem(description: "has a placeholder other than \(Self.placeholders.joined(separator: ", "))")
        }
        guard DNSName(sample) != nil else {
            throw Problem(
                description: "doesn't make host names: labels of letters, digits, `-` and `_`, 63 bytes at most")
        }
    }

    /// Whether a pod of this service and cluster could get this SNI.
    public func couldMake(_ name: DNSName, service: ServiceName, cluster: ClusterName) -> Bool {
        let pattern =
            description.replacing("{service}", with: service.rawValue).replacing("{cluster}", with: cluster.rawValue)
            .lowercased().split(separator: ".", omittingEmptySubsequences: false)
        let labels = name.description.split(separator: ".", omittingEmptySubsequences: false)
        return pattern.count == labels.count
            && zip(pattern, labels).allSatisfy { expected, label in
                // A pod's name or a port may replace the placeholder between these texts.
                let around = expected.replacing("{pod}", with: "*").replacing("{port}", with: "*").split(
                    separator: "*", omittingEmptySubsequences: false)
                guard let head = around.first, let tail = around.last, around.count > 1 else {
                    return expected == label
                }
                return label.hasPrefix(head) && label.hasSuffix(tail)
            }
    }

    /// Finds the service in an SNI by the labels that it occupies.
    public struct ServiceIndex: Sendable {
        /// Services by their name in lower case.
        private let names: [String: ServiceName]
        private let labelCounts: Set<Int>

        /// Creates an index of these services.
        public init(_ services: some Sequence<ServiceName>) {
            names = Dictionary(services.map { ($0.rawValue.lowercased(), $0) }, uniquingKeysWith: { first, _ in first })
            labelCounts = Set(names.keys.map { $0.count { $0 == "." } + 1 })
        }

        /// A service whose pods in this cluster could get this SNI; the cost doesn't depend on the number of services.
        public func service(sharing name: DNSName, by template: SNITemplate, in cluster: ClusterName) -> ServiceName? {
            let pattern = template.description.replacing("{cluster}", with: cluster.rawValue).split(
                separator: ".", omittingEmptySubsequences: false)
            let labels = name.description.split(separator: ".", omittingEmptySubsequences: false)
            guard let place = pattern.firstIndex(of: "{service}") else { return nil }
            for count in labelCounts where place + count <= labels.count {
                let candidate = names[labels[place..<place + count].joined(separator: ".")]
                if let candidate, template.couldMake(name, service: candidate, cluster: cluster) { return candidate }
            }
            return nil
        }
    }

    /// The SNIs of a service's pods in one cluster, by pod name.
    public func names(of pods: [Pod], of service: Service, in cluster: ClusterName) throws(Problem) -> [String:
        String]
    {
        var names: [String: String] = [:]
        var owners: [String: String] = [:]
        names.reserveCapacity(pods.count)
        owners.reserveCapacity(pods.count)
        let filled = filled(service, cluster)
        for pod in pods {
            let name = try name(of: pod, service, filled)
            if let owner = owners.updateValue(pod.name, forKey: name) {
                throw Problem(description: "pods \(owner) and \(pod.name) would have the same SNI, \(name)")
            }
            names[pod.name] = name
        }
        return names
    }

    /// The SNI of a pod; `{port}` is the service's port, or the pod's if the service has none.
    public func name(of pod: Pod, service: Service, cluster: ClusterName) throws(Problem) -> String {
        try name(of: pod, service, filled(service, cluster))
    }

    /// The template with these names; nil if `pod` is no label.
    public func text(pod: String, service: ServiceName, cluster: ClusterName) -> String? {
        guard DNSName.isLabel(pod[...]) else { return nil }
        return filled(Service(name: service), cluster).joined(separator: pod)
    }

    /// The template with the service and the cluster, in the parts between the places of the pod's name.
    private func filled(_ service: Service, _ cluster: ClusterName) -> [String] {
        description.split(separator: "{pod}", omittingEmptySubsequences: false).map { part in
            let text = String(part).replacing("{service}", with: service.name.rawValue)
            let port = service.port.map { text.replacing("{port}", with: String($0)) } ?? text
            return port.replacing("{cluster}", with: cluster.rawValue)
        }
    }

    private func name(of pod: Pod, _ service: Service, _ filled: [String]) throws(Problem) -> String {
        if let sni = pod.sni { return sni.description }
        var name = filled.joined(separator: pod.name)
        if service.port == nil, filled.contains(where: { $0.contains("{port}") }) {
            name = name.replacing("{port}", with: String(pod.address.port))
        }
        guard DNSName.isLabel(pod.name[...]) else {
            throw Problem(description: "pod \(pod.name): its name can't be a label of an SNI")
        }
        guard let name = DNSName(name) else {
            throw Problem(
                description:
                    "pod \(pod.name): its SNI would be \(name.prefix(300)), which is no host name of 253 bytes or less")
        }
        return name.description
    }
}
