extension APIServer {
    /// An endpoint of an EndpointSlice.
    public struct Endpoint: Sendable {
        /// The name of the pod.
        public var name: String
        /// The IP address.
        public var address: String
        /// A condition; nil if it is not set.
        public var ready: Bool?
        /// See `ready`.
        public var serving: Bool?
        /// See `ready`.
        public var terminating: Bool?
        /// The zone; nil for none.
        public var zone: String?

        /// Creates an endpoint, ready by default.
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
        // To a watch with a selector, an object that no longer matches is deleted.
        delete("services", namespace, name)
        put(
            "services", namespace, name, labels: labels,
            json: """
                {"metadata":{"name":"\(name)","namespace":"\(namespace)","resourceVersion":"$VERSION",\
                "labels":{\(fields(labels))},"annotations":{\(fields(annotations))}},"spec":{"type":"ClusterIP","ports":[]}}
                """)
    }
}

extension APIServer {
    /// Creates or replaces a pod.
    public func putPod(_ name: String, in namespace: String, labels: [String: String]) {
        let fields = labels.sorted { $0.key < $1.key }.map { "\"\($0)\":\"\($1)\"" }.joined(separator: ",")
        // To a watch with a selector, an object that no longer matches is deleted.
        delete("pods", namespace, name)
        put(
            "pods", namespace, name, labels: labels,
            json: """
                {"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name":"\(name)",\
                "namespace":"\(namespace)","resourceVersion":"$VERSION","labels":{\(fields)}}}
                """)
    }
}
