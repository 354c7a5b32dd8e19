import Foundation
import KubernetesClient
import Logging
import TestBench
import Testing
import TestSupport
import YAMLFile

private let entries = Resource(
    group: "networking.istio.io", version: "v1", plural: "serviceentries", namespace: "istio-system")

private func object(_ name: String, host: String) -> Data {
    Data(
        #"{"apiVersion":"networking.istio.io/v1","kind":"ServiceEntry","metadata":{"name":"\#(name)"},"spec":{"hosts":["\#(host)"]}}"#
            .utf8)
}

/// Runs a client of a stand-in API server while `body` does.
private func writing(_ body: (APIClient, APIServer) async throws -> Void) async throws {
    try await withTemporaryDirectory { directory in
        let server = try await APIServer(try Certificates(in: directory))
        try server.kubeconfig().write(toFile: "\(directory)/config", atomically: true, encoding: .utf8)
        let client = APIClient(logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }) {
            () throws(ConfigurationError) in try APIAccess(kubeconfig: "\(directory)/config", context: nil)
        }
        do {
            try await body(client, server)
        } catch {
            await client.shutdown()
            await server.stop()
            throw error
        }
        await client.shutdown()
        await server.stop()
    }
}

private func failure(_ body: () async throws -> Void) async -> APIFailure? {
    do {
        try await body()
        return nil
    } catch {
        return error as? APIFailure
    }
}

@Suite struct WriteTests {
    @Test func `an object is applied, read, and deleted as the one that is meant`() async throws {
        try await writing { client, server in
            try await client.apply(object("w1", host: "w1.example"), to: entries, name: "w1", manager: "ballast")
            let sent = try #require(server.requests.last)
            #expect(sent.method == "PATCH")
            #expect(sent.path == "/apis/networking.istio.io/v1/namespaces/istio-system/serviceentries/w1")
            #expect(sent.headers["content-type"] == "application/apply-patch+yaml")
            #expect(String(decoding: try await client.read(entries, name: "w1"), as: UTF8.self).contains("w1.example"))
            let other = await failure { try await client.delete(entries, name: "w1", uid: "another") }
            guard case .conflict = other else { return #expect(Bool(false), "\(String(describing: other))") }
            struct Answer: Decodable { var metadata: ObjectMetadata }
            let answer = try JSONDecoder().decode(Answer.self, from: try await client.read(entries, name: "w1"))
            try await client.delete(entries, name: "w1", uid: try #require(answer.metadata.uid))
            let gone = await failure { _ = try await client.read(entries, name: "w1") }
            guard case .notFound = gone else { return #expect(Bool(false), "\(String(describing: gone))") }
        }
    }

    @Test func `fields of another manager are a conflict, unless they are taken over by force`() async throws {
        try await writing { client, _ in
            try await client.apply(object("w1", host: "a"), to: entries, name: "w1", manager: "someone")
            let refused = await failure {
                try await client.apply(object("w1", host: "b"), to: entries, name: "w1", manager: "ballast")
            }
            guard case .conflict(let text) = refused else {
                return #expect(Bool(false), "\(String(describing: refused))")
            }
            #expect(text.contains("someone"))
            try await client.apply(
                object("w1", host: "b"), to: entries, name: "w1", manager: "ballast", force: true)
            #expect(String(decoding: try await client.read(entries, name: "w1"), as: UTF8.self).contains("\"b\""))
        }
    }

    @Test func `a write that needs a right names the rule that grants it`() async throws {
        try await writing { client, server in
            server.fail(.write, .status(403, APIServer.status(403, "Forbidden", "no")))
            let refused = await failure {
                try await client.apply(object("w1", host: "a"), to: entries, name: "w1", manager: "ballast")
            }
            #expect(
                refused?.description.contains(
                    #"{apiGroups: ["networking.istio.io"], resources: ["serviceentries"], verbs: ["patch", "create"]}"#)
                    == true)
        }
    }
}
