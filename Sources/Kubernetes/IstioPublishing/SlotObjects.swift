import Intent
import KubernetesClient
public import Model

/// One place for a pod behind the gateway: a ServiceEntry with a host of its own.
public struct Slot: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The service.
    public var service: ServiceName
    /// `s0`, `s1` and so on; or the pod's name, if each pod has a ServiceEntry.
    public var name: String

    /// `SERVICE/NAME`.
    public var description: String { "\(service)/\(name)" }

    /// The number in the name; nil if it is a pod's name.
    var number: Int? { name.hasPrefix("s") ? Int(name.dropFirst()) : nil }

    /// Orders by service, then by number or name.
    public static func < (left: Slot, right: Slot) -> Bool {
        guard left.service == right.service else { return left.service < right.service }
        if let one = left.number, let other = right.number { return one < other }
        return left.name < right.name
    }
}

/// The objects that stand for slots.
struct SlotObjects: Sendable {
    static let managerLabel = "app.kubernetes.io/managed-by"
    static let manager = "ballast"
    static let clusterLabel = "ballast.dev/cluster"

    let publication: IstioPublication
    let cluster: ClusterName

    /// The name of a slot's ServiceEntry: `ballast-CLUSTER.SERVICE.SLOT`.
    ///
    /// A cluster's and a slot's name have no dots, so that different slots have different names.
    func name(of slot: Slot) -> String { "ballast-\(cluster).\(slot.service).\(slot.name)" }

    /// The slot of a ServiceEntry; nil if it is not one of this cluster's.
    func slot(named name: String) -> Slot? {
        let prefix = "ballast-\(cluster)."
        guard name.hasPrefix(prefix), let dot = name.lastIndex(of: ".") else { return nil }
        let start = name.index(name.startIndex, offsetBy: prefix.count)
        guard start < dot else { return nil }
        return Slot(
            service: ServiceName(rawValue: String(name[start..<dot])), name: String(name[name.index(after: dot)...]))
    }

    /// The host of a slot; nil if it would be no host name.
    func host(of slot: Slot) -> DNSName? { publication.hosts.host(slot: slot.name, of: slot.service, in: cluster) }

    /// The SNI of a slot's filter chain, as istiod makes it (`BuildDNSSrvSubsetKey`); nil if the service is not published.
    func sni(of slot: Slot) -> DNSName? {
        guard let service = publication.services[slot.service], let host = host(of: slot) else { return nil }
        return DNSName("outbound_.\(service.port)_._.\(host)")
    }

    /// What a slot's ServiceEntry should contain; nil if the service is not published.
    func spec(of slot: Slot, to endpoint: SocketAddress?) -> ServiceEntry.Spec? {
        guard let service = publication.services[slot.service], let host = host(of: slot) else { return nil }
        let endpoints = endpoint.map { endpoint in
            ServiceEntry.Endpoint(
                address: "\(endpoint.host)", ports: [ServiceEntry.portName: Int(endpoint.port)],
                labels: ["security.istio.io/tlsMode": "istio"], serviceAccount: service.serviceAccount)
        }
        return ServiceEntry.Spec(
            hosts: ["\(host)"], exportTo: ["."], location: "MESH_INTERNAL", resolution: "STATIC",
            ports: [ServiceEntry.Port(number: Int(service.port), name: ServiceEntry.portName, protocol: "HTTP")],
            endpoints: [endpoints].compactMap(\.self))
    }

    /// A slot's ServiceEntry.
    func entry(_ slot: Slot, _ spec: ServiceEntry.Spec, version: String?) -> ServiceEntry {
        var metadata = ObjectMetadata(name: name(of: slot), namespace: publication.namespace)
        metadata.resourceVersion = version
        metadata.labels = [
            Self.managerLabel: Self.manager, Self.clusterLabel: cluster.rawValue,
            // Without this, Istio gives every ServiceEntry without an address one for sidecars.
            "networking.istio.io/enable-autoallocate-ip": "false",
        ]
        return ServiceEntry(metadata: metadata, spec: spec)
    }
}
