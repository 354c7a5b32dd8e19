import AsyncHTTPClient
public import Foundation
import NIOCore
import NIOHTTP1

extension APIClient {
    /// Answers about single objects are not longer than this, in bytes: etcd takes objects of 1.5 MB.
    private static let longestAnswer = 32 << 20

    /// Reads one object.
    ///
    /// - Returns: its JSON.
    public func read(_ resource: Resource, name: String) async throws(APIFailure) -> Data {
        try await send(Request(resource: resource, path: resource.path(name: name), verbs: ["get"]))
    }

    /// Creates an object, or takes over the fields in it: a server-side apply.
    ///
    /// Fields that this manager owned and that are no longer in the object go; those of others stay.
    ///
    /// - Parameters:
    ///   - object: its JSON, with `apiVersion`, `kind` and `metadata.name`.
    ///   - manager: who owns the fields from now on.
    ///   - force: whether fields of other managers are taken over; otherwise they are a `conflict`.
    /// - Returns: the object's JSON as it is now.
    @discardableResult
    public func apply(
        _ object: Data, to resource: Resource, name: String, manager: String, force: Bool = false
    ) async throws(APIFailure) -> Data {
        let parameters = [("fieldManager", manager), ("force", "\(force)")]
        // JSON is YAML.
        return try await send(
            Request(
                resource: resource, path: resource.path(name: name, parameters), verbs: ["patch", "create"],
                method: .PATCH, body: ("application/apply-patch+yaml", object)))
    }

    /// Deletes an object, if it is the one that is meant.
    ///
    /// - Parameter uid: the object's; one that was created anew under its name is a `conflict`.
    public func delete(_ resource: Resource, name: String, uid: String) async throws(APIFailure) {
        let options = Data(#"{"kind":"DeleteOptions","apiVersion":"v1","preconditions":{"uid":"\#(uid)"}}"#.utf8)
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
