public import Model

/// How a Kubernetes API server is reached.
public struct KubernetesAccess: Hashable, Sendable {
    /// A kubeconfig's path; nil inside a cluster, whose own API server is meant.
    public var kubeconfig: String?
    /// One of the kubeconfig's contexts; nil for its current one.
    public var context: String?

    /// An API server that is reached so.
    public init(kubeconfig: String? = nil, context: String? = nil) {
        self.kubeconfig = kubeconfig
        self.context = context
    }

    /// For people: `context west of /etc/ballast/west.kubeconfig`.
    public var description: String {
        guard let kubeconfig else { return "in-cluster" }
        return context.map { "context \($0) of \(kubeconfig)" } ?? kubeconfig
    }
}

/// A port of a Kubernetes Service or of its pods.
public enum PortReference: Hashable, Sendable, CustomStringConvertible {
    /// By number.
    case number(UInt16)
    /// By name.
    case name(String)

    /// As written.
    public var description: String {
        switch self {
        case .number(let number): "\(number)"
        case .name(let name): name
        }
    }

    /// Digits are a number; nil for what can be no port, or is empty.
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

/// Which of a pod's addresses are taken.
public enum IPFamily: String, Hashable, Sendable, CaseIterable {
    /// IPv4 where the service has slices of it, else IPv6.
    case any
    /// IPv4 only.
    case ipv4 = "IPv4"
    /// IPv6 only.
    case ipv6 = "IPv6"
}

/// A Kubernetes Service that is one of the mesh's services.
public struct KubernetesService: Hashable, Sendable {
    /// Its namespace.
    public var namespace: String
    /// Its name.
    public var name: String
    /// The pods' port; nil where they have a single one.
    public var port: PortReference?
    /// Which addresses are taken.
    public var family: IPFamily

    /// A Service.
    public init(namespace: String, name: String, port: PortReference? = nil, family: IPFamily = .any) {
        self.namespace = namespace
        self.name = name
        self.port = port
        self.family = family
    }
}

/// Pods that a Kubernetes API server knows.
public struct KubernetesEndpoints: Hashable, Sendable {
    /// How it is reached.
    public var access: KubernetesAccess
    /// The namespaces that are watched; empty for all.
    public var namespaces: [String]
    /// By the name that the mesh has for each.
    public var services: [ServiceName: KubernetesService]
    /// Whether Services labelled `ballast.dev/export: "true"` are taken too, as `NAME.NAMESPACE`.
    public var takesExported: Bool
    /// Which addresses are taken of services that say nothing else.
    public var family: IPFamily

    /// Pods of these services.
    public init(
        access: KubernetesAccess, namespaces: [String], services: [ServiceName: KubernetesService], takesExported: Bool,
        family: IPFamily
    ) {
        self.access = access
        self.namespaces = namespaces
        self.services = services
        self.takesExported = takesExported
        self.family = family
    }
}

/// Gateways that a Kubernetes API server knows: the addresses of Services of type LoadBalancer.
public struct KubernetesGateways: Hashable, Sendable {
    /// How it is reached.
    public var access: KubernetesAccess
    /// Where the Services are.
    public var namespace: String
    /// Which they are, such as `istio=eastwestgateway`.
    public var labelSelector: String
    /// Their port.
    public var port: PortReference
    /// Whether nodes' addresses and the node port are taken instead.
    public var usesNodePorts: Bool

    /// Gateways of these Services.
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
