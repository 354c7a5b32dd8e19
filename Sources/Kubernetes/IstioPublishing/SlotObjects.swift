import Foundation
import Intent
import KubernetesClient
public import Model

/// One place for a pod behind the gateway, with an object of its own.
public struct Slot: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The service.
    public var service: ServiceName
    /// `s0`, `s1` and so on; or the pod's name, if each pod has an object.
    public var name: String

    /// `SERVICE/NAME`.
    public var description: String { "\(service)/\(name)" }

    /// The number in the name; nil if it is a pod's name.
    var number: Int? {
        guard name.hasPrefix("s"), let number = Int(name.dropFirst()), name == "s\(number)", number >= 0 else {
            return nil
        }
        return number
    }

    /// Orders by service, then by number or name.
    public static func < (left: Slot, right: Slot) -> Bool {
        guard left.service == right.service else { return left.service < right.service }
        if let one = left.number, let other = right.number { return one < other }
        return left.name < right.name
    }
}

/// An object that stands for a slot, as the API server has it.
struct SlotObject: Sendable {
    /// What Ballast writes of it.
    enum Content: Hashable, Sendable {
        case serviceEntry(ServiceEntry.Spec)
        case slice(PodSlice.Content)

        /// Whether an object with this content can be edited to have the other one: a slice's address family is fixed.
        func canBecome(_ next: Content) -> Bool {
            guard case .slice(let last) = self, case .slice(let slice) = next else { return true }
            return last.addressType == slice.addressType
        }

        /// What decides about the name by which a gateway selects the pod; empty for Services, whose names are fixed.
        var host: String {
            switch self {
            case .serviceEntry(let spec): "\(spec.hosts) \((spec.ports ?? []).map(\.number))"
            case .slice: ""
            }
        }
    }

    var name: String
    var uid: String
    var version: String
    /// Nil if Ballast can't have written it.
    var content: Content?
    /// The address of its only endpoint; nil if there is none, or several.
    var endpoint: SocketAddress?
    /// How long ago Ballast last wrote it; nil if that isn't known.
    var age: Duration?
    /// A manager other than Ballast that has set fields besides metadata; nil if there is none.
    var stranger: String?

    init(_ entry: ServiceEntry) {
        (name, uid) = (entry.metadata.name ?? "", entry.metadata.uid ?? "")
        version = entry.metadata.resourceVersion ?? ""
        content = entry.spec.map { .serviceEntry($0) }
        endpoint = entry.endpoint
        stranger = entry.metadata.stranger
        age = entry.metadata.age
    }

    init(_ slice: PodSlice) {
        (name, uid) = (slice.metadata.name ?? "", slice.metadata.uid ?? "")
        version = slice.metadata.resourceVersion ?? ""
        content = slice.content.map { .slice($0) }
        endpoint = slice.endpoint
        stranger = slice.metadata.stranger
        age = slice.metadata.age
    }
}

/// The objects that stand for slots: their names, hosts and contents.
struct SlotObjects: Sendable {
    static let managerLabel = "app.kubernetes.io/managed-by"
    static let manager = "ballast"
    static let clusterLabel = "ballast.dev/cluster"

    /// The selector of the objects that the Ballast of a cluster writes.
    static func selector(_ cluster: ClusterName) -> String { "\(managerLabel)=\(manager),\(clusterLabel)=\(cluster)" }

    let publication: IstioPublication
    let cluster: ClusterName

    /// Whether slots are Services.
    private var areServices: Bool { publication.tunnel != nil }

    // MARK: Names

    /// The name of a slot's object: `ballast-CLUSTER.SERVICE.SLOT`, or `ballast-SERVICE-SLOT` of a Service.
    ///
    /// A cluster's and a slot's name have no dots, so that different slots have different names. A Service's name is one
    /// label, and its slots have numbers.
    func name(of slot: Slot) -> String {
        areServices
            ? "ballast-\(slot.service.label)-\(slot.name)" : "ballast-\(cluster).\(slot.service).\(slot.name)"
    }

    /// The slot of an object; nil if it is not one of this cluster's.
    func slot(named name: String) -> Slot? {
        let prefix = areServices ? "ballast-" : "ballast-\(cluster)."
        guard name.hasPrefix(prefix), let end = name.lastIndex(of: areServices ? "-" : ".") else { return nil }
        let start = name.index(name.startIndex, offsetBy: prefix.count)
        guard start < end else { return nil }
        let text = String(name[start..<end])
        let service = areServices ? publication.services.keys.first { $0.label == text } : nil
        return Slot(service: service ?? ServiceName(rawValue: text), name: String(name[name.index(after: end)...]))
    }

    /// The host of a slot; nil if it would be no host name.
    func host(of slot: Slot) -> DNSName? {
        areServices
            ? DNSName("\(name(of: slot)).\(publication.namespace).svc.cluster.local")
            : publication.hosts.host(slot: slot.name, of: slot.service, in: cluster)
    }

    /// The name by which pods in the slot are announced; nil if the service is not published.
    ///
    /// It is the SNI of the slot's filter chain, as istiod makes it (`BuildDNSSrvSubsetKey`), or the host of its Service.
    func sni(of slot: Slot) -> DNSName? {
        guard let service = publication.services[slot.service], let host = host(of: slot) else { return nil }
        return areServices ? host : DNSName("outbound_.\(service.port)_._.\(host)")
    }

