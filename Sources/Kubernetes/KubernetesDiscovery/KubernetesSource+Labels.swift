import Synchronization
import Intent
import KubernetesClient
import Model

// What labels and annotations tell: which pods have sidecars, and which Services are imported without being listed.

extension KubernetesSource {
    // MARK: Sidecars

    func apply(_ event: Reflector<KubernetesPod>.Event, in namespace: String?) -> Change {
        state.withLock { state in
            switch event {
            case .replaced(let pods):
                state.table.replaceSidecars(in: namespace, with: Set(pods.map(\.metadata.key)))
                state.excess = excess(of: state.table)
                return .everything
            case .changed(let pod):
                let services = state.table.note(pod.metadata.key, hasSidecar: true)
                state.excess = excess(of: state.table)
                return .services(services)
            case .deleted(let pod): return .services(state.table.note(pod.metadata.key, hasSidecar: false))
            case .confirmed, .failed: return .nothing
            }
        }
    }

    // MARK: Exported Services

    func apply(_ event: Reflector<KubernetesServiceObject>.Event, in namespace: String?) -> Change {
        state.withLock { state in
            switch event {
            case .replaced(let services):
                let exported = Set(services.map(\.metadata.key))
                for (name, service) in state.table.services
                where settings.services[name] == nil && (namespace == nil || namespace == service.namespace) {
                    if !exported.contains(ObjectKey(namespace: service.namespace, name: service.name)) {
                        state.table.map(name, to: nil)
                    }
                }
                state.exportProblems = state.exportProblems.filter {
                    namespace != nil && $0.key.namespace != namespace
                }
                for service in services { _ = export(service, &state) }
                return .everything
            case .changed(let service): return .services(export(service, &state))
            case .deleted(let service):
                let name = ServiceName(exported: service.metadata.key)
                state.exportProblems[service.metadata.key] = nil
                guard settings.services[name] == nil else { return .nothing }
                state.table.map(name, to: nil)
                return .services([name])
            case .confirmed, .failed: return .nothing
            }
        }
    }

    private func export(_ service: KubernetesServiceObject, _ state: inout State) -> Set<ServiceName> {
        let key = service.metadata.key
        let name = ServiceName(exported: key)
        guard settings.services[name] == nil else { return [] }
        var port: PortReference?
        if let text = service.metadata.annotations?[Self.portAnnotation] {
            port = PortReference(text)
            guard port != nil else {
                state.exportProblems[key] =
                    "Service \(key): its annotation \(Self.portAnnotation), \"\(text)\", is no port's name or number"
                return []
            }
        }
        state.exportProblems[key] = nil
        state.table.map(
            name,
            to: KubernetesService(
                namespace: key.namespace, name: key.name, port: port, family: settings.family))
        return [name]
    }
}

extension ServiceName {
    /// The service name for a Service that is imported without being listed.
    fileprivate init(exported key: ObjectKey) { self.init(rawValue: "\(key.name).\(key.namespace)") }
}
