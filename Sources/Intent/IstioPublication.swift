public import Model

/// How this cluster's pods are made reachable one by one through an Istio gateway that only istiod configures.
///
/// Each pod gets a ServiceEntry of its own. For every ServiceEntry in a gateway's scope, istiod makes a filter chain with
/// an SNI (`builtAutoPassthroughFilterChains` in Istio's pilot).
public struct IstioPublication: Hashable, Sendable {
    /// How one service is published.
    public struct Service: Hashable, Sendable {
        /// The Service port, which is part of the SNIs.
        public var port: UInt16
        /// The number of ServiceEntries that are kept, and whose endpoints change with the pods; nil for one for each pod.
        public var slots: Int?
        /// The pods' service account, for the SPIFFE identity that clients of the ServiceEntry expect; nil if unknown.
        public var serviceAccount: String?

        /// Creates settings of a service.
        public init(port: UInt16, slots: Int? = nil, serviceAccount: String? = nil) {
            self.port = port
            self.slots = slots
            self.serviceAccount = serviceAccount
        }
    }

    /// How ambient gateways are asked: over mutual TLS.
    ///
    /// All paths are on this machine.
    public struct Tunnel: Hashable, Sendable {
        /// The certificate chain.
        public var certificate: String
        /// Its key.
        public var key: String
        /// The authorities that sign the gateways' certificates.
        public var ca: String

        /// Creates settings.
        public init(certificate: String, key: String, ca: String) {
            (self.certificate, self.key, self.ca) = (certificate, key, ca)
        }
    }

    /// How to reach the API server.
    public var access: KubernetesAccess
    /// The namespace of the objects: the gateway's, or the pods' for Services.
    public var namespace: String
    /// How ambient gateways are asked; nil if gateways select pods by SNI.
    ///
    /// With it, each pod gets a Service of its own instead of a ServiceEntry.
    public var tunnel: Tunnel?
    /// The gateways that must answer for an SNI; empty for all of the cluster's own.
    public var gateways: [Gateway]
    /// The hosts of the ServiceEntries.
    public var hosts: HostTemplate
    /// How long a slot stays empty before another pod gets it; longer than clients may keep an old answer.
    public var keepFor = Duration.seconds(60)
    /// The services.
    public var services: [ServiceName: Service]

    /// Creates a publication.
    public init(
        access: KubernetesAccess, namespace: String, gateways: [Gateway] = [], hosts: HostTemplate = .standard,
        services: [ServiceName: Service]
    ) {
        self.access = access
        self.namespace = namespace
        self.gateways = gateways
        self.hosts = hosts
        self.services = services
    }
}

/// A template for the hosts of ServiceEntries: text with `{slot}`, `{service}` and `{cluster}`.
public struct HostTemplate: Hashable, Sendable, CustomStringConvertible {
    /// The template as written in the configuration.
    public let description: String
    private let template: SNITemplate

    /// The default, which the hosts of Istio's sample of an east-west gateway (`*.local`) include.
    public static let standard: HostTemplate = {
        guard let template = try? HostTemplate("{slot}.{service}.{cluster}.ballast.local") else {
            preconditionFailure("the default is valid")
        }
        return template
    }()

    /// Parses and validates a template.
    public init(_ text: String) throws(SNITemplate.Problem) {
        guard !text.contains("{pod}"), !text.contains("{port}") else {
            throw SNITemplate.Problem(description: "has a placeholder other than {slot}, {service}, {cluster}")
        }
        guard text.split(separator: ".").contains("{slot}") else {
            throw SNITemplate.Problem(
                description: "needs {slot} between points: without it two pods would share a host")
        }
        guard !text.contains("_") else {
            throw SNITemplate.Problem(description: "has `_`, which Istio doesn't accept in hosts")
        }
        template = try SNITemplate(text.replacing("{slot}", with: "{pod}"))
        description = text
    }

    /// The host of a slot; nil if it would be no host name.
    public func host(slot: String, of service: ServiceName, in cluster: ClusterName) -> DNSName? {
        template.text(pod: slot, service: service, cluster: cluster).flatMap { DNSName($0) }
    }
}
