import Foundation
import Intent
import KubernetesClient
import Logging
import Model
import Pacing

// Writes of objects, by the replica that holds the Lease.

extension IstioPublisher {
    /// - Returns: when to write again.
    func startWrites(at now: ContinuousClock.Instant) -> [ContinuousClock.Instant] {
        guard let passthrough, lease.isHeld(at: now) else { return [] }
        let blocked = Set(failures.filter { $0.value.next > now }.keys)
        let (writes, next) = table.writes(at: now, blocked: blocked, withdraws: isKnown)
        for write in writes where writing.count < Most.writes {
            guard passthrough.problem(with: write, of: objects) == nil else { continue }
            table.begin(write)
            writing[write.slot] = Task { await self.perform(write) }
        }
        return [next].compactMap(\.self) + failures.values.map(\.next).filter { $0 > now }
    }

    private func perform(_ write: SlotTable.Write) async {
        let name = objects.name(of: write.slot)
        let what = "\(objects.resource.plural) \(objects.publication.namespace)/\(name)"
        do {
            switch write.action {
            case .put(let content, let endpoint, let version):
                try await put(content, write.slot, version)
                logger.info(
                    "a slot was written",
                    metadata: [
                        "object": "\(what)", "reason": "\(write.reason)",
                        "endpoint": "\(endpoint?.description ?? "none")",
                    ])
            case .delete(let uid, let version):
                try await api.delete(objects.resource, name: name, uid: uid, version: version)
                if objects.publication.tunnel != nil { try await deleteService(name) }
                logger.info("a slot was deleted", metadata: ["object": "\(what)", "reason": "\(write.reason)"])
            }
            failures[write.slot] = nil
        } catch {
            var failure = failures[write.slot] ?? Failure(reason: "", next: .now)
            failure.reason = "\(what) can't be written: \(error)"
            failure.next = .now + failure.backoff.next()
            failures[write.slot] = failure
        }
        writing[write.slot] = nil
        table.end(write.slot)
        signal()
    }

    /// Creates an object, or applies it to the version that it is based on.
    ///
    /// Both fail if another writer was faster. An object with fields of others is never applied to, so that `force` takes
    /// nothing but what Ballast itself has set when it created the object.
    private func put(_ content: SlotObject.Content, _ slot: Slot, _ version: String?) async throws {
        let name = objects.name(of: slot)
        // A replica that was stopped for a while may have lost the Lease.
        guard lease.isHeld(at: .now) else { throw APIFailure.conflict("another replica writes") }
        if let service = try objects.service(of: slot) { try await ensure(service, name) }
        let body = try objects.body(slot, content, version: version)
        let answer =
            version == nil
            ? try await api.create(body, in: objects.resource, manager: SlotObjects.manager)
            : try await api.apply(body, to: objects.resource, name: name, manager: SlotObjects.manager, force: true)
        let object = try objects.object(answer)
        table.note(object, at: .now)
        guard object.content == content else {
            throw APIFailure.garbage(
                "the API server stored something else than was sent, which an admission webhook may have changed")
        }
    }

    /// Creates the Service of a slot if there is none; one that somebody else has made is an error.
    private func ensure(_ service: Data, _ name: String) async throws {
        do {
            if try await ownService(name) != nil { return }
            throw APIFailure.conflict("Service \(name) was made by somebody else")
        } catch APIFailure.notFound {
            let services = Resource.podServices(in: objects.publication.namespace)
            try await api.create(service, in: services, manager: SlotObjects.manager)
        }
    }

    /// Deletes the Service of a slot, if Ballast made it.
    private func deleteService(_ name: String) async throws {
        guard let own = try await ownService(name), let uid = own.uid else { return }
        try await api.delete(
            .podServices(in: objects.publication.namespace), name: name, uid: uid, version: own.resourceVersion)
    }

    /// The Service of this name; nil if somebody else has made it.
    private func ownService(_ name: String) async throws -> ObjectMetadata? {
        struct Found: Decodable { var metadata: ObjectMetadata }
        let services = Resource.podServices(in: objects.publication.namespace)
        let found = try JSONDecoder().decode(Found.self, from: try await api.read(services, name: name)).metadata
        let isOwn =
            found.labels?[SlotObjects.managerLabel] == SlotObjects.manager
            && found.labels?[SlotObjects.clusterLabel] == objects.cluster.rawValue
        return isOwn ? found : nil
    }
}