    /// What to ask a gateway, to see whether it leads to the slot's pod.
    func probe(of slot: Slot, hasPod: Bool) -> SlotProbe? {
        guard let name = sni(of: slot), let service = publication.services[slot.service] else { return nil }
        let question: SlotProbe.Question =
            publication.tunnel.map { .authority("\(name):\(service.port)", $0) } ?? .sni(name)
        return SlotProbe(question: question, hasPod: hasPod)
    }

    // MARK: Contents

    /// What a slot's object should contain; nil if the service is not published.
    ///
    /// - Parameter last: the content of an object that is emptied.
    func content(of slot: Slot, for pod: Pod?, keeping last: SlotObject.Content? = nil) -> SlotObject.Content? {
        guard let service = publication.services[slot.service], let host = host(of: slot) else { return nil }
        guard !areServices else {
            let endpoint = pod.map { pod in
                PodSlice.Endpoint(
                    addresses: ["\(pod.address.host)"], conditions: PodSlice.Conditions(ready: true),
                    targetRef: PodSlice.Reference(kind: "Pod", name: pod.name, namespace: publication.namespace))
            }
            let port = PodSlice.Port(
                name: ServiceEntry.portName, port: Int(pod?.address.port ?? service.port), protocol: "TCP")
            var family = pod?.address.host.isIPv6 == true ? "IPv6" : "IPv4"
            if case .slice(let slice) = last { family = slice.addressType }
            return .slice(
                PodSlice.Content(
                    addressType: family,
                    endpoints: [endpoint].compactMap(\.self), ports: [port]))
        }
        let endpoint = pod.map { pod in
            ServiceEntry.Endpoint(
                address: "\(pod.address.host)", ports: [ServiceEntry.portName: Int(pod.address.port)],
                labels: ["security.istio.io/tlsMode": "istio"], serviceAccount: service.serviceAccount)
        }
        return .serviceEntry(
            ServiceEntry.Spec(
                hosts: ["\(host)"], exportTo: ["."], location: "MESH_INTERNAL", resolution: "STATIC",
                ports: [ServiceEntry.Port(number: Int(service.port), name: ServiceEntry.portName, protocol: "HTTP")],
                endpoints: [endpoint].compactMap(\.self)))
    }

    /// The objects that exist for each slot.
    var resource: Resource {
        areServices
            ? .podSlices(in: publication.namespace, of: cluster)
            : .serviceEntries(in: publication.namespace, of: cluster)
    }

    /// Reads an object.
    func object(_ data: Data) throws -> SlotObject {
        areServices
            ? SlotObject(try JSONDecoder().decode(PodSlice.self, from: data))
            : SlotObject(try JSONDecoder().decode(ServiceEntry.self, from: data))
    }

    /// A slot's object as it is applied.
    func body(_ slot: Slot, _ content: SlotObject.Content, version: String?) throws -> Data {
        var metadata = metadata(of: slot)
        metadata.resourceVersion = version
        switch content {
        case .serviceEntry(let spec):
            // Without this, Istio gives every ServiceEntry without an address one for sidecars.
            metadata.labels?["networking.istio.io/enable-autoallocate-ip"] = "false"
            return try Self.encoder.encode(ServiceEntry(metadata: metadata, spec: spec))
        case .slice(let slice):
            metadata.labels?["kubernetes.io/service-name"] = name(of: slot)
            metadata.labels?["endpointslice.kubernetes.io/managed-by"] = Self.manager
            return try Self.encoder.encode(PodSlice(metadata: metadata, content: slice))
        }
    }

    /// The Service of a slot as it is applied; nil if slots are ServiceEntries.
    func service(of slot: Slot) throws -> Data? {
        guard areServices, let service = publication.services[slot.service] else { return nil }
        var metadata = metadata(of: slot)
        // Without this, gateways of other networks don't lead to it.
        metadata.labels?["istio.io/global"] = "true"
        let spec = PodService.Spec(ports: [PodService.Port(port: Int(service.port))])
        return try Self.encoder.encode(PodService(metadata: metadata, spec: spec))
    }

    private func metadata(of slot: Slot) -> ObjectMetadata {
        var metadata = ObjectMetadata(name: name(of: slot), namespace: publication.namespace)
        metadata.labels = [Self.managerLabel: Self.manager, Self.clusterLabel: cluster.rawValue]
        return metadata
    }

    private static var encoder: JSONEncoder {
        let encoder = JSONEncoder()
        // A server-side apply is read as YAML, which doesn't have the escape \/.
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return encoder
    }
}

extension ObjectMetadata {
    /// The time since Ballast's last write, by this machine's clock.
    fileprivate var age: Duration? {
        let times = (managedFields ?? []).filter { $0.manager == SlotObjects.manager }.compactMap(\.changed)
        return times.max().map { .seconds(max(0, Date().timeIntervalSince($0))) }
    }

    fileprivate var stranger: String? {
        (managedFields ?? []).first { $0.manager != SlotObjects.manager && $0.ownsContent }.map {
            $0.manager ?? "somebody"
        }
    }
}

extension ServiceName {
    /// The name as one label: dots become `-`.
    fileprivate var label: String { rawValue.replacing(".", with: "-") }
}
