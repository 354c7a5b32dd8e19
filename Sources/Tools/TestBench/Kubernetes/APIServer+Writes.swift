import Foundation
import Synchronization

// Requests for one object: reads, server-side applies and deletes.

extension APIServer {
    /// The object of a request.
    struct Target {
        var plural: String
        var namespace: String
        var name: String

        /// Nil if the request is not about one object; one that creates an object names it in its body.
        init?(_ request: Request) {
            let parts = request.path.split(separator: "/").map(String.init)
            guard let index = parts.firstIndex(of: "namespaces"), parts.count >= index + 3 else { return nil }
            (namespace, plural) = (parts[index + 1], parts[index + 2])
            if parts.count == index + 4 {
                name = parts[index + 3]
            } else {
                guard request.method == "POST", let name = request.object?.metadata["name"] as? String else {
                    return nil
                }
                self.name = name
            }
        }

        var key: String { "\(namespace)/\(name)" }
    }

    func answerToOne(_ target: Target, _ request: Request) -> Fault {
        switch request.method {
        case "GET":
            let object = state.withLock { $0.objects[target.plural]?[target.key] }
            return object.map { .says($0.text) } ?? notFound(target)
        case "PATCH": return apply(target, request)
        case "POST": return create(target, request)
        case "PUT": return replace(target, request)
        case "DELETE": return delete(target, request)
        default: return .status(405, Self.status(405, "MethodNotAllowed", "no \(request.method) here"))
        }
    }

    private func notFound(_ target: Target) -> Fault {
        .status(404, Self.status(404, "NotFound", "\(target.plural) \(target.name) not found"))
    }

    private func conflict(_ text: String) -> Fault { .status(409, Self.status(409, "Conflict", text)) }

    /// Here a manager owns the whole content; a real server has owners for each field.
    private func apply(_ target: Target, _ request: Request) -> Fault {
        guard request.headers["content-type"] == "application/apply-patch+yaml",
            let manager = request.query["fieldManager"], !manager.isEmpty, let object = request.object,
            // It is read as YAML, which doesn't have this escape of JSON.
            !request.body.contains("\\/")
        else { return .status(400, Self.status(400, "BadRequest", "no object, or no fieldManager")) }
        return change { state in
            let known = state.objects[target.plural]?[target.key]
            if let version = object.metadata["resourceVersion"] as? String, version != known.map({ "\($0.version)" }) {
                return conflict("the object has been modified; please apply your changes to the latest version")
            }
            if let last = known?.json, let type = object.fields["addressType"] as? String, !last.contains("\"\(type)\"")
            {
                return .status(422, Self.status(422, "Invalid", "addressType: field is immutable"))
            }
            let applier = Manager(name: manager, operation: "Apply")
            let others = known?.managers.filter { $0 != applier } ?? []
            if let owner = others.first, request.query["force"] != "true" {
                return conflict("Apply failed with 1 conflict: conflict with \\\"\(owner.name)\\\"")
            }
            return .says(state.store(object, at: target, managers: [applier]))
        }
    }

    /// A Lease's times must have six digits after the point.
    private static func isValid(_ body: Body) -> Bool {
        let spec = body.fields["spec"] as? [String: Any] ?? [:]
        return ["acquireTime", "renewTime"].compactMap { spec[$0] as? String }.allSatisfy {
            $0.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z/) != nil
        }
    }

    private func create(_ target: Target, _ request: Request) -> Fault {
        guard let object = request.object, Self.isValid(object) else {
            return .status(400, Self.status(400, "BadRequest", "no object, or a time that can't be parsed"))
        }
        return change { state in
            guard state.objects[target.plural]?[target.key] == nil else {
                return .status(409, Self.status(409, "AlreadyExists", "\(target.plural) \(target.name) already exists"))
            }
            let creator = Manager(name: request.query["fieldManager"] ?? "unknown", operation: "Update")
            return .says(state.store(object, at: target, managers: [creator]))
        }
    }

    private func replace(_ target: Target, _ request: Request) -> Fault {
        guard let object = request.object, Self.isValid(object) else {
            return .status(400, Self.status(400, "BadRequest", "no object, or a time that can't be parsed"))
        }
        return change { state in
            guard let known = state.objects[target.plural]?[target.key] else { return notFound(target) }
            guard object.metadata["resourceVersion"] as? String == "\(known.version)" else {
                return conflict("the object has been modified; please apply your changes to the latest version")
            }
            return .says(state.store(object, at: target, managers: known.managers))
        }
    }

    private func delete(_ target: Target, _ request: Request) -> Fault {
        change { state in
            guard var object = state.objects[target.plural]?[target.key] else { return notFound(target) }
            if request.body.contains("\"uid\""), !request.body.contains("\"\(object.uid)\"") {
                return conflict("Precondition failed: UID in precondition")
            }
            if request.body.contains("\"resourceVersion\""), !request.body.contains("\"\(object.version)\"") {
                return conflict("Precondition failed: ResourceVersion in precondition")
            }
            state.objects[target.plural]?[target.key] = nil
            object.version = state.version
            state.note("DELETED", target.plural, object)
            return .says(Self.status(200, "Success", "deleted"))
        }
    }
}

extension APIServer.Request {
    /// The object in the body; nil if there is none.
    fileprivate var object: APIServer.Body? {
        let object = (try? JSONSerialization.jsonObject(with: Data(body.utf8))) as? [String: Any]
        return object.map(APIServer.Body.init)
    }
}

extension APIServer {
    /// An object in a request's body.
    struct Body {
        var fields: [String: Any]

        init(_ fields: [String: Any]) { self.fields = fields }

        var metadata: [String: Any] { fields["metadata"] as? [String: Any] ?? [:] }
    }
}

extension APIServer.State {
    /// Stores an object of a request.
    ///
    /// - Returns: the object as JSON.
    fileprivate mutating func store(
        _ body: APIServer.Body, at target: APIServer.Target, managers: [APIServer.Manager]
    ) -> String {
        let known = objects[target.plural]?[target.key]
        let uid = known?.uid ?? "uid-\(target.name)-\(version)"
        var metadata = body.metadata
        metadata["namespace"] = target.namespace
        metadata["uid"] = uid
        metadata["resourceVersion"] = "$VERSION"
        metadata["managedFields"] = managers.map { manager in
            [
                "manager": manager.name, "operation": manager.operation, "fieldsType": "FieldsV1",
                "fieldsV1": ["f:metadata": [String: String](), "f:spec": [String: String]()],
            ] as [String: Any]
        }
        var object = body.fields
        object["metadata"] = metadata
        let json = (try? JSONSerialization.data(withJSONObject: object, options: .sortedKeys)) ?? Data()
        let next = APIServer.Object(
            namespace: target.namespace, labels: metadata["labels"] as? [String: String] ?? [:],
            json: String(decoding: json, as: UTF8.self), version: version, managers: managers, uid: uid)
        objects[target.plural, default: [:]][target.key] = next
        note(known == nil ? "ADDED" : "MODIFIED", target.plural, next)
        return next.text
    }
}
