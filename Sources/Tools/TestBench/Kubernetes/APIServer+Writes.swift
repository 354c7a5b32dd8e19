import Foundation
import Synchronization

// Requests for one object: reads, server-side applies and deletes.

extension APIServer {
    /// The object of a request.
    struct Target {
        var plural: String
        var namespace: String
        var name: String

        /// Nil if the request is not about one object.
        init?(_ request: Request) {
            let parts = request.path.split(separator: "/").map(String.init)
            guard let index = parts.firstIndex(of: "namespaces"), parts.count == index + 4 else { return nil }
            (namespace, plural, name) = (parts[index + 1], parts[index + 2], parts[index + 3])
        }

        var key: String { "\(namespace)/\(name)" }
    }

    func answerToOne(_ target: Target, _ request: Request) -> Fault {
        switch request.method {
        case "GET":
            let object = state.withLock { $0.objects[target.plural]?[target.key] }
            return object.map { .says($0.text) } ?? notFound(target)
        case "PATCH": return apply(target, request)
        case "DELETE": return delete(target, request)
        default: return .status(405, Self.status(405, "MethodNotAllowed", "no \(request.method) here"))
        }
    }

    private func notFound(_ target: Target) -> Fault {
        .status(404, Self.status(404, "NotFound", "\(target.plural) \(target.name) not found"))
    }

    /// Here one manager owns the whole object; a real server has an owner for each field.
    private func apply(_ target: Target, _ request: Request) -> Fault {
        guard request.headers["content-type"] == "application/apply-patch+yaml",
            let manager = request.query["fieldManager"], !manager.isEmpty,
            var object = (try? JSONSerialization.jsonObject(with: Data(request.body.utf8))) as? [String: Any]
        else { return .status(400, Self.status(400, "BadRequest", "no object, or no fieldManager")) }
        return change { state in
            let known = state.objects[target.plural]?[target.key]
            if let owner = known?.manager, owner != manager, request.query["force"] != "true" {
                let text = "Apply failed with 1 conflict: conflict with \"\(owner)\""
                return .status(409, Self.status(409, "Conflict", text))
            }
            var metadata = object["metadata"] as? [String: Any] ?? [:]
            metadata["namespace"] = target.namespace
            metadata["uid"] = "uid-\(target.name)"
            metadata["resourceVersion"] = "$VERSION"
            object["metadata"] = metadata
            let json = (try? JSONSerialization.data(withJSONObject: object, options: .sortedKeys)) ?? Data()
            let next = Object(
                namespace: target.namespace, labels: metadata["labels"] as? [String: String] ?? [:],
                json: String(decoding: json, as: UTF8.self), version: state.version, manager: manager)
            state.objects[target.plural, default: [:]][target.key] = next
            state.note(known == nil ? "ADDED" : "MODIFIED", target.plural, next)
            return .says(next.text)
        }
    }

    private func delete(_ target: Target, _ request: Request) -> Fault {
        change { state in
            guard var object = state.objects[target.plural]?[target.key] else { return notFound(target) }
            if request.body.contains("\"uid\""), !request.body.contains("\"uid-\(target.name)\"") {
                let text = "Precondition failed: UID in precondition"
                return .status(409, Self.status(409, "Conflict", text))
            }
            state.objects[target.plural]?[target.key] = nil
            object.version = state.version
            state.note("DELETED", target.plural, object)
            return .says(Self.status(200, "Success", "deleted"))
        }
    }
}
