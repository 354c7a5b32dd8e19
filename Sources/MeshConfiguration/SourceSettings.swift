public import Model

extension Configuration {
    /// Where a cluster's pods are learned.
    public enum Endpoints: Hashable, Sendable {
        /// From a file of that path, watched.
        case file(String)
        /// From a Kubernetes API server's EndpointSlices.
        case kubernetes(KubernetesEndpoints)
        /// From the Ballast of the cluster itself, which exports them.
        case ballast(BallastPeer)

        /// The services that are known to come from there; there may be more.
        var services: [ServiceName] {
            if case .kubernetes(let settings) = self { Array(settings.services.keys) } else { [] }
        }
    }

    /// Where a cluster's gateways are learned.
    public enum Gateways: Hashable, Sendable {
        /// As written; host names among them are looked up in DNS. Empty where pods are reached directly.
        case listed([Gateway])
        /// From a Kubernetes API server's Services.
        case kubernetes(KubernetesGateways)
        /// From the Ballast that exports the cluster's pods.
        case exported

        /// Those that are known without asking anyone.
        public var addresses: [SocketAddress] {
            guard case .listed(let gateways) = self else { return [] }
            return gateways.compactMap { if case .address(let address) = $0 { address } else { nil } }
        }

        /// Whether pods are reached directly.
        public var isEmpty: Bool { self == .listed([]) }
    }

    /// How a Kubernetes API server is reached.
    public struct KubernetesAccess: Hashable, Sendable {
        /// A kubeconfig's path; nil inside a cluster, whose own API server is meant.
        public var kubeconfig: String?
        /// One of the kubeconfig's contexts; nil for its current one.
        public var context: String?

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
    }

    /// Another Ballast.
    public struct BallastPeer: Hashable, Sendable {
        /// The cluster that this Ballast serves, as the other is told.
        public var importer: ClusterName
        /// What the other calls its cluster; all that it exports has to be of it.
        public var cluster: ClusterName
        /// The services that it may bring; nil for any.
        public var services: Set<ServiceName>?
        /// Addresses that it may bring though they are hardly another cluster's pods'.
        public var addresses: Set<UnusualAddress>
        /// A host name or an IP address, and a port.
        public var address: String
        /// What this Ballast shows, and what it demands; paths of PEM files.
        public var tls: PeerTLS
    }

    /// Addresses that mean something else on each machine.
    public enum UnusualAddress: String, Hashable, Sendable, CaseIterable {
        /// 127.0.0.0/8 and ::1.
        case loopback
        /// 169.254.0.0/16, where clouds have their metadata, and fe80::/10.
        case linkLocal
    }

    /// Mutual TLS with another Ballast.
    public struct PeerTLS: Hashable, Sendable {
        /// What this Ballast shows.
        public var certificate: String
        /// Its private key.
        public var key: String
        /// The authorities that vouch for the other.
        public var ca: String
        /// The name that the other's certificate has to carry.
        public var serverName: String
    }

    /// Which services another Ballast may import.
    public struct Export: Hashable, Sendable {
        /// Its name here, for people.
        public var peer: String
        /// The names that its certificate may carry.
        public var identity: IdentityPattern
        /// Which services; nil for all.
        public var services: Set<ServiceName>?

        /// Whether a service is exported.
        public func includes(_ service: ServiceName) -> Bool { services?.contains(service) != false }
    }

    /// When a service that shrinks is held.
    public struct ShrinkGuard: Hashable, Sendable {
        /// The share of a cluster's endpoints of a service that may go at once, from 0 to 1.
        public var share = 0.5
        /// Sets smaller than this may lose any share, but not all.
        public var from = 4
        /// How long endpoints are held whose source no longer names them, without evidence that they are gone.
        public var holdFor = Duration.seconds(300)
        /// With evidence, `share` may go within this time.
        public var pace = Duration.seconds(10)

        /// The defaults.
        public init() {}
    }

    /// How gateways' host names are looked up.
    public struct DNS: Hashable, Sendable {
        /// Asked in this order; empty for those of /etc/resolv.conf.
        public var servers: [SocketAddress] = []
        /// An answer is used at least this long, whatever its TTL.
        public var shortest = Duration.seconds(5)
        /// An answer is asked for again after this long, whatever its TTL.
        public var longest = Duration.seconds(300)

        /// Which addresses are asked for; `any` for both.
        public var family = IPFamily.any

        /// The defaults.
        public init() {}
    }

    /// What services are like that sources bring and nobody has listed.
    public struct ServiceTemplate: Hashable, Sendable {
        /// With `{service}` in place of the name.
        public var resources: [String]
        /// Everything else.
        public var service: Service

        /// The service of that name.
        public func served(as name: ServiceName) -> ServedService {
            var service = service
            service.name = name
            return ServedService(
                service: service, resources: resources.map { $0.replacing("{service}", with: name.rawValue) },
                isListed: false)
        }
    }
}
