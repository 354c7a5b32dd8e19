import ControlPlane
import EnvoyAPI
import Foundation
import GRPCTransport
import TestBench
import Testing
import TestSupport
import XDS

/// A mesh's certificates, and a client with one of them.
private struct Identity {
    let directory: String

    init(_ directory: String) throws {
        self.directory = directory
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        _ = try Certificates(makingIn: directory)
    }

    /// Opens a channel as `name`, whose certificate is checked.
    func channel(_ name: String, port: UInt16) throws -> Channel {
        let read = { (file: String) in try String(contentsOfFile: "\(directory)/\(file)", encoding: .utf8) }
        return try Channel(
            address: "127.0.0.1:\(port)",
            security: .tls(
                roots: read("ca.crt"), serverName: "ballast.example",
                KeyPair(certificateChain: read("\(name).crt"), privateKey: read("\(name).key"))))
    }

    /// The status, or nil where endpoints come.
    func ask(_ name: String, _ metadata: [String: String], _ method: Method, port: UInt16) async throws -> GRPCStatus? {
        let channel = try channel(name, port: port)
        let client = await XDSClient(channel, method)
        await client.subscribe(["httpbin"], node: Node(id: name, userAgent: "envoy", metadata: metadata))
        var status: GRPCStatus?
        do {
            _ = try await client.response()
        } catch let error as GRPCStatus {
            status = error
        }
        await client.cancel()
        await channel.shutdown()
        return status
    }
}

private func mutualTLS() throws -> String {
    try RunningControlPlane.configuration.replacingOnce(
        "limits: {namesPerStream: 1000}",
        with: """
            tls: {certificate: certs/ballast.crt, key: certs/ballast.key, clientCA: certs/ca.crt, allow: [
                {identity: "spiffe://mesh.example/client", views: [west], roles: [client]}, "*.example"]}
            """)
}

@Suite struct AccessTests {
    @Test(arguments: Method.endpointMethods) func `a client sees the views that its certificate is for, and no other`(
        method: Method
    ) async throws {
        try await withTemporaryDirectory { directory in
            let identity = try Identity("\(directory)/certs")
            try await RunningControlPlane.run(in: directory, configuration: mutualTLS()) { plane in
                let ask = { try await identity.ask($0, $1, method, port: plane.port) }
                #expect(try await ask("client", ["cluster": "west"]) == nil)
                let east = try #require(try await ask("client", ["cluster": "east"]))
                #expect(east.code == .permissionDenied)
                #expect(
                    east.message.contains("spiffe://mesh.example/client") && east.message.contains("east"), "\(east)")
                // What says nothing is in the default cluster, east.
                #expect(try await ask("client", [:])?.code == .permissionDenied)
                // Istio's sidecars name their cluster so; a name that Ballast doesn't have counts as none.
                #expect(try await ask("client", ["CLUSTER_ID": "west"]) == nil)
                #expect(try await ask("client", ["cluster": "west", "CLUSTER_ID": "east"]) == nil)
                #expect(try await ask("client", ["CLUSTER_ID": "Kubernetes"])?.code == .permissionDenied)
                #expect(try await ask("client", ["cluster": "west", "role": "gateway"])?.code == .permissionDenied)
                // By a DNS name; and a certificate of the authority that no rule names.
                #expect(try await ask("ballast", ["cluster": "east", "role": "client"]) == nil)
                #expect(try await ask("pod", ["cluster": "west"])?.code == .permissionDenied)
            }
        }
    }

    @Test func `a new rule counts for streams that are open`() async throws {
        try await withTemporaryDirectory { directory in
            let identity = try Identity("\(directory)/certs")
            try await RunningControlPlane.run(in: directory, configuration: mutualTLS()) { plane in
                let channel = try identity.channel("client", port: plane.port)
                let client = await XDSClient(channel, .of(.clusterLoadAssignment, .delta))
                await client.subscribe(
                    ["httpbin"], node: Node(id: "c", userAgent: "envoy", metadata: ["cluster": "west"]))
                _ = try await client.response()
                let stricter = try plane.configuration(
                    mutualTLS().replacingOnce("views: [west]", with: "views: [east]"))
                await plane.controlPlane.reload(stricter)
                #expect(await client.end().code == .permissionDenied)
                await channel.shutdown()
            }
        }
    }

    @Test func `certificates are read again when they change`() async throws {
        try await withTemporaryDirectory { directory in
            let identity = try Identity("\(directory)/certs")
            let next = try Identity("\(directory)/next")
            try await RunningControlPlane.run(in: directory, configuration: mutualTLS()) { plane in
                let ask = { (identity: Identity) in
                    try await identity.ask(
                        "client", ["cluster": "west"], .of(.clusterLoadAssignment, .delta), port: plane.port)
                }
                #expect(try await ask(identity) == nil)
                #expect(try await ask(next)?.code == .unavailable)
                let old = try Identity("\(directory)/old")
                for file in ["ca.crt", "client.crt", "client.key"] {
                    try Data(contentsOf: URL(fileURLWithPath: "\(identity.directory)/\(file)"))
                        .write(to: URL(fileURLWithPath: "\(old.directory)/\(file)"))
                }
                // A torn certificate first: the last good one stays.
                try plane.write("-----BEGIN", to: "certs/ballast.crt")
                #expect(try await ask(old) == nil)
                for file in ["ballast.key", "ca.crt", "ballast.crt"] {
                    try plane.write(
                        String(contentsOfFile: "\(next.directory)/\(file)", encoding: .utf8), to: "certs/\(file)")
                }
                try await eventually("the new certificates are in force") { try await ask(next) == nil }
                #expect(try await ask(old)?.code == .unavailable)
            }
        }
    }
}
