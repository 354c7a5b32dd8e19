extension APIServer {
    /// An endpoint of a slice, in a few words.
    public struct Endpoint: Sendable {
        /// The pod.
        public var name: String
        /// Its IP address.
        public var address: String
        /// Its conditions; nil for those that are not said.
        public var ready: Bool?
        /// See `ready`.
        public var serving: Bool?
        /// See `ready`.
        public var terminating: Bool?
        /// Nil for none.
        public var zone: String?

        /// One that is ready, unless said otherwise.
        public init(
            _ name: String, _ address: String, ready: Bool? = true, serving: Bool? = nil, terminating: Bool? = nil,
            zone: String? = nil
        ) {
            self.name = name
            self.address = address
            self.ready = ready
            self.serving = serving
            self.terminating = terminating
            self.zone = zone
        }

        var json: String {
            let conditions = [("ready", ready), ("serving", serving), ("terminating", terminating)]
                .compactMap { name, value in value.map { "\"\(name)\":\($0)" } }.joined(separator: ",")
            let zone = zone.map { ",\"zone\":\"\($0)\"" } ?? ""
            return """
                {"addresses":["\(address)"],"conditions":{\(conditions)},\
                "targetRef":{"kind":"Pod","namespace":"n","name":"\(name)"}\(zone)}
                """
        }
    }

    /// Creates or replaces an EndpointSlice.
    public func putSlice(
        _ name: String, of service: String, in namespace: String, _ endpoints: [Endpoint], addressType: String = "IPv4",
        ports: [(name: String, port: Int)] = [("http", 80)]
    ) {
        let labels = ["kubernetes.io/service-name": service]
        let ports = ports.map { "{\"name\":\"\($0.name)\",\"protocol\":\"TCP\",\"port\":\($0.port)}" }
        put(
            "endpointslices", namespace, name, labels: labels,
            json: """
                {"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1","metadata":{"name":"\(name)",\
                "namespace":"\(namespace)","resourceVersion":"$VERSION","labels":{"kubernetes.io/service-name":"\(service)"}},\
                "addressType":"\(addressType)","endpoints":[\(endpoints.map(\.json).joined(separator: ","))],\
                "ports":[\(ports.joined(separator: ","))]}
                """)
    }
}

extension APIServer {
    /// Creates or replaces a Service.
    public func putService(
        _ name: String, in namespace: String, labels: [String: String], annotations: [String: String] = [:]
    ) {
        let fields = { (pairs: [String: String]) in
            pairs.sorted { $0.key < $1.key }.map { "\"\($0)\":\"\($1)\"" }.joined(separator: ",")
        }
        // A watch with a selector sees an object that no longer matches as deleted.
        delete("services", namespace, name)
        put(
            "services", namespace, name, labels: labels,
            json: """
                {"metadata":{"name":"\(name)","namespace":"\(namespace)","resourceVersion":"$VERSION",\
                "labels":{\(fields(labels))},"annotations":{\(fields(annotations))}},"spec":{"type":"ClusterIP","ports":[]}}
                """)
    }
}
