import AsyncHTTPClient
public import Foundation
import NIOCore
import NIOHTTP1

extension APIClient {
    /// The limit on the length of a response about one object, in bytes; etcd's limit for an object is 1.5 MB.
    private static let longestAnswer = 32 << 20

    /// Reads one object.
    ///
    /// - Returns: the object as JSON.
    public func read(_ resource: Resource, name: String) async throws(APIFailure) -> Data {
        try await send(Request(resource: resource, path: resource.path(name: name), verbs: ["get"]))
    }

    /// Creates or updates an object with a server-side apply.
    ///
    /// Fields that this manager owned and that are missing from `object` are removed. Fields of other managers stay.
    ///
    /// - Parameters:
    ///   - object: the object as JSON, with `apiVersion`, `kind` and `metadata.name`.
    ///   - manager: the field manager.
    ///   - force: whether to take ownership of fields of other managers; if false, they are a `conflict`.
    /// - Returns: the resulting object as JSON.
    @discardableResult
    public func apply(
        _ object: Data, to resource: Resource, name: String, manager: String, force: Bool = false
    ) async throws(APIFailure) -> Data {
        let parameters = [("fieldManager", manager), ("force", "\(force)")]
        // JSON is valid YAML.
        return try await send(
            Request(
                resource: resource, path: resource.path(name: name, parameters), verbs: ["patch", "create"],
                method: .PATCH, body: ("application/apply-patch+yaml", object)))
    }

    /// Creates an object.
    ///
    /// If there is an object of that name, the result is a `conflict`.
    ///
    /// - Parameter manager: the field manager; nil for the server's default.
    /// - Returns: the resulting object as JSON.
    @discardableResult
    public func create(
        _ object: Data, in resource: Resource, manager: String? = nil
    ) async throws(APIFailure) -> Data {
        let parameters = manager.map { [("fieldManager", $0)] } ?? []
        return try await send(
            Request(
                resource: resource, path: resource.path(name: nil, parameters), verbs: ["create"], method: .POST,
                body: ("application/json", object)))
    }

    /// Replaces an object if it still has the version in its `metadata.resourceVersion`; if not, the result is a
    /// `conflict`.
    ///
    /// - Returns: the resulting object as JSON.
    @discardableResult
    public func replace(_ object: Data, in resource: Resource, name: String) async throws(APIFailure) -> Data {
        try await send(
            Request(
                resource: resource, path: resource.path(name: name), verbs: ["update"], method: .PUT,
                body: ("application/json", object)))
    }

    /// Deletes an object if its UID and version match.
    ///
    /// - Parameters:
    ///   - uid: the object's UID. If an object with another UID has the name now, the result is a `conflict`.
    ///   - version: the object's version; nil for any.
    public func delete(
        _ resource: Resource, name: String, uid: String, version: String? = nil
    ) async throws(APIFailure) {
        let more = version.map { #","resourceVersion":"\#($0)""# } ?? ""
        let options = Data(
            #"{"kind":"DeleteOptions","apiVersion":"v1","preconditions":{"uid":"\#(uid)"\#(more)}}"#.utf8)
        _ = try await send(
            Request(
                resource: resource, path: resource.path(name: name), verbs: ["delete"], method: .DELETE,
                body: ("application/json", options)))
    }

    private func send(_ request: Request) async throws(APIFailure) -> Data {
        try await perform(request) { (body: HTTPClientResponse.Body) throws(APIFailure) in
            do {
                return Data(try await body.collect(upTo: Self.longestAnswer).readableBytesView)
            } catch {
                throw .broken("an answer broke off: the API server \(ConnectionFailure.sentence(error))")
            }
        }
    }
}
