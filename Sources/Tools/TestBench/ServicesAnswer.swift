/// A part of what `/v1/services` answers.
public struct ServicesAnswer: Decodable, Sendable {
    /// A service.
    public struct Service: Decodable, Sendable {
        /// By cluster.
        public var intended: [Share]
        /// As sent.
        public var endpoints: [Endpoint]
    }

    /// What a cluster shall get.
    public struct Share: Decodable, Sendable {
        /// Which.
        public var cluster: String
        /// 0 to 1.
        public var share: Double
        /// What clients reported; nil where none did.
        public var observed: Observed?
        /// Its pods.
        public var pods: [Pod]
    }

    /// A pod.
    public struct Pod: Decodable, Sendable {
        /// Its name.
        public var name: String
        /// As its source says.
        public var health: String
        /// What clients reported; nil where none told its requests apart.
        public var observed: Observed?
    }

    /// What clients reported of a target.
    public struct Observed: Decodable, Sendable {
        /// Of the service's requests.
        public var share: Double?
        /// Begun in the window.
        public var requests: Int
        /// Failed in it.
        public var errors: Int
        /// The mean, estimated.
        public var latencyMilliseconds: Double?
    }

    /// An endpoint as sent.
    public struct Endpoint: Decodable, Sendable {
        /// What makes it another one for an Envoy.
        var name: String { address + (subZone.isEmpty ? "" : " in \(subZone)") }

        /// `10.0.0.1:80`, or `west_gateway/w1.httpbin.west.ballast`.
        public var address: String
        /// At least 1.
        public var weight: Int
        /// As sent.
        public var health: String
        /// Of its locality.
        public var subZone: String
    }

    /// All services.
    public var services: [Service]
}
