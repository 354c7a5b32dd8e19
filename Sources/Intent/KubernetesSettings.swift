public import Model

/// How to reach a Kubernetes API server.
public struct KubernetesAccess: Hashable, Sendable {
    /// The path of a kubeconfig; nil for the API server of the cluster that Ballast runs in.
    public var kubeconfig: String?
    /// A context of the kubeconfig; nil for the current one.
    public var context: String?

    /// Creates access to an API server.
    public init(kubeconfig: String? = nil, context: String? = nil) {
        self.kubeconfig = kubeconfig
        self.context = context
    }

    /// The access as text, such as `context west of /etc/ballast/west.kubeconfig`.
    public var description: String {
        guard let kubeconfig else { return "in-cluster" }
        return context.map { "context \($0) of \(kubeconfig)" } ?? kubeconfig
    }
}

/// A port of a Kubernetes Service or of its pods.
public enum PortReference: Hashable, Sendable, CustomStringConvertible {
    case number(UInt16)
    case name(String)

    /// The port as written in the configuration.
    public var description: String {
        switch self {
        case .number(let number): "\(number)"
        case .name(let name): name
        }
    }

    /// Parses a port: digits are a number, other text is a name; nil if empty or not a valid port number.
    public init?(_ text: String) {
        guard !text.isEmpty else { return nil }
        if text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) {
            guard let number = UInt16(text), number > 0 else { return nil }
            self = .number(number)
        } else {
            self = .name(text)
        }
    }
}

/// Which IP family of a pod's addresses to use.
public enum IPFamily: String, Hashable, Sendable, CaseIterable {
    /// IPv4 if the service has EndpointSlices of it, otherwise IPv6.
    case any
    case ipv4 = "IPv4"
    case ipv6 = "IPv6"
}

/// A Kubernetes Service that is one of the mesh's services.
public struct KubernetesService: Hashable, Sendable {
    /// The Service's namespace.
    public var namespace: String
    /// The Service's name.
    public var name: String
    /// The pods' port; nil if they have only one.
    public var port: PortReference?
    /// The IP family to use.
    public var family: IPFamily

    /// Creates a reference to a Service.
    public init(namespace: String, name: String, port: PortReference? = nil, family: IPFamily = .any) {
        self.namespace = namespace
        self.name = name
        self.port = port
        self.family = family
    }
}

/// Pods from a Kubernetes API server.
public struct KubernetesEndpoints: Hashable, Sendable {
    /// How to reach the API server.
    public var access: KubernetesAccess
    /// The namespaces to watch; empty for all.
    public var namespaces: [String]
    /// The Kubernetes Services, by the mesh's name of each.
    public var services: [ServiceName: KubernetesService]
    /// Whether Services labelled `ballast.dev/export: "true"` are included, under the name `NAME.NAMESPACE`.
    public var includesExported: Bool
    /// The IP family of services that don't set their own.
    public var family: IPFamily
    /// Whether pods' labels are read, to tell those with an Istio sidecar from the others.
    public var readsSidecars = false

    /// Creates a source of pods.
    public init(
        access: KubernetesAccess, namespaces: [String], services: [ServiceName: KubernetesService],
        includesExported: Bool,
        family: IPFamily
    ) {
        self.access = access
        self.namespaces = namespaces
        self.services = services
        self.includesExported = includesExported
        self.family = family
    }
}

/// Gateways from a Kubernetes API server: the addresses of Services of type LoadBalancer.
public struct KubernetesGateways: Hashable, Sendable {
    /// How to reach the API server.
    public var access: KubernetesAccess
    /// The namespace of the Services.
    public var namespace: String
    /// The label selector of the Services, such as `istio=eastwestgateway`.
    public var labelSelector: String
    /// The Services' port.
    public var port: PortReference
    /// Whether to use the nodes' addresses and the node port instead.
    public var usesNodePorts: Bool

    /// Creates a source of gateways.
    public init(
        access: KubernetesAccess, namespace: String, labelSelector: String, port: PortReference, usesNodePorts: Bool
    ) {
        self.access = access
        self.namespace = namespace
        self.labelSelector = labelSelector
        self.port = port
        self.usesNodePorts = usesNodePorts
    }
}
